/* Two slots: workers read one while the other is joined or waits to be left. A segment whose
 * writer is dead stays in force: forwarding goes on with the last tables. */
#include <errno.h>
#include "shm/fault.h"
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

	if (rc == -EPROTO) {
		ZS_LOG(dp->log, SEGMENT_REFUSED, "segment=tables reason=\"%s\"", err.text);
		zs_health_raise(dp->state.health, ZS_HEALTH_layout, "tables");
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

static void judge_faults(struct zs_dp *dp, const struct zs_tables *now)
{
	if (now && zs_segment_faulted(&now->seg)) {
		ZS_LOG(dp->log, SEGMENT_FAULT, "segment=tables");
		zs_health_raise(dp->state.health, ZS_HEALTH_segment_fault, "tables");
	} else {
		zs_health_clear(dp->state.health, ZS_HEALTH_segment_fault);
	}
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
	judge_faults(dp, now);
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
