/* Two timers: a short one drains the rings (a missing neighbour costs packets until it is
 * asked for), a long one joins, judges and reports.
 *
 * The dataplane is missing when nobody lives who wrote `state`, or when there is no such
 * segment; stalled when a worker is (zs_worker_stalled). */
#include "state_watch.h"

#include <errno.h>
#include <stdlib.h>
#include "base/check.h"
#include "attach/attach.h"
#include "base/clock.h"
#include "netlink.h"
#include "program.h"
#include "shm/fault.h"

#define DRAIN_NS    (20 * ZS_NS_PER_MS)
#define JUDGE_NS    (500 * ZS_NS_PER_MS)
#define DRAIN_BATCH 4096 /* events a worker a turn: the loop has other work */

struct zs_state_watch {
	struct zs_control *c;
	struct zs_timer *drain_timer, *judge_timer;
	struct zs_state state;
	struct zs_events events;
	bool refused;	     /* another layout: said once */
	const char *damaged; /* a segment found damaged, as last told */
};

/* --- events --- */

static void on_event(struct zs_state_watch *w, const struct zs_event *e)
{
	if (e->kind == ZS_EVENT_NEIGHBOUR_MISSING && w->c->netlink)
		zs_netlink_ask(w->c->netlink, &e->client.addr, e->iface, e->vlan);
}

static void drain(void *ctx)
{
	struct zs_state_watch *w = ctx;
	struct zs_event e;

	if (w->c->events)
		for (uint32_t r = 0; r < w->events.rings; r++)
			for (uint32_t i = 0; i < DRAIN_BATCH && zs_ring_pop(&w->events.ring[r], &e); i++)
				on_event(w, &e);
	zs_timer_after(w->drain_timer, DRAIN_NS);
}

/* --- segments --- */

static void leave(struct zs_state_watch *w)
{
	if (!w->c->state)
		return;
	w->c->state = NULL;
	zs_state_close(&w->state);
	ZS_LOG(&w->c->log, SEGMENT_LOST, "segment=state");
}

static void join(struct zs_state_watch *w)
{
	struct zs_error err = { 0 };
	int rc = zs_state_open_reader(&w->state, w->c->shm_dir, &err);

	if (rc == -EPROTO) {
		zs_control_raise(w->c, ZS_HEALTH_layout, "state");
		if (!w->refused)
			ZS_LOG(&w->c->log, SEGMENT_REFUSED, "segment=state error=\"%s\"", err.text);
		w->refused = true;
	}
	if (rc)
		return;
	w->c->state = &w->state;
	w->refused = false;
	zs_control_clear(w->c, ZS_HEALTH_layout);
	ZS_LOG(&w->c->log, SEGMENT_ADOPTED, "segment=state path=%s role=reader", w->state.seg.path);
	if (w->c->netlink)
		zs_netlink_refresh(w->c->netlink);
}

/* The consumer's half is ours: it is opened once, and linked to whatever rings there are. */
static void join_events(struct zs_state_watch *w)
{
	if (!w->c->events) {
		if (zs_events_open_consumer(&w->events, w->c->shm_dir, NULL))
			return;
		w->c->events = &w->events;
	}
	zs_events_link(&w->events, w->c->shm_dir);
}

static void rejoin(struct zs_state_watch *w)
{
	if (w->c->state && zs_segment_replaced(&w->state.seg))
		leave(w);
	if (!w->c->state)
		join(w);
	join_events(w);
}

/* --- judgement --- */

static void judge_workers(struct zs_state_watch *w, uint64_t now)
{
	for (uint32_t i = 0; i < ZS_WORKERS_MAX; i++) {
		const struct zs_worker_state *s = &w->state.worker[i];

		if (!zs_worker_stalled(s, now))
			continue;
		zs_control_raise(w->c, ZS_HEALTH_dataplane_stalled, "worker %u for %llu s", i,
				 (unsigned long long)((now - atomic_load(&s->heartbeat_ns)) / ZS_NS_PER_S));
		return;
	}
	zs_control_clear(w->c, ZS_HEALTH_dataplane_stalled);
}

static void judge_segments(struct zs_state_watch *w)
{
	struct zs_control *c = w->c;
	struct zs_segment_named all[] = { { "tables",
					    c->program ? &zs_program_tables(c->program)->seg : NULL },
					  { "sessions", c->attach ? zs_attach_segment(c->attach) : NULL },
					  { "state", c->state ? &w->state.seg : NULL },
					  { "events", c->events ? &w->events.pair.other : NULL },
					  { "eventack", c->events ? &w->events.pair.own : NULL } };
	const char *bad = zs_segments_damaged(all, ZS_ARRAY_LEN(all));

	if (bad && bad != w->damaged)
		ZS_LOG(&c->log, SEGMENT_FAULT, "segment=%s", bad);
	w->damaged = bad;
	if (bad)
		zs_control_raise(c, ZS_HEALTH_segment_fault, "%s", bad);
	else
		zs_control_clear(c, ZS_HEALTH_segment_fault);
}

static void judge(struct zs_state_watch *w)
{
	judge_segments(w);
	if (!w->c->state || !zs_segment_writer_alive(&w->state.seg)) {
		zs_control_raise(w->c, ZS_HEALTH_dataplane_missing, "%s",
				 w->c->state ? "its process ended" : "no state segment");
		zs_control_clear(w->c, ZS_HEALTH_dataplane_stalled);
		return;
	}
	zs_control_clear(w->c, ZS_HEALTH_dataplane_missing);
	judge_workers(w, zs_loop_now(w->c->loop));
}

static void watch(void *ctx)
{
	struct zs_state_watch *w = ctx;

	rejoin(w);
	judge(w);
	zs_timer_after(w->judge_timer, JUDGE_NS);
}

int zs_state_watch_new(struct zs_state_watch **out, struct zs_control *c, struct zs_error *err)
{
	struct zs_state_watch *w = calloc(1, sizeof(*w));
	int rc;

	if (!w)
		return zs_error_set(err, -ENOMEM, ZS_EXIT_RESOURCE, "out of memory");
	w->c = c;
	rc = zs_timer_new(&w->drain_timer, c->loop, drain, w);
	if (!rc)
		rc = zs_timer_new(&w->judge_timer, c->loop, watch, w);
	if (rc) {
		zs_timer_delete(w->drain_timer);
		free(w);
		return zs_error_set(err, rc, ZS_EXIT_RESOURCE, "no timer: %s", strerror(-rc));
	}
	watch(w);
	drain(w);
	*out = w;
	return 0;
}

void zs_state_watch_delete(struct zs_state_watch *w)
{
	if (!w)
		return;
	zs_timer_delete(w->drain_timer);
	zs_timer_delete(w->judge_timer);
	if (w->c->state)
		zs_state_close(&w->state);
	if (w->c->events)
		zs_events_close(&w->events);
	w->c->state = NULL;
	w->c->events = NULL;
	free(w);
}

uint64_t zs_state_watch_flows(const struct zs_state_watch *w)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; w->c->state && i < ZS_WORKERS_MAX; i++)
		sum += atomic_load(&w->state.flow_head[i].used);
	return sum;
}
