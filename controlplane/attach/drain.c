/* The attach server's part of a drain: whom it tells, whom it ends. Who may come is judged by hello.c. */
#include "attach/internal.h"

uint32_t zs_attach_edges(const struct zs_attach *s)
{
	uint32_t n = 0;

	for (const struct zs_attach_conn *c = s->conns; c; c = c->next)
		n += c->state == CONN_ATTACHED || c->state == CONN_GRANTED;
	return n;
}

void zs_attach_drain_tell(struct zs_attach *s, struct zs_attach_conn *conn)
{
	uint64_t left_ms = s->drain_until_ns > s->now_ns ? (s->drain_until_ns - s->now_ns) / ZS_NS_PER_MS : 0;

	if (s->draining)
		zs_attach_send_notice(s, conn, ZS_ATTACH_NOTICE_drain, (uint32_t)left_ms, NULL);
}

void zs_attach_drain(struct zs_attach *s, uint32_t in_ms, uint64_t now)
{
	zs_attach_set_now(s, now);
	s->draining = true;
	s->drain_until_ns = s->now_ns + in_ms * ZS_NS_PER_MS;
	for (struct zs_attach_conn *c = s->conns; c; c = c->next)
		if (c->state == CONN_ATTACHED)
			zs_attach_drain_tell(s, c);
}

/* Attachments keep their leases: their owners have their ports back when the drain is lifted in time. */
void zs_attach_drained(struct zs_attach *s, uint64_t now)
{
	struct zs_attach_frame f = { .kind = ZS_ATTACH_DETACH,
				     .detach = { .reason = ZS_ATTACH_CLOSE_drain } };

	zs_attach_set_now(s, now);
	s->draining = true;
	s->drain_until_ns = s->now_ns;
	for (uint32_t id = 1; id < s->high; id++) {
		struct slot *slot = s->slot[id];
		struct zs_attach_conn *conn = slot->conn;

		if (!slot->kept.owner.len)
			continue;
		if (conn && conn->state == CONN_ATTACHED)
			zs_attach_send(s, conn, &f);
		if (slot->rival)
			zs_attach_conn_close(s, slot->rival, "the relay has drained");
		zs_attach_sessions_end(s, slot);
		if (slot->conn)
			zs_attach_conn_close(s, slot->conn, "the relay has drained");
	}
}

void zs_attach_undrain(struct zs_attach *s)
{
	s->draining = false;
}
