/* Ranks 1 to n, rank k with a probability proportional to k^-s: rejection-inversion (Hörmann and Derflinger, 1996), exact for
 * any n without a table, so that drawing touches no memory that a bench measures. */
#ifndef ZS_BENCH_ZIPF_H
#define ZS_BENCH_ZIPF_H

#include <stdint.h>

struct zs_zipf {
	double s, n, low, high, accept;
};

/* s above 0. */
void zs_zipf_init(struct zs_zipf *z, uint32_t n, double s);
/* From 0 to n - 1. */
uint32_t zs_zipf_draw(const struct zs_zipf *z, uint64_t *random);

#endif
