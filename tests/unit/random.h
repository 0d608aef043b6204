/* Random numbers of a test: a new seed each run, printed, and TEST_SEED=N repeats a run. */
#ifndef ZS_TEST_RANDOM_H
#define ZS_TEST_RANDOM_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"

struct random {
	uint64_t state;
};

static inline struct random random_new(const char *what)
{
	const char *env = getenv("TEST_SEED");
	uint64_t seed = env ? strtoull(env, NULL, 0) : zs_clock_wall_ns();

	printf("%s: TEST_SEED=%llu\n", what, (unsigned long long)seed);
	fflush(stdout);
	return (struct random){ seed };
}

/* splitmix64 */
static inline uint64_t random_u64(struct random *r)
{
	uint64_t z = r->state += 0x9e3779b97f4a7c15ull;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return z ^ z >> 31;
}

static inline uint32_t random_below(struct random *r, uint32_t n)
{
	return (uint32_t)((random_u64(r) >> 32) * n >> 32);
}

static inline void random_bytes(struct random *r, void *out, size_t len)
{
	uint8_t *p = out;

	while (len--)
		*p++ = (uint8_t)random_u64(r);
}

#endif
