/* What attachments may send and get: each packet is charged to the attachment it comes from and to the one it goes to,
 * whether a connection ID or a flow led it here. A stranger has no account, so what it sends is charged to who gets it.
 * tx meters it, once a port has taken it. */
#include "base/prefetch.h"
#include "stage.h"

#define CE 3

/* The attachment at a flow's end, if it is one. */
static uint32_t attached(const struct zs_worker *w, const struct zs_addr *end)
{
	uint32_t id;

	if (!zs_is_attached(end))
		return ZS_SENDER_NONE;
	id = zs_attached_of(end).attachment;
	return id < w->dp->state.attachments ? id : ZS_SENDER_NONE;
}

static void name_ends(struct zs_worker *w, struct zs_item *it)
{
	const struct zs_flow *f;

	it->from = it->to = ZS_SENDER_NONE;
	if (it->class == ZS_CLASS_CID) {
		it->from = it->sender;
		it->to = it->cid.attachment;
		return;
	}
	if (!it->inner && !it->sealed)
		return;
	f = &it->table->flow[it->flow];
	if (it->inner)
		it->from = attached(w, &it->p.src.addr);
	if (it->sealed)
		it->to = attached(w, it->side == ZS_SIDE_CLIENT ? &f->target.addr : &f->client.addr);
}

/* Those that a connection ID led here are on their way since. */
static void prefetch(struct zs_worker *w, const struct zs_item *it)
{
	if (it->class == ZS_CLASS_CID)
		return;
	if (it->from != ZS_SENDER_NONE)
		zs_prefetch(&w->hot[it->from]);
	if (it->to != ZS_SENDER_NONE)
		zs_prefetch(&w->hot[it->to]);
}

bool zs_police_charge(struct zs_worker *w, uint32_t id, enum zs_way way, uint32_t bytes, uint8_t *ecn)
{
	enum zs_police_verdict v;

	if (!(w->hot[id].flags & ZS_HOT_POLICED) || !w->sessions)
		return true;
	v = zs_policer_packet(&w->policer, id, way, bytes, *ecn == 1 || *ecn == 2, w->now_ns);
	if (v == ZS_POLICE_MARK)
		*ecn = CE;
	return v != ZS_POLICE_DROP;
}

/* false: it may not pass. */
static bool charge(struct zs_worker *w, struct zs_item *it, uint32_t id, enum zs_way way)
{
	uint32_t bytes = it->inner ? it->payload_len : it->p.payload_len;

	return id == ZS_SENDER_NONE || zs_police_charge(w, id, way, bytes, &it->p.ecn);
}

uint32_t zs_stage_police(struct zs_worker *w, struct zs_item **at, uint32_t n)
{
	uint32_t on = 0;

	for (uint32_t i = 0; i < n; i++) {
		name_ends(w, at[i]);
		prefetch(w, at[i]);
	}
	for (uint32_t i = 0; i < n; i++) {
		struct zs_item *it = at[i];

		if (charge(w, it, it->from, ZS_FROM_EDGE) && charge(w, it, it->to, ZS_TO_EDGE))
			at[on++] = it;
		else
			zs_stage_drop(w, it->m, ZS_DROP_policed);
	}
	return on;
}
