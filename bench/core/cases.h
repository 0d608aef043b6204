/* A bench that is a table of small pieces of code: each runs in chunks, all take turns, and the cycles an operation takes are
 * reported for each. What a chunk needs is prepared ahead of the clock. */
#ifndef ZS_BENCH_CASES_H
#define ZS_BENCH_CASES_H

#include "bench.h"

struct zs_case {
	char name[48];
	void *ctx;
	uint64_t arg;
	void (*prepare)(void *ctx, uint64_t arg); /* NULL: nothing */
	/* Some 10,000 operations; returns how many. */
	uint64_t (*run)(void *ctx, uint64_t arg);
	const char *unit; /* NULL: cycles */
	struct zs_samples cost;
};

/* On the last CPU. Adds machine, metrics and `disturbed` to the report, prints a line for each case. */
int zs_cases_run(struct zs_case *cases, uint32_t count, const struct zs_bench_options *opt, json_t *report,
		 struct zs_error *err);
/* This thread stays on a CPU; -1: the last one. */
void zs_pin(int cpu);
/* Memory on huge pages where the kernel gives them, zeroed. NULL: none. Freed by free(). */
void *zs_huge(size_t bytes);
/* Keeps a value that was computed for nothing. */
static inline void zs_keep(uint64_t v)
{
	__asm__ volatile("" ::"r"(v));
}

#endif
