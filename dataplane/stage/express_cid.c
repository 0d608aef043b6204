/* The short way of a packet of the service port:
 *
 *   open   where the connection ID stands; the sender's bucket is on its way
 *   decode connection IDs of a group at once
 *   aim    the attachment's line is on its way
 *   know   who sends; its line is on its way
 *   send   may it go there? turned around and left with tx, or refused */
#include "express.h"
#include "base/prefetch.h"
#include "net/quic.h"
#include "relay/bind.h"
#include "shm/senders_find.h"
#include "turn.h"

bool zs_express_cid_is_open(const struct zs_worker *w)
{
	return w->sessions && w->dp->service_port;
}

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

/* Nor another relay's: connection IDs must not go round. */
static inline bool open_one(const struct zs_express *x, struct zs_express_packet *e, struct zs_cid_ref *ref)
{
	const struct zs_worker *w = x->w;

	if (!zs_express_is_source(x, e) || e->src.port == w->dp->service_port ||
	    e->src.port == w->dp->tunnel_port || !find_cid(zs_express_payload(e), e->payload_len, ref))
		return false;
	e->hash = zs_senders_hash(&w->dp->senders, &e->src, e->local);
	zs_senders_prefetch(&w->dp->senders, e->hash);
	return true;
}

/* Those that are of this kind stay in the lane. */
static inline uint32_t open_all(struct zs_express *x, struct zs_express_lane *lane, struct zs_cid_ref *ref)
{
	struct zs_express_packet *first = &lane->at[lane->decoded], *to = first;
	const struct zs_express_packet *end = &lane->at[lane->taken];

	for (struct zs_express_packet *e = first; e < end; e++) {
		if (ZS_UNLIKELY(to != e))
			*to = *e;
		if (ZS_LIKELY(open_one(x, to, ref))) {
			to++;
			ref++;
		} else {
			zs_express_leave(x, to);
		}
	}
	lane->taken = (uint32_t)(to - lane->at);
	return (uint32_t)(to - first);
}

static inline void aim(struct zs_express *x, struct zs_express_packet *e, const struct zs_cid *cid)
{
	enum zs_drop why = zs_refuse_cid(x->w, cid);

	if (ZS_UNLIKELY(why != ZS_DROPS)) {
		zs_express_refuse(x, e, why);
		return;
	}
	zs_prefetch(&x->w->hot[cid->attachment]);
	e->to = cid->attachment;
	e->generation = cid->generation;
}

static inline void decode(struct zs_express *x, struct zs_express_lane *lane)
{
	struct zs_cid_ref ref[ZS_EXPRESS_GROUP];
	struct zs_cid cid[ZS_EXPRESS_GROUP];
	uint32_t n = open_all(x, lane, ref);

	zs_cidset_decode(&x->w->cids.set, ref, n, cid);
	for (uint32_t i = 0; i < n; i++)
		aim(x, &lane->at[lane->decoded + i], &cid[i]);
	lane->decoded += n;
}

static inline void know(struct zs_express *x, struct zs_express_packet *e)
{
	if (!e->m)
		return;
	e->from = zs_senders_find(&x->w->dp->senders, e->hash);
	if (ZS_UNLIKELY(e->from >= x->w->dp->state.attachments))
		e->from = ZS_SENDER_NONE;
	else
		zs_prefetch(&x->w->hot[e->from]);
}

/* Another way than the last one's. */
static __attribute__((noinline)) bool find_way(struct zs_express *x, const struct zs_hot *to)
{
	return zs_express_keep(x, &x->way, zs_hot_way(to), to->local, zs_hop_at_hand(x->w, to));
}

/* Does it lead to where that attachment is bound now? Then x->way is the way. */
static inline bool may_go(struct zs_express *x, const struct zs_express_packet *e, const struct zs_hot *to)
{
	if (e->from == ZS_SENDER_NONE || !to->port || zs_hot_expired(to, x->w->now_ns) >= 0)
		return false;
	if (ZS_UNLIKELY(zs_hot_way(to) != x->way.word) && !find_way(x, to))
		return false;
	return zs_express_may(e, &x->way, &to->addr);
}

/* Nobody bound its address: perhaps somebody has to anew. */
static ZS_COLD void nudge(struct zs_express *x, const struct zs_express_packet *e)
{
	struct zs_item it;

	it.p.src = e->src;
	it.p.dst = (struct zs_endpoint){ x->w->locals.entry[e->local].addr, e->port };
	it.p.payload_len = e->payload_len;
	it.l4 = zs_express_payload(e) - ZS_UDP_LEN;
	zs_bind_nudge(x->w, &it);
}

static inline enum zs_drop judge_stranger(struct zs_express *x, const struct zs_express_packet *e)
{
	enum zs_drop why = zs_refuse_stranger(x->w, &x->w->hot[e->to]);

	if (ZS_UNLIKELY(why != ZS_DROPS && !x->w->flood.on && x->w->flood.nudges))
		nudge(x, e);
	return why;
}

/* Is it certain that it may not go there? */
static inline enum zs_drop judge(struct zs_express *x, const struct zs_express_packet *e)
{
	enum zs_drop why = zs_refuse_line(&x->w->hot[e->to], e->to, e->generation, e->from);

	return why == ZS_DROPS && ZS_UNLIKELY(e->from == ZS_SENDER_NONE) ? judge_stranger(x, e) : why;
}

/* What has limits, once nothing else is against it. */
static __attribute__((noinline)) bool charge(struct zs_express *x, const struct zs_express_packet *e)
{
	uint8_t old = (e->is4 ? e->ip[1] : e->ip[1] >> 4) & ZS_ECN_MASK, ecn = old;

	if (!zs_police_charge(x->w, e->from, ZS_FROM_EDGE, e->payload_len, &ecn) ||
	    !zs_police_charge(x->w, e->to, ZS_TO_EDGE, e->payload_len, &ecn))
		return false;
	if (ecn == old)
		return true;
	if (e->is4)
		zs_turn_mark4(e->ip, ecn);
	else
		zs_turn_mark6(e->ip, ecn);
	return true;
}

static inline bool turn(struct zs_express *x, struct zs_express_packet *e)
{
	struct zs_worker *w = x->w;
	const struct zs_hot *to = &w->hot[e->to];
	uint32_t ports = zs_turn_ports(w->dp->service_port, to->port);

	if (ZS_UNLIKELY(!may_go(x, e, to)))
		return false;
	if (ZS_UNLIKELY((to->flags | w->hot[e->from].flags) & ZS_HOT_POLICED) && !charge(x, e)) {
		zs_express_drop(x, e, ZS_DROP_policed);
		return false;
	}
	if (e->is4)
		zs_turn4(e->ip, e->ip + ZS_IP4_MIN, x->way.own, &to->addr, ports);
	else
		zs_turn6(e->ip, e->ip + ZS_IP6_LEN, x->way.own, &to->addr, ports);
	*zs_express_send(x, e, x->way.hop) = (struct zs_sent){
		.from = e->from + 1, .to = e->to + 1, .payload = e->payload_len, .ip_len = e->ip_len
	};
	return true;
}

static inline void end(struct zs_express *x, struct zs_express_packet *e, enum zs_drop why)
{
	if (e->from == ZS_SENDER_NONE)
		zs_express_refuse(x, e, why);
	else
		zs_express_drop(x, e, why);
}

static inline uint32_t send(struct zs_express *x, struct zs_express_packet *e)
{
	enum zs_drop why;

	if (ZS_UNLIKELY(!e->m))
		return 0;
	why = judge(x, e);
	if (ZS_LIKELY(why == ZS_DROPS && turn(x, e)))
		return 1;
	if (why != ZS_DROPS)
		end(x, e, why);
	else if (e->m)
		zs_express_leave(x, e);
	return 0;
}

void zs_express_cid_step(struct zs_express *x, struct zs_express_lane *lane)
{
	struct zs_express_packet *done = &lane->at[lane->done], *known = &lane->at[lane->known];
	struct zs_express_packet *decoded = &lane->at[lane->decoded];
	uint32_t routed = 0;

	for (struct zs_express_packet *e = done; e < known; e++)
		routed += send(x, e);
	for (struct zs_express_packet *e = known; e < decoded; e++)
		know(x, e);
	lane->done = lane->known;
	lane->known = lane->decoded;
	if (lane->decoded < lane->taken)
		decode(x, lane);
	x->w->count[ZS_COUNTER_cid_routed] += routed;
}
