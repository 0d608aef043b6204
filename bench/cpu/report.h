/* What zs-bench cpu found. */
#ifndef ZS_BENCH_CPU_REPORT_H
#define ZS_BENCH_CPU_REPORT_H

#include "core/probe.h"
#include "cpu/stand.h"

#define ZS_CPU_SIZES 2
extern const uint32_t zs_cpu_sizes[ZS_CPU_SIZES]; /* bytes of payload */

struct zs_cpu_result {
	struct zs_samples cpu,
	    process; /* seconds a million packets, of the host and of the relaying processes */
	struct zs_samples mpps;
	uint64_t lost; /* at the rate where CPU is told */
};

struct zs_cpu {
	struct zs_probe probe;
	double hz; /* of the TSC */
	uint32_t rate;
	char made[256]; /* folder of what make bench-peers built; "": it did not */
	bool asked[ZS_STANDS], present[ZS_STANDS];
	char why[ZS_STANDS][128]; /* absent */
	struct zs_cpu_result result[ZS_STANDS][ZS_CPU_SIZES];
};

/* Fills b->made. */
void zs_cpu_made(struct zs_cpu *b, const struct zs_bench_options *opt);
void zs_cpu_report(const struct zs_cpu *b, json_t *report);

#endif
