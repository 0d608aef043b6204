/* A peer that speaks QUIC and means no good: its streams are cut off by name, nothing stays behind, and an
 * honest peer notices nothing. */
#include "unit/p2p/host_net.h"

#define FLOOD 200

struct liar_stream {
	struct zs_quic_stream *stream;
	bool gone, reset;
	uint64_t code;
};
struct liar {
	struct zs_sim *sim;
	uint32_t number;
	struct zs_endpoint at;
	struct zs_cert cert;
	struct zs_tls *tls;
	struct zs_quic *quic;
	struct zs_quic_conn *conn;
	struct zs_prng prng;
	bool up, down, deaf; /* deaf: consumes nothing */
	uint64_t got;
};

static void fill(void *ctx, void *out, size_t len)
{
	uint8_t *at = out;

	while (len--)
		*at++ = (uint8_t)zs_prng_u64(ctx);
}
static void pump(struct liar *l)
{
	struct zs_udp_datagram out[PULL];
	static uint8_t buf[PULL * ZS_QUIC_DATAGRAM];
	size_t count;
	uint64_t now = zs_sim_node_now(l->sim, l->number);

	while ((count = zs_quic_pull(l->quic, out, PULL, buf, sizeof(buf), now)))
		for (size_t i = 0; i < count; i++)
			zs_sim_send(l->sim, l->number, &l->at, &out[i].peer, out[i].data, out[i].len);
	zs_sim_set_timer(l->sim, l->number, zs_quic_deadline(l->quic));
}
static void receive(void *ctx, uint64_t now_ns, const struct zs_endpoint *from, const struct zs_endpoint *to,
		    const uint8_t *bytes, size_t len)
{
	struct liar *l = ctx;
	const struct zs_udp_datagram d = { .peer = *from, .local = *to, .data = bytes, .len = len };

	zs_quic_receive(l->quic, &d, 1, now_ns);
	pump(l);
}
static void timer(void *ctx, uint64_t now_ns)
{
	struct liar *l = ctx;

	zs_quic_advance(l->quic, now_ns);
	pump(l);
}
static const struct zs_sim_ops liar_sim = { .receive = receive, .timer = timer };

static enum zs_quic_verdict q_incoming(void *ctx, const struct zs_quic_incoming *in)
{
	return ZS_QUIC_DROP;
}
static void q_established(void *ctx, struct zs_quic_conn *conn)
{
	((struct liar *)ctx)->up = true;
}
static void q_closed(void *ctx, struct zs_quic_conn *conn, const struct zs_quic_close *why)
{
	((struct liar *)ctx)->down = true;
}
static void q_opened(void *ctx, struct zs_quic_stream *s) {}
static void q_data(void *ctx, struct zs_quic_stream *s, const uint8_t *bytes, size_t len, bool fin)
{
	struct liar *l = ctx;

	l->got += len;
	if (!l->deaf)
		zs_quic_consume(s, len);
}
static void q_writable(void *ctx, struct zs_quic_stream *s) {}
static void q_reset(void *ctx, struct zs_quic_stream *s, uint64_t code)
{
	struct liar_stream *ls = zs_quic_stream_user(s);

	if (ls) {
		ls->reset = true;
		ls->code = code;
	}
	zs_quic_reset(s, 0);
}
static void q_stopped(void *ctx, struct zs_quic_stream *s) {}
static void q_stream_closed(void *ctx, struct zs_quic_stream *s)
{
	struct liar_stream *ls = zs_quic_stream_user(s);

	if (ls)
		ls->gone = true;
}
static int64_t q_wall(void *ctx)
{
	return WALL;
}
static const struct zs_quic_ops liar_ops = { .incoming = q_incoming,
					     .established = q_established,
					     .closed = q_closed,
					     .opened = q_opened,
					     .data = q_data,
					     .writable = q_writable,
					     .reset = q_reset,
					     .stopped = q_stopped,
					     .stream_closed = q_stream_closed,
					     .wall = q_wall };

static void liar_start(struct liar *l, struct net *net)
{
	struct node *to = &net->node[0];
	struct zs_quic_config config;
	struct zs_identity identity;
	uint8_t seed[32] = { 0x77 };

	*l = (struct liar){ .sim = net->sim, .prng = { 99 } };
	zs_identity_from_seed(&identity, seed);
	assert_int_equal(zs_cert_new(&l->cert, &identity, WALL), 0);
	assert_int_equal(zs_tls_new(&l->tls, &l->cert, 1, 4), 0);
	zs_quic_config_default(&config);
	config.keep_alive_ns = 5000 * MS;
	assert_int_equal(
	    zs_quic_new(&l->quic, &config, l->tls, (struct zs_random){ fill, &l->prng }, &liar_ops, l), 0);
	assert_int_equal(zs_endpoint_parse(&l->at, "9.66.6.6:666"), 0);
	l->number = zs_sim_node(net->sim, &liar_sim, l);
	assert_int_equal(zs_sim_bind(net->sim, l->number, &l->at), 0);
	const struct zs_quic_dial dial = { .remote = to->at, .peer = &to->id };
	assert_int_equal(zs_quic_dial(l->quic, &dial, zs_sim_now(net->sim), &l->conn), 0);
	pump(l);
	net_run(net, 1000 * MS);
	assert_true(l->up && !l->down);
}

static void liar_end(struct liar *l)
{
	zs_quic_delete(l->quic);
	zs_tls_delete(l->tls);
	zs_cert_free(&l->cert);
}

static struct liar_stream *say(struct liar *l, struct liar_stream *ls, const void *bytes, size_t len)
{
	*ls = (struct liar_stream){ 0 };
	assert_int_equal(zs_quic_open(l->conn, ls, &ls->stream), 0);
	assert_int_equal(zs_quic_write(ls->stream, bytes, len), len);
	pump(l);
	return ls;
}

/* Nothing of the liar is left at the host, who still answers others. */
static void unharmed(struct net *net)
{
	struct node *a = &net->node[0], *b = &net->node[1];
	struct zs_host_stats stats;

	net_run(net, 6000 * MS); /* the liar answers no identify */
	zs_host_stats(a->host, &stats);
	assert_int_equal(stats.streams, 0);
	assert_int_equal(stats.transient.streams[ZS_IN], 0);
	assert_int_equal(stats.system.memory_bytes, stats.conns * a->config.connection_bytes);
	assert_true(zs_host_check(a->host));
	assert_int_equal(b->disconnected, 0);
	assert_int_equal(zs_host_conn_is_identified(zs_host_conn_to(b->host, &a->id)), true);
}

static struct net *net_and_liar(struct liar *l)
{
	struct net *net = net_new(1);
	struct node *a = net_node(net), *b = net_node(net);

	a->config.quic.keep_alive_ns = 5000 * MS;
	node_bind(a);
	node_bind(b);
	node_dial(b, a);
	net_run(net, 1000 * MS);
	liar_start(l, net);
	return net;
}

#define HEADER "\x13/multistream/1.0.0\n"

static void broken_negotiations_are_reset(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
	} rows[] = {
		{ "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 11 }, /* an endless varint */
		{ "\x88\x27", 2 },					/* 5,000 bytes announced */
		{ HEADER "\x02na", 23 },				/* no newline */
		{ "\x05"
		  "HTTP\n",
		  6 },
		{ "\x00", 1 },
	};
	struct liar l;
	struct net *net = net_and_liar(&l);
	struct liar_stream ls;

	for (size_t i = 0; i < ZS_ARRAY_LEN(rows); i++) {
		say(&l, &ls, rows[i].bytes, rows[i].len);
		net_run(net, 500 * MS);
		if (!ls.reset || ls.code != ZS_HOST_NEGOTIATION + 1 || !ls.gone)
			fail_msg("row %zu: reset %d with %#lx", i, ls.reset, (unsigned long)ls.code);
	}
	/* Proposal after proposal: each is refused, the 33rd is too many. */
	uint8_t many[2048];
	size_t len = sizeof(HEADER) - 1;
	memcpy(many, HEADER, len);
	for (int i = 0; i < 33; i++) {
		memcpy(many + len, "\x03/x\n", 4);
		len += 4;
	}
	say(&l, &ls, many, len);
	net_run(net, 500 * MS);
	assert_true(ls.reset);
	assert_int_equal(ls.code, ZS_HOST_NEGOTIATION + 1);
	assert_false(l.down);
	unharmed(net);
	net_free(net);
	liar_end(&l);
}

static void silent_streams_are_given_up(void **state)
{
	static struct liar_stream ls[FLOOD];
	struct zs_host_stats stats;
	struct liar l;
	struct net *net = net_and_liar(&l);

	for (int i = 0; i < FLOOD; i++)
		say(&l, &ls[i], HEADER, 1 + (size_t)i % 19);
	net_run(net, 5000 * MS);
	zs_host_stats(net->node[0].host, &stats);
	assert_int_equal(stats.transient.streams[ZS_IN], FLOOD);
	net_run(net, 7000 * MS);
	for (int i = 0; i < FLOOD; i++)
		assert_true(ls[i].reset && ls[i].gone);
	unharmed(net);
	net_free(net);
	liar_end(&l);
}

/* Pings without end by one who reads no answer: what waits for it is bounded, then it is cut off. */
static void a_ping_flood_is_cut_off(void **state)
{
	static const char hello[] = HEADER "\x11/ipfs/ping/1.0.0\n";
	static uint8_t noise[65536];
	struct liar l;
	struct net *net = net_and_liar(&l);
	struct node *a = &net->node[0];
	struct liar_stream ls;
	struct zs_host_stats stats;
	uint64_t most = 0;

	l.deaf = true;
	say(&l, &ls, hello, sizeof(hello) - 1);
	for (int i = 0; i < 2000 && !ls.reset; i++) {
		if (!ls.gone)
			zs_quic_write(ls.stream, noise, sizeof(noise));
		pump(&l);
		net_run(net, 10 * MS);
		zs_host_stats(a->host, &stats);
		most = stats.system.memory_bytes > most ? stats.system.memory_bytes : most;
	}
	assert_true(ls.reset);
	assert_int_equal(ls.code, ZS_HOST_RATE + 1);
	assert_in_range(most, 500000, a->config.quic.send_buffer + 200000);
	net_run(net, 1000 * MS);
	unharmed(net);
	net_free(net);
	liar_end(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(broken_negotiations_are_reset),
		cmocka_unit_test(silent_streams_are_given_up),
		cmocka_unit_test(a_ping_flood_is_cut_off),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
