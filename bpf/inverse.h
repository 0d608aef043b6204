/* The AES block of a connection ID, by tables: FIPS 197's equivalent inverse cipher on words as they stand in memory. One source
 * for the program, which has no other cipher in reach, and for what tests it. Not in constant time: who can time the kernel's
 * caches learns of a key whose IDs are no secrets (docs/THREAT_MODEL.md). */
#ifndef ZS_BPF_INVERSE_H
#define ZS_BPF_INVERSE_H

#include "fast.h"

#define ZS_INVERSE_ROUNDS 9 /* that are alike */

/* Offsets into a table come by shifts that leave room for its four bytes an entry. */
#define ZS_INVERSE_AT(n, word, up, down)                                                                     \
	(*(const uint32_t *)((const uint8_t *)c->table[n] + (((word) << (up) >> (down)) & 0x3fc)))
#define ZS_INVERSE_COLUMN(a, b, d, e, k)                                                                     \
	(ZS_INVERSE_AT(0, a, 2, 0) ^ ZS_INVERSE_AT(1, b, 0, 6) ^ ZS_INVERSE_AT(2, d, 0, 14) ^                \
	 ZS_INVERSE_AT(3, e, 0, 22) ^ (k))
#define ZS_INVERSE_BYTE(word, shift) ((uint32_t)c->inverse[(word) >> (shift)&0xff] << (shift))
#define ZS_INVERSE_LAST(a, b, d, e, k)                                                                       \
	((ZS_INVERSE_BYTE(a, 0) | ZS_INVERSE_BYTE(b, 8) | ZS_INVERSE_BYTE(d, 16) | ZS_INVERSE_BYTE(e, 24)) ^ \
	 (k))

static inline void zs_inverse_decrypt(const struct zs_fast_cids *c, const uint32_t *k, uint32_t s[4])
{
	uint32_t a = s[0] ^ k[0], b = s[1] ^ k[1], d = s[2] ^ k[2], e = s[3] ^ k[3], t, u, v;

#ifdef __bpf__
#pragma unroll
#endif
	for (int i = 1; i <= ZS_INVERSE_ROUNDS; i++) {
		t = ZS_INVERSE_COLUMN(a, e, d, b, k[4 * i]);
		u = ZS_INVERSE_COLUMN(b, a, e, d, k[4 * i + 1]);
		v = ZS_INVERSE_COLUMN(d, b, a, e, k[4 * i + 2]);
		e = ZS_INVERSE_COLUMN(e, d, b, a, k[4 * i + 3]);
		a = t;
		b = u;
		d = v;
	}
	s[0] = ZS_INVERSE_LAST(a, e, d, b, k[40]);
	s[1] = ZS_INVERSE_LAST(b, a, e, d, k[41]);
	s[2] = ZS_INVERSE_LAST(d, b, a, e, k[42]);
	s[3] = ZS_INVERSE_LAST(e, d, b, a, k[43]);
}

#ifndef __bpf__
/* inverse.c, the writer's. */
void zs_inverse_tables(struct zs_fast_cids *c);
void zs_inverse_key(struct zs_fast_cids *c, uint8_t rotation, const uint8_t key[16]);
#endif

#endif
