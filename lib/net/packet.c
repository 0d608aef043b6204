/* The header walk. The order of the checks is the order of the bytes, so the reason of a drop
 * is the first thing that is wrong. Every read comes after a check of the bytes left, which
 * count from l3_off: first those of the frame, then those of the IP packet.
 * References: RFC 791, 8200, 768, 792, 4443, IEEE 802.1Q. */
#include "net/packet.h"

#include <arpa/inet.h>

#include "base/check.h"
#include "net/checksum.h"

#define ICMP4_UNREACHABLE   3
#define ICMP4_FRAG_NEEDED   4 /* a code of the former */
#define ICMP4_TIME_EXCEEDED 11
#define ICMP4_PARAMETER	    12
#define ICMP6_TOO_BIG	    2
#define ICMP6_PARAMETER	    4 /* errors are 1 to 4 */

static inline uint16_t load16(const uint8_t *p)
{
	uint16_t v;
	memcpy(&v, p, 2);
	return ntohs(v);
}

static inline uint32_t load32(const uint8_t *p)
{
	uint32_t v;
	memcpy(&v, p, 4);
	return v;
}

static inline struct zs_addr load6(const uint8_t *p)
{
	struct zs_addr a;
	memcpy(&a, p, sizeof(a));
	return a;
}

static inline struct zs_addr load4(const uint8_t *p)
{
	return zs_addr_from4(load32(p));
}

static ZS_COLD enum zs_parse drop(struct zs_packet *out, enum zs_drop reason)
{
	out->drop = (uint8_t)reason;
	return ZS_PARSE_DROP;
}

/* The checksum words of a header of `words` 32-bit words: 5 to 15. */
static inline bool header_sum_ok(const uint8_t *p, unsigned words)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < words; i++)
		sum += load32(p + 4 * i);
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffffffff) + (sum >> 32);
	return zs_csum_fold((uint32_t)sum) == 0xffff;
}

static inline enum zs_parse parse_udp(const uint8_t *l4, uint32_t left, struct zs_packet *out)
{
	if (ZS_UNLIKELY(left < ZS_UDP_LEN))
		return drop(out, ZS_DROP_udp_length);
	out->kind = ZS_PACKET_UDP;
	out->src.port = load16(l4);
	out->dst.port = load16(l4 + 2);
	out->udp_len = load16(l4 + 4);
	memcpy(&out->l4_csum, l4 + 6, 2);
	out->payload_off = (uint16_t)(out->l4_off + ZS_UDP_LEN);
	out->payload_len = (uint16_t)(left - ZS_UDP_LEN);
	return ZS_PARSE_OK;
}

/* The quoted IPv4 header: returns its length when its UDP header follows, else 0. */
static uint32_t quote4(const uint8_t *p, uint32_t left, struct zs_packet *out)
{
	uint32_t header;

	if (left < ZS_IP4_MIN || p[0] >> 4 != 4)
		return 0;
	header = (p[0] & 15u) * 4;
	if (header < ZS_IP4_MIN || left < header + ZS_UDP_LEN || (load16(p + 6) & ZS_IP4_OFFSET) ||
	    p[9] != ZS_PROTO_UDP)
		return 0;
	out->quoted_src.addr = load4(p + 12);
	out->quoted_dst.addr = load4(p + 16);
	return header;
}

static uint32_t quote6(const uint8_t *p, uint32_t left, struct zs_packet *out)
{
	if (left < ZS_IP6_LEN + ZS_UDP_LEN || p[0] >> 4 != 6 || p[6] != ZS_PROTO_UDP)
		return 0;
	out->quoted_src.addr = load6(p + 8);
	out->quoted_dst.addr = load6(p + 24);
	/* On the wire these are nobody's; read as canonical they would be IPv4 endpoints. */
	if (zs_addr_is4(&out->quoted_src.addr) || zs_addr_is4(&out->quoted_dst.addr))
		return 0;
	return ZS_IP6_LEN;
}

static bool is_error(const struct zs_packet *p)
{
	if (p->is4)
		return p->icmp_type == ICMP4_UNREACHABLE || p->icmp_type == ICMP4_TIME_EXCEEDED ||
		       p->icmp_type == ICMP4_PARAMETER;
	return p->icmp_type >= 1 && p->icmp_type <= ICMP6_PARAMETER;
}

/* Echo, neighbour discovery and errors about other protocols are the kernel's; so is a quote
 * that does not reach its ports: it cannot name a relay port. */
static ZS_COLD enum zs_parse parse_icmp(const uint8_t *l4, uint32_t left, struct zs_packet *out)
{
	const uint8_t *quote = l4 + ZS_ICMP_LEN;
	uint32_t header;

	if (left < ZS_ICMP_LEN)
		return ZS_PARSE_KERNEL;
	out->kind = ZS_PACKET_ICMP_ERROR;
	out->icmp_type = l4[0];
	out->icmp_code = l4[1];
	if (!is_error(out))
		return ZS_PARSE_KERNEL;
	left -= ZS_ICMP_LEN;
	header = out->is4 ? quote4(quote, left, out) : quote6(quote, left, out);
	if (!header)
		return ZS_PARSE_KERNEL;
	memcpy(&out->l4_csum, l4 + 2, 2);
	out->icmp_mtu = 0;
	if (out->is4 && out->icmp_type == ICMP4_UNREACHABLE && out->icmp_code == ICMP4_FRAG_NEEDED)
		out->icmp_mtu = load16(l4 + 6);
	else if (!out->is4 && out->icmp_type == ICMP6_TOO_BIG)
		out->icmp_mtu = ntohl(load32(l4 + 4));
	out->src.port = out->dst.port = 0;
	out->udp_len = 0;
	out->payload_off = (uint16_t)(out->l4_off + ZS_ICMP_LEN);
	out->payload_len = (uint16_t)left;
	out->quoted_proto = ZS_PROTO_UDP;
	out->quoted_off = out->payload_off;
	out->quoted_l4_off = (uint16_t)(out->payload_off + header);
	out->quoted_src.port = load16(quote + header);
	out->quoted_dst.port = load16(quote + header + 2);
	return ZS_PARSE_OK;
}

static inline enum zs_parse parse_ip4(const uint8_t *p, uint32_t left, struct zs_packet *out)
{
	uint32_t header, total;
	uint16_t frag;

	if (ZS_UNLIKELY(left < ZS_IP4_MIN))
		return drop(out, ZS_DROP_frame_short);
	if (ZS_UNLIKELY(p[0] >> 4 != 4))
		return drop(out, ZS_DROP_ip_version);
	header = (p[0] & 15u) * 4;
	if (ZS_UNLIKELY(header < ZS_IP4_MIN))
		return drop(out, ZS_DROP_ip_header_length);
	if (ZS_UNLIKELY(left < header))
		return drop(out, ZS_DROP_frame_short);
	if (ZS_UNLIKELY(!header_sum_ok(p, header / 4)))
		return drop(out, ZS_DROP_ip_checksum);
	total = load16(p + 2);
	if (ZS_UNLIKELY(total < header || total > left))
		return drop(out, ZS_DROP_ip_length);
	frag = load16(p + 6);
	if (ZS_UNLIKELY(frag & ZS_IP4_OFFSET))
		return ZS_PARSE_KERNEL;
	out->is4 = true;
	out->flags = (uint8_t)((header > ZS_IP4_MIN ? ZS_PACKET_HAS_OPTIONS : 0) |
			       (frag & ZS_IP4_MF ? ZS_PACKET_FIRST_FRAGMENT : 0));
	out->ip_len = (uint16_t)total;
	out->l4_off = (uint16_t)(out->l3_off + header);
	out->ecn = p[1] & ZS_ECN_MASK;
	out->ttl = p[8];
	out->src.addr = load4(p + 12);
	out->dst.addr = load4(p + 16);
	if (ZS_LIKELY(p[9] == ZS_PROTO_UDP))
		return parse_udp(p + header, total - header, out);
	return p[9] == ZS_PROTO_ICMP ? parse_icmp(p + header, total - header, out) : ZS_PARSE_KERNEL;
}

static inline enum zs_parse parse_ip6(const uint8_t *p, uint32_t left, struct zs_packet *out)
{
	uint32_t total;

	if (ZS_UNLIKELY(left < ZS_IP6_LEN))
		return drop(out, ZS_DROP_frame_short);
	if (ZS_UNLIKELY(p[0] >> 4 != 6))
		return drop(out, ZS_DROP_ip_version);
	total = load16(p + 4) + (uint32_t)ZS_IP6_LEN;
	if (ZS_UNLIKELY(total > left))
		return drop(out, ZS_DROP_ip_length);
	if (ZS_UNLIKELY(total > ZS_MTU_MAX))
		return drop(out, ZS_DROP_ip_length); /* 40 bytes more than any IPv4 packet: no link here */
	out->is4 = false;
	out->flags = 0;
	out->ip_len = (uint16_t)total;
	out->l4_off = (uint16_t)(out->l3_off + ZS_IP6_LEN);
	out->ecn = p[1] >> 4 & ZS_ECN_MASK;
	out->ttl = p[7];
	out->src.addr = load6(p + 8);
	out->dst.addr = load6(p + 24);
	if (ZS_UNLIKELY(zs_addr_is4(&out->dst.addr)))
		return ZS_PARSE_KERNEL; /* v4-mapped on the wire: never one of our addresses */
	if (ZS_LIKELY(p[6] == ZS_PROTO_UDP))
		return parse_udp(p + ZS_IP6_LEN, total - ZS_IP6_LEN, out);
	return p[6] == ZS_PROTO_ICMP6 ? parse_icmp(p + ZS_IP6_LEN, total - ZS_IP6_LEN, out) : ZS_PARSE_KERNEL;
}

enum zs_parse zs_packet_parse(const uint8_t *frame, uint32_t len, struct zs_packet *out)
{
	uint16_t type;

	if (ZS_UNLIKELY(len < ZS_ETH_LEN))
		return drop(out, ZS_DROP_frame_short);
	if (ZS_UNLIKELY(frame[0] & 1))
		return ZS_PARSE_KERNEL; /* group frames */
	type = load16(frame + 12);
	out->clean = false;
	out->l2_len = ZS_ETH_LEN;
	out->vlan = 0;
	if (type == ZS_ETHERTYPE_VLAN) {
		if (ZS_UNLIKELY(len < ZS_ETH_LEN + ZS_VLAN_LEN))
			return drop(out, ZS_DROP_frame_short);
		out->vlan = load16(frame + 14) & 0xfff;
		type = load16(frame + 16);
		out->l2_len = ZS_ETH_LEN + ZS_VLAN_LEN;
	}
	out->l3_off = out->l2_len;
	if (type == ZS_ETHERTYPE_IP4)
		return parse_ip4(frame + out->l3_off, len - out->l3_off, out);
	if (type == ZS_ETHERTYPE_IP6)
		return parse_ip6(frame + out->l3_off, len - out->l3_off, out);
	return ZS_PARSE_KERNEL;
}

/* Sources that no packet from a network can have. Link-local ones are refused too: a relay
 * answers through its next hop, where they mean nothing. */
static inline int judge_source4(uint32_t ip)
{
	uint32_t top = ip >> 24;

	if (ZS_LIKELY(top != 0 && top != 127 && top < 224 && ip >> 16 != 0xa9fe))
		return -1;
	if (ip == 0xffffffff)
		return ZS_DROP_src_broadcast;
	return top >= 224 && top < 240 ? ZS_DROP_src_multicast : ZS_DROP_src_martian;
}

/* ::/64 holds the unspecified and loopback addresses, v4-mapped, v4-compatible and the like. */
static inline int judge_source6(const struct zs_addr *a)
{
	uint64_t hi;

	memcpy(&hi, a->ip, 8);
	if (a->ip[0] == 0xff)
		return ZS_DROP_src_multicast;
	if (hi == 0 || (a->ip[0] == 0xfe && (a->ip[1] & 0xc0) == 0x80))
		return ZS_DROP_src_martian;
	return -1;
}

static inline int judge_udp(const struct zs_packet *p)
{
	uint32_t payload = p->ip_len - (uint32_t)(p->l4_off - p->l3_off);

	if (ZS_UNLIKELY(p->src.port == 0 || p->dst.port == 0))
		return ZS_DROP_port_zero;
	if (ZS_UNLIKELY(p->udp_len < ZS_UDP_LEN || p->udp_len > payload))
		return ZS_DROP_udp_length;
	if (ZS_UNLIKELY(p->udp_len < payload))
		return ZS_DROP_udp_surplus;
	if (ZS_UNLIKELY(!p->is4 && p->l4_csum == 0))
		return ZS_DROP_udp_checksum_zero;
	return -1;
}

int zs_packet_hygiene(const struct zs_packet *p)
{
	int reason;

	if (ZS_UNLIKELY(p->flags))
		return p->flags & ZS_PACKET_FIRST_FRAGMENT ? ZS_DROP_ip_fragment : ZS_DROP_ip_options;
	if (ZS_UNLIKELY(p->ttl <= 1))
		return ZS_DROP_ttl;
	reason = p->is4 ? judge_source4(ntohl(zs_addr_get4(&p->src.addr))) : judge_source6(&p->src.addr);
	if (ZS_UNLIKELY(reason >= 0))
		return reason;
	return p->kind == ZS_PACKET_UDP ? judge_udp(p) : -1;
}
