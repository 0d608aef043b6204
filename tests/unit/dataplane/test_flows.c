/* Partitions over restarts with other numbers of workers: flows keep their source ports. */
#include "dp_rig.h"

static void make(struct rig *r, uint32_t worker, uint32_t count)
{
	for (uint8_t n = 0; n < count; n++) {
		struct zs_item it = rig_item(r, worker, n, (uint8_t)(worker + 1));

		assert_int_equal(zs_flow_make(&r->worker[worker], &it), ZS_DROPS);
	}
}

/* Every port of the range belongs to exactly one partition that a worker serves. */
static void covered(const struct rig *r)
{
	uint32_t next = 20000;

	for (uint32_t i = 0; i < r->dp.partitions; i++) {
		assert_true(r->dp.partition_owner[i] < r->dp.workers);
		if (!r->dp.partition_last[i])
			continue;
		assert_int_equal(r->dp.partition_first[i], next);
		next = r->dp.partition_last[i] + 1u;
	}
	assert_int_equal(next, 30000);
	for (uint32_t w = 0; w < r->dp.workers; w++)
		assert_true(r->dp.home[w] < r->dp.partitions && r->dp.partition_last[r->dp.home[w]]);
}

static void divided(void **state)
{
	struct rig *r = *state;

	rig_state(r, 2, 64);
	covered(r);
	assert_int_equal(r->dp.partitions, 2);
	assert_int_equal(r->dp.partition_last[0], 24999);
	assert_int_equal(r->dp.home[1], 1);
	assert_int_equal(r->dp.flow_room, 128);
}

static void two_become_one(void **state)
{
	struct rig *r = *state;

	rig_state(r, 2, 64);
	rig_settings(r, 0, 100);
	make(r, 0, 10);
	make(r, 1, 20);
	rig_state(r, 1, 64); /* one worker: the partitions stay two, both are its own */
	covered(r);
	assert_int_equal(r->dp.partitions, 2);
	assert_int_equal(r->dp.partition_owner[1], 0);
	assert_int_equal(r->dp.partition_last[0], 24999); /* kept */
	assert_int_equal(atomic_load(&r->dp.partition[1].head->used), 20);
	assert_int_equal(zs_limit_port_flows(&r->limits, RIG_CLIENT_PORT), 30);
	for (uint32_t id = 0; id < 64; id++) {
		const struct zs_flow *f = &r->dp.partition[1].flow[id];

		assert_true(!f->used || f->source_port >= 25000);
	}
}

/* More workers than partitions had ports: the new one makes flows where there are some. */
static void one_becomes_two(void **state)
{
	struct rig *r = *state;

	rig_state(r, 1, 64);
	rig_settings(r, 0, 100);
	make(r, 0, 5);
	rig_state(r, 2, 64);
	covered(r);
	assert_int_equal(r->dp.partition_last[1], 0);
	assert_int_equal(r->dp.home[1], 0);
	for (uint32_t id = 0; id < 64; id++) /* when the last flow has gone the range is divided anew */
		zs_flow_remove(&r->dp.partition[0], id);
	rig_state(r, 2, 64);
	covered(r);
	assert_int_equal(r->dp.partition_last[0], 24999);
	assert_int_equal(r->dp.home[1], 1);
}

static void another_range(void **state)
{
	struct rig *r = *state;

	rig_state(r, 2, 64);
	rig_settings(r, 0, 100);
	make(r, 0, 5);
	r->conf.flows.port_first = 20002; /* the stored ranges do not fit: what counts is the file */
	r->conf.flows.port_last = 20101;
	rig_state(r, 2, 64);
	assert_int_equal(r->dp.partition_first[0], 20002);
	assert_int_equal(r->dp.partition_last[1], 20101);
	r->conf.flows.port_last = 20201; /* only its end differs */
	rig_state(r, 2, 64);
	assert_int_equal(r->dp.partition_last[1], 20201);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)
	const struct CMUnitTest tests[] = { T(divided), T(two_become_one), T(one_becomes_two),
					    T(another_range) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
