/* The run-to-completion loop.
 *
 * A loop: look at the tables, poll every queue, take what others handed over, push what is
 * left, housekeeping when it is due, idle when nothing came. Between two loops a worker holds
 * no reference into the tables: that is where it reports quiescence. */
#include <string.h>
#include <sys/prctl.h>
#include <rte_ethdev.h>
#include <rte_ring.h>
#include "housekeeping.h"
#include "idle.h"
#include "sandbox.h"
#include "stage/mark.h"
#include "stage/stage.h"
#include "tunnels.h"
#include "twin.h"

/* Takes this loop's view of the tables; all that is cached of them is made again on a change. */
static void look_at_tables(struct zs_worker *w)
{
	struct zs_tables *t = atomic_load_explicit(&w->dp->tables, memory_order_acquire);
	uint64_t change;

	if (t && zs_segment_faulted(&t->seg))
		t = NULL;
	change = t ? atomic_load_explicit(t->change, memory_order_acquire) : 0;
	if (t)
		zs_qsbr_quiescent(&w->state->qsbr, t->epoch);
	w->acl = t ? zs_acl_look(&t->acl) : NULL;
	if (t == w->tables && change == w->change)
		return;
	w->tables = t;
	w->change = change;
	atomic_store_explicit(&w->tables_seen, t, memory_order_release);
	w->stamp = ZS_TABLES_STOPPED;
	zs_locals_load(&w->locals, t, w->dp->conf);
	if (!t)
		return;
	w->stamp = ((uint32_t)t->seg.base->incarnation * 0x9e3779b1u + (uint32_t)change) | 1u << 31;
	zs_tables_settings(t, &w->settings);
}

static void look_at_sessions(struct zs_worker *w)
{
	struct zs_sessions *s = atomic_load_explicit(&w->dp->sessions, memory_order_acquire);

	if (s && zs_segment_faulted(&s->seg))
		s = NULL;
	if (s == w->sessions)
		return;
	w->sessions = w->policer.v.sessions = s;
	zs_tunnels_forget(w);
	atomic_store_explicit(&w->sessions_seen, s, memory_order_release);
}

static uint32_t receive(struct zs_worker *w, struct zs_burst *b)
{
	struct rte_mbuf *m[ZS_BURST];
	uint32_t total = 0;
	bool full = false;

	for (uint32_t i = 0; i < w->polls; i++) {
		uint32_t n;

		ZS_STAGE_BEGIN(w);
		n = rte_eth_rx_burst(w->poll[i].ethdev, w->poll[i].queue, m, ZS_BURST);
		if (!n)
			continue;
		for (uint32_t k = 0; k < n; k++)
			m[k]->port = w->poll[i].port;
		w->count[ZS_COUNTER_rx] += n;
		w->count[ZS_COUNTER_bursts]++;
		ZS_STAGE_MARK(w, rx, n);
		zs_stage_run(w, b, m, n, false);
		total += n;
		full |= n == ZS_BURST;
	}
	if (total)
		zs_flood_turn(w, full);
	w->count[ZS_COUNTER_polls]++;
	return total;
}

static uint32_t take_inbox(struct zs_worker *w, struct zs_burst *b)
{
	struct rte_mbuf *m[ZS_BURST];
	uint32_t total = 0;

	for (uint32_t from = 0; from < w->dp->workers; from++) {
		uint32_t n;

		if (!w->inbox[from])
			continue;
		n = rte_ring_sc_dequeue_burst(w->inbox[from], (void **)m, ZS_BURST, NULL);
		if (!n)
			continue;
		ZS_STAGE_BEGIN(w);
		zs_stage_run(w, b, m, n, true);
		total += n;
	}
	return total;
}

static void tell_time(struct zs_worker *w)
{
	w->now_ns = zs_clock_ns();
	w->now_ms = (uint32_t)(w->now_ns / ZS_NS_PER_MS);
}

uint32_t zs_worker_turn(struct zs_worker *w, struct zs_burst *b, bool receiving)
{
	uint32_t worked = 0;

	tell_time(w);
	look_at_tables(w);
	look_at_sessions(w);
	if (receiving)
		worked += receive(w, b);
	worked += take_inbox(w, b);
	if (receiving && w->punts)
		worked += zs_twin_take(w);
	worked += zs_tx_outbox(w);
	zs_tx_flush(w);
	if (w->now_ns >= w->housekeeping_ns)
		zs_housekeeping(w);
	return worked;
}

int zs_worker_run(void *arg)
{
	struct zs_worker *w = arg;
	struct zs_burst burst;

	prctl(PR_SET_TIMERSLACK, 1); /* sleeps of microseconds, not of 50 more */
	zs_sandbox_thread();
	if (w->punts)
		zs_twin_listen();
	zs_worker_turn(w, &burst, false); /* its lines and keys first */
	atomic_store(&w->state->running, 1);
	while (atomic_load_explicit(&w->dp->stop, memory_order_relaxed) == 0)
		zs_idle(w, zs_worker_turn(w, &burst, true));
	zs_tx_flush(w);
	atomic_fetch_add(&w->dp->quiet, 1);
	/* The others may still hand over until all are quiet; then what is in the rings is all. */
	while (atomic_load(&w->dp->stop) < 2)
		zs_worker_turn(w, &burst, false);
	while (zs_worker_turn(w, &burst, false))
		;
	zs_qsbr_offline(&w->state->qsbr);
	atomic_store_explicit(&w->tables_seen, NULL, memory_order_release);
	atomic_store_explicit(&w->sessions_seen, NULL, memory_order_release);
	atomic_store(&w->state->running, 0);
	return 0;
}

void zs_worker_event(struct zs_worker *w, struct zs_event *event)
{
	struct zs_ring *r = &w->dp->events.ring[w->index];

	if (w->index < w->dp->events.rings && !zs_ring_push(r, event) && r->consumer)
		w->count[ZS_COUNTER_events_lost]++;
}
