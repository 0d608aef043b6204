/* QUIC under the host: its upcalls turned into the host's, and the few calls the host makes. Nothing else
 * of the host knows what carries a connection, but for its turn of the loop. */
#include <errno.h>
#include <stdio.h>
#include "p2p/host/internal.h"

/* --- what comes up -------------------------------------------------------------------------- */

/* What was counted for an arrival that came to nothing. */
static void forget_arrival(struct zs_host *h)
{
	if (h->arriving_counted)
		zs_limits_conn_close(h->limits, &h->arriving);
	h->arriving_counted = false;
}

/* Counted here, where a refusal can still be answered without state; `accepted` follows at once. */
static enum zs_quic_verdict on_incoming(void *ctx, const struct zs_quic_incoming *in)
{
	struct zs_host *h = ctx;
	struct zs_refusal why = { 0 };
	enum zs_arrival_why reason;
	enum zs_arrival arrival = zs_prefix_judge(&h->prefix, &in->peer->addr, in->validated, in->handshakes,
						  h->now, &reason);

	if (arrival == ZS_ARRIVAL_RETRY)
		return ZS_QUIC_RETRY;
	forget_arrival(h);
	if (!h->down && arrival == ZS_ARRIVAL_ACCEPT) {
		h->arriving_counted = zs_limits_conn_open(h->limits, &h->arriving, ZS_IN, h->now, &why) == 0;
		if (!h->arriving_counted)
			zs_host_refused_by(h, NULL, &why);
	}
	h->stats.refused_arrivals += !h->arriving_counted;
	return h->arriving_counted ? ZS_QUIC_ACCEPT : ZS_QUIC_REFUSE;
}

static void on_accepted(void *ctx, struct zs_quic_conn *link)
{
	struct zs_host *h = ctx;
	struct zs_host_conn *c = zs_hconn_new(h, false);

	if (!c) {
		forget_arrival(h);
		zs_quic_close(link, ZS_HOST_RESOURCES, "out of memory");
		return;
	}
	c->limits = h->arriving;
	c->counted = h->arriving_counted;
	h->arriving_counted = false;
	c->link = link;
	zs_quic_set_user(link, c);
}

static void on_established(void *ctx, struct zs_quic_conn *link)
{
	struct zs_host_conn *c = zs_quic_user(link);

	if (!c)
		return;
	c->id = *zs_quic_peer(link);
	zs_hconn_up(c);
}

static void on_closed(void *ctx, struct zs_quic_conn *link, const struct zs_quic_close *why)
{
	struct zs_host_conn *c = zs_quic_user(link);
	bool quiet = why->end == ZS_QUIC_END_IDLE || why->end == ZS_QUIC_END_SLOW;
	char text[ZS_QUIC_REASON + 48];

	if (!c)
		return;
	const char *reason = *why->reason	? why->reason
			     : why->application ? zs_host_code_text(why->code)
						: "no reason was given";
	if (why->end == ZS_QUIC_END_REMOTE)
		snprintf(text, sizeof(text), "closed by the peer (%#llx): %s", (unsigned long long)why->code,
			 reason);
	else
		snprintf(text, sizeof(text), "%s", reason);
	zs_hconn_down(c, &(struct zs_host_close){ .by = why->end == ZS_QUIC_END_LOCAL ? ZS_HOST_BY_US
							: quiet			      ? ZS_HOST_BY_SILENCE
										      : ZS_HOST_BY_PEER,
						  .application = why->application,
						  .code = why->code,
						  .text = text });
}

static void on_memory(void *ctx, struct zs_quic_conn *link, uint64_t bytes)
{
	struct zs_host_conn *c = zs_quic_user(link);

	if (c)
		zs_hconn_weigh(c, bytes);
}

static void on_streams_left(void *ctx, struct zs_quic_conn *link)
{
	struct zs_host_conn *c = zs_quic_user(link);

	if (c)
		zs_hconn_more(c);
}

static void on_opened(void *ctx, struct zs_quic_stream *link)
{
	struct zs_host_conn *c = zs_quic_user(zs_quic_stream_conn(link));
	uint64_t code = ZS_HOST_RESOURCES + 1;
	struct zs_host_stream *s = c && c->announced ? zs_hstream_accept(c, link, &code) : NULL;

	zs_quic_stream_set_user(link, s);
	if (!s) {
		zs_quic_reset(link, code);
		zs_quic_stop(link, code);
	}
}

static void on_data(void *ctx, struct zs_quic_stream *link, const uint8_t *bytes, size_t len, bool fin)
{
	struct zs_host_stream *s = zs_quic_stream_user(link);

	if (s)
		zs_hstream_data(s, bytes, len, fin);
}

static void on_writable(void *ctx, struct zs_quic_stream *link)
{
	struct zs_host_stream *s = zs_quic_stream_user(link);

	if (s)
		zs_hstream_writable(s);
}

static void on_reset(void *ctx, struct zs_quic_stream *link, uint64_t code)
{
	struct zs_host_stream *s = zs_quic_stream_user(link);

	if (s)
		zs_hstream_reset_by_peer(s, code);
	else
		zs_quic_reset(link, code);
}

static void on_stopped(void *ctx, struct zs_quic_stream *link)
{
	struct zs_host_stream *s = zs_quic_stream_user(link);

	if (s)
		zs_hstream_stopped(s);
}

static void on_stream_closed(void *ctx, struct zs_quic_stream *link)
{
	struct zs_host_stream *s = zs_quic_stream_user(link);

	if (s)
		zs_hstream_gone(s);
}

static int64_t on_wall(void *ctx)
{
	struct zs_host *h = ctx;
	return h->ops.wall(h->ctx);
}

static void on_qlog(void *ctx, struct zs_quic_conn *link, const void *bytes, size_t len, bool last)
{
	struct zs_host *h = ctx;

	if (h->ops.qlog)
		h->ops.qlog(h->ctx, link, bytes, len, last);
}

const struct zs_quic_ops zs_link_ops = {
	.incoming = on_incoming,
	.accepted = on_accepted,
	.established = on_established,
	.closed = on_closed,
	.streams_left = on_streams_left,
	.memory = on_memory,
	.opened = on_opened,
	.data = on_data,
	.writable = on_writable,
	.reset = on_reset,
	.stopped = on_stopped,
	.stream_closed = on_stream_closed,
	.wall = on_wall,
	.qlog = on_qlog,
};

/* --- what goes down ------------------------------------------------------------------------- */

const void *zs_host_conn_which(const struct zs_host_conn *conn)
{
	return conn->link;
}

void zs_host_set_qlog(struct zs_host *h, bool on)
{
	zs_quic_set_qlog(h->quic, on && h->ops.qlog);
}

int zs_link_dial(struct zs_host_conn *c)
{
	struct zs_host *h = c->host;
	const struct zs_quic_dial dial = {
		.remote = c->target, .peer = c->id.len ? &c->id : NULL, .hybrid = h->config.hybrid, .user = c
	};

	return zs_quic_dial(h->quic, &dial, h->now, &c->link);
}

void zs_link_close(struct zs_host_conn *c, uint64_t code, const char *text)
{
	zs_quic_close(c->link, code, text);
}

void zs_link_keep_alive(struct zs_host_conn *c, uint64_t silence_ns)
{
	zs_quic_keep_alive(c->link, silence_ns);
}

void zs_link_view(const struct zs_host_conn *c, struct zs_host_conn_view *out)
{
	struct zs_quic_conn_stats stats;

	zs_quic_conn_stats(c->link, &stats);
	out->transport = "quic-v1";
	out->group = zs_quic_group(c->link);
	out->remote = zs_quic_remote(c->link);
	out->local = zs_quic_local(c->link);
	out->rtt_ns = stats.rtt_ns;
	out->rx_bytes = stats.rx_bytes;
	out->tx_bytes = stats.tx_bytes;
	out->credit = stats.connection_credit;
	out->streams_left = stats.streams_left;
	out->buffered = stats.buffered;
}

struct zs_endpoint zs_host_conn_remote(const struct zs_host_conn *c)
{
	return zs_quic_remote(c->link);
}

const char *zs_host_conn_group(const struct zs_host_conn *c)
{
	return zs_quic_group(c->link);
}

void zs_host_conn_export(const struct zs_host_conn *c, const char *label, const void *context,
			 size_t context_len, uint8_t *out, size_t out_len)
{
	zs_quic_export(c->link, label, context, context_len, out, out_len);
}

int zs_link_open(struct zs_host_stream *s)
{
	return zs_quic_open(s->conn->link, s, &s->link_stream);
}

ssize_t zs_link_write(struct zs_host_stream *s, const void *bytes, size_t len)
{
	return zs_quic_write(s->link_stream, bytes, len);
}

size_t zs_link_room(const struct zs_host_stream *s)
{
	return zs_quic_stream_room(s->link_stream);
}

uint64_t zs_link_held(const struct zs_host_stream *s)
{
	size_t room = zs_quic_stream_room(s->link_stream);

	return s->host->config.quic.send_buffer - room;
}

void zs_link_fin(struct zs_host_stream *s)
{
	zs_quic_fin(s->link_stream);
}

void zs_link_reset(struct zs_host_stream *s, uint64_t code)
{
	zs_quic_reset(s->link_stream, code);
	zs_quic_stop(s->link_stream, code);
}

void zs_link_consume(struct zs_host_stream *s, size_t len)
{
	zs_quic_consume(s->link_stream, len);
}
