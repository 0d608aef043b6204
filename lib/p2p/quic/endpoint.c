/* The endpoint: datagrams to connections, connections to datagrams, and whose timer is next. */
#include <errno.h>
#include <stdlib.h>
#include "base/check.h"
#include "base/clock.h"
#include "p2p/quic/internal.h"

#define MIB (1024u * 1024u)

void zs_quic_config_default(struct zs_quic_config *config)
{
	*config = (struct zs_quic_config){
		.max_connections = 4096,
		.max_handshakes = 512,
		.retry_above = 128,
		.streams_bidi = 256,
		.streams_uni = 16,
		.stream_window = 256 * 1024,
		.connection_window = 512 * 1024,
		.stream_window_max = 10 * MIB,
		.connection_window_max = 15 * MIB,
		.send_buffer = 2 * MIB,
		.idle_ns = 30 * ZS_NS_PER_S,
		.handshake_ns = 10 * ZS_NS_PER_S,
		.ack_delay_ns = 25 * ZS_NS_PER_MS,
		.ack_every = 2,
		.max_datagram = ZS_QUIC_DATAGRAM,
		.retry_ns = 15 * ZS_NS_PER_S,
		.tombstones = 4096,
		.tombstone_ns = 3 * ZS_NS_PER_S,
		.replies_per_s = {
#define ZS_REPLY_KIND(name, per_s, text) per_s,
#include "defs/p2p_replies.def"
		},
		.resets_per_network_s = 512, /* some hundred edges behind one NAT hear of a restart at once */
	};
}

static bool config_is_sane(const struct zs_quic_config *c)
{
	return c->max_connections && c->max_handshakes && c->max_datagram >= ZS_QUIC_INITIAL &&
	       c->max_datagram <= ZS_QUIC_DATAGRAM && c->send_buffer && c->ack_every && c->handshake_ns &&
	       c->stream_window_max >= c->stream_window && c->connection_window_max >= c->connection_window &&
	       c->ack_delay_ns < (1ull << 14) * ZS_NS_PER_MS;
}

int zs_quic_new(struct zs_quic **out, const struct zs_quic_config *config, struct zs_tls *tls,
		struct zs_random random, const struct zs_quic_ops *ops, void *ctx)
{
	struct zs_quic *q;
	uint64_t key[2];

	if (!config_is_sane(config))
		return -EINVAL;
	q = calloc(1, sizeof(*q));
	if (!q)
		return -ENOMEM;
	q->config = *config;
	q->ops = *ops;
	q->ctx = ctx;
	q->tls = tls;
	q->random = random;
	TAILQ_INIT(&q->all);
	TAILQ_INIT(&q->due);
	q->tombs = (struct zs_tombs){ .cids = &q->cids,
				      .max = config->tombstones,
				      .lifetime = config->tombstone_ns };
	random.fill(random.ctx, key, sizeof(key));
	q->retry_key = zs_quic_retry_key();
	if (!q->retry_key || zs_cids_init(&q->cids, key) < 0 ||
	    zs_replies_init(&q->replies, config, key) < 0 ||
	    zs_quic_tokens_init(&q->tokens, config->secret) < 0) {
		zs_quic_delete(q);
		return -ENOMEM;
	}
	*out = q;
	return 0;
}

void zs_quic_delete(struct zs_quic *q)
{
	if (!q)
		return;
	while (!TAILQ_EMPTY(&q->all))
		zs_conn_end(TAILQ_FIRST(&q->all), NULL, 0);
	zs_tombs_free(&q->tombs);
	zs_cids_free(&q->cids);
	zs_replies_free(&q->replies);
	zs_deadlines_free(&q->deadlines);
	zs_quic_tokens_wipe(&q->tokens);
	EVP_AEAD_CTX_free(q->retry_key);
	free(q);
}

/* ngtcp2 does not survive a clock that steps back. */
static void tell_time(struct zs_quic *q, uint64_t now)
{
	if (now > q->now)
		q->now = now;
}

/* --- in ------------------------------------------------------------------------------------- */

static void feed(struct zs_quic_conn *conn, const struct zs_udp_datagram *d)
{
	ngtcp2_pkt_info info = { .ecn = d->ecn };
	struct zs_quic_path path;
	ngtcp2_pkt_hd hd;
	int rv;

	if (conn->closing)
		return;
	conn->rx++;
	conn->rx_bytes += d->len;
	zs_path_set(&path, &d->local, &d->peer, d->ifindex);
	if (conn->any_local) {
		conn->any_local = false;
		ngtcp2_conn_set_local_addr(conn->ng, &path.path.local);
	}
	rv = ngtcp2_conn_read_pkt(conn->ng, &path.path, &info, d->data, d->len, conn->q->now);
	/* A second half of a ClientHello before the first: nothing is buffered for an address not validated. */
	if (rv == NGTCP2_ERR_RETRY && ngtcp2_accept(&hd, d->data, d->len) == 0)
		zs_quic_retry(conn->q, d, &hd);
	if (!zs_conn_judge(conn, rv))
		return;
	/* ngtcp2 does not tell of STOP_SENDING: one stuck stream a datagram tries again and learns it so. */
	if (!TAILQ_EMPTY(&conn->queue[ZS_STREAM_STUCK]))
		zs_stream_wait(TAILQ_FIRST(&conn->queue[ZS_STREAM_STUCK]), ZS_STREAM_READY);
	zs_conn_due(conn);
}

static void knock(struct zs_quic *q, struct zs_tomb *tomb, const struct zs_udp_datagram *d)
{
	size_t len;
	const uint8_t *packet = zs_tomb_knock(tomb, &len);
	uint8_t *room;

	/* The address may be anybody's: no more than three times what came, RFC 9000 §10.2.1. */
	if (!packet || len > 3 * d->len ||
	    !(room = zs_reply_room(&q->replies, ZS_REPLY_KIND_close, &d->peer.addr, q->now)))
		return;
	memcpy(room, packet, len);
	zs_reply_commit(&q->replies, d, len);
	q->stats.closes++;
}

static void receive_one(struct zs_quic *q, const struct zs_udp_datagram *d)
{
	const struct zs_cid_entry *e;
	struct zs_quic_conn *conn;
	struct zs_quic_head head;

	q->stats.rx++;
	if (!zs_quic_read(d->data, d->len, ZS_QUIC_CID, &head)) {
		q->stats.rx_malformed++;
		return;
	}
	e = zs_cids_find(&q->cids, false, head.dcid, head.dcid_len);
	if (e && e->kind == ZS_CID_TOMB) {
		knock(q, e->owner, d);
		return;
	}
	conn = e ? e->owner : zs_quic_stray(q, d, &head);
	if (conn)
		feed(conn, d);
}

void zs_quic_receive(struct zs_quic *q, const struct zs_udp_datagram *in, size_t count, uint64_t now)
{
	tell_time(q, now);
	for (size_t i = 0; i < count; i++)
		receive_one(q, &in[i]);
}

/* --- time ----------------------------------------------------------------------------------- */

uint64_t zs_quic_deadline(const struct zs_quic *q)
{
	uint64_t tombs = zs_tombs_deadline(&q->tombs);
	uint64_t conns = zs_deadlines_next(&q->deadlines);

	if (!TAILQ_EMPTY(&q->due) || q->replies.count)
		return 0;
	return tombs < conns ? tombs : conns;
}

static struct zs_quic_conn *conn_of(struct zs_deadline *d)
{
	return (struct zs_quic_conn *)((char *)d - offsetof(struct zs_quic_conn, timer));
}

void zs_quic_advance(struct zs_quic *q, uint64_t now)
{
	struct zs_deadline *d;

	tell_time(q, now);
	zs_tombs_expire(&q->tombs, q->now);
	/* Out of the heap until its pull: a timer that stays due must not hold the others up. */
	while ((d = zs_deadlines_due(&q->deadlines, q->now))) {
		struct zs_quic_conn *conn = conn_of(d);

		if (zs_conn_judge(conn, ngtcp2_conn_handle_expiry(conn->ng, q->now)))
			zs_conn_due(conn);
	}
}

/* --- out ------------------------------------------------------------------------------------ */

struct batch {
	struct zs_udp_datagram *out;
	size_t count, max;
	uint8_t *at;
	size_t left;
};

static bool has_room(const struct batch *b, size_t len)
{
	return b->count < b->max && b->left >= len;
}

static void add(struct batch *b, const ngtcp2_path *path, uint8_t ecn, size_t len)
{
	const struct sockaddr_in6 *remote = (const struct sockaddr_in6 *)(const void *)path->remote.addr;

	b->out[b->count++] = (struct zs_udp_datagram){ .peer = zs_path_endpoint(&path->remote),
						       .local = zs_path_endpoint(&path->local),
						       .ifindex = remote->sin6_scope_id,
						       .ecn = ecn,
						       .data = b->at,
						       .len = len };
	b->at += len;
	b->left -= len;
}

static void pull_replies(struct zs_quic *q, struct batch *b)
{
	size_t len;

	while (has_room(b, ZS_REPLY) && (len = zs_reply_take(&q->replies, &b->out[b->count], b->at))) {
		b->count++;
		b->at += len;
		b->left -= len;
	}
}

static void count_out(struct zs_quic_conn *conn, size_t len)
{
	conn->tx++;
	conn->tx_bytes += len;
}

static void pull_close(struct zs_quic_conn *conn, struct batch *b)
{
	const struct zs_quic_close *why = &conn->why;
	ngtcp2_path_storage path;
	ngtcp2_pkt_info info;
	ngtcp2_ccerr e;
	ngtcp2_ssize n;
	const uint8_t *reason = (const uint8_t *)why->reason;

	if (why->application)
		ngtcp2_ccerr_set_application_error(&e, why->code, reason, strlen(why->reason));
	else
		ngtcp2_ccerr_set_transport_error(&e, why->code, reason, strlen(why->reason));
	ngtcp2_path_storage_zero(&path);
	n = ngtcp2_conn_write_connection_close(conn->ng, &path.path, &info, b->at, b->left, &e, conn->q->now);
	uint8_t *packet = b->at;
	if (n > 0) {
		add(b, &path.path, info.ecn, (size_t)n);
		count_out(conn, (size_t)n);
	}
	zs_conn_end(conn, packet, n > 0 ? (size_t)n : 0);
}

static void tell_stopped(struct zs_quic_conn *conn)
{
	struct zs_quic_stream *s;

	while ((s = TAILQ_FIRST(&conn->queue[ZS_STREAM_STOPPED]))) {
		zs_stream_wait(s, ZS_STREAM_QUEUES);
		conn->q->ops.stopped(conn->q->ctx, s);
	}
}

enum pulled { PULLED_ALL, PULLED_SOME, PULLED_GONE };

static enum pulled pull_data(struct zs_quic_conn *conn, struct batch *b)
{
	size_t quantum = ngtcp2_conn_get_send_quantum(conn->ng), sent = 0,
	       room = conn->q->config.max_datagram;
	bool done = false;

	while (!done && sent < quantum && has_room(b, room)) {
		ngtcp2_path_storage path;
		ngtcp2_pkt_info info;
		ngtcp2_path_storage_zero(&path);
		ngtcp2_ssize n = zs_conn_write(conn, &path.path, &info, b->at, room);
		if (n < 0)
			return zs_conn_judge(conn, (int)n) ? PULLED_SOME : PULLED_GONE;
		done = n == 0;
		if (n > 0) {
			add(b, &path.path, info.ecn, (size_t)n);
			count_out(conn, (size_t)n);
			sent += (size_t)n;
		}
	}
	ngtcp2_conn_update_pkt_tx_time(conn->ng, conn->q->now);
	tell_stopped(conn);
	return done ? PULLED_ALL : PULLED_SOME;
}

static void pull_conn(struct zs_quic_conn *conn, struct batch *b)
{
	struct zs_quic *q = conn->q;

	if (conn->closing) {
		pull_close(conn, b);
		return;
	}
	switch (pull_data(conn, b)) {
	case PULLED_ALL:
		TAILQ_REMOVE(&q->due, conn, due);
		conn->is_due = false;
		zs_conn_set_timer(conn);
		zs_conn_weigh(conn);
		break;
	case PULLED_SOME: /* the next one's turn */
		TAILQ_REMOVE(&q->due, conn, due);
		TAILQ_INSERT_TAIL(&q->due, conn, due);
		zs_conn_weigh(conn);
		break;
	case PULLED_GONE:
		break;
	}
}

size_t zs_quic_pull(struct zs_quic *q, struct zs_udp_datagram *out, size_t max, void *buf, size_t capacity,
		    uint64_t now)
{
	struct batch b = { .out = out, .max = max, .at = buf, .left = capacity };

	ZS_CHECK(capacity >= q->config.max_datagram && max);
	tell_time(q, now);
	pull_replies(q, &b);
	while (!TAILQ_EMPTY(&q->due) && has_room(&b, q->config.max_datagram))
		pull_conn(TAILQ_FIRST(&q->due), &b);
	q->stats.tx += b.count;
	return b.count;
}

int zs_quic_dial(struct zs_quic *q, const struct zs_quic_dial *dial, uint64_t now, struct zs_quic_conn **out)
{
	int rv;

	tell_time(q, now);
	if (q->stats.connections >= q->config.max_connections)
		return -EAGAIN;
	rv = zs_conn_new(q, &(struct zs_conn_start){ .dial = dial }, out);
	if (rv < 0)
		return rv;
	q->stats.dialled++;
	zs_conn_due(*out);
	return 0;
}
