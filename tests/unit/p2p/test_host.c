/* The host: two of them and what they agree on, and how each thing that can fail is told. */
#include "unit/p2p/host_net.h"

static void on_ping(void *user, uint64_t rtt_ns, const char *text)
{
	struct node *n = user;

	n->pings++;
	n->rtt_ns = rtt_ns;
	snprintf(n->ping_text, sizeof(n->ping_text), "%s", text ? text : "");
}

static void on_response(void *user, const uint8_t *bytes, size_t len, const char *text)
{
	struct node *n = user;

	n->responses++;
	snprintf(n->response, sizeof(n->response), "%.*s", text ? (int)strlen(text) : (int)len,
		 text ? text : (const char *)bytes);
}

static void ask_only(struct node *n, const struct node *whom, const void *bytes, uint32_t len, uint32_t max)
{
	const struct zs_request request = { .peer = whom->id,
					    .protocol = ECHO,
					    .bytes = bytes,
					    .len = len,
					    .max_response = max,
					    .timeout_ns = 3000 * MS,
					    .insist = true,
					    .done = on_response,
					    .user = n };
	struct zs_error err = { 0 };

	if (zs_request_send(n->host, &request, node_now(n), &err) < 0)
		fail_msg("%s", err.text);
}

static void ask(struct node *n, const struct node *whom, const void *bytes, uint32_t len, uint32_t max)
{
	ask_only(n, whom, bytes, len, max);
	node_pump(n);
}

static void both_sides_are_identified(void **state)
{
	struct net *net = net_pair();
	struct node *a = &net->node[0], *b = &net->node[1];
	struct zs_peer_record record;

	assert_int_equal(a->identified, 1);
	assert_int_equal(b->identified, 1);
	for (int i = 0; i < 2; i++) {
		struct node *n = i ? b : a, *other = i ? a : b;
		struct zs_multiaddr addr;
		const struct zs_peer_info *info = zs_peerstore_get(zs_host_peerstore(n->host), &other->id,
								   node_now(n));
		assert_non_null(info);
		assert_string_equal(info->agent, "zerostate");
		assert_string_equal(info->protocols, "/ipfs/id/1.0.0");
		assert_int_equal(zs_peer_record_open(&record, info->envelope, info->envelope_len), 0);
		assert_true(zs_peer_id_eq(&record.peer, &other->id));
		zs_multiaddr_quic(&addr, &other->outside, NULL);
		assert_int_equal(info->addresses, 1);
		assert_true(info->address[0].certified);
		assert_memory_equal(info->address[0].bytes, addr.bytes, addr.len);
	}
	net_free(net);
}

static void collect_view(void *user, const struct zs_host_conn_view *view)
{
	struct zs_host_conn_view *out = user;
	*out = *view;
}

static void a_connection_shows_what_it_is(void **state)
{
	struct net *net = net_pair();
	struct node *a = &net->node[0], *b = &net->node[1];
	struct zs_host_conn_view v = { 0 };

	assert_int_equal(zs_host_protect(a->host, &b->id, "test", true), 0);
	assert_int_equal(zs_host_tag(a->host, &b->id, "tag", 7), 0);
	zs_host_each(a->host, collect_view, &v);
	assert_true(zs_peer_id_eq(&v.peer, &b->id));
	assert_string_equal(v.transport, "quic-v1");
	assert_string_equal(v.state, "identified");
	assert_string_equal(v.group, "X25519");
	assert_string_equal(v.agent, "zerostate");
	assert_memory_equal(&v.remote, &b->at, sizeof(v.remote));
	assert_true(v.dialled && v.kept && v.identified && !v.limited);
	assert_int_equal(v.score, 8); /* 1 for being identified */
	assert_int_equal(v.protocols, 6);
	assert_in_range(v.rtt_ns, 20 * MS, 60 * MS);
	assert_int_equal(v.memory_bytes, a->config.connection_bytes);
	assert_true(v.rx_bytes > 1000 && v.tx_bytes > 1000);
	net_run(net, 60000 * MS); /* kept alive, so still there */
	assert_int_equal(a->disconnected, 0);
	assert_false(zs_host_unprotect(a->host, &b->id, "test"));
	net_run(net, 60000 * MS);
	assert_int_equal(a->disconnected, 1);
	assert_int_equal(a->close.by, ZS_HOST_BY_SILENCE);
	net_free(net);
}

static void changes_are_pushed(void **state)
{
	struct net *net = net_pair();
	struct node *a = &net->node[0], *b = &net->node[1];
	struct zs_endpoint more[2] = { a->at, a->at };

	assert_int_equal(b->pushed, 0);
	more[1].port = 4002;
	assert_int_equal(zs_host_listen(a->host, more, 2), 0);
	zs_host_unregister(a->host, HOLD);
	net_run(net, 3000 * MS);
	assert_int_equal(b->pushed, 1); /* both in one */
	assert_int_equal(a->pushed, 0);
	const struct zs_peer_info *info = zs_peerstore_get(zs_host_peerstore(b->host), &a->id, node_now(b));
	assert_int_equal(info->addresses, 2);
	assert_null(memmem(info->protocols, info->protocols_len, HOLD, strlen(HOLD)));
	assert_non_null(memmem(info->protocols, info->protocols_len, SINK, strlen(SINK)));
	/* More in a minute than one connection may: the rest is reset and counted nowhere else. */
	for (uint32_t i = 0; i < 40; i++) {
		more[1].port++;
		zs_host_listen(a->host, more, 2);
		net_run(net, 1100 * MS);
	}
	assert_in_range(b->pushed, 12, 22);
	net_free(net);
}

static void pings_go_both_ways(void **state)
{
	struct net *net = net_pair();

	for (int i = 0; i < 2; i++) {
		struct node *n = &net->node[i];
		assert_int_equal(
		    zs_host_ping(n->host, &net->node[!i].id, 1000 * MS, node_now(n), on_ping, n, NULL), 0);
		net_run(net, 500 * MS);
		assert_int_equal(n->pings, 1);
		assert_in_range(n->rtt_ns, 20 * MS, 21 * MS);
	}
	zs_sim_crash(net->sim, 1, true);
	struct node *a = &net->node[0];
	assert_int_equal(zs_host_ping(a->host, &net->node[1].id, 1000 * MS, node_now(a), on_ping, a, NULL),
			 0);
	net_run(net, 1100 * MS);
	assert_int_equal(a->pings, 2);
	assert_int_equal(a->rtt_ns, 0);
	assert_string_equal(a->ping_text, "it took too long");
	net_free(net);
}

static void requests_are_answered_or_told_why_not(void **state)
{
	struct net *net = net_pair();
	struct node *a = &net->node[0], *b = &net->node[1];
	char big[2000];

	memset(big, 'x', sizeof(big));
	ask(a, b, "hello", 5, 100);
	net_run(net, 500 * MS);
	assert_int_equal(a->responses, 1);
	assert_string_equal(a->response, "hello");
	ask(a, b, big, 500, 100);
	net_run(net, 500 * MS);
	assert_string_equal(a->response,
			    "the response is longer than allowed: raise the limit or ask for less");
	ask(a, b, big, 2000, 4000); /* longer than the answerer takes */
	net_run(net, 500 * MS);
	assert_string_equal(a->response, "the peer reset the stream");
	b->silent = true;
	ask(a, b, "hello", 5, 100);
	net_run(net, 3500 * MS);
	assert_int_equal(a->responses, 4);
	assert_string_equal(a->response, "it took too long");
	/* The other way, over the same connection. */
	ask(b, a, "back", 4, 100);
	net_run(net, 500 * MS);
	assert_string_equal(b->response, "back");
	assert_int_equal(b->connected, 1);
	net_free(net);
}

static void a_request_dials_and_a_failed_dial_is_told(void **state)
{
	struct net *net = net_new(1);
	struct node *a = net_node(net), *b = net_node(net);
	struct zs_error err;

	node_bind(a);
	node_bind(b);
	node_learn(a, b);
	ask(a, b, "one", 3, 100);
	ask(a, b, "two", 3, 100); /* joins the dial */
	net_run(net, 1000 * MS);
	assert_int_equal(a->responses, 2);
	assert_int_equal(a->connected, 1);
	zs_host_disconnect(a->host, &b->id, ZS_HOST_NONE, "enough");
	net_run(net, 100 * MS);
	assert_int_equal(b->disconnected, 1);
	assert_string_equal(b->close_text, "closed by the peer (0): enough");
	zs_sim_crash(net->sim, b->number, true);
	ask(a, b, "three", 5, 100);
	net_run(net, 4000 * MS);
	assert_string_equal(a->response, "it took too long");
	net_run(net, 6300 * MS);
	assert_int_equal(a->unreached, 1);
	assert_string_equal(a->unreached_text, "the handshake did not end in time");
	assert_int_equal(zs_host_connect(a->host, &b->id, false, node_now(a), &err), -EAGAIN);
	assert_non_null(strstr(err.text, "next try in"));
	net_free(net);
}

struct again {
	struct node *a, *b;
	uint32_t failed;
};
static void ask_again(void *user, const uint8_t *bytes, size_t len, const char *text)
{
	struct again *g = user;

	if (text)
		g->failed++;
	g->b->silent = false;
	if (text)
		ask_only(g->a, g->b, "again", 5, 100);
}

/* Whoever asks again from inside the bad news gets a new connection, not the one that is dying. */
static void asking_again_at_the_end_of_a_connection(void **state)
{
	struct net *net = net_pair();
	struct node *a = &net->node[0], *b = &net->node[1];
	struct again g = { a, b, 0 };
	struct zs_request request = { .peer = b->id,
				      .protocol = ECHO,
				      .bytes = "x",
				      .len = 1,
				      .max_response = 10,
				      .timeout_ns = 3000 * MS,
				      .done = ask_again,
				      .user = &g };

	b->silent = true;
	assert_int_equal(zs_request_send(a->host, &request, node_now(a), NULL), 0);
	net_run(net, 200 * MS);
	zs_host_disconnect(b->host, &a->id, ZS_HOST_NONE, "bye");
	net_run(net, 1000 * MS);
	assert_int_equal(g.failed, 1);
	assert_int_equal(a->connected, 2);
	assert_string_equal(a->response, "again");
	net_free(net);
}

static void another_peer_is_no_connection(void **state)
{
	struct net *net = net_new(1);
	struct node *a = net_node(net), *b = net_node(net), *c = net_node(net);
	struct zs_multiaddr addr;

	node_bind(a);
	node_bind(b);
	node_bind(c);
	zs_multiaddr_quic(&addr, &b->at, NULL);
	assert_int_equal(zs_host_learn(a->host, &c->id, &addr, ZS_GATER_CONFIGURED, node_now(a), NULL), 0);
	ask(a, c, "hello", 5, 100);
	net_run(net, 1000 * MS);
	assert_int_equal(a->connected, 0);
	assert_int_equal(b->connected, 0);
	assert_string_equal(a->response, "peer is not the one dialled: another peer id");
	assert_string_equal(a->unreached_text, a->response);
	net_free(net);
}

static void the_gater_and_admission_refuse(void **state)
{
	struct net *net = net_new(1);
	struct node *a = net_node(net), *b = net_node(net);
	struct zs_multiaddr addr;
	struct zs_error err;

	node_bind(a);
	node_bind(b);
	assert_int_equal(zs_multiaddr_parse(&addr, "/ip4/10.1.2.3/udp/4001/quic-v1"), 0);
	assert_int_equal(zs_host_learn(a->host, &b->id, &addr, ZS_GATER_LEARNT, node_now(a), &err), -EPERM);
	assert_non_null(strstr(err.text, "10.1.2.3:4001 is "));
	zs_multiaddr_quic(&addr, &a->at, NULL);
	assert_int_equal(zs_host_learn(a->host, &b->id, &addr, ZS_GATER_CONFIGURED, node_now(a), &err),
			 -EPERM);
	assert_non_null(strstr(err.text, "this relay itself"));
	assert_int_equal(zs_host_connect(a->host, &b->id, true, node_now(a), &err), -EADDRNOTAVAIL);
	const struct zs_udp_datagram raw = { .peer = a->at, .data = "x", .len = 1 };
	assert_int_equal(zs_host_send_raw(a->host, &raw), -EPERM);
	b->turn_away = true;
	node_dial(a, b);
	net_run(net, 1000 * MS);
	assert_int_equal(b->connected, 0);
	assert_int_equal(b->disconnected, 0);
	assert_int_equal(a->disconnected, 1);
	assert_int_equal(a->close.code, ZS_HOST_GATED);
	assert_string_equal(a->close_text, "closed by the peer (0x1007): not admitted");
	net_free(net);
}

static void raw_datagrams_leave_from_the_socket(void **state)
{
	struct net *net = net_pair();
	struct node *a = &net->node[0], *b = &net->node[1];
	uint8_t noise[ZS_HOST_RAW + 1] = { 0x11 };
	struct zs_udp_datagram raw = { .peer = b->at, .data = noise, .len = 64 };

	for (int i = 0; i < 32; i++)
		assert_int_equal(zs_host_send_raw(a->host, &raw), 0);
	assert_int_equal(zs_host_send_raw(a->host, &raw), -ENOBUFS);
	raw.len = ZS_HOST_RAW + 1;
	assert_int_equal(zs_host_send_raw(a->host, &raw), -EMSGSIZE);
	net_run(net, 100 * MS);
	assert_int_equal(b->raws, 32);
	net_free(net);
}

static void only_some_protocols_run_over_limited_connections(void **state)
{
	struct net *net = net_pair();
	struct node *a = &net->node[0], *b = &net->node[1];

	struct zs_host_conn *first = zs_host_conn_to(b->host, &a->id);

	zs_host_conn_set_limited(first, true);
	ask(a, b, "hello", 5, 100);
	net_run(net, 500 * MS);
	assert_string_equal(a->response, "the peer speaks none of the protocols asked for");
	assert_int_equal(zs_host_ping(a->host, &b->id, 1000 * MS, node_now(a), on_ping, a, NULL), 0);
	net_run(net, 500 * MS);
	assert_int_equal(a->pings, 1);
	assert_true(a->rtt_ns > 0);
	/* Our own streams look for a better connection. */
	assert_int_equal(b->connected, 1);
	node_learn(b, a);
	ask(b, a, "hello", 5, 100);
	net_run(net, 500 * MS);
	assert_string_equal(b->response, "hello");
	assert_int_equal(b->connected, 2);
	assert_ptr_not_equal(zs_host_conn_to(b->host, &a->id), first);
	zs_host_conn_set_limited(first, false);
	assert_ptr_not_equal(zs_host_conn_to(b->host, &a->id), first); /* the newest counts */
	net_free(net);
}

struct chosen {
	uint32_t ready, closed;
	char protocol[64], text[ZS_HOST_TEXT];
	enum zs_stream_fate fate;
};
static void chosen_ready(void *user, struct zs_host_stream *s)
{
	struct chosen *c = user;

	c->ready++;
	snprintf(c->protocol, sizeof(c->protocol), "%s", zs_host_stream_protocol(s));
	assert_int_equal(zs_host_stream_write(s, "abc", 3), 3);
	zs_host_stream_fin(s);
}
static void chosen_data(void *user, struct zs_host_stream *s, const uint8_t *bytes, size_t len, bool fin)
{
	zs_host_stream_consume(s, len);
}
static void chosen_closed(void *user, struct zs_host_stream *s, const struct zs_stream_end *why)
{
	struct chosen *c = user;

	c->closed++;
	c->fate = why->fate;
	snprintf(c->text, sizeof(c->text), "%s", why->text);
}
static const struct zs_stream_ops chosen_ops = { .ready = chosen_ready,
						 .data = chosen_data,
						 .closed = chosen_closed };

/* The best protocol that both speak; a lazy opener is told when it guessed wrong. */
static void protocols_are_negotiated(void **state)
{
	static const char *const wishes[] = { "/new/2", "/new/1", SINK };
	struct net *net = net_pair();
	struct node *a = &net->node[0], *b = &net->node[1];
	const struct {
		uint16_t first, count;
		bool lazy;
		uint32_t ready;
		enum zs_stream_fate fate;
	} rows[] = { { 0, 3, false, 1, ZS_STREAM_DONE },
		     { 2, 1, true, 1, ZS_STREAM_DONE },
		     { 0, 2, false, 0, ZS_STREAM_NO_PROTOCOL },
		     { 0, 1, true, 1, ZS_STREAM_NO_PROTOCOL },
		     { 0, 3, true, 1, ZS_STREAM_DONE } };
	struct zs_error err;
	struct zs_host_stream *s;

	struct zs_host_open ask = { .peer = b->id, .protocols = wishes, .count = 3, .ops = &chosen_ops };
	assert_int_equal(zs_host_open(a->host, &ask, node_now(a), &s, &err), -ENOPROTOOPT);
	assert_string_equal(err.text, "protocol /new/2 is not registered");
	for (int i = 0; i < 2; i++)
		assert_int_equal(zs_host_register(a->host, &(struct zs_host_protocol){ .id = wishes[i] }), 0);
	for (size_t i = 0; i < ZS_ARRAY_LEN(rows); i++) {
		struct chosen c = { 0 };
		ask.protocols = wishes + rows[i].first;
		ask.count = rows[i].count;
		ask.lazy = rows[i].lazy;
		ask.user = &c;
		assert_int_equal(zs_host_open(a->host, &ask, node_now(a), &s, &err), 0);
		assert_int_equal(c.ready, rows[i].lazy && rows[i].count == 1);
		net_run(net, 500 * MS);
		assert_int_equal(c.ready, rows[i].ready);
		assert_int_equal(c.closed, 1);
		assert_int_equal(c.fate, rows[i].fate);
		if (c.fate == ZS_STREAM_DONE)
			assert_string_equal(c.protocol, SINK);
		else
			assert_string_equal(c.text, "the peer speaks none of the protocols asked for");
	}
	assert_int_equal(b->sunk, 9);
	assert_int_equal(b->finished, 3);
	/* What we only open is not told, and not spoken. */
	const struct zs_peer_info *info = zs_peerstore_get(zs_host_peerstore(b->host), &a->id, node_now(b));
	assert_null(memmem(info->protocols, info->protocols_len, "/new/1", 6));
	net_free(net);
}

static void observed_addresses_need_several_networks(void **state)
{
	struct net *net = net_new(1);
	struct node *a = net_node(net);
	struct zs_addr outside;
	const struct zs_multiaddr *own;

	assert_int_equal(zs_addr_parse(&outside, "8.8.4.4"), 0);
	zs_sim_behind(net->sim, a->number, zs_sim_nat(net->sim, &outside, ZS_SIM_NAT_CONE, 300000 * MS));
	node_bind(a);
	for (uint32_t i = 0; i < 6; i++) {
		struct node *b = net_node(net);
		assert_int_equal(zs_host_addrs(a->host, &own), 1);
		if (i == 1 || i == 2) { /* of the first one's network: no new voice */
			b->at = net->node[1].at;
			b->at.addr.ip[15] = (uint8_t)(i + 1);
			b->outside = b->at;
		}
		node_bind(b);
		node_dial(a, b);
		net_run(net, 2000 * MS);
		assert_int_equal(b->connected, 1);
	}
	assert_int_equal(zs_host_addrs(a->host, &own), 2);
	char text[ZS_MULTIADDR_TEXT];
	assert_non_null(strstr(zs_multiaddr_format(&own[1], text), "/ip4/8.8.4.4/udp/"));
	net_run(net, 2000 * MS);
	assert_int_equal(net->node[1].pushed, 1);
	/* What is announced stands instead of all that. */
	struct zs_multiaddr announce;
	assert_int_equal(zs_multiaddr_parse(&announce, "/ip4/9.9.9.9/udp/4001/quic-v1"), 0);
	assert_int_equal(zs_host_announce(a->host, &announce, 1), 0);
	assert_int_equal(zs_host_addrs(a->host, &own), 1);
	assert_string_equal(zs_multiaddr_format(&own[0], text), "/ip4/9.9.9.9/udp/4001/quic-v1");
	net_free(net);
}

static void a_shutdown_says_so(void **state)
{
	struct net *net = net_pair();
	struct node *a = &net->node[0], *b = &net->node[1];

	zs_host_shutdown(b->host);
	net_run(net, 200 * MS);
	assert_int_equal(a->disconnected, 1);
	assert_int_equal(a->close.code, ZS_HOST_SHUTDOWN);
	assert_string_equal(a->close_text, "closed by the peer (0x1006): shutting down");
	node_dial(a, b);
	net_run(net, 1000 * MS);
	assert_int_equal(a->connected, 1);
	assert_int_equal(a->unreached, 1);
	assert_int_equal(zs_host_connect(b->host, &a->id, true, node_now(b), NULL), -ESHUTDOWN);
	net_free(net);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_sides_are_identified),
		cmocka_unit_test(a_connection_shows_what_it_is),
		cmocka_unit_test(changes_are_pushed),
		cmocka_unit_test(pings_go_both_ways),
		cmocka_unit_test(requests_are_answered_or_told_why_not),
		cmocka_unit_test(a_request_dials_and_a_failed_dial_is_told),
		cmocka_unit_test(asking_again_at_the_end_of_a_connection),
		cmocka_unit_test(another_peer_is_no_connection),
		cmocka_unit_test(the_gater_and_admission_refuse),
		cmocka_unit_test(raw_datagrams_leave_from_the_socket),
		cmocka_unit_test(only_some_protocols_run_over_limited_connections),
		cmocka_unit_test(protocols_are_negotiated),
		cmocka_unit_test(observed_addresses_need_several_networks),
		cmocka_unit_test(a_shutdown_says_so),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
