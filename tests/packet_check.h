/* What must hold of any parsed frame, whatever its bytes: shared by the unit test and the
 * fuzzer. Ends the process when it does not. */
#ifndef ZS_TEST_PACKET_CHECK_H
#define ZS_TEST_PACKET_CHECK_H

#include "base/check.h"
#include "net/packet_plain.h"

static inline void packet_check_quote(const uint8_t *frame, const struct zs_packet *p, uint32_t ip_end)
{
	ZS_CHECK(p->quoted_proto == ZS_PROTO_UDP && p->quoted_off == p->l4_off + ZS_ICMP_LEN);
	ZS_CHECK(p->quoted_l4_off >= p->quoted_off + (p->is4 ? ZS_IP4_MIN : ZS_IP6_LEN));
	ZS_CHECK(p->quoted_l4_off + (uint32_t)ZS_UDP_LEN <= ip_end);
	ZS_CHECK(frame[p->quoted_off] >> 4 == (p->is4 ? 4 : 6));
	ZS_CHECK(zs_addr_is4(&p->quoted_src.addr) == p->is4 && zs_addr_is4(&p->quoted_dst.addr) == p->is4);
	ZS_CHECK(p->quoted_src.port == (frame[p->quoted_l4_off] << 8 | frame[p->quoted_l4_off + 1]));
	ZS_CHECK(p->src.port == 0 && p->dst.port == 0);
}

static inline void packet_check(const uint8_t *frame, uint32_t len, const struct zs_packet *p)
{
	uint32_t ip_end = p->l3_off + (uint32_t)p->ip_len;
	int reason = zs_packet_hygiene(p);

	ZS_CHECK(reason >= -1 && reason < ZS_DROPS);
	ZS_CHECK(p->l2_len == ZS_ETH_LEN || p->l2_len == ZS_ETH_LEN + ZS_VLAN_LEN);
	ZS_CHECK(p->vlan < 4096 && (p->vlan == 0 || p->l2_len == ZS_ETH_LEN + ZS_VLAN_LEN) &&
		 p->l3_off == p->l2_len);
	ZS_CHECK(ip_end <= len && p->payload_off <= ip_end &&
		 p->payload_off + (uint32_t)p->payload_len == ip_end);
	ZS_CHECK(p->l4_off >= p->l3_off + (p->is4 ? ZS_IP4_MIN : ZS_IP6_LEN) &&
		 p->payload_off == p->l4_off + 8);
	ZS_CHECK(frame[p->l3_off] >> 4 == (p->is4 ? 4 : 6) && zs_addr_is4(&p->dst.addr) == p->is4);
	ZS_CHECK(!(p->flags & ZS_PACKET_HAS_OPTIONS) ==
		 (p->l4_off - p->l3_off == (p->is4 ? ZS_IP4_MIN : ZS_IP6_LEN)));
	ZS_CHECK(p->kind == ZS_PACKET_UDP || p->kind == ZS_PACKET_ICMP_ERROR);
	if (p->kind == ZS_PACKET_ICMP_ERROR)
		packet_check_quote(frame, p, ip_end);
	else if (reason < 0)
		ZS_CHECK(p->udp_len == p->payload_len + ZS_UDP_LEN && p->src.port && p->dst.port &&
			 p->ttl > 1);
	/* Hygiene lets no source pass of the other family. */
	if (reason < 0)
		ZS_CHECK(zs_addr_is4(&p->src.addr) == p->is4);
}

/* Both ways to look at a frame agree: the plain one takes what it is for, nothing else, and says the same of it. */
static inline void packet_check_plain(const uint8_t *frame, uint32_t len, enum zs_parse rc,
				      const struct zs_packet *p)
{
	struct zs_packet q;
	bool plain = zs_packet_plain(frame, len, &q);

	ZS_CHECK(plain ==
		 (rc == ZS_PARSE_OK && p->kind == ZS_PACKET_UDP && p->l2_len == ZS_ETH_LEN && !p->flags &&
		  zs_packet_hygiene(p) < 0 && (p->is4 || zs_plain_word(p->dst.addr.ip) != 0)));
	if (!plain)
		return;
	ZS_CHECK(q.l2_len == p->l2_len && q.vlan == p->vlan && q.l3_off == p->l3_off &&
		 q.l4_off == p->l4_off && q.ip_len == p->ip_len && q.payload_off == p->payload_off &&
		 q.payload_len == p->payload_len);
	ZS_CHECK(q.ttl == p->ttl && q.ecn == p->ecn && q.is4 == p->is4 && q.flags == p->flags &&
		 q.kind == p->kind && q.udp_len == p->udp_len && q.l4_csum == p->l4_csum);
	ZS_CHECK(zs_endpoint_eq(&q.src, &p->src) && zs_endpoint_eq(&q.dst, &p->dst));
	ZS_CHECK(q.clean && !p->clean);
}

#endif
