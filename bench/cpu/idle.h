/* CPU that anybody took, softirqs with it, by what SCHED_IDLE loops on every CPU did not get: they run when nobody else wants
 * to. This kernel's own books sample softirq time. They count cycles of the TSC, not their own turns, whose length depends on what shares
 * the core or its clock. */
#ifndef ZS_BENCH_IDLE_H
#define ZS_BENCH_IDLE_H

#include <pthread.h>
#include <stdatomic.h>
#include "bench.h"

#define ZS_IDLE_CPUS 256

struct zs_idle {
	struct zs_idle_cpu {
		_Alignas(64) _Atomic uint64_t count;
		_Atomic bool *stop;
		int cpu;
		pthread_t thread;
	} cpu[ZS_IDLE_CPUS];
	_Atomic bool stop;
	uint32_t cpus;
};

/* -ENOMEM, -EAGAIN with err. */
int zs_idle_open(struct zs_idle *i, struct zs_error *err);
void zs_idle_close(struct zs_idle *i);
/* Cycles that the loops of all CPUs had so far. */
uint64_t zs_idle_sum(const struct zs_idle *i);

#endif
