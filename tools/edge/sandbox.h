/* What a running edge asks of the kernel (base/sandbox.h): its sockets, DNS, its state file. No capability is kept, no program is
 * run, no other process touched. */
#ifndef ZS_EDGE_SANDBOX_H
#define ZS_EDGE_SANDBOX_H

#include "base/error.h"

/* For good. ZS_EXIT_PRIVILEGE. */
int zs_edge_sandbox(struct zs_error *err);

#endif
