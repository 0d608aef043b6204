/* The run-to-completion loop, its idling, and how workers come and go.
 *
 * A loop: look at the tables, poll every queue, take what others handed over, push what is
 * left, housekeeping when it is due, idle when nothing came. Between two loops a worker holds
 * no reference into the tables: that is where it reports quiescence. */
#include <errno.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>
#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_launch.h>
#include <rte_malloc.h>
#include <rte_pause.h>
#include <rte_ring.h>
#include "housekeeping.h"
#include "limit.h"
#include "sandbox.h"
#include "stage/stage.h"

#define SLEEP_FIRST_US 1
#define PAUSES	       16 /* between two empty polls while spinning */

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
	if (t == w->tables && change == w->change)
		return;
	w->tables = t;
	w->change = change;
	atomic_store_explicit(&w->tables_seen, t, memory_order_release);
	w->stamp = ZS_TABLES_STOPPED;
	zs_locals_load(&w->locals, t);
	if (!t)
		return;
	w->stamp = ((uint32_t)t->seg.base->incarnation * 0x9e3779b1u + (uint32_t)change) | 1u << 31;
	zs_tables_settings(t, &w->settings);
}

static uint32_t receive(struct zs_worker *w, struct zs_burst *b)
{
	struct rte_mbuf *m[ZS_BURST];
	uint32_t total = 0;

	for (uint32_t i = 0; i < w->polls; i++) {
		const struct zs_port *p = &w->dp->port[w->poll[i].port];
		uint32_t n;

		ZS_STAGE_BEGIN(w);
		n = rte_eth_rx_burst(p->ethdev, w->poll[i].queue, m, ZS_BURST);
		if (!n)
			continue;
		for (uint32_t k = 0; k < n; k++)
			m[k]->port = w->poll[i].port;
		w->count[ZS_COUNTER_rx] += n;
		w->count[ZS_COUNTER_bursts]++;
		ZS_STAGE_MARK(w, rx, n);
		zs_stage_run(w, b, m, n, false);
		total += n;
	}
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

/* Longest sleep now: twice the last, within the setting and what the receive rings hold. */
static uint32_t next_sleep(const struct zs_worker *w)
{
	uint32_t us = w->sleep_us ? w->sleep_us * 2 : SLEEP_FIRST_US;
	uint32_t most = w->settings.sleep_max_us < w->burst_us ? w->settings.sleep_max_us : w->burst_us;

	return us < most ? us : most;
}

static void idle(struct zs_worker *w, uint32_t worked)
{
	struct timespec ts = { 0 };

	if (worked || !w->settings.sleep_max_us) {
		w->quiet_since_ns = w->now_ns;
		w->sleep_us = 0;
		return;
	}
	if (w->now_ns - w->quiet_since_ns < w->settings.busy_poll_us * 1000ull) {
		for (int i = 0; i < PAUSES; i++)
			rte_pause();
		return;
	}
	w->sleep_us = next_sleep(w);
	ts.tv_nsec = w->sleep_us * 1000l;
	w->count[ZS_COUNTER_sleeps]++;
	w->state->idle_sleeps++;
	clock_nanosleep(CLOCK_MONOTONIC, 0, &ts, NULL);
}

static void tell_time(struct zs_worker *w)
{
	w->now_ns = zs_clock_ns();
	w->now_ms = (uint32_t)(w->now_ns / ZS_NS_PER_MS);
}

static uint32_t turn(struct zs_worker *w, struct zs_burst *b, bool receiving)
{
	uint32_t worked = 0;

	tell_time(w);
	look_at_tables(w);
	if (receiving)
		worked += receive(w, b);
	worked += take_inbox(w, b);
	worked += zs_tx_outbox(w);
	zs_tx_flush(w);
	if (w->now_ns >= w->housekeeping_ns)
		zs_housekeeping(w);
	return worked;
}

static int run(void *arg)
{
	struct zs_worker *w = arg;
	struct zs_burst burst;

	prctl(PR_SET_TIMERSLACK, 1); /* sleeps of microseconds, not of 50 more */
	zs_sandbox_thread();
	atomic_store(&w->state->running, 1);
	while (atomic_load_explicit(&w->dp->stop, memory_order_relaxed) == 0)
		idle(w, turn(w, &burst, true));
	zs_tx_flush(w);
	atomic_fetch_add(&w->dp->quiet, 1);
	/* The others may still hand over until all are quiet; then what is in the rings is all. */
	while (atomic_load(&w->dp->stop) < 2)
		turn(w, &burst, false);
	while (turn(w, &burst, false))
		;
	zs_qsbr_offline(&w->state->qsbr);
	atomic_store_explicit(&w->tables_seen, NULL, memory_order_release);
	atomic_store(&w->state->running, 0);
	return 0;
}

void zs_worker_event(struct zs_worker *w, struct zs_event *event)
{
	struct zs_ring *r = &w->dp->events.ring[w->index];

	if (w->index < w->dp->events.rings && !zs_ring_push(r, event) && r->consumer)
		w->count[ZS_COUNTER_events_lost]++;
}

static void assign_queues(struct zs_dp *dp, struct zs_worker *w)
{
	w->burst_us = UINT32_MAX;
	for (uint32_t i = 0; i < dp->ports; i++) {
		const struct zs_port *p = &dp->port[i];
		uint32_t owner = p->queues > 1 ? w->index : i % dp->workers;

		w->tx_owner[i] = owner;
		if (owner != w->index)
			continue;
		w->poll[w->polls].port = (uint8_t)i;
		w->poll[w->polls++].queue = p->queues > 1 ? (uint16_t)w->index : 0;
		if (p->burst_us < w->burst_us)
			w->burst_us = p->burst_us;
	}
}

static struct rte_ring *make_ring(const char *kind, uint32_t from, uint32_t to)
{
	char name[32];

	snprintf(name, sizeof(name), "%s-%u-%u", kind, from, to);
	return rte_ring_create(name, ZS_HANDOVER_RING, SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ);
}

static int make_worker(struct zs_dp *dp, uint32_t index)
{
	struct zs_worker *w = rte_zmalloc("worker", sizeof(*w), 64);

	if (!w)
		return -ENOMEM;
	dp->worker[index] = w;
	w->dp = dp;
	w->index = index;
	w->state = &dp->state.worker[index];
	w->count = w->state->counters.counter;
	w->drop = w->state->counters.drop;
	w->state->cpu = dp->conf->dataplane.cpu[index];
	w->state->tsc_hz = rte_get_tsc_hz();
	if (getrandom(&w->random, sizeof(w->random), 0) < 0)
		return -errno;
	w->random |= 1;
	w->settings.busy_poll_us = dp->conf->dataplane.busy_poll_us;
	w->settings.sleep_max_us = dp->conf->dataplane.sleep_max_us;
	for (uint32_t from = 0; from < dp->workers; from++) {
		if (from == index)
			continue;
		w->inbox[from] = make_ring("flow", from, index);
		w->outbox[from] = make_ring("tx", from, index);
		if (!w->inbox[from] || !w->outbox[from])
			return -ENOMEM;
	}
	assign_queues(dp, w);
	return 0;
}

int zs_workers_new(struct zs_dp *dp, struct zs_error *err)
{
	dp->limits = rte_zmalloc("limits", sizeof(*dp->limits), 64);
	if (!dp->limits || getrandom(&dp->limits->key, 8, 0) != 8)
		return zs_error_set(err, -ENOMEM, ZS_EXIT_RESOURCE, "no memory for rate limits");
	for (uint32_t i = 0; i < dp->workers; i++)
		if (make_worker(dp, i))
			return zs_error_set(err, -ENOMEM, ZS_EXIT_RESOURCE,
					    "no memory for worker %u: raise dataplane.memory_mb", i);
	return 0;
}

int zs_workers_start(struct zs_dp *dp, struct zs_error *err)
{
	for (uint32_t i = 0; i < dp->workers; i++) {
		int rc = rte_eal_remote_launch(run, dp->worker[i], i + 1);

		if (rc)
			return zs_error_set(err, rc, ZS_EXIT_RESOURCE, "worker %u does not start", i);
		while (!atomic_load(&dp->worker[i]->state->running))
			rte_delay_us_sleep(100);
		ZS_LOG(dp->log, WORKER_UP, "worker=%u cpu=%u queues=%u", i, dp->worker[i]->state->cpu,
		       dp->worker[i]->polls);
	}
	return 0;
}

void zs_workers_stop(struct zs_dp *dp)
{
	uint32_t running = 0;

	for (uint32_t i = 0; i < dp->workers; i++)
		running += dp->worker[i] && atomic_load(&dp->worker[i]->state->running);
	atomic_store(&dp->stop, 1);
	while (atomic_load(&dp->quiet) < running)
		rte_delay_us_sleep(100);
	atomic_store(&dp->stop, 2);
	rte_eal_mp_wait_lcore();
	for (uint32_t i = 0; i < running; i++)
		ZS_LOG(dp->log, WORKER_DOWN, "worker=%u", i);
}

void zs_workers_delete(struct zs_dp *dp)
{
	for (uint32_t i = 0; i < dp->workers; i++) {
		struct zs_worker *w = dp->worker[i];

		for (uint32_t from = 0; w && from < dp->workers; from++) {
			rte_ring_free(w->inbox[from]);
			rte_ring_free(w->outbox[from]);
		}
		rte_free(w);
		dp->worker[i] = NULL;
	}
	rte_free(dp->limits);
	dp->limits = NULL;
}
