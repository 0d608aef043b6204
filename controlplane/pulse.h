/* The attach server and the usage behind it, on the loop: one timer gives them the time, the system's random bytes and the
 * state segment's incarnation. Connections are the attach server's shell's, which calls zs_pulse_set after whatever it tells it. */
#ifndef ZS_CONTROLPLANE_PULSE_H
#define ZS_CONTROLPLANE_PULSE_H

#include "control.h"

struct zs_pulse;

/* Makes c->attach and c->usage and keeps them going; c->conf, store and program are there. */
int zs_pulse_new(struct zs_pulse **out, struct zs_control *c, struct zs_error *err);
void zs_pulse_delete(struct zs_pulse *p); /* both of them too, after a last round of usage; NULL too */
void zs_pulse_set(struct zs_pulse *p);	  /* a deadline of the attach server's may have changed */

#endif
