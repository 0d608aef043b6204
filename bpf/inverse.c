/* Tables and keys of the inverse cipher (FIPS 197): made, not copied. */
#include "inverse.h"

#include <string.h>

#define POLYNOMIAL 0x1b /* x^8 = x^4 + x^3 + x + 1 */
#define KEY_WORDS  4

static uint8_t twice(uint8_t v)
{
	return (uint8_t)(v << 1 ^ (v & 0x80 ? POLYNOMIAL : 0));
}

static uint8_t times(uint8_t v, uint8_t by)
{
	uint8_t sum = 0;

	for (; by; by >>= 1, v = twice(v))
		if (by & 1)
			sum ^= v;
	return sum;
}

/* The powers of 3 are all numbers but 0, and those of its inverse run through them backwards: so p and q stay inverse to each
 * other. */
static void substitutions(uint8_t sbox[256])
{
	uint8_t p = 1, q = 1;

	do {
		p = times(p, 3);
		q = times(q, 0xf6);
		sbox[p] = (uint8_t)(q ^ (q << 1 | q >> 7) ^ (q << 2 | q >> 6) ^ (q << 3 | q >> 5) ^
				    (q << 4 | q >> 4) ^ 0x63);
	} while (p != 1);
	sbox[0] = 0x63;
}

/* A column of the inverse mix, of a byte in row 0. */
static uint32_t unmixed(uint8_t v)
{
	return times(v, 14) | (uint32_t)times(v, 9) << 8 | (uint32_t)times(v, 13) << 16 |
	       (uint32_t)times(v, 11) << 24;
}

static uint32_t turned(uint32_t word, unsigned rows)
{
	return rows ? word << 8 * rows | word >> (32 - 8 * rows) : word;
}

void zs_inverse_tables(struct zs_fast_cids *c)
{
	uint8_t sbox[256];

	substitutions(sbox);
	for (unsigned i = 0; i < 256; i++)
		c->inverse[sbox[i]] = (uint8_t)i;
	for (unsigned i = 0; i < 256; i++)
		for (unsigned row = 0; row < 4; row++)
			c->table[row][i] = turned(unmixed(c->inverse[i]), row);
}

static void expand(uint32_t word[ZS_FAST_ROUND_KEYS], const uint8_t key[16])
{
	uint8_t sbox[256], rcon = 1;

	substitutions(sbox);
	memcpy(word, key, 16);
	for (unsigned i = KEY_WORDS; i < ZS_FAST_ROUND_KEYS; i++) {
		uint32_t last = word[i - 1];

		if (i % KEY_WORDS == 0) {
			last = turned(last, 3);
			last = sbox[last & 0xff] | (uint32_t)sbox[last >> 8 & 0xff] << 8 |
			       (uint32_t)sbox[last >> 16 & 0xff] << 16 | (uint32_t)sbox[last >> 24] << 24;
			last ^= rcon;
			rcon = twice(rcon);
		}
		word[i] = word[i - KEY_WORDS] ^ last;
	}
}

void zs_inverse_key(struct zs_fast_cids *c, uint8_t rotation, const uint8_t key[16])
{
	uint32_t word[ZS_FAST_ROUND_KEYS], *round = c->round[rotation];

	expand(word, key);
	for (unsigned i = 0; i < ZS_FAST_ROUND_KEYS; i++) {
		uint32_t w = word[40 - i / 4 * 4 + i % 4];
		bool whole = i >= 4 && i < 40;

		round[i] = whole ? unmixed((uint8_t)w) ^ turned(unmixed((uint8_t)(w >> 8)), 1) ^
				       turned(unmixed((uint8_t)(w >> 16)), 2) ^
				       turned(unmixed((uint8_t)(w >> 24)), 3)
				 : w;
	}
	explicit_bzero(word, sizeof(word));
}
