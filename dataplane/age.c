/* One partition a call, in turn; a slice of it, and a bounded number of ends. */
#include "age.h"
#include "fastpath.h"
#include "stage/stage.h"

#define SWEEP_MIN   64 /* flows looked at each time: all of a partition in some 2 s */
#define SWEEP_SHARE 2048
#define ENDS_MAX    32 /* flows ended in one slice */

/* Is the attachment that opened the flow gone, or another's by now? */
static bool detached(const struct zs_worker *w, const struct zs_addr *a)
{
	struct zs_attached end = zs_attached_of(a);
	struct zs_attachment now;

	if (!zs_is_attached(a) || !w->sessions || end.attachment >= w->sessions->attachments ||
	    zs_seqlock_read(&w->sessions->attachment[end.attachment].seq) & 1)
		return false;
	return !zs_sessions_attachment(w->sessions, end.attachment, &now) || now.generation != end.generation;
}

/* Has the published port gone, or got another target? Without tables, or while the entry is being
 * written, nothing is known and nothing ends. */
static bool unpublished(const struct zs_flow *f, const struct zs_flow_rest *rest, const void *ctx)
{
	const struct zs_worker *w = ctx;
	struct zs_published p;
	uint32_t generation;

	if (w->tables && zs_tables_generation(w->tables, f->port, &generation) &&
	    f->as_of == zs_flow_as_of(w->stamp, generation))
		return detached(w, &f->client.addr);
	if (!w->tables || zs_seqlock_read(&w->tables->published[f->port].seq) & 1)
		return false;
	return !zs_tables_published(w->tables, f->port, &p) || p.generation != rest->published_generation ||
	       detached(w, &f->client.addr);
}

/* The flows that this sweep looks at may have packets that never came here. */
static void look_into_kernel(struct zs_worker *w, const struct zs_flow_table *t, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		zs_fastpath_flow(w, t, (t->head->sweep + i) % t->capacity, false);
}

static void sweep(struct zs_worker *w, struct zs_flow_table *t)
{
	struct zs_flow_sweep s = { .now_ms = w->now_ms,
				   .idle_confirmed_ms = w->settings.flow_idle_answered_ms,
				   .idle_unconfirmed_ms = w->settings.flow_idle_unanswered_ms,
				   .ended = unpublished,
				   .ctx = w };
	uint32_t left = t->capacity / SWEEP_SHARE > SWEEP_MIN ? t->capacity / SWEEP_SHARE : SWEEP_MIN;

	if (w->dp->fast)
		look_into_kernel(w, t, left);
	for (int ends = 0; left && ends < ENDS_MAX; ends++) {
		bool idle;
		uint32_t id = zs_flow_sweep(t, &s, &left, &idle);

		if (id == ZS_FLOW_NONE)
			return;
		zs_flow_end(w, t, id, idle ? ZS_FLOW_END_IDLE : ZS_FLOW_END_UNPUBLISHED);
	}
}

void zs_flows_age(struct zs_worker *w)
{
	if (!w->settings.flow_idle_answered_ms) /* no settings yet */
		return;
	for (uint32_t i = 0; i < w->dp->partitions; i++) {
		uint32_t p = w->sweep++ % w->dp->partitions;

		if (w->dp->partition_owner[p] == w->index) {
			sweep(w, &w->dp->partition[p]);
			return;
		}
	}
}
