/* Watches the dataplane through its segments: joins `state` and `events` when they appear,
 * joins again when they were replaced, drains the events, and judges the workers' signs of life. */
#ifndef ZS_CONTROLPLANE_STATE_WATCH_H
#define ZS_CONTROLPLANE_STATE_WATCH_H

#include "control.h"

/* Sets c->state and c->events (NULL while missing). -ENOMEM. */
int zs_state_watch_new(struct zs_state_watch **out, struct zs_control *c, struct zs_error *err);
void zs_state_watch_delete(struct zs_state_watch *w);
/* Flows in use over all workers; 0 without a state segment. */
uint64_t zs_state_watch_flows(const struct zs_state_watch *w);

#endif
