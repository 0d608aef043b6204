/* What the application asks of a connection and of the endpoint. */
#include <errno.h>
#include "p2p/quic/internal.h"

void zs_quic_close(struct zs_quic_conn *conn, uint64_t code, const char *reason)
{
	zs_conn_fail(conn, true, code, reason);
}

void zs_quic_set_qlog(struct zs_quic *q, bool on)
{
	q->qlog = on;
}

void zs_quic_keep_alive(struct zs_quic_conn *conn, uint64_t silence_ns)
{
	ngtcp2_conn_set_keep_alive_timeout(conn->ng, silence_ns ? silence_ns : UINT64_MAX);
	zs_conn_due(conn);
}

int zs_quic_rekey(struct zs_quic_conn *conn, uint64_t now)
{
	if (!conn->established || conn->closing || conn->ended)
		return -EAGAIN;
	conn->q->now = now > conn->q->now ? now : conn->q->now;
	if (ngtcp2_conn_initiate_key_update(conn->ng, conn->q->now) != 0)
		return -EAGAIN;
	zs_conn_due(conn);
	return 0;
}

int zs_quic_migrate(struct zs_quic_conn *conn, const struct zs_endpoint *local, uint64_t now)
{
	struct zs_endpoint remote = zs_quic_remote(conn);
	struct zs_quic_path path;

	if (!conn->dialled || !conn->established || conn->closing || conn->ended)
		return -EAGAIN;
	if (ngtcp2_conn_get_remote_transport_params(conn->ng)->disable_active_migration)
		return -EPERM;
	conn->q->now = now > conn->q->now ? now : conn->q->now;
	zs_path_set(&path, local, &remote, 0);
	if (ngtcp2_conn_initiate_immediate_migration(conn->ng, &path.path, conn->q->now) != 0)
		return -EAGAIN;
	zs_conn_due(conn);
	return 0;
}

void zs_quic_export(const struct zs_quic_conn *conn, const char *label, const void *context,
		    size_t context_len, uint8_t *out, size_t out_len)
{
	zs_tls_export(&conn->tls, label, context, context_len, out, out_len);
}

const struct zs_peer_id *zs_quic_peer(const struct zs_quic_conn *conn)
{
	return &conn->tls.peer;
}

bool zs_quic_is_dialled(const struct zs_quic_conn *conn)
{
	return conn->dialled;
}

bool zs_quic_is_established(const struct zs_quic_conn *conn)
{
	return conn->established;
}

const char *zs_quic_group(const struct zs_quic_conn *conn)
{
	return zs_tls_group_name(&conn->tls);
}

struct zs_endpoint zs_quic_remote(const struct zs_quic_conn *conn)
{
	return zs_path_endpoint(&ngtcp2_conn_get_path(conn->ng)->remote);
}

struct zs_endpoint zs_quic_local(const struct zs_quic_conn *conn)
{
	return zs_path_endpoint(&ngtcp2_conn_get_path(conn->ng)->local);
}

void *zs_quic_user(const struct zs_quic_conn *conn)
{
	return conn->user;
}

void zs_quic_set_user(struct zs_quic_conn *conn, void *user)
{
	conn->user = user;
}

struct zs_quic_conn *zs_quic_next(const struct zs_quic *q, const struct zs_quic_conn *conn)
{
	return conn ? TAILQ_NEXT(conn, all) : TAILQ_FIRST(&q->all);
}

void zs_quic_conn_stats(const struct zs_quic_conn *conn, struct zs_quic_conn_stats *out)
{
	const struct zs_quic_stream *s;
	ngtcp2_conn_info info;

	ngtcp2_conn_get_conn_info(conn->ng, &info);
	*out = (struct zs_quic_conn_stats){
		.rtt_ns = info.smoothed_rtt,
		.min_rtt_ns = info.min_rtt == UINT64_MAX ? 0 : info.min_rtt,
		.cwnd = info.cwnd,
		.in_flight = info.bytes_in_flight,
		.rx = conn->rx,
		.rx_bytes = conn->rx_bytes,
		.tx = conn->tx,
		.tx_bytes = conn->tx_bytes,
		.connection_credit = conn->established ? ngtcp2_conn_get_max_data_left(conn->ng) : 0,
		.streams_left = conn->established ? ngtcp2_conn_get_streams_bidi_left(conn->ng) : 0,
		.streams = conn->stream_count,
		.buffered = conn->buffered,
		.datagram = (uint16_t)ngtcp2_conn_get_path_max_tx_udp_payload_size(conn->ng),
	};
	TAILQ_FOREACH(s, &conn->streams, all)
	out->unconsumed += s->unconsumed;
}

void zs_quic_stats(const struct zs_quic *q, struct zs_quic_stats *out)
{
	*out = q->stats;
	memcpy(out->replies_held, q->replies.held, sizeof(out->replies_held));
	out->tombstones = q->tombs.count;
	out->cids = q->cids.used;
}
