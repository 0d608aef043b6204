/* A queue in an array: takes from the front. */
#include "p2p/attach_cids.h"

#include <string.h>

void zs_attach_cids_owner(struct zs_attach_cids *pool, const struct zs_peer_id *relay, uint32_t attachment,
			  uint32_t generation)
{
	if (pool->attachment == attachment && pool->generation == generation &&
	    zs_peer_id_eq(&pool->relay, relay))
		return;
	*pool = (struct zs_attach_cids){ .relay = *relay,
					 .attachment = attachment,
					 .generation = generation };
}

static void retire(struct zs_attach_cids *pool, uint32_t mask)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < pool->count; i++)
		if (!(mask >> (pool->at[i].cid[0] >> 5) & 1))
			pool->at[kept++] = pool->at[i];
	pool->count = kept;
}

void zs_attach_cids_add(struct zs_attach_cids *pool, const zs_pb_Cids *cids)
{
	retire(pool, cids->retire_mask);
	for (pb_size_t i = 0; i < cids->cid_count && pool->count < ZS_ATTACH_POOL; i++) {
		memcpy(pool->at[pool->count].cid, cids->cid[i].bytes, ZS_ATTACH_CID);
		pool->at[pool->count++].expires_s = cids->expires;
	}
}

bool zs_attach_cids_take(struct zs_attach_cids *pool, uint64_t wall_s, uint8_t cid[ZS_ATTACH_CID],
			 uint64_t *expires_s)
{
	uint32_t over = 0;
	bool found;

	while (over < pool->count && pool->at[over].expires_s <= wall_s)
		over++;
	found = over < pool->count;
	if (found) {
		memcpy(cid, pool->at[over].cid, ZS_ATTACH_CID);
		*expires_s = pool->at[over++].expires_s;
	}
	pool->count -= over;
	memmove(pool->at, pool->at + over, pool->count * sizeof(pool->at[0]));
	return found;
}

uint32_t zs_attach_cids_want(const struct zs_attach_cids *pool)
{
	return pool->count <= ZS_ATTACH_POOL_LOW ? ZS_ATTACH_CIDS : 0;
}
