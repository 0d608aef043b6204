/* zs-bench: named benches, each a ratio against a named peer in the same run. */
#ifndef ZS_BENCH_BENCH_H
#define ZS_BENCH_BENCH_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/error.h"

#define ZS_BENCH_REPEATS_MAX 64

struct zs_bench_options {
	uint32_t repeats;	       /* odd, so that the median is one of them */
	uint32_t seconds;	       /* of each measurement */
	uint32_t frame;		       /* wire bytes with FCS */
	uint32_t tunnels, attachments; /* 0: the bench's own choice */
	bool small_pages;	       /* for shared memory, though there are huge ones */
	bool json;
	char bin_dir[256]; /* where the relay's binaries are */
};

struct zs_bench {
	const char *name, *help;
	/* Fills `report`; progress goes to stderr. 0 or -errno with err set. */
	int (*run)(const struct zs_bench_options *opt, json_t *report, struct zs_error *err);
};

extern const struct zs_bench zs_bench_veth, zs_bench_p2p, zs_bench_flood, zs_bench_tunnel, zs_bench_cid;

/* Repeated measurements of one quantity. */
struct zs_samples {
	uint32_t count;
	double value[ZS_BENCH_REPEATS_MAX];
};
void zs_samples_add(struct zs_samples *s, double value);	  /* beyond the maximum: ignored */
double zs_samples_median(const struct zs_samples *s);		  /* 0 when empty */
double zs_samples_quantile(const struct zs_samples *s, double q); /* 0 to 1; 0 when empty */
/* {"median":…,"min":…,"max":…,"samples":[…]} */
json_t *zs_samples_json(const struct zs_samples *s);

/* What the figures were measured on: CPU, caches, kernel, page size. */
json_t *zs_machine_json(void);

#endif
