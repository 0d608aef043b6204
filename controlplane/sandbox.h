/* Least privilege of the control plane: capabilities from the first line on, system calls once it runs. */
#ifndef ZS_CONTROLPLANE_SANDBOX_H
#define ZS_CONTROLPLANE_SANDBOX_H

#include "control.h"

/* Main, while it is the only thread: keeps CAP_NET_ADMIN (neighbours are asked for by netlink) and
 * CAP_NET_BIND_SERVICE (published ports below 1024), drops the rest. -errno: err says why. */
int zs_control_drop(struct zs_error *err);
/* Main, once everything is open: the filter, in all threads. -errno: err says why. */
int zs_control_filter(struct zs_error *err);

#endif
