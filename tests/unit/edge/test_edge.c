/* An edge and a relay over real sockets, QUIC and TLS on loopback. */
#include "relay.h"
#include "unit/p2p/dns.h"

#define MS ZS_NS_PER_MS

struct world {
	struct zs_loop *loop;
	struct relay *relay;
	struct zs_edge *edge;
	struct zs_edge_config config;
	struct zs_identity identity;
	uint32_t reached[ZS_ATTACH_STATES], ports, refused, granted, saves;
	struct zs_attach_session session;
	char why[ZS_ATTACH_WHY];
};

static void on_event(void *ctx, const struct zs_attach_event *e)
{
	struct world *w = ctx;

	if (e->kind == ZS_ATTACH_EVENT_STATE) {
		w->reached[e->state]++;
		if (e->why[0])
			snprintf(w->why, sizeof(w->why), "%s", e->why);
	} else if (e->kind == ZS_ATTACH_EVENT_GRANTED) {
		w->granted++;
		w->session = *e->session;
	} else if (e->kind == ZS_ATTACH_EVENT_PORT) {
		w->ports++;
		w->refused += e->port->has_error;
	} else if (e->kind == ZS_ATTACH_EVENT_SAVE) {
		w->saves++;
	}
}

static int setup(void **state)
{
	static const struct zs_attach_publish publish[] = { { .name = "web" }, { .name = "dns", .port = 1 } };
	static const uint8_t seed[32] = { 200 };
	struct world *w = calloc(1, sizeof(*w));
	struct zs_error err = { 0 };

	assert_int_equal(zs_loop_new(&w->loop, ZS_LOOP_AUTO, &err), 0);
	w->relay = relay_new(w->loop, 1);
	zs_identity_from_seed(&w->identity, seed);
	w->config = (struct zs_edge_config){
		.loop = w->loop,
		.identity = &w->identity,
		.attach = { .home.at = { .host = ZS_DIAL_IP,
					 .addr = w->relay->at.addr,
					 .port = w->relay->at.port,
					 .peer = w->relay->id },
			    .mode = ZS_ATTACH_MODE_tunnel,
			    .publish = publish,
			    .publishes = 2 },
		.event = on_event,
		.ctx = w,
	};
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	zs_edge_delete(w->edge);
	relay_delete(w->relay);
	zs_loop_delete(w->loop);
	free(w);
	return 0;
}

static void start(struct world *w)
{
	struct zs_error err = { 0 };

	if (zs_edge_new(&w->edge, &w->config, &err))
		fail_msg("%s", err.text);
	zs_edge_start(w->edge);
}

/* Turns until the state was reached so often; 20 s are for machines under load. */
static void until(struct world *w, enum zs_attach_state state, uint32_t times)
{
	uint64_t end = zs_clock_ns() + 20000 * MS;

	while (w->reached[state] < times && zs_clock_ns() < end)
		zs_loop_turn(w->loop, 10 * MS);
	if (w->reached[state] < times)
		fail_msg("%s %u of %u times; last: %s", zs_attach_retry(state)->name, w->reached[state],
			 times, w->why);
	zs_attach_client_check(zs_edge_client(w->edge));
}

static void attached_with_equal_keys(void **state)
{
	struct world *w = *state;

	start(w);
	until(w, ZS_ATTACH_STATE_active, 1);
	assert_int_equal(w->ports, 2);
	assert_int_equal(w->refused, 1);
	assert_memory_equal(w->session.root, w->relay->root, ZS_ATTACH_SECRET);
	assert_string_equal(w->session.group, w->relay->group);
	assert_non_null(strcasestr(w->session.group, "kyber"));
	zs_edge_detach(w->edge);
	until(w, ZS_ATTACH_STATE_disconnected, 1);
	assert_int_equal(w->relay->detached, 1);
}

/* The relay dies without a word and comes back: its stateless reset answers the edge's PING, the edge resumes. */
static void resumes_after_a_kill(void **state)
{
	struct world *w = *state;
	uint8_t first[ZS_ATTACH_SECRET];

	start(w);
	until(w, ZS_ATTACH_STATE_active, 1);
	memcpy(first, w->session.root, sizeof(first));
	for (int i = 0; i < 80; i++) /* until nothing is on its way any more */
		zs_loop_turn(w->loop, 10 * MS);
	relay_kill(w->relay);
	relay_start(w->relay);
	uint64_t killed = zs_clock_ns();
	until(w, ZS_ATTACH_STATE_lost, 1);
	assert_true(zs_clock_ns() - killed < 4000 * MS); /* a PING after 1 s */
	until(w, ZS_ATTACH_STATE_active, 2);
	assert_int_equal(w->relay->resumed, 1);
	assert_int_equal(w->session.continuity, ZS_ATTACH_CONTINUITY_resumed);
	assert_memory_not_equal(w->session.root, first, sizeof(first));
	assert_memory_equal(w->session.root, w->relay->root, ZS_ATTACH_SECRET);
}

/* A fresh session on a connection of its own, while the first one serves. */
static void makes_before_it_breaks(void **state)
{
	struct world *w = *state;

	w->config.attach.session_ns = 1000 * MS;
	start(w);
	until(w, ZS_ATTACH_STATE_active, 1);
	uint64_t end = zs_clock_ns() + 20000 * MS;
	while (w->granted < 3 && zs_clock_ns() < end) {
		zs_loop_turn(w->loop, 10 * MS);
		assert_non_null(zs_attach_client_session(zs_edge_client(w->edge)));
	}
	assert_true(w->granted >= 3);
	assert_int_equal(w->reached[ZS_ATTACH_STATE_active], 1); /* people see nothing of it */
	for (int i = 0; i < 50; i++)
		zs_loop_turn(w->loop, 10 * MS);
	assert_in_range(w->relay->conns, 1, 2);
}

static void trusts_whoever_is_first_and_nobody_else(void **state)
{
	struct world *w = *state;

	w->config.attach.home.at.peer.len = 0;
	start(w);
	until(w, ZS_ATTACH_STATE_active, 1);
	assert_true(zs_peer_id_eq(&w->session.relay, &w->relay->id));
	relay_kill(w->relay);
	w->relay->seed = 2;
	relay_start(w->relay);
	until(w, ZS_ATTACH_STATE_failed, 1);
	assert_non_null(strstr(w->why, "another peer id"));
	assert_int_equal(w->relay->hellos, 1);
}

static void refused_by_name(void **state)
{
	struct world *w = *state;

	w->relay->refuse = ZS_ATTACH_ERROR_token;
	start(w);
	until(w, ZS_ATTACH_STATE_failed, 1);
	assert_ptr_equal(strstr(w->why, "refused (token): "), w->why);
}

static void a_peer_that_is_no_relay(void **state)
{
	struct world *w = *state;

	relay_kill(w->relay);
	w->relay->speaks = false;
	relay_start(w->relay);
	start(w);
	until(w, ZS_ATTACH_STATE_failed, 1);
	assert_non_null(strstr(w->why, "no relay"));
}

static void nobody_there(void **state)
{
	struct world *w = *state;

	relay_kill(w->relay);
	start(w);
	until(w, ZS_ATTACH_STATE_timeout, 1);
	assert_non_null(strstr(w->why, "127.0.0.1"));
	assert_non_null(strstr(w->why, "does not answer"));
}

/* Detach does not wait for a relay that is gone. */
static void detach_without_a_relay(void **state)
{
	struct world *w = *state;

	start(w);
	until(w, ZS_ATTACH_STATE_active, 1);
	relay_kill(w->relay);
	zs_edge_detach(w->edge);
	until(w, ZS_ATTACH_STATE_disconnected, 1);
}

static void ask_dns(struct world *w, struct dns_zone *zone)
{
	struct zs_endpoint local = { .addr = w->relay->at.addr };
	char text[ZS_ENDPOINT_TEXT];
	struct zs_error err = { 0 };
	struct zs_udp *dns;

	assert_int_equal(zs_udp_open(&dns, w->loop, &local, 0, dns_serve, zone, &err), 0);
	local = zs_udp_local(dns);
	assert_int_equal(
	    zs_resolver_new(&w->config.resolver, w->loop, zs_endpoint_format(&local, text), &err), 0);
}

/* A name whose first address is of nobody: the second is tried a little later, not after the end of the first. */
static void names_have_several_addresses(void **state)
{
	struct world *w = *state;

	ask_dns(w, NULL);
	w->config.attach.home.at.host = ZS_DIAL_DNS;
	strcpy(w->config.attach.home.at.name, "dead.test");
	uint64_t begun = zs_clock_ns();
	start(w);
	until(w, ZS_ATTACH_STATE_active, 1);
	assert_int_equal(w->reached[ZS_ATTACH_STATE_discovering], 1);
	assert_in_range(zs_clock_ns() - begun, 250 * MS, 8000 * MS);
	zs_edge_delete(w->edge);
	zs_resolver_delete(w->config.resolver);
	w->edge = NULL;
}

/* /dnsaddr: the record of this relay's peer id is followed, port and all; with no such record the edge says so, and asks again. */
static void dnsaddr_of_the_relay(void **state)
{
	struct world *w = *state;
	char of_relay[256], id[ZS_PEER_ID_TEXT], at[ZS_ENDPOINT_TEXT];
	struct dns_text texts[] = { { "_dnsaddr.pop.test", "dnsaddr=/ip4/127.0.0.1/udp/1/quic-v1" },
				    { "_dnsaddr.later.test", of_relay },
				    { NULL, NULL } };
	struct dns_zone zone = { .texts = texts };

	zs_endpoint_format(&w->relay->at, at);
	zs_peer_id_format(&w->relay->id, id);
	snprintf(of_relay, sizeof(of_relay), "dnsaddr=/ip4/127.0.0.1/udp/%s/quic-v1/p2p/%s",
		 strchr(at, ':') + 1, id);
	ask_dns(w, &zone);
	w->config.attach.home.at.host = ZS_DIAL_DNSADDR;
	w->config.attach.home.at.port = 0;
	strcpy(w->config.attach.home.at.name, "pop.test");
	start(w);
	until(w, ZS_ATTACH_STATE_error, 1);
	assert_non_null(strstr(w->why, "see its TXT records"));
	texts[1].name = "_dnsaddr.pop.test";
	until(w, ZS_ATTACH_STATE_active, 1);
	assert_true(zone.text_questions >= 2);
	zs_edge_delete(w->edge);
	/* Given up while it asks. */
	w->edge = NULL;
	start(w);
	zs_edge_delete(w->edge);
	w->edge = NULL;
	zs_resolver_delete(w->config.resolver);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(attached_with_equal_keys),
		TEST(resumes_after_a_kill),
		TEST(makes_before_it_breaks),
		TEST(trusts_whoever_is_first_and_nobody_else),
		TEST(refused_by_name),
		TEST(a_peer_that_is_no_relay),
		TEST(nobody_there),
		TEST(detach_without_a_relay),
		TEST(names_have_several_addresses),
		TEST(dnsaddr_of_the_relay),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
