/* One datagram of a connection: frames of as many ready streams as fit, then whatever else ngtcp2 has
 * to say. A stream that filled a datagram goes to the end of the queue. */
#include "p2p/quic/internal.h"

#define PIECES 8

static void wrote(struct zs_quic_stream *s, size_t len, bool with_fin, size_t offered)
{
	zs_sendbuf_sent(&s->out, len);
	s->fin_sent |= with_fin && len == offered;
	bool done = s->out.sent == s->out.written && (!s->fin || s->fin_sent);
	zs_stream_wait(s, done ? ZS_STREAM_QUEUES : ZS_STREAM_READY);
}

/* The stream to write next, NULL when there is none that could. */
static struct zs_quic_stream *pick(struct zs_quic_conn *conn, bool out_of_credit)
{
	struct zs_quic_stream *s;

	TAILQ_FOREACH(s, &conn->queue[ZS_STREAM_READY], waiting)
	if (!out_of_credit || s->out.sent == s->out.written) /* a bare FIN needs no credit */
		return s;
	return NULL;
}

ngtcp2_ssize zs_conn_write(struct zs_quic_conn *conn, ngtcp2_path *path, ngtcp2_pkt_info *info, uint8_t *buf,
			   size_t capacity)
{
	bool out_of_credit = conn->established && ngtcp2_conn_get_max_data_left(conn->ng) == 0;

	for (;;) {
		struct zs_quic_stream *s = conn->established ? pick(conn, out_of_credit) : NULL;
		uint32_t flags = s ? NGTCP2_WRITE_STREAM_FLAG_MORE : 0;
		ngtcp2_ssize taken = -1, n;
		ngtcp2_vec piece[PIECES];
		size_t offered = 0, pieces = s ? zs_sendbuf_peek(&s->out, piece, PIECES, &offered) : 0;
		bool fin = s && s->fin && s->out.sent + offered == s->out.written;

		if (fin)
			flags |= NGTCP2_WRITE_STREAM_FLAG_FIN;
		n = ngtcp2_conn_writev_stream(conn->ng, path, info, buf, capacity, &taken, flags,
					      s ? s->id : -1, piece, pieces, conn->q->now);
		if (s && taken >= 0)
			wrote(s, (size_t)taken, fin, offered);
		if (n >= 0)
			return n;
		switch (n) {
		case NGTCP2_ERR_WRITE_MORE:
			break;
		case NGTCP2_ERR_STREAM_DATA_BLOCKED:
			out_of_credit = ngtcp2_conn_get_max_data_left(conn->ng) == 0;
			if (!out_of_credit)
				zs_stream_wait(s, ZS_STREAM_STUCK);
			break;
		case NGTCP2_ERR_STREAM_SHUT_WR:
		case NGTCP2_ERR_STREAM_NOT_FOUND:
			/* STOP_SENDING came: this is how ngtcp2 tells. The upcall waits until the datagram is whole. */
			s->shut = true;
			zs_stream_wait(s, ZS_STREAM_STOPPED);
			break;
		default:
			return n;
		}
	}
}
