/* A frame's headers, walked once over raw bytes: Ethernet, at most one VLAN tag, IPv4 or IPv6,
 * then UDP or an ICMP error that quotes UDP. Shared by the worker and the conformance suite, so
 * it knows no mbuf, no table and no port of ours.
 *
 * Two steps, because the kernel's packets are none of our business: zs_packet_parse() refuses
 * what no receiver could read and hands over everything that cannot be relay traffic;
 * zs_packet_hygiene() judges what only matters once the packet is known to be for a relay port. */
#ifndef ZS_NET_PACKET_H
#define ZS_NET_PACKET_H

#include "net/addr.h"
#include "net/drop.h"

#define ZS_ETH_LEN	  14
#define ZS_VLAN_LEN	  4
#define ZS_ETHERTYPE_IP4  0x0800
#define ZS_ETHERTYPE_ARP  0x0806
#define ZS_ETHERTYPE_VLAN 0x8100
#define ZS_ETHERTYPE_QINQ 0x88a8
#define ZS_ETHERTYPE_IP6  0x86dd
#define ZS_IP4_MIN	  20
#define ZS_IP4_MF	  0x2000 /* in frag_off: more fragments follow */
#define ZS_IP4_OFFSET	  0x1fff
#define ZS_IP6_LEN	  40
#define ZS_UDP_LEN	  8
#define ZS_ICMP_LEN	  8
#define ZS_PROTO_ICMP	  1
#define ZS_PROTO_UDP	  17
#define ZS_PROTO_ICMP6	  58
#define ZS_ECN_MASK	  3
#define ZS_MTU_MAX	  65535 /* a longer frame has a wrong IP length, or is a jumbogram */

/* Headers as they stand in a frame: multi-byte fields big-endian, no alignment assumed. */
struct zs_eth {
	uint8_t dst[6], src[6];
	uint16_t type;
} __attribute__((packed));

struct zs_vlan_tag { /* follows the addresses' EtherType 0x8100 */
	uint16_t tci;
	uint16_t type;
} __attribute__((packed));

struct zs_ip4 {
	uint8_t version_ihl, tos;
	uint16_t total_len, id, frag_off;
	uint8_t ttl, proto;
	uint16_t csum;
	uint32_t src, dst;
} __attribute__((packed));

struct zs_ip6 {
	uint32_t version_class_flow;
	uint16_t payload_len;
	uint8_t next, hop_limit;
	struct zs_addr src, dst;
} __attribute__((packed));

struct zs_udp {
	uint16_t src, dst, len, csum;
} __attribute__((packed));

struct zs_icmp { /* and ICMPv6: the same eight bytes */
	uint8_t type, code;
	uint16_t csum;
	uint32_t rest; /* the MTU in its low 16 (IPv4) or all 32 bits (IPv6) */
} __attribute__((packed));

_Static_assert(sizeof(struct zs_eth) == ZS_ETH_LEN && sizeof(struct zs_vlan_tag) == ZS_VLAN_LEN,
	       "as on the wire");
_Static_assert(sizeof(struct zs_ip4) == ZS_IP4_MIN && sizeof(struct zs_ip6) == ZS_IP6_LEN, "as on the wire");
_Static_assert(sizeof(struct zs_udp) == ZS_UDP_LEN && sizeof(struct zs_icmp) == ZS_ICMP_LEN,
	       "as on the wire");

enum zs_parse {
	ZS_PARSE_OK,	 /* UDP, or an ICMP error that quotes UDP */
	ZS_PARSE_KERNEL, /* cannot be relay traffic: group frames, ARP, QinQ, extension headers, TCP, … */
	ZS_PARSE_DROP,	 /* broken beyond reading: out->drop says how */
};

enum zs_packet_kind { ZS_PACKET_UDP, ZS_PACKET_ICMP_ERROR };

#define ZS_PACKET_HAS_OPTIONS	 1 /* an IPv4 header beyond 20 bytes */
#define ZS_PACKET_FIRST_FRAGMENT 2 /* offset 0, more to come: lengths and checksum cover all of them */

struct zs_packet {
	/* OK and hygiene */
	uint16_t l2_len; /* 14, or 18 with a tag */
	uint16_t vlan;	 /* id; 0: untagged (a priority tag counts as untagged) */
	uint16_t l3_off, l4_off;
	uint16_t ip_len;		   /* of the whole IP packet; what the frame has beyond is padding */
	uint16_t payload_off, payload_len; /* behind the UDP or ICMP header, up to the end of the IP packet */
	uint8_t ttl, ecn;
	bool is4;
	uint8_t flags;
	uint8_t kind;		     /* enum zs_packet_kind */
	uint8_t drop;		     /* enum zs_drop, valid with ZS_PARSE_DROP alone */
	bool clean;		     /* hygiene was asked and has nothing against it (net/packet_plain.h) */
	struct zs_endpoint src, dst; /* ports 0 for ICMP */
	uint16_t udp_len;	     /* the header's word, host order: unchecked before hygiene */
	uint16_t l4_csum;	     /* of UDP or ICMP, as it stands; 0 in UDP: none */
	/* ICMP errors alone */
	uint8_t icmp_type, icmp_code;
	uint8_t quoted_proto;	/* UDP always: other quotes are the kernel's */
	uint16_t quoted_off;	/* the quoted IP header */
	uint16_t quoted_l4_off; /* its UDP header: eight bytes are there */
	uint32_t icmp_mtu;	/* of frag-needed and too-big, else 0 */
	struct zs_endpoint quoted_src, quoted_dst;
};
_Static_assert(ZS_DROPS < 256, "drop fits a byte");

/* `frame` begins at the destination MAC. Offsets are below len on ZS_PARSE_OK; otherwise only
 * `drop` means anything. Touches no byte behind the L4 header (ICMP: the quoted one). */
enum zs_parse zs_packet_parse(const uint8_t *frame, uint32_t len, struct zs_packet *out);

/* For a packet that is for a relay port. -1: fine, else an enum zs_drop. Whether the source
 * is our own or a directed broadcast is not known here. */
int zs_packet_hygiene(const struct zs_packet *p);

#endif
