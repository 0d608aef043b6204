/* Frames that come in. */
#include <errno.h>
#include "attach/internal.h"

/* What breaks the protocol is answered so many times, then the connection ends. */
static void fault(struct zs_attach *s, struct zs_attach_conn *conn, uint64_t id, const char *text)
{
	struct refusal r = { .code = ZS_ATTACH_ERROR_malformed, .text = text };

	s->counts.refused[r.code]++;
	zs_attach_send_error(s, conn, id, &r);
	if (++conn->faults >= ZS_ATTACH_FAULTS)
		zs_attach_conn_close(s, conn, "malformed frames");
}

static void refuse(struct zs_attach *s, struct zs_attach_conn *conn, uint64_t id, const struct refusal *r)
{
	s->counts.refused[r->code]++;
	zs_attach_send_error(s, conn, id, r);
}

static void on_publish(struct zs_attach *s, struct zs_attach_conn *conn, const struct zs_attach_frame *f)
{
	struct zs_attach_frame answer = { .id = f->id, .kind = ZS_ATTACH_PORT };
	struct slot *slot = conn->slot;
	struct ports before = slot->kept.ports;

	if (slot->now.mode != ZS_SESSION_TUNNEL) {
		refuse(s, conn, f->id,
		       &(struct refusal){ .code = ZS_ATTACH_ERROR_denied, .text = "a socket has no ports" });
		return;
	}
	if (!zs_attach_rate(s, &conn->publishes, PUBLISH_BURST)) {
		refuse(
		    s, conn, f->id,
		    &(struct refusal){ .code = ZS_ATTACH_ERROR_busy, .scope = "publish", .retry_ms = 1000 });
		return;
	}
	zs_attach_port_publish(s, slot, &f->publish, &answer.port);
	if (answer.port.has_error) {
		s->counts.refused[answer.port.error.code]++;
	} else if (zs_attach_record_slot(s, slot, NULL)) {
		zs_attach_ports_undo(s, slot, &before);
		refuse(s, conn, f->id, &(struct refusal){ .code = ZS_ATTACH_ERROR_internal });
		return;
	}
	zs_attach_ports_keep(s, slot, &before);
	zs_attach_send(s, conn, &answer);
}

static void on_cid_ask(struct zs_attach *s, struct zs_attach_conn *conn, const struct zs_attach_frame *f)
{
	struct zs_attach_frame answer = { .id = f->id, .kind = ZS_ATTACH_CIDS_SENT };
	struct refusal r;

	if (!f->cid_ask.count)
		fault(s, conn, f->id, "none were asked for");
	else if (zs_attach_cids_ask(s, conn->slot, &f->cid_ask, &answer.cids, &r))
		zs_attach_send(s, conn, &answer);
	else
		refuse(s, conn, f->id, &r);
}

/* The edge goes: its session ends, its attachment keeps the lease. */
static void on_detach(struct zs_attach *s, struct zs_attach_conn *conn, const struct zs_attach_frame *f)
{
	struct slot *slot = conn->slot;

	ZS_LOG(&s->c->log, DETACHED, "attachment=%u cause=%s", slot->id,
	       zs_attach_name(ZS_ATTACH_TABLE_CLOSE, f->detach.reason));
	if (slot->conn == conn)
		zs_attach_sessions_end(s, slot);
	zs_attach_conn_close(s, conn, "detached");
}

/* A new connection of the attachment has no rate of its own. */
static bool is_within_rate(struct zs_attach *s, struct zs_attach_conn *conn, uint64_t id)
{
	struct refusal r = { .code = ZS_ATTACH_ERROR_busy, .scope = "frames", .limit = FRAMES_PER_S };
	struct zs_gcra_rate rate;

	zs_gcra_init(&rate, FRAMES_PER_S, FRAMES_BURST);
	if (zs_gcra_allow(&conn->slot->frames, &rate, s->now_ns, 1))
		return true;
	refuse(s, conn, id, &r);
	zs_attach_conn_close(s, conn, "too many frames");
	return false;
}

static void on_attached(struct zs_attach *s, struct zs_attach_conn *conn, const struct zs_attach_frame *f)
{
	if (!is_within_rate(s, conn, f->id))
		return;
	switch (f->kind) {
	case ZS_ATTACH_PUBLISH:
		on_publish(s, conn, f);
		break;
	case ZS_ATTACH_CID_ASK:
		on_cid_ask(s, conn, f);
		break;
	case ZS_ATTACH_DETACH:
		on_detach(s, conn, f);
		break;
	case ZS_ATTACH_ERROR: /* the edge could not use something: its matter */
		break;
	default:
		fault(s, conn, f->id, "no message of an edge");
	}
}

void zs_attach_receive(struct zs_attach *s, struct zs_attach_conn *conn, const void *bytes, size_t len,
		       uint64_t now)
{
	struct zs_span raw, whole = { .bytes = bytes, .len = len };
	struct zs_attach_frame f = { 0 };
	int rc;

	zs_attach_set_now(s, now);
	if (conn->state == CONN_CLOSING)
		return;
	rc = zs_attach_decode(&f, bytes, len, &raw);
	if (rc)
		fault(s, conn, f.id, rc == -EPROTONOSUPPORT ? "a message of unknown kind" : NULL);
	else if (f.kind == ZS_ATTACH_HELLO)
		zs_attach_hello_take(s, conn, &f, &raw, &whole);
	else if (conn->state == CONN_ATTACHED)
		on_attached(s, conn, &f);
	else
		fault(s, conn, f.id, "Hello comes first, then Grant");
}

void zs_attach_broken(struct zs_attach *s, struct zs_attach_conn *conn, uint64_t now)
{
	zs_attach_set_now(s, now);
	if (conn->state == CONN_CLOSING)
		return;
	fault(s, conn, 0, "the stream is no row of frames");
	zs_attach_conn_close(s, conn, "malformed stream");
}
