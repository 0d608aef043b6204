/* A round is a request and its retransmissions, each with a counter of its own; it begins when something changes or a keep-alive
 * is due, and ends with an answer. `due_ns` is its only timer. */
#include "relay/binder.h"

#include <openssl/mem.h>

#define NEVER UINT64_MAX

/* A new round, at once. */
static void ask(struct zs_binder *b, uint64_t now)
{
	b->tries = 0;
	b->due_ns = b->has_session && b->has_cid ? now : NEVER;
}

/* Wants to be bound: asks under what it has. */
static void start(struct zs_binder *b, uint64_t now)
{
	b->has_cookie = false;
	b->challenges = 0;
	if (b->state != ZS_BINDER_BOUND)
		b->state = b->has_session && b->has_cid ? ZS_BINDER_ASKING : ZS_BINDER_IDLE;
	ask(b, now);
}

void zs_binder_init(struct zs_binder *b, const struct zs_endpoint *relay, const struct zs_gcm_engine *engine)
{
	*b = (struct zs_binder){ .relay = *relay, .engine = engine, .due_ns = NEVER };
}

void zs_binder_session(struct zs_binder *b, const uint8_t root[ZS_ATTACH_SECRET], uint8_t bind_id,
		       uint64_t now)
{
	if (!b->has_session || CRYPTO_memcmp(b->root, root, ZS_ATTACH_SECRET) != 0) {
		memcpy(b->root, root, ZS_ATTACH_SECRET);
		zs_bind_keys_make(b->engine, root, &b->keys);
		b->counter = b->answered = 0; /* once in a key's life */
	}
	b->bind_id = bind_id;
	b->has_session = true;
	if (b->state == ZS_BINDER_UNBINDING)
		b->state = ZS_BINDER_IDLE;
	start(b, now);
}

void zs_binder_cid(struct zs_binder *b, const uint8_t cid[ZS_BIND_CID], uint64_t now)
{
	bool first = !b->has_cid;

	memcpy(b->cid, cid, ZS_BIND_CID);
	b->has_cid = true;
	if (first)
		start(b, now);
}

void zs_binder_wipe(struct zs_binder *b)
{
	OPENSSL_cleanse(b->root, sizeof(b->root));
	zs_bind_keys_wipe(&b->keys);
	b->has_session = false;
	b->state = ZS_BINDER_IDLE;
	b->due_ns = NEVER;
}

void zs_binder_moved(struct zs_binder *b, uint64_t now)
{
	if (b->state != ZS_BINDER_STALE && b->state != ZS_BINDER_UNBINDING)
		start(b, now);
}

void zs_binder_unbind(struct zs_binder *b, uint64_t now)
{
	if (!b->has_session || !b->has_cid) {
		zs_binder_wipe(b);
		return;
	}
	b->state = ZS_BINDER_UNBINDING;
	b->unbinding = b->counter + 1;
	ask(b, now);
}

/* --- what comes in ---------------------------------------------------------------------------- */

/* A connection ID is an AES block behind its first byte: any of its bytes is a hash. */
static struct zs_binder_sent *sent_of(struct zs_binder *b, const uint8_t cid[ZS_BIND_CID])
{
	return &b->sent[cid[ZS_BIND_CID - 1] & (ZS_BINDER_SENT - 1)];
}

void zs_binder_sent(struct zs_binder *b, const void *bytes, size_t len, uint64_t now)
{
	const uint8_t *p = bytes, *cid;
	struct zs_binder_sent *s;
	bool is_long = len && p[0] & 0x80;

	if (len < (is_long ? 6 : 1) + ZS_BIND_CID || (is_long && p[5] != ZS_BIND_CID))
		return;
	cid = p + (is_long ? 6 : 1);
	s = sent_of(b, cid);
	memcpy(s->cid, cid, ZS_BIND_CID);
	s->at_ns = now ? now : 1;
}

static enum zs_binder_verdict nudged(struct zs_binder *b, const uint8_t cid[ZS_BIND_CID], uint64_t now)
{
	const struct zs_binder_sent *s = sent_of(b, cid);

	if (b->state != ZS_BINDER_BOUND && b->state != ZS_BINDER_ASKING)
		return ZS_BINDER_DROPPED;
	if (!s->at_ns || memcmp(s->cid, cid, ZS_BIND_CID) != 0 || now - s->at_ns > ZS_BINDER_LATELY_NS)
		return ZS_BINDER_DROPPED;
	if (b->nudged_ns && now - b->nudged_ns < ZS_BINDER_NUDGE_NS)
		return ZS_BINDER_DROPPED;
	b->nudged_ns = now ? now : 1;
	ask(b, now);
	return ZS_BINDER_TAKEN;
}

/* The relay sees us elsewhere than where it bound us. */
static void challenged(struct zs_binder *b, const struct zs_bind *m, uint64_t now)
{
	if (b->state == ZS_BINDER_UNBINDING)
		return;
	memcpy(b->cookie, m->cookie, ZS_BIND_COOKIE);
	b->has_cookie = true;
	b->state = ZS_BINDER_ASKING;
	if (b->challenges++ < ZS_BINDER_CHALLENGES)
		ask(b, now);
}

static void settle(struct zs_binder *b, enum zs_binder_state state, uint64_t due)
{
	b->state = state;
	b->has_cookie = false;
	b->challenges = b->tries = 0;
	b->due_ns = due;
}

static void bound(struct zs_binder *b, const struct zs_bind *m, uint64_t now)
{
	uint64_t life = m->lifetime_s * ZS_NS_PER_S, third = life / 3;

	b->status = m->status;
	if (m->status == ZS_BIND_STATUS_stale) {
		settle(b, ZS_BINDER_STALE, NEVER);
	} else if (b->state == ZS_BINDER_UNBINDING) {
		if (m->counter >= b->unbinding)
			settle(b, ZS_BINDER_IDLE, NEVER);
	} else if (m->status || !life) {
		settle(b, ZS_BINDER_REFUSED, now + ZS_BINDER_REFUSED_NS);
	} else {
		b->seen = m->seen;
		b->until_ns = b->asked_ns + life;
		settle(b, ZS_BINDER_BOUND,
		       now + (third < ZS_BINDER_KEEP_ALIVE_NS ? third : ZS_BINDER_KEEP_ALIVE_NS));
	}
}

enum zs_binder_verdict zs_binder_receive(struct zs_binder *b, const void *bytes, size_t len,
					 const struct zs_endpoint *from, uint64_t now)
{
	uint8_t cid[ZS_BIND_CID];
	struct zs_bind m;

	if (!zs_bind_is(bytes, len))
		return ZS_BINDER_NOT_OURS;
	if (!b->has_session || from->port != b->relay.port || !zs_addr_eq(&from->addr, &b->relay.addr))
		return ZS_BINDER_DROPPED;
	if (zs_bind_read_nudge(bytes, len, cid) == ZS_BIND_OK)
		return nudged(b, cid, now);
	if (zs_bind_read_answer(bytes, len, &m) || m.bind_id != b->bind_id || m.counter <= b->answered ||
	    m.counter > b->counter || !zs_bind_verify(b->engine, bytes, &m, &b->keys.answer))
		return ZS_BINDER_DROPPED;
	b->answered = m.counter;
	if (m.kind == ZS_BIND_KIND_challenge)
		challenged(b, &m, now);
	else
		bound(b, &m, now);
	return ZS_BINDER_TAKEN;
}

/* --- what goes out ---------------------------------------------------------------------------- */

static uint64_t back_off(uint32_t tries)
{
	uint64_t wait = ZS_BINDER_FIRST_NS << (tries < 8 ? tries - 1 : 7);

	return wait < ZS_BINDER_LONGEST_NS ? wait : ZS_BINDER_LONGEST_NS;
}

static void request(struct zs_binder *b, uint8_t out[ZS_BIND_BYTES])
{
	bool unbind = b->state == ZS_BINDER_UNBINDING;
	struct zs_bind m = { .kind = unbind ? ZS_BIND_KIND_unbind : ZS_BIND_KIND_bind,
			     .bind_id = b->bind_id,
			     .lifetime_s = unbind ? 0 : ZS_BIND_LIFETIME_S,
			     .counter = ++b->counter };

	memcpy(m.cid, b->cid, ZS_BIND_CID);
	if (b->has_cookie && !unbind)
		memcpy(m.cookie, b->cookie, ZS_BIND_COOKIE);
	zs_bind_write(b->engine, &m, &b->keys.request, out);
}

size_t zs_binder_pull(struct zs_binder *b, uint8_t out[ZS_BIND_BYTES], uint64_t now)
{
	if (b->state == ZS_BINDER_BOUND && now >= b->until_ns)
		b->state = ZS_BINDER_ASKING;
	if (now < b->due_ns)
		return 0;
	if (b->state == ZS_BINDER_UNBINDING && b->tries == ZS_BINDER_UNBINDS) {
		settle(b, ZS_BINDER_IDLE, NEVER);
		return 0;
	}
	if (!b->tries++)
		b->asked_ns = now;
	b->due_ns = now + back_off(b->tries);
	request(b, out);
	return ZS_BIND_BYTES;
}

uint64_t zs_binder_deadline(const struct zs_binder *b)
{
	return b->state == ZS_BINDER_BOUND && b->until_ns < b->due_ns ? b->until_ns : b->due_ns;
}
