/* Where random bytes come from: the system in programs, a seeded generator in tests. */
#ifndef ZS_BASE_RANDOM_H
#define ZS_BASE_RANDOM_H

#include <stddef.h>
#include <stdint.h>

struct zs_random {
	void (*fill)(void *ctx, void *out, size_t len); /* never fails */
	void *ctx;
};

static inline uint64_t zs_random_u64(const struct zs_random *r)
{
	uint64_t v;

	r->fill(r->ctx, &v, sizeof(v));
	return v;
}

/* Uniform in [0, n), 0 for n = 0; the bias of at most n/2^64 is of no matter for delays. */
static inline uint64_t zs_random_below(const struct zs_random *r, uint64_t n)
{
	return (uint64_t)((unsigned __int128)zs_random_u64(r) * n >> 64);
}

#endif
