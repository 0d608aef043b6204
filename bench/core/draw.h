/* A stream of random numbers that a seed repeats (splitmix64). */
#ifndef ZS_BENCH_DRAW_H
#define ZS_BENCH_DRAW_H

#include <stdint.h>

static inline uint64_t zs_draw(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15u;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

/* Below n, n up to 2^32. */
static inline uint32_t zs_draw_below(uint64_t *state, uint64_t n)
{
	return (uint32_t)((zs_draw(state) >> 32) * n >> 32);
}

/* From 0 up to, not including, 1. */
static inline double zs_draw_unit(uint64_t *state)
{
	return (double)(zs_draw(state) >> 11) * 0x1p-53;
}

#endif
