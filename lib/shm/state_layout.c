/* What the state segment is made of.
 *
 * Regions: @worker @iface @health @flow_head @by_client @by_target @flow @flow_rest; the last five hold
 * `partitions` equal parts. Of attachments: @binding @binding_head @binding_change @sender @hot @account @bucket @tenant_bucket;
 * @hot and @account hold `partitions` equal parts. Of tunnels: see state_tunnels.c. The rows "names.counters", "names.drops", "names.stages" and
 * "names.health" hash the names of the definition tables, so a process never reads one counter
 * as another. */
#include "shm/state.h"

#include <string.h>
#include "base/check.h"
#include "shm/sessions.h"
#include "shm/state_v2.h"

#define BINDING_CHANGES                                                                                      \
	16384u /* ids: each binding is refreshed every 20 s, a worker may be away for a while */

static const struct zs_segment_field members[] = {
	ZS_SEGMENT_MEMBER("counters", struct zs_worker_counters, counter),
	ZS_SEGMENT_MEMBER("counters", struct zs_worker_counters, drop),
	ZS_SEGMENT_MEMBER("counters", struct zs_worker_counters, stage_cycles),
	ZS_SEGMENT_MEMBER("counters", struct zs_worker_counters, stage_packets),
	ZS_SEGMENT_MEMBER("worker", struct zs_worker_state, qsbr),
	ZS_SEGMENT_MEMBER("worker", struct zs_worker_state, heartbeat_ns),
	ZS_SEGMENT_MEMBER("worker", struct zs_worker_state, running),
	ZS_SEGMENT_MEMBER("worker", struct zs_worker_state, cpu),
	ZS_SEGMENT_MEMBER("worker", struct zs_worker_state, tsc_hz),
	ZS_SEGMENT_MEMBER("worker", struct zs_worker_state, idle_sleeps),
	ZS_SEGMENT_MEMBER("worker", struct zs_worker_state, counters),
	ZS_SEGMENT_MEMBER("iface", struct zs_iface_state, name),
	ZS_SEGMENT_MEMBER("iface", struct zs_iface_state, mac),
	ZS_SEGMENT_MEMBER("iface", struct zs_iface_state, mtu),
	ZS_SEGMENT_MEMBER("iface", struct zs_iface_state, up),
	ZS_SEGMENT_MEMBER("iface", struct zs_iface_state, steered),
	ZS_SEGMENT_MEMBER("iface", struct zs_iface_state, passed),
	ZS_SEGMENT_MEMBER("iface", struct zs_iface_state, fallback_dropped),
	ZS_SEGMENT_MEMBER("iface", struct zs_iface_state, missed),
	ZS_SEGMENT_MEMBER("iface", struct zs_iface_state, errors),
	ZS_SEGMENT_MEMBER("health", struct zs_health_cell, seq),
	ZS_SEGMENT_MEMBER("health", struct zs_health_cell, raised),
	ZS_SEGMENT_MEMBER("health", struct zs_health_cell, since_ns),
	ZS_SEGMENT_MEMBER("health", struct zs_health_cell, count),
	ZS_SEGMENT_MEMBER("health", struct zs_health_cell, detail),
	ZS_SEGMENT_MEMBER("endpoint", struct zs_endpoint, addr),
	ZS_SEGMENT_MEMBER("endpoint", struct zs_endpoint, port),
	ZS_SEGMENT_MEMBER("head", struct zs_flow_partition_head, capacity),
	ZS_SEGMENT_MEMBER("head", struct zs_flow_partition_head, buckets),
	ZS_SEGMENT_MEMBER("head", struct zs_flow_partition_head, port_first),
	ZS_SEGMENT_MEMBER("head", struct zs_flow_partition_head, port_last),
	ZS_SEGMENT_MEMBER("head", struct zs_flow_partition_head, used),
	ZS_SEGMENT_MEMBER("head", struct zs_flow_partition_head, free_head),
	ZS_SEGMENT_MEMBER("head", struct zs_flow_partition_head, sweep),
	ZS_SEGMENT_MEMBER("head", struct zs_flow_partition_head, owner),
	ZS_SEGMENT_MEMBER("head", struct zs_flow_partition_head, dirty),
	ZS_SEGMENT_MEMBER("head", struct zs_flow_partition_head, oldest),
	ZS_SEGMENT_MEMBER("head", struct zs_flow_partition_head, youngest),
	ZS_SEGMENT_MEMBER("bucket", struct zs_flow_bucket, tag),
	ZS_SEGMENT_MEMBER("bucket", struct zs_flow_bucket, id),
	ZS_SEGMENT_MEMBER("flow", struct zs_flow, client),
	ZS_SEGMENT_MEMBER("flow", struct zs_flow, target),
	ZS_SEGMENT_MEMBER("flow", struct zs_flow, port),
	ZS_SEGMENT_MEMBER("flow", struct zs_flow, source_port),
	ZS_SEGMENT_MEMBER("flow", struct zs_flow, local_client),
	ZS_SEGMENT_MEMBER("flow", struct zs_flow, local_target),
	ZS_SEGMENT_MEMBER("flow", struct zs_flow, used),
	ZS_SEGMENT_MEMBER("flow", struct zs_flow, answered),
	ZS_SEGMENT_MEMBER("flow", struct zs_flow, last_ms),
	ZS_SEGMENT_MEMBER("flow", struct zs_flow, as_of),
	ZS_SEGMENT_MEMBER("flow", struct zs_flow, nexthop),
	ZS_SEGMENT_MEMBER("flow", struct zs_flow, lately),
	ZS_SEGMENT_MEMBER("rest", struct zs_flow_rest, packets),
	ZS_SEGMENT_MEMBER("rest", struct zs_flow_rest, bytes),
	ZS_SEGMENT_MEMBER("rest", struct zs_flow_rest, created_ms),
	ZS_SEGMENT_MEMBER("rest", struct zs_flow_rest, published_generation),
	ZS_SEGMENT_MEMBER("rest", struct zs_flow_rest, next),
	ZS_SEGMENT_MEMBER("rest", struct zs_flow_rest, older),
	ZS_SEGMENT_MEMBER("rest", struct zs_flow_rest, waits),
	ZS_SEGMENT_MEMBER("binding", struct zs_binding, seq),
	ZS_SEGMENT_MEMBER("binding", struct zs_binding, generation),
	ZS_SEGMENT_MEMBER("binding", struct zs_binding, port),
	ZS_SEGMENT_MEMBER("binding", struct zs_binding, addr),
	ZS_SEGMENT_MEMBER("binding", struct zs_binding, expires_ns),
	ZS_SEGMENT_MEMBER("binding", struct zs_binding, counter),
	ZS_SEGMENT_MEMBER("binding", struct zs_binding, receiver),
	ZS_SEGMENT_MEMBER("binding", struct zs_binding, bind_id),
	ZS_SEGMENT_MEMBER("binding", struct zs_binding, local),
	ZS_SEGMENT_MEMBER("binding", struct zs_binding, holder),
	ZS_SEGMENT_MEMBER("hot", struct zs_hot, generation),
	ZS_SEGMENT_MEMBER("hot", struct zs_hot, port),
	ZS_SEGMENT_MEMBER("hot", struct zs_hot, addr),
	ZS_SEGMENT_MEMBER("hot", struct zs_hot, meter),
	ZS_SEGMENT_MEMBER("hot", struct zs_hot, local),
	ZS_SEGMENT_MEMBER("hot", struct zs_hot, flags),
	ZS_SEGMENT_MEMBER("hot", struct zs_hot, nexthop),
	ZS_SEGMENT_MEMBER("hot", struct zs_hot, stamp),
	ZS_SEGMENT_MEMBER("hot", struct zs_hot, expires),
	ZS_SEGMENT_MEMBER("account", struct zs_account, lease),
	ZS_SEGMENT_MEMBER("account", struct zs_account, flows),
	ZS_SEGMENT_MEMBER("account", struct zs_account, tenant),
	ZS_SEGMENT_MEMBER("buckets", struct zs_buckets, to),
	ZS_SEGMENT_MEMBER("gcra", struct zs_bucket, bytes),
	ZS_SEGMENT_MEMBER("gcra", struct zs_bucket, packets),
	ZS_SEGMENT_MEMBER("gcra", struct zs_bucket, share),
	ZS_SEGMENT_MEMBER("gcra", struct zs_bucket, new_flows),
	ZS_SEGMENT_MEMBER("lease", struct zs_lease, bytes),
	ZS_SEGMENT_MEMBER("lease", struct zs_lease, packets),
	ZS_SEGMENT_MEMBER("lease", struct zs_lease, share),
	ZS_SEGMENT_MEMBER("lease", struct zs_lease, listed),
	ZS_SEGMENT_MEMBER("lease", struct zs_lease, since),
	ZS_SEGMENT_MEMBER("changes", struct zs_changelog_head, next),
	ZS_SEGMENT_MEMBER("sender", struct zs_sender_bucket, word),
};

/* Every name of a definition table in one string. */
static const char counter_names[] =
#define ZS_COUNTER(name, text) #name " "
#include "defs/counters.def"
#undef ZS_COUNTER
    ;
static const char drop_names[] =
#define ZS_DROP(name, text) #name " "
#include "defs/drops.def"
#undef ZS_DROP
    ;
static const char stage_names[] =
#define ZS_STAGE(name, text) #name " "
#include "defs/stages.def"
#undef ZS_STAGE
    ;
static const char health_names[] =
#define ZS_HEALTH(name, code, severity, text, action) #name " "
#include "defs/health.def"
#undef ZS_HEALTH
    ;

/* FNV-1a; the row's size carries it. */
static uint32_t put_names(struct zs_segment_field *out, uint32_t n, const char *row, const char *names)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325);

	for (const char *p = names; *p; p++)
		h = (h ^ (uint8_t)*p) * UINT64_C(0x100000001b3);
	memset(&out[n], 0, sizeof(out[n]));
	memcpy(out[n].name, row, strlen(row));
	out[n].size = h;
	return n + 1;
}

struct zs_state_shape zs_state_shaped(const struct zs_state_shape *shape)
{
	struct zs_state_shape s = shape ? *shape : (struct zs_state_shape){ 0 };

	if (s.flow_capacity == 0)
		s.flow_capacity = CONFIG_FLOW_CAPACITY;
	if (s.partitions == 0)
		s.partitions = 1;
	if (s.attachments == 0)
		s.attachments = CONFIG_ATTACHMENTS;
	if (s.sessions == 0)
		s.sessions = CONFIG_SESSIONS;
	if (s.windows == 0)
		s.windows = ZS_WINDOWS;
	ZS_CHECK(s.sessions <= ZS_SESSIONS_MAX && !(s.sessions & (s.sessions - 1)) &&
		     s.windows <= ZS_WINDOWS_MAX,
		 "sessions %u, windows %u", s.sessions, s.windows);
	ZS_CHECK(s.attachments <= ZS_ATTACHMENTS_MAX && !(s.attachments & (s.attachments - 1)),
		 "attachments %u", s.attachments);
	ZS_CHECK(s.flow_capacity <= ZS_FLOW_CAPACITY_MAX && s.partitions <= ZS_WORKERS_MAX,
		 "flows %u in %u partitions", s.flow_capacity, s.partitions);
	return s;
}

static uint32_t put_relay(struct zs_segment_field *out, uint32_t n, const struct zs_state_shape *s)
{
	uint64_t each = (uint64_t)s->partitions * s->attachments;

	n = zs_segment_put_region(out, n, "@binding", (uint64_t)s->attachments * sizeof(struct zs_binding));
	n = zs_segment_put_region(out, n, "@binding_head", sizeof(struct zs_changelog_head));
	n = zs_segment_put_region(out, n, "@binding_change", BINDING_CHANGES * sizeof(uint32_t));
	n = zs_segment_put_region(out, n, "@sender",
				  (uint64_t)zs_senders_for(s->attachments) * sizeof(struct zs_sender_bucket));
	n = zs_segment_put_region(out, n, "@hot", each * sizeof(struct zs_hot));
	n = zs_segment_put_region(out, n, "@account", each * sizeof(struct zs_account));
	n = zs_segment_put_region(out, n, "@bucket", (uint64_t)s->attachments * sizeof(struct zs_buckets));
	return zs_segment_put_region(out, n, "@tenant_bucket", ZS_TENANTS * sizeof(struct zs_buckets));
}

static uint32_t fields(struct zs_segment_field *out, const void *shape)
{
	struct zs_state_shape s = zs_state_shaped(shape);
	uint64_t index = (uint64_t)s.partitions * zs_flow_buckets_for(s.flow_capacity) *
			 sizeof(struct zs_flow_bucket);
	uint32_t n = ZS_ARRAY_LEN(members);

	_Static_assert(ZS_ARRAY_LEN(members) + 23 + ZS_STATE_TUNNEL_MEMBERS <= ZS_SEGMENT_FIELDS,
		       "field table is full");
	memcpy(out, members, sizeof(members));
	n += zs_state_tunnel_members(out + n);
	n = put_names(out, n, "names.counters", counter_names);
	n = put_names(out, n, "names.drops", drop_names);
	n = put_names(out, n, "names.stages", stage_names);
	n = put_names(out, n, "names.health", health_names);
	n = zs_segment_put_region(out, n, "@worker", ZS_WORKERS_MAX * sizeof(struct zs_worker_state));
	n = zs_segment_put_region(out, n, "@iface", ZS_IFACES_MAX * sizeof(struct zs_iface_state));
	n = zs_segment_put_region(out, n, "@health", ZS_HEALTHS * sizeof(struct zs_health_cell));
	n = zs_segment_put_region(out, n, "@flow_head", s.partitions * sizeof(struct zs_flow_partition_head));
	n = zs_segment_put_region(out, n, "@by_client", index);
	n = zs_segment_put_region(out, n, "@by_target", index);
	n = zs_segment_put_region(out, n, "@flow",
				  (uint64_t)s.partitions * s.flow_capacity * sizeof(struct zs_flow));
	n = zs_segment_put_region(out, n, "@flow_rest",
				  (uint64_t)s.partitions * s.flow_capacity * sizeof(struct zs_flow_rest));
	n = put_relay(out, n, &s);
	return zs_state_tunnel_regions(out, n, &s);
}

/* Rows of what a flow is made of; copies them out of a field table and returns how many. */
static uint32_t flow_rows(struct zs_segment_field *out, const struct zs_segment_field *in, uint32_t count)
{
	static const char *const nicks[] = { "endpoint.", "head.", "flow.", "rest." };
	uint32_t n = 0;

	for (uint32_t i = 0; i < count; i++)
		for (size_t k = 0; k < ZS_ARRAY_LEN(nicks); k++)
			if (strncmp(in[i].name, nicks[k], strlen(nicks[k])) == 0)
				out[n++] = in[i];
	return n;
}

bool zs_state_same_flows(const struct zs_segment_header *old, const struct zs_segment_field *rows,
			 uint32_t count)
{
	struct zs_segment_header theirs = { 0 };
	struct zs_segment_field ours[ZS_SEGMENT_FIELDS];
	char name[ZS_SEGMENT_FIELD_NAME];

	theirs.field_count = flow_rows(theirs.field, old->field, old->field_count);
	return zs_segment_same_members(&theirs, ours, flow_rows(ours, rows, count), name);
}

/* Another build's counters, drop reasons, stages and health codes mean nothing here; its flows do
 * when they are laid out as ours, or as those of the version before. */
static bool has_flows(const struct zs_segment_header *old)
{
	return old->version == ZS_STATE_VERSION ? zs_state_same_flows(old, members, ZS_ARRAY_LEN(members))
						: zs_state_v2_is(old);
}

const struct zs_segment_kind zs_state_kind = {
	.name = "state",
	.version = ZS_STATE_VERSION,
	.fields = fields,
	.expendable = true,
	.supersedes = has_flows,
};
