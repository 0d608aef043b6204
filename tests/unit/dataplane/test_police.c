/* Who is charged for a packet that a connection ID leads, and what becomes of it. */
#include "cid_rig.h"

#define A4    cid_peer("10.1.0.2", 1000)
#define B4    cid_peer("10.2.0.2", 2000)
#define THIRD cid_peer("203.0.113.5", 9)
#define G     CID_GENERATION
#define BYTES (1 + ZS_CID + 10) /* a packet of cid_send */

static void limit(struct cid_rig *c, uint32_t id, struct zs_police_limits limits, bool mark)
{
	struct zs_attachment a;

	assert_true(zs_sessions_attachment(&c->shm, id, &a));
	zs_police_of(&a.police, &limits);
	a.mark = mark;
	assert_int_equal(zs_sessions_set_attachment(&c->shm, id, &a), 0);
	cid_refresh(c);
}

static void two(struct cid_rig *c, enum zs_strangers strangers)
{
	cid_attach(c, 1, G, ZS_STRANGERS_NOTHING);
	cid_attach(c, 2, G, strangers);
	cid_bind(c, 1, A4, 0);
	cid_bind(c, 2, B4, 1);
}

/* How many of `n` from there to attachment 2 go on. */
static uint32_t let(struct cid_rig *c, struct zs_endpoint from, uint32_t n)
{
	struct cid_packet p;
	uint32_t on = 0;

	while (n--)
		on += cid_send(c, &p, from, 0, 2, G);
	return on;
}

static void test_both_are_charged(void **state)
{
	static const struct zs_police_limits limits = { .bit_s = 8 * BYTES * 1000, .burst = 10 * BYTES };
	struct cid_rig *c = *state;
	struct cid_packet p;

	two(c, ZS_STRANGERS_NOTHING);
	assert_true(cid_send(c, &p, A4, 0, 2, G));
	assert_int_equal(p.it.from, 1);
	assert_int_equal(p.it.to, 2);
	assert_int_equal(let(c, A4, 100), 100); /* nobody limits them */
	limit(c, 1, limits, false);
	assert_int_equal(let(c, A4, 100), 10);
	assert_string_equal(zs_drop_name(c->drop), "policed");
	assert_true(cid_send(c, &p, B4, 1, 1, G)); /* the other direction has its own */
	limit(c, 1, (struct zs_police_limits){ 0 }, false);
	limit(c, 2, limits, false);
	assert_int_equal(let(c, A4, 100), 10);
	c->r->worker[0].now_ns += 5 * ZS_NS_PER_MS; /* a packet each millisecond */
	assert_int_equal(let(c, A4, 100), 5);
}

/* Who has bound nothing has no account: whom it sends to pays. */
static void test_strangers(void **state)
{
	struct cid_rig *c = *state;
	struct cid_packet p;

	two(c, ZS_STRANGERS_LIMITED);
	assert_true(cid_send(c, &p, THIRD, 0, 2, G));
	assert_int_equal(p.it.from, ZS_SENDER_NONE);
	assert_int_equal(p.it.to, 2);
	limit(c, 2, (struct zs_police_limits){ .bit_s = 8 * BYTES * 1000, .burst = 10 * BYTES }, false);
	assert_int_equal(let(c, THIRD, 50), 10);
	assert_string_equal(zs_drop_name(c->drop), "policed");
	assert_int_equal(let(c, A4, 50), 0); /* of the same */
}

/* Excess of who speaks ECN leaves with CE, within one burst more; of who does not, it ends. */
static void test_marks(void **state)
{
	struct cid_rig *c = *state;
	struct cid_packet p;
	uint8_t bytes[BYTES] = { 0 };
	uint32_t marked = 0, on = 0;

	two(c, ZS_STRANGERS_NOTHING);
	limit(c, 1, (struct zs_police_limits){ .bit_s = 8 * BYTES * 1000, .burst = 10 * BYTES }, true);
	for (uint8_t ecn = 0; ecn < 4; ecn++) {
		for (int i = 0; i < 40; i++) {
			struct zs_item *at[1] = { &p.it };

			cid_mint(c, CID_POP, 2, G, bytes + 1);
			cid_packet(&p, A4, 0, bytes, sizeof(bytes));
			p.it.p.ecn = ecn;
			assert_int_equal(zs_stage_cid(&c->r->worker[0], at, 1), 1);
			if (!zs_stage_police(&c->r->worker[0], at, 1))
				continue;
			on++;
			marked += p.it.p.ecn != ecn;
			assert_true(p.it.p.ecn == ecn || (p.it.p.ecn == 3 && (ecn == 1 || ecn == 2)));
		}
		assert_int_equal(marked, ecn == 0 || ecn == 3 ? 0 : 10);
		assert_int_equal(on, 10 + marked);
		on = marked = 0;
		c->r->worker[0].now_ns += ZS_NS_PER_S;
	}
}

/* A burst in which some may pass: they stay in order, and each of the others ends once. */
static void test_burst(void **state)
{
	struct cid_rig *c = *state;
	struct cid_packet p[ZS_BURST];
	struct zs_item *at[ZS_BURST];
	uint32_t on;

	two(c, ZS_STRANGERS_NOTHING);
	limit(c, 2, (struct zs_police_limits){ .bit_s = 8 * BYTES * 1000, .burst = 4 * BYTES }, false);
	for (uint32_t i = 0; i < ZS_BURST; i++) {
		uint8_t bytes[BYTES] = { 0 };

		cid_mint(c, CID_POP, i % 2 ? 1 : 2, G, bytes + 1);
		cid_packet(&p[i], i % 2 ? B4 : A4, i % 2, bytes, sizeof(bytes));
		at[i] = &p[i].it;
	}
	on = zs_stage_cid(&c->r->worker[0], at, ZS_BURST);
	assert_int_equal(on, ZS_BURST);
	on = zs_stage_police(&c->r->worker[0], at, on);
	assert_int_equal(c->drops, ZS_BURST - on);
	assert_int_equal(on, 4 + 4); /* to it, and from it */
	for (uint32_t i = 1; i < on; i++)
		assert_true(at[i - 1] < at[i]);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, cid_setup, cid_teardown)
	const struct CMUnitTest tests[] = { T(test_both_are_charged), T(test_strangers), T(test_marks),
					    T(test_burst) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
