/* The simulator's random numbers (splitmix64): from one seed the same numbers on every machine. */
#ifndef ZS_SIM_PRNG_H
#define ZS_SIM_PRNG_H

#include <stdbool.h>
#include <stdint.h>

#define ZS_SIM_PPM 1000000u

struct zs_prng {
	uint64_t state;
};

static inline uint64_t zs_prng_u64(struct zs_prng *r)
{
	uint64_t z = r->state += 0x9e3779b97f4a7c15ull;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return z ^ z >> 31;
}

/* Uniform in [0, n); 0 for n = 0. */
static inline uint64_t zs_prng_below(struct zs_prng *r, uint64_t n)
{
	return (uint64_t)((unsigned __int128)zs_prng_u64(r) * n >> 64);
}

/* True `ppm` times in a million. Draws a number whatever ppm is, so changing one rate moves no other. */
static inline bool zs_prng_chance(struct zs_prng *r, uint32_t ppm)
{
	return zs_prng_below(r, ZS_SIM_PPM) < ppm;
}

#endif
