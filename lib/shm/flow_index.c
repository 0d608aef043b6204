/* The two indexes of the flow table: buckets of eight 16-bit tags and 32-bit ids, one line
 * each. A flow's hash names a primary bucket and, by its tag, one alternative; the pair is the
 * same seen from either. At a load of 1/2 the primary holds nearly all: the alternative is
 * taken when the primary has two slots left or fewer and the other has more room, so both
 * full at once is rare even when the table is full.
 *
 * Invariant: slot i is used when tag[i] != 0, and then id[i] < capacity. Readers of another
 * process check both: what they read may be anything. */
#include "shm/flow_index.h"

#include <string.h>
#include "shm/flow_find.h"

#define SPILL_AT 6 /* used slots of the primary from which the emptier bucket is taken */

uint64_t zs_flow_hash(const struct zs_flow_table *t, const struct zs_endpoint *remote, uint16_t own_port,
		      uint8_t local)
{
	return zs_flow_hash_inline(t, remote, own_port, local);
}

uint64_t zs_flow_hash_client(const struct zs_flow_table *t, const struct zs_flow *f)
{
	return zs_flow_hash(t, &f->client, zs_flow_client_port(f), f->local_client);
}

uint64_t zs_flow_hash_target(const struct zs_flow_table *t, const struct zs_flow *f)
{
	return zs_flow_hash(t, &f->target, f->source_port, f->local_target);
}

struct zs_flow_place zs_flow_place_of(const struct zs_flow_table *t, uint64_t hash)
{
	struct zs_flow_place p = { .tag = zs_flow_tag(hash), .bucket = { (uint32_t)hash & t->mask } };

	p.bucket[1] = zs_flow_other(t, hash);
	return p;
}

static uint32_t used_in(const struct zs_flow_bucket *b)
{
	return ZS_BUCKET_SLOTS - (uint32_t)__builtin_popcount(zs_flow_matches(b, 0));
}

bool zs_flow_index_room(const struct zs_flow_bucket *index, const struct zs_flow_place *p)
{
	return (zs_flow_matches(&index[p->bucket[0]], 0) | zs_flow_matches(&index[p->bucket[1]], 0)) != 0;
}

bool zs_flow_index_put(struct zs_flow_bucket *index, const struct zs_flow_place *p, uint32_t id)
{
	struct zs_flow_bucket *b = &index[p->bucket[0]];
	uint32_t used = used_in(b), i;

	if (used >= SPILL_AT && used_in(&index[p->bucket[1]]) < used)
		b = &index[p->bucket[1]];
	if (zs_flow_matches(b, 0) == 0)
		return false;
	i = (uint32_t)__builtin_ctz(zs_flow_matches(b, 0));
	b->id[i] = id;
	__atomic_store_n(&b->tag[i], p->tag, __ATOMIC_RELEASE);
	return true;
}

void zs_flow_index_del(struct zs_flow_bucket *index, const struct zs_flow_place *p, uint32_t id)
{
	for (uint32_t k = 0; k < 2; k++) {
		struct zs_flow_bucket *b = &index[p->bucket[k]];
		for (uint32_t i = 0; i < ZS_BUCKET_SLOTS; i++)
			if (b->tag[i] == p->tag && b->id[i] == id)
				__atomic_store_n(&b->tag[i], 0, __ATOMIC_RELEASE);
	}
}

void zs_flow_prefetch_client(const struct zs_flow_table *t, uint64_t hash)
{
	zs_prefetch(&t->by_client[(uint32_t)hash & t->mask]);
}

void zs_flow_prefetch_target(const struct zs_flow_table *t, uint64_t hash)
{
	zs_prefetch(&t->by_target[(uint32_t)hash & t->mask]);
}

static bool fetch(const struct zs_flow_table *t, const struct zs_flow_bucket *index, uint64_t hash,
		  bool other)
{
	struct zs_flow_place p = zs_flow_place_of(t, hash);
	const struct zs_flow_bucket *b = &index[p.bucket[other]];
	uint32_t all = zs_flow_matches(b, p.tag);

	if (!all && !other)
		zs_prefetch(&index[p.bucket[1]]);
	for (uint32_t bits = all; bits; bits &= bits - 1) {
		uint32_t id = b->id[__builtin_ctz(bits)];

		if (id < t->capacity)
			zs_prefetch(&t->flow[id]);
	}
	return all != 0;
}

bool zs_flow_fetch_client(const struct zs_flow_table *t, uint64_t hash, bool other)
{
	return fetch(t, t->by_client, hash, other);
}

bool zs_flow_fetch_target(const struct zs_flow_table *t, uint64_t hash, bool other)
{
	return fetch(t, t->by_target, hash, other);
}

static bool same_endpoint(const struct zs_endpoint *a, const struct zs_endpoint *b)
{
	return a->port == b->port && zs_addr_eq(&a->addr, &b->addr);
}

uint32_t zs_flow_find_client(const struct zs_flow_table *t, uint64_t hash, const struct zs_endpoint *client,
			     uint16_t port, uint8_t local)
{
	struct zs_flow_place p = zs_flow_place_of(t, hash);

	for (uint32_t k = 0; k < 2; k++) {
		const struct zs_flow_bucket *b = &t->by_client[p.bucket[k]];
		for (uint32_t bits = zs_flow_matches(b, p.tag); bits; bits &= bits - 1) {
			uint32_t id = b->id[__builtin_ctz(bits)];
			if (id >= t->capacity)
				continue;
			const struct zs_flow *f = &t->flow[id];
			if (f->used == ZS_FLOW_LIVE && zs_flow_client_port(f) == port &&
			    f->local_client == local && same_endpoint(&f->client, client))
				return id;
		}
	}
	return ZS_FLOW_NONE;
}

uint32_t zs_flow_find_taken(const struct zs_flow_table *t, uint64_t hash, const struct zs_endpoint *target,
			    uint16_t source_port, uint8_t local)
{
	struct zs_flow_place p = zs_flow_place_of(t, hash);

	for (uint32_t k = 0; k < 2; k++) {
		const struct zs_flow_bucket *b = &t->by_target[p.bucket[k]];
		for (uint32_t bits = zs_flow_matches(b, p.tag); bits; bits &= bits - 1) {
			uint32_t id = b->id[__builtin_ctz(bits)];
			if (id >= t->capacity)
				continue;
			const struct zs_flow *f = &t->flow[id];
			if (f->used && f->source_port == source_port && f->local_target == local &&
			    same_endpoint(&f->target, target))
				return id;
		}
	}
	return ZS_FLOW_NONE;
}

uint32_t zs_flow_find_target(const struct zs_flow_table *t, uint64_t hash, const struct zs_endpoint *target,
			     uint16_t source_port, uint8_t local)
{
	uint32_t id = zs_flow_find_taken(t, hash, target, source_port, local);

	return id != ZS_FLOW_NONE && t->flow[id].used == ZS_FLOW_LIVE ? id : ZS_FLOW_NONE;
}
