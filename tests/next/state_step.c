/* A release after this one, for tests/e2e/upgrade: the state's version is one further, and this is its written step. It stands
 * where lib/shm/state_v2.c stands here, which is why the names say 2: what it takes over are flows of this build. */
#include <errno.h>
#include "shm/state.h"
#include "shm/state_v2.h"

#define BEFORE 3

bool zs_state_v2_is(const struct zs_segment_header *old)
{
	struct zs_segment_field rows[ZS_SEGMENT_FIELDS];

	return old->version == BEFORE && zs_state_same_flows(old, rows, zs_state_kind.fields(rows, NULL));
}

int zs_state_v2_bind(struct zs_state *old)
{
	size_t heads = 0, flows = 0;

	old->flow_head = zs_segment_region(&old->seg, "@flow_head", &heads);
	old->flow = zs_segment_region(&old->seg, "@flow", &flows);
	old->flow_rest = zs_segment_region(&old->seg, "@flow_rest", NULL);
	heads /= sizeof(*old->flow_head);
	if (!old->flow_head || !old->flow || !old->flow_rest || heads == 0)
		return -EPROTO;
	old->partitions = (uint32_t)heads;
	old->flow_capacity = (uint32_t)(flows / heads / sizeof(*old->flow));
	return 0;
}

void zs_state_v2_carry(const struct zs_state *old, uint32_t partition, uint32_t id, struct zs_state *fresh)
{
	size_t from = (size_t)partition * old->flow_capacity + id;
	size_t to = (size_t)partition * fresh->flow_capacity + id;

	fresh->flow[to] = old->flow[from];
	fresh->flow_rest[to] = old->flow_rest[from];
}
