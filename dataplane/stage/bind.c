/* What the relay itself is asked on the service port: BIND and UNBIND, at the binder. The decision is relay/binding.h's; here it
 * gets what the segments say, and what it decides is stored before the answer leaves. */
#include <string.h>
#include "binds.h"
#include "limit.h"
#include "net/deny.h"
#include "relay/binding.h"
#include "refuse.h"

#define NUDGE_S	    10 /* a second and source prefix: a rebound peer needs one */
#define NUDGE_BURST 20

/* What is known of the asking attachment. */
struct asked {
	struct zs_worker *w;
	const struct zs_item *it;
	struct zs_attachment a;
	struct zs_session session[2];	 /* newest, previous */
	struct zs_bind_session alive[2]; /* of those, what the decision sees */
	enum zs_drop unchecked;		 /* why its tag is not worth the check */
};

/* Who is where it has proven to be is always heard. */
static bool worth(void *ctx, bool here)
{
	struct asked *q = ctx;
	struct zs_worker *w = q->w;
	const struct zs_addr *src = &q->it->p.src.addr;
	uint32_t rate = w->dp->conf->flood.binds_s;

	if (!here && !zs_limit_prefix_of(w->dp->limits, ZS_LIMIT_BINDS, src, rate, rate, w->now_ns))
		q->unchecked = ZS_DROP_bind_rate;
	else
		q->unchecked = zs_flood_may_check(w, src, here);
	return q->unchecked == ZS_DROPS;
}

static const struct zs_bind_keys *keys(void *ctx, const struct zs_bind_session *session)
{
	const struct asked *q = ctx;

	return zs_binds_keys(q->w->dp->binds, session->user);
}

static enum zs_bind_status admit(void *ctx, const struct zs_endpoint *from, uint8_t local)
{
	const struct asked *q = ctx;

	if (q->w->acl && zs_acl_denied(q->w->acl, &from->addr) & ZS_ACL_OUT)
		return ZS_BIND_STATUS_denied;
	if (zs_deny_target(&q->w->settings.deny, &from->addr) != ZS_SPECIAL_NONE ||
	    zs_locals_has(&q->w->locals, &from->addr) || zs_locals_announced(q->w->dp->conf, &from->addr))
		return ZS_BIND_STATUS_denied;
	return zs_binds_room(q->w, from, local) ? ZS_BIND_STATUS_ok : ZS_BIND_STATUS_limit;
}

/* A session of the attachment that may bind: made for this very state segment. */
static const struct zs_bind_session *live(struct asked *q, int i, uint32_t slot)
{
	struct zs_session *s = &q->session[i];

	if (!zs_sessions_slot(q->w->sessions, slot, s) || s->mode != ZS_SESSION_SOCKET ||
	    s->attachment != q->it->cid.attachment || s->generation != q->a.generation ||
	    s->incarnation != q->w->dp->state.seg.base->incarnation)
		return NULL;
	q->alive[i] = (struct zs_bind_session){ s->receiver, s->bind_id, s };
	return &q->alive[i];
}

static enum zs_drop drop_of(const struct asked *q, enum zs_bind_fault fault)
{
	switch (fault) {
	case ZS_BIND_FAULT_unchecked:
		return q->unchecked;
	case ZS_BIND_FAULT_owner:
	case ZS_BIND_FAULT_bind_id:
		return ZS_DROP_bind_owner;
	case ZS_BIND_FAULT_counter:
		return ZS_DROP_bind_counter;
	case ZS_BIND_FAULT_secret:
		return ZS_DROP_bind_secret;
	case ZS_BIND_FAULT_tag:
		return ZS_DROP_bind_tag;
	default:
		return ZS_DROP_bind_form;
	}
}

static const uint8_t counter_of[ZS_BIND_OUTCOMES] = { [ZS_BIND_CHALLENGED] = ZS_COUNTER_bind_challenged,
						      [ZS_BIND_MOVED] = ZS_COUNTER_bind_moved,
						      [ZS_BIND_KEPT] = ZS_COUNTER_bind_kept,
						      [ZS_BIND_ENDED] = ZS_COUNTER_bind_ended,
						      [ZS_BIND_REFUSED] = ZS_COUNTER_bind_refused };

static void answer(struct zs_worker *w, const struct zs_item *it, const void *bytes, uint16_t len)
{
	struct zs_ends ends = { .src = it->p.dst, .dst = it->p.src };

	zs_originate(w, &ends, bytes, len); /* without a way back: whoever asked asks again */
}

/* ZS_DROPS: it was taken. */
static enum zs_drop take(struct asked *q)
{
	struct zs_worker *w = q->w;
	const struct zs_item *it = q->it;
	struct zs_binding before = zs_binds_get(w, it->cid.attachment), after = before;
	struct zs_cookie_secret secret;
	struct zs_cookie_secrets secrets = { 0 };
	static const struct zs_bind_ops ops = { .worth = worth, .keys = keys, .admit = admit };
	struct zs_bind_ask ask = { .bytes = it->l4 + ZS_UDP_LEN,
				   .len = it->p.payload_len,
				   .from = it->p.src,
				   .local = it->local,
				   .now_ns = w->now_ns,
				   .unix_s = w->unix_s,
				   .attachment = it->cid.attachment,
				   .named = it->cid.generation,
				   .generation = q->a.generation,
				   .newest = live(q, 0, q->a.session),
				   .previous = live(q, 1, q->a.previous),
				   .secrets = &secrets,
				   .engine = &w->dp->binds->engine,
				   .ops = &ops,
				   .ctx = q };
	struct zs_bind_verdict v;

	if (zs_sessions_cookie_secret(w->sessions, &secret)) {
		memcpy(secrets.now, secret.now, sizeof(secrets.now));
		memcpy(secrets.previous, secret.previous, sizeof(secrets.previous));
	}
	zs_binding_decide(&ask, &after, &v);
	explicit_bzero(&secret, sizeof(secret));
	explicit_bzero(&secrets, sizeof(secrets));
	if (v.outcome == ZS_BIND_DROPPED) {
		if (v.fault == ZS_BIND_FAULT_tag)
			zs_flood_failed(w, &it->p.src.addr);
		return drop_of(q, v.fault);
	}
	zs_binds_put(w, it->cid.attachment, &before, &after);
	w->count[counter_of[v.outcome]]++;
	answer(w, it, v.answer, sizeof(v.answer));
	return ZS_DROPS;
}

/* In flood mode, when no more tags are checked: it would be refused whatever it is, unless it comes from where its peer is bound. */
static bool hopeless(const struct zs_worker *w, const struct zs_item *it)
{
	struct zs_binding b;

	if (!zs_flood_is_spent(w))
		return false;
	b = zs_binds_get(w, it->cid.attachment);
	return b.port != it->p.src.port || b.local != it->local || !zs_addr_eq(&b.addr, &it->p.src.addr);
}

/* ZS_DROPS: it was taken. */
static enum zs_drop take_ours(struct zs_worker *w, const struct zs_item *it)
{
	struct asked q = { .w = w, .it = it };
	enum zs_drop why = ZS_DROP_bind_owner;

	if (zs_sessions_attachment(w->sessions, it->cid.attachment, &q.a))
		why = take(&q);
	explicit_bzero(q.session, sizeof(q.session));
	return why;
}

void zs_bind_take(struct zs_worker *w, struct zs_item *it)
{
	bool ours = it->cid.verdict == ZS_CID_OK && it->cid.pop == w->dp->conf->attach.pop &&
		    it->cid.attachment < w->dp->state.attachments;
	enum zs_drop why = it->p.payload_len == ZS_BIND_BYTES ? ZS_DROP_bind_owner : ZS_DROP_bind_form;

	if (ours)
		why = hopeless(w, it) ? ZS_DROP_flood : take_ours(w, it);
	if (why != ZS_DROPS) {
		zs_stage_refuse(w, it, why);
		return;
	}
	w->count[ZS_COUNTER_control_in_bytes] += it->ip_len;
	zs_consume(w, it->m);
}

ZS_COLD void zs_bind_nudge(struct zs_worker *w, const struct zs_item *it)
{
	const uint8_t *payload = it->l4 + ZS_UDP_LEN;
	uint8_t nudge[ZS_BIND_NUDGE];

	if (it->p.payload_len < ZS_BIND_NUDGE || !w->flood.nudges ||
	    !zs_limit_prefix_of(w->dp->limits, ZS_LIMIT_NUDGES, &it->p.src.addr, NUDGE_S, NUDGE_BURST,
				w->now_ns))
		return;
	w->flood.nudges--;
	/* A long header's connection ID stands behind its length. */
	zs_bind_write_nudge(payload[0] & 0x80 ? payload + 6 : payload + 1, nudge);
	if (zs_originate(w, &(struct zs_ends){ .src = it->p.dst, .dst = it->p.src }, nudge, sizeof(nudge)))
		w->count[ZS_COUNTER_nudges]++;
}
