/* IP and UDP headers made anew before a payload: of a tunnel's datagram, and of a packet that came out of
 * one. DSCP 0, flow label 0, never fragmented. */
#include <endian.h>
#include <rte_mbuf.h>
#include "net/checksum.h"
#include "stage.h"

#define TTL	      64
#define DONT_FRAGMENT 0x40

/* Values are summed as they are written, not read back: bytes just stored one by one are slow to load as words. */
static void put16(uint8_t *at, uint16_t v)
{
	v = htobe16(v);
	memcpy(at, &v, sizeof(v));
}

static uint64_t sum_addr(const struct zs_addr *a)
{
	uint32_t word[4];

	memcpy(word, a->ip, sizeof(word));
	return zs_addr_is4(a) ? word[3] : (uint64_t)word[0] + word[1] + word[2] + word[3];
}

static uint32_t in32(uint64_t sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	return (uint32_t)((sum & 0xffffffff) + (sum >> 32));
}

static void put4(uint8_t *ip, const struct zs_header *h, uint16_t udp_len)
{
	uint16_t first = (uint16_t)(0x4500 | h->ecn), len = (uint16_t)(ZS_IP4_MIN + udp_len), csum;
	uint64_t sum = sum_addr(&h->src.addr) + sum_addr(&h->dst.addr);

	sum += htobe16(first) + htobe16(len) + htobe16(DONT_FRAGMENT << 8) + htobe16(TTL << 8 | ZS_PROTO_UDP);
	csum = (uint16_t)~zs_csum_fold(in32(sum));
	put16(ip, first);
	put16(ip + 2, len);
	put16(ip + 4, 0);
	put16(ip + 6, DONT_FRAGMENT << 8);
	put16(ip + 8, TTL << 8 | ZS_PROTO_UDP);
	memcpy(ip + 10, &csum, 2);
	memcpy(ip + 12, h->src.addr.ip + 12, 4);
	memcpy(ip + 16, h->dst.addr.ip + 12, 4);
}

static void put6(uint8_t *ip, const struct zs_header *h, uint16_t udp_len)
{
	memset(ip, 0, 8);
	ip[0] = 0x60;
	ip[1] = (uint8_t)(h->ecn << 4);
	put16(ip + 4, udp_len);
	ip[6] = ZS_PROTO_UDP;
	ip[7] = TTL;
	memcpy(ip + 8, h->src.addr.ip, 16);
	memcpy(ip + 24, h->dst.addr.ip, 16);
}

uint32_t zs_header_sum(const struct zs_endpoint *src, const struct zs_endpoint *dst, uint16_t udp_len)
{
	uint64_t sum = sum_addr(&src->addr) + sum_addr(&dst->addr) + htobe16(ZS_PROTO_UDP);

	sum += htobe16(src->port) + htobe16(dst->port) + 2u * htobe16(udp_len); /* the pseudo header's too */
	return in32(sum);
}

bool zs_header_put(struct zs_item *it, const struct zs_header *h, uint8_t *payload, uint16_t len)
{
	bool is4 = zs_addr_is4(&h->src.addr);
	uint16_t udp_len = (uint16_t)(ZS_UDP_LEN + len), csum;
	uint8_t *udp = payload - ZS_UDP_LEN, *ip = udp - (is4 ? ZS_IP4_MIN : ZS_IP6_LEN);
	uint64_t sum;

	if (ip - ZS_ETH_LEN - ZS_VLAN_LEN < (uint8_t *)it->m->buf_addr)
		return false;
	put16(udp, h->src.port);
	put16(udp + 2, h->dst.port);
	put16(udp + 4, udp_len);
	sum = (uint64_t)zs_header_sum(&h->src, &h->dst, udp_len) + h->payload_sum;
	csum = (uint16_t)~zs_csum_fold(in32(sum));
	if (!csum)
		csum = 0xffff;
	memcpy(udp + 6, &csum, 2);
	if (is4)
		put4(ip, h, udp_len);
	else
		put6(ip, h, udp_len);
	it->ip = ip;
	it->l4 = udp;
	it->l4_len = udp_len;
	it->ip_len = (uint16_t)(udp_len + (udp - ip));
	return zs_frame_put(it, ip, it->ip_len);
}
