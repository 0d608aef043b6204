/* Chained hashing: head[hash] is the first slot of a chain, chain[slot] the next. */
#include "p2p/peertable.h"

#include <errno.h>
#include <stdlib.h>
#include "base/check.h"
#include "base/hash.h"

static uint32_t *bucket_of(const struct zs_peertable *t, const struct zs_peer_id *id)
{
	return &t->head[zs_hash(t->key, id->bytes, id->len) & t->mask];
}

int zs_peertable_new(struct zs_peertable *t, uint32_t capacity, const uint64_t key[2])
{
	uint32_t buckets = 1, *next;

	while (buckets < capacity)
		buckets *= 2;
	*t = (struct zs_peertable){ .mask = buckets - 1, .key = { key[0], key[1] } };
	next = calloc(capacity, sizeof(*next));
	t->id = calloc(capacity, sizeof(*t->id));
	t->chain = calloc(capacity, sizeof(*t->chain));
	t->head = malloc(buckets * sizeof(*t->head));
	zs_pool_init(&t->pool, next, capacity);
	if (!next || !t->id || !t->chain || !t->head) {
		zs_peertable_delete(t);
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < buckets; i++)
		t->head[i] = ZS_PEER_NONE;
	return 0;
}

void zs_peertable_delete(struct zs_peertable *t)
{
	free(t->pool.next);
	free(t->id);
	free(t->chain);
	free(t->head);
	*t = (struct zs_peertable){ 0 };
}

uint32_t zs_peertable_find(const struct zs_peertable *t, const struct zs_peer_id *id)
{
	uint32_t slot = *bucket_of(t, id);

	while (slot != ZS_PEER_NONE && !zs_peer_id_eq(&t->id[slot], id))
		slot = t->chain[slot];
	return slot;
}

uint32_t zs_peertable_add(struct zs_peertable *t, const struct zs_peer_id *id)
{
	uint32_t *bucket = bucket_of(t, id), slot;

	ZS_CHECK(id->len && id->len <= ZS_PEER_ID, "peer id of %u bytes", id->len);
	ZS_DCHECK(zs_peertable_find(t, id) == ZS_PEER_NONE);
	slot = zs_pool_take(&t->pool);
	if (slot == ZS_PEER_NONE)
		return slot;
	t->id[slot] = *id;
	t->chain[slot] = *bucket;
	*bucket = slot;
	return slot;
}

void zs_peertable_remove(struct zs_peertable *t, uint32_t slot)
{
	uint32_t *at;

	ZS_CHECK(zs_pool_is_taken(&t->pool, slot), "slot %u", slot);
	for (at = bucket_of(t, &t->id[slot]); *at != slot; at = &t->chain[*at])
		ZS_CHECK(*at != ZS_PEER_NONE, "slot %u is in no chain", slot);
	*at = t->chain[slot];
	zs_pool_give(&t->pool, slot);
}

uint32_t zs_peertable_next(const struct zs_peertable *t, uint32_t slot)
{
	for (slot = slot == ZS_PEER_NONE ? 0 : slot + 1; slot < t->pool.fresh; slot++)
		if (zs_pool_is_taken(&t->pool, slot))
			return slot;
	return ZS_PEER_NONE;
}
