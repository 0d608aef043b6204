/* Internet checksums (RFC 1071) and their incremental update (RFC 1624, eqn 3). Values are
 * 16-bit words as they stand in memory, so no byte swapping is ever needed. */
#ifndef ZS_NET_CHECKSUM_H
#define ZS_NET_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

/* Adds len bytes to a running, unfolded sum; only the last call may have an odd len. */
uint32_t zs_csum_add(uint32_t sum, const void *data, size_t len);

static inline uint16_t zs_csum_fold(uint32_t sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)((sum & 0xffff) + (sum >> 16));
}

/* What a change of words does to a checksum: start from 0, take the old out, put the new in. */
struct zs_csum_delta {
	uint64_t sum;
};

static inline void zs_csum_swap16(struct zs_csum_delta *d, uint16_t old, uint16_t new)
{
	d->sum += (uint16_t)~old + (uint64_t) new;
}

static inline void zs_csum_swap32(struct zs_csum_delta *d, uint32_t old, uint32_t new)
{
	d->sum += (uint32_t)~old + (uint64_t) new;
}

/* `old` and `new` are even-length byte runs of the same length. */
void zs_csum_swap(struct zs_csum_delta *d, const void *old, const void *new, size_t len);

/* The updated IPv4 header checksum or L4 checksum; 0xffff is kept distinct from 0 as
 * RFC 1624 does. */
static inline uint16_t zs_csum_apply(uint16_t csum, const struct zs_csum_delta *d)
{
	uint64_t sum = (uint16_t)~csum + d->sum;
	uint32_t half;

	/* Each half plus the other, in the upper one with the carry that went around. */
	half = (uint32_t)((sum + (sum << 32 | sum >> 32)) >> 32);
	half = (half + (half << 16 | half >> 16)) >> 16;
	return (uint16_t)~half;
}

/* A UDP checksum update: 0 (none) stays 0, a computed 0 becomes 0xffff (RFC 768). */
static inline uint16_t zs_csum_apply_udp(uint16_t csum, const struct zs_csum_delta *d)
{
	if (csum == 0)
		return 0;
	csum = zs_csum_apply(csum, d);
	return csum ? csum : 0xffff;
}

#endif
