/* Direct dials: a connection to an endpoint, beside the ones that the planner makes for a peer. */
#include "unit/p2p/host_net.h"

static struct zs_host_conn *dial(struct node *n, const struct zs_endpoint *at, const struct zs_peer_id *peer)
{
	struct zs_host_conn *c = NULL;
	struct zs_error err = { 0 };

	if (zs_host_dial(n->host, at, peer, n, node_now(n), &c, &err) < 0)
		fail_msg("%s", err.text);
	assert_ptr_equal(zs_host_conn_user(c), n);
	node_pump(n);
	return c;
}

static void a_second_connection_to_a_peer(void **state)
{
	struct net *net = net_pair();
	struct node *a = &net->node[0], *b = &net->node[1];
	struct zs_host_conn *first = zs_host_conn_to(a->host, &b->id), *c = dial(a, &b->outside, &b->id);

	net_run(net, 1000 * MS);
	assert_int_equal(a->connected, 2);
	assert_int_equal(b->connected, 2);
	assert_ptr_not_equal(c, first);
	assert_true(zs_peer_id_eq(zs_host_conn_peer(c), &b->id));
	zs_host_close(first, ZS_HOST_NONE, NULL);
	net_run(net, 1000 * MS);
	assert_ptr_equal(zs_host_conn_to(a->host, &b->id), c);
	net_free(net);
}

static void whoever_answers(void **state)
{
	struct net *net = net_new(2);

	for (int i = 0; i < 2; i++)
		node_bind(net_node(net));
	struct node *a = &net->node[0], *b = &net->node[1];
	struct zs_host_conn *c = dial(a, &b->outside, NULL);
	net_run(net, 1000 * MS);
	assert_int_equal(a->connected, 1);
	assert_true(zs_peer_id_eq(zs_host_conn_peer(c), &b->id));
	assert_ptr_equal(zs_host_conn_to(a->host, &b->id), c);
	net_free(net);
}

/* One that fails is told as gone, once, whatever failed. */
static void failures_are_told(void **state)
{
	struct net *net = net_new(3);

	for (int i = 0; i < 2; i++)
		node_bind(net_node(net));
	struct node *a = &net->node[0], *b = &net->node[1];
	dial(a, &b->outside, &a->id); /* b is not a */
	net_run(net, 1000 * MS);
	assert_int_equal(a->disconnected, 1);
	assert_int_equal(a->connected, 0);
	assert_non_null(strstr(a->close_text, "peer"));
	b->turn_away = true;
	dial(a, &b->outside, &b->id);
	net_run(net, 1000 * MS);
	assert_int_equal(a->disconnected, 2);
	assert_non_null(strstr(a->close_text, "not admitted"));
	b->turn_away = false;
	struct zs_endpoint nobody = b->outside;
	nobody.port++;
	dial(a, &nobody, &b->id);
	net_run(net, 30000 * MS);
	assert_int_equal(a->disconnected, 3);
	assert_int_equal(a->close.by, ZS_HOST_BY_SILENCE);
	assert_int_equal(a->unreached, 0); /* that is the planner's word */
	net_free(net);
}

/* A planned dial closes its own losers, nobody else's attempts. */
static void the_planner_leaves_it_alone(void **state)
{
	struct net *net = net_new(4);

	for (int i = 0; i < 2; i++)
		node_bind(net_node(net));
	struct node *a = &net->node[0], *b = &net->node[1], nobody = *b;
	nobody.outside.port++;
	node_learn(a, &nobody);
	node_dial(a, b);
	net_run(net, 1 * MS);
	dial(a, &b->outside, &b->id);
	net_run(net, 1000 * MS);
	assert_int_equal(a->connected, 2);
	net_free(net);
}

/* Silence is broken at the time that was asked for, though nobody protects the peer. */
static void kept_alive_alone(void **state)
{
	struct net *net = net_new(5);

	for (int i = 0; i < 2; i++)
		node_bind(net_node(net));
	struct node *a = &net->node[0], *b = &net->node[1];
	struct zs_host_conn *c = dial(a, &b->outside, &b->id);
	zs_host_conn_keep_alive(c, 2000 * MS); /* before it is up */
	net_run(net, 600000 * MS);
	assert_int_equal(a->disconnected, 0);
	zs_host_conn_keep_alive(c, 0);
	net_run(net, 600000 * MS);
	assert_int_equal(a->disconnected, 1);
	assert_int_equal(a->close.by, ZS_HOST_BY_SILENCE);
	net_free(net);
}

static void limits_and_the_end(void **state)
{
	struct net *net = net_new(6);
	struct node *a = net_node(net);
	struct zs_host_conn *c;
	struct zs_error err = { 0 };

	a->config.limits.limit[ZS_SCOPE_transient].conns_out = 1;
	node_bind(a);
	dial(a, &a->outside, NULL);
	assert_int_equal(zs_host_dial(a->host, &a->outside, NULL, a, node_now(a), &c, &err), -EDQUOT);
	assert_non_null(strstr(err.text, "transient"));
	zs_host_shutdown(a->host);
	node_pump(a);
	assert_int_equal(a->disconnected, 1);
	assert_int_equal(zs_host_dial(a->host, &a->outside, NULL, a, node_now(a), &c, &err), -ESHUTDOWN);
	net_free(net);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_second_connection_to_a_peer),
		cmocka_unit_test(whoever_answers),
		cmocka_unit_test(failures_are_told),
		cmocka_unit_test(the_planner_leaves_it_alone),
		cmocka_unit_test(kept_alive_alone),
		cmocka_unit_test(limits_and_the_end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
