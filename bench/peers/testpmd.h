/* dpdk-testpmd on two ports of rings (net_ring), in a process of its own: DPDK's rings are not shared between processes that do not
 * know of each other. As many packets as a batch of ours go round between its two ports for ever; it counts its own cycles. */
#ifndef ZS_BENCH_TESTPMD_H
#define ZS_BENCH_TESTPMD_H

#include <sys/types.h>
#include "bench.h"

struct zs_testpmd {
	pid_t pid;
	int in, out; /* its commands, its words */
};

/* On the last CPU, its commands on the first; `huge`: its packets lie on huge pages. -ENOENT with err: there is none, or no second
 * CPU for it. */
int zs_testpmd_open(struct zs_testpmd *t, bool huge, struct zs_error *err);
void zs_testpmd_close(struct zs_testpmd *t);
/* Cycles a packet in a forwarding mode (io, macswap, 5tswap), of a fifth of a second. */
int zs_testpmd_run(struct zs_testpmd *t, const char *mode, double *cycles, struct zs_error *err);

#endif
