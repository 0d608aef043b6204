/* Frames with a UDP datagram, whole and right unless asked otherwise, and their sums made from scratch. */
#ifndef ZS_TESTS_BPF_DATAGRAM_H
#define ZS_TESTS_BPF_DATAGRAM_H

#include <endian.h>
#include <string.h>
#include "base/check.h"
#include "net/addr.h"
#include "net/checksum.h"

struct datagram {
	struct zs_endpoint src, dst; /* of one family */
	uint8_t to[6], from[6];
	uint16_t vlan; /* 0: untagged */
	uint8_t tos, ttl;
	uint8_t options; /* words of IPv4 options */
	uint16_t id, frag;
	bool no_checksum;
	uint16_t payload_len, padding;
	uint8_t payload[256];
};

static inline uint8_t *datagram_put16(uint8_t *at, uint32_t v)
{
	at[0] = (uint8_t)(v >> 8);
	at[1] = (uint8_t)v;
	return at + 2;
}

static inline uint16_t datagram_sum(const struct datagram *d, const uint8_t *udp, uint32_t len)
{
	bool is4 = zs_addr_is4(&d->src.addr);
	uint32_t sum = zs_csum_add(htobe16(17) + (uint32_t)htobe16((uint16_t)len),
				   d->src.addr.ip + (is4 ? 12 : 0), is4 ? 4 : 16);
	uint16_t v;

	sum = zs_csum_add(sum, d->dst.addr.ip + (is4 ? 12 : 0), is4 ? 4 : 16);
	v = (uint16_t)~zs_csum_fold(zs_csum_add(sum, udp, len));
	return v ? v : 0xffff;
}

/* Returns its length; `out` has room for 400 bytes. */
static inline uint32_t datagram_make(const struct datagram *d, uint8_t *out)
{
	bool is4 = zs_addr_is4(&d->src.addr);
	uint32_t len = 8u + d->payload_len, header = 20u + 4u * d->options;
	uint8_t *at = out, *ip, *udp;
	uint16_t sum;

	memcpy(at, d->to, 6);
	memcpy(at + 6, d->from, 6);
	at += 12;
	if (d->vlan)
		at = datagram_put16(datagram_put16(at, 0x8100), d->vlan);
	ip = at = datagram_put16(at, is4 ? 0x0800 : 0x86dd);
	memset(ip, 0, 60);
	if (is4) {
		ip[0] = (uint8_t)(0x45 + d->options);
		ip[1] = d->tos;
		datagram_put16(ip + 2, header + len);
		datagram_put16(ip + 4, d->id);
		datagram_put16(ip + 6, d->frag);
		ip[8] = d->ttl;
		ip[9] = 17;
		memcpy(ip + 12, d->src.addr.ip + 12, 4);
		memcpy(ip + 16, d->dst.addr.ip + 12, 4);
		sum = (uint16_t)~zs_csum_fold(zs_csum_add(0, ip, header));
		memcpy(ip + 10, &sum, 2);
		udp = ip + header;
	} else {
		datagram_put16(ip, 0x6000 | d->tos << 4);
		datagram_put16(ip + 4, len);
		ip[6] = 17;
		ip[7] = d->ttl;
		memcpy(ip + 8, d->src.addr.ip, 16);
		memcpy(ip + 24, d->dst.addr.ip, 16);
		udp = ip + 40;
	}
	datagram_put16(datagram_put16(datagram_put16(udp, d->src.port), d->dst.port), len);
	memset(udp + 6, 0, 2);
	memcpy(udp + 8, d->payload, d->payload_len);
	sum = d->no_checksum ? 0 : datagram_sum(d, udp, len);
	memcpy(udp + 6, &sum, 2);
	memset(udp + len, 0xee, d->padding);
	return (uint32_t)(udp + len - out) + d->padding;
}

#endif
