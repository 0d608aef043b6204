/* Hello: may this peer attach, and is it the one that is attached already? A Hello of another instance waits
 * until the old connection has shown whether it lives. */
#include <stdlib.h>
#include "attach/internal.h"
#include "shm/fault.h"

#define BUSY_MS	    1000
#define INSTANCE_MS 5000
#define SPENT_MS    60000 /* somebody has to raise the limit */

static void refuse_hello(struct zs_attach *s, struct zs_attach_conn *conn, uint64_t id,
			 const struct refusal *r)
{
	char peer[ZS_PEER_ID_TEXT];

	s->counts.refused[r->code]++;
	ZS_LOG(&s->c->log, ATTACH_REFUSED, "peer=%s error=%s scope=\"%s\"",
	       zs_peer_id_format(&conn->peer.id, peer), zs_attach_name(ZS_ATTACH_TABLE_ERROR, r->code),
	       r->scope ? r->scope : "");
	zs_attach_send_error(s, conn, id, r);
	if (r->code == ZS_ATTACH_ERROR_drain)
		zs_attach_drain_tell(s, conn);
	if (++conn->faults >= ZS_ATTACH_FAULTS)
		zs_attach_conn_close(s, conn, "refused too often");
	else if (conn->state == CONN_NEW)
		zs_attach_wake_conn(s, conn, s->now_ns + ZS_ATTACH_HELLO_NS);
}

/* --- checks ----------------------------------------------------------------------------------- */

/* What a Hello is judged by. */
struct hearing {
	struct zs_attach *s;
	struct zs_attach_conn *conn;
	const zs_pb_Hello *hello;
	struct slot *slot;     /* the owner's, NULL: it has none */
	struct admission *who; /* filled when it is admitted */
};

static bool is_first(const struct hearing *h, struct refusal *r)
{
	return h->conn->state == CONN_NEW;
}

static bool speaks_our_version(const struct hearing *h, struct refusal *r)
{
	r->limit = ZS_ATTACH_VERSION;
	return h->hello->version == ZS_ATTACH_VERSION;
}

static bool is_not_draining(const struct hearing *h, struct refusal *r)
{
	return !h->s->draining;
}

static bool is_admitted(const struct hearing *h, struct refusal *r)
{
	return zs_attach_policy_admits(h->s, h->conn, h->hello, h->who, r);
}

static bool asks_for_what_its_mode_has(const struct hearing *h, struct refusal *r)
{
	r->text = "a socket has no ports";
	return h->hello->mode != ZS_ATTACH_MODE_socket || !h->hello->publish_count;
}

static bool is_owner(const struct hearing *h, struct refusal *r)
{
	const zs_pb_Resume *old = &h->hello->resume;

	return !h->hello->has_resume ||
	       (h->slot && old->attachment == h->slot->id && old->generation == h->slot->kept.generation);
}

static bool can_hand_keys_over(const struct hearing *h, struct refusal *r)
{
	return !zs_segment_faulted(&h->s->shm.seg);
}

static bool has_dataplane(const struct hearing *h, struct refusal *r)
{
	r->text = "the relay's dataplane does not run";
	return h->s->incarnation;
}

static bool is_within_owners_rate(const struct hearing *h, struct refusal *r)
{
	r->scope = "owner";
	return !h->slot || (!h->slot->rival && zs_attach_rate(h->s, &h->slot->hellos, HELLO_BURST));
}

static bool is_below(struct refusal *r, const char *scope, uint32_t current, uint32_t limit)
{
	r->scope = scope;
	r->current = current;
	r->limit = limit;
	return current < limit;
}

/* Bytes in all are the owner's: a new attachment does not bring them back. */
static bool bytes_are_left(const struct hearing *h, struct refusal *r)
{
	struct terms t;

	zs_attach_policy_terms(h->s, &h->conn->peer.id, h->who, &t);
	if (zs_attach_quota_tenant_spent(h->s, t.tenant)) {
		r->scope = "tenant";
		r->current = h->s->tenant[t.tenant].used;
		r->limit = h->s->tenant[t.tenant].bytes;
		return false;
	}
	r->scope = "bytes";
	r->limit = t.policy.bytes_left;
	r->current = r->limit ? zs_attach_quota_used(h->s, &h->conn->peer.id) : 0;
	return !r->limit || r->current < r->limit;
}

static bool attachments_are_left(const struct hearing *h, struct refusal *r)
{
	return h->slot || is_below(r, "attachments", h->s->counts.attachments, conf_of(h->s)->attachments);
}

/* Whoever has a session may always make the next one: that ends the one before. */
static bool sessions_are_left(const struct hearing *h, struct refusal *r)
{
	return (h->slot && h->slot->now.at != ZS_SESSION_NONE) ||
	       is_below(r, "sessions", h->s->counts.sessions, conf_of(h->s)->sessions);
}

/* Whoever has an attachment keeps it, however many strangers came from where it is. */
static bool prefix_has_room(const struct hearing *h, struct refusal *r)
{
	uint32_t limit = conf_of(h->s)->per_prefix;

	return h->slot || !limit ||
	       is_below(r, "prefix", zs_attach_slots_near(h->s, &h->conn->prefix), limit);
}

/* From the first that does not pass comes the answer, so the order says who learns what, and what it costs:
 *   - what needs no look at anybody: a Hello too many, a version, a relay that takes nobody
 *   - who it is, before what it wants: a stranger learns nothing of attachments or of the relay's state
 *   - what it wants and whether that is its own, before what the relay can do now: it is wrong however often it comes back
 *   - what the relay lacks, before the owner's rate: waiting for the relay spends nothing
 *   - the rate, before the counts: asking again and again is refused even when there is room
 *   - counts: only who was welcome otherwise learns how full the relay is
 * `passes` finds *r with code and retry_ms, and adds what else there is to say. */
static const struct {
	uint32_t code, retry_ms;
	bool (*passes)(const struct hearing *h, struct refusal *r);
} checks[] = {
	{ ZS_ATTACH_ERROR_second_hello, 0, is_first },
	{ ZS_ATTACH_ERROR_version, 0, speaks_our_version },
	{ ZS_ATTACH_ERROR_drain, 0, is_not_draining },
	{ ZS_ATTACH_ERROR_denied, 0, is_admitted }, /* token, pq_required, psk too */
	{ ZS_ATTACH_ERROR_malformed, 0, asks_for_what_its_mode_has },
	{ ZS_ATTACH_ERROR_not_owner, 0, is_owner },
	{ ZS_ATTACH_ERROR_internal, BUSY_MS, can_hand_keys_over },
	{ ZS_ATTACH_ERROR_busy, BUSY_MS, has_dataplane },
	{ ZS_ATTACH_ERROR_busy, BUSY_MS, is_within_owners_rate },
	{ ZS_ATTACH_ERROR_quota, SPENT_MS, bytes_are_left },
	{ ZS_ATTACH_ERROR_quota, BUSY_MS, attachments_are_left },
	{ ZS_ATTACH_ERROR_quota, BUSY_MS, sessions_are_left },
	{ ZS_ATTACH_ERROR_quota, BUSY_MS, prefix_has_room },
};

static bool judge(const struct hearing *h, struct refusal *r)
{
	for (size_t i = 0; i < ZS_ARRAY_LEN(checks); i++) {
		*r = (struct refusal){ .code = checks[i].code, .retry_ms = checks[i].retry_ms };
		if (!checks[i].passes(h, r))
			return false;
	}
	return true;
}

/* --- the way of a Hello ----------------------------------------------------------------------- */

static void challenge(struct zs_attach *s, struct zs_attach_conn *conn, struct slot *slot,
		      const struct zs_span *whole)
{
	slot->rival = conn;
	conn->slot = slot;
	conn->state = CONN_PROBING;
	zs_attach_wake_conn(s, conn, s->now_ns + ZS_ATTACH_PROBE_NS);
	zs_attach_conn_hold(conn, whole->bytes, whole->len);
	s->ops->probe(s->shell, slot->conn->peer.link);
}

static bool is_rival(const struct zs_attach_conn *conn, const struct slot *slot)
{
	return slot && slot->conn && memcmp(slot->conn->instance, conn->instance, sizeof(conn->instance));
}

void zs_attach_hello_take(struct zs_attach *s, struct zs_attach_conn *conn, const struct zs_attach_frame *f,
			  const struct zs_span *raw, const struct zs_span *whole)
{
	struct slot *slot = zs_attach_slot_of(s, &conn->peer.id);
	struct admission who;
	struct refusal r;

	if (!judge(&(struct hearing){ s, conn, &f->hello, slot, &who }, &r)) {
		refuse_hello(s, conn, f->id, &r);
		return;
	}
	memcpy(conn->instance, f->hello.instance.bytes, sizeof(conn->instance));
	if (is_rival(conn, slot)) {
		challenge(s, conn, slot, whole);
		return;
	}
	r = (struct refusal){ .code = zs_attach_grant(s, conn, slot, f, raw, &who), .retry_ms = BUSY_MS };
	if (r.code == ZS_ATTACH_ERROR_quota)
		is_below(&r, "relay", s->counts.attachments, s->shm.attachments - 1);
	if (r.code)
		refuse_hello(s, conn, f->id, &r);
}

static void take_over(struct zs_attach *s, struct slot *slot)
{
	if (!slot->conn)
		return;
	s->counts.superseded++;
	zs_attach_session_end(s, slot, &slot->before); /* nothing of the older instance is fallen back to */
	zs_attach_send_notice(s, slot->conn, ZS_ATTACH_NOTICE_superseded, 0, NULL);
	if (slot->conn)
		zs_attach_conn_close(s, slot->conn, "a newer instance took over");
}

void zs_attach_hello_judged(struct zs_attach *s, struct zs_attach_conn *conn, bool old_lives)
{
	struct held *kept = conn->held;
	struct slot *slot = conn->slot;
	struct zs_attach_frame f = { 0 };
	struct zs_span raw, whole = { .bytes = kept->bytes, .len = kept->len };
	struct refusal r = { ZS_ATTACH_ERROR_instance_limit, "instances", 1, 1, .retry_ms = INSTANCE_MS };

	conn->held = NULL;
	conn->slot = NULL;
	conn->state = CONN_NEW;
	slot->rival = NULL;
	ZS_CHECK(!zs_attach_decode(&f, whole.bytes, whole.len, &raw), "it was read before");
	if (old_lives) {
		refuse_hello(s, conn, f.id, &r);
	} else {
		take_over(s, slot);
		zs_attach_hello_take(s, conn, &f, &raw, &whole); /* judged again: much may have changed */
	}
	free(kept);
}
