/* What flow.c and flow_index.c share; nobody else includes it. */
#ifndef ZS_SHM_FLOW_INDEX_H
#define ZS_SHM_FLOW_INDEX_H

#include "shm/flow.h"

/* Where a hash may lie: a primary bucket and one alternative. */
struct zs_flow_place {
	uint32_t bucket[2];
	uint16_t tag;
};

struct zs_flow_place zs_flow_place_of(const struct zs_flow_table *t, uint64_t hash);
/* Is there a free slot in either bucket? */
bool zs_flow_index_room(const struct zs_flow_bucket *index, const struct zs_flow_place *p);
/* false: both buckets are full. */
bool zs_flow_index_put(struct zs_flow_bucket *index, const struct zs_flow_place *p, uint32_t id);
void zs_flow_index_del(struct zs_flow_bucket *index, const struct zs_flow_place *p, uint32_t id);

/* As zs_flow_find_target, resting flows too. */
uint32_t zs_flow_find_taken(const struct zs_flow_table *t, uint64_t hash, const struct zs_endpoint *target,
			    uint16_t source_port, uint8_t local);

/* The own port that the client's packets come to; those of a tunnel name none: 0. */
static inline uint16_t zs_flow_client_port(const struct zs_flow *f)
{
	return zs_is_attached(&f->client.addr) ? 0 : f->port;
}

uint64_t zs_flow_hash_client(const struct zs_flow_table *t, const struct zs_flow *f);
uint64_t zs_flow_hash_target(const struct zs_flow_table *t, const struct zs_flow *f);

#endif
