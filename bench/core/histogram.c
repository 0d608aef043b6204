#include "core/histogram.h"

#include <math.h>

/* Values below 64 have a bucket each; above, an octave has 64. */
static uint32_t place(uint64_t v)
{
	uint32_t octave;

	if (v < ZS_HISTOGRAM_SUB)
		return (uint32_t)v;
	octave = 58 - (uint32_t)__builtin_clzll(v); /* 64…127 is octave 1 */
	return octave * ZS_HISTOGRAM_SUB - ZS_HISTOGRAM_SUB + (uint32_t)(v >> (octave - 1));
}

/* The last value of a bucket. */
static uint64_t last_of(uint32_t i)
{
	uint32_t octave = i / ZS_HISTOGRAM_SUB;

	if (octave < 2)
		return i;
	return ((uint64_t)(i % ZS_HISTOGRAM_SUB + ZS_HISTOGRAM_SUB + 1) << (octave - 1)) - 1;
}

void zs_histogram_add(struct zs_histogram *h, uint64_t value)
{
	h->bucket[place(value)]++;
	h->count++;
	if (value > h->max)
		h->max = value;
}

uint64_t zs_histogram_at(const struct zs_histogram *h, double share)
{
	uint64_t want = (uint64_t)ceil(share * (double)h->count), seen = 0;

	for (uint32_t i = 0; i < sizeof(h->bucket) / sizeof(h->bucket[0]); i++) {
		seen += h->bucket[i];
		if (h->bucket[i] && seen >= want)
			return last_of(i) < h->max ? last_of(i) : h->max;
	}
	return 0;
}

json_t *zs_histogram_json(const struct zs_histogram *h, double scale)
{
	return json_pack(
	    "{s:f,s:f,s:f,s:f,s:f,s:f,s:I}", "p50", scale * (double)zs_histogram_at(h, 0.5), "p90",
	    scale * (double)zs_histogram_at(h, 0.9), "p99", scale * (double)zs_histogram_at(h, 0.99), "p99.9",
	    scale * (double)zs_histogram_at(h, 0.999), "p99.99", scale * (double)zs_histogram_at(h, 0.9999),
	    "max", scale * (double)h->max, "count", (json_int_t)h->count);
}
