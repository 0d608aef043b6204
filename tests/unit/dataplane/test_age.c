/* Flows end by themselves: idle, withdrawn, aimed elsewhere; not while nothing is known. */
#include "age.h"
#include "dp_rig.h"

static void make(struct rig *r, uint32_t count)
{
	for (uint8_t n = 0; n < count; n++) {
		struct zs_item it = rig_item(r, 0, n, 1);

		assert_int_equal(zs_flow_make(&r->worker[0], &it), ZS_DROPS);
	}
}

/* Housekeeping of some two seconds, at one moment. */
static void pass(struct rig *r)
{
	for (int i = 0; i < 64; i++)
		zs_flows_age(&r->worker[0]);
}

static uint32_t used(const struct rig *r)
{
	return atomic_load(&r->dp.partition[0].head->used);
}

static void open_one(struct rig *r)
{
	rig_state(r, 1, 256);
	rig_settings(r, 0, 100);
	make(r, 100);
}

static void idle(void **state)
{
	struct rig *r = *state;

	open_one(r);
	for (uint32_t id = 0; id < 256; id++)
		if (r->dp.partition[0].flow[id].used && id % 2)
			r->dp.partition[0].flow[id].answered = ZS_FLOW_CONFIRMED;
	pass(r);
	assert_int_equal(used(r), 100);
	r->worker[0].now_ms += r->worker[0].settings.flow_idle_unanswered_ms + 1;
	pass(r);
	assert_int_equal(used(r), 50);
	assert_int_equal(r->last.reason, ZS_FLOW_END_IDLE);
	r->worker[0].now_ms += r->worker[0].settings.flow_idle_answered_ms;
	pass(r);
	assert_int_equal(used(r), 0);
	assert_int_equal(r->worker[0].count[ZS_COUNTER_flows_expired], 100);
	assert_int_equal(zs_limit_port_flows(&r->limits, RIG_CLIENT_PORT), 0);
}

static void withdrawn(void **state)
{
	struct rig *r = *state;

	open_one(r);
	zs_seqlock_write_begin(
	    &r->writer.published[RIG_CLIENT_PORT].seq); /* half written: nothing is known */
	pass(r);
	assert_int_equal(used(r), 100);
	zs_seqlock_write_end(&r->writer.published[RIG_CLIENT_PORT].seq);
	r->worker[0].tables = NULL;
	assert_int_equal(zs_tables_set_published(&r->writer, RIG_CLIENT_PORT, NULL), 0);
	pass(r);
	assert_int_equal(used(r), 100);
	r->worker[0].tables = &r->writer;
	pass(r);
	assert_int_equal(used(r), 0);
	assert_int_equal(r->last.reason, ZS_FLOW_END_UNPUBLISHED);
	assert_int_equal(r->worker[0].count[ZS_COUNTER_flows_ended], 100);
}

static void aimed_elsewhere(void **state)
{
	struct rig *r = *state;

	open_one(r);
	rig_publish(r, 1, 500, false); /* another limit is no other target */
	pass(r);
	assert_int_equal(used(r), 100);
	rig_publish(r, 2, 500, false);
	pass(r);
	assert_int_equal(used(r), 0);
}

/* A worker ends flows of its own partitions alone. */
static void own_partitions(void **state)
{
	struct rig *r = *state;

	rig_state(r, 2, 256);
	rig_settings(r, 0, 100);
	make(r, 10);
	assert_int_equal(zs_tables_set_published(&r->writer, RIG_CLIENT_PORT, NULL), 0);
	for (int i = 0; i < 64; i++)
		zs_flows_age(&r->worker[1]);
	assert_int_equal(used(r), 10);
	pass(r);
	assert_int_equal(used(r), 0);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)
	const struct CMUnitTest tests[] = { T(idle), T(withdrawn), T(aimed_elsewhere), T(own_partitions) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
