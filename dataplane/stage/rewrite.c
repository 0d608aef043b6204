/* Turns a packet around, toward the other side of its flow or where its connection ID leads: addresses and ports, TTL - 1, checksums by
 * difference. Between families the IP header is made anew: DSCP 0 (the other network's
 * classes mean nothing here), ECN copied, no fragmentation, flow label 0.
 *
 * The UDP checksum is never computed: what was wrong stays wrong and the receiver drops it. */
#include <endian.h>
#include <rte_mbuf.h>
#include "net/checksum.h"
#include "stage.h"
#include "turn.h"

#define IP4_HEADER    20
#define IP6_HEADER    40
#define IP_UDP	      17
#define DONT_FRAGMENT 0x40

static void put16(uint8_t *at, uint16_t v)
{
	at[0] = (uint8_t)(v >> 8);
	at[1] = (uint8_t)v;
}

/* A flow's other side, into the item. false: our own address toward it is gone. */
static inline bool choose(const struct zs_worker *w, struct zs_item *it)
{
	struct zs_ends *e = &it->ends;
	const struct zs_flow *f = &it->table->flow[it->flow];
	bool to_target = it->side == ZS_SIDE_CLIENT;
	uint8_t local = to_target ? f->local_target : f->local_client;

	if (local >= ZS_LOCALS_MAX || !w->locals.entry[local].used)
		return false;
	e->src.addr = w->locals.entry[local].addr;
	e->src.port = to_target ? f->source_port : f->port;
	e->dst = to_target ? f->target : f->client;
	return zs_addr_is4(&e->src.addr) == zs_addr_is4(&e->dst.addr);
}

/* Takes an address out of a sum and puts another in; an IPv4 one counts as its four bytes. */
static inline void swap_addr(struct zs_csum_delta *d, const struct zs_addr *old, bool old4,
			     const struct zs_addr *new, bool new4)
{
	uint32_t was[4], now[4];

	memcpy(was, old->ip, sizeof(was));
	memcpy(now, new->ip, sizeof(now));
	zs_csum_swap32(d, was[3], now[3]);
	if (!old4)
		d->sum += (uint64_t)(uint32_t)~was[0] + (uint32_t)~was[1] + (uint32_t)~was[2];
	if (!new4)
		d->sum += (uint64_t)now[0] + now[1] + now[2];
}

static ZS_COLD uint8_t *make6(const struct zs_item *it, const struct zs_ends *e)
{
	uint8_t *ip = it->l4 - IP6_HEADER, ecn = it->p.ecn, ttl = it->ip[8] - 1;

	memset(ip, 0, 8);
	ip[0] = 0x60;
	ip[1] = (uint8_t)(ecn << 4);
	put16(ip + 4, it->l4_len);
	ip[6] = IP_UDP;
	ip[7] = ttl;
	memcpy(ip + 8, e->src.addr.ip, 16);
	memcpy(ip + 24, e->dst.addr.ip, 16);
	return ip;
}

static ZS_COLD uint8_t *make4(const struct zs_item *it, const struct zs_ends *e)
{
	uint8_t *ip = it->l4 - IP4_HEADER, ecn = it->p.ecn, ttl = it->ip[7] - 1;
	uint16_t csum;

	memset(ip, 0, IP4_HEADER);
	ip[0] = 0x45;
	ip[1] = ecn;
	put16(ip + 2, (uint16_t)(it->l4_len + IP4_HEADER));
	ip[6] = DONT_FRAGMENT; /* IPv6 is never fragmented on the way: its path MTU discovery goes on */
	ip[8] = ttl;
	ip[9] = IP_UDP;
	memcpy(ip + 12, e->src.addr.ip + 12, 4);
	memcpy(ip + 16, e->dst.addr.ip + 12, 4);
	csum = (uint16_t)~zs_csum_fold(zs_csum_add(0, ip, IP4_HEADER));
	memcpy(ip + 10, &csum, 2);
	return ip;
}

/* To the other family. Returns the new header. */
static ZS_COLD uint8_t *cross(const struct zs_item *it, const struct zs_ends *e, uint32_t ports)
{
	struct zs_csum_delta d = { 0 };
	bool to4 = !it->p.is4;

	swap_addr(&d, &it->p.src.addr, it->p.is4, &e->src.addr, to4);
	swap_addr(&d, &it->p.dst.addr, it->p.is4, &e->dst.addr, to4);
	zs_turn_udp(it->l4, ports, d);
	return to4 ? make4(it, e) : make6(it, e);
}

/* What came out of a tunnel has no headers to change. */
static ZS_COLD enum zs_drop make(struct zs_item *it, const struct zs_ends *e, uint16_t mtu)
{
	struct zs_header h = { e->src, e->dst, 0, it->p.ecn };
	uint32_t header = zs_addr_is4(&e->dst.addr) ? IP4_HEADER : IP6_HEADER;

	if (header + ZS_UDP_LEN + it->payload_len > mtu)
		return ZS_DROP_mtu;
	h.payload_sum = it->summed ? zs_inner_sum(it) : zs_csum_add(0, it->payload, it->payload_len);
	return zs_header_put(it, &h, it->payload, it->payload_len) ? ZS_DROPS : ZS_DROP_no_mbuf;
}

/* ZS_DROPS: ready for tx. */
static inline enum zs_drop rewrite(struct zs_worker *w, struct zs_item *it)
{
	const struct zs_ends *e = &it->ends;
	uint32_t length, ports;
	uint16_t mtu = it->hop.mtu ? it->hop.mtu : w->dp->port[it->hop.iface].mtu;
	bool to4;
	uint8_t *ip = it->ip;

	if (it->class != ZS_CLASS_CID && !choose(w, it))
		return ZS_DROP_no_route;
	if (it->inner)
		return make(it, e, mtu);
	ports = zs_turn_ports(e->src.port, e->dst.port);
	to4 = zs_addr_is4(&e->dst.addr);
	if (it->p.is4 && !to4 && !it->l4[6] && !it->l4[7])
		return ZS_DROP_udp_checksum_zero;
	length = it->p.is4 == to4 ? it->ip_len : it->l4_len + (uint32_t)(to4 ? IP4_HEADER : IP6_HEADER);
	if (length > mtu)
		return ZS_DROP_mtu;
	if (it->l4 - IP6_HEADER - 18 < (uint8_t *)it->m->buf_addr)
		return ZS_DROP_no_mbuf; /* no headroom: nothing to make the other header in */
	if (it->p.is4 && to4) {
		zs_turn4(ip, it->l4, &e->src.addr, &e->dst.addr, ports);
		zs_turn_mark4(ip, it->p.ecn);
	} else if (!it->p.is4 && !to4) {
		zs_turn6(ip, it->l4, &e->src.addr, &e->dst.addr, ports);
		zs_turn_mark6(ip, it->p.ecn);
	} else
		ip = cross(it, e, ports);
	it->ip = ip;
	it->ip_len = (uint16_t)length;
	return zs_frame_put(it, ip, it->ip_len) ? ZS_DROPS : ZS_DROP_no_mbuf;
}

uint32_t zs_stage_rewrite(struct zs_worker *w, struct zs_item **at, uint32_t n)
{
	uint32_t on = 0;

	for (uint32_t i = 0; i < n; i++) {
		enum zs_drop why = at[i]->sealed ? ZS_DROPS : rewrite(w, at[i]);

		if (why == ZS_DROPS)
			at[on++] = at[i];
		else
			zs_stage_drop(w, at[i]->m, why);
	}
	return on;
}
