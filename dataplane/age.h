/* Flows end by themselves: idle ones, and those whose published port was withdrawn or aimed elsewhere. */
#ifndef ZS_DATAPLANE_AGE_H
#define ZS_DATAPLANE_AGE_H

#include "worker.h"

/* Worker, in housekeeping: looks at a slice of one of its partitions; all of it takes some two seconds. */
void zs_flows_age(struct zs_worker *w);

#endif
