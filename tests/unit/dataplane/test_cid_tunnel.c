/* Routing by connection ID into tunnels and out of them, with an edge at the other end: without a flow, charged, and only where
 * it may go. */
#include "binds.h"
#include "relay/bind.h"
#include "tunnel_rig.h"

#define POP	7
#define SERVICE 4433
#define EDGE	9 /* the rig's attachment with a tunnel; its generation is 2 */
#define LAZY	4 /* has a tunnel that never found its way */
#define A	3 /* have bound a socket */
#define B	8
#define NEVER	6 /* attached with a socket, and bound nothing */

static const struct zs_tunnel_flow by_cid;

struct lab {
	struct tunnel_rig *t;
	struct zs_cidset mint;
	uint32_t nonce;
};

static struct zs_endpoint at(const char *addr, uint16_t port)
{
	return (struct zs_endpoint){ rig_addr(addr), port };
}

static void refresh(struct lab *l)
{
	for (uint32_t i = 0; i < l->t->r->dp.workers; i++) {
		struct zs_worker *w = &l->t->r->worker[i];

		zs_cids_refresh(&w->cids, w->sessions, w->unix_s);
		for (int k = 0; k < 4; k++)
			zs_hot_refresh(w);
	}
}

static uint32_t receiver_of(uint32_t id)
{
	return 0x7700 + 20 * 64 + id;
}

static void attach(struct lab *l, uint32_t id, enum zs_session_mode mode)
{
	struct zs_session v = { .used = 1,
				.mode = (uint8_t)mode,
				.bind_id = 1,
				.attachment = id,
				.generation = 2,
				.receiver = receiver_of(id),
				.peer = 0x99,
				.incarnation = l->t->r->dp.state.seg.base->incarnation };
	struct zs_attachment a = {
		.used = 1, .generation = 2, .session = v.receiver & 63, .previous = ZS_SESSION_NONE
	};

	assert_int_equal(zs_sessions_set_session(&l->t->sessions, a.session, &v), 0);
	assert_int_equal(zs_sessions_set_attachment(&l->t->sessions, id, &a), 0);
}

static void bind_at(struct lab *l, uint32_t id, struct zs_endpoint from, uint8_t local)
{
	struct zs_worker *w = &l->t->r->worker[ZS_BINDER];
	struct zs_binding before = zs_binds_get(w, id), after = before;

	after.receiver[0] = receiver_of(id);
	after.bind_id[0] = after.counter[0] = after.holder = 1;
	after.generation = 2;
	after.addr = from.addr;
	after.port = from.port;
	after.local = local;
	after.expires_ns = w->now_ns + 75 * ZS_NS_PER_S;
	zs_binds_put(w, id, &before, &after);
	refresh(l);
}

static void keys(struct lab *l)
{
	struct zs_cid_config config = {
		.used = 1, .keyed = 1, .server_id_len = 12, .nonce_len = 4, .key = "a key, 16 bytes"
	};

	assert_int_equal(zs_sessions_set_cid_config(&l->t->sessions, 2, &config), 0);
	zs_cidset_init(&l->mint, zs_aes_best());
	zs_cidset_put(&l->mint, 2, config.key);
	for (uint32_t i = 0; i < l->t->r->dp.workers; i++)
		zs_cids_open(&l->t->r->worker[i].cids, NULL);
}

/* Everybody, with the edge's tunnel up. */
static void open_lab(struct lab *l, uint32_t workers)
{
	struct tunnel_rig *t = l->t;
	struct zs_endpoint edge = t->at, relay = t->relay;

	rig_six(t); /* the other family's neighbour */
	t->at = edge;
	t->relay = relay;
	rig_up(t, workers);
	keys(l);
	zs_binds_close(&t->r->dp);
	assert_int_equal(zs_binds_open(&t->r->dp, &(struct zs_error){ 0 }), 0);
	attach(l, A, ZS_SESSION_SOCKET);
	attach(l, B, ZS_SESSION_SOCKET);
	attach(l, NEVER, ZS_SESSION_SOCKET);
	attach(l, LAZY, ZS_SESSION_TUNNEL);
	refresh(l);
	bind_at(l, A, at("10.2.0.2", 2000), 1);
	bind_at(l, B, at("fd00:1::2", 3000), 2);
}

static int setup(void **state)
{
	struct lab *l = calloc(1, sizeof(*l));

	assert_int_equal(tunnel_setup((void **)&l->t), 0);
	l->t->r->conf.attach.pop = POP;
	l->t->r->conf.attach.service_port = l->t->r->dp.service_port = SERVICE;
	l->t->r->conf.attach.tunnel_port = TUNNEL_PORT;
	*state = l;
	return 0;
}

static int teardown(void **state)
{
	struct lab *l = *state;

	zs_binds_close(&l->t->r->dp);
	tunnel_teardown((void **)&l->t);
	free(l);
	return 0;
}

#define LEN 64

/* A short header that leads to `id`. */
static const uint8_t *to(struct lab *l, uint32_t pop, uint32_t id, uint16_t generation)
{
	static uint8_t bytes[LEN];

	for (int i = 0; i < LEN; i++)
		bytes[i] = (uint8_t)(i * 7 + l->nonce);
	bytes[0] = 0x40;
	zs_cidset_encode(
	    &l->mint,
	    &(struct zs_cid){
		.rotation = 2, .generation = generation, .pop = pop, .attachment = id, .nonce = l->nonce++ },
	    bytes + 1);
	return bytes;
}

/* To the service port, from anybody. */
static void outside(struct lab *l, struct zs_endpoint from, const char *own, uint8_t iface, uint8_t ecn,
		    const uint8_t *payload, uint16_t len)
{
	struct zs_endpoint dst = at(own, SERVICE);
	struct rte_mbuf *m = rig_packet(l->t->r, iface, &from, &dst, ecn, payload, len);

	l->t->arrived++;
	rig_stages(&l->t->r->worker[l->t->worker], &m, 1, false);
	rig_settle(l->t);
}

static void from_a(struct lab *l, uint8_t ecn, const uint8_t *payload, uint16_t len)
{
	outside(l, at("10.2.0.2", 2000), "10.2.0.1", 1, ecn, payload, len);
}

static void none_made(struct lab *l)
{
	for (uint32_t i = 0; i < l->t->r->dp.partitions; i++)
		assert_int_equal(atomic_load(&l->t->r->dp.state.flow_head[i].used), 0);
	assert_int_equal(l->t->heard.opened, 0);
	rig_conserved(l->t);
}

/* --- in --------------------------------------------------------------------------------------- */

static void into_the_tunnel(void **state)
{
	struct lab *l = *state;
	struct tunnel_rig *t = l->t;
	const uint8_t *bytes;

	open_lab(l, 1);
	for (uint32_t i = 1; i <= 20; i++) {
		bytes = to(l, POP, EDGE, 2);
		if (i % 2)
			from_a(l, i & 3, bytes, LEN);
		else
			outside(l, at("fd00:1::2", 3000), "fd00:1::1", 0, i & 3, bytes, LEN);
		assert_int_equal(t->heard.data, i);
		assert_int_equal(zs_tunnel_flow_id(&t->heard.flow), 0);
		assert_int_equal(t->heard.ecn, i & 3);
		assert_int_equal(t->heard.len, LEN);
		assert_memory_equal(t->heard.payload, bytes, LEN);
	}
	assert_int_equal(t->clients, 0);
	none_made(l);
}

static void strangers_as_its_policy_says(void **state)
{
	struct lab *l = *state;
	struct tunnel_rig *t = l->t;
	struct zs_attachment a;

	open_lab(l, 1);
	outside(l, at("10.2.0.2", 9), "10.2.0.1", 1, 0, to(l, POP, EDGE, 2), LEN);
	assert_int_equal(rig_drops(t, ZS_DROP_cid_stranger), 1);
	assert_true(zs_sessions_attachment(&t->sessions, EDGE, &a));
	a.strangers = ZS_STRANGERS_LIMITED;
	assert_int_equal(zs_sessions_set_attachment(&t->sessions, EDGE, &a), 0);
	refresh(l);
	for (int i = 0; i < 150; i++)
		outside(l, at("10.2.0.2", 9), "10.2.0.1", 1, 0, to(l, POP, EDGE, 2), LEN);
	assert_in_range(t->heard.data, 100, 101);
	assert_int_equal(rig_drops(t, ZS_DROP_cid_stranger_rate), 150 - t->heard.data);
	t->r->worker[0].flood.on = true;
	outside(l, at("10.2.0.2", 9), "10.2.0.1", 1, 0, to(l, POP, EDGE, 2), LEN);
	assert_int_equal(rig_drops(t, ZS_DROP_flood), 1);
	uint32_t heard = t->heard.data; /* bound peers, and edges, go on */
	from_a(l, 0, to(l, POP, EDGE, 2), LEN);
	assert_int_equal(t->heard.data, heard + 1);
	assert_int_equal(rig_edge_says(t, &by_cid, to(l, POP, A, 2), LEN), ZS_DROPS);
	assert_int_equal(t->clients, 1);
	rig_conserved(t);
}

static void no_way_yet_and_too_long(void **state)
{
	struct lab *l = *state;
	uint8_t bytes[1450];

	open_lab(l, 1);
	from_a(l, 0, to(l, POP, LAZY, 2), LEN);
	assert_int_equal(rig_drops(l->t, ZS_DROP_no_endpoint), 1);
	memset(bytes, 0, sizeof(bytes));
	memcpy(bytes, to(l, POP, EDGE, 2), LEN);
	from_a(l, 0, bytes, 1200);
	assert_int_equal(l->t->heard.len, 1200);
	from_a(l, 0, bytes, sizeof(bytes)); /* nobody is told: QUIC probes by itself */
	assert_int_equal(rig_drops(l->t, ZS_DROP_tunnel_mtu), 1);
	assert_int_equal(l->t->clients, 0);
	none_made(l);
}

/* --- out -------------------------------------------------------------------------------------- */

static void out_of_the_tunnel(void **state)
{
	static const struct {
		uint32_t id;
		const char *own, *peer;
		uint16_t port;
		uint8_t iface;
	} rows[] = { { A, "10.2.0.1", "10.2.0.2", 2000, 1 }, { B, "fd00:1::1", "fd00:1::2", 3000, 0 } };
	struct lab *l = *state;
	struct tunnel_rig *t = l->t;

	open_lab(l, 1);
	for (size_t i = 0; i < ZS_ARRAY_LEN(rows); i++) {
		const uint8_t *bytes = to(l, POP, rows[i].id, 2);
		struct zs_endpoint src = at(rows[i].own, SERVICE), dst = at(rows[i].peer, rows[i].port);
		const struct frame *f = &t->client[i];
		struct zs_packet p;

		assert_int_equal(rig_edge_says(t, &by_cid, bytes, LEN), ZS_DROPS);
		assert_int_equal(t->clients, i + 1);
		assert_int_equal(zs_packet_parse(f->bytes, f->len, &p), ZS_PARSE_OK);
		assert_true(zs_endpoint_eq(&p.src, &src) && zs_endpoint_eq(&p.dst, &dst));
		assert_int_equal(p.payload_len, LEN);
		assert_memory_equal(f->bytes + p.payload_off, bytes, LEN);
		assert_true(rig_sum_ok(f->bytes, f->len));
	}
	none_made(l);
}

/* Whatever an edge says, the relay tells nobody, and sends nothing where nobody has proven to be. */
static void what_an_edge_may_not(void **state)
{
	static const struct {
		uint32_t pop, id;
		uint16_t generation, len;
		enum zs_drop why;
	} rows[] = {
		{ POP, EDGE, 2, LEN, ZS_DROP_self },	      { POP + 1, A, 2, LEN, ZS_DROP_backhaul },
		{ POP, A, 1, LEN, ZS_DROP_cid_stale },	      { POP, 50, 2, LEN, ZS_DROP_cid_stale },
		{ POP, 1u << 19, 2, LEN, ZS_DROP_cid_stale }, { POP, NEVER, 2, LEN, ZS_DROP_cid_unbound },
		{ POP, LAZY, 2, LEN, ZS_DROP_no_endpoint },   { POP, A, 2, 17, ZS_DROP_cid_short },
		{ POP, A, 2, 0, ZS_DROP_cid_short },
	};
	struct lab *l = *state;
	struct tunnel_rig *t = l->t;
	uint8_t bytes[LEN];

	open_lab(l, 1);
	for (size_t i = 0; i < ZS_ARRAY_LEN(rows); i++) {
		uint64_t before = rig_drops(t, rows[i].why);

		rig_edge_says(t, &by_cid, to(l, rows[i].pop, rows[i].id, rows[i].generation), rows[i].len);
		if (rig_drops(t, rows[i].why) != before + 1)
			fail_msg("row %zu is not %s", i, zs_drop_name(rows[i].why));
	}
	memcpy(bytes, to(l, POP, A, 2), LEN);
	bytes[7] ^= 1;
	rig_edge_says(t, &by_cid, bytes, LEN);
	assert_int_equal(rig_drops(t, ZS_DROP_cid_malformed), 1);
	memcpy(bytes, (uint8_t[]){ 0xc0, 0x5a, 0x53, 0, 1, ZS_CID }, 6);
	memcpy(bytes + 6, to(l, POP, A, 2) + 1, ZS_CID);
	rig_edge_says(t, &by_cid, bytes, LEN);
	assert_int_equal(rig_drops(t, ZS_DROP_bind_form), 1);
	assert_int_equal(t->clients, 0);
	assert_int_equal(t->port.answers, 0);
	assert_int_equal(t->r->worker[0].count[ZS_COUNTER_cid_routed], 0);
	none_made(l);
}

/* Its session is one worker's; datagrams come to another. */
static void two_workers(void **state)
{
	struct lab *l = *state;
	struct tunnel_rig *t = l->t;
	uint8_t bind[LEN] = { 0xc0, 0x5a, 0x53, 0, 1, ZS_CID };

	open_lab(l, 2);
	for (uint32_t i = 0; i < 8; i++) {
		t->worker = i & 1;
		assert_int_equal(rig_edge_says(t, &by_cid, to(l, POP, A, 2), LEN), ZS_DROPS);
		assert_int_equal(t->clients, i + 1);
		from_a(l, 0, to(l, POP, EDGE, 2), LEN);
		assert_int_equal(t->heard.data, i + 1);
	}
	t->worker = 1;
	memcpy(bind + 6, to(l, POP, A, 2) + 1, ZS_CID);
	rig_edge_says(t, &by_cid, bind, LEN); /* not to the binder either */
	assert_int_equal(rig_drops(t, ZS_DROP_bind_form), 1);
	none_made(l);
}

/* The control plane has room for more attachments than this state segment: who is beyond it sends and gets nothing. */
static void beyond_our_state(void **state)
{
	struct lab *l = *state;

	l->t->r->conf.attach.capacity = 4;
	rig_up(l->t, 1);
	keys(l);
	zs_binds_close(&l->t->r->dp);
	assert_int_equal(zs_binds_open(&l->t->r->dp, &(struct zs_error){ 0 }), 0);
	attach(l, A, ZS_SESSION_SOCKET);
	bind_at(l, A, at("10.2.0.2", 2000), 1);
	rig_edge_says(l->t, &by_cid, to(l, POP, A, 2), LEN);
	assert_int_equal(rig_drops(l->t, ZS_DROP_cid_stale), 1);
	none_made(l);
}

/* --- who pays, and which way ------------------------------------------------------------------ */

static void limit(struct lab *l, uint32_t id, uint64_t pkt_s)
{
	struct zs_police_limits limits = { .pkt_s = pkt_s, .burst = 3000 };
	struct zs_attachment a;

	assert_true(zs_sessions_attachment(&l->t->sessions, id, &a));
	zs_police_of(&a.police, &limits);
	assert_int_equal(zs_sessions_set_attachment(&l->t->sessions, id, &a), 0);
	refresh(l);
}

/* The edge's limit holds both ways, and the peer's too. */
static void both_ends_pay(void **state)
{
	struct lab *l = *state;
	struct tunnel_rig *t = l->t;

	open_lab(l, 1);
	for (int turn = 0; turn < 2; turn++) {
		uint32_t heard = t->heard.data, out = t->clients;
		uint64_t policed = rig_drops(t, ZS_DROP_policed);

		limit(l, turn ? A : EDGE, 10);
		limit(l, turn ? EDGE : A, 0);
		for (int i = 0; i < 40; i++) {
			from_a(l, 0, to(l, POP, EDGE, 2), LEN);
			rig_edge_says(t, &by_cid, to(l, POP, A, 2), LEN);
		}
		assert_in_range(t->heard.data - heard, 1, 10);
		assert_in_range(t->clients - out, 1, 10);
		assert_int_equal(rig_drops(t, ZS_DROP_policed) - policed,
				 80 - (t->heard.data - heard) - (t->clients - out));
	}
	none_made(l);
}

/* A binding is its socket sessions' own: with one of them left it goes first, with a tunnel alone it is over. */
static void a_binding_or_a_tunnel(void **state)
{
	struct lab *l = *state;
	struct tunnel_rig *t = l->t;
	struct zs_attachment a;
	uint32_t tunnel;

	open_lab(l, 1);
	bind_at(l, EDGE, at("10.2.0.2", 4000), 1);
	from_a(l, 0, to(l, POP, EDGE, 2), LEN); /* what was bound before is nobody's by now */
	assert_int_equal(t->heard.data, 1);
	assert_true(zs_sessions_attachment(&t->sessions, EDGE, &a));
	tunnel = a.session;
	attach(l, EDGE, ZS_SESSION_SOCKET);
	bind_at(l, EDGE, at("10.2.0.2", 4000), 1);
	assert_true(zs_sessions_attachment(&t->sessions, EDGE, &a));
	for (int turn = 0; turn < 2; turn++) { /* whichever of the two is newer, until it is proven */
		uint32_t socket = a.session == tunnel ? a.previous : a.session;

		a.session = turn ? tunnel : socket;
		a.previous = turn ? socket : tunnel;
		assert_int_equal(zs_sessions_set_attachment(&t->sessions, EDGE, &a), 0);
		refresh(l);
		from_a(l, 0, to(l, POP, EDGE, 2), LEN);
		assert_int_equal(t->clients, turn + 1);
	}
	l->t->r->worker[0].now_ns += 76 * ZS_NS_PER_S;
	t->r->worker[0].hot[A].expires += zs_hot_tick(100 * ZS_NS_PER_S);
	from_a(l, 0, to(l, POP, EDGE, 2), LEN);
	assert_int_equal(t->heard.data, 2);
	assert_int_equal(t->clients, 2);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		CASE(into_the_tunnel),	       CASE(strangers_as_its_policy_says),
		CASE(no_way_yet_and_too_long), CASE(out_of_the_tunnel),
		CASE(what_an_edge_may_not),    CASE(two_workers),
		CASE(beyond_our_state),	       CASE(both_ends_pay),
		CASE(a_binding_or_a_tunnel),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
