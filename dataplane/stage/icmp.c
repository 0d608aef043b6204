/* Path MTU for the client of a flow: "fragmentation needed" and "packet too big" that quote a packet
 * this relay sent to the target become what the client would have got, had it met that router itself,
 * quoting its own packet to the published port. The new headers are made backwards from the quoted
 * UDP header, which stays where it is.
 *
 * All else about flows ends here. An error about the way to a client goes to nobody: the target has one
 * path for all clients, this relay, so one client's word would shrink it for everybody (its kernel
 * keeps a path MTU by address). Who sends to many clients through one address probes each by itself, as
 * QUIC does (RFC 8899, RFC 9000 section 14.3). Nor is a path MTU believed that is below what every IPv6
 * QUIC cannot use: whoever guesses a flow's source port could forge it. */
#include <arpa/inet.h>
#include <rte_mbuf.h>
#include "limit.h"
#include "net/checksum.h"
#include "icmp.h"

#define HEADER_GAP 20 /* between the two families' IP headers */
#define HEADROOM   (2 * ZS_IP6_LEN + ZS_ICMP_LEN + ZS_ETH_LEN + ZS_VLAN_LEN)

static void put16(uint8_t *at, uint16_t v)
{
	at[0] = (uint8_t)(v >> 8);
	at[1] = (uint8_t)v;
}

static uint16_t get16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

/* Finds the flow whose packet to the target is quoted. Returns its partition, or -1. */
static int find_flow(const struct zs_worker *w, struct zs_item *it)
{
	const struct zs_packet *p = &it->p;
	int at = zs_flow_partition_of(w->dp, p->quoted_src.port);

	if (at < 0)
		return -1;
	it->side = ZS_SIDE_TARGET;
	it->table = &w->dp->partition[at];
	it->hash = zs_flow_hash(it->table, &p->quoted_dst, p->quoted_src.port, it->local);
	it->flow = zs_flow_find_target(it->table, it->hash, &p->quoted_dst, p->quoted_src.port, it->local);
	return at;
}

static bool is_too_big(const struct zs_packet *p)
{
	return p->is4 ? p->icmp_type == 3 && p->icmp_code == 4 : p->icmp_type == 2 && p->icmp_code == 0;
}

/* The whole message is summed: a damaged error must not be made good. */
static bool sum_is_good(const struct zs_item *it)
{
	uint32_t sum = 0;

	if (!it->p.is4) {
		uint8_t tail[8] = {
			0, 0, (uint8_t)(it->l4_len >> 8), (uint8_t)it->l4_len, 0, 0, 0, ZS_PROTO_ICMP6
		};

		sum = zs_csum_add(0, it->ip + 8, 32);
		sum = zs_csum_add(sum, tail, sizeof(tail));
	}
	return zs_csum_fold(zs_csum_add(sum, it->l4, it->l4_len)) == 0xffff;
}

/* The MTU that the client must be told, in its own family's terms. */
static uint32_t translate_mtu(const struct zs_item *it, bool to4)
{
	uint32_t mtu = it->p.icmp_mtu;

	if (it->p.is4 && !to4)
		mtu += HEADER_GAP;
	else if (!it->p.is4 && to4)
		mtu -= HEADER_GAP;
	return mtu < UINT16_MAX ? mtu : UINT16_MAX;
}

struct rebuilt {
	const struct zs_addr *from;  /* our address that the client knows */
	struct zs_endpoint src, dst; /* of the quoted packet, as the client sent it */
	bool to4;
};

/* The quoted UDP header as the client sent it: ports back, checksum by difference. */
static void restore_udp(uint8_t *udp, const struct zs_packet *p, const struct rebuilt *r)
{
	struct zs_csum_delta d = { 0 };
	uint16_t csum;

	/* Canonical IPv4 addresses carry ffff twice in each of the sums: it cancels or is the
	 * neutral 0xffff of one's complement. */
	zs_csum_swap(&d, p->quoted_src.addr.ip, r->src.addr.ip, 16);
	zs_csum_swap(&d, p->quoted_dst.addr.ip, r->dst.addr.ip, 16);
	zs_csum_swap16(&d, htons(p->quoted_src.port), htons(r->src.port));
	zs_csum_swap16(&d, htons(p->quoted_dst.port), htons(r->dst.port));
	put16(udp, r->src.port);
	put16(udp + 2, r->dst.port);
	memcpy(&csum, udp + 6, 2);
	csum = zs_csum_apply_udp(csum, &d);
	memcpy(udp + 6, &csum, 2);
}

/* Makes the new packet around the quoted UDP header. */
static void rebuild(struct zs_item *it, const struct rebuilt *r, uint32_t mtu)
{
	uint16_t header = r->to4 ? ZS_IP4_MIN : ZS_IP6_LEN, udp_len;
	uint8_t *udp = it->frame + it->p.quoted_l4_off, *quote, *icmp;
	uint16_t rest = (uint16_t)(it->ip + it->ip_len - udp),
		 most = r->to4 ? ZS_ICMP_QUOTE_4 : ZS_ICMP_QUOTE_6;
	uint8_t ttl = it->frame[it->p.quoted_off + (it->p.is4 ? 8 : 7)];

	if (rest > most - header)
		rest = (uint16_t)(most - header);
	udp_len = get16(udp + 4);
	restore_udp(udp, &it->p, r);
	quote = udp - header;
	icmp = quote - ZS_ICMP_LEN;
	zs_icmp_write_ip(quote, &r->src.addr, &r->dst.addr, ZS_PROTO_UDP, udp_len, ttl);
	zs_icmp_write(icmp, r->from, &r->src.addr, mtu, (uint16_t)(ZS_ICMP_LEN + header + rest));
	it->ip = icmp - header;
	it->ip_len = (uint16_t)(header + ZS_ICMP_LEN + header + rest);
	zs_icmp_write_ip(it->ip, r->from, &r->src.addr, r->to4 ? ZS_PROTO_ICMP : ZS_PROTO_ICMP6,
			 (uint16_t)(it->ip_len - header), ZS_ICMP_TTL);
}

static bool choose(const struct zs_worker *w, const struct zs_item *it, struct rebuilt *r)
{
	const struct zs_flow *f = &it->table->flow[it->flow];
	uint8_t local = f->local_client;

	if (local >= ZS_LOCALS_MAX || !w->locals.entry[local].used)
		return false;
	r->from = &w->locals.entry[local].addr;
	r->src = f->client;
	r->dst.addr = *r->from;
	r->dst.port = f->port;
	r->to4 = zs_addr_is4(r->from);
	return true;
}

static enum zs_drop translate(struct zs_worker *w, struct zs_item *it)
{
	struct rebuilt r;
	enum zs_drop why;

	if (!is_too_big(&it->p))
		return ZS_DROP_icmp_other;
	if (!choose(w, it, &r) || !sum_is_good(it) ||
	    !zs_addr_eq(&it->p.quoted_src.addr, &w->locals.entry[it->local].addr))
		return ZS_DROP_icmp_malformed;
	if (it->p.icmp_mtu < ZS_ICMP_MTU_MIN)
		return ZS_DROP_icmp_mtu;
	if (!zs_limit_take(&w->icmp_tat_ns, ZS_ICMP_RATE_S, ZS_ICMP_BURST, w->now_ns))
		return ZS_DROP_icmp_rate;
	it->published.generation = it->table->rest[it->flow].published_generation;
	if ((why = zs_hop_find(w, it)) != ZS_DROPS)
		return why;
	if (it->frame + it->p.quoted_l4_off - HEADROOM < (uint8_t *)it->m->buf_addr)
		return ZS_DROP_no_mbuf;
	rebuild(it, &r, translate_mtu(it, r.to4));
	return zs_frame_put(it, it->ip, it->ip_len) ? ZS_DROPS : ZS_DROP_no_mbuf;
}

/* Of an error about no flow of ours: why it goes no further. */
static enum zs_drop judge_other(const struct zs_worker *w, const struct zs_item *it)
{
	if (w->dp->service_port && it->p.quoted_src.port == w->dp->service_port)
		return ZS_DROP_icmp_other; /* whose packet it was is not kept: QUIC probes its path by itself */
	if (!it->published.used)
		return ZS_DROP_icmp_malformed;
	return is_too_big(&it->p) ? ZS_DROP_icmp_client : ZS_DROP_icmp_other;
}

ZS_COLD void zs_icmp_take(struct zs_worker *w, struct zs_item *it)
{
	bool published = (w->dp->service_port && it->p.quoted_src.port == w->dp->service_port) ||
			 zs_stage_published(w, it, it->p.quoted_src.port);
	int bad = zs_packet_hygiene(&it->p), at;
	struct zs_sent sent = { 0 };
	enum zs_drop why;

	it->flow = ZS_FLOW_NONE;
	at = published ? -1 : find_flow(w, it);
	if (!published && at < 0) {
		zs_stage_punt(w, it); /* about a port that is not the relay's */
		return;
	}
	if (bad < 0 && at >= 0 && w->dp->partition_owner[at] != w->index) {
		zs_flow_hand_over(w, it, (uint32_t)at);
		return;
	}
	if (bad >= 0)
		why = (enum zs_drop)bad;
	else
		why = it->flow == ZS_FLOW_NONE ? judge_other(w, it) : translate(w, it);
	if (why != ZS_DROPS) {
		zs_stage_drop(w, it->m, why);
		return;
	}
	w->count[ZS_COUNTER_icmp_translated]++;
	sent.ip_len = it->ip_len;
	zs_tx_put(w, it->hop.iface, it->m, &sent);
}
