/* The flow partitions of the state segment: opened, adopted and divided among the workers. */
#ifndef ZS_DATAPLANE_FLOWS_H
#define ZS_DATAPLANE_FLOWS_H

#include "dataplane.h"

/* Main, before the workers start. Flows of the run before go on under the source ports and numbers they
 * had: a partition keeps its port range, and with it its share of the flow numbers, while it holds flows or numbers
 * that rest, and is served by a worker of this run. When no partition holds any the range is divided anew. A damaged
 * partition starts fresh, logged. */
int zs_flows_open(struct zs_dp *dp, bool fresh, struct zs_error *err);
/* Main, after the workers ended; also when not, or not all, were opened. */
void zs_flows_close(struct zs_dp *dp);

#endif
