/* IP and UDP headers made anew before a payload: of a tunnel's datagram, and of a packet that came out of
 * one. DSCP 0, flow label 0, never fragmented. */
#include <rte_mbuf.h>
#include "net/checksum.h"
#include "stage.h"

#define TTL	      64
#define DONT_FRAGMENT 0x40

static void put16(uint8_t *at, uint16_t v)
{
	at[0] = (uint8_t)(v >> 8);
	at[1] = (uint8_t)v;
}

static void put4(uint8_t *ip, const struct zs_header *h, uint16_t udp_len)
{
	uint16_t csum;

	memset(ip, 0, ZS_IP4_MIN);
	ip[0] = 0x45;
	ip[1] = h->ecn;
	put16(ip + 2, (uint16_t)(ZS_IP4_MIN + udp_len));
	ip[6] = DONT_FRAGMENT;
	ip[8] = TTL;
	ip[9] = ZS_PROTO_UDP;
	memcpy(ip + 12, h->src.addr.ip + 12, 4);
	memcpy(ip + 16, h->dst.addr.ip + 12, 4);
	csum = (uint16_t)~zs_csum_fold(zs_csum_add(0, ip, ZS_IP4_MIN));
	memcpy(ip + 10, &csum, 2);
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
	bool is4 = zs_addr_is4(&src->addr);
	uint32_t from = is4 ? 12 : 0, len = is4 ? 4 : 16;
	uint8_t rest[12];

	put16(rest, ZS_PROTO_UDP);
	put16(rest + 2, udp_len); /* of the pseudo header */
	put16(rest + 4, src->port);
	put16(rest + 6, dst->port);
	put16(rest + 8, udp_len);
	put16(rest + 10, 0);
	return zs_csum_add(zs_csum_add(zs_csum_add(0, src->addr.ip + from, len), dst->addr.ip + from, len),
			   rest, sizeof(rest));
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
	csum = (uint16_t)~zs_csum_fold((uint32_t)((sum & 0xffffffff) + (sum >> 32)));
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
