/* Slow work in slices: a worker's own between two loops, main's every ZS_TICK_MS. */
#ifndef ZS_DATAPLANE_HOUSEKEEPING_H
#define ZS_DATAPLANE_HOUSEKEEPING_H

#include "worker.h"

#define ZS_TICK_MS 50

/* Worker: heartbeat, settings, idle flows. A slice of bounded length. */
void zs_housekeeping(struct zs_worker *w);
/* Main: joins or leaves the tables, links events, statistics, steering maps, heartbeats. */
void zs_housekeeping_main(struct zs_dp *dp);

#endif
