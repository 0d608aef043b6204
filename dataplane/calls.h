/* The dataplane's table of system calls, apart from DPDK so that a test can install it. */
#ifndef ZS_DATAPLANE_CALLS_H
#define ZS_DATAPLANE_CALLS_H

#include <stdbool.h>

/* Main, once all threads run: whatever is not in the table is refused from here on. with_memif: a port is a memif,
 * whose links come and go later. 0 or -errno. */
int zs_calls_filter(bool with_memif, bool with_twin);

#endif
