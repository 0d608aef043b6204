/* The flows of version 2 of the state segment, frozen: what a writer takes over into version 3, where a flow is two
 * lines that lie apart. */
#ifndef ZS_SHM_STATE_V2_H
#define ZS_SHM_STATE_V2_H

#include "shm/segment.h"

struct zs_state;

/* Are this segment's flows those of version 2? */
bool zs_state_v2_is(const struct zs_segment_header *old);
/* Sets capacity and partitions of a view of such a segment. -EPROTO: a region is missing or has an impossible size. */
int zs_state_v2_bind(struct zs_state *old);
/* Copies flow `id` of a partition into the fresh segment's. */
void zs_state_v2_carry(const struct zs_state *old, uint32_t partition, uint32_t id, struct zs_state *fresh);

#endif
