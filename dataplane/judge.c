#include "judge.h"
#include "worker.h"

#define FULL_NS	    (60 * ZS_NS_PER_S) /* a full table stays a health code this long after its last refusal */
#define UNSERVED_NS (60 * ZS_NS_PER_S) /* so does a queue without a worker after its last packet */
#define SILENT_NS   (3 * ZS_NS_PER_S)  /* a restart of the control plane is no news: it takes less than 1 s */

/* --- segments --- */

static void judge_segments(struct zs_dp *dp)
{
	struct zs_tables *t = atomic_load(&dp->tables);
	struct zs_sessions *s = atomic_load(&dp->sessions);
	struct zs_segment_named all[] = { { "tables", t ? &t->seg : NULL },
					  { "sessions", s ? &s->seg : NULL },
					  { "state", &dp->state.seg },
					  { "events", &dp->events.pair.own },
					  { "eventack", &dp->events.pair.other },
					  { "trace", &dp->trace.pair.own },
					  { "tracewant", &dp->trace.pair.other } };
	const char *bad = zs_segments_damaged(all, ZS_ARRAY_LEN(all));

	if (bad && bad != dp->damaged)
		ZS_LOG(dp->log, SEGMENT_FAULT, "segment=%s", bad);
	dp->damaged = bad;
	if (bad)
		zs_health_raise(dp->state.health, ZS_HEALTH_segment_fault, "%s", bad);
	else
		zs_health_clear(dp->state.health, ZS_HEALTH_segment_fault);
}

/* --- ports --- */

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

/* Relay packets that the steering program drops although workers run come to a queue that none of
 * them polls: somebody has given the device more queues since the start. */
static void judge_queues(struct zs_dp *dp, uint64_t now)
{
	const struct zs_port *bad = NULL;

	for (uint32_t i = 0; i < dp->ports; i++) {
		struct zs_port *p = &dp->port[i];
		uint64_t dropped = dp->state.iface[i].fallback_dropped;

		if (p->steered && dp->judged && dropped > p->unserved)
			p->unserved_ns = now;
		p->unserved = dropped;
		if (p->unserved_ns && now - p->unserved_ns < UNSERVED_NS)
			bad = p;
	}
	if (bad)
		zs_health_raise(dp->state.health, ZS_HEALTH_queue_unserved,
				"port %s has packets on more than its %u queues", bad->conf->name,
				bad->queues);
	else
		zs_health_clear(dp->state.health, ZS_HEALTH_queue_unserved);
}

/* --- flows, control plane, workers --- */

/* Something is full: packets are refused for it, or were a while ago. */
static void judge_full(struct zs_dp *dp, struct zs_full *f, enum zs_drop why, enum zs_health code,
		       uint64_t now)
{
	uint64_t refused = 0;

	for (uint32_t i = 0; i < ZS_WORKERS_MAX; i++)
		refused += dp->state.worker[i].counters.drop[why];
	if (refused > f->seen && dp->judged) {
		f->ns = now;
		zs_health_raise(dp->state.health, code, "%llu packets refused", (unsigned long long)refused);
	} else if (now - f->ns > FULL_NS) {
		zs_health_clear(dp->state.health, code);
	}
	f->seen = refused;
}

static void judge_flood(struct zs_dp *dp)
{
	uint32_t on = 0;

	for (uint32_t i = 0; i < dp->workers; i++)
		on += dp->worker[i]->flood.on;
	if (on)
		zs_health_raise(dp->state.health, ZS_HEALTH_flood, "%u of %u workers; %u prefixes blocked",
				on, dp->workers, dp->blocked);
	else
		zs_health_clear(dp->state.health, ZS_HEALTH_flood);
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

bool zs_judge_workers(const struct zs_dp *dp, uint64_t now)
{
	for (uint32_t i = 0; i < dp->workers; i++)
		if (zs_worker_stalled(&dp->state.worker[i], now))
			return false;
	return true;
}

void zs_judge(struct zs_dp *dp, uint64_t now)
{
	judge_segments(dp);
	judge_links(dp);
	judge_queues(dp, now);
	judge_full(dp, &dp->flows_full, ZS_DROP_flow_full, ZS_HEALTH_flows_full, now);
	judge_full(dp, &dp->lanes_full, ZS_DROP_tunnel_lanes, ZS_HEALTH_lanes_full, now);
	judge_flood(dp);
	judge_control(dp, now);
	dp->judged = true;
}
