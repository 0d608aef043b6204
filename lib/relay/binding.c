/* Cheap checks first: a replayed request costs neither a key nor a tag. Nothing is written before the tag is right. */
#include "relay/binding.h"

#include "base/check.h"
#include "base/clock.h"

/* A request that was judged authentic and new. */
struct request {
	const struct zs_bind_ask *ask;
	struct zs_bind m;
	const struct zs_bind_session *session;
	const struct zs_bind_keys *keys;
	uint8_t at; /* index of its session in the entry */
};

static bool is(const struct zs_binding *b, int i, const struct zs_bind_session *s)
{
	return s && b->counter[i] && b->receiver[i] == s->receiver && b->bind_id[i] == s->bind_id;
}

/* At most two sessions live, so a session that is not in the entry finds the place of one that is dead. */
static uint8_t place_of(const struct zs_binding *b, const struct zs_bind_ask *ask,
			const struct zs_bind_session *s)
{
	const struct zs_bind_session *other = s == ask->newest ? ask->previous : ask->newest;

	if (is(b, 0, s) || is(b, 1, s))
		return is(b, 1, s);
	return is(b, 0, other);
}

static uint64_t counter_of(const struct zs_binding *b, const struct zs_bind_session *s)
{
	return is(b, 0, s) ? b->counter[0] : is(b, 1, s) ? b->counter[1] : 0;
}

bool zs_binding_heard(const struct zs_binding *b, uint32_t receiver, uint8_t bind_id)
{
	return counter_of(b, &(struct zs_bind_session){ .receiver = receiver, .bind_id = bind_id }) != 0;
}

static bool held_by(const struct zs_binding *b, const struct zs_bind_session *s)
{
	return (size_t)b->holder - 1 < ZS_ARRAY_LEN(b->receiver) && is(b, b->holder - 1, s);
}

bool zs_binding_held(const struct zs_binding *b, uint32_t receiver, uint8_t bind_id)
{
	return held_by(b, &(struct zs_bind_session){ .receiver = receiver, .bind_id = bind_id });
}

void zs_binding_drop(struct zs_binding *b)
{
	b->port = 0;
	b->addr = (struct zs_addr){ 0 };
	b->expires_ns = 0;
	b->local = 0;
}

static bool bound_here(const struct zs_binding *b, const struct zs_bind_ask *ask)
{
	return zs_binding_lives(b, ask->generation, ask->now_ns) &&
	       (held_by(b, ask->newest) || held_by(b, ask->previous)) && b->port == ask->from.port &&
	       b->local == ask->local && zs_addr_eq(&b->addr, &ask->from.addr);
}

/* --- what comes in ---------------------------------------------------------------------------- */

static enum zs_bind_fault judge(struct request *q, const struct zs_binding *b)
{
	const struct zs_bind_ask *ask = q->ask;
	enum zs_bind_fault fault = zs_bind_read_request(ask->bytes, ask->len, &q->m);
	uint8_t id = q->m.bind_id;

	if (fault)
		return fault;
	if (ask->named != ask->generation)
		return ZS_BIND_FAULT_owner;
	q->session = ask->newest && ask->newest->bind_id == id	     ? ask->newest
		     : ask->previous && ask->previous->bind_id == id ? ask->previous
								     : NULL;
	if (!q->session)
		return ZS_BIND_FAULT_bind_id;
	if (q->m.counter <= (b->generation == ask->generation ? counter_of(b, q->session) : 0))
		return ZS_BIND_FAULT_counter;
	if (!zs_cookie_ready(ask->secrets))
		return ZS_BIND_FAULT_secret;
	if (ask->ops->worth && !ask->ops->worth(ask->ctx, bound_here(b, ask)))
		return ZS_BIND_FAULT_unchecked;
	q->keys = ask->ops->keys(ask->ctx, q->session);
	if (!zs_bind_verify(ask->engine, ask->bytes, &q->m, &q->keys->request))
		return ZS_BIND_FAULT_tag;
	return zs_bind_unbind_ok(&q->m) ? ZS_BIND_OK : ZS_BIND_FAULT_fields;
}

/* From here on its counter is spent. */
static void take(struct request *q, struct zs_binding *b)
{
	if (b->generation != q->ask->generation) {
		zs_binding_drop(b);
		b->generation = q->ask->generation;
		b->counter[0] = b->counter[1] = 0;
		b->holder = 0;
	}
	q->at = place_of(b, q->ask, q->session);
	if (!is(b, q->at, q->session) && b->holder == q->at + 1)
		b->holder = 0;
	b->counter[q->at] = q->m.counter;
	b->receiver[q->at] = q->session->receiver;
	b->bind_id[q->at] = q->session->bind_id;
}

/* --- what comes of it ------------------------------------------------------------------------- */

static bool returns_cookie(const struct request *q, const struct zs_cookie_of *of)
{
	static const uint8_t none[ZS_BIND_COOKIE];

	return memcmp(q->m.cookie, none, sizeof(none)) != 0 &&
	       zs_cookie_verify(q->ask->secrets, of, zs_cookie_step(q->ask->unix_s), q->m.cookie);
}

/* The newest session was told BOUND, so whoever still uses the one before has missed it. */
static bool stale(const struct request *q, const struct zs_binding *b)
{
	return q->session != q->ask->newest && held_by(b, q->ask->newest);
}

static enum zs_bind_outcome refuse(struct zs_bind *a, enum zs_bind_status status)
{
	a->status = (uint16_t)status;
	return ZS_BIND_REFUSED;
}

static enum zs_bind_outcome challenge(const struct request *q, const struct zs_cookie_of *of,
				      struct zs_bind *a)
{
	a->kind = ZS_BIND_KIND_challenge;
	zs_cookie_make(q->ask->secrets->now, of, zs_cookie_step(q->ask->unix_s), a->cookie);
	return ZS_BIND_CHALLENGED;
}

static enum zs_bind_outcome end(const struct request *q, struct zs_binding *b)
{
	zs_binding_drop(b);
	b->holder = (uint8_t)(q->at + 1);
	return ZS_BIND_ENDED;
}

static enum zs_bind_outcome bind(const struct request *q, struct zs_binding *b, bool here, struct zs_bind *a)
{
	const struct zs_bind_ask *ask = q->ask;

	a->lifetime_s = q->m.lifetime_s < ZS_BIND_LIFETIME_S ? q->m.lifetime_s : ZS_BIND_LIFETIME_S;
	if (!a->lifetime_s)
		return end(q, b);
	b->addr = ask->from.addr;
	b->port = ask->from.port;
	b->local = ask->local;
	b->expires_ns = ask->now_ns + a->lifetime_s * ZS_NS_PER_S;
	b->holder = (uint8_t)(q->at + 1);
	return here ? ZS_BIND_KEPT : ZS_BIND_MOVED;
}

static enum zs_bind_outcome act(const struct request *q, struct zs_binding *b, struct zs_bind *a)
{
	const struct zs_bind_ask *ask = q->ask;
	const struct zs_cookie_of of = { .from = ask->from,
					 .local = ask->local,
					 .attachment = ask->attachment,
					 .generation = ask->generation };
	bool here = bound_here(b, ask);
	enum zs_bind_status status;

	if (stale(q, b))
		return refuse(a, ZS_BIND_STATUS_stale);
	if (q->m.kind == ZS_BIND_KIND_unbind)
		return end(q, b);
	status = ask->ops->admit(ask->ctx, &ask->from, ask->local);
	if (status) {
		if (here)
			zs_binding_drop(b);
		return refuse(a, status);
	}
	return here || returns_cookie(q, &of) ? bind(q, b, here, a) : challenge(q, &of, a);
}

void zs_binding_decide(const struct zs_bind_ask *ask, struct zs_binding *entry, struct zs_bind_verdict *out)
{
	struct request q = { .ask = ask };
	struct zs_bind answer;

	out->outcome = ZS_BIND_DROPPED;
	out->fault = judge(&q, entry);
	if (!out->fault) {
		take(&q, entry);
		answer = (struct zs_bind){ .kind = ZS_BIND_KIND_bound,
					   .bind_id = q.m.bind_id,
					   .counter = q.m.counter,
					   .seen = ask->from };
		memcpy(answer.cid, q.m.cid, ZS_BIND_CID);
		out->outcome = act(&q, entry, &answer);
		zs_bind_write(ask->engine, &answer, &q.keys->answer, out->answer);
	}
}
