/* Two slots: workers read one while the other is joined or waits to be left. A segment whose
 * writer is dead stays in force: forwarding goes on with the last tables. */
#include <errno.h>
#include "shm/fault.h"
#include "targets.h"
#include "view.h"
#include "worker.h"

/* Has every worker let go of the segment that was replaced? */
static bool let_go(const struct zs_dp *dp)
{
	for (uint32_t i = 0; i < dp->workers; i++)
		if (dp->worker[i] &&
		    atomic_load_explicit(&dp->worker[i]->tables_seen, memory_order_acquire) == dp->leaving)
			return false;
	return true;
}

static void join(struct zs_dp *dp, struct zs_tables *slot)
{
	struct zs_tables *old = atomic_load(&dp->tables);
	struct zs_error err = { 0 };
	int rc = zs_tables_open_reader(slot, dp->shm_dir, &err);

	if (rc == -EPROTO || rc == -EUCLEAN) {
		ZS_LOG(dp->log, SEGMENT_REFUSED, "segment=tables reason=\"%s\"", err.text);
		zs_health_raise(dp->state.health, ZS_HEALTH_layout, "%s", err.text);
	}
	if (rc)
		return;
	zs_fault_watch(&slot->seg);
	zs_health_clear(dp->state.health, ZS_HEALTH_layout);
	ZS_LOG(dp->log, SEGMENT_ADOPTED, "segment=tables incarnation=%llx",
	       (unsigned long long)slot->seg.base->incarnation);
	atomic_store_explicit(&dp->tables, slot, memory_order_release);
	dp->leaving = old;
}

/* What the control plane says of the log, when it has changed. */
static void take_levels(struct zs_dp *dp, const struct zs_tables *t)
{
	struct zs_settings s;

	if (!t || zs_segment_faulted(&t->seg) || t->settings->generation == dp->levels ||
	    !zs_tables_settings(t, &s))
		return;
	dp->levels = s.generation;
	for (uint32_t m = 0; m < ZS_LOG_MODULES && m < ZS_TABLES_MODULES; m++)
		if (s.log_level[m] >= ZS_LOG_ERR && s.log_level[m] <= ZS_LOG_DEBUG)
			dp->log->level[m] = s.log_level[m];
}

void zs_view_refresh(struct zs_dp *dp)
{
	struct zs_tables *now = atomic_load(&dp->tables);

	if (dp->leaving) {
		if (!let_go(dp))
			return;
		zs_tables_close(dp->leaving);
		dp->leaving = NULL;
	}
	take_levels(dp, now);
	if (now && dp->targets && !zs_segment_faulted(&now->seg))
		zs_targets_sync(dp->targets, now);
	if (!now || zs_segment_replaced(&now->seg))
		join(dp, now == &dp->slot[0] ? &dp->slot[1] : &dp->slot[0]);
}

void zs_view_close(struct zs_dp *dp)
{
	struct zs_tables *now = atomic_exchange(&dp->tables, NULL);

	if (dp->leaving)
		zs_tables_close(dp->leaving);
	if (now)
		zs_tables_close(now);
	dp->leaving = NULL;
}
