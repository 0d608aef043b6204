/* What nearly every packet of a relay is: UDP in an Ethernet frame without a tag, an IPv4 header of 20 bytes or an IPv6 header,
 * no fragment, lengths and IPv4 checksum right, a source and ports that can be. It is told by a masked compare of vectors;
 * SIMDe makes of it SSE, NEON or plain C.
 *
 * Whatever else it is, even one wrong bit: zs_packet_parse() and zs_packet_hygiene() say what. Both ways give the same. */
#ifndef ZS_NET_PACKET_PLAIN_H
#define ZS_NET_PACKET_PLAIN_H

#include <endian.h>
#include <simde/x86/sse4.1.h>
#include "base/check.h"
#include "net/packet.h"

#define ZS_PLAIN_OFF4 (ZS_ETH_LEN + ZS_IP4_MIN) /* of the UDP header */
#define ZS_PLAIN_OFF6 (ZS_ETH_LEN + ZS_IP6_LEN)

static inline uint64_t zs_plain_word(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

/* Is `at` as `want` where `mask` has bits? */
static inline bool zs_plain_is(simde__m128i at, const uint8_t want[16], const uint8_t mask[16])
{
	simde__m128i w = simde_mm_loadu_si128((const simde__m128i *)want);
	simde__m128i m = simde_mm_loadu_si128((const simde__m128i *)mask);

	return simde_mm_movemask_epi8(simde_mm_cmpeq_epi8(simde_mm_and_si128(at, m), w)) == 0xffff;
}

/* The last 8 bytes before the payload, and whether they and the length of the IP payload agree. */
static inline bool zs_plain_udp(const uint8_t *udp, uint32_t payload, struct zs_packet *out)
{
	uint64_t word = zs_plain_word(udp);

	out->src.port = be16toh((uint16_t)word);
	out->dst.port = be16toh((uint16_t)(word >> 16));
	out->udp_len = be16toh((uint16_t)(word >> 32));
	out->l4_csum = (uint16_t)(word >> 48);
	out->payload_len = (uint16_t)(payload - ZS_UDP_LEN);
	return payload >= ZS_UDP_LEN && out->udp_len == payload && out->src.port && out->dst.port;
}

/* What all of a family have in common. */
static inline void zs_plain_fixed(struct zs_packet *out, bool is4)
{
	out->l2_len = out->l3_off = ZS_ETH_LEN;
	out->vlan = 0;
	out->l4_off = is4 ? ZS_PLAIN_OFF4 : ZS_PLAIN_OFF6;
	out->payload_off = (is4 ? ZS_PLAIN_OFF4 : ZS_PLAIN_OFF6) + ZS_UDP_LEN;
	out->is4 = is4;
	out->flags = 0;
	out->kind = ZS_PACKET_UDP;
	out->drop = 0;
	out->clean = true;
}

/* A source of IPv4, host order: not 0/8, 127/8, 169.254/16, nor 224/3. */
static inline bool zs_plain_source4(uint32_t ip)
{
	uint32_t top = ip >> 24;

	return top - 1 < 223 && top != 127 && ip >> 16 != 0xa9fe;
}

/* In ones' complement a header with its checksum adds up to a multiple of all ones; it is never all zeros. */
static inline bool zs_plain_sum4(const uint8_t *ip)
{
	uint64_t a = zs_plain_word(ip), b = zs_plain_word(ip + 8), last = zs_plain_word(ip + 12) >> 32;

	return ((a & 0xffffffff) + (a >> 32) + (b & 0xffffffff) + (b >> 32) + last) % 0xffff == 0;
}

static inline bool zs_plain4(const uint8_t *frame, uint32_t len, struct zs_packet *out)
{
	/* EtherType, version and header length, then no more fragments, offset 0, and UDP. */
	static const uint8_t want[16] = { 0x08, 0x00, 0x45, [11] = ZS_PROTO_UDP };
	static const uint8_t mask[16] = { 0xff, 0xff, 0xff, [8] = 0x3f, [9] = 0xff, [11] = 0xff };
	static const int8_t mapped[16] = { [10] = -1, [11] = -1 };
	simde__m128i head = simde_mm_loadu_si128((const simde__m128i *)(frame + 12));
	simde__m128i rest = simde_mm_loadu_si128((const simde__m128i *)(frame + 26)), prefix;
	const uint8_t *ip = frame + ZS_ETH_LEN;
	uint64_t a = zs_plain_word(ip), b = zs_plain_word(ip + 8);
	uint32_t total = be16toh((uint16_t)(a >> 16));

	zs_plain_fixed(out, true);
	out->ip_len = (uint16_t)total;
	out->ttl = (uint8_t)b;
	out->ecn = (uint8_t)(a >> 8) & ZS_ECN_MASK;
	prefix = simde_mm_loadu_si128((const simde__m128i *)mapped);
	simde_mm_storeu_si128((simde__m128i *)&out->src.addr,
			      simde_mm_or_si128(prefix, simde_mm_slli_si128(rest, 12)));
	simde_mm_storeu_si128(
	    (simde__m128i *)&out->dst.addr,
	    simde_mm_or_si128(prefix, simde_mm_slli_si128(simde_mm_srli_si128(rest, 4), 12)));
	return zs_plain_udp(frame + ZS_PLAIN_OFF4, total - ZS_IP4_MIN, out) &&
	       zs_plain_is(head, want, mask) && total <= len - ZS_ETH_LEN && total >= ZS_IP4_MIN &&
	       zs_plain_sum4(ip) && out->ttl > 1 && zs_plain_source4(be32toh((uint32_t)(b >> 32)));
}

/* What the headers of nearly every packet of a port have in common, IPv4 to one own address: all of the first 40 bytes that does
 * not differ from sender to sender. For heads.h. */
struct zs_plain_like {
	_Alignas(8) uint8_t bytes[40];
};

static inline struct zs_plain_like zs_plain_like_of(const uint8_t mac[6], const struct zs_addr *own)
{
	struct zs_plain_like l = { { [12] = 0x08, [14] = 0x45, [23] = ZS_PROTO_UDP } };

	memcpy(l.bytes, mac, 6);
	memcpy(l.bytes + 30, own->ip + 12, 4);
	return l;
}

/* What counts of them: the destination, type, version and length, fragment but for its DF, protocol, destination. */
static const struct zs_plain_like zs_plain_like_mask = {
	{ 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, [12] = 0xff, 0xff, 0xff, [20] = 0x3f,
	  0xff, [23] = 0xff, [30] = 0xff, 0xff, 0xff, 0xff }
};

/* ::/64 and v4-mapped destinations, multicast and link-local sources are looked at by the long way. */
static inline bool zs_plain6(const uint8_t *frame, uint32_t len, struct zs_packet *out)
{
	static const uint8_t want[16] = { 0x86, 0xdd, 0x60, [8] = ZS_PROTO_UDP };
	static const uint8_t mask[16] = { 0xff, 0xff, 0xf0, [8] = 0xff };
	simde__m128i head = simde_mm_loadu_si128((const simde__m128i *)(frame + 12));
	const uint8_t *ip = frame + ZS_ETH_LEN;
	uint64_t a = zs_plain_word(ip), source = zs_plain_word(ip + 8);
	uint32_t payload = be16toh((uint16_t)(a >> 32)), first = be16toh((uint16_t)source);

	zs_plain_fixed(out, false);
	out->ip_len = (uint16_t)(payload + ZS_IP6_LEN);
	out->ttl = (uint8_t)(a >> 56);
	out->ecn = (uint8_t)(a >> 12) & ZS_ECN_MASK;
	simde_mm_storeu_si128((simde__m128i *)&out->src.addr,
			      simde_mm_loadu_si128((const simde__m128i *)(ip + 8)));
	simde_mm_storeu_si128((simde__m128i *)&out->dst.addr,
			      simde_mm_loadu_si128((const simde__m128i *)(ip + 24)));
	return zs_plain_udp(frame + ZS_PLAIN_OFF6, payload, out) && zs_plain_is(head, want, mask) &&
	       payload + ZS_IP6_LEN <= len - ZS_ETH_LEN && payload + ZS_IP6_LEN <= ZS_MTU_MAX &&
	       out->ttl > 1 && out->l4_csum && source && zs_plain_word(ip + 24) && first < 0xff00 &&
	       (first & 0xffc0) != 0xfe80;
}

/* True: *out is what zs_packet_parse() says of it, and hygiene has nothing against it. False: *out is undefined. Reads the
 * headers alone. */
static inline bool zs_packet_plain(const uint8_t *frame, uint32_t len, struct zs_packet *out)
{
	uint16_t type;

	if (ZS_UNLIKELY(len < ZS_PLAIN_OFF4 + ZS_UDP_LEN || frame[0] & 1))
		return false;
	memcpy(&type, frame + 12, sizeof(type));
	if (type == htobe16(ZS_ETHERTYPE_IP4))
		return zs_plain4(frame, len, out);
	return type == htobe16(ZS_ETHERTYPE_IP6) && len >= ZS_PLAIN_OFF6 + ZS_UDP_LEN &&
	       zs_plain6(frame, len, out);
}

#endif
