/* Gives up what is not needed once packets flow: capabilities per thread, then one seccomp
 * filter for all threads. Neither can be taken back. */
#ifndef ZS_DATAPLANE_SANDBOX_H
#define ZS_DATAPLANE_SANDBOX_H

#include "dataplane.h"

/* Any thread, for itself: drops every capability and sets no_new_privs. */
void zs_sandbox_thread(void);
/* Main, after the workers run: keeps CAP_BPF (the steering maps), drops the rest here and in
 * DPDK's interrupt thread, installs the filter in all threads. */
int zs_sandbox_main(const struct zs_dp *dp, struct zs_error *err);

#endif
