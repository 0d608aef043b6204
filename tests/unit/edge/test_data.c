/* The data side of an edge between a relay's end and real sockets. */
#include "data_world.h"

/* Each flow has a port of its own at the service; what the service says goes back on its flow; marks pass both ways. */
static void published(void **state)
{
	struct world *w = *state;

	begin(w);
	relay_opens(w, 7, WEB, 5000);
	relay_says(w, 7, WEB, 2, 100);
	until_is(w, &w->answers, 1);
	assert_int_equal(w->answer[0].flow.number, 7);
	assert_int_equal(w->answer[0].flow.service, WEB);
	assert_int_equal(w->answer[0].len, 100);
	assert_int_equal(w->answer[0].head[1], 7);
	assert_int_equal(w->service_ecn, 2);
	assert_int_equal(w->answer[0].ecn, 2);
	relay_says(w, 8, WEB, 0, 1200); /* without an OPEN: data do not wait for it */
	until_is(w, &w->answers, 2);
	assert_int_equal(w->answer[1].flow.number, 8);
	relay_says(w, 7, WEB, 0, 30);
	until_is(w, &w->answers, 3);
	assert_int_equal(w->seen[0].port, w->seen[2].port);
	assert_int_not_equal(w->seen[0].port, w->seen[1].port);
	assert_int_equal(state_of(w).flows, 2);
	/* The same number for another client is another flow. */
	relay_opens(w, 7, WEB, 5001);
	relay_says(w, 7, WEB, 0, 30);
	until_is(w, &w->answers, 4);
	assert_int_not_equal(w->seen[0].port, w->seen[3].port);
	assert_int_equal(state_of(w).flows, 2);
	/* The relay ends one: its socket goes, nobody is told. */
	relay_send(&w->relay, ZS_TUNNEL_TYPE_CLOSE, &(struct zs_tunnel_flow){ 7, WEB, ZS_TUNNEL_RELAY }, 0,
		   (uint8_t[2]){ 0, 1 }, 2);
	run(w, 20 * MS);
	assert_int_equal(state_of(w).flows, 1);
	assert_int_equal(w->closes, 0);
}

static void nobody_at_the_service(void **state)
{
	struct world *w = *state;

	begin(w);
	for (uint16_t n = 1; n <= 3; n++) {
		relay_says(w, n, DEAD, 0, 40);
		until_is(w, &w->closes, n);
		assert_int_equal(w->close[n - 1].flow.number, n);
		assert_int_equal(w->close[n - 1].reason, ZS_ATTACH_CLOSE_refused);
	}
	assert_int_equal(news_of(w, "refused"), 1);
	assert_int_equal(state_of(w).refused, 3);
	assert_int_equal(state_of(w).flows, 0);
	/* A service that was never published, and one that was withdrawn. */
	relay_says(w, 9, 77, 0, 40);
	until_is(w, &w->closes, 4);
	assert_int_equal(w->close[3].reason, ZS_ATTACH_CLOSE_not_published);
	zs_pb_Port gone = { .name = "web" };
	zs_edge_data_event(w->data, &(struct zs_attach_event){ .kind = ZS_ATTACH_EVENT_PORT, .port = &gone });
	relay_says(w, 9, WEB, 0, 40);
	until_is(w, &w->closes, 5);
	assert_int_equal(w->close[4].reason, ZS_ATTACH_CLOSE_not_published);
	assert_int_equal(state_of(w).unknown, 2);
	assert_int_equal(w->heard, 0);
}

/* A full table gives way to new flows where nobody answered, and nowhere else. */
static void bounded(void **state)
{
	struct world *w = *state;
	struct zs_endpoint mute;
	struct zs_udp *u = open_udp(w, client_in, &mute); /* hears, says nothing */

	begin(w);
	w->target[1].at = mute;
	for (uint16_t n = 1; n < FLOWS; n++)
		relay_says(w, n, WEB, 0, 40);
	until_is(w, &w->answers, FLOWS - 1);
	relay_says(w, 100, DEAD, 0, 40);
	run(w, 10 * MS);
	assert_int_equal(state_of(w).flows, FLOWS);
	relay_says(w, 101, WEB, 0, 40);
	until_is(w, &w->answers, FLOWS);
	assert_int_equal(w->closes, 1);
	assert_int_equal(w->close[0].flow.number, 100);
	relay_says(w, 102, WEB, 0, 40);
	relay_says(w, 103, WEB, 0, 40);
	until_is(w, &w->closes, 3);
	assert_int_equal(w->close[1].flow.number, 102);
	assert_int_equal(w->close[1].reason, ZS_ATTACH_CLOSE_refused);
	assert_int_equal(news_of(w, "full"), 1);
	assert_int_equal(state_of(w).full, 2);
	assert_int_equal(state_of(w).flows, FLOWS);
	zs_udp_close(u);
}

static void idle(void **state)
{
	struct world *w = *state;
	struct zs_endpoint mute;
	struct zs_udp *u = open_udp(w, client_in, &mute);

	begin(w);
	w->target[1].at = mute;
	relay_says(w, 1, WEB, 0, 40);
	relay_says(w, 2, DEAD, 0, 40);
	until_is(w, &w->answers, 1);
	uint64_t began = zs_clock_ns();
	until_is(w, &w->closes, 1);
	assert_true(zs_clock_ns() - began < IDLE / 2);
	assert_int_equal(w->close[0].flow.number, 2);
	assert_int_equal(w->close[0].reason, ZS_ATTACH_CLOSE_idle);
	run(w, IDLE / 2);
	relay_says(w, 1, WEB, 0, 40);
	until_is(w, &w->answers, 2);
	run(w, IDLE / 2);
	assert_int_equal(state_of(w).flows, 1);
	until_is(w, &w->closes, 2);
	assert_int_equal(state_of(w).flows, 0);
	zs_udp_close(u);
}

static void client_says(struct world *w, size_t len, uint8_t ecn)
{
	uint8_t bytes[1200] = { 0xab };
	const struct zs_udp_datagram d = { .peer = w->listener_at, .ecn = ecn, .data = bytes, .len = len };

	assert_int_equal(zs_udp_send(w->client, &d, 1), 1);
}

static void forwarded(void **state)
{
	struct world *w = *state;

	begin(w);
	client_says(w, 300, 1);
	until_is(w, &w->answers, 1);
	struct zs_tunnel_flow f = w->answer[0].flow;
	assert_int_equal(f.opener, ZS_TUNNEL_EDGE);
	assert_int_equal(f.service, 0);
	assert_int_equal(w->answer[0].len, 300);
	assert_int_equal(w->answer[0].ecn, 1);
	const struct zs_endpoint *target = &w->relay.target[f.number % RELAY_FLOWS];
	assert_int_equal(target->port, 10001);
	assert_true(zs_addr_eq(&target->addr, &w->forward.target.addr));
	for (int n = 0; n < 40; n++)
		assert_int_equal(
		    relay_send(&w->relay, ZS_TUNNEL_DATA, &f, 2, (uint8_t[1000]){ 1 }, n < 20 ? 1000 : 900),
		    ZS_DROPS);
	until_is(w, &w->client_heard, 40);
	assert_int_equal(w->client_ecn, 2);
	client_says(w, 300, 0);
	until_is(w, &w->answers, 2);
	assert_int_equal(w->answer[1].flow.number, f.number);
	assert_int_equal(state_of(w).flows, 1);
	/* What the relay says of flows that are not open. */
	f.number++;
	relay_send(&w->relay, ZS_TUNNEL_DATA, &f, 0, (uint8_t[10]){ 1 }, 10);
	run(w, 10 * MS);
	assert_int_equal(w->client_heard, 40);
	assert_int_equal(state_of(w).uplink.drops[ZS_DROP_no_flow], 1);
}

/* Told once, with what to do; the relay is not asked again at once. */
static void not_published(void **state)
{
	struct world *w = *state;

	begin(w);
	client_says(w, 50, 0);
	until_is(w, &w->answers, 1);
	struct zs_tunnel_flow first = w->answer[0].flow;
	relay_send(&w->relay, ZS_TUNNEL_TYPE_CLOSE, &first, 0,
		   (uint8_t[2]){ 0, ZS_ATTACH_CLOSE_not_published }, 2);
	run(w, 10 * MS);
	assert_int_equal(news_of(w, "not_published"), 1);
	for (uint32_t n = 0; n < w->told; n++)
		if (!strcmp(w->news[n], "not_published"))
			assert_string_equal(w->text[n],
					    "not_published: 203.0.113.1:10001 is no published port of this "
					    "relay; zsctl publish list there shows them");
	for (int n = 0; n < 5; n++)
		client_says(w, 50, 0);
	run(w, 20 * MS);
	assert_int_equal(w->answers, 1);
	/* Later once more, however often the client tries meanwhile: under another number, and no second line. */
	for (int n = 0; n < 100 && w->answers < 2; n++) {
		client_says(w, 50, 0);
		run(w, 10 * MS);
	}
	until_is(w, &w->answers, 2);
	assert_int_not_equal(w->answer[1].flow.number, first.number);
	relay_send(&w->relay, ZS_TUNNEL_TYPE_CLOSE, &w->answer[1].flow, 0,
		   (uint8_t[2]){ 0, ZS_ATTACH_CLOSE_not_published }, 2);
	run(w, 10 * MS);
	assert_int_equal(news_of(w, "not_published"), 1);
	assert_int_equal(state_of(w).refused, 2);
	/* The end of a flow that served is no news: the next datagram begins another. */
	run(w, IDLE / 12);
	client_says(w, 50, 0);
	until_is(w, &w->answers, 3);
	relay_send(&w->relay, ZS_TUNNEL_TYPE_CLOSE, &w->answer[2].flow, 0,
		   (uint8_t[2]){ 0, ZS_ATTACH_CLOSE_idle }, 2);
	run(w, 10 * MS);
	client_says(w, 50, 0);
	until_is(w, &w->answers, 4);
	assert_int_not_equal(w->answer[3].flow.number, w->answer[2].flow.number);
}

/* A fresh session takes over under traffic: nothing is lost, flows and their sockets stay. */
static void make_before_break(void **state)
{
	struct world *w = *state;

	begin(w);
	for (uint32_t round = 0; round < 4; round++) {
		uint32_t had = w->answers;

		attach(w, 42, ZS_ATTACH_CONTINUITY_resumed);
		for (uint16_t n = 0; n < 60; n++) {
			relay_says(w, (uint16_t)(1 + n % 3), WEB, 0, 500);
			turn(w);
		}
		until_is(w, &w->answers, had + 60);
		until_is(w, &w->proved, 2 + round);
	}
	uint32_t ports = 0;
	for (uint32_t n = 0, k; n < 64; n++) {
		for (k = 0; k < n && w->seen[k].port != w->seen[n].port; k++)
			;
		ports += k == n;
	}
	assert_int_equal(ports, 3);
	assert_int_equal(state_of(w).flows, 3);
	assert_int_equal(state_of(w).uplink.sessions, 5);
	assert_int_equal(w->lost, 0);
	/* Another attachment has no flows of this one's. */
	attach(w, 43, ZS_ATTACH_CONTINUITY_fresh);
	assert_int_equal(state_of(w).flows, 0);
	until_is(w, &w->proved, 6);
}

/* The NAT before the edge rebinds: the relay follows as soon as the edge speaks. */
static void rebinding(void **state)
{
	struct world *w = *state;

	begin(w);
	for (uint32_t round = 0; round < 3; round++) {
		uint32_t had = w->answers;

		rebind(w);
		client_says(w, 60, 0);
		for (int n = 0; n < 1000 && w->relay.moves < 2 + round; n++)
			turn(w);
		assert_int_equal(w->relay.moves, 2 + round);
		until_is(w, &w->answers, had + 1);
		relay_says(w, 5, WEB, 0, 80);
		until_is(w, &w->answers, had + 2);
		assert_int_equal(w->answer[had + 1].flow.number, 5);
		run(w, 1100 * MS); /* a PROBE a second goes to a new place */
	}
}

static void long_in(void *ctx, struct zs_udp *udp, const struct zs_udp_datagram *in, size_t count)
{
	static const uint8_t bytes[4000];

	for (size_t i = 0; i < count; i++)
		zs_udp_send(
		    udp, &(struct zs_udp_datagram){ .peer = in[i].peer, .data = bytes, .len = sizeof(bytes) },
		    1);
}

/* What is longer than the path carries is a counted loss, said once to whoever runs the service or the client. */
static void longer_than_the_path(void **state)
{
	struct world *w = *state;
	struct zs_endpoint at;
	struct zs_udp *u = open_udp(w, long_in, &at);
	const struct zs_udp_datagram d = { .peer = w->listener_at,
					   .data = (uint8_t[4000]){ 0 },
					   .len = 4000 };

	begin(w);
	w->target[1].at = at;
	for (int n = 0; n < 500 && !state_of(w).uplink.way.measured; n++)
		turn(w);
	assert_true(state_of(w).uplink.way.measured);
	for (uint16_t n = 1; n <= 3; n++) {
		relay_says(w, n, DEAD, 0, 40);
		run(w, 10 * MS);
	}
	assert_int_equal(state_of(w).uplink.drops[ZS_DROP_tunnel_mtu], 3);
	assert_int_equal(news_of(w, "longer"), 1);
	for (int n = 0; n < 2; n++) {
		assert_int_equal(zs_udp_send(w->client, &d, 1), 1);
		run(w, 10 * MS);
	}
	assert_int_equal(state_of(w).uplink.drops[ZS_DROP_tunnel_mtu], 5);
	assert_int_equal(news_of(w, "longer"), 2);
	assert_int_equal(w->answers, 0);
	zs_udp_close(u);
}

static void ended(void **state)
{
	struct world *w = *state;

	begin(w);
	relay_send(&w->relay, ZS_TUNNEL_TYPE_CLOSE, &(struct zs_tunnel_flow){ 0 }, 0,
		   (uint8_t[2]){ 0, ZS_ATTACH_CLOSE_drain }, 2);
	until_is(w, &w->lost, 1);
	assert_non_null(strstr(w->lost_why, "the relay is draining"));
	assert_int_equal(state_of(w).uplink.way.relay.port, 0);
	/* What a client sends meanwhile is lost, and nothing breaks. */
	client_says(w, 60, 0);
	run(w, 20 * MS);
	assert_int_equal(w->answers, 0);
	assert_int_equal(state_of(w).uplink.drops[ZS_DROP_no_endpoint], 1);
	attach(w, 42, ZS_ATTACH_CONTINUITY_known);
	until_is(w, &w->proved, 2);
	client_says(w, 60, 0);
	until_is(w, &w->answers, 1);
	/* On purpose: flows and session are closed, the relay hears why. */
	zs_edge_data_shutdown(w->data);
	run(w, 20 * MS);
	assert_int_equal(w->closes, 1);
	assert_int_equal(w->close[0].reason, ZS_ATTACH_CLOSE_shutdown);
	assert_int_equal(w->relay.session_closed, ZS_ATTACH_CLOSE_shutdown);
	assert_int_equal(w->lost, 1);
}

/* A tunnel port that does not answer is told after 5 s. */
static void silent(void **state)
{
	struct world *w = *state;

	zs_udp_close(w->inside);
	attach(w, 42, ZS_ATTACH_CONTINUITY_fresh);
	run(w, 4800 * MS);
	assert_int_equal(w->told, 0);
	run(w, 400 * MS);
	assert_int_equal(news_of(w, "silent"), 1);
	assert_int_equal(w->proved, 0);
	w->inside = NULL;
}

static void a_listener_that_is_taken(void **state)
{
	struct world *w = *state;
	struct zs_error err = { 0 };
	struct zs_edge_data *second;

	assert_int_equal(zs_edge_data_new(&second, &w->config, &err), -EADDRINUSE);
	assert_non_null(strstr(err.text, "free it, or use another"));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = { TEST(published),
					    TEST(nobody_at_the_service),
					    TEST(bounded),
					    TEST(idle),
					    TEST(forwarded),
					    TEST(not_published),
					    TEST(make_before_break),
					    TEST(rebinding),
					    TEST(longer_than_the_path),
					    TEST(ended),
					    TEST(silent),
					    TEST(a_listener_that_is_taken) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
