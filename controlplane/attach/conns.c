/* Connections: from the shell's word that one is there to its word that it is gone. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include "attach/internal.h"

#define SPARE 1024 /* connections without an attachment, beside two for each with one */

bool zs_attach_rate(const struct zs_attach *s, struct zs_gcra *bucket, uint32_t burst)
{
	const struct zs_gcra_rate rate = { .interval = ZS_NS_PER_S << ZS_GCRA_SHIFT,
					   .burst_ns = burst * ZS_NS_PER_S };

	return zs_gcra_allow(bucket, &rate, s->now_ns, 1);
}

void zs_attach_conn_hold(struct zs_attach_conn *conn, const void *bytes, size_t len)
{
	struct held *h = malloc(sizeof(*h) + len), **at = &conn->held;

	ZS_CHECK(h, "out of memory");
	h->next = NULL;
	h->len = len;
	memcpy(h->bytes, bytes, len);
	while (*at)
		at = &(*at)->next;
	*at = h;
}

void zs_attach_conn_drop_held(struct zs_attach_conn *conn)
{
	while (conn->held) {
		struct held *h = conn->held;

		conn->held = h->next;
		free(h);
	}
}

void zs_attach_slot_lease(struct zs_attach *s, struct slot *slot)
{
	slot->lease_ns = s->now_ns + (uint64_t)conf_of(s)->lease_s * ZS_NS_PER_S;
	zs_attach_wake_slot(s, slot, slot->lease_ns);
}

/* The newest connection went before its session was proven: the one before it serves on, if it is still open. */
static bool fall_back(struct zs_attach *s, struct slot *slot)
{
	struct live failed = slot->now;

	if (failed.proven || !slot->before.conn)
		return false;
	slot->conn = slot->before.conn;
	slot->now = slot->before;
	slot->before = failed;
	zs_attach_session_end(s, slot, &slot->before);
	zs_attach_wake_slot(s, slot, s->now_ns); /* it may have been unproven itself */
	s->ops->probe(s->shell, slot->conn->peer.link);
	return true;
}

/* The connection is nothing to its attachment any more. */
static void detach(struct zs_attach *s, struct zs_attach_conn *conn)
{
	struct slot *slot = conn->slot;

	zs_attach_conn_drop_held(conn);
	conn->slot = NULL;
	if (!slot)
		return;
	if (slot->now.conn == conn)
		slot->now.conn = NULL;
	if (slot->before.conn == conn)
		slot->before.conn = NULL;
	if (slot->rival == conn)
		slot->rival = NULL;
	if (slot->conn != conn || fall_back(s, slot))
		return;
	slot->conn = NULL;
	zs_attach_slot_lease(s, slot);
	if (slot->rival) /* what it waited for is known: soon, not from inside of here */
		zs_attach_wake_conn(s, slot->rival, s->now_ns);
}

void zs_attach_conn_close(struct zs_attach *s, struct zs_attach_conn *conn, const char *why)
{
	if (conn->state == CONN_CLOSING)
		return;
	conn->state = CONN_CLOSING;
	zs_attach_wake_conn(s, conn, NEVER);
	detach(s, conn);
	s->ops->close(s->shell, conn->peer.link, why);
}

struct zs_attach_conn *zs_attach_opened(struct zs_attach *s, const struct zs_attach_peer *peer, uint64_t now)
{
	struct zs_attach_conn *conn;

	zs_attach_set_now(s, now);
	if (s->counts.connections >= 2 * conf_of(s)->attachments + SPARE)
		return NULL;
	if (zs_deadlines_reserve(&s->conn_timers, s->counts.connections + 1) ||
	    !(conn = zs_budget_calloc(&s->c->memory[ZS_MEMORY_attach], 1, sizeof(*conn))))
		return NULL;
	conn->peer = *peer;
	snprintf(conn->group, sizeof(conn->group), "%s", peer->group);
	conn->peer.group = conn->group;
	conn->prefix = zs_addr_site(&peer->remote.addr);
	zs_attach_wake_conn(s, conn, s->now_ns + ZS_ATTACH_HELLO_NS);
	conn->next = s->conns;
	conn->link = &s->conns;
	if (s->conns)
		s->conns->link = &conn->next;
	s->conns = conn;
	s->counts.connections++;
	return conn;
}

void zs_attach_conn_forget(struct zs_attach *s, struct zs_attach_conn *conn)
{
	zs_attach_wake_conn(s, conn, NEVER);
	*conn->link = conn->next;
	if (conn->next)
		conn->next->link = conn->link;
	s->counts.connections--;
	zs_budget_free(&s->c->memory[ZS_MEMORY_attach], conn);
}

void zs_attach_closed(struct zs_attach *s, struct zs_attach_conn *conn, uint64_t now)
{
	zs_attach_set_now(s, now);
	if (conn->state == CONN_ATTACHED && conn->slot && conn->slot->conn == conn)
		ZS_LOG(&s->c->log, DETACHED, "attachment=%u cause=\"connection closed\"", conn->slot->id);
	detach(s, conn);
	zs_attach_conn_forget(s, conn);
}

void zs_attach_alive(struct zs_attach *s, struct zs_attach_conn *conn, uint64_t now)
{
	struct slot *slot = conn->slot;

	zs_attach_set_now(s, now);
	if (!slot || slot->conn != conn || conn->state != CONN_ATTACHED)
		return;
	if (slot->now.conn == conn)
		zs_attach_session_pinged(s, slot);
	if (slot->rival)
		zs_attach_hello_judged(s, slot->rival, true);
}
