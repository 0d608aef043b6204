/* Connection IDs for edges: their own, and those with which they dial another one. A caller's are minted for that dial
 * alone; whether there is no such peer or it wants no calls of this one, the answer is the same. */
#include "attach/internal.h"

#include <errno.h>
#include <string.h>

#define PER_S 64 /* connection IDs an edge gets a second … */
#define BURST                                                                                                \
	(16 *                                                                                                \
	 PER_S) /* … and at once: with what its callers get (callers.c) a configuration's nonces last a year */

static bool within_rate(const struct zs_attach *s, struct zs_gcra *bucket, uint32_t count)
{
	struct zs_gcra_rate rate;

	zs_gcra_init(&rate, PER_S, BURST);
	return zs_gcra_allow(bucket, &rate, s->now_ns, count);
}

static bool takes_calls(const struct slot *callee, const struct slot *caller)
{
	switch (callee->callers) {
	case CALLERS_ANYONE:
		return true;
	case CALLERS_TENANT:
		return callee->tenant && callee->tenant == caller->tenant;
	case CALLERS_NOBODY:
		break;
	}
	return false;
}

/* NULL: none that this one may dial. Its own name means itself. */
static struct slot *callee_of(const struct zs_attach *s, struct slot *caller, const zs_pb_CidAsk *ask)
{
	struct zs_peer_id peer;
	struct slot *callee;

	if (!ask->peer.size)
		return caller;
	if (zs_peer_id_decode(&peer, ask->peer.bytes, ask->peer.size))
		return NULL;
	callee = zs_attach_slot_of(s, &peer);
	return callee && (callee == caller || takes_calls(callee, caller)) ? callee : NULL;
}

static bool mint(struct zs_attach *s, const struct slot *slot, uint32_t count, zs_pb_Cids *out)
{
	struct zs_cids_batch batch;

	if (zs_cids_mint(s->cids, slot->id, slot->kept.generation, count, &batch))
		return false;
	out->rotation = batch.rotation;
	out->expires = batch.expires_s;
	out->retire_mask = zs_cids_retired(s->cids);
	out->cid_count = (pb_size_t)batch.count;
	for (uint32_t i = 0; i < batch.count; i++) {
		out->cid[i].size = ZS_CID;
		memcpy(out->cid[i].bytes, batch.cid[i], ZS_CID);
	}
	return true;
}

bool zs_attach_cids_ask(struct zs_attach *s, struct slot *slot, const zs_pb_CidAsk *ask, zs_pb_Cids *out,
			struct refusal *r)
{
	struct slot *callee = callee_of(s, slot, ask);

	*r = (struct refusal){
		.code = ZS_ATTACH_ERROR_busy, .scope = "cids", .limit = PER_S, .retry_ms = 1000
	};
	if (!within_rate(s, &slot->cids, ask->count))
		return false;
	*r = (struct refusal){ .code = ZS_ATTACH_ERROR_no_cid, .scope = "peer" };
	if (!callee || (callee != slot && !zs_attach_call(s, callee, slot, ask->count)))
		return false;
	*r = (struct refusal){ .code = ZS_ATTACH_ERROR_no_cid };
	if (!mint(s, callee, ask->count, out))
		return false;
	out->peer.size = ask->peer.size;
	memcpy(out->peer.bytes, ask->peer.bytes, ask->peer.size);
	return true;
}

bool zs_attach_cids_first(struct zs_attach *s, const struct slot *slot, zs_pb_Cids *out)
{
	return mint(s, slot, ZS_ATTACH_GRANT_CIDS, out);
}

void zs_attach_cids_retire(struct zs_attach *s)
{
	struct zs_attach_frame f = { .kind = ZS_ATTACH_CIDS_SENT };

	f.cids.retire_mask = zs_cids_retired(s->cids);
	for (struct zs_attach_conn *c = s->conns; c; c = c->next)
		if (c->state == CONN_ATTACHED)
			zs_attach_send(s, c, &f);
}

struct zs_cids *zs_attach_cids(struct zs_attach *s)
{
	return s->cids;
}
