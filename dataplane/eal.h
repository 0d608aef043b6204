/* Starts DPDK's environment from the configuration. Main thread, once. */
#ifndef ZS_DATAPLANE_EAL_H
#define ZS_DATAPLANE_EAL_H

#include "dataplane.h"

/* Checks hugepages and capabilities first, so that what is missing is named: exit RESOURCE
 * or PRIVILEGE in *err. EAL's own messages go to dp->log. */
int zs_eal_start(struct zs_dp *dp, struct zs_error *err);

#endif
