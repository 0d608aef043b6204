/* The flow table against a naive map, at its limits, and after kills at every kind of moment. */
#include "shm/flow_find.h"
#include "unit/lib/flow_world.h"

static void test_one_flow(void **state)
{
	struct world w;
	uint32_t id;

	(void)state;
	make_fresh(&w, 16, 20000, 20003);
	assert_int_equal(find_client(&w, 1), ZS_FLOW_NONE);
	assert_int_equal(add(&w, 1, 100, 50, &id, NULL), ZS_FLOW_OK);
	const struct zs_flow *f = &w.flow[id];
	assert_int_equal(find_client(&w, 1), id);
	assert_int_equal(find_target(&w, f), id);
	assert_in_range(f->source_port, 20000, 20003);
	assert_int_equal(w.rest[id].created_ms, 50);
	assert_int_equal(f->last_ms, 50);
	assert_int_equal(f->as_of, 0); /* next hops are to be found */
	assert_int_equal(w.rest[id].published_generation, 13);
	/* Each part of the key matters. */
	struct zs_endpoint e = endpoint(1);
	uint64_t h = zs_flow_hash(&w.t, &e, 443, 1);
	assert_int_equal(zs_flow_find_client(&w.t, h, &e, 444, 1), ZS_FLOW_NONE);
	assert_int_equal(zs_flow_find_client(&w.t, h, &e, 443, 2), ZS_FLOW_NONE);
	assert_true(zs_flow_is(f, ZS_FLOW_TO_TARGET, &e, 443, 1));
	assert_false(zs_flow_is(f, ZS_FLOW_TO_TARGET, &e, 444, 1));
	assert_false(zs_flow_is(f, ZS_FLOW_TO_TARGET, &e, 443, 2));
	assert_false(zs_flow_is(f, ZS_FLOW_TO_TARGET, &f->target, 443, 1));
	assert_true(zs_flow_is(f, ZS_FLOW_TO_CLIENT, &f->target, f->source_port, 2));
	assert_false(zs_flow_is(f, ZS_FLOW_TO_CLIENT, &f->target, f->source_port, 1));
	e.port++;
	assert_int_equal(zs_flow_find_client(&w.t, h, &e, 443, 1), ZS_FLOW_NONE);
	check(&w);
	zs_flow_remove(&w.t, id);
	zs_flow_remove(&w.t, id); /* nothing to remove any more */
	zs_flow_remove(&w.t, 16);
	assert_int_equal(find_client(&w, 1), ZS_FLOW_NONE);
	check(&w);
	drop(&w);
}

static void test_source_ports_run_out(void **state)
{
	struct world w;
	uint32_t id;

	(void)state;
	make_fresh(&w, 64, 20000, 20003);
	for (uint32_t i = 0; i < 4; i++) {
		assert_int_equal(add(&w, i, 100, 0, &id, NULL), ZS_FLOW_OK);
		w.flow[id].answered = ZS_FLOW_CONFIRMED;
	}
	assert_int_equal(add(&w, 4, 100, 0, &id, NULL), ZS_FLOW_PORTS);
	assert_int_equal(add(&w, 4, 101, 0, &id, NULL),
			 ZS_FLOW_OK); /* another target: the ports are free again */
	zs_flow_remove(&w.t, find_client(&w, 2));
	assert_int_equal(add(&w, 5, 100, 0, &id, NULL), ZS_FLOW_OK);
	zs_flow_table_set_ports(&w.t, 0, 0);
	assert_int_equal(add(&w, 6, 102, 0, &id, NULL), ZS_FLOW_PORTS);
	check(&w);
	drop(&w);
}

/* Whoever fills a target's source ports with one packet each keeps nobody out: the port's oldest unconfirmed flow gives its own. */
static void test_used_up_source_ports_are_exchanged(void **state)
{
	struct zs_flow_new other = wanted(50, 100, 0);
	struct zs_flow_gone evicted;
	struct world w;
	uint32_t id;

	(void)state;
	make_fresh(&w, 64, 20000, 20003);
	other.port = 444;
	for (uint32_t i = 0; i < 3; i++)
		assert_int_equal(add(&w, i, 100, i, &id, NULL), ZS_FLOW_OK);
	assert_int_equal(zs_flow_add(&w.t, &other, 7, &id, NULL), ZS_FLOW_OK);
	w.flow[find_client(&w, 0)].answered = ZS_FLOW_CONFIRMED;
	for (uint32_t i = 3; i < 9; i++) { /* 0 is confirmed, 50 is another port's */
		assert_int_equal(add(&w, i, 100, i, &id, &evicted), ZS_FLOW_OK);
		assert_int_equal(evicted.flow.client.port, endpoint(i - 2).port);
		assert_int_equal(w.flow[id].source_port, evicted.flow.source_port);
		check(&w);
	}
	assert_int_not_equal(find_client(&w, 0), ZS_FLOW_NONE);
	assert_int_equal(w.t.head->used, 4);
	drop(&w);
}

#define MOST 13 /* lines: the group of groups, five groups, a few of others in their chains */

/* Confirms it, and takes note that the ports of the range are given once each. */
static void settle_one(struct world *w, uint32_t id, bool seen[65536])
{
	uint16_t port = w->flow[id].source_port;

	assert_in_range(port, 20000, 32767);
	assert_false(seen[port]);
	seen[port] = true;
	w->flow[id].answered = ZS_FLOW_CONFIRMED;
}

/* The work of choosing a source port is the same for the first, the last and one more than there are. */
static void test_choosing_a_source_port_is_bounded(void **state)
{
	static bool seen[65536];
	uint64_t looked, tried, most = 0;
	struct world w;
	uint32_t id;

	(void)state;
	make_fresh(&w, 16384, 20000, 32767);
	for (uint32_t i = 0; i < 12768; i++) {
		looked = zs_flow_sources_looked(&w.t), tried = w.t.tried;
		assert_int_equal(add(&w, i, 1, 0, &id, NULL), ZS_FLOW_OK);
		settle_one(&w, id, seen);
		assert_true(w.t.tried - tried <= 2);
		looked = zs_flow_sources_looked(&w.t) - looked;
		most = looked > most ? looked : most;
	}
	assert_in_range(most, 1, MOST);
	looked = zs_flow_sources_looked(&w.t), tried = w.t.tried;
	for (uint32_t i = 0; i < 1000; i++)
		assert_int_equal(add(&w, 20000 + i, 1, 0, &id, NULL), ZS_FLOW_PORTS);
	assert_int_equal(w.t.tried, tried); /* the line that says how many are used, and no port */
	assert_in_range(zs_flow_sources_looked(&w.t) - looked, 1000, 3000);
	for (uint32_t i = 0; i < 100;
	     i++) { /* the one that is free is found from wherever the search begins */
		uint32_t victim = find_client(&w, i * 127);
		uint16_t port = w.flow[victim].source_port;

		zs_flow_remove(&w.t, victim);
		looked = zs_flow_sources_looked(&w.t), tried = w.t.tried;
		assert_int_equal(add(&w, i * 127, 1, 0, &id, NULL), ZS_FLOW_OK);
		assert_int_equal(w.flow[id].source_port, port);
		w.flow[id].answered = ZS_FLOW_CONFIRMED;
		assert_int_equal(w.t.tried - tried, 1);
		assert_in_range(zs_flow_sources_looked(&w.t) - looked, 1, MOST);
	}
	check(&w);
	assert_int_equal(open_with(&w, key, false), 0); /* known again from the flows */
	assert_int_equal(add(&w, 30000, 1, 0, &id, NULL), ZS_FLOW_PORTS);
	for (uint32_t i = 0; i < 12768; i++)
		zs_flow_remove(&w.t, find_client(&w, i));
	assert_int_equal(add(&w, 30000, 1, 0, &id, NULL), ZS_FLOW_OK);
	check(&w);
	drop(&w);
}

static void test_full_evicts_the_oldest_unconfirmed(void **state)
{
	struct zs_flow_gone evicted;
	struct world w;
	uint32_t id;

	(void)state;
	make_fresh(&w, 1024, 20000, 29999);
	for (uint32_t i = 0; i < 1024; i++)
		assert_int_equal(add(&w, i, i % 7, i, &id, NULL), ZS_FLOW_OK);
	for (uint32_t i = 0; i < 1024; i++)
		w.flow[find_client(&w, i)].answered = i == 10	 ? ZS_FLOW_ASKING
						      : i == 700 ? ZS_FLOW_ANSWERED
								 : ZS_FLOW_CONFIRMED;
	check(&w);
	uint32_t first = find_client(&w, 10), tries = 0;
	assert_int_not_equal(first, ZS_FLOW_NONE);
	assert_int_equal(add(&w, 5000, 1, 2000, &id, &evicted), ZS_FLOW_OK);
	assert_int_equal(evicted.flow.used, 1);
	assert_true(evicted.flow.client.port == endpoint(10).port);
	assert_int_equal(find_client(&w, 10), ZS_FLOW_NONE);
	w.flow[id].answered = ZS_FLOW_CONFIRMED;
	/* 689 confirmed flows stand before 700 in the list: each try takes a bounded step. */
	enum zs_flow_error e = ZS_FLOW_FULL;
	while (e == ZS_FLOW_FULL && tries++ < 20) {
		e = add(&w, 5001, 1, 2001, &id, &evicted);
		check(&w);
	}
	assert_int_equal(e, ZS_FLOW_OK);
	assert_in_range(tries, 2, 12);
	assert_int_equal(evicted.flow.client.port, endpoint(700).port);
	w.flow[id].answered = ZS_FLOW_CONFIRMED;
	for (tries = 0; tries < 40; tries++) { /* confirmed flows are never evicted */
		assert_int_equal(add(&w, 5002, 1, 2002, &id, &evicted), ZS_FLOW_FULL);
		assert_int_equal(evicted.flow.used, 0);
	}
	for (uint32_t i = 0; i < 1024; i++)
		if (i != 10 && i != 700)
			assert_int_not_equal(find_client(&w, i), ZS_FLOW_NONE);
	check(&w);
	drop(&w);
}

static void test_every_entry_can_be_used(void **state)
{
	struct scratch *s = *state;
	struct world w;
	uint32_t id;

	make_fresh(&w, ROUNDS(65536), 20000, 32767);
	uint32_t start = (uint32_t)draw(&s->rng); /* an odd factor: no client comes twice */
	for (uint32_t i = 0; i < w.capacity; i++) {
		struct zs_flow_new want = wanted((i * 2654435761u + start) & 0xffffff, i % 100, 0);
		want.local_client = (uint8_t)(i % 50);
		enum zs_flow_error e = zs_flow_add(&w.t, &want, (uint32_t)draw(&s->rng), &id, NULL);
		if (e != ZS_FLOW_OK)
			fail_msg("flow %u of %u: error %d", i, w.capacity, e);
		w.flow[id].answered = ZS_FLOW_CONFIRMED;
	}
	check(&w);
	drop(&w);
}

/* The next client at or after `from` whose flow may lie in buckets 0 and 1 alone. */
static uint32_t crowding(const struct world *w, uint32_t from)
{
	for (;; from++) {
		struct zs_endpoint e = endpoint(from);
		struct zs_flow_place p = zs_flow_place_of(&w->t, zs_flow_hash(&w->t, &e, 443, 1));
		if (p.bucket[0] + p.bucket[1] == 1)
			return from;
	}
}

/* Flows that share one pair of buckets: the oldest unconfirmed goes, then `bucket` is the answer. */
static void test_crowded_bucket(void **state)
{
	struct zs_flow_gone evicted;
	struct world w;
	uint32_t id, client = 0, first[16];

	(void)state;
	make(&w, 4096);
	w.buckets = 16;
	assert_int_equal(open_with(&w, key, true), 0);
	zs_flow_table_set_ports(&w.t, 20000, 32767);
	for (uint32_t i = 0; i < 16; i++, client++) {
		first[i] = client = crowding(&w, client);
		assert_int_equal(add(&w, client, client, 100 + i, &id, &evicted), ZS_FLOW_OK);
		assert_int_equal(evicted.flow.used, 0);
		w.flow[id].answered = i == 5 ? ZS_FLOW_ASKING : i == 9 ? ZS_FLOW_ANSWERED : ZS_FLOW_CONFIRMED;
	}
	for (uint32_t i = 5; i <= 9; i += 4, client++) {
		client = crowding(&w, client);
		assert_int_equal(add(&w, client, client, 300, &id, &evicted), ZS_FLOW_OK);
		assert_int_equal(evicted.flow.used, 1);
		assert_int_equal(evicted.flow.client.port, endpoint(first[i]).port);
		assert_int_equal(find_client(&w, first[i]), ZS_FLOW_NONE);
		w.flow[id].answered = ZS_FLOW_CONFIRMED;
		check(&w);
	}
	client = crowding(&w, client);
	assert_int_equal(add(&w, client, client, 400, &id, &evicted), ZS_FLOW_BUCKET);
	assert_int_equal(evicted.flow.used, 0);
	assert_int_equal(atomic_load(&w.head->used), 16);
	check(&w);
	drop(&w);
}

/* --- against a naive map -------------------------------------------------------------------- */

#define CLIENTS 3000
struct model {
	uint32_t id[CLIENTS]; /* ZS_FLOW_NONE: no flow */
	bool confirmed[CLIENTS];
	uint32_t count;
};

static void forget(struct model *m, uint32_t client)
{
	m->id[client] = ZS_FLOW_NONE;
	m->count--;
}

static void model_add(struct world *w, struct model *m, uint32_t client, struct scratch *s, uint32_t now)
{
	struct zs_flow_gone evicted;
	uint32_t id, waiting = 0;
	struct zs_flow_new want = wanted(client, (uint32_t)draw(&s->rng) % 5, now);
	enum zs_flow_error e = zs_flow_add(&w->t, &want, (uint32_t)draw(&s->rng), &id, &evicted);

	if (evicted.flow.used) {
		uint32_t old = evicted.flow.client.port - 1024u;
		assert_true(old < CLIENTS && m->id[old] != ZS_FLOW_NONE && !m->confirmed[old]);
		forget(m, old);
	}
	if (e != ZS_FLOW_OK) {
		assert_int_equal(e, ZS_FLOW_FULL);
		assert_int_equal(m->count, w->capacity);
		for (uint32_t i = 0; i < CLIENTS; i++)
			waiting += m->id[i] != ZS_FLOW_NONE && !m->confirmed[i];
		assert_true(waiting < w->capacity);
		return;
	}
	m->id[client] = id;
	m->confirmed[client] = false;
	m->count++;
}

static void model_step(struct world *w, struct model *m, struct scratch *s, uint32_t now)
{
	uint32_t client = draw(&s->rng) % CLIENTS, id = find_client(w, client);

	if (id != m->id[client])
		fail_msg("client %u: flow %u, the model says %u", client, id, m->id[client]);
	if (id == ZS_FLOW_NONE) {
		model_add(w, m, client, s, now);
		return;
	}
	assert_int_equal(find_target(w, &w->flow[id]), id);
	switch (draw(&s->rng) % 4) {
	case 0:
		zs_flow_remove(&w->t, id);
		forget(m, client);
		break;
	case 1:
		w->flow[id].answered = ZS_FLOW_CONFIRMED;
		m->confirmed[client] = true;
		break;
	default:
		w->flow[id].last_ms = now;
	}
}

static void test_against_model(void **state)
{
	struct scratch *s = *state;
	static struct model m;
	struct world w;

	memset(&m, 0xff, sizeof(m.id));
	make_fresh(&w, 1000, 20000, 29999);
	for (uint32_t i = 0; i < ROUNDS(10000000); i++) {
		model_step(&w, &m, s, i / 100);
		if (i % 10007 == 0) {
			assert_int_equal(atomic_load(&w.head->used), m.count);
			check(&w);
		}
		if (i % 100003 == 0) { /* a restart in between changes nothing */
			w.head->dirty = i & 1;
			assert_int_equal(open_with(&w, key, false), 0);
			check(&w);
		}
	}
	check(&w);
	drop(&w);
}

/* --- restarts and kills ----------------------------------------------------------------------- */

static void test_open_refuses(void **state)
{
	struct world w;

	(void)state;
	make(&w, 64);
	w.capacity = 0;
	assert_int_equal(open_with(&w, key, true), -EINVAL);
	w.capacity = 64, w.buckets = 3;
	assert_int_equal(open_with(&w, key, true), -EINVAL);
	w.buckets = 16;
	assert_int_equal(open_with(&w, key, true), 0);
	w.capacity = 32; /* not what the head says */
	assert_int_equal(open_with(&w, key, false), -EUCLEAN);
	drop(&w);
}

static void test_another_hash_key(void **state)
{
	struct world w;
	uint32_t id;

	(void)state;
	make_fresh(&w, 256, 20000, 29999);
	for (uint32_t i = 0; i < 200; i++)
		assert_int_equal(add(&w, i, i, 0, &id, NULL), ZS_FLOW_OK);
	assert_int_equal(open_with(&w, (const uint8_t *)"another hash key", false), 0);
	for (uint32_t i = 0; i < 200; i++)
		assert_int_not_equal(find_client(&w, i), ZS_FLOW_NONE);
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
			add(&w, i, i, 0, &id, NULL);
		for (uint32_t i = 0; i < 1 + draw(&s->rng) % 64; i++) {
			size_t at = 8 + draw(&s->rng) % (w.bytes - 8); /* not capacity and buckets */
			((uint8_t *)w.head)[at] = (uint8_t)draw(&s->rng);
		}
		assert_int_equal(open_with(&w, key, false), 0);
		check(&w);
		assert_int_equal(w.t.capacity, 64);
		drop(&w);
	}
}

struct killed {
	struct world *w;
	uint64_t seed;
	uint32_t *made; /* how many flows the child had finished, by its own account */
	volatile uint32_t *going;
};

/* Makes and ends flows until it is killed. Clients below 100 are made first and stay. */
static void churn(const struct killed *k)
{
	struct world *w = k->w;
	uint64_t rng = k->seed;
	uint32_t id;

	for (uint32_t i = 0; i < 100; i++) {
		add(w, i, i % 5, i, &id, NULL);
		w->flow[id].answered = ZS_FLOW_CONFIRMED;
		__atomic_store_n(k->made, i + 1, __ATOMIC_RELEASE);
	}
	*k->going = 1;
	for (;;) {
		uint32_t client = 100 + draw(&rng) % 1000;
		id = find_client(w, client);
		if (id == ZS_FLOW_NONE)
			add(w, client, client % 5, 7, &id, NULL);
		else
			zs_flow_remove(&w->t, id);
	}
}

static void kill_and_adopt(struct scratch *s)
{
	uint32_t *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct world w;
	struct killed k = { .w = &w, .seed = draw(&s->rng), .made = shared, .going = shared + 1 };

	make_fresh(&w, 512, 20000, 29999);
	pid_t pid = fork();
	if (pid == 0)
		churn(&k);
	while (!*k.going)
		usleep(100);
	usleep(draw(&s->rng) % 2000);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	assert_int_equal(open_with(&w, key, false), 0);
	check(&w);
	for (uint32_t i = 0; i < 100; i++) {
		uint32_t id = find_client(&w, i);
		assert_int_not_equal(id, ZS_FLOW_NONE);
		assert_int_equal(w.flow[id].answered, ZS_FLOW_CONFIRMED);
	}
	munmap(shared, 4096);
	drop(&w);
}

static void test_killed_at_any_moment(void **state)
{
	for (int i = 0; i < 100; i++)
		kill_and_adopt(*state);
}

/* The same without luck: the memory as it stands after each single change of a byte range is
 * imitated by copying the first n bytes of "after" over "before", for both directions. */
static void torn(struct world *w, const uint8_t *before, const uint8_t *after, uint32_t keep)
{
	uint8_t *mem = (uint8_t *)w->head;

	for (size_t cut = 0; cut <= w->bytes; cut += 8) {
		memcpy(mem, after, cut);
		memcpy(mem + cut, before + cut, w->bytes - cut);
		w->head->dirty = 1;
		assert_int_equal(open_with(w, key, false), 0);
		check(w);
		for (uint32_t i = 0; i < keep; i++)
			assert_int_not_equal(find_client(w, i), ZS_FLOW_NONE);
		memcpy(mem + cut, after + cut, w->bytes - cut);
		memcpy(mem, before, cut);
		w->head->dirty = 1;
		assert_int_equal(open_with(w, key, false), 0);
		check(w);
	}
}

static void test_torn_changes(void **state)
{
	struct world w;
	uint32_t id;

	(void)state;
	make_fresh(&w, 16, 20000, 29999);
	for (uint32_t i = 0; i < 8; i++)
		assert_int_equal(add(&w, i, i, i, &id, NULL), ZS_FLOW_OK);
	uint8_t *before = malloc(w.bytes), *after = malloc(w.bytes);
	memcpy(before, w.head, w.bytes);
	assert_int_equal(add(&w, 8, 8, 8, &id, NULL), ZS_FLOW_OK);
	memcpy(after, w.head, w.bytes);
	torn(&w, before, after, 8);
	torn(&w, after, before, 8);
	free(before);
	free(after);
	drop(&w);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, scratch_setup, scratch_teardown)
	const struct CMUnitTest tests[] = {
		T(test_one_flow),
		T(test_source_ports_run_out),
		T(test_used_up_source_ports_are_exchanged),
		T(test_choosing_a_source_port_is_bounded),
		T(test_full_evicts_the_oldest_unconfirmed),
		T(test_every_entry_can_be_used),
		T(test_crowded_bucket),
		T(test_against_model),
		T(test_open_refuses),
		T(test_another_hash_key),
		T(test_damage_is_put_right),
		T(test_killed_at_any_moment),
		T(test_torn_changes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
