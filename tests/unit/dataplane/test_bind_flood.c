/* BIND in a flood: what a tag's check may cost, whom it is spent on, and that who is bound stays so. */
#include "bind_rig.h"

/* In flood mode few requests of unproven addresses have their tag checked; who is bound keeps its binding. */
static void test_unproven_addresses(void **state)
{
	struct cid_rig *c = *state;
	struct zs_endpoint x = cid_peer("10.1.0.2", 1000), y = cid_peer("10.1.0.2", 1001);
	struct zs_worker *w = &c->r->worker[0];
	struct asker a;

	asker_attach(c, &a, 1);
	bind_from(c, &a, x, 0);
	w->flood.on = true;
	w->flood.dear = 1;
	for (int i = 0; i < 3; i++) {
		bind_ask(c, &a, x, 0);
		assert_int_equal(bind_sent(c).kind, ZS_BIND_KIND_bound);
		bind_ask(c, &a, y, 0);
		assert_int_equal(c->drop, i ? ZS_DROP_flood : ZS_DROPS);
		assert_int_equal(c->sent_len, i ? 0 : ZS_BIND_BYTES);
	}
}

/* Wrong tags cost their prefix its further checks, but not the address that is bound there. */
static void test_failed_tags(void **state)
{
	struct cid_rig *c = *state;
	struct zs_endpoint x = cid_peer("10.1.0.2", 1000), y = cid_peer("10.1.0.2", 1001);
	uint8_t bytes[ZS_BIND_BYTES];
	struct asker a;

	c->r->conf.flood.failed_tags_s = 5;
	asker_attach(c, &a, 1);
	bind_from(c, &a, x, 0);
	for (int i = 0; i < 7; i++) {
		bind_write(c, &a, ZS_BIND_KIND_bind, 75, NULL, bytes);
		bytes[ZS_BIND_BYTES - 1] ^= 1;
		bind_put(c, 0, bytes, sizeof(bytes), y, 0);
		assert_int_equal(c->drop, i < 5 ? ZS_DROP_bind_tag : ZS_DROP_tag_rate);
	}
	bind_write(c, &a, ZS_BIND_KIND_bind, 75, NULL, bytes);
	bind_put(c, 0, bytes, sizeof(bytes), y, 0);
	assert_int_equal(c->drop, ZS_DROP_tag_rate);
	bind_put(c, 0, bytes, sizeof(bytes), x, 0);
	assert_int_equal(bind_sent(c).kind, ZS_BIND_KIND_bound);
}

/* So many BINDs a second of one prefix have their tag looked at, right or wrong; what is refused for nothing costs none of them. */
static void test_rate_of_a_prefix(void **state)
{
	struct cid_rig *c = *state;
	struct zs_endpoint x = cid_peer("10.1.0.2", 1000), y = cid_peer("10.1.0.2", 1001);
	uint8_t bytes[ZS_BIND_BYTES], old[ZS_BIND_BYTES];
	struct asker a;

	asker_attach(c, &a, 1);
	bind_write(c, &a, ZS_BIND_KIND_bind, 75, NULL, old);
	bind_from(c, &a, x, 0);
	c->r->conf.flood.binds_s = 5;
	for (int i = 0; i < 50; i++) {
		bind_put(c, 0, old, sizeof(old), y, 0);
		assert_int_equal(c->drop, ZS_DROP_bind_counter);
	}
	for (int i = 0; i < 8; i++) {
		bind_write(c, &a, ZS_BIND_KIND_bind, 75, NULL, bytes);
		bytes[ZS_BIND_BYTES - 1] ^= (uint8_t)(i % 2);
		bind_put(c, 0, bytes, sizeof(bytes), y, 0);
		assert_int_equal(c->drop, i >= 5 ? ZS_DROP_bind_rate : i % 2 ? ZS_DROP_bind_tag : ZS_DROPS);
		assert_int_equal(c->sent_len, i < 5 && !(i % 2) ? ZS_BIND_BYTES : 0);
	}
	bind_ask(c, &a, x, 0);
	assert_int_equal(bind_sent(c).kind, ZS_BIND_KIND_bound);
	bind_ask(c, &a, cid_peer("10.1.1.2", 1001), 0);
	assert_int_equal(bind_sent(c).kind, ZS_BIND_KIND_challenge);
	c->r->worker[0].now_ns += ZS_NS_PER_S;
	bind_ask(c, &a, y, 0);
	assert_int_equal(bind_sent(c).kind, ZS_BIND_KIND_challenge);
}

/* In a burst: packets go on before a tag is looked at, and in flood mode no check is spent on what a cheaper one refuses. */
static void test_cheap_before_dear(void **state)
{
	struct cid_rig *c = *state;
	struct zs_endpoint x = cid_peer("10.1.0.2", 1000), y = cid_peer("10.1.0.2", 1001),
			   z = cid_peer("10.2.0.2", 2000);
	struct zs_worker *w = &c->r->worker[0];
	uint8_t bytes[6][ZS_BIND_BYTES] = { 0 };
	struct cid_packet p[6];
	struct zs_item *at[ZS_BURST];
	struct asker a, b;

	asker_attach(c, &a, 1);
	asker_attach(c, &b, 2);
	bind_write(c, &a, ZS_BIND_KIND_bind, 75, NULL, bytes[0]); /* its counter will be used */
	bind_from(c, &a, x, 0);
	bind_from(c, &b, z, 1);
	for (int i = 1; i < 5; i++)
		bind_write(c, &a, ZS_BIND_KIND_bind, 75, NULL, bytes[i]);
	bytes[1][25] = 9;  /* no session's bind id */
	bytes[2][72] = 1;  /* a zero that is none */
	bytes[4][95] ^= 1; /* … and bytes[3] is as it should be */
	bytes[5][0] = 0x40;
	cid_mint(c, CID_POP, 1, CID_GENERATION, bytes[5] + 1);
	for (int i = 0; i < 6; i++) {
		cid_packet(&p[i], i < 5 ? y : z, i == 5, bytes[i], ZS_BIND_BYTES);
		at[i] = &p[i].it;
	}
	w->flood.on = true;
	w->flood.dear = 1;
	c->drops = c->originated = 0;
	assert_int_equal(zs_stage_cid(w, at, 6), 1);
	assert_ptr_equal(at[0], &p[5].it);
	assert_int_equal(c->drops + c->originated, 0);
	assert_int_equal(zs_stage_late(w, at), 0);
	assert_int_equal(c->originated, 1);
	assert_int_equal(bind_sent(c).kind, ZS_BIND_KIND_challenge);
	assert_int_equal(c->drops, 4);
	assert_int_equal(w->drop[ZS_DROP_flood], 1);
	assert_int_equal(w->drop[ZS_DROP_bind_tag], 0);
	assert_int_equal(w->flood.dear, 0);
	assert_int_equal(zs_stage_late(w, at), 0); /* nothing twice */
	assert_int_equal(c->drops + c->originated, 5);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, cid_setup, cid_teardown)
	const struct CMUnitTest tests[] = { T(test_unproven_addresses), T(test_failed_tags),
					    T(test_rate_of_a_prefix), T(test_cheap_before_dear) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
