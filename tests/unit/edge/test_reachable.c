/* A program with a QUIC socket of its own, as lib/node/reachable.h is for: it attaches to a relay of the test's, keeps its socket
 * bound there, and has connection IDs. The socket is where the QUIC stack would be. */
#include "relay.h"

#include "node/reachable.h"
#include "unit/relay/bind_relay.h"

#define MS   ZS_NS_PER_MS
#define CIDS 256

struct world {
	struct zs_loop *loop;
	struct relay *relay;
	struct zs_gcm_engine engine;
	/* The relay's service port. */
	struct bind_relay binds;
	struct zs_udp *service;
	bool mute;
	/* The program. */
	struct zs_identity identity;
	struct zs_reachable *r;
	struct zs_udp *quic;
	struct zs_endpoint quic_at;
	uint32_t changes, quic_heard, active, dialled, refused;
	uint8_t dial[ZS_BIND_CID];
	char why[256];
	bool gone;
};

/* --- the relay's service port: BIND, else what any peer sends --- */

static void service_in(void *ctx, struct zs_udp *udp, const struct zs_udp_datagram *in, size_t count)
{
	struct world *w = ctx;

	for (size_t i = 0; i < count && !w->mute; i++) {
		struct zs_bind_verdict v;
		struct zs_udp_datagram out = { .peer = in[i].peer, .data = v.answer, .len = ZS_BIND_BYTES };

		assert_int_equal(in[i].len, ZS_BIND_BYTES);
		if (w->binds.session[0].bind_id == 0)
			bind_relay_session(&w->binds, 0, 1, 1, w->relay->root);
		w->binds.now_ns = zs_loop_now(w->loop);
		w->binds.unix_s = zs_clock_wall_ns() / ZS_NS_PER_S;
		v = bind_relay_take(&w->binds, in[i].data, in[i].len, (uint16_t)w->relay->generation,
				    &in[i].peer, 0);
		if (v.outcome != ZS_BIND_DROPPED)
			zs_udp_send(udp, &out, 1);
	}
}

static bool bound_at(const struct world *w, const struct zs_endpoint *at)
{
	return w->binds.entry.port == at->port && zs_addr_eq(&w->binds.entry.addr, &at->addr);
}

/* --- the program --- */

static void quic_in(void *ctx, struct zs_udp *udp, const struct zs_udp_datagram *in, size_t count)
{
	struct world *w = ctx;

	for (size_t i = 0; i < count; i++)
		w->quic_heard += !zs_reachable_receive(w->r, in[i].data, in[i].len, &in[i].peer);
}

static struct zs_udp *open_udp(struct world *w, zs_udp_fn *fn, struct zs_endpoint *at)
{
	struct zs_endpoint local = { .addr = zs_addr_from4(htobe32(0x7f000001)) };
	struct zs_error err = { 0 };
	struct zs_udp *u;

	assert_int_equal(zs_udp_open(&u, w->loop, &local, 0, fn, w, &err), 0);
	*at = zs_udp_local(u);
	return u;
}

static void on_send(void *ctx, const struct zs_endpoint *to, const void *bytes, size_t len)
{
	struct world *w = ctx;
	const struct zs_udp_datagram out = { .peer = *to, .data = bytes, .len = len };

	zs_udp_send(w->quic, &out, 1);
}

static void on_changed(void *ctx)
{
	((struct world *)ctx)->changes++;
}

static void on_dial(void *ctx, const uint8_t *cid, const char *why)
{
	struct world *w = ctx;

	if (cid) {
		memcpy(w->dial, cid, ZS_BIND_CID);
		w->dialled++;
	} else {
		snprintf(w->why, sizeof(w->why), "%s", why);
		w->refused++;
	}
}

static void on_event(void *ctx, const struct zs_attach_event *e)
{
	struct world *w = ctx;

	if (e->kind == ZS_ATTACH_EVENT_STATE) {
		w->active += e->state == ZS_ATTACH_STATE_active;
		w->gone |= e->state == ZS_ATTACH_STATE_disconnected;
	}
}

static const struct zs_reachable_ops ops = { on_send, on_changed, on_dial, on_event };

/* --- time --- */

static bool seen_as(struct world *w, const struct zs_endpoint *at)
{
	struct zs_endpoint seen;

	return zs_reachable_bound(w->r, &seen) && zs_endpoint_eq(&seen, at);
}

#define UNTIL(w, cond)                                                                                       \
	do {                                                                                                 \
		for (uint64_t end = zs_clock_ns() + 20000 * MS; !(cond) && zs_clock_ns() < end;)             \
			zs_loop_turn((w)->loop, 10 * MS);                                                    \
		assert_true(cond);                                                                           \
	} while (0)

static void pause(struct world *w, uint64_t ns)
{
	for (uint64_t end = zs_clock_ns() + ns; zs_clock_ns() < end;)
		zs_loop_turn(w->loop, 5 * MS);
}

/* --- life --- */

static int setup(void **state)
{
	static const uint8_t seed[32] = { 201 };
	struct world *w = calloc(1, sizeof(*w));
	struct zs_reachable_config config = { 0 };
	struct zs_error err = { 0 };

	assert_int_equal(zs_loop_new(&w->loop, ZS_LOOP_AUTO, &err), 0);
	zs_gcm_engine_best(&w->engine);
	w->relay = relay_new(w->loop, 3);
	w->service = open_udp(w, service_in, &w->relay->service);
	w->quic = open_udp(w, quic_in, &w->quic_at);
	w->binds = (struct bind_relay){ .attachment = 42,
					.generation = (uint16_t)w->relay->generation,
					.engine = &w->engine,
					.secrets.now = { 5 } };
	zs_identity_from_seed(&w->identity, seed);
	config.edge = (struct zs_edge_config){ .loop = w->loop,
					       .identity = &w->identity,
					       .attach.home.at = { .host = ZS_DIAL_IP,
								   .addr = w->relay->at.addr,
								   .port = w->relay->at.port,
								   .peer = w->relay->id } };
	if (zs_reachable_new(&w->r, &config, &ops, w, &err))
		fail_msg("%s", err.text);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	zs_reachable_delete(w->r);
	relay_delete(w->relay);
	zs_loop_delete(w->loop);
	zs_gcm_engine_fini(&w->engine);
	free(w);
	return 0;
}

static void start(struct world *w)
{
	zs_reachable_start(w->r);
	UNTIL(w, seen_as(w, &w->quic_at));
}

/* --- what it promises --- */

static void bound_from_its_own_socket(void **state)
{
	struct world *w = *state;
	struct zs_endpoint seen;
	uint64_t expires;
	uint8_t cid[ZS_BIND_CID];

	assert_null(zs_reachable_relay(w->r));
	assert_false(zs_reachable_bound(w->r, &seen));
	assert_false(zs_reachable_own(w->r, cid, &expires));
	start(w);
	assert_true(bound_at(w, &w->quic_at));
	assert_true(zs_endpoint_eq(zs_reachable_relay(w->r), &w->relay->service));
	assert_int_equal(w->changes, 2); /* the relay's address, bound */
	assert_int_equal(w->quic_heard, 0);
	/* What peers send through the relay is the stack's, whatever it looks like. */
	for (uint32_t n = 0; n < 2; n++) {
		const uint8_t bytes[60] = { n ? 0xc0 : 0x40, 0, 0, 0, 1 };
		const struct zs_udp_datagram d = { .peer = w->quic_at, .data = bytes, .len = sizeof(bytes) };

		zs_udp_send(w->service, &d, 1);
		UNTIL(w, w->quic_heard == n + 1);
	}
	/* It ends on purpose: the relay hears both. */
	zs_reachable_detach(w->r);
	UNTIL(w, w->gone);
	assert_int_equal(w->binds.entry.port, 0);
	assert_int_equal(w->relay->detached, 1);
}

/* Each once, none of them the one it binds under; more are asked for before they are all. */
static void connection_ids(void **state)
{
	struct world *w = *state;
	static bool given[CIDS];
	uint64_t expires;
	uint8_t cid[ZS_BIND_CID];
	uint32_t n = 0, number;

	start(w);
	memset(given, 0, sizeof(given));
	for (uint32_t tries = 0; n < 100 && tries < 2000; tries++) {
		if (!zs_reachable_own(w->r, cid, &expires)) {
			zs_loop_turn(w->loop, 10 * MS);
			continue;
		}
		memcpy(&number, cid + 13, sizeof(number));
		assert_true(number && number < CIDS && !given[number]);
		assert_true(expires > zs_clock_wall_ns() / ZS_NS_PER_S);
		given[number] = true;
		n++;
	}
	assert_int_equal(n, 100);
	assert_int_equal(w->binds.entry.port, w->quic_at.port);
	assert_true(w->relay->cids > 100);
}

static void dials(void **state)
{
	struct world *w = *state;
	struct zs_peer_id nobody;

	assert_int_equal(zs_peer_id_parse(&nobody, "12D3KooWNRk8VBuTJTYyTbnJC7Nj2UN5jij4dJMo8wtSGT2hRzRP"),
			 0);
	w->relay->callable = w->relay->id;
	start(w);
	assert_int_equal(zs_reachable_ask(w->r, &w->relay->id), 0);
	UNTIL(w, w->dialled == 1);
	assert_int_equal(w->dial[0], 0x10);
	assert_int_equal(zs_reachable_ask(w->r, &nobody), 0);
	UNTIL(w, w->refused == 1);
	assert_non_null(strstr(w->why, "no_cid"));
	assert_int_equal(w->dialled, 1);
}

/* Another socket, a relay that lost the binding's way, a resumed session: bound again. */
static void bound_again(void **state)
{
	struct world *w = *state;
	uint32_t changes;

	start(w);
	changes = w->changes;
	zs_udp_close(w->quic);
	w->quic = open_udp(w, quic_in, &w->quic_at);
	assert_false(bound_at(w, &w->quic_at));
	zs_reachable_moved(w->r);
	UNTIL(w, seen_as(w, &w->quic_at));
	assert_true(bound_at(w, &w->quic_at));
	assert_true(w->changes > changes);
	/* The relay's control plane dies and comes back: a new session with other keys, under which it binds. */
	pause(w, 800 * MS);
	relay_kill(w->relay);
	relay_start(w->relay);
	w->binds.session[0].bind_id = 0; /* of the new root, when it asks */
	w->binds.entry = (struct zs_binding){ 0 };
	UNTIL(w, w->active == 2);
	UNTIL(w, bound_at(w, &w->quic_at) && seen_as(w, &w->quic_at));
}

/* Nobody answers at the service port: not bound, and the end waits for no UNBIND that nobody takes. */
static void a_mute_service_port(void **state)
{
	struct world *w = *state;
	struct zs_endpoint seen;

	w->mute = true;
	zs_reachable_start(w->r);
	UNTIL(w, w->active == 1);
	pause(w, 500 * MS);
	assert_false(zs_reachable_bound(w->r, &seen));
	assert_non_null(zs_reachable_relay(w->r));
	zs_reachable_detach(w->r);
	UNTIL(w, w->gone);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = { TEST(bound_from_its_own_socket), TEST(connection_ids),
					    TEST(dials), TEST(bound_again), TEST(a_mute_service_port) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
