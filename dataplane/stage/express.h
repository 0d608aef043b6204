/* What the kinds of the short way have in common (express.c): a packet of it, the burst, and what may be done to both. Each kind
 * has a file, express_KIND.c; nobody else includes this.
 *
 * A kind's packets go through its lane, group by group: each call of its step takes up what the call before left at each of its
 * own steps, the last one first, so that a line has a group's time to come. */
#ifndef ZS_STAGE_EXPRESS_H
#define ZS_STAGE_EXPRESS_H

#include <rte_mbuf.h>
#include "net/heads.h"
#include "refuse.h"

#define ZS_EXPRESS_GROUP 8 /* while one is looked at, the lines of the next are on their way */

/* A plain packet without a tag, of one piece, for an own address. */
struct zs_express_packet {
	struct rte_mbuf *m; /* NULL: it has ended, or was left */
	uint8_t *ip;
	struct zs_endpoint src;
	uint16_t port; /* of ours that it came to */
	uint16_t ip_len, payload_len;
	bool is4;
	uint8_t local; /* index of the own address it is for */
	/* The kind's. */
	uint8_t way; /* enum zs_flow_way */
	uint16_t generation;
	uint32_t from, to; /* attachments; a flow is `to` */
	uint64_t hash;
	struct zs_flow_table *table;
};

/* A kind's packets of a burst. */
struct zs_express_lane {
	uint32_t taken, decoded, aimed, known, done; /* how many have come how far */
	struct zs_express_packet at[ZS_BURST];
};

/* The way that the last packet of its kind took: most take it. */
struct zs_express_way {
	uint64_t
	    word; /* of what leads there: zs_hot_way() of an attachment's line, zs_flow_leads() of a flow; UINT64_MAX: nothing */
	const struct zs_hop *hop;
	const struct zs_addr *own; /* to speak from */
	bool is4;
	uint16_t mtu;
};

struct zs_express {
	struct zs_worker *w;
	const struct zs_port *port;
	uint8_t iface;
	int local; /* index of `own`, the address that was met last */
	struct zs_addr own;
	zs_heads_fn *heads;
	int local4; /* index of the own address that `like` is for */
	struct zs_plain_like like;
	uint32_t rest;		/* left for the long way … */
	struct rte_mbuf **left; /* … in the caller's array */
	uint64_t bytes;		/* of what does not go the long way */
	uint32_t ended;		/* refused: freed together */
	struct rte_mbuf *end[ZS_BURST];
	bool cid_open, flow_open, tunnel_open;
	struct zs_express_way way, flow_way[ZS_FLOW_WAYS];
	struct zs_express_lane cid, flow, tunnel;
};

/* A packet that its kind is not sure of. */
static inline void zs_express_leave(struct zs_express *x, struct zs_express_packet *e)
{
	x->left[x->rest++] = e->m;
	e->m = NULL;
}

/* A packet that ends here, refused. */
static inline void zs_express_drop(struct zs_express *x, struct zs_express_packet *e, enum zs_drop why)
{
	x->w->drop[why]++;
	x->bytes += e->ip_len;
	x->end[x->ended++] = e->m;
	e->m = NULL;
}

/* The same, of nobody known. */
static inline void zs_express_refuse(struct zs_express *x, struct zs_express_packet *e, enum zs_drop why)
{
	zs_refuse_suspect(x->w, &e->src.addr);
	zs_express_drop(x, e, why);
}

/* Where the payload is. */
static inline uint8_t *zs_express_payload(const struct zs_express_packet *e)
{
	return e->ip + (e->is4 ? ZS_IP4_MIN : ZS_IP6_LEN) + ZS_UDP_LEN;
}

/* express.c: is it an address of ours, whatever the interface? */
bool zs_express_is_ours(const struct zs_express *x, const struct zs_addr *src);
/* May it send here: is it not ours, and not denied? The first thing that a kind asks. */
static inline bool zs_express_is_source(const struct zs_express *x, const struct zs_express_packet *e)
{
	const struct zs_worker *w = x->w;

	return !(zs_locals_near(&w->locals, &e->src.addr) && zs_express_is_ours(x, &e->src.addr)) &&
	       !(w->acl &&
		 (e->is4 ? zs_acl_denied4(w->acl, &e->src.addr) : zs_acl_denied(w->acl, &e->src.addr)) &
		     ZS_ACL_IN);
}

/* How long a packet may be that leaves by this way without a tag and in one piece; 0: none may. */
static inline uint16_t zs_express_mtu(const struct zs_express *x, const struct zs_hop *hop)
{
	if (hop->vlan)
		return 0;
	return hop->mtu ? hop->mtu : x->w->dp->port[hop->iface].mtu;
}

/* Keeps a way by that neighbour with that own address. false: there is none. */
static inline bool zs_express_keep(const struct zs_express *x, struct zs_express_way *way, uint64_t word,
				   uint8_t local, const struct zs_hop *hop)
{
	const struct zs_local *l = &x->w->locals.entry[local % ZS_LOCALS_MAX];

	if (local >= ZS_LOCALS_MAX || !l->used || !hop)
		return false;
	*way = (struct zs_express_way){ .word = word,
					.hop = hop,
					.own = &l->addr,
					.is4 = zs_addr_is4(&l->addr),
					.mtu = zs_express_mtu(x, hop) };
	return true;
}

/* May the packet take it to that address? Within its family and in one piece alone. */
static inline bool zs_express_may(const struct zs_express_packet *e, const struct zs_express_way *way,
				  const struct zs_addr *to)
{
	return way->is4 == e->is4 && zs_addr_is4(to) == e->is4 && e->ip_len <= way->mtu;
}

/* A packet that was turned around leaves by a way that it fits. The frame stays where it is; padding goes. Returns what the caller
 * says there is to count. */
static inline struct zs_sent *zs_express_send(struct zs_express *x, const struct zs_express_packet *e,
					      const struct zs_hop *hop)
{
	_Static_assert(offsetof(struct zs_hop, smac) == 6 && offsetof(struct zs_hop, dmac) == 0,
		       "as in a frame");
	memcpy(e->ip - ZS_ETH_LEN, hop->dmac, sizeof(hop->dmac) + sizeof(hop->smac));
	e->m->pkt_len = e->m->data_len = ZS_ETH_LEN + e->ip_len;
	e->m->ol_flags = 0;
	x->bytes += e->ip_len;
	return zs_tx_add(x->w, hop->iface, e->m);
}

/* express_cid.c: is there a short way for packets of the service port? Then the step is called after each group, and on until all
 * have gone. */
bool zs_express_cid_is_open(const struct zs_worker *w);
void zs_express_cid_step(struct zs_express *x, struct zs_express_lane *lane);
/* express_flow.c: the same for all other ports. */
bool zs_express_flow_is_open(const struct zs_worker *w);
void zs_express_flow_step(struct zs_express *x, struct zs_express_lane *lane);
/* express_tunnel.c: the same for the tunnel port; a step takes all that has come. */
bool zs_express_tunnel_is_open(const struct zs_worker *w);
void zs_express_tunnel_step(struct zs_express *x, struct zs_express_lane *lane);

#endif
