/* Every limit is hit once, on the side that is asked, and says so by name; afterwards nothing is kept. */
#include "unit/p2p/host_net.h"

static const char *const hold_protocols[] = { HOLD };

struct opener {
	uint32_t closed, resets;
	size_t left; /* bytes still to write */
	struct zs_host_stream *stream;
	char text[ZS_HOST_TEXT];
};

static void write_on(void *user, struct zs_host_stream *s)
{
	static const uint8_t zeros[16384];
	struct opener *o = user;
	ssize_t n = 1;

	o->stream = s;
	while (o->left && n > 0) {
		n = zs_host_stream_write(s, zeros, o->left < sizeof(zeros) ? o->left : sizeof(zeros));
		o->left -= n > 0 ? (size_t)n : 0;
	}
}
static void nothing(void *user, struct zs_host_stream *s, const uint8_t *bytes, size_t len, bool fin)
{
	zs_host_stream_consume(s, len);
}
static void note_end(void *user, struct zs_host_stream *s, const struct zs_stream_end *why)
{
	struct opener *o = user;

	o->closed++;
	o->resets += why->fate == ZS_STREAM_RESET && why->code >= ZS_HOST_RESOURCES + 1;
	snprintf(o->text, sizeof(o->text), "%s", why->text);
}
static const struct zs_stream_ops opener_ops = {
	.ready = write_on, .data = nothing, .writable = write_on, .closed = note_end
};

static int open_hold(struct node *n, const struct node *to, struct opener *o, struct zs_error *err)
{
	const struct zs_host_open ask = {
		.peer = to->id, .protocols = hold_protocols, .count = 1, .ops = &opener_ops, .user = o
	};
	struct zs_host_stream *s;
	int rc = zs_host_open(n->host, &ask, node_now(n), &s, err);

	node_pump(n);
	return rc;
}

enum how { DIALS, TWINS, STREAMS, BYTES };
struct row {
	enum how how;
	enum zs_scope scope;
	enum zs_resource resource;
	uint32_t limit;
};

static void set_limit(struct zs_host_config *c, const struct row *row)
{
	struct zs_limit *l = &c->limits.limit[row->scope];

	switch (row->resource) {
	case ZS_RESOURCE_conns_in:
		l->conns_in = row->limit;
		break;
	case ZS_RESOURCE_conns:
		l->conns = row->limit;
		break;
	case ZS_RESOURCE_streams_in:
		l->streams_in = row->limit;
		break;
	case ZS_RESOURCE_streams:
		l->streams = row->limit;
		break;
	case ZS_RESOURCE_memory_bytes:
		l->memory_bytes = row->limit;
		break;
	case ZS_RESOURCE_conns_per_s:
		l->conns_per_s = 1;
		l->conns_burst = row->limit;
		break;
	case ZS_RESOURCE_streams_per_s:
		l->streams_per_s = 1;
		l->streams_burst = row->limit;
		break;
	case ZS_RESOURCE_peers:
		c->limits.peers = row->limit;
		break;
	default:
		fail_msg("no way to set this limit");
	}
}

static void expect_refusal(const struct node *b, const struct row *row)
{
	char text[64], name[64];

	if (!b->refused)
		fail_msg("%s.%s: nothing was refused", zs_scope_name(row->scope),
			 zs_resource_name(row->resource));
	snprintf(text, sizeof(text), "our limit, scope %s", zs_scope_name(row->scope));
	snprintf(name, sizeof(name), "; %s.%s raises it", zs_scope_name(row->scope),
		 zs_resource_name(row->resource));
	if (b->why.scope != row->scope || b->why.resource != row->resource ||
	    !strstr(b->refused_text, text) || !strstr(b->refused_text, name))
		fail_msg("expected %s%s, got: %s", text, name, b->refused_text);
	assert_true(zs_host_refused(b->host, row->scope, row->resource) > 0);
}

/* Into the network where all such nodes are; nodes are elsewhere by themselves, each in one of its own. */
static void move_in(struct node *n)
{
	char text[ZS_ENDPOINT_TEXT];

	snprintf(text, sizeof(text), "9.200.7.%u:4001", n->number + 1);
	assert_int_equal(zs_endpoint_parse(&n->at, text), 0);
	n->outside = n->at;
}

static void try(const struct row *row)
{
	struct net *net = net_new(1);
	struct node *b = net_node(net), *a = net_node(net), *c = net_node(net);
	struct opener o[6] = { 0 };

	set_limit(&b->config, row);
	if (row->how == TWINS) {
		c->identity = a->identity;
		c->id = a->id;
	}
	if (row->scope == ZS_SCOPE_network) {
		move_in(a);
		move_in(c);
	}
	node_bind(b);
	node_bind(a);
	node_bind(c);
	node_dial(a, b);
	net_run(net, 500 * MS);
	if (row->how == DIALS || row->how == TWINS) {
		node_dial(c, b);
	} else if (row->how == STREAMS) {
		for (int i = 0; i < 6; i++)
			assert_int_equal(open_hold(a, b, &o[i], NULL), 0);
	} else {
		o[0].left = 400000;
		assert_int_equal(open_hold(a, b, &o[0], NULL), 0);
	}
	net_run(net, 2000 * MS);
	expect_refusal(b, row);
	if (row->how == DIALS || row->how == TWINS)
		assert_true(c->disconnected + c->unreached > 0);
	else
		assert_true(
		    o[0].closed + o[1].closed + o[2].closed + o[3].closed + o[4].closed + o[5].closed > 0);
	/* The other's limit is told as the other's. */
	for (int i = 0; i < 6; i++)
		if (o[i].resets && !strstr(o[i].text, "the peer's limit of "))
			fail_msg("%s", o[i].text);
	net_free(net);
}

static void each_limit_says_its_name(void **state)
{
	static const struct row rows[] = {
		{ DIALS, ZS_SCOPE_system, ZS_RESOURCE_conns_in, 1 },
		{ DIALS, ZS_SCOPE_system, ZS_RESOURCE_conns, 1 },
		{ DIALS, ZS_SCOPE_system, ZS_RESOURCE_conns_per_s, 1 },
		{ DIALS, ZS_SCOPE_system, ZS_RESOURCE_peers, 1 },
		{ DIALS, ZS_SCOPE_transient, ZS_RESOURCE_conns_in, 0 },
		{ DIALS, ZS_SCOPE_connection, ZS_RESOURCE_conns_in, 0 },
		{ DIALS, ZS_SCOPE_connection, ZS_RESOURCE_memory_bytes, 40000 },
		{ DIALS, ZS_SCOPE_network, ZS_RESOURCE_conns_in, 1 },
		{ DIALS, ZS_SCOPE_network, ZS_RESOURCE_memory_bytes, 60000 },
		{ TWINS, ZS_SCOPE_peer, ZS_RESOURCE_conns_in, 1 },
		{ TWINS, ZS_SCOPE_peer, ZS_RESOURCE_conns, 1 },
		{ TWINS, ZS_SCOPE_peer, ZS_RESOURCE_conns_per_s, 1 },
		{ STREAMS, ZS_SCOPE_system, ZS_RESOURCE_streams_in, 3 },
		{ STREAMS, ZS_SCOPE_system, ZS_RESOURCE_streams, 3 },
		{ STREAMS, ZS_SCOPE_transient, ZS_RESOURCE_streams_in, 0 },
		{ STREAMS, ZS_SCOPE_peer, ZS_RESOURCE_streams_in, 3 },
		{ STREAMS, ZS_SCOPE_peer, ZS_RESOURCE_streams_per_s, 3 },
		{ STREAMS, ZS_SCOPE_service, ZS_RESOURCE_streams_in, 3 },
		{ STREAMS, ZS_SCOPE_service_peer, ZS_RESOURCE_streams_in, 3 },
		{ STREAMS, ZS_SCOPE_protocol, ZS_RESOURCE_streams_in, 3 },
		{ STREAMS, ZS_SCOPE_protocol_peer, ZS_RESOURCE_streams_in, 3 },
		{ STREAMS, ZS_SCOPE_connection, ZS_RESOURCE_streams_in, 3 },
		{ STREAMS, ZS_SCOPE_stream, ZS_RESOURCE_streams_in, 0 },
		{ BYTES, ZS_SCOPE_system, ZS_RESOURCE_memory_bytes, 140000 },
		{ BYTES, ZS_SCOPE_peer, ZS_RESOURCE_memory_bytes, 140000 },
		{ BYTES, ZS_SCOPE_connection, ZS_RESOURCE_memory_bytes, 140000 },
		{ BYTES, ZS_SCOPE_protocol, ZS_RESOURCE_memory_bytes, 100000 },
		{ BYTES, ZS_SCOPE_protocol_peer, ZS_RESOURCE_memory_bytes, 100000 },
		{ BYTES, ZS_SCOPE_service, ZS_RESOURCE_memory_bytes, 100000 },
		{ BYTES, ZS_SCOPE_service_peer, ZS_RESOURCE_memory_bytes, 100000 },
		{ BYTES, ZS_SCOPE_stream, ZS_RESOURCE_memory_bytes, 100000 },
	};

	for (size_t i = 0; i < ZS_ARRAY_LEN(rows); i++)
		try(&rows[i]);
}

static void our_own_limits_are_told_at_once(void **state)
{
	struct net *net = net_new(1);
	struct node *a = net_node(net), *b = net_node(net);
	struct opener o = { 0 };
	struct zs_error err;

	a->config.limits.limit[ZS_SCOPE_connection].streams_out = 2;
	a->config.waiting = 3;
	node_bind(a);
	node_bind(b);
	node_dial(a, b);
	net_run(net, 1000 * MS);
	assert_int_equal(open_hold(a, b, &o, &err), 0);
	assert_int_equal(open_hold(a, b, &o, &err), 0);
	assert_int_equal(open_hold(a, b, &o, &err), -EDQUOT);
	assert_string_equal(
	    strstr(err.text, "2 of 2"),
	    "2 of 2 streams we opened in use, 1 more asked; connection.streams_out raises it");
	zs_host_disconnect(a->host, &b->id, ZS_HOST_NONE, NULL);
	net_run(net, 100 * MS);
	assert_int_equal(o.closed, 2);
	for (int i = 0; i < 3; i++)
		assert_int_equal(open_hold(a, b, &o, &err), 0);
	assert_int_equal(open_hold(a, b, &o, &err), -EBUSY);
	assert_string_equal(err.text, "our limit: 3 of 3 streams wait already; waiting raises it");
	net_free(net);
}

/* The peer's credit for streams is a queue here, not a refusal. */
static void streams_wait_for_the_peers_credit(void **state)
{
	struct net *net = net_new(1);
	struct node *a = net_node(net), *b = net_node(net);
	static struct opener o[40];
	struct zs_host_stats stats;

	b->config.quic.streams_bidi = 8;
	node_bind(a);
	node_bind(b);
	node_dial(a, b);
	net_run(net, 1000 * MS);
	for (int i = 0; i < 40; i++)
		assert_int_equal(open_hold(a, b, &o[i], NULL), 0);
	net_run(net, 1000 * MS);
	zs_host_stats(a->host, &stats);
	assert_int_equal(b->streams, 8);
	assert_int_equal(stats.waiting, 32);
	for (int i = 0; i < 5; i++)
		zs_host_stream_reset(o[i].stream, 0);
	net_run(net, 1000 * MS);
	zs_host_stats(a->host, &stats);
	assert_int_equal(b->streams, 13);
	assert_int_equal(stats.waiting, 27);
	net_run(net, 20000 * MS);
	zs_host_stats(a->host, &stats);
	assert_int_equal(stats.waiting, 0); /* timed out, and told so */
	assert_string_equal(o[39].text, "it took too long");
	assert_int_equal(o[12].closed, 0);
	net_free(net);
}

/* Far more than any window or limit goes through a stream: what was consumed and acknowledged counts no more.
 * A write that memory refuses is a short one; when there is memory again, writing goes on. */
static void a_hungry_writer_goes_on(void **state)
{
	static const char *const sink[] = { SINK };
	struct net *net = net_new(1);
	struct node *a = net_node(net), *b = net_node(net);
	struct opener o = { .left = 30000000 };
	struct zs_host_stats stats;

	a->config.limits.limit[ZS_SCOPE_stream].memory_bytes = 300000; /* 60 % of it for a write */
	b->config.limits.limit[ZS_SCOPE_stream].memory_bytes = 100000;
	node_bind(a);
	node_bind(b);
	node_dial(a, b);
	net_run(net, 1000 * MS);
	const struct zs_host_open ask = {
		.peer = b->id, .protocols = sink, .count = 1, .ops = &opener_ops, .user = &o
	};
	struct zs_host_stream *s;
	assert_int_equal(zs_host_open(a->host, &ask, node_now(a), &s, NULL), 0);
	net_run(net, 60 * MS);
	zs_host_stats(a->host, &stats);
	assert_true(o.left > 0 && stats.system.memory_bytes > a->config.connection_bytes);
	assert_in_range(stats.system.memory_bytes, 0, a->config.connection_bytes + 180000);
	net_run(net, 60000 * MS);
	assert_true(a->refused > 0);
	assert_string_equal(o.text, "");
	assert_int_equal(o.left, 0);
	assert_int_equal(b->sunk, 30000000);
	assert_int_equal(b->refused, 0);
	for (int i = 0; i < 2; i++) { /* the stream stands, and costs nothing any more */
		zs_host_stats(net->node[i].host, &stats);
		assert_int_equal(stats.streams, 1);
		assert_int_equal(stats.system.memory_bytes, a->config.connection_bytes);
	}
	net_free(net);
}

/* Beyond what is free, packets in flight and data out of order are the connection's memory, until it ends. */
static void what_quic_holds_is_counted(void **state)
{
	static const char *const sink[] = { SINK };
	struct net *net = net_new(1);
	struct node *a = net_node(net), *b = net_node(net);
	struct opener o = { .left = 8000000 };
	struct zs_host_stats stats;
	struct zs_host_stream *s;

	a->config.connection_free = 0;
	node_bind(a);
	node_bind(b);
	node_dial(a, b);
	net_run(net, 1000 * MS);
	const struct zs_host_open ask = {
		.peer = b->id, .protocols = sink, .count = 1, .ops = &opener_ops, .user = &o
	};
	assert_int_equal(zs_host_open(a->host, &ask, node_now(a), &s, NULL), 0);
	net_run(net, 10000 * MS);
	assert_int_equal(b->sunk, 8000000);
	zs_host_stats(a->host, &stats);
	assert_true(stats.system.memory_bytes > a->config.connection_bytes);
	zs_host_stats(b->host, &stats);
	assert_int_equal(stats.system.memory_bytes, b->config.connection_bytes);
	zs_host_disconnect(a->host, &b->id, ZS_HOST_NONE, NULL);
	net_run(net, 1000 * MS);
	zs_host_stats(a->host, &stats);
	assert_int_equal(stats.system.memory_bytes, 0);
	net_free(net);
}

static void trimming_leaves_the_protected(void **state)
{
	struct net *net = net_new(1);
	struct node *b = net_node(net);
	struct zs_host_stats stats;

	b->config.connmgr.low = 3;
	b->config.connmgr.high = 6;
	b->config.connmgr.grace_ns = 1000 * MS;
	b->config.quic.keep_alive_ns = 5000 * MS;
	node_bind(b);
	for (uint32_t i = 1; i <= 9; i++) {
		struct node *n = net_node(net);
		node_bind(n);
		if (i <= 2)
			assert_int_equal(zs_host_protect(b->host, &n->id, "test", false), 0);
		node_dial(n, b);
		net_run(net, 100 * MS);
	}
	net_run(net, 15000 * MS);
	zs_host_stats(b->host, &stats);
	assert_int_equal(stats.conns, 3);
	assert_int_equal(stats.trimmed, 6);
	assert_int_equal(net->node[1].disconnected + net->node[2].disconnected, 0);
	assert_int_equal(net->node[3].close.code, ZS_HOST_COLLECTED);
	assert_string_equal(net->node[3].close_text,
			    "closed by the peer (0x1005): trimmed: too many connections");
	net_free(net);
}

/* Who says who it is, and even more who is here for a protocol, stands when strangers fill the house and fall silent. */
static void trimming_takes_strangers_first(void **state)
{
	static const char *const sink[] = { SINK };
	struct net *net = net_new(1);
	struct node *b = net_node(net), *served, *silent;
	struct opener o = { .left = 1 };
	struct zs_host_stream *s;

	b->config.connmgr.low = 2;
	b->config.connmgr.high = 3;
	b->config.connmgr.grace_ns = 1000 * MS;
	node_bind(b);
	served = net_node(net);
	node_bind(served);
	node_dial(served, b);
	net_run(net, 500 * MS);
	const struct zs_host_open ask = {
		.peer = b->id, .protocols = sink, .count = 1, .ops = &opener_ops, .user = &o
	};
	assert_int_equal(zs_host_open(served->host, &ask, node_now(served), &s, NULL), 0);
	net_run(net, 500 * MS);
	zs_host_stream_reset(o.stream, 0); /* it was here for something; now it is as idle as all */
	net_run(net, 500 * MS);
	for (uint32_t i = 0; i < 3; i++) {
		silent = net_node(net);
		node_bind(silent);
		node_dial(silent, b);
		net_run(net, 1500 * MS); /* beyond its grace */
	}
	net_run(net, 5000 * MS);
	assert_int_equal(served->disconnected, 0);
	for (uint32_t i = 2; i <= 3; i++)
		assert_int_equal(net->node[i].close.code, ZS_HOST_COLLECTED);
	net_free(net);
}

static void see_score(void *user, const struct zs_host_conn_view *v)
{
	*(int64_t *)user = v->score;
}

static int64_t score_at(struct node *n)
{
	int64_t score = -1;

	zs_host_each(n->host, see_score, &score);
	return score;
}

static void scores_are_earned(void **state)
{
	struct net *net = net_new(1);
	struct node *a = net_node(net), *b = net_node(net);
	struct opener o = { 0 };

	node_bind(a);
	node_bind(b);
	node_dial(a, b);
	net_run(net, 1000 * MS); /* identify alone */
	assert_int_equal(score_at(b), 1);
	assert_int_equal(open_hold(a, b, &o, NULL), 0);
	net_run(net, 1000 * MS);
	assert_int_equal(score_at(b), 11);
	assert_int_equal(open_hold(b, a, &o, NULL), 0);
	net_run(net, 1000 * MS);
	assert_int_equal(score_at(b), 21);
	net_free(net);
}

static void a_full_network_has_room_for_the_protected(void **state)
{
	struct net *net = net_new(1);
	struct node *b = net_node(net), *n[5];

	b->config.limits.limit[ZS_SCOPE_network].conns_in = 1;
	node_bind(b);
	for (int i = 0; i < 5; i++) {
		n[i] = net_node(net);
		if (i < 4)
			move_in(n[i]);
		node_bind(n[i]);
	}
	node_dial(n[0], b);
	net_run(net, 500 * MS);
	assert_int_equal(zs_host_protect(b->host, &n[1]->id, "test", false), 0);
	node_dial(n[1], b); /* protected before */
	net_run(net, 500 * MS);
	assert_int_equal(b->connected, 2);
	assert_int_equal(zs_host_protect(b->host, &n[0]->id, "test", false), 0);
	node_dial(n[2], b); /* into the place of one that is protected now */
	net_run(net, 500 * MS);
	assert_int_equal(b->connected, 3);
	node_dial(n[3], b);
	net_run(net, 500 * MS);
	assert_int_equal(b->connected, 3);
	assert_non_null(strstr(n[3]->close_text[0] ? n[3]->close_text : n[3]->unreached_text,
			       "network.conns_in raises it"));
	assert_false(zs_host_unprotect(b->host, &n[1]->id, "test")); /* counts again, and there is no place */
	node_pump(b);
	net_run(net, 500 * MS);
	assert_int_equal(n[1]->disconnected, 1);
	assert_non_null(strstr(n[1]->close_text, "network.conns_in raises it"));
	node_dial(n[4], b); /* from elsewhere */
	net_run(net, 500 * MS);
	assert_int_equal(b->connected, 4);
	assert_int_equal(n[0]->disconnected + n[2]->disconnected, 0);
	net_free(net);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_limit_says_its_name),
		cmocka_unit_test(our_own_limits_are_told_at_once),
		cmocka_unit_test(streams_wait_for_the_peers_credit),
		cmocka_unit_test(a_hungry_writer_goes_on),
		cmocka_unit_test(what_quic_holds_is_counted),
		cmocka_unit_test(trimming_leaves_the_protected),
		cmocka_unit_test(trimming_takes_strangers_first),
		cmocka_unit_test(scores_are_earned),
		cmocka_unit_test(a_full_network_has_room_for_the_protected),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
