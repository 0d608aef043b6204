/* Of what kind a frame is that goes to the kernel: nothing here is checked but that it can be read. */
#include <stddef.h>
#include <string.h>
#include "base/check.h"
#include "net/packet.h"
#include "punt.h"

#define PROTO_TCP 6
#define TCP_FLAGS 13 /* offset */
#define TCP_RST	  4
#define TCP_ACK	  16
#define PORT_BGP  179
#define PORT_BFD  3784
#define TTL_NEAR  255 /* no router has seen it: RFC 5082, RFC 5881, RFC 4861 */
#define ND_FIRST  133
#define ND_LAST	  137

/* What lies behind the link header. */
struct look {
	uint16_t type;	    /* EtherType */
	uint8_t proto, ttl; /* proto 0: no IP, or a fragment but the first */
	const uint8_t *l4;
	uint32_t left; /* bytes from l4 on */
};

static uint16_t load16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

static void look4(struct look *l, const uint8_t *ip, uint32_t left, struct zs_addr *src)
{
	uint32_t header = (ip[0] & 15u) * 4, be32;

	memcpy(&be32, ip + offsetof(struct zs_ip4, src), sizeof(be32));
	*src = zs_addr_from4(be32);
	l->ttl = ip[offsetof(struct zs_ip4, ttl)];
	if (header < ZS_IP4_MIN || left < header ||
	    load16(ip + offsetof(struct zs_ip4, frag_off)) & ZS_IP4_OFFSET)
		return;
	l->proto = ip[offsetof(struct zs_ip4, proto)];
	l->l4 = ip + header;
	l->left = left - header;
}

static void look6(struct look *l, const uint8_t *ip, uint32_t left, struct zs_addr *src)
{
	memcpy(src, ip + offsetof(struct zs_ip6, src), sizeof(*src));
	l->ttl = ip[offsetof(struct zs_ip6, hop_limit)];
	l->proto = ip[offsetof(struct zs_ip6, next)];
	l->l4 = ip + ZS_IP6_LEN;
	l->left = left - ZS_IP6_LEN;
}

static struct look look_at(const uint8_t *frame, uint32_t len, struct zs_addr *src)
{
	struct look l = { 0 };
	uint32_t at = ZS_ETH_LEN;

	memset(src, 0, sizeof(*src));
	if (len < ZS_ETH_LEN)
		return l;
	memcpy(src, frame + offsetof(struct zs_eth, src), 6);
	l.type = load16(frame + offsetof(struct zs_eth, type));
	if (l.type == ZS_ETHERTYPE_VLAN && len >= ZS_ETH_LEN + ZS_VLAN_LEN) {
		l.type = load16(frame + ZS_ETH_LEN + offsetof(struct zs_vlan_tag, type));
		at += ZS_VLAN_LEN;
	}
	if (l.type == ZS_ETHERTYPE_IP4 && len >= at + ZS_IP4_MIN)
		look4(&l, frame + at, len - at, src);
	else if (l.type == ZS_ETHERTYPE_IP6 && len >= at + ZS_IP6_LEN)
		look6(&l, frame + at, len - at, src);
	return l;
}

static bool is_nd(const struct look *l)
{
	return l->type == ZS_ETHERTYPE_IP6 && l->proto == ZS_PROTO_ICMP6 && l->left && l->l4[0] >= ND_FIRST &&
	       l->l4[0] <= ND_LAST && l->ttl == TTL_NEAR;
}

static enum zs_punt tcp_kind(const struct look *l)
{
	bool bgp;

	if (l->left <= TCP_FLAGS)
		return ZS_PUNT_other;
	bgp = load16(l->l4) == PORT_BGP || load16(l->l4 + 2) == PORT_BGP;
	if (bgp && l->ttl == TTL_NEAR)
		return ZS_PUNT_near;
	if (!(l->l4[TCP_FLAGS] & (TCP_ACK | TCP_RST)))
		return ZS_PUNT_syn;
	return bgp ? ZS_PUNT_bgp : ZS_PUNT_tcp;
}

static enum zs_punt udp_kind(const struct look *l, const struct zs_conf_p2p *p2p)
{
	uint16_t port = l->left >= 4 ? load16(l->l4 + 2) : 0;

	if (port == PORT_BFD && l->ttl == TTL_NEAR)
		return ZS_PUNT_near;
	for (uint32_t i = 0; i < p2p->listens; i++)
		if (port == p2p->listen[i].port)
			return ZS_PUNT_control;
	return ZS_PUNT_other;
}

enum zs_punt zs_punt_kind(const struct zs_conf_p2p *p2p, const uint8_t *frame, uint32_t len,
			  struct zs_addr *src)
{
	struct look l = look_at(frame, len, src);

	if (l.type != ZS_ETHERTYPE_IP4 && l.type != ZS_ETHERTYPE_IP6)
		return ZS_PUNT_arp;
	if (is_nd(&l))
		return ZS_PUNT_nd;
	switch (l.proto) {
	case PROTO_TCP:
		return tcp_kind(&l);
	case ZS_PROTO_UDP:
		return udp_kind(&l, p2p);
	case ZS_PROTO_ICMP:
	case ZS_PROTO_ICMP6:
		return ZS_PUNT_icmp;
	default:
		return ZS_PUNT_other;
	}
}

bool zs_punt_resolves(const uint8_t *frame, uint32_t len)
{
	struct zs_addr src;
	struct look l = look_at(frame, len, &src);

	return (l.type != ZS_ETHERTYPE_IP4 && l.type != ZS_ETHERTYPE_IP6) || is_nd(&l);
}
