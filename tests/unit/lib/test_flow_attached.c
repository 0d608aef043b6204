/* Flows with an attachment at one end: their numbers, their rest, and flows that an edge opened. */
#include "net/deny.h"
#include "net/packet.h"
#include "unit/lib/flow_world.h"

#define IDLE_MS	      1000
#define IDLE_FIRST_MS 100

static struct zs_endpoint end(uint32_t attachment, uint8_t service, uint16_t number)
{
	struct zs_attached e = { attachment, 7, service };

	return (struct zs_endpoint){ zs_attached_addr(&e), number };
}

/* A client of the published port of a service. */
static enum zs_flow_error add_to(struct world *w, uint32_t client, uint8_t service, uint32_t now_ms,
				 uint32_t *id, struct zs_flow_gone *evicted)
{
	struct zs_flow_new want = wanted(client, 0, now_ms);

	want.target = end(5, service, 0);
	want.local_target = ZS_LOCAL_ATTACHED;
	return zs_flow_add(&w->t, &want, client * 2654435761u, id, evicted);
}

static uint32_t find_number(const struct world *w, uint8_t service, uint16_t number)
{
	struct zs_endpoint e = end(5, service, 0);
	uint64_t hash = zs_flow_hash(&w->t, &e, number, ZS_LOCAL_ATTACHED);

	return zs_flow_find_target(&w->t, hash, &e, number, ZS_LOCAL_ATTACHED);
}

static uint32_t sweep(struct world *w, uint32_t now_ms)
{
	struct zs_flow_sweep s = { .now_ms = now_ms,
				   .idle_confirmed_ms = IDLE_MS,
				   .idle_unconfirmed_ms = IDLE_FIRST_MS };
	uint32_t count = w->capacity, id, ended = 0;
	bool idle;

	while ((id = zs_flow_sweep(&w->t, &s, &count, &idle)) != ZS_FLOW_NONE) {
		zs_flow_finish(&w->t, id, now_ms);
		ended++;
	}
	return ended;
}

static void test_an_end_is_no_address(void **state)
{
	struct zs_attached e = { 0x01020304, 0xabcd, 127 }, back;
	struct zs_addr a = zs_attached_addr(&e);
	struct zs_deny deny = { 0 };
	struct zs_prefix all = { .len = 0 };
	struct zs_packet p = {
		.ttl = 64, .src = { a, 5 }, .dst = endpoint(1), .udp_len = 8, .payload_len = 0
	};

	(void)state;
	assert_true(zs_is_attached(&a));
	back = zs_attached_of(&a);
	assert_int_equal(back.attachment, 0x01020304);
	assert_int_equal(back.generation, 0xabcd);
	assert_int_equal(back.service, 127);
	assert_int_equal(zs_packet_hygiene(&p), ZS_DROP_src_multicast);
	zs_deny_allow(&deny, &all);
	assert_int_not_equal(zs_deny_target(&deny, &a), ZS_SPECIAL_NONE);
	a = endpoint(3).addr;
	assert_false(zs_is_attached(&a));
}

static void test_a_number_rests(void **state)
{
	struct world w;
	uint32_t id, n;

	(void)state;
	make_fresh(&w, 64, 20000, 20003);
	assert_int_equal(add_to(&w, 1, 3, 0, &id, NULL), ZS_FLOW_OK);
	n = w.flow[id].source_port;
	assert_int_not_equal(n, 0);
	assert_int_equal(find_number(&w, 3, (uint16_t)n), id);
	assert_int_equal(find_number(&w, 4, (uint16_t)n), ZS_FLOW_NONE);
	w.flow[id].answered = ZS_FLOW_CONFIRMED;
	zs_flow_finish(&w.t, id, 50);
	assert_int_equal(w.flow[id].used, ZS_FLOW_RESTING);
	assert_int_equal(find_client(&w, 1), ZS_FLOW_NONE);
	assert_int_equal(find_number(&w, 3, (uint16_t)n), ZS_FLOW_NONE);
	assert_int_equal(atomic_load(&w.head->used), 0);
	check(&w);
	zs_flow_finish(&w.t, id, 60); /* it rests already */
	assert_int_equal(w.flow[id].last_ms, 50);
	assert_int_equal(open_with(&w, key, false), 0); /* a restart does not wake it */
	w.head->dirty = 1;
	assert_int_equal(open_with(&w, key, false), 0);
	assert_int_equal(w.t.resting, 1);
	sweep(&w, 50 + 2 * IDLE_MS);
	assert_int_equal(w.flow[id].used, ZS_FLOW_RESTING);
	sweep(&w, 52 + 2 * IDLE_MS);
	assert_int_equal(w.flow[id].used, ZS_FLOW_FREE);
	assert_int_equal(w.t.resting, 0);
	check(&w);
	/* A flow toward an address does not rest. */
	assert_int_equal(add(&w, 2, 2, 0, &id, NULL), ZS_FLOW_OK);
	zs_flow_finish(&w.t, id, 0);
	assert_int_equal(w.flow[id].used, ZS_FLOW_FREE);
	drop(&w);
}

/* All numbers of a partition but 0, each service its own; then there is none until one has rested. */
static void test_numbers_run_out(void **state)
{
	static bool seen[65536];
	struct world w;
	uint32_t id = 0, given = 0;

	(void)state;
	make_fresh(&w, 16384, 20000, 20003);
	zs_flow_table_set_ranges(&w.t, 2, 1);
	for (; given < ZS_FLOW_NUMBERS; given++) {
		assert_int_equal(add_to(&w, given, 1, 0, &id, NULL), ZS_FLOW_OK);
		assert_in_range(w.flow[id].source_port, 8192, 12287);
		assert_false(seen[w.flow[id].source_port]);
		seen[w.flow[id].source_port] = true;
	}
	for (uint32_t i = 0; i < 3; i++)
		assert_int_equal(add_to(&w, 5000, 1, 0, &id, NULL), ZS_FLOW_PORTS);
	assert_int_equal(add_to(&w, 5000, 2, 0, &id, NULL), ZS_FLOW_OK);
	assert_int_equal(sweep(&w, IDLE_FIRST_MS + 1), ZS_FLOW_NUMBERS + 1);
	assert_int_equal(add_to(&w, 5001, 1, 200, &id, NULL), ZS_FLOW_PORTS);
	sweep(&w, 3 * IDLE_FIRST_MS + 3);
	assert_int_equal(add_to(&w, 5001, 1, 400, &id, NULL), ZS_FLOW_OK);
	zs_flow_table_set_ranges(&w.t, 0, 1);
	for (uint32_t i = 0; i < ZS_FLOW_NUMBERS - 1; i++) {
		assert_int_equal(add_to(&w, 6000 + i, 9, 500, &id, NULL), ZS_FLOW_OK);
		assert_in_range(w.flow[id].source_port, 1, 4095);
	}
	/* Several ranges are taken in turn, to the last number of all. */
	zs_flow_table_set_ranges(&w.t, 14, 2);
	w.t.number_cursor = 2 * ZS_FLOW_NUMBERS - 2;
	for (uint32_t i = 0; i < 3; i++) {
		static const uint16_t want[] = { 65534, 65535, 14 * ZS_FLOW_NUMBERS };

		assert_int_equal(add_to(&w, 20000 + i, 3, 500, &id, NULL), ZS_FLOW_OK);
		assert_int_equal(w.flow[id].source_port, want[i]);
	}
	zs_flow_table_set_ranges(&w.t, 0, 0);
	assert_int_equal(add_to(&w, 21000, 3, 500, &id, NULL), ZS_FLOW_PORTS);
	check(&w);
	drop(&w);
}

/* Entries of resting flows are taken when there is no other, and before anybody's live flow. */
static void test_rest_gives_way(void **state)
{
	struct zs_flow_gone evicted;
	struct world w;
	uint32_t id;

	(void)state;
	make_fresh(&w, 32, 20000, 29999);
	for (uint32_t i = 0; i < 32; i++)
		assert_int_equal(add_to(&w, i, 1, 0, &id, NULL), ZS_FLOW_OK);
	for (uint32_t i = 0; i < 8; i++)
		zs_flow_finish(&w.t, find_client(&w, i), 1);
	for (uint32_t i = 0; i < 8; i++) {
		assert_int_equal(add_to(&w, 100 + i, 1, 2, &id, &evicted), ZS_FLOW_OK);
		assert_int_equal(evicted.flow.used, 0);
		check(&w);
	}
	assert_int_equal(w.t.resting, 0);
	assert_int_equal(add_to(&w, 200, 1, 3, &id, &evicted), ZS_FLOW_OK);
	assert_int_equal(evicted.flow.used, 1);
	check(&w);
	drop(&w);
}

static void test_a_flow_of_the_edge(void **state)
{
	struct zs_endpoint e = end(5, 0, 77), other = end(6, 0, 77);
	struct zs_flow_new want = wanted(1, 100, 0);
	struct world w;
	uint32_t id;

	(void)state;
	make_fresh(&w, 16, 20000, 20003);
	want.client = e;
	want.local_client = ZS_LOCAL_ATTACHED;
	assert_int_equal(zs_flow_add(&w.t, &want, 1, &id, NULL), ZS_FLOW_OK);
	assert_in_range(w.flow[id].source_port, 20000, 20003);
	assert_int_equal(w.flow[id].port, 443);
	uint64_t h = zs_flow_hash(&w.t, &e, 0, ZS_LOCAL_ATTACHED);
	assert_int_equal(zs_flow_find_client(&w.t, h, &e, 0, ZS_LOCAL_ATTACHED), id);
	assert_int_equal(zs_flow_find_client(&w.t, h, &other, 0, ZS_LOCAL_ATTACHED), ZS_FLOW_NONE);
	assert_int_equal(find_target(&w, &w.flow[id]), id);
	check(&w);
	w.head->dirty = 1;
	assert_int_equal(open_with(&w, key, false), 0);
	assert_int_equal(zs_flow_find_client(&w.t, h, &e, 0, ZS_LOCAL_ATTACHED), id);
	zs_flow_finish(&w.t, id, 5); /* the edge's number is the edge's to rest */
	assert_int_equal(w.flow[id].used, ZS_FLOW_FREE);
	check(&w);
	drop(&w);
}

/* --- against a naive model: when was each number last in use? ---------------------------------- */

#define CLIENTS 600
struct model {
	uint32_t id[CLIENTS];
	uint64_t free_at[4][ZS_FLOW_NUMBERS]; /* by service */
};

static void model_end(struct world *w, struct model *m, uint32_t client, uint32_t now)
{
	const struct zs_flow *f = &w->flow[m->id[client]];
	uint8_t service = zs_attached_of(&f->target.addr).service;
	uint32_t rest = f->answered == ZS_FLOW_ASKING ? IDLE_FIRST_MS : IDLE_MS;

	m->free_at[service][f->source_port] = now + 2 * rest;
	zs_flow_finish(&w->t, m->id[client], now);
	m->id[client] = ZS_FLOW_NONE;
}

static void model_step(struct world *w, struct model *m, struct scratch *s, uint32_t now)
{
	uint32_t client = draw(&s->rng) % CLIENTS, id = find_client(w, client);
	uint8_t service = (uint8_t)(draw(&s->rng) % 4);

	assert_int_equal(id, m->id[client]);
	if (id != ZS_FLOW_NONE) {
		assert_int_equal(
		    find_number(w, zs_attached_of(&w->flow[id].target.addr).service, w->flow[id].source_port),
		    id);
		if (w->flow[id].answered < ZS_FLOW_CONFIRMED)
			w->flow[id].answered += draw(&s->rng) % 2;
		if (draw(&s->rng) % 3 == 0)
			model_end(w, m, client, now);
		return;
	}
	if (add_to(w, client, service, now, &id, NULL) != ZS_FLOW_OK)
		return; /* numbers ran out: test_numbers_run_out says when */
	if (now <= m->free_at[service][w->flow[id].source_port])
		fail_msg("number %u of service %u given at %u, it rests until %llu", w->flow[id].source_port,
			 service, now, (unsigned long long)m->free_at[service][w->flow[id].source_port]);
	m->free_at[service][w->flow[id].source_port] = UINT64_MAX;
	m->id[client] = id;
}

static void test_numbers_against_model(void **state)
{
	struct scratch *s = *state;
	static struct model m;
	struct world w;
	uint32_t now = 1, rounds = ROUNDS(3000000);

	memset(m.id, 0xff, sizeof(m.id));
	make_fresh(&w, 32768, 20000, 29999);
	for (uint32_t i = 0; i < rounds; i++) {
		now += draw(&s->rng) % 4 == 0;
		model_step(&w, &m, s, now);
		if (i % 997 == 0) {
			struct zs_flow_sweep all = { .now_ms = now,
						     .idle_confirmed_ms = IDLE_MS,
						     .idle_unconfirmed_ms = IDLE_FIRST_MS };
			uint32_t left = w.capacity;
			bool idle;
			for (uint32_t c = 0; c < CLIENTS; c++) /* none idles: only rests end */
				if (m.id[c] != ZS_FLOW_NONE)
					w.flow[m.id[c]].last_ms = now;
			assert_int_equal(zs_flow_sweep(&w.t, &all, &left, &idle), ZS_FLOW_NONE);
		}
		if (i % 50021 == 0) {
			w.head->dirty = i & 1;
			assert_int_equal(open_with(&w, key, false), 0);
			check(&w);
		}
	}
	check(&w);
	drop(&w);
}

static void test_damage_is_put_right(void **state)
{
	struct scratch *s = *state;
	struct world w;
	uint32_t id;

	for (uint32_t round = 0; round < ROUNDS(2000); round++) {
		make_fresh(&w, 64, 20000, 29999);
		for (uint32_t i = 0; i < 50; i++)
			add_to(&w, i, i % 3, 0, &id, NULL);
		for (uint32_t i = 0; i < 20; i++)
			zs_flow_finish(&w.t, find_client(&w, i), 1);
		for (uint32_t i = 0; i < 1 + draw(&s->rng) % 64; i++) {
			size_t at = 8 + draw(&s->rng) % (w.bytes - 8); /* not capacity and buckets */
			((uint8_t *)w.head)[at] = (uint8_t)draw(&s->rng);
		}
		assert_int_equal(open_with(&w, key, false), 0);
		check(&w);
		drop(&w);
	}
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, scratch_setup, scratch_teardown)
	const struct CMUnitTest tests[] = {
		T(test_an_end_is_no_address), T(test_a_number_rests),	  T(test_numbers_run_out),
		T(test_rest_gives_way),	      T(test_a_flow_of_the_edge), T(test_numbers_against_model),
		T(test_damage_is_put_right),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
