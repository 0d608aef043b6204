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

/* One code for both segments: fine when neither is refused, also because a refused one went and ours has its name again. */
enum view { TABLES = 1, SESSIONS = 2, BOTH = 3 };

static void agree(struct zs_dp *dp, enum view which)
{
	if (dp->agrees & which)
		return;
	dp->agrees |= which;
	if (dp->agrees == BOTH)
		zs_health_clear(dp->state.health, ZS_HEALTH_layout);
}

static void refuse(struct zs_dp *dp, enum view which, const char *name, const char *why)
{
	dp->agrees &= ~(uint32_t)which;
	ZS_LOG(dp->log, SEGMENT_REFUSED, "segment=%s reason=\"%s\"", name, why);
	zs_health_raise(dp->state.health, ZS_HEALTH_layout, "%s", why);
}

/* Tells what came of joining a segment. */
static bool joined(struct zs_dp *dp, int rc, enum view which, struct zs_segment *seg,
		   const struct zs_error *err)
{
	const char *name = which == TABLES ? "tables" : "sessions";

	if (rc == -EPROTO || rc == -EUCLEAN)
		refuse(dp, which, name, err->text);
	if (rc == 0 || rc == -ENOENT)
		agree(dp, which);
	if (rc)
		return false;
	zs_fault_watch(seg);
	ZS_LOG(dp->log, SEGMENT_ADOPTED, "segment=%s incarnation=%llx", name,
	       (unsigned long long)seg->base->incarnation);
	return true;
}

static void join(struct zs_dp *dp, struct zs_tables *slot)
{
	struct zs_tables *old = atomic_load(&dp->tables);
	struct zs_error err = { 0 };
	int rc = zs_tables_open_reader(slot, dp->shm_dir, &err);

	if (!joined(dp, rc, TABLES, &slot->seg, &err))
		return;
	atomic_store_explicit(&dp->tables, slot, memory_order_release);
	dp->leaving = old;
}

/* --- sessions --- */

static bool sessions_let_go(const struct zs_dp *dp)
{
	for (uint32_t i = 0; i < dp->workers; i++)
		if (dp->worker[i] && atomic_load_explicit(&dp->worker[i]->sessions_seen,
							  memory_order_acquire) == dp->sessions_leaving)
			return false;
	return true;
}

static void refresh_sessions(struct zs_dp *dp)
{
	struct zs_sessions *now = atomic_load(&dp->sessions), *slot;
	struct zs_error err = { 0 };
	int rc;

	if (dp->sessions_leaving) {
		if (!sessions_let_go(dp))
			return;
		zs_sessions_close(dp->sessions_leaving);
		dp->sessions_leaving = NULL;
	}
	if (now && !zs_segment_replaced(&now->seg)) {
		agree(dp, SESSIONS);
		return;
	}
	slot = &dp->sessions_slot[now == &dp->sessions_slot[0]];
	rc = zs_sessions_open_reader(slot, dp->shm_dir, &err);
	if (!joined(dp, rc, SESSIONS, &slot->seg, &err))
		return;
	atomic_store_explicit(&dp->sessions, slot, memory_order_release);
	dp->sessions_leaving = now;
}

static void close_sessions(struct zs_dp *dp)
{
	struct zs_sessions *now = atomic_exchange(&dp->sessions, NULL);

	if (dp->sessions_leaving)
		zs_sessions_close(dp->sessions_leaving);
	if (now)
		zs_sessions_close(now);
	dp->sessions_leaving = NULL;
}

/* --- tables --- */

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

	refresh_sessions(dp);
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
	else
		agree(dp, TABLES);
}

void zs_view_close(struct zs_dp *dp)
{
	struct zs_tables *now = atomic_exchange(&dp->tables, NULL);

	if (dp->leaving)
		zs_tables_close(dp->leaving);
	if (now)
		zs_tables_close(now);
	dp->leaving = NULL;
	close_sessions(dp);
}
