/* The world of test_relay_model.c: real tables, a state segment, workers with the stages of connection IDs, tunnels and flows, and
 * frames in and out. Nothing here knows what is right. */
#ifndef ZS_TESTS_MODEL_RIG_H
#define ZS_TESTS_MODEL_RIG_H

#include "binds.h"
#include "age.h"
#include "relay/bind.h"
#include "tunnel_rig.h"

#define POP	     7
#define SERVICE_PORT 4433
#define SLOTS	     64
#define LOCALS	     3
#define PLACES	     30
#define PORT_OF(id)  ((uint16_t)(4500 + (id))) /* published, leads to that attachment */

struct place {
	struct zs_endpoint at;
	uint8_t local, iface;
	uint8_t host; /* the last byte of its link address */
};

struct sent { /* a whole packet that left */
	struct zs_endpoint src, dst;
	uint8_t iface, host;
	uint16_t len;
	uint8_t payload[RIG_FRAME];
};

/* What came of one packet. */
struct outcome {
	int drops;
	enum zs_drop drop; /* the last one; ZS_DROPS: none */
	uint32_t answers, count;
	struct {
		struct zs_ends to;
		uint16_t len;
		uint8_t bytes[ZS_BIND_BYTES];
	} answer; /* the last of the service port's own */
	struct sent out[8];
};

struct world {
	struct rig *r;
	struct fake_port port;
	struct zs_sessions wanted, seen; /* the control plane's view, and the dataplane's */
	struct place place[PLACES];
	struct zs_endpoint own[LOCALS];
	uint64_t now_ns, unix_s, arrived;
	struct outcome got;
};

static struct world *the_world; /* for the stub, which gets a worker alone */

bool zs_originate(struct zs_worker *w, const struct zs_ends *ends, const void *payload, uint16_t len)
{
	struct outcome *o = &the_world->got;

	assert_true(len <= ZS_BIND_BYTES);
	o->answers += len == ZS_BIND_BYTES; /* a NUDGE is nobody's concern here */
	if (len == ZS_BIND_BYTES) {
		o->answer.to = *ends;
		o->answer.len = len;
		memcpy(o->answer.bytes, payload, len);
	}
	return true;
}

/* --- a packet through a worker --- */

static inline void world_stages(struct zs_worker *w, struct rte_mbuf *m, bool handed)
{
	static struct zs_item item;
	struct zs_item *at[1] = { &item };
	uint32_t n;

	rig_item_of(w, &item, m, handed);
	n = zs_stage_tunnel_in(w, at, 1);
	rig_send(w, at, zs_stage_cid(w, at, n));
	rig_send(w, at, zs_stage_late(w, at));
}

static inline void world_take_out(struct world *x)
{
	for (uint32_t i = 0; i < x->port.sent; i++) {
		const struct rte_mbuf *m = x->port.out[i];
		const uint8_t *frame = (uint8_t *)m->buf_addr + m->data_off;
		struct sent *s = &x->got.out[x->got.count++];
		struct zs_packet p;

		assert_true(x->got.count <= ZS_ARRAY_LEN(x->got.out));
		assert_int_equal(zs_packet_parse(frame, m->data_len, &p), ZS_PARSE_OK);
		assert_true(rig_sum_ok(frame, m->data_len));
		s->iface = (uint8_t)m->port;
		s->host = frame[5];
		s->src = p.src;
		s->dst = p.dst;
		s->len = p.payload_len;
		memcpy(s->payload, frame + p.payload_off, p.payload_len);
		fake_free(x->port.out[i]);
	}
	x->port.sent = 0;
}

/* Until nothing is on its way between workers any more. */
static inline void world_settle(struct world *x)
{
	while (x->port.passed) {
		struct rte_mbuf *m = x->port.pass[--x->port.passed].m;

		world_stages(&x->r->worker[x->port.pass[x->port.passed].worker], m, true);
	}
	world_take_out(x);
}

static inline void world_sum(const struct world *x, uint64_t drop[ZS_DROPS], uint64_t *ends)
{
	struct zs_worker_counters c;

	zs_state_sum(&x->r->dp.state, &c);
	memcpy(drop, c.drop, ZS_DROPS * sizeof(*drop));
	*ends = c.counter[ZS_COUNTER_tx] + c.counter[ZS_COUNTER_consumed] - c.counter[ZS_COUNTER_originated];
}

/* From a place to one of our ports, received by a worker. Each packet ends in one way. */
static inline const struct outcome *world_put(struct world *x, uint32_t worker, const struct place *from,
					      uint16_t port, const void *payload, uint16_t len)
{
	struct zs_endpoint to = { x->own[from->local].addr, port };
	uint64_t before[ZS_DROPS], after[ZS_DROPS], ends[2];

	memset(&x->got, 0, sizeof(x->got));
	x->got.drop = ZS_DROPS;
	world_sum(x, before, &ends[0]);
	world_stages(&x->r->worker[worker % x->r->dp.workers],
		     rig_packet(x->r, from->iface, &from->at, &to, 0, payload, len), false);
	world_settle(x);
	world_sum(x, after, &ends[1]);
	for (int d = 0; d < ZS_DROPS; d++) {
		x->got.drops += (int)(after[d] - before[d]);
		if (after[d] != before[d])
			x->got.drop = (enum zs_drop)d;
	}
	assert_int_equal(ends[1] - ends[0] + (uint64_t)x->got.drops, 1);
	return &x->got;
}

/* --- time and restarts --- */

static inline void world_clock(struct world *x)
{
	for (uint32_t i = 0; i < 2; i++) {
		x->r->worker[i].now_ns = x->now_ns;
		x->r->worker[i].now_ms = (uint32_t)(x->now_ns / ZS_NS_PER_MS);
		x->r->worker[i].unix_s = x->unix_s;
	}
}

/* Housekeeping, but for what is looked up in the tables at once. */
static inline void world_keep(struct world *x)
{
	world_clock(x);
	memset(&x->got, 0, sizeof(x->got));
	for (uint32_t i = 0; i < x->r->dp.workers; i++) {
		struct zs_worker *w = &x->r->worker[i];

		zs_entropy_refill(&w->entropy);
		for (int k = 0; k < 4; k++)
			zs_flows_age(w);
		zs_tunnels_keep(w);
	}
	world_take_out(x);
}

/* Bindings that are over go. */
static inline void world_sweep(struct world *x)
{
	world_clock(x);
	zs_binds_sweep(&x->r->worker[ZS_BINDER]);
}

/* The workers' own lines and keys of connection IDs are made anew. */
static inline void world_look(struct world *x)
{
	world_clock(x);
	for (uint32_t i = 0; i < x->r->dp.workers; i++) {
		struct zs_worker *w = &x->r->worker[i];

		zs_cids_refresh(&w->cids, w->sessions, w->unix_s);
		zs_hot_refresh(w);
		zs_hot_refresh(w);
	}
}

/* The dataplane looks at the sessions segment (again): another one, perhaps. */
static inline void world_map(struct world *x)
{
	if (x->seen.seg.base)
		zs_sessions_close(&x->seen);
	assert_int_equal(zs_sessions_open_reader(&x->seen, x->r->dp.shm_dir, &(struct zs_error){ 0 }), 0);
	for (uint32_t i = 0; i < 2; i++) {
		x->r->worker[i].sessions = x->r->worker[i].policer.v.sessions = &x->seen;
		if (x->r->worker[i].tunnels)
			zs_tunnels_forget(&x->r->worker[i]);
	}
}

/* A new process: what is in shared memory is all it has. `lost`: not even the state segment. */
static inline void world_dataplane(struct world *x, uint32_t workers, bool lost)
{
	zs_binds_close(&x->r->dp);
	zs_flows_close(&x->r->dp);
	rig_close(x->r);
	if (lost)
		assert_int_equal(zs_segment_delete(x->r->dp.shm_dir, &zs_state_kind), 0);
	rig_state(x->r, workers, 1024);
	for (uint32_t i = 0; i < 2; i++) {
		x->r->worker[i].hot_view = (struct zs_hot_view){ 0 };
		x->r->worker[i].tunnels = i < workers ? x->r->worker[i].tunnels : NULL;
		x->r->dp.port[i].mtu = 1500;
		zs_cids_open(&x->r->worker[i].cids, NULL);
	}
	world_map(x);
	world_clock(x);
	assert_int_equal(zs_binds_open(&x->r->dp, &(struct zs_error){ 0 }), 0);
	world_keep(x);
	world_look(x);
}

/* The control plane's process ends and another one takes up the segment. */
static inline void world_control(struct world *x, bool lost)
{
	struct zs_sessions_shape shape = { SLOTS, SLOTS };
	bool fresh;

	if (x->wanted.seg.base)
		zs_sessions_close(&x->wanted);
	if (lost)
		assert_int_equal(zs_segment_delete(x->r->dp.shm_dir, &zs_sessions_kind), 0);
	assert_int_equal(zs_sessions_open_writer(&x->wanted, x->r->dp.shm_dir, &shape, &fresh, NULL), 0);
	if (lost)
		world_map(x);
}

static inline void world_places(struct world *x)
{
	static const struct {
		const char *addr;
		uint8_t local, iface;
	} host[] = { { "10.1.0.2", 0, 0 },
		     { "10.1.0.3", 0, 0 },
		     { "10.2.0.2", 1, 1 },
		     { "10.2.0.3", 1, 1 },
		     { "fd00:1::2", 2, 0 } };
	static const char *own[LOCALS] = { "10.1.0.1", "10.2.0.1", "fd00:1::1" };

	for (uint32_t i = 0; i < LOCALS; i++)
		x->own[i].addr = rig_addr(own[i]);
	for (uint32_t i = 0; i < PLACES; i++)
		x->place[i] = (struct place){ { rig_addr(host[i / 6].addr), (uint16_t)(5000 + i % 6) },
					      host[i / 6].local,
					      host[i / 6].iface,
					      (uint8_t)(1 + i / 6) };
	for (uint32_t i = 0; i < ZS_ARRAY_LEN(host); i++) {
		struct zs_nexthop n = { .used = 1,
					.iface = host[i].iface,
					.valid = 1,
					.mtu = 1500,
					.dmac = { 2, 0, 0, 0, 0, (uint8_t)(i + 1) },
					.addr = rig_addr(host[i].addr) };

		assert_int_equal(zs_tables_put_nexthop(&x->r->writer, &n), 0);
	}
}

static inline void world_tables(struct world *x)
{
	struct zs_local l = { .used = 1, .iface = 0, .prefix_len = 64, .addr = rig_addr("fd00:1::1") };
	struct zs_route to = { .used = 1, .iface = 0, .len = 64, .onlink = 1, .dest = rig_addr("fd00:1::") };
	struct zs_settings s;

	assert_int_equal(zs_tables_set_local(&x->r->writer, 2, &l), 0);
	assert_int_equal(zs_tables_put_route(&x->r->writer, &to), 0);
	assert_true(zs_tables_settings(&x->r->writer, &s));
	assert_int_equal(zs_deny_allow(&s.deny, &(struct zs_prefix){ rig_addr("10.0.0.0"), 104 }), 0);
	assert_int_equal(zs_deny_allow(&s.deny, &(struct zs_prefix){ rig_addr("fd00::"), 8 }), 0);
	s.flow_idle_answered_ms = 20000;
	s.flow_idle_unanswered_ms = 5000;
	s.port_share = 100;
	s.generation++;
	assert_int_equal(zs_tables_set_settings(&x->r->writer, &s), 0);
}

static inline struct world *world_new(void)
{
	struct world *x = calloc(1, sizeof(*x));
	void *r = NULL;

	assert_int_equal(rig_setup(&r), 0);
	x->r = r;
	x->r->conf.attach.capacity = SLOTS;
	x->r->conf.attach.pop = POP;
	x->r->conf.attach.ratchet = 20;
	x->r->conf.attach.service_port = x->r->dp.service_port = SERVICE_PORT;
	x->r->conf.attach.tunnel_port = x->r->dp.tunnel_port = TUNNEL_PORT;
	x->r->dp.pool = (void *)&x->port;
	x->r->windows = 128;	   /* they are dealt out to the workers */
	x->now_ns = zs_clock_ns(); /* what a restart compares bindings with */
	x->unix_s = 1700000000;
	the_world = x;
	world_tables(x);
	world_places(x);
	world_control(x, false);
	world_dataplane(x, 1, false);
	return x;
}

static inline void world_delete(struct world *x)
{
	void *r = x->r;

	zs_binds_close(&x->r->dp);
	fake_clear(&x->port);
	zs_sessions_close(&x->seen);
	zs_sessions_close(&x->wanted);
	rig_teardown(&r);
	free(x);
}

#endif
