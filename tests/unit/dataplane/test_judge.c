/* Health of the dataplane: what raises a code, and how long it stays. */
#include "dp_rig.h"
#include "judge.h"
#include "shm/fault.h"

static uint64_t now = 100 * ZS_NS_PER_S;

static bool raised(const struct rig *r, enum zs_health h)
{
	struct zs_health_cell cell;

	zs_health_read(r->dp.state.health, h, &cell);
	return cell.raised;
}

static void tick(struct rig *r, uint64_t seconds)
{
	now += seconds * ZS_NS_PER_S;
	zs_judge(&r->dp, now);
}

static void ready(struct rig *r)
{
	static const struct zs_conf_port conf[2] = { { .name = "wan" }, { .name = "lan" } };

	rig_state(r, 1, 64);
	for (uint32_t i = 0; i < 2; i++) {
		r->dp.port[i].conf = &conf[i];
		r->dp.port[i].queues = 1;
		r->dp.port[i].steered = true;
		atomic_store(&r->dp.state.iface[i].up, 1);
	}
}

/* Dropped before the start is no news; dropped while workers run is a queue that none of them polls. */
static void unserved_queue(void **state)
{
	struct rig *r = *state;

	ready(r);
	r->dp.state.iface[1].fallback_dropped = 500;
	tick(r, 1);
	assert_false(raised(r, ZS_HEALTH_queue_unserved));
	r->dp.state.iface[1].fallback_dropped = 501;
	tick(r, 1);
	assert_true(raised(r, ZS_HEALTH_queue_unserved));
	tick(r, 58);
	assert_true(raised(r, ZS_HEALTH_queue_unserved));
	tick(r, 3);
	assert_false(raised(r, ZS_HEALTH_queue_unserved));
}

static void links(void **state)
{
	struct rig *r = *state;

	ready(r);
	atomic_store(&r->dp.state.iface[1].up, 0);
	tick(r, 1);
	assert_true(raised(r, ZS_HEALTH_iface_down));
	atomic_store(&r->dp.state.iface[1].up, 1);
	tick(r, 1);
	assert_false(raised(r, ZS_HEALTH_iface_down));
}

static void full_table(void **state)
{
	struct rig *r = *state;

	ready(r);
	r->dp.state.worker[3].counters.drop[ZS_DROP_flow_full] = 9; /* of an earlier run */
	tick(r, 1);
	assert_false(raised(r, ZS_HEALTH_flows_full));
	r->dp.state.worker[0].counters.drop[ZS_DROP_flow_full]++;
	tick(r, 1);
	assert_true(raised(r, ZS_HEALTH_flows_full));
	tick(r, 61);
	assert_false(raised(r, ZS_HEALTH_flows_full));
}

static void full_lanes(void **state)
{
	struct rig *r = *state;

	ready(r);
	tick(r, 1);
	assert_false(raised(r, ZS_HEALTH_lanes_full));
	r->dp.state.worker[0].counters.drop[ZS_DROP_tunnel_lanes]++;
	tick(r, 1);
	assert_true(raised(r, ZS_HEALTH_lanes_full));
	assert_false(raised(r, ZS_HEALTH_flows_full));
	tick(r, 61);
	assert_false(raised(r, ZS_HEALTH_lanes_full));
}

static void damaged_segment(void **state)
{
	struct rig *r = *state;
	struct zs_error err = { 0 };
	struct zs_health_cell cell;

	ready(r);
	assert_int_equal(zs_tables_open_reader(&r->dp.slot[0], r->dp.shm_dir, &err), 0);
	atomic_store(&r->dp.tables, &r->dp.slot[0]);
	tick(r, 1);
	assert_false(raised(r, ZS_HEALTH_segment_fault));
	assert_int_equal(truncate(r->writer.seg.path, ZS_SEGMENT_HEADER + 4096), 0);
	tick(r, 1);
	zs_health_read(r->dp.state.health, ZS_HEALTH_segment_fault, &cell);
	assert_true(cell.raised);
	assert_string_equal(cell.detail, "tables");
	assert_true(zs_segment_faulted(&r->dp.slot[0].seg)); /* no worker reads it from here on */
	zs_tables_close(&r->dp.slot[0]);
	atomic_store(&r->dp.tables, NULL);
	tick(r, 1);
	assert_false(raised(r, ZS_HEALTH_segment_fault));
	r->writer.seg.writer = false; /* its last page is gone: nothing to sign off in */
}

static void stalled_worker(void **state)
{
	struct rig *r = *state;

	ready(r);
	atomic_store(&r->dp.state.worker[0].running, 1);
	atomic_store(&r->dp.state.worker[0].heartbeat_ns, now);
	assert_true(zs_judge_workers(&r->dp, now + 4 * ZS_NS_PER_S));
	assert_false(zs_judge_workers(&r->dp, now + 6 * ZS_NS_PER_S));
	assert_true(zs_worker_stalled(&r->dp.state.worker[0],
				      now + 6 * ZS_NS_PER_S)); /* what the other plane goes by */
	atomic_store(&r->dp.state.worker[0].running, 0);
	assert_false(zs_worker_stalled(&r->dp.state.worker[0], now + 6 * ZS_NS_PER_S));
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)
	const struct CMUnitTest tests[] = { T(unserved_queue), T(links),	   T(full_table),
					    T(full_lanes),     T(damaged_segment), T(stalled_worker) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
