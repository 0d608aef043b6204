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

/* --- flow numbers toward attachments --- */

/* Each range is one partition's, a partition's follow one another, and it has some exactly if it has ports. */
static void numbers_covered(const struct rig *r)
{
	uint32_t ranges[ZS_WORKERS_MAX] = { 0 };

	for (uint32_t i = 0; i < ZS_FLOW_RANGES; i++) {
		uint8_t p = r->dp.range_partition[i];

		assert_true(p < r->dp.partitions && r->dp.partition_last[p]);
		assert_true(!i || p == r->dp.range_partition[i - 1] || !ranges[p]);
		ranges[p]++;
	}
	for (uint32_t i = 0; i < r->dp.partitions; i++) {
		const struct zs_flow_table *t = &r->dp.partition[i];
		uint32_t most = r->conf.attach.number_ranges;

		assert_int_equal(ranges[i] != 0, r->dp.partition_last[i] != 0);
		most = ranges[i] < most ? ranges[i] : most;
		if (!ranges[i])
			assert_int_equal(t->number_last, 0);
		else
			assert_int_equal(t->number_last + 1u - (t->number_first & ~1u),
					 most * ZS_FLOW_NUMBERS);
	}
}

static struct zs_endpoint service(void)
{
	const struct zs_attached a = { 5, 7, 1 };

	return (struct zs_endpoint){ .addr = zs_attached_addr(&a) };
}

/* A flow toward a service, made by a worker as its turn comes; its number. */
static uint16_t number_of(struct rig *r, uint32_t worker, uint32_t client, uint32_t cursor)
{
	struct zs_flow_table *t = &r->dp.partition[r->dp.home[worker]];
	struct zs_flow_new want = { .target = service(),
				    .client = { .port = 1 },
				    .port = RIG_CLIENT_PORT,
				    .local_target = ZS_LOCAL_ATTACHED };
	uint32_t id;

	memcpy(want.client.addr.ip, &client, sizeof(client));
	t->number_cursor = cursor;
	assert_int_equal(zs_flow_add(t, &want, 0, &id, NULL), ZS_FLOW_OK);
	return t->flow[id].source_port;
}

/* Where a packet that names the number is looked for. */
static uint32_t found(const struct rig *r, uint16_t number)
{
	const struct zs_flow_table *t = &r->dp.partition[r->dp.range_partition[number / ZS_FLOW_NUMBERS]];
	const struct zs_endpoint to = service();

	return zs_flow_find_target(t, zs_flow_hash(t, &to, number, ZS_LOCAL_ATTACHED), &to, number,
				   ZS_LOCAL_ATTACHED);
}

static void numbers_shared(void **state)
{
	struct rig *r = *state;

	for (uint32_t workers = 1; workers <= ZS_WORKERS_MAX; workers++) {
		r->conf.flows.port_last = 29972; /* 9,973 ports, a prime: no share is a whole one */
		rig_state(r, workers, 64);
		numbers_covered(r);
		r->conf.flows.port_last = 29999;
		rig_state(r, workers, 64);
		covered(r);
		numbers_covered(r);
	}
	for (uint32_t most = 1; most <= ZS_FLOW_RANGES;
	     most++) { /* fewer workers than partitions, and a bound */
		r->conf.attach.number_ranges = most;
		rig_state(r, 1, 64);
		covered(r);
		numbers_covered(r);
		assert_int_equal(r->dp.partition[0].number_last, most * ZS_FLOW_NUMBERS - 1);
		assert_int_equal(r->dp.range_partition[15], 0); /* an earlier run had no bound */
	}
}

/* Flows keep their numbers under any number of workers, and so do numbers that rest. */
static void numbers_kept(void **state)
{
	struct rig *r = *state;
	uint16_t low, high, second;
	uint32_t id;

	rig_state(r, 1, 64);
	rig_settings(r, 0, 100);
	low = number_of(r, 0, 1, 0);
	high = number_of(r, 0, 2, 65534);
	assert_int_equal(low, 1);
	assert_int_equal(high, 65535);
	rig_state(r, 2, 64);
	numbers_covered(r);
	assert_int_not_equal(found(r, low), ZS_FLOW_NONE);
	id = found(r, high);
	assert_int_not_equal(id, ZS_FLOW_NONE);
	/* They end, and rest: nobody else is given them. */
	zs_flow_finish(&r->dp.partition[0], id, 1);
	zs_flow_finish(&r->dp.partition[0], found(r, low), 1);
	rig_state(r, 2, 64);
	assert_int_equal(r->dp.range_partition[15], 0);
	assert_int_equal(number_of(r, 1, 3, 65534), 2);
	zs_flow_remove(&r->dp.partition[0], found(r, 2));
	for (id = 0; id < 64; id++)
		zs_flow_remove(&r->dp.partition[0], id);
	/* None is left: each worker has a half of them. */
	rig_state(r, 2, 64);
	numbers_covered(r);
	assert_int_equal(r->dp.range_partition[7], 0);
	assert_int_equal(r->dp.range_partition[8], 1);
	second = number_of(r, 1, 4, 0);
	assert_int_equal(second, 8 * ZS_FLOW_NUMBERS);
	rig_state(r, 1, 64);
	numbers_covered(r);
	assert_int_equal(r->dp.range_partition[8], 1);
	assert_int_not_equal(found(r, second), ZS_FLOW_NONE);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)
	const struct CMUnitTest tests[] = { T(divided),	      T(two_become_one), T(one_becomes_two),
					    T(another_range), T(numbers_shared), T(numbers_kept) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
