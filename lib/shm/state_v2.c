#include "shm/state_v2.h"

#include <errno.h>
#include <string.h>
#include "shm/state.h"

#define VERSION 2

struct end {
	uint8_t addr[16];
	uint16_t port;
};

struct flow {
	struct end client, target;
	uint16_t port, source_port;
	uint8_t local_client, local_target, used, answered;
	uint32_t nexthop_client, nexthop_target; /* found again */
	uint32_t published_generation, last_ms, tables_change;
	uint64_t to_target_packets, to_target_bytes, to_client_packets, to_client_bytes;
	uint32_t created_ms;
	uint32_t next, older, waits; /* made again */
	uint8_t pad[16];
} __attribute__((aligned(64)));
_Static_assert(sizeof(struct flow) == 128, "two lines");

static const struct zs_segment_field members[] = {
	{ "endpoint.addr", 0, 16 },
	{ "endpoint.port", 16, 2 },
	{ "head.capacity", 0, 4 },
	{ "head.buckets", 4, 4 },
	{ "head.port_first", 8, 2 },
	{ "head.port_last", 10, 2 },
	{ "head.used", 12, 4 },
	{ "head.free_head", 16, 4 },
	{ "head.sweep", 20, 4 },
	{ "head.owner", 24, 1 },
	{ "head.dirty", 25, 1 },
	{ "head.oldest", 28, 4 },
	{ "head.youngest", 32, 4 },
	{ "flow.client", 0, 18 },
	{ "flow.target", 18, 18 },
	{ "flow.port", 36, 2 },
	{ "flow.source_port", 38, 2 },
	{ "flow.local_client", 40, 1 },
	{ "flow.local_target", 41, 1 },
	{ "flow.used", 42, 1 },
	{ "flow.answered", 43, 1 },
	{ "flow.nexthop_client", 44, 4 },
	{ "flow.nexthop_target", 48, 4 },
	{ "flow.published_generation", 52, 4 },
	{ "flow.last_ms", 56, 4 },
	{ "flow.tables_change", 60, 4 },
	{ "flow.to_target_packets", 64, 8 },
	{ "flow.to_target_bytes", 72, 8 },
	{ "flow.to_client_packets", 80, 8 },
	{ "flow.to_client_bytes", 88, 8 },
	{ "flow.created_ms", 96, 4 },
	{ "flow.next", 100, 4 },
	{ "flow.older", 104, 4 },
	{ "flow.waits", 108, 4 },
};

bool zs_state_v2_is(const struct zs_segment_header *old)
{
	return old->version == VERSION && zs_state_same_flows(old, members, ZS_ARRAY_LEN(members));
}

int zs_state_v2_bind(struct zs_state *old)
{
	size_t heads = 0, flows = 0;

	old->flow_head = zs_segment_region(&old->seg, "@flow_head", &heads);
	if (!old->flow_head || !zs_segment_region(&old->seg, "@flow", &flows) ||
	    heads % sizeof(*old->flow_head))
		return -EPROTO;
	heads /= sizeof(*old->flow_head);
	if (heads == 0 || heads > ZS_WORKERS_MAX || flows % (heads * sizeof(struct flow)) != 0)
		return -EPROTO;
	flows /= heads * sizeof(struct flow);
	if (flows == 0 || flows > ZS_FLOW_CAPACITY_MAX)
		return -EPROTO;
	old->partitions = (uint32_t)heads;
	old->flow_capacity = (uint32_t)flows;
	return 0;
}

static struct zs_endpoint end_of(const struct end *e)
{
	struct zs_endpoint to = { .port = e->port };

	memcpy(to.addr.ip, e->addr, sizeof(to.addr.ip));
	return to;
}

void zs_state_v2_carry(const struct zs_state *old, uint32_t partition, uint32_t id, struct zs_state *fresh)
{
	const struct flow *all = zs_segment_region(&old->seg, "@flow", NULL);
	const struct flow *f = &all[(size_t)partition * old->flow_capacity + id];
	size_t to = (size_t)partition * fresh->flow_capacity + id;

	fresh->flow[to] = (struct zs_flow){ .client = end_of(&f->client),
					    .target = end_of(&f->target),
					    .port = f->port,
					    .source_port = f->source_port,
					    .local_client = f->local_client,
					    .local_target = f->local_target,
					    .used = f->used,
					    .answered = f->answered,
					    .last_ms = f->last_ms };
	fresh->flow_rest[to] = (struct zs_flow_rest){ .packets = { f->to_target_packets,
								   f->to_client_packets },
						      .bytes = { f->to_target_bytes, f->to_client_bytes },
						      .created_ms = f->created_ms,
						      .published_generation = f->published_generation };
}
