/* Two hosts that dial each other at once keep one connection, and the same one. */
#include "unit/p2p/host_net.h"

struct count {
	uint32_t conns, dialled;
};

static void count_conn(void *user, const struct zs_host_conn_view *view)
{
	struct count *count = user;

	count->conns++;
	count->dialled += view->dialled;
}

static struct count count_of(struct node *n)
{
	struct count count = { 0 };

	zs_host_each(n->host, count_conn, &count);
	return count;
}

static struct net *both_dial(uint64_t seed)
{
	struct net *net = net_new(seed);

	for (int i = 0; i < 2; i++)
		node_bind(net_node(net));
	for (int i = 0; i < 2; i++)
		node_dial(&net->node[i], &net->node[!i]);
	return net;
}

/* Of the pair, who has the smaller id. */
static int smaller(const struct net *net)
{
	const struct node *n = net->node;

	return memcmp(n[0].id.bytes, n[1].id.bytes, n[0].id.len) < 0 ? 0 : 1;
}

static void assert_one_left(struct net *net)
{
	for (int i = 0; i < 2; i++) {
		struct node *n = &net->node[i];
		struct count count = count_of(n);
		struct zs_host_conn *c = zs_host_conn_to(n->host, &net->node[!i].id);

		assert_int_equal(count.conns, 1);
		assert_int_equal(count.dialled, i == smaller(net));
		assert_non_null(c);
		assert_true(zs_host_conn_is_identified(c));
		assert_int_equal(n->connected, 2);
		assert_int_equal(n->disconnected, 1);
		assert_int_equal(n->close.code, ZS_HOST_SUPPLANTED);
	}
}

static void one_is_left(void **state)
{
	for (uint64_t seed = 1; seed <= 8; seed++) {
		struct net *net = both_dial(seed);

		net_run(net, 500 * MS);
		for (int i = 0; i < 2; i++)
			assert_int_equal(count_of(&net->node[i]).conns, 2);
		net_run(net, 3000 * MS);
		assert_one_left(net);
		net_free(net);
	}
}

/* The peer with the larger id dials first, and its connection is up before the other's, which is under way by then. */
static struct net *larger_first(struct node **larger)
{
	struct net *net = net_new(9);
	struct zs_sim_link slow = { .delay_ns = 400 * MS };

	for (int i = 0; i < 2; i++) {
		node_bind(net_node(net));
		zs_sim_set_links(net->sim, net->node[i].number, &slow, &slow);
	}
	*larger = &net->node[!smaller(net)];
	node_dial(*larger, &net->node[smaller(net)]);
	net_run(net, 1000 * MS);
	node_dial(&net->node[smaller(net)], *larger);
	for (int i = 0; i < 50 && count_of(*larger).conns < 2; i++)
		net_run(net, 100 * MS);
	assert_int_equal((*larger)->connected, 1);
	return net;
}

static struct zs_host_stream *open_sink(struct node *n, struct zs_host_conn *c)
{
	static const char *const protocols[] = { SINK };
	struct zs_host_stream *s;
	struct zs_error err = { 0 };
	const struct zs_host_open ask = {
		.conn = c, .protocols = protocols, .count = 1, .ops = &sink_ops, .user = n
	};

	if (zs_host_open(n->host, &ask, node_now(n), &s, &err) < 0)
		fail_msg("%s", err.text);
	return s;
}

static void the_first_may_go(void **state)
{
	struct node *larger;
	struct net *net = larger_first(&larger);

	net_run(net, 20000 * MS);
	assert_one_left(net);
	net_free(net);
}

/* What is in use is not taken away: it goes when it is at rest. New streams run over the other meanwhile. */
static void one_in_use_stays(void **state)
{
	struct node *larger;
	struct net *net = larger_first(&larger);
	struct zs_host_conn *first = zs_host_conn_to(larger->host, &net->node[smaller(net)].id);
	struct zs_host_stream *s = open_sink(larger, first);

	net_run(net, 20000 * MS);
	assert_int_equal(count_of(larger).conns, 2);
	assert_int_equal(larger->disconnected, 0);
	assert_ptr_not_equal(zs_host_conn_to(larger->host, &net->node[smaller(net)].id), first);
	zs_host_stream_fin(s);
	net_run(net, 5000 * MS);
	assert_int_equal(larger->closed, 1);
	assert_one_left(net);
	net_free(net);
}

/* Its counterpart ends first: it is the only one, and no surplus. */
static void the_last_stays(void **state)
{
	struct node *larger;
	struct net *net = larger_first(&larger);
	const struct zs_peer_id *peer = &net->node[smaller(net)].id;
	struct zs_host_conn *first = zs_host_conn_to(larger->host, peer);
	struct zs_host_stream *s = open_sink(larger, first);

	net_run(net, 10000 * MS);
	zs_host_close(zs_host_conn_to(larger->host, peer), ZS_HOST_NONE, NULL);
	net_run(net, 5000 * MS);
	zs_host_stream_fin(s);
	net_run(net, 5000 * MS);
	assert_ptr_equal(zs_host_conn_to(larger->host, peer), first);
	assert_int_equal(count_of(larger).conns, 1);
	net_free(net);
}

/* Both ends asked for a connection of its own each: nothing is surplus. */
static void direct_ones_stay(void **state)
{
	struct net *net = net_new(10);
	struct zs_host_conn *c;
	struct zs_error err = { 0 };

	for (int i = 0; i < 2; i++)
		node_bind(net_node(net));
	for (int i = 0; i < 2; i++) {
		struct node *n = &net->node[i], *to = &net->node[!i];
		if (zs_host_dial(n->host, &to->outside, &to->id, n, node_now(n), &c, &err) < 0)
			fail_msg("%s", err.text);
	}
	net_run(net, 10000 * MS);
	for (int i = 0; i < 2; i++)
		assert_int_equal(count_of(&net->node[i]).conns, 2);
	net_free(net);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_is_left),	    cmocka_unit_test(the_first_may_go),
		cmocka_unit_test(one_in_use_stays), cmocka_unit_test(the_last_stays),
		cmocka_unit_test(direct_ones_stay),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
