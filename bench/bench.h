/* zs-bench: named benches. Each measures in turns what it compares, and reports medians with their spread beside what the
 * machine's memory cost in the same run. */
#ifndef ZS_BENCH_BENCH_H
#define ZS_BENCH_BENCH_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/error.h"

#define ZS_BENCH_REPEATS_MAX 64

struct zs_bench_options {
#define ZS_OPTION_NUMBER(name, least, most, text) uint32_t name;
#define ZS_OPTION_REAL(name, least, most, text)	  double name;
#define ZS_OPTION_WORD(name, text)		  char name[128];
#define ZS_OPTION_FLAG(name, text)		  bool name;
#include "options.def"
#undef ZS_OPTION_NUMBER
#undef ZS_OPTION_REAL
#undef ZS_OPTION_WORD
#undef ZS_OPTION_FLAG
	char bin_dir[256]; /* where the relay's binaries are */
};

struct zs_bench {
	const char *name, *help;
	/* Fills `report`; progress goes to stderr. 0 or -errno with err set. */
	int (*run)(const struct zs_bench_options *opt, json_t *report, struct zs_error *err);
};

#define ZS_BENCH(name) extern const struct zs_bench zs_bench_##name;
#include "benches.def"
#undef ZS_BENCH

/* Repeated measurements of one quantity. */
struct zs_samples {
	uint32_t count;
	double value[ZS_BENCH_REPEATS_MAX];
};
void zs_samples_add(struct zs_samples *s, double value);	  /* beyond the maximum: ignored */
double zs_samples_median(const struct zs_samples *s);		  /* 0 when empty */
double zs_samples_quantile(const struct zs_samples *s, double q); /* 0 to 1; 0 when empty */
/* From the tenth to the ninetieth of a hundred, over the median: one that was cut in upon does not count. */
double zs_samples_spread(const struct zs_samples *s);
/* {"median":…,"spread":…,"p10":…,"p90":…,"min":…,"max":…,"samples":[…]} */
json_t *zs_samples_json(const struct zs_samples *s);

/* What `zs-bench compare` and the HTML report read: appends {"name","unit","better", and the samples} to report.metrics. */
enum zs_better { ZS_LESS, ZS_MORE };
void zs_report_metric(json_t *report, const char *name, const char *unit, enum zs_better better,
		      const struct zs_samples *s);
/* One that does not vary: bytes, counts. */
void zs_report_value(json_t *report, const char *name, const char *unit, enum zs_better better, double value);

/* What the figures were measured on: CPU, caches, kernel, page size. */
json_t *zs_machine_json(void);

#endif
