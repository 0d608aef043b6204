/* How flows go on and end: asking, answered, confirmed; making room; the sweep. */
#include "unit/lib/flow_world.h"

static bool of_client_7(const struct zs_flow *f, const struct zs_flow_rest *rest, const void *ctx)
{
	return f->client.port == *(const uint16_t *)ctx;
}

static void test_sweep(void **state)
{
	struct zs_flow_sweep s = { .idle_confirmed_ms = 10000, .idle_unconfirmed_ms = 1000 };
	uint16_t seven = endpoint(7).port;
	struct world w;
	uint32_t id, count, ended = 0;
	bool idle;

	(void)state;
	make_fresh(&w, 128, 20000, 29999);
	uint32_t base = UINT32_MAX - 500; /* the clock wraps */
	for (uint32_t i = 0; i < 100; i++) {
		assert_int_equal(add(&w, i, i, base + i, &id, NULL), ZS_FLOW_OK);
		w.flow[id].answered = i % 2 ? ZS_FLOW_CONFIRMED : i % 4 / 2;
	}
	count = 128;
	s.now_ms = base + 100;
	assert_int_equal(zs_flow_sweep(&w.t, &s, &count, &idle), ZS_FLOW_NONE);
	assert_int_equal(count, 0);
	check(&w);
	count = 128;
	s.now_ms = base + 1050;
	while ((id = zs_flow_sweep(&w.t, &s, &count, &idle)) != ZS_FLOW_NONE) {
		assert_int_not_equal(w.flow[id].answered, ZS_FLOW_CONFIRMED);
		assert_true(idle && (int32_t)(w.flow[id].last_ms - (base + 50)) < 0);
		zs_flow_remove(&w.t, id);
		ended++;
	}
	assert_int_equal(ended, 25);
	/* A packet that came after `now` was read is not idle for 49 days. */
	w.flow[find_client(&w, 99)].last_ms = base + 2000;
	count = 128;
	s.now_ms = base + 1090;
	s.idle_unconfirmed_ms = 2000;
	assert_int_equal(zs_flow_sweep(&w.t, &s, &count, &idle), ZS_FLOW_NONE);
	/* One that something else has ended is found at once, and is not idle. */
	s.ended = of_client_7;
	s.ctx = &seven;
	count = 128;
	id = zs_flow_sweep(&w.t, &s, &count, &idle);
	assert_int_equal(id, find_client(&w, 7));
	assert_false(idle);
	assert_int_equal(zs_flow_sweep(&w.t, &s, &count, &idle), ZS_FLOW_NONE);
	s.now_ms = base + 20000;
	for (count = 128; (id = zs_flow_sweep(&w.t, &s, &count, &idle)) != ZS_FLOW_NONE;)
		zs_flow_remove(&w.t, id);
	assert_int_equal(atomic_load(&w.head->used), 0);
	check(&w);
	drop(&w);
}

/* Asking, answered, confirmed: each side's packet moves a flow on in its turn only. */
static void test_life(void **state)
{
	struct zs_flow f = { 0 };

	(void)state;
	zs_flow_asked(&f);
	zs_flow_asked(&f); /* repeating oneself confirms nothing */
	assert_int_equal(f.answered, ZS_FLOW_ASKING);
	zs_flow_answers(&f);
	zs_flow_answers(&f);
	assert_int_equal(f.answered, ZS_FLOW_ANSWERED);
	zs_flow_asked(&f);
	assert_int_equal(f.answered, ZS_FLOW_CONFIRMED);
	zs_flow_answers(&f);
	assert_int_equal(f.answered, ZS_FLOW_CONFIRMED);
}

/* What a flow has had is the sum of what its two lines say; no packet is too long for what has room in the first. */
static void test_counts(void **state)
{
	static const uint16_t sizes[] = { 0, 1, 22, 1232, UINT16_MAX };
	struct zs_flow_counts want = { 0 };
	struct zs_flow_rest rest = { 0 };
	struct zs_flow f = { 0 };
	uint32_t settled = 0;

	(void)state;
	for (uint32_t i = 0; i < 20000; i++) {
		enum zs_flow_way way = i % 3 == 0;
		uint16_t size = sizes[i / 4000];
		struct zs_flow_counts now;

		want.packets[way]++;
		want.bytes[way] += size;
		if (zs_flow_count(&f, way, size)) {
			zs_flow_settle(&f, &rest);
			assert_int_equal(f.lately[way], 0);
			settled++;
		}
		now = zs_flow_counts(&f, &rest);
		assert_memory_equal(&now, &want, sizeof(now));
	}
	assert_in_range(settled, 4000 / 64, 20000 / 16);
}

/* A port that has all it may have gets a new flow for an unconfirmed one of its own, never for another port's. */
static void test_exchange(void **state)
{
	struct zs_flow_new want = wanted(500, 1, 100);
	struct zs_flow_gone evicted;
	struct world w;
	uint32_t id;

	(void)state;
	make_fresh(&w, 128, 20000, 29999);
	for (uint32_t i = 0; i < 20; i++) {
		struct zs_flow_new one = wanted(i, 1, i);
		one.port = i % 2 ? 443 : 444;
		assert_int_equal(zs_flow_add(&w.t, &one, i, &id, NULL), ZS_FLOW_OK);
		w.flow[id].answered = i == 1 ? ZS_FLOW_CONFIRMED : ZS_FLOW_ANSWERED;
	}
	want.in_exchange = true;
	assert_int_equal(zs_flow_add(&w.t, &want, 7, &id, &evicted), ZS_FLOW_OK);
	assert_int_equal(evicted.flow.used, 1);
	assert_int_equal(evicted.flow.client.port,
			 endpoint(3).port); /* 0 and 2 are another port's, 1 is confirmed */
	assert_int_equal(atomic_load(&w.head->used), 20);
	check(&w);
	want.client = endpoint(501);
	want.port = 445;
	assert_int_equal(zs_flow_add(&w.t, &want, 7, &id, &evicted), ZS_FLOW_PORT_FULL);
	assert_int_equal(evicted.flow.used, 0);
	want.in_exchange = false;
	assert_int_equal(zs_flow_add(&w.t, &want, 7, &id, &evicted), ZS_FLOW_OK);
	assert_int_equal(evicted.flow.used, 0);
	check(&w);
	drop(&w);
}

/* A flood to another port first, then to this one: the port's own oldest makes room, however many of the
 * other's are older; confirmed ones are passed over; a restart knows the same order. */
static void test_exchange_behind_others(void **state)
{
	struct zs_flow_new want = wanted(9999, 1, 900);
	struct zs_flow_gone evicted;
	struct world w;
	uint32_t id;

	(void)state;
	make_fresh(&w, 1024, 20000, 29999);
	for (uint32_t i = 0; i < 600; i++) {
		struct zs_flow_new one = wanted(i, 1, i);
		one.port = i < 500 ? 444 : 443;
		assert_int_equal(zs_flow_add(&w.t, &one, i, &id, NULL), ZS_FLOW_OK);
		if (i >= 500 && i < 540)
			w.flow[id].answered = ZS_FLOW_CONFIRMED;
	}
	want.in_exchange = true;
	for (uint32_t i = 540; i < 600; i++) {
		want.client = endpoint(9000 + i);
		assert_int_equal(zs_flow_add(&w.t, &want, i, &id, &evicted), ZS_FLOW_OK);
		assert_int_equal(evicted.flow.used, 1);
		assert_int_equal(evicted.flow.client.port, endpoint(i).port);
		check(&w);
		if (i == 570) {
			assert_int_equal(open_with(&w, key, false), 0);
			check(&w);
		}
	}
	assert_int_equal(atomic_load(&w.head->used), 600);
	drop(&w);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, scratch_setup, scratch_teardown)
	const struct CMUnitTest tests[] = {
		T(test_life), T(test_counts), T(test_exchange), T(test_exchange_behind_others), T(test_sweep),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
