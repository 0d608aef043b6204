/* Which source ports, or flow numbers, are in use toward each target: where a free one is, at the same small cost however few are
 * left. In the owner's own memory beside the partition, made again at each start. It leads the search alone: whether a port is
 * free is what the target's index says, so what was damaged in the segment costs ports, never gives one twice. */
#ifndef ZS_SHM_FLOW_SOURCE_H
#define ZS_SHM_FLOW_SOURCE_H

#include <stddef.h>
#include "shm/flow.h"

/* Owner: bytes for so many flows, and binding them, with the flows that are in the partition by now. The memory stays the caller's
 * and lives as long as the table's view. */
size_t zs_flow_sources_bytes(uint32_t capacity);
void zs_flow_sources_bind(struct zs_flow_table *t, void *memory);

/* flow.c alone, but for the count; nothing is known while no memory is bound. A flow's source port is taken, free again. */
void zs_flow_sources_take(struct zs_flow_table *t, const struct zs_flow *f);
void zs_flow_sources_give(struct zs_flow_table *t, const struct zs_flow *f);
/* The first that is free toward the target from `start` on, in [first, last] and round; 0: none is. */
uint16_t zs_flow_sources_find(const struct zs_flow_table *t, const struct zs_endpoint *target, uint8_t local,
			      uint16_t first, uint16_t last, uint16_t start);
/* Since no source port was found for a published port, as of this stamp of the tables, has none come free? What to ask first: one
 * word. A port with an unconfirmed flow to give for it was never noted. */
void zs_flow_sources_note_none(struct zs_flow_table *t, uint16_t published, uint32_t stamp);
bool zs_flow_sources_none(const struct zs_flow_table *t, uint16_t published, uint32_t stamp);
/* Lines looked at since they were bound: the work. */
uint64_t zs_flow_sources_looked(const struct zs_flow_table *t);
/* Walker: is the flow's port known as taken? */
bool zs_flow_sources_right(const struct zs_flow_table *t, const struct zs_flow *f);

#endif
