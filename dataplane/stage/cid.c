/* A packet of the service port, from its connection ID to the bound address that this leads to, or into a tunnel. What an
 * edge sent without a flow is one too; who sends it is known already. Pipelined over the burst:
 *
 *   open    where the connection ID stands: by RFC 8999's invariants alone, the fixed bit is not looked at; the
 *           sender's bucket is on its way
 *   decode  all of them at once
 *   aim     whose it is; the attachment's line is on its way
 *   know    who sends; the sender's line is on its way
 *   route   may it go there, and which way?
 *
 * Nothing is kept of a packet but what the two lines count. */
#include "base/prefetch.h"
#include "binds.h"
#include "limit.h"
#include "net/quic.h"
#include "refuse.h"
#include "relay/bind.h"
#include "shm/senders_find.h"
#include "tunnels.h"

/* Before it is known who sends. */
static void refuse(struct zs_worker *w, struct zs_item *it, enum zs_drop why)
{
	if (it->inner)
		zs_stage_drop(w, it->m, why);
	else
		zs_stage_refuse(w, it, why);
}

/* What is for the relay itself. A tunnel has no address that could be bound. */
static bool at_binder(struct zs_worker *w, struct zs_item *it)
{
	if (it->inner)
		zs_stage_drop(w, it->m, ZS_DROP_bind_form);
	else if (w->index != ZS_BINDER)
		zs_hand_over(w, it, ZS_BINDER);
	return !it->inner && w->index == ZS_BINDER;
}

/* A long header, or too short for any. false: it has ended. */
static ZS_COLD bool open_other(struct zs_worker *w, struct zs_item *it, struct zs_cid_ref *ref)
{
	const uint8_t *payload = it->l4 + ZS_UDP_LEN;
	struct zs_quic_head head;

	if (zs_bind_is(payload, it->p.payload_len) && !at_binder(w, it))
		return false;
	if (!zs_quic_read(payload, it->p.payload_len, ZS_CID, &head)) {
		refuse(w, it, ZS_DROP_cid_short);
		return false;
	}
	if (head.dcid_len != ZS_CID) {
		refuse(w, it, ZS_DROP_cid_malformed);
		return false;
	}
	*ref = (struct zs_cid_ref){ head.dcid, head.dcid_len };
	return true;
}

static inline bool is_long(const struct zs_item *it)
{
	return it->l4[ZS_UDP_LEN] & 0x80;
}

static inline bool open_head(struct zs_worker *w, struct zs_item *it, struct zs_cid_ref *ref)
{
	if (ZS_UNLIKELY(it->p.payload_len <= ZS_CID || is_long(it)))
		return open_other(w, it, ref);
	*ref = (struct zs_cid_ref){ it->l4 + ZS_UDP_LEN + 1, ZS_CID };
	return true;
}

static inline enum zs_drop judge(const struct zs_worker *w, const struct zs_item *it)
{
	if (it->inner && it->sender >= w->dp->state.attachments)
		return ZS_DROP_cid_stale; /* tables with more of them than our state has room for */
	return zs_refuse_cid(w, &it->cid);
}

/* false: it has ended. */
static inline bool aim(struct zs_worker *w, struct zs_item *it)
{
	enum zs_drop why = judge(w, it);

	if (why != ZS_DROPS) {
		refuse(w, it, why);
		return false;
	}
	zs_prefetch(&w->hot[it->cid.attachment]);
	return true;
}

static inline void know(struct zs_worker *w, struct zs_item *it)
{
	if (!it->inner)
		it->sender = zs_senders_find(&w->dp->senders, it->hash);
	if (it->sender >= w->dp->state.attachments) {
		it->sender = ZS_SENDER_NONE;
		return;
	}
	zs_prefetch(&w->hot[it->sender]);
}

/* A sender that has bound nothing: perhaps a NAT gave a bound peer another address. */
static ZS_COLD enum zs_drop judge_stranger(struct zs_worker *w, const struct zs_item *it,
					   const struct zs_hot *to)
{
	uint32_t rate = w->dp->conf->flood.strangers_s;
	enum zs_drop why = zs_refuse_stranger(w, to);

	if (!w->flood.on)
		zs_bind_nudge(w, it);
	if (why != ZS_DROPS)
		return why;
	return zs_limit_prefix_of(w->dp->limits, ZS_LIMIT_STRANGERS, &it->p.src.addr, rate, rate, w->now_ns)
		   ? ZS_DROPS
		   : ZS_DROP_cid_stranger_rate;
}

/* Nothing is bound: through the attachment's tunnel, if it has one. */
static enum zs_drop into_tunnel(struct zs_worker *w, struct zs_item *it)
{
	it->sealed = zs_tunnel_serves(w, it->cid.attachment, it->cid.generation);
	return it->sealed ? ZS_DROPS : ZS_DROP_cid_unbound;
}

/* A line's time is coarse: in the last step the binding itself says when. */
static ZS_COLD bool lives_on(const struct zs_worker *w, uint32_t id)
{
	struct zs_binding b;

	return zs_seqlock_get(&w->dp->state.binding[id], &b, sizeof(b)) && b.expires_ns > w->now_ns;
}

static inline bool is_bound(const struct zs_worker *w, uint32_t id, const struct zs_hot *to)
{
	int32_t expired = zs_hot_expired(to, w->now_ns);

	return to->port && (expired < 0 || (expired == 0 && lives_on(w, id)));
}

/* ZS_DROPS: ready for rewrite, or to be sealed. */
static inline enum zs_drop route(struct zs_worker *w, struct zs_item *it)
{
	struct zs_hot *to = &w->hot[it->cid.attachment];
	enum zs_drop why = zs_refuse_line(to, it->cid.attachment, it->cid.generation, it->sender);

	if (why != ZS_DROPS)
		return why;
	if (it->sender == ZS_SENDER_NONE && (why = judge_stranger(w, it, to)) != ZS_DROPS)
		return why;
	if (!is_bound(w, it->cid.attachment, to) || !w->locals.entry[to->local].used ||
	    zs_addr_is4(&to->addr) != zs_addr_is4(&w->locals.entry[to->local].addr))
		return into_tunnel(w, it);
	if ((why = zs_hop_bound(w, it, to)) != ZS_DROPS)
		return why;
	it->ends.src = (struct zs_endpoint){ w->locals.entry[to->local].addr, w->dp->service_port };
	it->ends.dst = (struct zs_endpoint){ to->addr, to->port };
	return ZS_DROPS;
}

static void end(struct zs_worker *w, struct zs_item *it, enum zs_drop why)
{
	if (it->sender == ZS_SENDER_NONE)
		zs_stage_refuse(w, it, why);
	else
		zs_stage_drop(w, it->m, why);
}

/* Who came out of a tunnel is known. */
static inline void look_up(struct zs_worker *w, struct zs_item *it)
{
	if (it->inner)
		return;
	it->hash = zs_senders_hash(&w->dp->senders, &it->p.src, it->local);
	zs_senders_prefetch(&w->dp->senders, it->hash);
}

/* Takes those of the service port out of the burst; returns how many there are, the others stay in `at`. */
static uint32_t collect(struct zs_worker *w, struct zs_item **at, uint32_t n, uint32_t *others,
			struct zs_item **mine, struct zs_cid_ref *ref)
{
	uint32_t k = 0;

	*others = 0;
	for (uint32_t i = 0; i < n; i++) {
		struct zs_item *it = at[i];

		if (it->class != ZS_CLASS_CID)
			at[(*others)++] = it;
		else if (!w->sessions)
			zs_stage_drop(w, it->m, ZS_DROP_stopped);
		else if (open_head(w, it, &ref[k])) {
			look_up(w, it);
			mine[k++] = it;
		}
	}
	return k;
}

static uint32_t decode(struct zs_worker *w, struct zs_item **mine, const struct zs_cid_ref *ref, uint32_t n)
{
	struct zs_cid cid[ZS_BURST];
	uint32_t on = 0;

	zs_cidset_decode(&w->cids.set, ref, n, cid);
	for (uint32_t i = 0; i < n; i++) {
		struct zs_item *it = mine[i];

		it->cid = cid[i];
		if (ZS_UNLIKELY(is_long(it)) && zs_bind_is(it->l4 + ZS_UDP_LEN, it->p.payload_len))
			zs_stage_later(w, it);
		else if (aim(w, it))
			mine[on++] = it;
	}
	return on;
}

uint32_t zs_stage_cid(struct zs_worker *w, struct zs_item **at, uint32_t n)
{
	struct zs_cid_ref ref[ZS_BURST];
	struct zs_item *mine[ZS_BURST];
	uint32_t on, k = collect(w, at, n, &on, mine, ref);

	if (!k)
		return on;
	k = decode(w, mine, ref, k);
	for (uint32_t i = 0; i < k; i++)
		know(w, mine[i]);
	for (uint32_t i = 0; i < k; i++) {
		enum zs_drop why = route(w, mine[i]);

		if (why == ZS_DROPS)
			at[on++] = mine[i];
		else
			end(w, mine[i], why);
	}
	return on;
}
