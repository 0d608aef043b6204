/* Deny and allow lists: the configuration's rules and those that zsctl added, which are kept over restarts. A prefix
 * that the configuration names is the configuration's while it does; the stored rule holds again afterwards.
 *
 * A change is durable first and reaches the workers at once, or as soon as none of them reads the half of the tables
 * that it is written to: each turn of theirs, milliseconds at most. All of it runs on the loop's thread. */
#ifndef ZS_CONTROLPLANE_LISTS_H
#define ZS_CONTROLPLANE_LISTS_H

#include "control.h"
#include "listed.h"

struct zs_lists;

/* Reads the stored rules; a damaged record is logged and left alone. After the state watch: workers may run. */
int zs_lists_new(struct zs_lists **out, struct zs_control *c, struct zs_error *err);
void zs_lists_delete(struct zs_lists *l);
/* Adds to what a prefix's rule says, word by word of a way: the later word holds. All of them or none. -EEXIST: the
 * configuration's prefix; -ENOSPC: more than the tables hold; what the store says. */
int zs_lists_add(struct zs_lists *l, const struct zs_listed *add, uint32_t count, struct zs_error *err);
/* All of them or none. -ENOENT: no such rule; -EPERM: the configuration's. */
int zs_lists_remove(struct zs_lists *l, const struct zs_prefix *gone, uint32_t count, struct zs_error *err);
/* The configuration in force is another one. */
void zs_lists_apply(struct zs_lists *l);
/* In the order of addresses, IPv4's within ::ffff:0:0/96; returns how many there are, writes `cap` at most. */
uint32_t zs_lists_all(const struct zs_lists *l, struct zs_listed *out, uint32_t cap);
uint32_t zs_lists_room(const struct zs_lists *l);
/* Do the workers' tables say all that was asked for? */
bool zs_lists_in_force(const struct zs_lists *l);

#endif
