/* The state segment: layout, adoption, growth.
 *
 * Regions: @worker @iface @health @flow_head @by_client @by_target @flow; the last four hold
 * `partitions` equal parts. Capacity and partitions are told by the regions' sizes alone and
 * kept in the process's own view. The rows "counters", "drops", "stages" and "codes" hash
 * the names of the definition tables, so a process never reads one counter as another.
 *
 * A shape that wants more gets a new segment: counters, interfaces, health and flows are copied,
 * heads are marked dirty, and zs_flow_table_open builds the indexes at the new size. */
#include "shm/state.h"

#include <errno.h>
#include <string.h>
#include "base/check.h"

#define CAPACITY_MAX (1u << 24) /* Kconfig's limit */

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
	ZS_SEGMENT_MEMBER("flow", struct zs_flow, nexthop_client),
	ZS_SEGMENT_MEMBER("flow", struct zs_flow, nexthop_target),
	ZS_SEGMENT_MEMBER("flow", struct zs_flow, published_generation),
	ZS_SEGMENT_MEMBER("flow", struct zs_flow, last_ms),
	ZS_SEGMENT_MEMBER("flow", struct zs_flow, to_target_packets),
	ZS_SEGMENT_MEMBER("flow", struct zs_flow, to_target_bytes),
	ZS_SEGMENT_MEMBER("flow", struct zs_flow, to_client_packets),
	ZS_SEGMENT_MEMBER("flow", struct zs_flow, to_client_bytes),
	ZS_SEGMENT_MEMBER("flow", struct zs_flow, created_ms),
	ZS_SEGMENT_MEMBER("flow", struct zs_flow, next),
	ZS_SEGMENT_MEMBER("flow", struct zs_flow, older),
	ZS_SEGMENT_MEMBER("flow", struct zs_flow, waits),
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

static struct zs_state_shape shaped(const struct zs_state_shape *shape)
{
	struct zs_state_shape s = shape ? *shape : (struct zs_state_shape){ 0 };

	if (s.flow_capacity == 0)
		s.flow_capacity = CONFIG_FLOW_CAPACITY;
	if (s.partitions == 0)
		s.partitions = 1;
	ZS_CHECK(s.flow_capacity <= CAPACITY_MAX && s.partitions <= ZS_WORKERS_MAX,
		 "flows %u in %u partitions", s.flow_capacity, s.partitions);
	return s;
}

static uint32_t fields(struct zs_segment_field *out, const void *shape)
{
	struct zs_state_shape s = shaped(shape);
	uint64_t index = (uint64_t)s.partitions * zs_flow_buckets_for(s.flow_capacity) *
			 sizeof(struct zs_flow_bucket);
	uint32_t n = ZS_ARRAY_LEN(members);

	_Static_assert(ZS_ARRAY_LEN(members) + 11 <= ZS_SEGMENT_FIELDS, "field table is full");
	memcpy(out, members, sizeof(members));
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
	return zs_segment_put_region(out, n, "@flow",
				     (uint64_t)s.partitions * s.flow_capacity * sizeof(struct zs_flow));
}

const struct zs_segment_kind zs_state_kind = {
	.name = "state",
	.version = ZS_STATE_VERSION,
	.fields = fields,
};

/* The region when its size is `size`, or any when that is 0. */
static void *region(const struct zs_state *s, const char *name, size_t size, size_t *have)
{
	size_t n = 0;
	void *p = zs_segment_region(&s->seg, name, &n);

	if (have)
		*have = n;
	return size && n != size ? NULL : p;
}

static int bind(struct zs_state *s)
{
	size_t heads = 0, flows = 0, index;

	s->worker = region(s, "@worker", ZS_WORKERS_MAX * sizeof(*s->worker), NULL);
	s->iface = region(s, "@iface", ZS_IFACES_MAX * sizeof(*s->iface), NULL);
	s->health = region(s, "@health", ZS_HEALTHS * sizeof(*s->health), NULL);
	s->flow_head = region(s, "@flow_head", 0, &heads);
	s->flow = region(s, "@flow", 0, &flows);
	if (heads % sizeof(*s->flow_head))
		return -EPROTO;
	heads /= sizeof(*s->flow_head);
	if (!s->worker || !s->iface || !s->health || !s->flow_head || !s->flow || heads == 0 ||
	    heads > ZS_WORKERS_MAX || flows % (heads * sizeof(*s->flow)) != 0)
		return -EPROTO;
	flows /= heads * sizeof(*s->flow);
	if (flows == 0 || flows > CAPACITY_MAX)
		return -EPROTO;
	s->partitions = (uint32_t)heads;
	s->flow_capacity = (uint32_t)flows;
	s->flow_buckets = zs_flow_buckets_for(s->flow_capacity);
	index = heads * s->flow_buckets * sizeof(struct zs_flow_bucket);
	s->by_client = region(s, "@by_client", index, NULL);
	s->by_target = region(s, "@by_target", index, NULL);
	return s->by_client && s->by_target ? 0 : -EPROTO;
}

static int bind_or_leave(struct zs_state *s, struct zs_error *err)
{
	if (bind(s) == 0)
		return 0;
	zs_segment_leave(&s->seg);
	return zs_error_set(err, -EPROTO, ZS_EXIT_LAYOUT, "%s: a region is missing or has an impossible size",
			    s->seg.path);
}

/* The workers of the writer before are gone. */
static void nobody_runs(struct zs_state *s)
{
	for (uint32_t i = 0; i < ZS_WORKERS_MAX; i++) {
		zs_qsbr_offline(&s->worker[i].qsbr);
		atomic_store(&s->worker[i].running, 0);
	}
}

static void carry(const struct zs_state *old, struct zs_state *fresh)
{
	memcpy(fresh->worker, old->worker, ZS_WORKERS_MAX * sizeof(*old->worker));
	memcpy(fresh->iface, old->iface, ZS_IFACES_MAX * sizeof(*old->iface));
	memcpy(fresh->health, old->health, ZS_HEALTHS * sizeof(*old->health));
	for (uint32_t i = 0; i < old->partitions; i++) {
		struct zs_flow_partition_head *h = &fresh->flow_head[i];
		if (old->flow_head[i].capacity != old->flow_capacity)
			continue; /* never used, or damaged */
		memcpy(h, &old->flow_head[i], sizeof(*h));
		h->capacity = fresh->flow_capacity;
		h->buckets = fresh->flow_buckets;
		h->dirty = 1;
		memcpy(&fresh->flow[(size_t)i * fresh->flow_capacity],
		       &old->flow[(size_t)i * old->flow_capacity],
		       (size_t)old->flow_capacity * sizeof(*old->flow));
	}
}

/* A new segment of a larger shape takes the name; on failure the old one stays in use. */
static int grow(struct zs_state *s, const char *dir, const struct zs_state_shape *shape, struct zs_error *err)
{
	struct zs_state fresh = { 0 };
	int rc = zs_segment_new(&fresh.seg, dir, &zs_state_kind, shape, err);

	if (rc == 0)
		rc = bind_or_leave(&fresh, err);
	if (rc < 0)
		return rc;
	carry(s, &fresh);
	rc = zs_segment_supersede(&s->seg, &fresh.seg, err);
	if (rc < 0) {
		zs_segment_leave(&fresh.seg);
		return rc;
	}
	*s = fresh;
	zs_segment_moved(&s->seg, &fresh.seg);
	return 0;
}

static int make(struct zs_state *s, const char *dir, const struct zs_state_shape *shape, struct zs_error *err)
{
	int rc = zs_segment_new(&s->seg, dir, &zs_state_kind, shape, err);

	if (rc == 0)
		rc = bind_or_leave(s, err);
	if (rc < 0)
		return rc;
	rc = zs_segment_publish(&s->seg, err);
	if (rc < 0)
		zs_segment_leave(&s->seg);
	return rc;
}

int zs_state_open_writer(struct zs_state *s, const char *dir, const struct zs_state_shape *shape, bool *fresh,
			 struct zs_error *err)
{
	struct zs_state_shape want = shaped(shape);
	int rc;

	*s = (struct zs_state){ 0 };
	*fresh = false;
	rc = zs_segment_adopt(&s->seg, dir, &zs_state_kind, &want, err);
	if (rc == -ENOENT) {
		rc = make(s, dir, &want, err);
		*fresh = rc == 0;
		return rc;
	}
	if (rc == 0)
		rc = bind_or_leave(s, err);
	if (rc < 0)
		return rc;
	nobody_runs(s);
	if (want.flow_capacity <= s->flow_capacity && want.partitions <= s->partitions)
		return 0;
	if (want.flow_capacity < s->flow_capacity)
		want.flow_capacity = s->flow_capacity;
	if (want.partitions < s->partitions)
		want.partitions = s->partitions;
	rc = grow(s, dir, &want, err);
	if (rc < 0 && s->seg.base)
		zs_segment_leave(&s->seg);
	return rc;
}

int zs_state_open_reader(struct zs_state *s, const char *dir, struct zs_error *err)
{
	int rc;

	*s = (struct zs_state){ 0 };
	rc = zs_segment_join(&s->seg, dir, &zs_state_kind, err);
	return rc < 0 ? rc : bind_or_leave(s, err);
}

void zs_state_close(struct zs_state *s)
{
	zs_segment_leave(&s->seg);
	*s = (struct zs_state){ 0 };
}

int zs_state_flow_table(const struct zs_state *s, uint32_t index, const uint8_t hash_key[16], bool fresh,
			struct zs_flow_table *out)
{
	size_t b = (size_t)index * s->flow_buckets;

	if (index >= s->partitions)
		return -EINVAL;
	struct zs_flow *flow = &s->flow[(size_t)index * s->flow_capacity];
	if (!s->seg.writer)
		return zs_flow_table_join(out, &s->flow_head[index], &s->by_client[b], &s->by_target[b], flow,
					  s->flow_capacity, s->flow_buckets, hash_key);
	return zs_flow_table_open(out, &s->flow_head[index], &s->by_client[b], &s->by_target[b], flow,
				  s->flow_capacity, s->flow_buckets, hash_key, fresh);
}

static void add(uint64_t *sum, const uint64_t *words, size_t count)
{
	for (size_t i = 0; i < count; i++)
		sum[i] += __atomic_load_n(&words[i], __ATOMIC_RELAXED);
}

void zs_state_sum(const struct zs_state *s, struct zs_worker_counters *out)
{
	memset(out, 0, sizeof(*out));
	for (uint32_t i = 0; i < ZS_WORKERS_MAX; i++) {
		const struct zs_worker_counters *c = &s->worker[i].counters;
		add(out->counter, c->counter, ZS_COUNTERS);
		add(out->drop, c->drop, ZS_DROPS);
		add(out->stage_cycles, c->stage_cycles, ZS_STAGES);
		add(out->stage_packets, c->stage_packets, ZS_STAGES);
	}
}
