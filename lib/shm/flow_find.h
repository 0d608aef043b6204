/* Finding flows of a burst, in three looks at memory that each come a while after they were asked for: the bucket, the line of the
 * flow that it probably is, the flow. Inline, for the packet path; who has a single packet calls zs_flow_find_* (flow.h). */
#ifndef ZS_SHM_FLOW_FIND_H
#define ZS_SHM_FLOW_FIND_H

#include <simde/x86/sse2.h>
#include "base/hash.h"
#include "base/prefetch.h"
#include "shm/flow.h"

/* Of the key: who sends, the own port it came to, the own address. */
static inline uint64_t zs_flow_hash_inline(const struct zs_flow_table *t, const struct zs_endpoint *remote,
					   uint16_t own_port, uint8_t local)
{
	uint64_t third = remote->port | (uint64_t)own_port << 16 | (uint64_t)local << 32;

	return zs_hash24_words(t->key, zs_hash_load(remote->addr.ip), zs_hash_load(remote->addr.ip + 8),
			       third);
}

static inline uint16_t zs_flow_tag(uint64_t hash)
{
	uint16_t tag = (uint16_t)(hash >> 48);

	return tag ? tag : 1;
}

/* The bucket that a hash may lie in beside its first one. */
static inline uint32_t zs_flow_other(const struct zs_flow_table *t, uint64_t hash)
{
	return ((uint32_t)hash ^ ((zs_flow_tag(hash) * 0x9e3779b1u) >> 8 | 1)) & t->mask;
}

/* Slots of a bucket with that tag, a bit each. */
static inline uint32_t zs_flow_matches(const struct zs_flow_bucket *b, uint16_t tag)
{
	simde__m128i tags = simde_mm_loadu_si128((const simde__m128i *)b->tag);
	simde__m128i same = simde_mm_cmpeq_epi16(tags, simde_mm_set1_epi16((int16_t)tag));

	_Static_assert(ZS_BUCKET_SLOTS == 8, "one vector of tags, one byte of bits");
	return (uint32_t)simde_mm_movemask_epi8(simde_mm_packs_epi16(same, same)) & 0xff;
}

/* The index that packets this way are found by. */
static inline const struct zs_flow_bucket *zs_flow_index(const struct zs_flow_table *t, enum zs_flow_way way)
{
	return way == ZS_FLOW_TO_TARGET ? t->by_client : t->by_target;
}

static inline void zs_flow_prefetch(const struct zs_flow_table *t, enum zs_flow_way way, uint64_t hash)
{
	zs_prefetch(&zs_flow_index(t, way)[(uint32_t)hash & t->mask]);
}

/* The flow that it probably is, whose line is on its way; or ZS_FLOW_NONE, and its other bucket is: ask again with `other`. */
static inline uint32_t zs_flow_guess(const struct zs_flow_table *t, enum zs_flow_way way, uint64_t hash,
				     bool other)
{
	const struct zs_flow_bucket *index = zs_flow_index(t, way);
	const struct zs_flow_bucket *b = &index[other ? zs_flow_other(t, hash) : (uint32_t)hash & t->mask];
	uint32_t bits = zs_flow_matches(b, zs_flow_tag(hash)), id;

	if (__builtin_expect(!bits, 0)) {
		if (!other)
			zs_prefetch(&index[zs_flow_other(t, hash)]);
		return ZS_FLOW_NONE;
	}
	id = b->id[__builtin_ctz(bits)];
	if (id >= t->capacity)
		return ZS_FLOW_NONE;
	zs_prefetch(&t->flow[id]);
	return id;
}

/* Is it the live flow of that key? */
static inline bool zs_flow_is(const struct zs_flow *f, enum zs_flow_way way, const struct zs_endpoint *remote,
			      uint16_t own_port, uint8_t local)
{
	bool out = way == ZS_FLOW_TO_TARGET;

	return zs_endpoint_eq(out ? &f->client : &f->target, remote) &&
	       (out ? f->port : f->source_port) == own_port &&
	       (out ? f->local_client : f->local_target) == local && f->used == ZS_FLOW_LIVE;
}

/* What says by which way its packets leave toward that end: next hop and own address, as one word. */
static inline uint64_t zs_flow_leads(const struct zs_flow *f, enum zs_flow_way way)
{
	uint8_t local = way == ZS_FLOW_TO_TARGET ? f->local_target : f->local_client;

	return f->nexthop[way] | (uint64_t)local << 16;
}

#endif
