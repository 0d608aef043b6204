/* Hello: may this peer attach, and is it the one that is attached already? A Hello of another instance waits
 * until the old connection has shown whether it lives. */
#include <stdlib.h>
#include "attach/internal.h"
#include "shm/fault.h"

#define BUSY_MS	    1000
#define INSTANCE_MS 5000

void zs_attach_hello_refuse(struct zs_attach *s, struct zs_attach_conn *conn, uint64_t id,
			    const struct refusal *r)
{
	char peer[ZS_PEER_ID_TEXT];

	s->counts.refused[r->code]++;
	ZS_LOG(&s->c->log, ATTACH_REFUSED, "peer=%s error=%s scope=\"%s\"",
	       zs_peer_id_format(&conn->peer.id, peer), zs_attach_name(ZS_ATTACH_TABLE_ERROR, r->code),
	       r->scope ? r->scope : "");
	zs_attach_send_error(s, conn, id, r);
	if (r->code == ZS_ATTACH_ERROR_drain)
		zs_attach_send_notice(s, conn, ZS_ATTACH_NOTICE_drain, 0, NULL);
	if (++conn->faults >= ZS_ATTACH_FAULTS)
		zs_attach_conn_close(s, conn, "refused too often");
	else if (conn->state == CONN_NEW)
		zs_attach_wake_conn(s, conn->due_ns = s->now_ns + ZS_ATTACH_HELLO_NS);
}

static bool is_owner(const zs_pb_Hello *h, const struct slot *slot)
{
	return !h->has_resume ||
	       (slot && h->resume.attachment == slot->id && h->resume.generation == slot->generation);
}

/* Whoever has a session may always make the next one: that ends the one before. */
static bool has_room(struct zs_attach *s, const struct zs_attach_conn *conn, const struct slot *slot,
		     struct refusal *r)
{
	const struct zs_conf_attach *a = conf_of(s);
	uint32_t near = a->per_prefix ? zs_attach_slots_near(s, conn) : 0;

	if (!slot && s->counts.attachments >= a->attachments)
		*r = (struct refusal){ .code = ZS_ATTACH_ERROR_quota,
				       .scope = "attachments",
				       .current = s->counts.attachments,
				       .limit = a->attachments };
	else if ((!slot || slot->now.at == ZS_SESSION_NONE) && s->counts.sessions >= a->sessions)
		*r = (struct refusal){ .code = ZS_ATTACH_ERROR_quota,
				       .scope = "sessions",
				       .current = s->counts.sessions,
				       .limit = a->sessions };
	else if (a->per_prefix && near >= a->per_prefix)
		*r = (struct refusal){ .code = ZS_ATTACH_ERROR_quota,
				       .scope = "prefix",
				       .current = near,
				       .limit = a->per_prefix };
	else
		return true;
	r->retry_ms = BUSY_MS;
	return false;
}

static bool judge(struct zs_attach *s, struct zs_attach_conn *conn, const zs_pb_Hello *h, struct slot *slot,
		  struct admission *who, struct refusal *r)
{
	*r = (struct refusal){ .code = ZS_ATTACH_ERROR_busy, .retry_ms = BUSY_MS };
	if (h->version != ZS_ATTACH_VERSION)
		*r = (struct refusal){ .code = ZS_ATTACH_ERROR_version, .limit = ZS_ATTACH_VERSION };
	else if (s->draining)
		*r = (struct refusal){ .code = ZS_ATTACH_ERROR_drain };
	else if (!zs_attach_policy_admits(s, conn, h, who, r))
		return false;
	else if (h->mode == ZS_ATTACH_MODE_socket && h->publish_count)
		*r = (struct refusal){ .code = ZS_ATTACH_ERROR_malformed, .text = "a socket has no ports" };
	else if (!is_owner(h, slot))
		*r = (struct refusal){ .code = ZS_ATTACH_ERROR_not_owner };
	else if (zs_segment_faulted(&s->shm.seg)) /* keys would reach nobody */
		*r = (struct refusal){ .code = ZS_ATTACH_ERROR_internal, .retry_ms = BUSY_MS };
	else if (!s->incarnation)
		r->text = "the relay's dataplane does not run";
	else if (slot && (slot->rival || !zs_attach_rate(s, &slot->hellos, HELLO_BURST)))
		r->scope = "owner";
	else
		return has_room(s, conn, slot, r);
	return false;
}

static void challenge(struct zs_attach *s, struct zs_attach_conn *conn, struct slot *slot,
		      const struct zs_span *whole)
{
	slot->rival = conn;
	conn->slot = slot;
	conn->state = CONN_PROBING;
	conn->due_ns = s->now_ns + ZS_ATTACH_PROBE_NS;
	zs_attach_wake_conn(s, conn->due_ns);
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
	struct refusal r = { .code = ZS_ATTACH_ERROR_second_hello };
	struct admission who;

	if (conn->state != CONN_NEW || !judge(s, conn, &f->hello, slot, &who, &r)) {
		zs_attach_hello_refuse(s, conn, f->id, &r);
		return;
	}
	memcpy(conn->instance, f->hello.instance.bytes, sizeof(conn->instance));
	if (is_rival(conn, slot)) {
		challenge(s, conn, slot, whole);
		return;
	}
	r = (struct refusal){ .scope = "relay",
			      .current = s->counts.attachments,
			      .limit = s->shm.attachments - 1,
			      .retry_ms = BUSY_MS };
	r.code = zs_attach_grant(s, conn, slot, f, raw, &who);
	if (r.code)
		zs_attach_hello_refuse(s, conn, f->id, &r);
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
		zs_attach_hello_refuse(s, conn, f.id, &r);
	} else {
		take_over(s, slot);
		zs_attach_hello_take(s, conn, &f, &raw, &whole); /* judged again: much may have changed */
	}
	free(kept);
}
