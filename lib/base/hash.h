/* A keyed 64-bit hash for tables that strangers fill: multiply two words, fold the halves.
 * Without the key an attacker cannot aim at one bucket; with it he can, so keys are random
 * per start and never leave the process. Not for signatures, not stable across versions. */
#ifndef ZS_BASE_HASH_H
#define ZS_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Odd words without pattern: the first 64 bits of the fractions of the square roots of 2, 3
 * and 5, lowest bit set. */
#define ZS_HASH_A 0x6a09e667f3bcc909ull
#define ZS_HASH_B 0xbb67ae8584caa73bull
#define ZS_HASH_C 0x3c6ef372fe94f82bull

#ifdef __bpf__
/* Programs multiply no wider than 64 bits. */
static inline uint64_t zs_hash_fold(uint64_t a, uint64_t b)
{
	uint64_t al = (uint32_t)a, ah = a >> 32, bl = (uint32_t)b, bh = b >> 32;
	uint64_t low = al * bl, mid = ah * bl + (low >> 32), cross = al * bh + (uint32_t)mid;

	return (cross << 32 | (uint32_t)low) ^ (ah * bh + (mid >> 32) + (cross >> 32));
}
#else
static inline uint64_t zs_hash_fold(uint64_t a, uint64_t b)
{
	unsigned __int128 p = (unsigned __int128)a * b;
	return (uint64_t)p ^ (uint64_t)(p >> 64);
}
#endif

static inline uint64_t zs_hash_load(const void *p)
{
	uint64_t v;
	memcpy(&v, p, 8);
	return v;
}

/* Any thread. Made for keys of at most 64 bytes, best when len is a constant. */
static inline uint64_t zs_hash(const uint64_t key[2], const void *data, size_t len)
{
	const uint8_t *p = data;
	uint64_t h = key[0] ^ (len * ZS_HASH_A), tail[2] = { 0, 0 };

	for (; len > 16; len -= 16, p += 16)
		h = zs_hash_fold(zs_hash_load(p) ^ h, zs_hash_load(p + 8) ^ key[1]);
	memcpy(tail, p, len);
	h = zs_hash_fold(tail[0] ^ h, tail[1] ^ key[1] ^ ZS_HASH_B);
	return zs_hash_fold(h ^ key[0], key[1] ^ ZS_HASH_C);
}

/* For 24-byte keys: the two multiplications run side by side. Not the value of zs_hash(). */
static inline uint64_t zs_hash24_words(const uint64_t key[2], uint64_t first, uint64_t second, uint64_t third)
{
	uint64_t a = zs_hash_fold(first ^ key[0], second ^ key[1]);
	uint64_t b = zs_hash_fold(third ^ key[0] ^ ZS_HASH_A, key[1] ^ ZS_HASH_B);

	return zs_hash_fold(a ^ key[1] ^ ZS_HASH_C, b ^ key[0]);
}

static inline uint64_t zs_hash24(const uint64_t key[2], const void *data)
{
	const uint8_t *p = data;

	return zs_hash24_words(key, zs_hash_load(p), zs_hash_load(p + 8), zs_hash_load(p + 16));
}

#endif
