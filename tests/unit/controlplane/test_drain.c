/* The drain of published ports: begun, lifted, over restarts, and a record that cannot be read. */
#include <errno.h>
#include "program_rig.h"

static void until_drained(struct rig *r)
{
	for (int i = 0; i < 100 && r->c.drain.state == ZS_DRAINING; i++)
		assert_int_equal(zs_loop_turn(r->c.loop, 50 * ZS_NS_PER_MS), 0);
}

/* Nothing new while it lasts, over a restart too; what was there ends with it, and not when it is lifted in time. */
static void test_drain(void **state)
{
	struct rig *r = *state;
	struct zs_published e;
	uint32_t generation;

	assert_int_equal(publish(r, PORT, "8.8.8.8:443"), 0);
	assert_true(entry(r, PORT, &e));
	generation = e.generation;
	assert_int_equal(zs_drain_lift(&r->c, &r->err), -ENOENT);
	assert_int_equal(zs_drain_begin(&r->c, ZS_DRAIN_TIMEOUT_MAX_S + 1, &r->err), -ERANGE);
	assert_int_equal(zs_drain_begin(&r->c, 3600, &r->err), 0);
	assert_int_equal(publish(r, PORT + 1, "8.8.8.8:443"), -EBUSY);
	rig_close(r);
	rig_open(r);
	assert_true(entry(r, PORT, &e));
	assert_int_equal(e.drain, 1);
	assert_int_equal(e.generation, generation);
	assert_int_equal(r->c.drain.state, ZS_DRAINING);
	assert_int_equal(zs_drain_lift(&r->c, &r->err), 0);
	assert_true(entry(r, PORT, &e));
	assert_int_equal(e.drain, 0);
	assert_int_equal(e.generation, generation);

	assert_int_equal(zs_drain_begin(&r->c, 3600, &r->err), 0);
	rig_close(r);
	rig_open(r);
	assert_int_equal(zs_drain_resume(&r->c, &r->err), 0);
	until_drained(r); /* nobody is there: no need to wait for the deadline */
	assert_int_equal(r->c.drain.state, ZS_DRAINED);
	assert_true(entry(r, PORT, &e));
	assert_int_equal(e.drain, 1);
	assert_int_not_equal(e.generation, generation);
	generation = e.generation;
	rig_close(r);
	rig_open(r);
	assert_int_equal(r->c.drain.state, ZS_DRAINED);
	assert_true(entry(r, PORT, &e));
	assert_int_equal(e.drain, 1);
	assert_int_equal(e.generation, generation);
	assert_int_equal(zs_drain_lift(&r->c, &r->err), 0);
	assert_int_equal(publish(r, PORT + 1, "8.8.8.8:443"), 0);
	rig_close(r);
	rig_open(r);
	assert_int_equal(r->c.drain.state, ZS_SERVING);
}

/* Nobody comes in for what cannot be read, nobody is thrown out for it at once, and it is said. */
static void test_unread_drain(void **state)
{
	static const uint8_t rows[][ZS_DRAIN_RECORD + 1] = { { 2, 1, 0, 0, 0, 60 },
							     { 1, 0, 0, 0, 0, 60 },
							     { 1, 3, 0, 0, 0, 60 },
							     { 1, 1, 0, 1, 0x51, 0x81 } };
	struct rig *r = *state;

	for (size_t i = 0; i < ZS_ARRAY_LEN(rows) + 2; i++) {
		size_t row = i < ZS_ARRAY_LEN(rows) ? i : 0;
		size_t len = ZS_DRAIN_RECORD + (i == ZS_ARRAY_LEN(rows)) - (i > ZS_ARRAY_LEN(rows));
		struct zs_store_batch *b = zs_store_begin(r->c.store);
		struct zs_drain_left left;

		zs_store_put(b, "drain", 5, rows[row], len);
		assert_int_equal(zs_store_commit(b, NULL), 0);
		rig_close(r);
		rig_open(r);
		assert_int_equal(r->c.drain.state, ZS_DRAINING);
		assert_true(rig_raised(r, ZS_HEALTH_drain_unread));
		zs_drain_left(&r->c, &left);
		assert_in_range(left.left_s, ZS_DRAIN_TIMEOUT_S - 2, ZS_DRAIN_TIMEOUT_S);
		assert_int_equal(zs_drain_lift(&r->c, &r->err), 0);
		assert_false(rig_raised(r, ZS_HEALTH_drain_unread));
		rig_close(r);
		rig_open(r);
		assert_int_equal(r->c.drain.state, ZS_SERVING);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_drain, rig_setup_open, rig_teardown_open),
		cmocka_unit_test_setup_teardown(test_unread_drain, rig_setup_open, rig_teardown_open),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
