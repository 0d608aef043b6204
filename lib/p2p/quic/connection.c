/* Birth, fate and end of a connection. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include "base/clock.h"
#include "p2p/quic/internal.h"

#define OWN_CIDS  32	/* ngtcp2 keeps far fewer */
#define ALERTS	  0x100 /* codes of TLS alerts begin here (RFC 9001 §4.8) */
#define PEER_CIDS 4	/* active_connection_id_limit: one in use, some for migrations */

#define GRANULARITY_NS ZS_NS_PER_MS /* of timers: RFC 9002 §6.1.2 */

/* Keeps what a terminal and a log can show. */
static void copy_reason(char out[ZS_QUIC_REASON], const uint8_t *text, size_t len)
{
	size_t n = 0;

	for (; n < len && n < ZS_QUIC_REASON - 1; n++)
		out[n] = text[n] >= 0x20 && text[n] < 0x7f ? (char)text[n] : '?';
	out[n] = '\0';
}

void zs_conn_due(struct zs_quic_conn *conn)
{
	if (conn->is_due || conn->ended)
		return;
	conn->is_due = true;
	TAILQ_INSERT_TAIL(&conn->q->due, conn, due);
}

/* Only pacing wants its very moment. Without data to send a timer waits for the others of its millisecond:
 * an acknowledgement, due an eighth of the round trip after its packet, mostly leaves with an answer then. */
static uint64_t expiry(const struct zs_quic_conn *conn)
{
	uint64_t at = ngtcp2_conn_get_expiry(conn->ng);

	if (at > UINT64_MAX - GRANULARITY_NS || !TAILQ_EMPTY(&conn->queue[ZS_STREAM_READY]))
		return at;
	return (at + GRANULARITY_NS - 1) / GRANULARITY_NS * GRANULARITY_NS;
}

void zs_conn_set_timer(struct zs_quic_conn *conn)
{
	zs_deadlines_set(&conn->q->deadlines, &conn->timer, conn->closing ? UINT64_MAX : expiry(conn));
}

void zs_conn_fail(struct zs_quic_conn *conn, bool application, uint64_t code, const char *reason)
{
	if (conn->closing || conn->ended)
		return;
	conn->closing = true;
	conn->why = (struct zs_quic_close){ .end = ZS_QUIC_END_LOCAL,
					    .application = application,
					    .code = code };
	if (reason)
		copy_reason(conn->why.reason, (const uint8_t *)reason, strlen(reason));
	zs_conn_set_timer(conn);
	zs_conn_due(conn);
}

bool zs_quic_new_cid(struct zs_quic *q, ngtcp2_cid *out)
{
	uint8_t bytes[ZS_QUIC_CID];

	do
		q->random.fill(q->random.ctx, bytes, sizeof(bytes));
	while (zs_cids_find(&q->cids, false, bytes, sizeof(bytes)));
	ngtcp2_cid_init(out, bytes, sizeof(bytes));
	return true;
}

static void write_qlog(void *user, uint32_t flags, const void *data, size_t len)
{
	struct zs_quic_conn *conn = user;
	conn->q->ops.qlog(conn->q->ctx, conn, data, len, flags & NGTCP2_QLOG_WRITE_FLAG_FIN);
}

static void fill_settings(struct zs_quic *q, const struct zs_conn_start *start, ngtcp2_settings *s)
{
	/* Payloads of IPv6 in Ethernet, PPPoE, WireGuard and the IPv6 minimum; larger than allowed are skipped. */
	static const uint16_t probes[] = { 1452, 1444, 1372, 1232 };
	const struct zs_quic_config *c = &q->config;

	ngtcp2_settings_default(s);
	s->initial_ts = q->now;
	s->max_window = c->connection_window_max;
	s->max_stream_window = c->stream_window_max;
	s->ack_thresh = c->ack_every;
	s->handshake_timeout = c->handshake_ns;
	s->pmtud_probes = probes;
	s->pmtud_probeslen = sizeof(probes) / sizeof(probes[0]);
	s->max_tx_udp_payload_size = c->max_datagram;
	s->rand_ctx.native_handle = &q->random;
	s->qlog_write = q->qlog && q->ops.qlog ? write_qlog : NULL;
	if (start->retried) {
		s->token = start->initial->token;
		s->tokenlen = start->initial->tokenlen;
		s->token_type = NGTCP2_TOKEN_TYPE_RETRY;
	}
}

static void fill_parameters(const struct zs_quic *q, ngtcp2_transport_params *p)
{
	const struct zs_quic_config *c = &q->config;

	ngtcp2_transport_params_default(p);
	p->initial_max_data = c->connection_window;
	p->initial_max_stream_data_bidi_local = c->stream_window;
	p->initial_max_stream_data_bidi_remote = c->stream_window;
	p->initial_max_stream_data_uni = c->stream_window;
	p->initial_max_streams_bidi = c->streams_bidi;
	p->initial_max_streams_uni = c->streams_uni;
	p->max_idle_timeout = c->idle_ns;
	p->max_ack_delay = c->ack_delay_ns;
	p->active_connection_id_limit = PEER_CIDS;
}

/* ngtcp2 gives back what it could not make, and leaves its address where the connection belongs. */
static int made(struct zs_quic_conn *conn, int rv)
{
	if (rv)
		conn->ng = NULL;
	return rv;
}

static int start_server(struct zs_quic_conn *conn, const struct zs_conn_start *start, const ngtcp2_path *path,
			const ngtcp2_cid *scid)
{
	const ngtcp2_pkt_hd *hd = start->initial;
	ngtcp2_transport_params p;
	ngtcp2_settings s;

	fill_settings(conn->q, start, &s);
	fill_parameters(conn->q, &p);
	p.original_dcid = start->retried ? *start->retried : hd->dcid;
	p.original_dcid_present = 1;
	p.retry_scid = hd->dcid;
	p.retry_scid_present = start->retried != NULL;
	zs_quic_reset_token(&conn->q->tokens, scid, p.stateless_reset_token);
	p.stateless_reset_token_present = 1;
	conn->first_dcid = hd->dcid;
	if (zs_cids_add(&conn->q->cids, ZS_CID_CONN, hd->dcid.data, hd->dcid.datalen, conn) < 0)
		return NGTCP2_ERR_NOMEM;
	return made(conn, ngtcp2_conn_server_new(&conn->ng, &hd->scid, scid, path, hd->version,
						 &zs_quic_callbacks, &s, &p, zs_conn_mem(conn), conn));
}

static int start_client(struct zs_quic_conn *conn, const struct zs_conn_start *start, const ngtcp2_path *path,
			const ngtcp2_cid *scid)
{
	ngtcp2_transport_params p;
	ngtcp2_settings s;
	ngtcp2_cid dcid;

	fill_settings(conn->q, start, &s);
	fill_parameters(conn->q, &p);
	zs_quic_new_cid(conn->q, &dcid);
	return made(conn, ngtcp2_conn_client_new(&conn->ng, &dcid, scid, path, ZS_QUIC_VERSION,
						 &zs_quic_callbacks, &s, &p, zs_conn_mem(conn), conn));
}

static void forget_ids(struct zs_quic_conn *conn)
{
	struct zs_cids *cids = &conn->q->cids;

	if (conn->first_dcid.datalen)
		zs_cids_remove(cids, false, conn->first_dcid.data, conn->first_dcid.datalen, conn);
	conn->first_dcid.datalen = 0;
}

static void destroy(struct zs_quic_conn *conn)
{
	struct zs_quic *q = conn->q;

	zs_deadlines_set(&q->deadlines, &conn->timer, UINT64_MAX);
	if (conn->is_due)
		TAILQ_REMOVE(&q->due, conn, due);
	TAILQ_REMOVE(&q->all, conn, all);
	q->stats.connections--;
	q->stats.handshakes -= !conn->dialled && !conn->established;
	ngtcp2_conn_del(conn->ng);
	zs_tls_end(&conn->tls);
	free(conn);
}

int zs_conn_new(struct zs_quic *q, const struct zs_conn_start *start, struct zs_quic_conn **out)
{
	const struct zs_quic_dial *dial = start->dial;
	struct zs_quic_conn *conn = calloc(1, sizeof(*conn));
	struct zs_quic_path path;
	ngtcp2_cid scid;
	int rv;

	if (!conn || zs_deadlines_reserve(&q->deadlines, q->stats.connections + 1) < 0) {
		free(conn);
		return -ENOMEM;
	}
	conn->q = q;
	conn->dialled = dial;
	conn->user = dial ? dial->user : NULL;
	conn->any_local = dial && !dial->local.port;
	TAILQ_INIT(&conn->streams);
	for (int i = 0; i < ZS_STREAM_QUEUES; i++)
		TAILQ_INIT(&conn->queue[i]);
	TAILQ_INSERT_HEAD(&q->all, conn, all);
	q->stats.connections++;
	q->stats.handshakes += !dial;
	zs_quic_new_cid(q, &scid);
	if (dial) {
		zs_path_set(&path, &dial->local, &dial->remote, dial->ifindex);
		rv = start_client(conn, start, &path.path, &scid);
	} else {
		zs_path_set(&path, &start->first->local, &start->first->peer, start->first->ifindex);
		rv = start_server(conn, start, &path.path, &scid);
	}
	if (rv != 0 || zs_cids_add(&q->cids, ZS_CID_CONN, scid.data, scid.datalen, conn) < 0 ||
	    !zs_hs_begin(conn, dial)) {
		zs_cids_remove(&q->cids, false, scid.data, scid.datalen, conn);
		forget_ids(conn);
		destroy(conn);
		return -ENOMEM;
	}
	if (q->config.keep_alive_ns)
		ngtcp2_conn_set_keep_alive_timeout(conn->ng, q->config.keep_alive_ns);
	*out = conn;
	return 0;
}

/* Also for the first stream of a peer that came before ngtcp2 said so: TLS is complete by then. */
void zs_conn_announce(struct zs_quic_conn *conn)
{
	struct zs_quic *q = conn->q;

	if (conn->established)
		return;
	forget_ids(conn);
	conn->established = true;
	q->stats.handshakes -= !conn->dialled;
	q->stats.established++;
	q->ops.established(q->ctx, conn);
}

static void take_tokens(struct zs_quic_conn *conn)
{
	ngtcp2_cid_token token[16];

	if (conn->has_reset_token)
		zs_cids_remove(&conn->q->cids, true, conn->reset_token, sizeof(conn->reset_token), conn);
	if (!ngtcp2_conn_get_handshake_completed(conn->ng) ||
	    ngtcp2_conn_get_active_dcid(conn->ng, NULL) > 16)
		return;
	size_t count = ngtcp2_conn_get_active_dcid(conn->ng, token);
	for (size_t i = 0; i < count; i++)
		if (token[i].token_present)
			zs_cids_remove(&conn->q->cids, true, token[i].token, sizeof(token[i].token), conn);
}

void zs_conn_end(struct zs_quic_conn *conn, const void *packet, size_t len)
{
	struct zs_quic *q = conn->q;
	ngtcp2_cid cids[OWN_CIDS];
	size_t count = 0;

	conn->ended = true;
	while (!TAILQ_EMPTY(&conn->streams)) {
		struct zs_quic_stream *s = TAILQ_FIRST(&conn->streams);
		q->ops.stream_closed(q->ctx, s);
		zs_stream_free(s);
	}
	q->ops.closed(q->ctx, conn, &conn->why);
	take_tokens(conn);
	if (ngtcp2_conn_get_scid(conn->ng, NULL) < OWN_CIDS)
		count = ngtcp2_conn_get_scid(conn->ng, cids);
	if (conn->first_dcid.datalen)
		cids[count++] = conn->first_dcid;
	if (conn->unheard)
		for (size_t i = 0; i < count; i++)
			zs_cids_remove(&q->cids, false, cids[i].data, cids[i].datalen, conn);
	else
		zs_tombs_add(&q->tombs, cids, count, conn, packet, len, q->now);
	destroy(conn);
}

static bool end_by(struct zs_quic_conn *conn, enum zs_quic_end end, const char *reason)
{
	conn->why = (struct zs_quic_close){ .end = end };
	snprintf(conn->why.reason, sizeof(conn->why.reason), "%s", reason);
	zs_conn_end(conn, NULL, 0);
	return false;
}

static bool end_by_peer(struct zs_quic_conn *conn)
{
	const ngtcp2_ccerr *e = ngtcp2_conn_get_ccerr(conn->ng);

	conn->why = (struct zs_quic_close){ .end = ZS_QUIC_END_REMOTE,
					    .application = e->type == NGTCP2_CCERR_TYPE_APPLICATION,
					    .code = e->error_code };
	copy_reason(conn->why.reason, e->reason, e->reasonlen);
	if (!e->reasonlen && !conn->why.application && (e->error_code & ~0xffull) == ALERTS)
		snprintf(conn->why.reason, sizeof(conn->why.reason), "%s",
			 zs_tls_alert_text((uint8_t)e->error_code));
	zs_conn_end(conn, NULL, 0);
	return false;
}

void zs_conn_reset(struct zs_quic_conn *conn)
{
	end_by(conn, ZS_QUIC_END_RESET, "stateless reset: the peer has forgotten the connection");
}

bool zs_conn_judge(struct zs_quic_conn *conn, int rv)
{
	switch (rv) {
	case 0:
		return true;
	case NGTCP2_ERR_DRAINING:
	case NGTCP2_ERR_CLOSING:
		return end_by_peer(conn);
	case NGTCP2_ERR_IDLE_CLOSE:
		return conn->established ? end_by(conn, ZS_QUIC_END_IDLE, "idle timeout: nothing was heard")
					 : end_by(conn, ZS_QUIC_END_SLOW, "no answer, or none in time");
	case NGTCP2_ERR_HANDSHAKE_TIMEOUT:
		return end_by(conn, ZS_QUIC_END_SLOW, "the handshake did not end in time");
	case NGTCP2_ERR_RECV_VERSION_NEGOTIATION:
		return end_by(conn, ZS_QUIC_END_VERSION, "the peer does not speak QUIC version 1");
	case NGTCP2_ERR_RETRY: /* the caller answered; what is left of the flight meets the tombstone */
		return end_by(conn, ZS_QUIC_END_LOCAL, "the first flight came out of order: Retry");
	case NGTCP2_ERR_DROP_CONN:
		conn->unheard = true;
		return end_by(conn, ZS_QUIC_END_LOCAL, "the first packet was not acceptable");
	case NGTCP2_ERR_CRYPTO:
		zs_conn_fail(conn, false, 0x100 | ngtcp2_conn_get_tls_alert(conn->ng), conn->tls_reason);
		return true;
	default:
		zs_conn_fail(conn, false, ngtcp2_err_infer_quic_transport_error_code(rv),
			     conn->tls_reason ? conn->tls_reason : ngtcp2_strerror(rv));
		return true;
	}
}
