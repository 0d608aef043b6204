/* Many streams leave nothing behind; many hosts on a bad network find each other again. */
#include "unit/p2p/host_net.h"

/* --- 10,000 streams ------------------------------------------------------------------------- */

#define STREAMS 10000
#define BATCH	100
#define BYTES	3000

static const char *const sink_protocols[] = { SINK }, *const hold_protocols[] = { HOLD };

struct tally {
	uint32_t done, other;
};

static void send_some(void *user, struct zs_host_stream *s)
{
	static const uint8_t bytes[BYTES];

	zs_host_stream_write(s, bytes, sizeof(bytes));
	if (!strcmp(zs_host_stream_protocol(s), SINK))
		zs_host_stream_fin(s);
}
static void no_data(void *user, struct zs_host_stream *s, const uint8_t *bytes, size_t len, bool fin)
{
	zs_host_stream_consume(s, len);
}
static void tally_end(void *user, struct zs_host_stream *s, const struct zs_stream_end *why)
{
	struct tally *t = user;
	*(why->fate == ZS_STREAM_DONE ? &t->done : &t->other) += 1;
}
static const struct zs_stream_ops sender_ops = { .ready = send_some, .data = no_data, .closed = tally_end };

struct level {
	struct zs_host_stats stats;
	struct zs_host_conn_view view;
};

static void take_view(void *user, const struct zs_host_conn_view *view)
{
	((struct level *)user)->view = *view;
}

static struct level level_of(struct node *n)
{
	struct level l = { 0 };

	zs_host_stats(n->host, &l.stats);
	zs_host_each(n->host, take_view, &l);
	return l;
}

static void same_level(const struct level *a, const struct level *b)
{
	assert_memory_equal(&a->stats.system, &b->stats.system, sizeof(a->stats.system));
	assert_memory_equal(&a->stats.transient, &b->stats.transient, sizeof(a->stats.transient));
	assert_int_equal(a->stats.streams, b->stats.streams);
	assert_int_equal(a->stats.waiting, b->stats.waiting);
	assert_int_equal(a->view.streams_left, b->view.streams_left);
	assert_int_equal(a->view.memory_bytes, b->view.memory_bytes);
	assert_int_equal(a->view.buffered, 0);
}

/* The most that `from` may send to `to` at once: seen after an update of the window, which comes when half of it is used. */
static uint64_t whole_credit(struct net *net, struct node *from, const struct node *to)
{
	struct tally t = { 0 };
	const struct zs_host_open ask = {
		.peer = to->id, .protocols = sink_protocols, .count = 1, .ops = &sender_ops, .user = &t
	};
	uint64_t most = 0;

	for (uint64_t sent = 0; sent < from->config.quic.connection_window; sent += BYTES) {
		struct zs_host_stream *s;
		struct level l;

		assert_int_equal(zs_host_open(from->host, &ask, node_now(from), &s, NULL), 0);
		net_run(net, 100 * MS);
		l = level_of(from);
		most = l.view.credit > most ? l.view.credit : most;
	}
	return most;
}

/* Windows that do not grow: what they are at the end is what they were. */
static struct net *fixed_pair(void)
{
	struct net *net = net_new(1);

	for (int i = 0; i < 2; i++) {
		struct node *n = net_node(net);
		n->config.quic.connection_window_max = n->config.quic.connection_window;
		node_bind(n);
	}
	node_dial(&net->node[0], &net->node[1]);
	net_run(net, 1000 * MS);
	return net;
}

static void ten_thousand_streams_leave_nothing(void **state)
{
	struct net *net = fixed_pair();
	struct node *a = &net->node[0], *b = &net->node[1];
	struct level a0 = level_of(a), b0 = level_of(b), a1, b1;
	struct tally t = { 0 };
	uint32_t resets = 0;

	for (uint32_t i = 0; i < STREAMS; i += BATCH) {
		struct zs_host_stream *lost[BATCH / 10];
		for (uint32_t k = 0; k < BATCH; k++) {
			bool lose = k % 10 == 9;
			const struct zs_host_open ask = { .peer = b->id,
							  .protocols = lose ? hold_protocols : sink_protocols,
							  .count = 1,
							  .lazy = k % 2,
							  .ops = &sender_ops,
							  .user = &t };
			struct zs_host_stream *s;
			assert_int_equal(zs_host_open(a->host, &ask, node_now(a), &s, NULL), 0);
			if (lose)
				lost[k / 10] = s;
		}
		/* Half of them have arrived and were not consumed, the others are on their way. */
		net_run(net, (i / BATCH) % 2 ? 1 * MS : 200 * MS);
		for (uint32_t k = 0; k < BATCH / 10; k++, resets++)
			zs_host_stream_reset(lost[k], 0);
		net_run(net, 300 * MS);
	}
	net_run(net, 1000 * MS);
	assert_int_equal(resets, STREAMS / 10);
	assert_int_equal(t.done, STREAMS - STREAMS / 10);
	assert_int_equal(t.other, 0);
	assert_int_equal(b->finished, t.done);
	assert_int_equal(b->closed, b->streams);
	assert_true(b->sunk > (uint64_t)BYTES * t.done);
	a1 = level_of(a);
	b1 = level_of(b);
	same_level(&a0, &a1);
	same_level(&b0, &b1);
	/* The window but for what one more stream had sent when it was told. */
	assert_in_range(whole_credit(net, a, b), a->config.quic.connection_window - 2 * BYTES,
			a->config.quic.connection_window);
	assert_in_range(whole_credit(net, b, a), b->config.quic.connection_window - 2 * BYTES,
			b->config.quic.connection_window);
	assert_int_equal(a->refused + b->refused + a->disconnected, 0);
	net_free(net);
}

/* --- 50 hosts ------------------------------------------------------------------------------- */

#define HOSTS 50

/* Each has the next, the one before and two seven away for neighbours. */
static bool are_neighbours(uint32_t i, uint32_t k)
{
	uint32_t d = (i + HOSTS - k) % HOSTS;
	return d == 1 || d == 7 || d == HOSTS - 1 || d == HOSTS - 7;
}

static bool is_hidden(uint32_t i)
{
	return i % 5 == 4;
}

static bool is_joined(struct node *n, const struct node *to)
{
	struct zs_host_conn *c = zs_host_conn_to(n->host, &to->id);
	return c && zs_host_conn_is_identified(c);
}

/* Nobody can dial those behind a NAT; others dial each other, at once as it happens. */
static bool dials(uint32_t k)
{
	return !is_hidden(k);
}

static void look_after(struct net *net, uint32_t i)
{
	struct node *n = &net->node[i];

	for (uint32_t k = 0; k < HOSTS; k++)
		if (are_neighbours(i, k) && dials(k) && !zs_host_conn_to(n->host, &net->node[k].id))
			zs_host_connect(n->host, &net->node[k].id, false, node_now(n), NULL);
}

static void meet_neighbours(struct net *net, uint32_t i)
{
	struct node *n = &net->node[i];

	for (uint32_t k = 0; k < HOSTS; k++) {
		if (!are_neighbours(i, k))
			continue;
		if (dials(k))
			node_learn(n, &net->node[k]);
		assert_int_equal(zs_host_protect(n->host, &net->node[k].id, "neighbour", true), 0);
	}
}

static void run_seconds(struct net *net, uint32_t seconds)
{
	for (uint32_t t = 0; t < seconds; t++) {
		for (uint32_t i = 0; i < HOSTS; i++)
			look_after(net, i);
		net_run(net, 1000 * MS);
	}
}

static void restart(struct net *net, uint32_t i)
{
	struct node *n = &net->node[i];

	zs_host_delete(n->host);
	node_start(n);
	meet_neighbours(net, i);
}

static void all_are_joined(struct net *net, const char *when)
{
	for (uint32_t i = 0; i < HOSTS; i++)
		for (uint32_t k = 0; k < HOSTS; k++)
			if (are_neighbours(i, k) && !is_joined(&net->node[i], &net->node[k]))
				fail_msg("%s: %u is not joined with %u", when, i, k);
}

struct crowd {
	const struct zs_peer_id *peer;
	uint32_t connections;
};

static void count_of_peer(void *user, const struct zs_host_conn_view *view)
{
	struct crowd *c = user;

	c->connections += zs_peer_id_eq(&view->peer, c->peer);
}

/* One connection to each neighbour and none to anybody else, at both ends. */
static void none_is_surplus(struct net *net)
{
	for (uint32_t i = 0; i < HOSTS; i++) {
		struct zs_host_stats stats;
		uint32_t neighbours = 0;

		for (uint32_t k = 0; k < HOSTS; k++) {
			struct crowd c = { .peer = &net->node[k].id };

			zs_host_each(net->node[i].host, count_of_peer, &c);
			neighbours += are_neighbours(i, k);
			if (c.connections != are_neighbours(i, k))
				fail_msg("%u has %u connections to %u", i, c.connections, k);
		}
		zs_host_stats(net->node[i].host, &stats);
		assert_int_equal(stats.conns, neighbours);
	}
}

static void storm(uint64_t seed)
{
	const struct zs_sim_link link = { .delay_ns = 10 * MS,
					  .jitter_ns = 10 * MS,
					  .loss_ppm = 20000,
					  .duplicate_ppm = 10000,
					  .reorder_ppm = 20000,
					  .reorder_ns = 15 * MS };
	struct net *net = net_new(seed);
	uint32_t nat[HOSTS];

	for (uint32_t i = 0; i < HOSTS; i++) {
		struct node *n = net_node(net);
		struct zs_addr outside = n->at.addr;
		outside.ip[15] = 99;
		if (is_hidden(i)) {
			nat[i] = zs_sim_nat(net->sim, &outside, ZS_SIM_NAT_CONE, 60000 * MS);
			zs_sim_behind(net->sim, n->number, nat[i]);
		}
		node_bind(n);
		zs_sim_set_links(net->sim, n->number, &link, &link);
	}
	for (uint32_t i = 0; i < HOSTS; i++)
		meet_neighbours(net, i);
	run_seconds(net, 30);
	all_are_joined(net, "after 30 s");
	for (uint32_t i = 0; i < HOSTS; i++)
		if (is_hidden(i))
			zs_sim_rebind(net->sim, nat[i]);
	run_seconds(net, 20);
	all_are_joined(net, "after the rebinding");
	zs_sim_jump(net->sim, net->node[3].number, 3600 * 1000 * (int64_t)MS);
	zs_sim_jump(net->sim, net->node[10].number, 12 * 1000 * (int64_t)MS);
	zs_sim_jump(net->sim, net->node[20].number, -4 * 1000 * (int64_t)MS);
	restart(net, 30);
	restart(net, 34);
	for (uint32_t i = 40; i < 44; i++)
		zs_sim_partition(net->sim, net->node[i].number, 1);
	run_seconds(net, 45);
	for (uint32_t i = 40; i < 44; i++)
		zs_sim_partition(net->sim, net->node[i].number, 0);
	run_seconds(net, 90); /* the back-off's longest by now, twice */
	all_are_joined(net, "at the end");
	none_is_surplus(net);
	for (uint32_t i = 0; i < HOSTS; i++)
		assert_true(zs_host_check(net->node[i].host));
	net_free(net);
}

static void fifty_hosts_end_in_the_right_state(void **state)
{
	storm(1);
	storm(20261121);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ten_thousand_streams_leave_nothing),
		cmocka_unit_test(fifty_hosts_end_in_the_right_state),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
