/* Percentiles of many values with a bounded error: buckets as wide as 1/64 of what they hold, so that p99.9 of millions fits
 * 30 KiB (as HdrHistogram does). */
#ifndef ZS_BENCH_HISTOGRAM_H
#define ZS_BENCH_HISTOGRAM_H

#include <jansson.h>
#include <stdint.h>

#define ZS_HISTOGRAM_SUB 64 /* buckets of an octave */

struct zs_histogram {
	uint64_t count, max;
	uint64_t bucket[60 * ZS_HISTOGRAM_SUB];
};

void zs_histogram_add(struct zs_histogram *h, uint64_t value);
/* The least value that `share` (0 to 1) of all are not above, within 1/64; 0 when empty. */
uint64_t zs_histogram_at(const struct zs_histogram *h, double share);
/* {"p50":…,"p90":…,"p99":…,"p99.9":…,"p99.99":…,"max":…,"count":…}, values times `scale`. */
json_t *zs_histogram_json(const struct zs_histogram *h, double scale);

#endif
