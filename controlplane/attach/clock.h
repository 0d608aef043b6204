/* The attach server on the loop: gives it the time, the system's random bytes and the state segment's
 * incarnation. Connections are its shell's, which calls zs_attach_clock_set after whatever it tells the server. */
#ifndef ZS_CONTROLPLANE_ATTACH_CLOCK_H
#define ZS_CONTROLPLANE_ATTACH_CLOCK_H

#include "attach/attach.h"

struct zs_attach_clock;

/* Makes c->attach and keeps it going. */
int zs_attach_clock_new(struct zs_attach_clock **out, struct zs_control *c, struct zs_error *err);
void zs_attach_clock_delete(struct zs_attach_clock *k); /* c->attach too */
void zs_attach_clock_set(struct zs_attach_clock *k);	/* the server's deadline may have changed */

#endif
