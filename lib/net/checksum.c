/* Sums of 16-bit words as they stand in memory. End-around carry makes the byte order cancel
 * out, so a sum made on any machine folds to the bytes the wire wants. */
#include "net/checksum.h"

#include <string.h>

#define BLOCK 32 /* bytes; a header is summed faster without blocks of it */

/* 32-bit words in lanes of 64 bits, so no carry is lost below 16 GiB. Every CPU we run on has vectors of this size. */
static uint64_t sum_blocks(const uint8_t *p, size_t blocks)
{
	typedef uint64_t lanes __attribute__((vector_size(BLOCK / 2)));
	lanes low = { 0 }, high = { 0 }, a, b;

	for (; blocks; blocks--, p += BLOCK) {
		memcpy(&a, p, sizeof(a));
		memcpy(&b, p + sizeof(a), sizeof(b));
		low += (a & 0xffffffff) + (b & 0xffffffff);
		high += (a >> 32) + (b >> 32);
	}
	low += high; /* 2^32 = 1 mod 0xffff: both halves of a lane count alike */
	return low[0] + low[1];
}

uint32_t zs_csum_add(uint32_t sum, const void *data, size_t len)
{
	const uint8_t *p = data;
	uint64_t wide = sum;
	uint32_t word;

	if (len >= 2 * BLOCK) {
		wide += sum_blocks(p, len / BLOCK);
		p += len / BLOCK * BLOCK;
		len %= BLOCK;
	}
	for (; len >= 4; len -= 4, p += 4) {
		memcpy(&word, p, 4);
		wide += word;
	}
	if (len) {
		uint8_t rest[4] = { p[0], len > 1 ? p[1] : 0, len > 2 ? p[2] : 0 };
		memcpy(&word, rest, 4);
		wide += word;
	}
	wide = (wide & 0xffffffff) + (wide >> 32);
	return (uint32_t)((wide & 0xffffffff) + (wide >> 32));
}

void zs_csum_swap(struct zs_csum_delta *d, const void *old, const void *new, size_t len)
{
	const uint8_t *o = old, *n = new;
	uint32_t a, b;

	for (; len >= 4; len -= 4, o += 4, n += 4) {
		memcpy(&a, o, 4);
		memcpy(&b, n, 4);
		d->sum += (uint64_t)(uint32_t)~a + b;
	}
	if (len) {
		uint16_t last, now;

		memcpy(&last, o, 2);
		memcpy(&now, n, 2);
		zs_csum_swap16(d, last, now);
	}
}
