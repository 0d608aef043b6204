/* Flood mode: when a worker goes into it and out again, what it does without then, what a prefix's failed tags cost it, and who is
 * told of. */
#include "dp_rig.h"

#define MS ZS_NS_PER_MS

void zs_stage_drop(struct zs_worker *w, struct rte_mbuf *m, enum zs_drop reason)
{
	w->drop[reason]++;
}

static struct zs_worker *ready(struct rig *r)
{
	rig_state(r, 1, 1024);
	rig_settings(r, 0, 100);
	return &r->worker[0];
}

/* So many ms of bursts: packets each, of which so many are dropped. */
static void live(struct zs_worker *w, uint32_t ms, uint32_t bursts, uint32_t packets, uint32_t dropped)
{
	for (uint32_t i = 0; i < ms; i++) {
		for (uint32_t k = 0; k < bursts; k++) {
			zs_flood_turn(w, packets == ZS_BURST);
			w->count[ZS_COUNTER_rx] += packets;
			w->drop[ZS_DROP_cid_config] += dropped;
		}
		w->now_ns += MS;
		zs_flood_look(w);
	}
}

static void test_in_and_out(void **state)
{
	struct zs_worker *w = ready(*state);

	live(w, 500, 20, ZS_BURST, 4); /* behind, but of use */
	assert_false(w->flood.on);
	live(w, 500, 20, ZS_BURST - 1, 20); /* of no use, but not behind */
	assert_false(w->flood.on);
	live(w, 500, 1, ZS_BURST, 32); /* too little to tell */
	assert_false(w->flood.on);
	live(w, 98, 20, ZS_BURST, 32);
	assert_false(w->flood.on);
	live(w, 50, 20, ZS_BURST - 1, 20); /* what was behind is made up for */
	live(w, 50, 20, ZS_BURST, 32);
	assert_false(w->flood.on);
	live(w, 3, 20, ZS_BURST, 32);
	assert_true(w->flood.on);
	assert_int_equal(w->count[ZS_COUNTER_floods], 1);
	live(w, 900, 20, 10, 0);
	assert_true(w->flood.on);
	live(w, 1, 20, ZS_BURST, 32);
	live(w, 900, 20, 10, 0);
	assert_true(w->flood.on);
	live(w, 102, 20, 10, 0);
	assert_false(w->flood.on);
	assert_int_equal(w->count[ZS_COUNTER_floods], 1);
	w->now_ns += 1000 * MS; /* nobody looked: that proves nothing */
	live(w, 50, 20, ZS_BURST, 32);
	assert_false(w->flood.on);
}

/* A table whose unanswered flows live for less than 100 ms. */
static void test_churn(void **state)
{
	struct zs_worker *w = ready(*state);

	for (int rate = 10; rate <= 11; rate++) { /* a ms, of 1,024 */
		for (int i = 0; i < 200; i++) {
			w->count[ZS_COUNTER_flows_evicted] += (uint64_t)rate;
			w->now_ns += MS;
			zs_flood_look(w);
		}
		assert_int_equal(w->flood.on, rate == 11);
	}
}

static void test_no_new_flows(void **state)
{
	struct rig *r = *state;
	struct zs_worker *w = ready(r);
	struct zs_item one = rig_item(r, 0, 1, 1), two = rig_item(r, 0, 1, 2);

	assert_int_equal(zs_flow_make(w, &one), ZS_DROPS);
	live(w, 200, 20, ZS_BURST, 32);
	assert_int_equal(zs_flow_make(w, &two), ZS_DROP_flood);
	assert_true(zs_flow_find_client(one.table, zs_flow_hash(one.table, &one.p.src, RIG_CLIENT_PORT, 0),
					&one.p.src, RIG_CLIENT_PORT, 0) != ZS_FLOW_NONE);
	live(w, 1100, 20, 1, 0);
	assert_int_equal(zs_flow_make(w, &two), ZS_DROPS);
}

static void test_failed_tags(void **state)
{
	struct rig *r = *state;
	struct zs_worker *w = ready(r);
	struct zs_addr bad = rig_addr("198.51.7.1"), beside = rig_addr("198.51.7.200"),
		       other = rig_addr("198.51.8.1");

	r->conf.flood.failed_tags_s = 50;
	for (int i = 0; i < 50; i++) {
		assert_int_equal(zs_flood_may_check(w, &bad, false), ZS_DROPS);
		zs_flood_failed(w, &bad);
	}
	assert_int_equal(zs_flood_may_check(w, &bad, false), ZS_DROP_tag_rate);
	assert_int_equal(zs_flood_may_check(w, &beside, false), ZS_DROP_tag_rate); /* of its /24 */
	assert_int_equal(zs_flood_may_check(w, &beside, true), ZS_DROPS);
	assert_int_equal(zs_flood_may_check(w, &other, false), ZS_DROPS);
	w->now_ns += 21 * MS;
	assert_int_equal(zs_flood_may_check(w, &bad, false), ZS_DROPS); /* asking costs nothing */
	assert_int_equal(zs_flood_may_check(w, &bad, false), ZS_DROPS);
	zs_flood_failed(w, &bad);
	assert_int_equal(zs_flood_may_check(w, &bad, false), ZS_DROP_tag_rate);
}

/* In flood mode few unproven addresses have a tag checked between two looks. */
static void test_dear_checks(void **state)
{
	struct zs_worker *w = ready(*state);
	struct zs_addr a = rig_addr("198.51.7.1"), b = rig_addr("198.51.8.1");

	live(w, 200, 20, ZS_BURST, 32);
	for (int look = 0; look < 3; look++) {
		for (int i = 0; i < 100; i++) {
			assert_int_equal(zs_flood_may_check(w, &a, true), ZS_DROPS);
			assert_int_equal(zs_flood_may_check(w, &b, false), i < 4 ? ZS_DROPS : ZS_DROP_flood);
		}
		live(w, 1, 20, ZS_BURST, 32);
	}
}

static void refuse(struct zs_worker *w, const char *from, uint32_t packets)
{
	struct zs_item it = { .p.src.addr = rig_addr(from) };

	for (uint32_t i = 0; i < packets; i++)
		zs_stage_refuse(w, &it, ZS_DROP_cid_config);
}

static void test_suspects(void **state)
{
	struct rig *r = *state;
	struct zs_worker *w = ready(r);
	struct zs_addr site, want;

	r->conf.flood.block_pkt_s = 4000;
	refuse(w, "198.51.7.1", 20000);
	assert_false(zs_flood_told(&w->flood, &site)); /* no flood */
	live(w, 200, 20, ZS_BURST, 32);
	refuse(w, "198.51.7.1", 2000);
	refuse(w, "2001:db8::1", 2000);
	assert_false(zs_flood_told(&w->flood, &site));
	refuse(w, "198.51.7.2", 4000);
	assert_true(zs_flood_told(&w->flood, &site));
	want = rig_addr("198.51.7.0");
	assert_true(zs_addr_eq(&site, &want));
	assert_false(zs_flood_told(&w->flood, &site));
	/* A new second begins with nothing; what is told is bounded. */
	live(w, 1000, 20, ZS_BURST, 32);
	refuse(w, "2001:db8::1", 3000);
	assert_false(zs_flood_told(&w->flood, &site));
	refuse(w, "2001:db8::1", 4000 * 2 * ZS_FLOOD_TOLD);
	for (uint32_t i = 0; i < ZS_FLOOD_TOLD; i++)
		assert_true(zs_flood_told(&w->flood, &site));
	assert_false(zs_flood_told(&w->flood, &site));
	r->conf.flood.block_pkt_s = 0; /* never */
	refuse(w, "2001:db8::1", 100000);
	assert_false(zs_flood_told(&w->flood, &site));
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)
	const struct CMUnitTest tests[] = { T(test_in_and_out),	 T(test_churn),	      T(test_no_new_flows),
					    T(test_failed_tags), T(test_dear_checks), T(test_suspects) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
