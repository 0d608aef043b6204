/* Usage on the loop: the timer of its rounds. */
#ifndef ZS_CONTROLPLANE_USAGE_CLOCK_H
#define ZS_CONTROLPLANE_USAGE_CLOCK_H

#include "usage/usage.h"

struct zs_usage_clock;

/* Makes c->usage and keeps it going; c->attach is there. */
int zs_usage_clock_new(struct zs_usage_clock **out, struct zs_control *c, struct zs_error *err);
void zs_usage_clock_delete(struct zs_usage_clock *k); /* c->usage too, after a last round; NULL too */

#endif
