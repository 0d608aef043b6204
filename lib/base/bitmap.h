/* Bits over words of the caller's: `uint64_t map[ZS_BITMAP_WORDS(n)]`, zeroed. One thread.
 * Bit numbers are the caller's promise: below the n the words were made for. */
#ifndef ZS_BASE_BITMAP_H
#define ZS_BASE_BITMAP_H

#include <stdbool.h>
#include <stdint.h>

#define ZS_BITMAP_WORDS(bits) (((bits) + 63u) / 64u)

static inline bool zs_bitmap_get(const uint64_t *map, uint32_t bit)
{
	return map[bit / 64] >> (bit % 64) & 1;
}
static inline void zs_bitmap_set(uint64_t *map, uint32_t bit)
{
	map[bit / 64] |= 1ull << (bit % 64);
}
static inline void zs_bitmap_clear(uint64_t *map, uint32_t bit)
{
	map[bit / 64] &= ~(1ull << (bit % 64));
}

/* The first bit of value `value` in [from, bits), `bits` when there is none. */
static inline uint32_t zs_bitmap_find(const uint64_t *map, uint32_t bits, uint32_t from, bool value)
{
	uint64_t flip = value ? 0 : UINT64_MAX;

	for (uint32_t w = from / 64; from < bits; from = ++w * 64) {
		uint64_t word = (map[w] ^ flip) & (UINT64_MAX << (from % 64));
		if (word) {
			uint32_t bit = w * 64 + (uint32_t)__builtin_ctzll(word);
			return bit < bits ? bit : bits;
		}
	}
	return bits;
}

/* How many of [0, bits) are set. */
static inline uint32_t zs_bitmap_count(const uint64_t *map, uint32_t bits)
{
	uint32_t n = 0;

	for (uint32_t w = 0; w < bits / 64; w++)
		n += (uint32_t)__builtin_popcountll(map[w]);
	if (bits % 64)
		n += (uint32_t)__builtin_popcountll(map[bits / 64] & ~(UINT64_MAX << (bits % 64)));
	return n;
}

#endif
