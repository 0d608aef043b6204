/* The client's ops turned into the host's calls, the host's upcalls into the client's reports. A link's slot is free as
 * soon as the client gave it up; its connection may then live a little longer, unknown here. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include "base/check.h"
#include "base/clock.h"
#include "node/edge_internal.h"

#define PROVE_NS (5 * ZS_NS_PER_S)

/* --- links ------------------------------------------------------------------------------------ */

static struct edge_link *link_of(struct zs_edge *e, uint32_t number)
{
	for (int i = 0; i < EDGE_LINKS; i++)
		if (e->link[i].number == number)
			return &e->link[i];
	return NULL;
}

void edge_fail(struct edge_link *l, enum zs_attach_state end, const char *fmt, ...)
{
	char why[ZS_ATTACH_WHY];
	va_list ap;

	if (l->failed)
		return;
	va_start(ap, fmt);
	vsnprintf(why, sizeof(why), fmt, ap); /* may quote l->why */
	va_end(ap);
	memcpy(l->why, why, sizeof(why));
	l->failed = true;
	l->end = end;
}

void edge_tell_failures(struct zs_edge *e)
{
	for (int i = 0; i < EDGE_LINKS; i++) {
		struct edge_link gone = e->link[i];

		if (!gone.number || !gone.failed)
			continue;
		e->link[i] = (struct edge_link){ 0 };
		edge_dial_cancel(&gone, "given up");
		zs_attach_client_closed(e->client, gone.number, gone.end, gone.why, edge_now(e));
	}
}

/* --- the client's ops ------------------------------------------------------------------------- */

static void op_dial(void *ctx, uint32_t number, const struct zs_attach_target *target)
{
	struct zs_edge *e = ctx;
	struct edge_link *l = link_of(e, 0);

	ZS_CHECK(l, "a client has two links");
	*l = (struct edge_link){ .edge = e, .number = number, .target = *target };
	edge_dial(l);
}

static void on_ready(void *user, struct zs_host_stream *s)
{
	struct zs_edge *e = user;

	for (int i = 0; i < EDGE_LINKS; i++)
		if (e->link[i].number && e->link[i].stream == s)
			zs_attach_client_opened(e->client, e->link[i].number, edge_now(e));
}

static void on_data(void *user, struct zs_host_stream *s, const uint8_t *bytes, size_t len, bool fin)
{
	struct zs_edge *e = user;

	zs_host_stream_consume(s, len);
	for (int i = 0; i < EDGE_LINKS; i++) {
		struct edge_link *l = &e->link[i];

		if (!l->number || l->stream != s)
			continue;
		if (fin)
			edge_fail(l, ZS_ATTACH_STATE_error, "the relay ended the attach stream");
		zs_attach_client_bytes(e->client, l->number, bytes, len, edge_now(e));
		return;
	}
}

static void on_stream_closed(void *user, struct zs_host_stream *s, const struct zs_stream_end *why)
{
	struct zs_edge *e = user;

	for (int i = 0; i < EDGE_LINKS; i++) {
		struct edge_link *l = &e->link[i];

		if (!l->number || l->stream != s)
			continue;
		l->stream = NULL;
		if (why->fate == ZS_STREAM_NO_PROTOCOL)
			edge_fail(l, ZS_ATTACH_STATE_failed,
				  "that peer is no relay: it does not speak " ZS_ATTACH_PROTOCOL);
		else if (why->fate !=
			 ZS_STREAM_DISCONNECTED) /* else the connection's end follows, and says more */
			edge_fail(l, ZS_ATTACH_STATE_error, "%s", why->text);
	}
}

static void op_open(void *ctx, uint32_t number)
{
	static const char *const protocols[] = { ZS_ATTACH_PROTOCOL };
	static const struct zs_stream_ops ops = { .ready = on_ready,
						  .data = on_data,
						  .closed = on_stream_closed };
	struct zs_edge *e = ctx;
	struct edge_link *l = link_of(e, number);
	const struct zs_host_open ask = {
		.conn = l->conn, .protocols = protocols, .count = 1, .ops = &ops, .user = e
	};
	struct zs_error err = { 0 };

	if (zs_host_open(e->node.host, &ask, edge_now(e), &l->stream, &err)) {
		l->stream = NULL;
		edge_fail(l, ZS_ATTACH_STATE_error, "%s", err.text);
	}
}

static void op_send(void *ctx, uint32_t number, const void *bytes, size_t len)
{
	struct edge_link *l = link_of(ctx, number);

	if (!l->stream || zs_host_stream_write(l->stream, bytes, len) != (ssize_t)len)
		edge_fail(l, ZS_ATTACH_STATE_error, "the relay does not read what it is sent");
}

static void op_close(void *ctx, uint32_t number, const char *why)
{
	struct edge_link *l = link_of(ctx, number), gone;

	if (!l)
		return;
	gone = *l;
	*l = (struct edge_link){ 0 };
	edge_dial_cancel(&gone, why);
}

static void op_keep_alive(void *ctx, uint32_t number, uint64_t silence_ns)
{
	zs_host_conn_keep_alive(link_of(ctx, number)->conn, silence_ns);
}

static void op_export(void *ctx, uint32_t number, const char *label, const void *context, size_t context_len,
		      uint8_t *out, size_t out_len)
{
	zs_host_conn_export(link_of(ctx, number)->conn, label, context, context_len, out, out_len);
}

/* --- proof ------------------------------------------------------------------------------------ */

struct proof {
	struct zs_edge *edge;
	uint32_t number;
};

static void on_pong(void *user, uint64_t rtt_ns, const char *text)
{
	struct proof p = *(struct proof *)user;
	struct edge_link *l = link_of(p.edge, p.number);

	free(user);
	if (l && rtt_ns)
		zs_attach_client_proved(p.edge->client, p.number, edge_now(p.edge));
	else if (l)
		edge_fail(l, ZS_ATTACH_STATE_timeout, "the relay does not answer a ping: %s", text);
}

/* Without a data side a session is proven by a ping over its own connection and back. */
static void prove(struct edge_link *l)
{
	struct zs_edge *e = l->edge;
	struct proof *p = malloc(sizeof(*p));
	struct zs_error err = { .text = "out of memory" };

	if (p)
		*p = (struct proof){ .edge = e, .number = l->number };
	if (p && zs_host_conn_ping(l->conn, PROVE_NS, edge_now(e), on_pong, p, &err) == 0)
		return;
	free(p);
	edge_fail(l, ZS_ATTACH_STATE_error, "%s", err.text);
}

static void op_event(void *ctx, const struct zs_attach_event *event)
{
	struct zs_edge *e = ctx;

	e->config.event(e->config.ctx, event);
	if (event->kind == ZS_ATTACH_EVENT_GRANTED && !e->config.carries)
		prove(link_of(e, event->link));
}

void zs_edge_proved(struct zs_edge *e, uint32_t number)
{
	zs_attach_client_proved(e->client, number, edge_now(e));
	edge_turn(e);
}

void zs_edge_lost(struct zs_edge *e, uint32_t number, const char *why)
{
	struct edge_link *l = link_of(e, number);

	if (number && l)
		edge_fail(l, ZS_ATTACH_STATE_timeout, "%s", why);
	edge_turn(e);
}

const struct zs_attach_client_ops edge_client_ops = { .dial = op_dial,
						      .open = op_open,
						      .send = op_send,
						      .close = op_close,
						      .keep_alive = op_keep_alive,
						      .export = op_export,
						      .event = op_event };

/* --- the host's upcalls ----------------------------------------------------------------------- */

static bool admit(void *ctx, const struct zs_host_conn *conn)
{
	return zs_host_conn_is_dialled(conn);
}

static void connected(void *ctx, struct zs_host_conn *conn)
{
	struct zs_edge *e = ctx;

	for (int i = 0; i < EDGE_LINKS; i++)
		if (e->link[i].number && edge_dial_won(&e->link[i], conn))
			zs_attach_client_connected(e->client, e->link[i].number, zs_host_conn_peer(conn),
						   zs_host_conn_group(conn), edge_now(e));
}

static void disconnected(void *ctx, struct zs_host_conn *conn, const struct zs_host_close *why)
{
	struct zs_edge *e = ctx;

	for (int i = 0; i < EDGE_LINKS; i++) {
		struct edge_link *l = &e->link[i];

		if (!l->number)
			continue;
		if (l->conn == conn) {
			l->conn = NULL;
			l->stream = NULL;
			edge_fail(l,
				  why->by == ZS_HOST_BY_SILENCE ? ZS_ATTACH_STATE_timeout
								: ZS_ATTACH_STATE_error,
				  "%s", why->text);
		} else {
			edge_dial_lost(l, conn, why);
		}
	}
}

const struct zs_host_ops edge_host_ops = { .admit = admit,
					   .connected = connected,
					   .disconnected = disconnected };
