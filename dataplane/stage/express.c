/* The short way of what a relay forwards most: a plain packet of the service port, from a bound peer to another one of the same
 * family, neither with limits, by a neighbour at hand. All stages in one file and few lines of memory, the burst pipelined:
 *
 *   take   headers by one compare, own address, source; the sender's bucket is on its way
 *   aim    connection IDs decoded at once; the attachment's line is on its way
 *   know   who sends; its line is on its way
 *   send   may it go there? turned around and left with tx
 *
 * A packet that any of them is not sure of is left as it came and goes the long way (stage.h), which judges it from the
 * beginning: nothing is refused here but a connection ID that is none. All packets from one peer to another go the same way
 * until something changes between them, so none overtakes the other. */
#include <rte_mbuf.h>
#include "net/packet_plain.h"
#include "net/quic.h"
#include "relay/bind.h"
#include "shm/senders_find.h"
#include "stage.h"
#include "turn.h"

#define GROUP 8 /* while one is looked at, the lines of the next are on their way */

struct packet {
	struct rte_mbuf *m;
	uint8_t *ip;
	uint64_t hash;
	uint32_t from, to;
	uint16_t ip_len, payload_len, generation;
	uint8_t ecn;
	bool is4;
};

/* What all of a burst have in common. */
struct express {
	struct zs_worker *w;
	const struct zs_port *port;
	uint8_t iface;
	int local; /* index of `own`, the address that was met last */
	struct zs_addr own;
	uint32_t n, decoded, aimed, known,
	    sent; /* how many have come how far; those that ended on the way have no buffer */
	uint32_t routed;
	uint32_t rest;		/* left for the long way … */
	struct rte_mbuf **left; /* … in the caller's array */
	uint64_t bytes;		/* of what does not go the long way */
	struct packet at[ZS_BURST];
	struct zs_cid_ref ref[ZS_BURST];
	struct zs_cid cid[ZS_BURST];
};

/* Where the connection ID stands in what is no BIND. */
static inline bool find_cid(const uint8_t *payload, uint32_t len, struct zs_cid_ref *ref)
{
	struct zs_quic_head head;

	if (ZS_LIKELY(len > ZS_CID && !(payload[0] & 0x80))) {
		*ref = (struct zs_cid_ref){ payload + 1, ZS_CID };
		return true;
	}
	if (zs_bind_is(payload, len) || !zs_quic_read(payload, len, ZS_CID, &head) || head.dcid_len != ZS_CID)
		return false;
	*ref = (struct zs_cid_ref){ head.dcid, ZS_CID };
	return true;
}

static inline bool is_own(struct express *x, const struct zs_addr *dst)
{
	if (ZS_UNLIKELY(x->local == ZS_LOCAL_NONE || !zs_addr_eq(&x->own, dst))) {
		x->local = zs_locals_find(&x->w->locals, dst, x->iface, 0);
		x->own = *dst;
	}
	return x->local != ZS_LOCAL_NONE;
}

/* Only asked when one look could not tell that it is not. */
static ZS_COLD bool is_ours(const struct express *x, const struct zs_addr *src)
{
	const struct zs_worker *w = x->w;

	return zs_locals_has(&w->locals, src) || zs_locals_announced(w->dp->conf, src) ||
	       zs_locals_broadcast(&w->locals, src, x->iface, 0);
}

/* Not ours, not denied, and no relay's: connection IDs must not go round. */
static inline bool is_source(const struct express *x, const struct zs_endpoint *src)
{
	const struct zs_worker *w = x->w;
	const struct zs_conf_attach *c = &w->dp->conf->attach;

	return !(zs_locals_near(&w->locals, &src->addr) && is_ours(x, &src->addr)) &&
	       src->port != c->service_port && src->port != c->tunnel_port &&
	       !(w->acl && zs_acl_denied(w->acl, &src->addr) & ZS_ACL_IN);
}

static inline bool take(struct express *x, struct rte_mbuf *m)
{
	uint8_t *frame = rte_pktmbuf_mtod(m, uint8_t *);
	struct zs_worker *w = x->w;
	struct packet *e = &x->at[x->n];
	struct zs_packet p;

	if (m->nb_segs != 1 || m->ol_flags & (RTE_MBUF_F_RX_VLAN_STRIPPED | RTE_MBUF_F_RX_L4_CKSUM_BAD) ||
	    !zs_packet_plain(frame, m->data_len, &p) || p.dst.port != w->dp->service_port ||
	    memcmp(frame, x->port->mac, sizeof(x->port->mac)) || !is_own(x, &p.dst.addr) ||
	    !is_source(x, &p.src) || !find_cid(frame + p.payload_off, p.payload_len, &x->ref[x->n]))
		return false;
	e->m = m;
	e->ip = frame + ZS_ETH_LEN;
	e->ip_len = p.ip_len;
	e->payload_len = p.payload_len;
	e->ecn = p.ecn;
	e->is4 = p.is4;
	e->hash = zs_senders_hash(&w->dp->senders, &p.src, (uint8_t)x->local);
	zs_senders_prefetch(&w->dp->senders, e->hash);
	x->n++;
	return true;
}

/* A connection ID that leads nowhere. */
static ZS_COLD void refuse(struct express *x, const struct packet *e, enum zs_drop why)
{
	struct zs_item it;

	x->bytes += e->ip_len;
	it.m = e->m;
	zs_packet_parse(e->ip - ZS_ETH_LEN, e->m->data_len, &it.p);
	zs_stage_refuse(x->w, &it, why);
}

static inline enum zs_drop judge(const struct zs_worker *w, const struct zs_cid *cid)
{
	if (ZS_UNLIKELY(cid->verdict != ZS_CID_OK))
		return zs_cid_drop(cid->verdict);
	if (ZS_UNLIKELY(cid->pop != w->dp->conf->attach.pop))
		return ZS_DROP_backhaul;
	return cid->attachment < w->dp->state.attachments ? ZS_DROPS : ZS_DROP_cid_stale;
}

static inline void decode(struct express *x)
{
	zs_cidset_decode(&x->w->cids.set, x->ref + x->decoded, x->n - x->decoded, x->cid + x->decoded);
	x->decoded = x->n;
}

static inline void aim(struct express *x, uint32_t end)
{
	for (; x->aimed < end; x->aimed++) {
		const struct zs_cid *c = &x->cid[x->aimed];
		struct packet *e = &x->at[x->aimed];
		enum zs_drop why = judge(x->w, c);

		if (ZS_UNLIKELY(why != ZS_DROPS)) {
			refuse(x, e, why);
			e->m = NULL;
			continue;
		}
		__builtin_prefetch(&x->w->hot[c->attachment]);
		e->to = c->attachment;
		e->generation = c->generation;
	}
}

static ZS_COLD void leave(struct express *x, struct packet *e)
{
	if (e->m)
		x->left[x->rest++] = e->m;
	e->m = NULL;
}

static inline void know(struct express *x, uint32_t end)
{
	for (; x->known < end; x->known++) {
		struct packet *e = &x->at[x->known];

		e->from = zs_senders_find(&x->w->dp->senders, e->hash);
		if (ZS_UNLIKELY(e->from >= x->w->dp->state.attachments))
			leave(x, e);
		else
			__builtin_prefetch(&x->w->hot[e->from]);
	}
}

/* The way to its bound address, or NULL. */
static inline const struct zs_hop *way_of(const struct zs_worker *w, const struct packet *e,
					  const struct zs_hot *to)
{
	const struct zs_local *local = &w->locals.entry[to->local];
	const struct zs_hop *hop = zs_hop_at_hand(w, to);

	if (to->generation != e->generation || !to->generation || !to->port || e->from == e->to ||
	    zs_hot_expired(to, w->now_ns) >= 0 || (to->flags | w->hot[e->from].flags) & ZS_HOT_POLICED ||
	    !local->used || zs_addr_is4(&local->addr) != e->is4 || zs_addr_is4(&to->addr) != e->is4 || !hop ||
	    hop->vlan || e->ip_len > (hop->mtu ? hop->mtu : w->dp->port[hop->iface].mtu))
		return NULL;
	return hop;
}

/* The frame stays where it is: both are without a tag. Padding goes. */
static inline void reframe(const struct packet *e, const struct zs_hop *hop)
{
	_Static_assert(offsetof(struct zs_hop, smac) == 6 && offsetof(struct zs_hop, dmac) == 0,
		       "as in a frame");
	memcpy(e->ip - ZS_ETH_LEN, hop->dmac, sizeof(hop->dmac) + sizeof(hop->smac));
	e->m->pkt_len = e->m->data_len = ZS_ETH_LEN + e->ip_len;
	e->m->ol_flags = 0;
}

static inline bool turn(struct express *x, const struct packet *e)
{
	struct zs_worker *w = x->w;
	const struct zs_hot *to = &w->hot[e->to];
	const struct zs_hop *hop = way_of(w, e, to);
	const struct zs_addr *own = &w->locals.entry[to->local].addr;
	uint32_t ports = zs_turn_ports(w->dp->service_port, to->port);

	if (ZS_UNLIKELY(!hop))
		return false;
	if (e->is4)
		zs_turn4(e->ip, e->ip + ZS_IP4_MIN, e->ecn, own, &to->addr, ports);
	else
		zs_turn6(e->ip, e->ip + ZS_IP6_LEN, e->ecn, own, &to->addr, ports);
	reframe(e, hop);
	x->bytes += e->ip_len;
	zs_tx_add(w, hop->iface, e->m,
		  &(struct zs_sent){
		      .from = e->from + 1, .to = e->to + 1, .payload = e->payload_len, .ip_len = e->ip_len });
	return true;
}

/* Is there a short way for a burst that came in there? Traces and the fast path in the kernel are told of the long way alone; in a
 * flood most packets would be looked at twice. */
static bool is_open(const struct zs_worker *w, const struct zs_port *port)
{
	bool untagged = false;

	for (uint16_t i = 0; i < port->vlans; i++)
		untagged |= port->vlan[i] == 0;
	return untagged && w->sessions && w->tables && !zs_tables_stopped(w->tables) && !w->trace &&
	       !w->dp->fast && !w->flood.on && w->dp->service_port;
}

static void begin(struct express *x, struct zs_worker *w, const struct zs_port *port, struct rte_mbuf **m)
{
	x->w = w;
	x->port = port;
	x->iface = (uint8_t)m[0]->port;
	x->local = ZS_LOCAL_NONE;
	x->left = m;
	x->n = x->decoded = x->aimed = x->known = x->sent = x->rest = x->routed = 0;
	x->bytes = 0;
}

static inline void send(struct express *x, uint32_t end)
{
	for (; x->sent < end; x->sent++) {
		struct packet *e = &x->at[x->sent];

		if (ZS_LIKELY(e->m && turn(x, e)))
			x->routed++;
		else
			leave(x, e);
	}
}

uint32_t zs_stage_express(struct zs_worker *w, struct rte_mbuf **m, uint32_t n)
{
	const struct zs_port *port = &w->dp->port[m[0]->port];
	struct express x;

	if (!is_open(w, port))
		return n;
	begin(&x, w, port, m);
	for (uint32_t i = 0; i < n; i++)
		rte_prefetch0(rte_pktmbuf_mtod(m[i], void *));
	for (uint32_t i = 0; i < n || x.sent < x.n;) {
		uint32_t decoded = x.decoded;

		send(&x, x.known);
		know(&x, x.aimed);
		for (uint32_t end = i + GROUP < n ? i + GROUP : n; i < end; i++)
			if (ZS_UNLIKELY(!take(&x, m[i])))
				m[x.rest++] = m[i];
		if (x.decoded < x.n)
			decode(&x);
		aim(&x, decoded);
	}
	w->count[ZS_COUNTER_cid_routed] += x.routed;
	w->count[ZS_COUNTER_rx_bytes] += x.bytes;
	return x.rest;
}
