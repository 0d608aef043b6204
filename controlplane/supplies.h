/* What the process lives on and cannot make: room on the state folder's disk, file descriptors, memory. A look a second raises
 * disk_full, no_descriptors and memory_budget while they are short, and keeps some of the first two in hand. Loop thread. */
#ifndef ZS_CONTROLPLANE_SUPPLIES_H
#define ZS_CONTROLPLANE_SUPPLIES_H

#include <stdbool.h>
#include "control.h"

struct zs_supplies;

/* -ENOMEM. Before the admin socket: its calls take the descriptors in hand. */
int zs_supplies_new(struct zs_supplies **out, struct zs_control *c, struct zs_error *err);
void zs_supplies_delete(struct zs_supplies *s);
/* Gives up a descriptor that was kept in hand, for somebody who gets none otherwise. False: there is none, until a later
 * look finds some. s may be NULL. */
bool zs_supplies_descriptor(struct zs_supplies *s);

#endif
