/* The dataplane's table of system calls, apart from DPDK so that a test can install it. */
#ifndef ZS_DATAPLANE_CALLS_H
#define ZS_DATAPLANE_CALLS_H

/* Main, once all threads run: whatever is not in the table is refused from here on. 0 or -errno. */
int zs_calls_filter(void);

#endif
