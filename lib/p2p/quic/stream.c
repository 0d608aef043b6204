/* Streams. Credit: the stream's window and the connection's grow by what is consumed; what was
 * delivered and never consumed goes back to the connection when the stream ends or is stopped (what was
 * not delivered ngtcp2 counts itself). The number of streams grows by one for each that the peer
 * opened and that is closed. Chunks stay until acknowledged, or until the stream is gone. */
#include <errno.h>
#include <stdlib.h>
#include "p2p/quic/internal.h"

static struct zs_quic_stream *new_stream(struct zs_quic_conn *conn, int64_t id, void *user)
{
	struct zs_quic_stream *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->conn = conn;
	s->id = id;
	s->user = user;
	s->queue = ZS_STREAM_QUEUES;
	TAILQ_INSERT_TAIL(&conn->streams, s, all);
	conn->stream_count++;
	return s;
}

void zs_stream_wait(struct zs_quic_stream *s, enum zs_stream_queue queue)
{
	if (s->queue != ZS_STREAM_QUEUES)
		TAILQ_REMOVE(&s->conn->queue[s->queue], s, waiting);
	s->queue = queue;
	if (queue != ZS_STREAM_QUEUES)
		TAILQ_INSERT_TAIL(&s->conn->queue[queue], s, waiting);
}

/* There is something to write; a stream that waits for the peer's window goes on waiting. */
static void make_ready(struct zs_quic_stream *s)
{
	if (s->queue == ZS_STREAM_QUEUES)
		zs_stream_wait(s, ZS_STREAM_READY);
	zs_conn_due(s->conn);
}

void zs_stream_free(struct zs_quic_stream *s)
{
	struct zs_quic_conn *conn = s->conn;

	zs_stream_wait(s, ZS_STREAM_QUEUES);
	TAILQ_REMOVE(&conn->streams, s, all);
	conn->stream_count--;
	conn->buffered -= s->out.written - s->out.acked;
	zs_sendbuf_free(&s->out);
	free(s);
}

static void credit_connection(struct zs_quic_stream *s)
{
	ngtcp2_conn_extend_max_offset(s->conn->ng, s->unconsumed);
	s->unconsumed = 0;
	zs_conn_due(s->conn);
}

/* --- what ngtcp2 tells ---------------------------------------------------------------------- */

int zs_stream_on_open(ngtcp2_conn *ng, int64_t id, void *user)
{
	struct zs_quic_conn *conn = user;
	struct zs_quic_stream *s = new_stream(conn, id, NULL);

	if (!s || ngtcp2_conn_set_stream_user_data(ng, id, s) != 0)
		return NGTCP2_ERR_CALLBACK_FAILURE;
	s->shut = !ngtcp2_is_bidi_stream(id);
	zs_conn_announce(conn);
	conn->q->ops.opened(conn->q->ctx, s);
	return 0;
}

int zs_stream_on_data(ngtcp2_conn *ng, uint32_t flags, int64_t id, uint64_t offset, const uint8_t *data,
		      size_t len, void *user, void *stream)
{
	struct zs_quic_conn *conn = user;
	struct zs_quic_stream *s = stream;

	s->unconsumed += len;
	if (s->deaf)
		credit_connection(s);
	else
		conn->q->ops.data(conn->q->ctx, s, data, len, flags & NGTCP2_STREAM_DATA_FLAG_FIN);
	return 0;
}

int zs_stream_on_acked(ngtcp2_conn *ng, int64_t id, uint64_t offset, uint64_t len, void *user, void *stream)
{
	struct zs_quic_conn *conn = user;
	struct zs_quic_stream *s = stream;

	conn->buffered -= len;
	zs_sendbuf_acked(&s->out, offset + len);
	if (s->hungry && !s->shut && s->out.written - s->out.acked <= conn->q->config.send_buffer / 2) {
		s->hungry = false;
		conn->q->ops.writable(conn->q->ctx, s);
	}
	return 0;
}

int zs_stream_on_close(ngtcp2_conn *ng, uint32_t flags, int64_t id, uint64_t code, void *user, void *stream)
{
	struct zs_quic_conn *conn = user;
	struct zs_quic_stream *s = stream;

	credit_connection(s);
	if (!ngtcp2_conn_is_local_stream(ng, id)) {
		if (ngtcp2_is_bidi_stream(id))
			ngtcp2_conn_extend_max_streams_bidi(ng, 1);
		else
			ngtcp2_conn_extend_max_streams_uni(ng, 1);
	}
	conn->q->ops.stream_closed(conn->q->ctx, s);
	zs_stream_free(s);
	return 0;
}

int zs_stream_on_reset(ngtcp2_conn *ng, int64_t id, uint64_t size, uint64_t code, void *user, void *stream)
{
	struct zs_quic_conn *conn = user;
	struct zs_quic_stream *s = stream;

	if (!s->deaf)
		conn->q->ops.reset(conn->q->ctx, s, code);
	return 0;
}

int zs_stream_on_window(ngtcp2_conn *ng, int64_t id, uint64_t max, void *user, void *stream)
{
	struct zs_quic_stream *s = stream;

	if (s && s->queue == ZS_STREAM_STUCK) {
		zs_stream_wait(s, ZS_STREAM_READY);
		zs_conn_due(s->conn);
	}
	return 0;
}

/* --- what the application asks -------------------------------------------------------------- */

int zs_quic_open(struct zs_quic_conn *conn, void *user, struct zs_quic_stream **out)
{
	struct zs_quic_stream *s;
	int rv;

	if (!conn->established || conn->closing || conn->ended)
		return -ENOTCONN;
	s = new_stream(conn, -1, user);
	if (!s)
		return -ENOMEM;
	rv = ngtcp2_conn_open_bidi_stream(conn->ng, &s->id, s);
	if (rv != 0) {
		zs_stream_free(s);
		conn->wants_streams |= rv == NGTCP2_ERR_STREAM_ID_BLOCKED;
		return rv == NGTCP2_ERR_STREAM_ID_BLOCKED ? -EAGAIN : -ENOMEM;
	}
	*out = s;
	return 0;
}

size_t zs_quic_stream_room(const struct zs_quic_stream *s)
{
	uint64_t held = s->out.written - s->out.acked, most = s->conn->q->config.send_buffer;
	return s->shut || s->fin || held >= most ? 0 : (size_t)(most - held);
}

ssize_t zs_quic_write(struct zs_quic_stream *s, const void *bytes, size_t len)
{
	size_t room = zs_quic_stream_room(s), n;

	if (s->shut || s->fin || s->conn->ended)
		return -EPIPE;
	n = zs_sendbuf_add(&s->out, bytes, len < room ? len : room);
	s->conn->buffered += n;
	s->hungry = n < len;
	if (n)
		make_ready(s);
	return (ssize_t)n;
}

void zs_quic_fin(struct zs_quic_stream *s)
{
	if (s->shut || s->fin || s->conn->ended)
		return;
	s->fin = true;
	make_ready(s);
}

void zs_quic_reset(struct zs_quic_stream *s, uint64_t code)
{
	if (s->shut || s->conn->ended)
		return;
	s->shut = true;
	zs_stream_wait(s, ZS_STREAM_QUEUES);
	ngtcp2_conn_shutdown_stream_write(s->conn->ng, 0, s->id, code);
	zs_conn_due(s->conn);
}

void zs_quic_stop(struct zs_quic_stream *s, uint64_t code)
{
	if (s->deaf || s->conn->ended)
		return;
	s->deaf = true;
	credit_connection(s);
	ngtcp2_conn_shutdown_stream_read(s->conn->ng, 0, s->id, code);
}

void zs_quic_consume(struct zs_quic_stream *s, size_t len)
{
	uint64_t n = len < s->unconsumed ? len : s->unconsumed;

	if (!n || s->conn->ended)
		return;
	s->unconsumed -= n;
	ngtcp2_conn_extend_max_stream_offset(s->conn->ng, s->id, n);
	ngtcp2_conn_extend_max_offset(s->conn->ng, n);
	zs_conn_due(s->conn);
}

struct zs_quic_conn *zs_quic_stream_conn(const struct zs_quic_stream *s)
{
	return s->conn;
}

int64_t zs_quic_stream_id(const struct zs_quic_stream *s)
{
	return s->id;
}

bool zs_quic_stream_is_ours(const struct zs_quic_stream *s)
{
	return (s->id & 1) == !s->conn->dialled;
}

void *zs_quic_stream_user(const struct zs_quic_stream *s)
{
	return s->user;
}

void zs_quic_stream_set_user(struct zs_quic_stream *s, void *user)
{
	s->user = user;
}
