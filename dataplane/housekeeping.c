#include <rte_ethdev.h>
#include "housekeeping.h"
#include "second.h"
#include "stage/stage.h"
#include "steering.h"
#include "view.h"

#define PERIOD_NS   1000000 /* of a worker's housekeeping: 1 ms */
#define SWEEP_MIN   64	    /* flows looked at each time: all of a partition in some 2 s */
#define SWEEP_SHARE 2048
#define ENDS_MAX    32		       /* flows ended in one slice */
#define FULL_NS	    (60 * ZS_NS_PER_S) /* a full table stays a health code this long after its last refusal */
#define SILENT_NS   (3 * ZS_NS_PER_S)  /* a restart of the control plane is no news: it takes less than 1 s */

static void sweep(struct zs_worker *w)
{
	uint32_t p = w->sweep++ % w->dp->partitions, left;
	struct zs_flow_table *t = &w->dp->partition[p];

	left = t->capacity / SWEEP_SHARE > SWEEP_MIN ? t->capacity / SWEEP_SHARE : SWEEP_MIN;

	if (w->dp->partition_owner[p] != w->index)
		return;
	for (int ends = 0; left && ends < ENDS_MAX; ends++) {
		uint32_t id = zs_flow_sweep(t, &left, w->now_ms, w->settings.flow_idle_answered_ms,
					    w->settings.flow_idle_unanswered_ms);

		if (id == ZS_FLOW_NONE)
			return;
		zs_flow_end(w, t, id, ZS_FLOW_END_IDLE);
	}
}

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
	if (w->settings.flow_idle_answered_ms)
		sweep(w);
	ZS_STAGE_MARK(w, housekeeping, 1);
}

static void read_port(struct zs_dp *dp, uint32_t i)
{
	struct zs_iface_state *s = &dp->state.iface[i];
	struct rte_eth_link link = { 0 };
	struct rte_eth_stats stats;
	uint64_t counters[ZS_STEER_COUNTERS];
	const struct zs_port *p = &dp->port[i];

	if (!rte_eth_stats_get(p->ethdev, &stats)) {
		s->missed = stats.imissed + stats.rx_nombuf;
		s->errors = stats.ierrors;
	}
	if (p->steered && !zs_steer_counters(&p->steer, counters)) {
		s->steered = counters[ZS_STEER_STEERED];
		s->passed = counters[ZS_STEER_PASSED];
		s->fallback_dropped = counters[ZS_STEER_DROPPED];
	}
	if (!rte_eth_link_get_nowait(p->ethdev, &link))
		atomic_store(&s->up, link.link_status == RTE_ETH_LINK_UP);
}

static void judge_links(struct zs_dp *dp)
{
	const char *down = NULL;

	for (uint32_t i = 0; i < dp->ports; i++)
		if (!atomic_load(&dp->state.iface[i].up))
			down = dp->port[i].conf->name;
	if (down)
		zs_health_raise(dp->state.health, ZS_HEALTH_iface_down, "port %s", down);
	else
		zs_health_clear(dp->state.health, ZS_HEALTH_iface_down);
}

static void judge_flows(struct zs_dp *dp, uint64_t now)
{
	uint64_t full = 0;

	for (uint32_t i = 0; i < ZS_WORKERS_MAX; i++)
		full += dp->state.worker[i].counters.drop[ZS_DROP_flow_full];
	if (full > dp->full_seen && dp->full_known) {
		dp->full_ns = now;
		zs_health_raise(dp->state.health, ZS_HEALTH_flows_full, "%llu packets refused",
				(unsigned long long)full);
	} else if (now - dp->full_ns > FULL_NS) {
		zs_health_clear(dp->state.health, ZS_HEALTH_flows_full);
	}
	dp->full_seen = full;
	dp->full_known = true;
}

static void judge_control(struct zs_dp *dp, uint64_t now)
{
	const struct zs_tables *t = atomic_load(&dp->tables);
	uint64_t beat = t ? atomic_load_explicit(&t->seg.base->heartbeat_ns, memory_order_relaxed) : now;

	if (now > beat && now - beat > SILENT_NS)
		zs_health_raise(dp->state.health, ZS_HEALTH_control_missing, "silent for %llu s",
				(unsigned long long)((now - beat) / ZS_NS_PER_S));
	else
		zs_health_clear(dp->state.health, ZS_HEALTH_control_missing);
}

void zs_housekeeping_main(struct zs_dp *dp)
{
	uint64_t now = zs_clock_ns();

	zs_view_refresh(dp);
	zs_events_link(&dp->events, dp->shm_dir);
	zs_segment_beat(&dp->state.seg, now);
	zs_segment_beat(&dp->events.events, now);
	zs_second_look(dp, now);
	zs_steering_sync(dp);
	for (uint32_t i = 0; i < dp->ports; i++)
		read_port(dp, i);
	judge_links(dp);
	judge_flows(dp, now);
	judge_control(dp, now);
	zs_log_flush(dp->log, false);
}
