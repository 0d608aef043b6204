/* What attachments may have: packets and flows of theirs, whichever way they come. Who has no limits is not looked up. */
#include "stage.h"

#define CE 3 /* congestion experienced */

enum zs_drop zs_stage_police(struct zs_worker *w, struct zs_item *it, uint32_t attachment, enum zs_way way,
			     uint16_t bytes)
{
	bool ect = it->p.ecn == 1 || it->p.ecn == 2;

	if (attachment >= w->dp->state.attachments || !w->account[attachment].policed)
		return ZS_DROPS;
	switch (zs_policer_packet(&w->policer, attachment, way, bytes, ect, w->now_ns)) {
	case ZS_POLICE_PASS:
		return ZS_DROPS;
	case ZS_POLICE_MARK:
		it->p.ecn = CE;
		return ZS_DROPS;
	default:
		return ZS_DROP_policed;
	}
}

/* The account of an end that is an attachment, or NULL. */
static struct zs_account *account_of(struct zs_worker *w, const struct zs_addr *end)
{
	uint32_t id = zs_attached_of(end).attachment;

	return zs_is_attached(end) && id < w->dp->state.attachments ? &w->account[id] : NULL;
}

static bool may_have(struct zs_worker *w, const struct zs_addr *end, enum zs_way way)
{
	const struct zs_account *a = account_of(w, end);
	const struct zs_dp *dp = w->dp;
	uint32_t id;

	if (!a || !a->policed)
		return true;
	id = (uint32_t)(a - w->account);
	return zs_policer_new_flow(
	    &w->policer, id, way,
	    zs_policer_flows(dp->state.account, dp->state.partitions, dp->state.attachments, id), 0,
	    w->now_ns);
}

bool zs_police_new_flow(struct zs_worker *w, const struct zs_addr *client, const struct zs_addr *target)
{
	return may_have(w, client, ZS_FROM_EDGE) && may_have(w, target, ZS_TO_EDGE);
}

void zs_police_count(struct zs_worker *w, const struct zs_flow *f, int32_t by)
{
	const struct zs_addr *end[2] = { &f->client.addr, &f->target.addr };

	for (uint32_t i = 0; i < 2; i++) {
		struct zs_account *a = account_of(w, end[i]);

		if (a)
			__atomic_store_n(&a->flows, a->flows + (uint32_t)by, __ATOMIC_RELAXED);
	}
}

void zs_police_recount(struct zs_dp *dp)
{
	for (uint32_t i = 0; i < dp->partitions; i++) {
		const struct zs_flow_table *t = &dp->partition[i];

		for (uint32_t id = 0; id < t->capacity; id++)
			if (t->flow[id].used == ZS_FLOW_LIVE)
				zs_police_count(dp->worker[dp->partition_owner[i]], &t->flow[id], 1);
	}
}
