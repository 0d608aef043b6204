/* Two QUIC endpoints joined by a pipe with virtual time: delay, loss, reordering, a NAT that may
 * rebind. Every stream carries a pattern that the receiver checks byte by byte. */
#ifndef ZS_TEST_QUIC_PIPE_H
#define ZS_TEST_QUIC_PIPE_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/queue.h>

#include "base/clock.h"
#include "p2p/quic.h"
#include "unit/p2p/cert_forge.h"

#define WALL	1790000000
#define MS	ZS_NS_PER_MS
#define PACKETS 65536

struct node;
struct app_stream {
	TAILQ_ENTRY(app_stream) link;
	struct node *node;
	struct zs_quic_stream *s;
	uint64_t rx, tx, tx_total;
	bool rx_fin, tx_fin, hold; /* hold: never consume */
	uint64_t reset_code;
};

struct node {
	const char *name;
	struct zs_endpoint addr;
	struct zs_identity id;
	struct zs_peer_id peer;
	struct zs_cert cert[2];
	struct zs_tls *tls;
	struct zs_quic_config config;
	struct zs_quic *q;
	uint64_t *now, seed;
	int64_t wall_ahead; /* seconds after WALL */
	enum zs_quic_verdict verdict;
	TAILQ_HEAD(app_streams, app_stream) streams;
	uint32_t accepted, established, closed, incoming, moved, opened, streams_closed, streams_left, resets,
	    stops, finished;
	bool validated;
	uint64_t answer;		      /* bytes sent back after a FIN */
	uint32_t hold_every;		      /* every so many streams opened by the peer are not consumed */
	struct zs_quic_conn *arriving, *conn; /* the last accepted, the last established */
	struct zs_quic_close why;
	struct zs_peer_id answered; /* on the last that closed */
	uint64_t rx, qlog_bytes, qlog_ends;
};

struct packet {
	uint64_t at, order;
	struct zs_udp_datagram d;
	uint8_t *bytes;
};

struct pipe {
	uint64_t now, seed, order;
	uint64_t delay, jitter;
	uint32_t loss_percent;
	struct node a, b;	/* a dials */
	struct zs_endpoint nat; /* how b sees a */
	struct packet *queue;
	size_t count;
	uint64_t sent[2], largest;
	/* Sees each datagram before it flies; false drops it. May change it. */
	bool (*filter)(struct pipe *p, bool from_a, uint8_t *bytes, size_t len);
	uint8_t ecn_seen;
	uint32_t congested; /* so many packets of a that say they can be marked are: RFC 3168's CE */
};

static inline uint64_t next_random(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

static inline void fill_random(void *ctx, void *out, size_t len)
{
	for (size_t i = 0; i < len; i++)
		((uint8_t *)out)[i] = (uint8_t)(next_random(ctx) >> 24);
}

static inline uint8_t pattern(int64_t stream, uint64_t at)
{
	return (uint8_t)(at * 131 + (at >> 8) * 7 + (uint64_t)stream * 29);
}

/* --- the application ------------------------------------------------------------------------ */

static inline void app_send(struct app_stream *s)
{
	uint8_t buf[8192];

	while (s->tx < s->tx_total) {
		size_t n = s->tx_total - s->tx < sizeof(buf) ? (size_t)(s->tx_total - s->tx) : sizeof(buf);
		for (size_t i = 0; i < n; i++)
			buf[i] = pattern(zs_quic_stream_id(s->s), s->tx + i);
		ssize_t took = zs_quic_write(s->s, buf, n);
		if (took < 0)
			return;
		s->tx += (uint64_t)took;
		if ((size_t)took < n)
			return;
	}
	if (s->tx_fin)
		zs_quic_fin(s->s);
}

static inline struct app_stream *app_attach(struct node *n, struct zs_quic_stream *s)
{
	struct app_stream *as = calloc(1, sizeof(*as));

	as->node = n;
	as->s = s;
	zs_quic_stream_set_user(s, as);
	TAILQ_INSERT_TAIL(&n->streams, as, link);
	return as;
}

static inline struct app_stream *app_open(struct node *n, uint64_t bytes, bool fin)
{
	struct zs_quic_stream *s;

	if (zs_quic_open(n->conn, NULL, &s) < 0)
		return NULL;
	struct app_stream *as = app_attach(n, s);
	as->tx_total = bytes;
	as->tx_fin = fin;
	app_send(as);
	return as;
}

static enum zs_quic_verdict on_incoming(void *ctx, const struct zs_quic_incoming *in)
{
	struct node *n = ctx;
	n->incoming++;
	n->validated = in->validated;
	return n->verdict;
}
static void on_accepted(void *ctx, struct zs_quic_conn *conn)
{
	struct node *n = ctx;
	assert_false(zs_quic_is_dialled(conn) || zs_quic_is_established(conn));
	zs_quic_set_user(conn, n);
	n->arriving = conn;
	n->accepted++;
}
static void on_established(void *ctx, struct zs_quic_conn *conn)
{
	struct node *n = ctx;
	n->established++;
	n->conn = conn;
}
static void on_closed(void *ctx, struct zs_quic_conn *conn, const struct zs_quic_close *why)
{
	struct node *n = ctx;
	assert_true(zs_quic_is_dialled(conn) || zs_quic_user(conn) == n);
	n->closed++;
	n->answered = *zs_quic_peer(conn);
	n->why = *why;
	if (n->conn == conn)
		n->conn = NULL;
}
static void on_moved(void *ctx, struct zs_quic_conn *conn)
{
	((struct node *)ctx)->moved++;
}
static void on_streams_left(void *ctx, struct zs_quic_conn *conn)
{
	((struct node *)ctx)->streams_left++;
}
static void on_opened(void *ctx, struct zs_quic_stream *s)
{
	struct node *n = ctx;
	struct app_stream *as = app_attach(n, s);

	assert_true(zs_quic_is_established(zs_quic_stream_conn(s)));
	as->hold = n->hold_every && n->opened % n->hold_every == 0;
	n->opened++;
}
static void on_data(void *ctx, struct zs_quic_stream *s, const uint8_t *bytes, size_t len, bool fin)
{
	struct node *n = ctx;
	struct app_stream *as = zs_quic_stream_user(s);

	for (size_t i = 0; i < len; i++)
		if (bytes[i] != pattern(zs_quic_stream_id(s), as->rx + i))
			fail_msg("%s: stream %ld differs at %lu", n->name, (long)zs_quic_stream_id(s),
				 (unsigned long)(as->rx + i));
	as->rx += len;
	n->rx += len;
	if (!as->hold)
		zs_quic_consume(s, len);
	if (!fin)
		return;
	as->rx_fin = true;
	n->finished++;
	if (!zs_quic_stream_is_ours(s)) {
		as->tx_total = n->answer;
		as->tx_fin = true;
		app_send(as);
	}
}
static void on_writable(void *ctx, struct zs_quic_stream *s)
{
	app_send(zs_quic_stream_user(s));
}
static void on_reset(void *ctx, struct zs_quic_stream *s, uint64_t code)
{
	struct node *n = ctx;
	n->resets++;
	((struct app_stream *)zs_quic_stream_user(s))->reset_code = code;
	zs_quic_reset(s, code);
}
static void on_stopped(void *ctx, struct zs_quic_stream *s)
{
	((struct node *)ctx)->stops++;
}
static void on_stream_closed(void *ctx, struct zs_quic_stream *s)
{
	struct node *n = ctx;
	struct app_stream *as = zs_quic_stream_user(s);

	n->streams_closed++;
	TAILQ_REMOVE(&n->streams, as, link);
	free(as);
}
static int64_t on_wall(void *ctx)
{
	return WALL + ((struct node *)ctx)->wall_ahead;
}
static void on_qlog(void *ctx, struct zs_quic_conn *conn, const void *bytes, size_t len, bool last)
{
	struct node *n = ctx;
	n->qlog_bytes += len;
	n->qlog_ends += last;
}
static const struct zs_quic_ops ops = {
	.incoming = on_incoming,
	.accepted = on_accepted,
	.established = on_established,
	.closed = on_closed,
	.moved = on_moved,
	.streams_left = on_streams_left,
	.opened = on_opened,
	.data = on_data,
	.writable = on_writable,
	.reset = on_reset,
	.stopped = on_stopped,
	.stream_closed = on_stream_closed,
	.wall = on_wall,
	.qlog = on_qlog,
};

/* --- nodes ---------------------------------------------------------------------------------- */

static inline void node_start(struct node *n)
{
	assert_int_equal(
	    zs_quic_new(&n->q, &n->config, n->tls, (struct zs_random){ fill_random, &n->seed }, &ops, n), 0);
}

static inline void node_init(struct node *n, const char *name, uint8_t fill, const char *addr, size_t certs,
			     const struct forge *f)
{
	uint8_t seed[32];

	memset(seed, fill, sizeof(seed));
	*n = (struct node){ .name = name, .seed = 0x9e3779b97f4a7c15ull * fill };
	TAILQ_INIT(&n->streams);
	assert_int_equal(zs_endpoint_parse(&n->addr, addr), 0);
	zs_identity_from_seed(&n->id, seed);
	struct zs_public_key key = zs_identity_public(&n->id);
	zs_peer_id_of(&n->peer, &key);
	for (int i = 0; i < 2; i++)
		assert_int_equal(zs_cert_new(&n->cert[i], &n->id, WALL), 0);
	if (f)
		forge(&n->cert[0], &n->id, f);
	assert_int_equal(zs_tls_new(&n->tls, n->cert, certs, 64), 0);
	zs_quic_config_default(&n->config);
	memset(n->config.secret, fill, sizeof(n->config.secret));
}

static inline void node_free(struct node *n)
{
	zs_quic_delete(n->q);
	zs_tls_delete(n->tls);
	for (int i = 0; i < 2; i++)
		zs_cert_free(&n->cert[i]);
}

/* --- the pipe ------------------------------------------------------------------------------- */

struct pipe_options {
	size_t certs; /* of the dialler; 0 means 1 */
	const struct forge *dialler, *listener;
	bool no_cert;
};

static inline struct pipe *pipe_new(const struct pipe_options *o)
{
	static const struct pipe_options none;
	struct pipe *p = calloc(1, sizeof(*p));

	o = o ? o : &none;
	p->queue = calloc(PACKETS, sizeof(*p->queue));
	p->now = 1000 * MS;
	p->seed = 88172645463325252ull;
	p->delay = 5 * MS;
	node_init(&p->a, "dialler", 1, "10.0.0.2:5001", o->no_cert ? 0 : o->certs ? o->certs : 1, o->dialler);
	node_init(&p->b, "listener", 2, "198.51.100.7:4001", 1, o->listener);
	p->nat = p->a.addr;
	return p;
}

static inline void pipe_start(struct pipe *p)
{
	node_start(&p->a);
	node_start(&p->b);
}

static inline void pipe_free(struct pipe *p)
{
	node_free(&p->a);
	node_free(&p->b);
	for (size_t i = 0; i < p->count; i++)
		free(p->queue[i].bytes);
	free(p->queue);
	free(p);
}

static inline void fly(struct pipe *p, const struct zs_udp_datagram *d, bool from_a)
{
	struct packet *k = &p->queue[p->count];
	uint8_t *bytes = malloc(d->len);

	memcpy(bytes, d->data, d->len);
	p->sent[!from_a]++;
	p->ecn_seen |= d->ecn;
	p->largest = d->len > p->largest ? d->len : p->largest;
	if ((p->filter && !p->filter(p, from_a, bytes, d->len)) ||
	    next_random(&p->seed) % 100 < p->loss_percent ||
	    (!from_a && memcmp(&d->peer, &p->nat, sizeof(d->peer)) != 0)) {
		free(bytes);
		return;
	}
	ZS_CHECK(p->count < PACKETS);
	*k = (struct packet){ .order = p->order++, .d = *d, .bytes = bytes };
	k->at = p->now + p->delay + (p->jitter ? next_random(&p->seed) % p->jitter : 0);
	k->d.peer = from_a ? p->nat : p->b.addr;
	k->d.local = from_a ? p->b.addr : p->a.addr;
	k->d.data = bytes;
	if (from_a && d->ecn == 2 && p->congested) {
		k->d.ecn = 3;
		p->congested--;
	}
	p->count++;
}

static inline void pull_all(struct pipe *p, struct node *n)
{
	struct zs_udp_datagram out[32];
	uint8_t *buf = malloc(32 * ZS_QUIC_DATAGRAM);
	size_t count;

	if (n->q)
		while ((count = zs_quic_pull(n->q, out, 32, buf, 32 * ZS_QUIC_DATAGRAM, p->now)))
			for (size_t i = 0; i < count; i++)
				fly(p, &out[i], n == &p->a);
	free(buf);
}

static inline size_t earliest(const struct pipe *p)
{
	size_t best = 0;

	for (size_t i = 1; i < p->count; i++)
		if (p->queue[i].at < p->queue[best].at ||
		    (p->queue[i].at == p->queue[best].at && p->queue[i].order < p->queue[best].order))
			best = i;
	return best;
}

static inline void deliver(struct pipe *p)
{
	size_t i = earliest(p);
	struct packet k = p->queue[i];
	struct node *to = k.d.local.port == p->b.addr.port ? &p->b : &p->a;

	p->queue[i] = p->queue[--p->count];
	if (to->q)
		zs_quic_receive(to->q, &k.d, 1, p->now);
	free(k.bytes);
}

/* One event; false when there is none before `until`. */
static inline bool pipe_step(struct pipe *p, uint64_t until)
{
	uint64_t da, db, packet, next;

	pull_all(p, &p->a);
	pull_all(p, &p->b);
	da = p->a.q ? zs_quic_deadline(p->a.q) : UINT64_MAX;
	db = p->b.q ? zs_quic_deadline(p->b.q) : UINT64_MAX;
	packet = p->count ? p->queue[earliest(p)].at : UINT64_MAX;
	next = da < db ? da : db;
	next = packet < next ? packet : next;
	if (next > until) {
		p->now = until;
		return false;
	}
	p->now = next > p->now ? next : p->now;
	if (packet <= p->now)
		deliver(p);
	if (da <= p->now)
		zs_quic_advance(p->a.q, p->now);
	if (db <= p->now)
		zs_quic_advance(p->b.q, p->now);
	return true;
}

static inline void pipe_run(struct pipe *p, uint64_t ns)
{
	uint64_t until = p->now + ns;

	while (pipe_step(p, until))
		;
}

static inline struct zs_quic_conn *pipe_dial(struct pipe *p, const struct zs_peer_id *peer, bool hybrid)
{
	struct zs_quic_conn *conn;
	const struct zs_quic_dial dial = { .remote = p->b.addr, .peer = peer, .hybrid = hybrid };

	assert_int_equal(zs_quic_dial(p->a.q, &dial, p->now, &conn), 0);
	return conn;
}

/* Starts what pipe_new() made; both ends are up. */
static inline void pipe_connect(struct pipe *p)
{
	pipe_start(p);
	pipe_dial(p, &p->b.peer, false);
	pipe_run(p, 200 * MS);
	assert_int_equal(p->a.established, 1);
	assert_int_equal(p->b.established, 1);
}

static inline struct pipe *pipe_connected(void)
{
	struct pipe *p = pipe_new(NULL);

	pipe_connect(p);
	return p;
}

#endif
