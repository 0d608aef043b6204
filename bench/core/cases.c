#include "core/cases.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "core/probe.h"
#include "core/tsc.h"

#define ROUNDS	  3  /* for each of --repeats */
#define CHUNKS	  15 /* of a case in a round; their median counts */
#define HUGE_PAGE (2u << 20)

void zs_pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu < 0 ? (int)sysconf(_SC_NPROCESSORS_ONLN) - 1 : cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

void *zs_huge(size_t bytes)
{
	void *at;

	bytes = (bytes + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE;
	at = aligned_alloc(HUGE_PAGE, bytes);
	if (!at)
		return NULL;
	madvise(at, bytes, MADV_HUGEPAGE);
	memset(at, 0, bytes);
	return at;
}

static double chunk(const struct zs_case *c)
{
	uint64_t start, n;

	if (c->prepare)
		c->prepare(c->ctx, c->arg);
	start = zs_tsc();
	n = c->run(c->ctx, c->arg);
	return (double)(zs_tsc() - start) / (double)n;
}

static void round_of(struct zs_case *c)
{
	struct zs_samples s = { 0 };

	chunk(c); /* the last case's data leave the caches */
	for (int i = 0; i < CHUNKS; i++)
		zs_samples_add(&s, chunk(c));
	zs_samples_add(&c->cost, zs_samples_median(&s));
}

int zs_cases_run(struct zs_case *cases, uint32_t count, const struct zs_bench_options *opt, json_t *report,
		 struct zs_error *err)
{
	struct zs_probe probe;
	int rc;

	zs_pin(-1);
	if ((rc = zs_probe_open(&probe, ZS_PROBE_BYTES, err)))
		return rc;
	for (uint32_t r = 0; r < opt->repeats * ROUNDS; r++) {
		for (uint32_t i = 0; i < count; i++)
			round_of(&cases[i]);
		zs_probe_round(&probe);
	}
	for (uint32_t i = 0; i < count; i++) {
		const struct zs_case *c = &cases[i];
		const char *unit = c->unit ? c->unit : "cycles";

		zs_report_metric(report, c->name, unit, ZS_LESS, &c->cost);
		fprintf(stderr, "  %-36s %9.1f %s (%.1f-%.1f)\n", c->name, zs_samples_median(&c->cost), unit,
			zs_samples_quantile(&c->cost, 0.1), zs_samples_quantile(&c->cost, 0.9));
	}
	zs_probe_report(&probe, report);
	zs_probe_close(&probe);
	return 0;
}
