/* Turns a packet around within its family, in place: addresses, ports, TTL - 1, checksums by difference. Lengths were
 * checked; the UDP checksum is never computed, so what was wrong stays wrong. For rewrite and express. */
#ifndef ZS_STAGE_TURN_H
#define ZS_STAGE_TURN_H

#include <endian.h>
#include "net/checksum.h"
#include "net/packet.h"

/* Both ports as they stand in a header. */
static inline uint32_t zs_turn_ports(uint16_t src, uint16_t dst)
{
	_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the first port is the low half");
	return htobe16(src) | (uint32_t)htobe16(dst) << 16;
}

static inline uint32_t zs_turn_load(const uint8_t *at)
{
	uint32_t v;

	memcpy(&v, at, sizeof(v));
	return v;
}

/* `d`: what the addresses change. */
static inline void zs_turn_udp(uint8_t *udp, uint32_t ports, struct zs_csum_delta d)
{
	uint16_t csum;

	zs_csum_swap32(&d, zs_turn_load(udp), ports);
	memcpy(udp, &ports, sizeof(ports));
	memcpy(&csum, udp + 6, 2);
	csum = zs_csum_apply_udp(csum, &d);
	memcpy(udp + 6, &csum, 2);
}

static inline void zs_turn4(uint8_t *ip, uint8_t *udp, const struct zs_addr *src, const struct zs_addr *dst,
			    uint32_t ports)
{
	struct zs_csum_delta d = { 0 };
	uint32_t word;
	uint16_t csum;

	zs_csum_swap32(&d, zs_turn_load(ip + 12), zs_addr_get4(src));
	zs_csum_swap32(&d, zs_turn_load(ip + 16), zs_addr_get4(dst));
	zs_turn_udp(udp, ports, d);
	memcpy(ip + 12, src->ip + 12, 4);
	memcpy(ip + 16, dst->ip + 12, 4);
	/* TTL, protocol and checksum are one word. */
	word = zs_turn_load(ip + 8);
	csum = (uint16_t)(word >> 16);
	d.sum += (uint16_t)~1; /* what taking 1 from the first octet of a word adds */
	csum = zs_csum_apply(csum, &d);
	word = ((word - 1) & 0xffff) | (uint32_t)csum << 16;
	memcpy(ip + 8, &word, 4);
}

static inline void zs_turn6(uint8_t *ip, uint8_t *udp, const struct zs_addr *src, const struct zs_addr *dst,
			    uint32_t ports)
{
	struct zs_csum_delta d = { 0 };

	for (int i = 0; i < 16; i += 4) {
		zs_csum_swap32(&d, zs_turn_load(ip + 8 + i), zs_turn_load(src->ip + i));
		zs_csum_swap32(&d, zs_turn_load(ip + 24 + i), zs_turn_load(dst->ip + i));
	}
	zs_turn_udp(udp, ports, d);
	ip[7]--;
	memcpy(ip + 8, src->ip, 16);
	memcpy(ip + 24, dst->ip, 16);
}

/* The policer may have marked it. */
static inline void zs_turn_mark4(uint8_t *ip, uint8_t ecn)
{
	struct zs_csum_delta d = { 0 };
	uint16_t old, new, csum;

	memcpy(&old, ip, 2);
	new = (uint16_t)((old & ~htobe16(ZS_ECN_MASK)) | htobe16(ecn));
	if (ZS_LIKELY(new == old))
		return;
	memcpy(ip, &new, 2);
	memcpy(&csum, ip + 10, 2);
	zs_csum_swap16(&d, old, new);
	csum = zs_csum_apply(csum, &d);
	memcpy(ip + 10, &csum, 2);
}

static inline void zs_turn_mark6(uint8_t *ip, uint8_t ecn)
{
	ip[1] = (uint8_t)((ip[1] & ~(ZS_ECN_MASK << 4)) | ecn << 4);
}

#endif
