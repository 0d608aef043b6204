/* The short way of what a relay forwards most: plain packets that need no more than a look at each of few lines of memory, the burst
 * pipelined. What all of it share is here: headers by one compare, own address; the source is looked at a little later, when what the
 * lists say of it has come. Then each has a kind:
 *
 *   express_cid   of the service port, from a bound peer to another one of the same family, by a
 *                 neighbour at hand
 *   express_flow  of confirmed flows of published ports, to an end of the same family, by a neighbour at hand
 *   express_tunnel of the tunnel port, in a flood: what is refused before its tag
 *
 * What each of them is sure to refuse ends here too, by the same rules as on the long way (refuse.h), so a flood costs no more than
 * forwarding. A packet that they are not sure of is left as it came and goes the long way (stage.h), which judges it from the
 * beginning. All packets from one peer to another go the same way
 * until something changes between them, so none overtakes the other. */
#include "express.h"

static inline bool is_own(struct zs_express *x, const struct zs_addr *dst)
{
	if (ZS_UNLIKELY(x->local == ZS_LOCAL_NONE || !zs_addr_eq(&x->own, dst))) {
		x->local = zs_locals_find(&x->w->locals, dst, x->iface, 0);
		x->own = *dst;
	}
	return x->local != ZS_LOCAL_NONE;
}

/* Whose it is, or NULL. */
static inline struct zs_express_lane *lane_of(struct zs_express *x, uint16_t port)
{
	const struct zs_dp *dp = x->w->dp;

	if (port == dp->service_port)
		return x->cid_open ? &x->cid : NULL;
	if (ZS_UNLIKELY(port == dp->tunnel_port))
		return x->tunnel_open ? &x->tunnel : NULL;
	return x->flow_open ? &x->flow : NULL;
}

/* Only asked when one look could not tell that it is not. */
ZS_COLD bool zs_express_is_ours(const struct zs_express *x, const struct zs_addr *src)
{
	const struct zs_worker *w = x->w;

	return zs_locals_has(&w->locals, src) || zs_locals_announced(w->dp->conf, src) ||
	       zs_locals_broadcast(&w->locals, src, x->iface, 0);
}

/* From now on packets are expected to be for that IPv4 address, or for none. */
static inline void expect(struct zs_express *x, int local)
{
	static const struct zs_addr nobody;

	x->local4 = local;
	x->like = zs_plain_like_of(x->port->mac,
				   local == ZS_LOCAL_NONE ? &nobody : &x->w->locals.entry[local].addr);
}

static inline struct zs_express_packet *add(struct zs_express *x, struct zs_express_lane *lane,
					    struct rte_mbuf *m, uint8_t *ip)
{
	struct zs_express_packet *e = &lane->at[lane->taken++];

	e->m = m;
	e->ip = ip;
	return e;
}

/* All that is not as the packets before, but may be plain. */
static __attribute__((noinline)) bool take_other(struct zs_express *x, struct rte_mbuf *m)
{
	uint8_t *frame = rte_pktmbuf_mtod(m, uint8_t *);
	struct zs_express_packet *e;
	struct zs_express_lane *lane;
	struct zs_packet p;

	if (!zs_packet_plain(frame, m->data_len, &p) || !(lane = lane_of(x, p.dst.port)) ||
	    memcmp(frame, x->port->mac, sizeof(x->port->mac)) || !is_own(x, &p.dst.addr))
		return false;
	if (p.is4)
		expect(x, x->local);
	e = add(x, lane, m, frame + ZS_ETH_LEN);
	e->src = p.src;
	e->port = p.dst.port;
	e->ip_len = p.ip_len;
	e->payload_len = p.payload_len;
	e->is4 = p.is4;
	e->local = (uint8_t)x->local;
	if (x->w->acl)
		zs_acl_prefetch(x->w->acl, &e->src.addr);
	return true;
}

/* What is plain and like the others in all that they share. */
static inline bool take4(struct zs_express *x, struct rte_mbuf *m, const struct zs_heads *h, uint32_t i,
			 uint8_t local)
{
	uint16_t port = zs_heads_dst_port(h, i), len = zs_heads_udp_len(h, i);
	struct zs_express_lane *lane = lane_of(x, port);
	struct zs_express_packet *e;

	if (ZS_UNLIKELY(!lane))
		return false;
	e = add(x, lane, m, rte_pktmbuf_mtod_offset(m, uint8_t *, ZS_ETH_LEN));
	memset(e->src.addr.ip, 0, 8);
	memcpy(e->src.addr.ip + 8, &h->src[i], 8);
	e->src.port = zs_heads_src_port(h, i);
	e->port = port;
	e->ip_len = (uint16_t)(len + ZS_IP4_MIN);
	e->payload_len = (uint16_t)(len - ZS_UDP_LEN);
	e->is4 = true;
	e->local = local;
	if (x->w->acl)
		zs_acl_prefetch4(x->w->acl, (uint32_t)(h->src[i] >> 32));
	return true;
}

/* Of one piece, as far as the port knows all right, and without a tag that it took off. */
static inline bool is_whole(const struct rte_mbuf *m)
{
	return m->nb_segs == 1 && !(m->ol_flags & (RTE_MBUF_F_RX_VLAN_STRIPPED | RTE_MBUF_F_RX_L4_CKSUM_BAD));
}

/* A group, the last one filled up with its first packet. */
static inline void take(struct zs_express *x, struct rte_mbuf **m, uint32_t n)
{
	uint8_t local = (uint8_t)x->local4;
	struct zs_heads h;

	_Static_assert(ZS_HEADS == ZS_EXPRESS_GROUP, "one look at a group");
	for (uint32_t i = 0; i < ZS_HEADS; i++) {
		const struct rte_mbuf *of = m[i < n ? i : 0];

		h.frame[i] = rte_pktmbuf_mtod(of, const uint8_t *);
		h.len[i] = is_whole(of) ? of->data_len : 0;
	}
	x->heads(&h, &x->like);
	for (uint32_t i = 0; i < n; i++)
		if (ZS_UNLIKELY(h.bad[i] || !take4(x, m[i], &h, i, local)) &&
		    !(h.len[i] && take_other(x, m[i])))
			x->left[x->rest++] = m[i];
}

/* Is there a short way for a burst that came in there? Traces and the fast path in the kernel are told of the long way alone. */
static bool is_open(const struct zs_worker *w, const struct zs_port *port)
{
	bool untagged = false;

	for (uint16_t i = 0; i < port->vlans; i++)
		untagged |= port->vlan[i] == 0;
	return untagged && w->tables && !zs_tables_stopped(w->tables) && !w->trace && !w->dp->fast;
}

static void begin(struct zs_express *x, struct zs_worker *w, const struct zs_port *port, struct rte_mbuf **m)
{
	x->w = w;
	x->port = port;
	x->iface = (uint8_t)m[0]->port;
	x->heads = zs_heads_best();
	x->local = ZS_LOCAL_NONE;
	expect(x, w->locals.first4[x->iface] - 1);
	x->left = m;
	x->rest = 0;
	x->bytes = 0;
	x->ended = 0;
	x->way.word = x->flow_way[0].word = x->flow_way[1].word = UINT64_MAX;
	x->cid_open = zs_express_cid_is_open(w);
	x->flow_open = zs_express_flow_is_open(w);
	x->tunnel_open = zs_express_tunnel_is_open(w);
	x->cid.taken = x->cid.decoded = x->cid.known = x->cid.done = 0;
	x->tunnel.taken = x->tunnel.done = 0;
	x->flow.taken = x->flow.decoded = x->flow.aimed = x->flow.known = x->flow.done = 0;
}

static inline bool are_under_way(const struct zs_express_lane *lane)
{
	return lane->done < lane->taken;
}

uint32_t zs_stage_express(struct zs_worker *w, struct rte_mbuf **m, uint32_t n)
{
	const struct zs_port *port = &w->dp->port[m[0]->port];
	struct zs_express x;

	if (!is_open(w, port))
		return n;
	begin(&x, w, port, m);
	for (uint32_t i = 0; i < n; i++)
		rte_prefetch0(rte_pktmbuf_mtod(m[i], void *));
	for (uint32_t i = 0; i < n || are_under_way(&x.cid) || are_under_way(&x.flow);) {
		uint32_t group = n - i < ZS_EXPRESS_GROUP ? n - i : ZS_EXPRESS_GROUP;

		if (group)
			take(&x, &m[i], group);
		i += group;
		if (are_under_way(&x.cid))
			zs_express_cid_step(&x, &x.cid);
		if (are_under_way(&x.flow))
			zs_express_flow_step(&x, &x.flow);
		if (are_under_way(&x.tunnel))
			zs_express_tunnel_step(&x, &x.tunnel);
	}
	w->count[ZS_COUNTER_rx_bytes] += x.bytes;
	if (x.ended)
		zs_stage_free(x.end, x.ended);
	return x.rest;
}
