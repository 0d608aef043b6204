#include <rte_ethdev.h>
#include "age.h"
#include "base/refused.h"
#include "binds.h"
#include "fastpath.h"
#include "housekeeping.h"
#include "judge.h"
#include "loop/notify.h"
#include "offenders.h"
#include "stage/mark.h"
#include "steering.h"
#include "tunnels.h"
#include "view.h"

#define PERIOD_NS   1000000 /* of a worker's housekeeping: 1 ms */
#define LEASES_EACH 1024    /* leases looked at in one */

static void refresh_settings(struct zs_worker *w)
{
	if (w->tables && w->tables->settings->generation != w->settings.generation)
		zs_tables_settings(w->tables, &w->settings);
}

void zs_housekeeping(struct zs_worker *w)
{
	ZS_STAGE_BEGIN(w);
	w->housekeeping_ns = w->now_ns + PERIOD_NS;
	atomic_store_explicit(&w->state->heartbeat_ns, w->now_ns, memory_order_relaxed);
	refresh_settings(w);
	w->unix_s = zs_clock_wall_ns() / ZS_NS_PER_S;
	zs_entropy_refill(&w->entropy);
	zs_flood_look(w);
	zs_flows_age(w);
	zs_tunnels_keep(w);
	zs_cids_refresh(&w->cids, w->sessions, w->unix_s);
	zs_hot_refresh(w);
	zs_tracer_look(w);
	if (w->dp->fast)
		zs_fastpath_keep(w);
	if (w->sessions)
		zs_policer_tick(&w->policer, w->now_ns, LEASES_EACH);
	if (w->index == ZS_BINDER)
		zs_binds_sweep(w);
	ZS_STAGE_MARK(w, housekeeping, 1);
}

static void read_ethdevs(const struct zs_port *p, struct zs_iface_state *s)
{
	struct rte_eth_link link = { 0 };
	struct rte_eth_stats stats;
	uint64_t missed = 0, errors = 0;

	for (uint16_t k = 0; k < p->queues; k++) {
		if (p->queue[k].id || rte_eth_stats_get(p->queue[k].ethdev, &stats))
			continue;
		missed += stats.imissed + stats.rx_nombuf;
		errors += stats.ierrors;
	}
	s->missed = missed;
	s->errors = errors;
	if (!rte_eth_link_get_nowait(p->queue[0].ethdev, &link))
		atomic_store(&s->up, link.link_status == RTE_ETH_LINK_UP);
}

static void read_port(struct zs_dp *dp, uint32_t i)
{
	struct zs_iface_state *s = &dp->state.iface[i];
	uint64_t counters[ZS_STEER_COUNTERS];
	const struct zs_port *p = &dp->port[i];

	read_ethdevs(p, s);
	if (p->steered && !zs_steer_counters(&p->steer, counters)) {
		s->steered = counters[ZS_STEER_STEERED];
		s->passed = counters[ZS_STEER_PASSED];
		s->fallback_dropped = counters[ZS_STEER_DROPPED];
		s->blocked = counters[ZS_STEER_BLOCKED];
	}
}

/* The service manager hears of us as long as every worker goes round. */
static void beat_watchdog(struct zs_dp *dp, uint64_t now)
{
	if (!dp->watchdog_ns || now < dp->watchdog_due_ns || !zs_judge_workers(dp, now))
		return;
	dp->watchdog_due_ns = now + dp->watchdog_ns;
	zs_notify(ZS_NOTIFY_WATCHDOG);
}

static void look_for_refused(struct zs_dp *dp, uint64_t now)
{
	int pid = 0;

	switch (zs_refused_look(dp->shm_dir, &dp->refused_until_ns, now, &pid)) {
	case ZS_REFUSED_NOW:
		zs_health_raise(dp->state.health, ZS_HEALTH_second_instance, "process %d was refused", pid);
		break;
	case ZS_REFUSED_LONG_AGO:
		zs_health_clear(dp->state.health, ZS_HEALTH_second_instance);
		break;
	case ZS_REFUSED_NOTHING:
		break;
	}
}

void zs_housekeeping_main(struct zs_dp *dp)
{
	uint64_t now = zs_clock_ns();

	zs_view_refresh(dp);
	zs_events_link(&dp->events, dp->shm_dir);
	zs_trace_link(&dp->trace, dp->shm_dir);
	zs_segment_beat(&dp->state.seg, now);
	zs_segment_beat(&dp->events.pair.own, now);
	look_for_refused(dp, now);
	zs_steering_sync(dp);
	for (uint32_t i = 0; i < dp->ports; i++)
		read_port(dp, i);
	zs_offenders_tick(dp, now);
	zs_judge(dp, now);
	beat_watchdog(dp, now);
	zs_log_flush(dp->log, false);
}
