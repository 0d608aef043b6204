/* A dataplane without DPDK: tables that a test writes, a state segment, workers that no thread runs. */
#ifndef ZS_TESTS_DP_RIG_H
#define ZS_TESTS_DP_RIG_H

#include "unit/lib/shm_test.h"

#include <stdlib.h>
#include "base/check.h"
#include "flows.h"
#include "hot.h"
#include "limit.h"
#include "stage/stage.h"
#include "targets.h"
#include "tunnels.h"

#define RIG_CLIENT_PORT 4443
#define RIG_NOW_MS	1000000
#define RIG_ATTACHMENTS 64

struct rig {
	struct scratch *scratch;
	struct zs_dp dp;
	struct zs_conf conf;
	struct zs_log log;
	struct zs_tables writer; /* what a control plane would hold */
	struct zs_worker worker[ZS_WORKERS_MAX];
	struct zs_limits limits;
	struct zs_targets targets;
	uint32_t windows; /* for the edges' lanes; 0: 16 */
	uint32_t events;
	struct zs_event last;
};

static inline struct zs_addr rig_addr(const char *text)
{
	struct zs_addr a;

	assert_int_equal(zs_addr_parse(&a, text), 0);
	return a;
}

static inline void rig_settings(struct rig *r, uint32_t per_prefix, uint32_t share)
{
	struct zs_settings s;

	assert_true(zs_tables_settings(&r->writer, &s));
	s.max_flows_per_prefix = per_prefix;
	s.port_share = share;
	s.generation++;
	assert_int_equal(zs_deny_allow(&s.deny, &(struct zs_prefix){ rig_addr("10.0.0.0"), 104 }), 0);
	assert_int_equal(zs_tables_set_settings(&r->writer, &s), 0);
	for (uint32_t i = 0; i < ZS_ARRAY_LEN(r->worker); i++)
		assert_true(zs_tables_settings(&r->writer, &r->worker[i].settings));
}

static inline void rig_publish(struct rig *r, uint32_t generation, uint32_t max_flows, bool drain)
{
	struct zs_published p = { .used = 1,
				  .drain = drain,
				  .target = rig_addr("10.2.0.2"),
				  .target_port = 443,
				  .generation = generation,
				  .max_flows = max_flows };

	assert_int_equal(zs_tables_set_published(&r->writer, RIG_CLIENT_PORT, &p), 0);
}

/* Own addresses 10.1.0.1/24 on interface 0 and 10.2.0.1/24 on 1, a route and a neighbour each. */
static inline void rig_world(struct rig *r)
{
	for (uint8_t i = 0; i < 2; i++) {
		struct zs_local l = {
			.used = 1, .iface = i, .prefix_len = 120, .addr = rig_addr("10.1.0.1")
		};
		struct zs_route to = {
			.used = 1, .iface = i, .len = 120, .onlink = 1, .dest = rig_addr("10.1.0.0")
		};
		struct zs_nexthop n = {
			.used = 1, .iface = i, .valid = 1, .mtu = 1500, .addr = rig_addr("10.1.0.2")
		};

		l.addr.ip[13] = to.dest.ip[13] = n.addr.ip[13] = (uint8_t)(i + 1);
		assert_int_equal(zs_tables_set_local(&r->writer, i, &l), 0);
		assert_int_equal(zs_tables_put_route(&r->writer, &to), 0);
		assert_int_equal(zs_tables_put_nexthop(&r->writer, &n), 0);
	}
}

static inline void rig_workers(struct rig *r, uint32_t workers)
{
	r->dp.workers = workers;
	for (uint32_t i = 0; i < workers; i++) {
		struct zs_worker *w = &r->worker[i];

		r->dp.worker[i] = w;
		w->dp = &r->dp;
		w->index = i;
		w->state = &r->dp.state.worker[i];
		w->count = w->state->counters.counter;
		w->drop = w->state->counters.drop;
		zs_hot_open(w);
		w->random = 1;
		w->now_ms = RIG_NOW_MS;
		w->now_ns = RIG_NOW_MS * ZS_NS_PER_MS;
		w->tables = &r->writer;
		w->stamp = 7;
		zs_locals_load(&w->locals, &r->writer, r->dp.conf);
		assert_true(zs_tables_settings(&r->writer, &w->settings));
	}
}

static inline void rig_close(struct rig *r)
{
	zs_tunnels_close(&r->dp);
	if (r->dp.state.seg.base)
		zs_state_close(&r->dp.state);
}

/* Opens (again) the state segment and its flows for so many workers. */
static inline void rig_state(struct rig *r, uint32_t workers, uint32_t capacity)
{
	struct zs_state_shape shape = { .flow_capacity = capacity,
					.event_capacity = 64,
					.partitions = workers,
					.attachments = r->conf.attach.capacity,
					.sessions = 64,
					.windows = r->windows ? r->windows : 16 };
	struct zs_error err = { 0 };
	bool fresh;

	rig_close(r);
	assert_int_equal(zs_state_open_writer(&r->dp.state, r->dp.shm_dir, &shape, &fresh, &err), 0);
	r->dp.workers = workers;
	memset(&r->limits, 0, sizeof(r->limits));
	rig_workers(r, workers);
	assert_int_equal(zs_flows_open(&r->dp, fresh, &err), 0);
	r->conf.attach.sessions = 8;
	assert_int_equal(zs_tunnels_open(&r->dp, &err), 0);
}

static inline int rig_setup(void **state)
{
	struct rig *r = aligned_alloc(64, ZS_ALIGN_UP(sizeof(*r), 64));
	struct zs_error err = { 0 };
	void *scratch = NULL;
	bool fresh;

	memset(r, 0, sizeof(*r));
	assert_int_equal(scratch_setup(&scratch), 0);
	r->scratch = scratch;
	snprintf(r->dp.shm_dir, sizeof(r->dp.shm_dir), "%s", r->scratch->dir);
	zs_log_init(&r->log, -1, "unit");
	r->dp.log = &r->log;
	r->dp.conf = &r->conf;
	r->conf.attach.capacity = RIG_ATTACHMENTS;
	r->conf.flows.port_first = 20000;
	r->conf.flows.port_last = 29999;
	r->conf.attach.number_ranges = ZS_FLOW_RANGES;
	r->conf.flood.strangers_s = 100;
	r->dp.limits = &r->limits;
	r->dp.targets = &r->targets;
	r->targets.key[0] = 0x5bd1e995a7c3f017;
	r->targets.key[1] = 0x1b873593cc9e2d51;
	r->dp.ports = 2;
	assert_int_equal(zs_tables_open_writer(&r->writer, r->dp.shm_dir, NULL, false, &fresh, &err), 0);
	rig_world(r);
	rig_publish(r, 1, 0, false);
	*state = r;
	return 0;
}

static inline int rig_teardown(void **state)
{
	struct rig *r = *state;
	void *scratch = r->scratch;

	zs_flows_close(&r->dp);
	rig_close(r);
	zs_tables_close(&r->writer);
	scratch_teardown(&scratch);
	free(r);
	return 0;
}

/* A client's packet to the published port; client `n` of its /24, of another /24 for each `net`. */
static inline struct zs_item rig_item(const struct rig *r, uint32_t worker, uint8_t net, uint8_t n)
{
	struct zs_item it = { .table = (struct zs_flow_table *)&r->dp.partition[r->dp.home[worker]],
			      .side = ZS_SIDE_CLIENT };

	it.p.src = (struct zs_endpoint){ rig_addr("198.51.0.0"), 5000 };
	it.p.src.addr.ip[14] = net;
	it.p.src.addr.ip[15] = n;
	it.p.dst = (struct zs_endpoint){ rig_addr("10.1.0.1"), RIG_CLIENT_PORT };
	zs_stage_published(&r->worker[worker], &it, RIG_CLIENT_PORT);
	return it;
}

/* The worker's event ring, which is not there: what newflow.c and hop.c would push. */
void zs_worker_event(struct zs_worker *w, struct zs_event *event)
{
	struct rig *r = (struct rig *)((char *)w->dp - offsetof(struct rig, dp));

	r->events++;
	r->last = *event;
}

#endif
