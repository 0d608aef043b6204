/* The state segment: adoption, growth, sums.
 *
 * Capacity and partitions are told by the regions' sizes alone and kept in the process's own view.
 * A shape that wants more gets a new segment: counters, interfaces, health and flows are copied,
 * heads are marked dirty, and zs_flow_table_open builds the indexes at the new size. A segment of
 * another build or of version 2 goes the same way, with its flows alone. */
#include "shm/state.h"

#include <errno.h>
#include <string.h>
#include "base/check.h"
#include "base/clock.h"
#include "shm/state_v2.h"

#define STALLED_NS (5 * ZS_NS_PER_S) /* housekeeping is due each millisecond; a busy host may steal much */

/* The region when its size is `size`, or any when that is 0. */
static void *region(const struct zs_state *s, const char *name, size_t size, size_t *have)
{
	size_t n = 0;
	void *p = zs_segment_region(&s->seg, name, &n);

	if (have)
		*have = n;
	return size && n != size ? NULL : p;
}

static int bind_flows(struct zs_state *s)
{
	size_t heads = 0, flows = 0, index;

	if (s->seg.base->version != ZS_STATE_VERSION)
		return zs_state_v2_bind(s);
	s->flow_head = region(s, "@flow_head", 0, &heads);
	s->flow = region(s, "@flow", 0, &flows);
	if (!s->flow_head || !s->flow || heads % sizeof(*s->flow_head))
		return -EPROTO;
	heads /= sizeof(*s->flow_head);
	if (heads == 0 || heads > ZS_WORKERS_MAX || flows % (heads * sizeof(*s->flow)) != 0)
		return -EPROTO;
	flows /= heads * sizeof(*s->flow);
	if (flows == 0 || flows > ZS_FLOW_CAPACITY_MAX)
		return -EPROTO;
	s->partitions = (uint32_t)heads;
	s->flow_capacity = (uint32_t)flows;
	s->flow_buckets = zs_flow_buckets_for(s->flow_capacity);
	s->flow_rest = region(s, "@flow_rest", heads * flows * sizeof(*s->flow_rest), NULL);
	if (!s->flow_rest)
		return -EPROTO;
	index = heads * s->flow_buckets * sizeof(struct zs_flow_bucket);
	s->by_client = region(s, "@by_client", index, NULL);
	s->by_target = region(s, "@by_target", index, NULL);
	return 0;
}

static int bind(struct zs_state *s)
{
	s->worker = region(s, "@worker", ZS_WORKERS_MAX * sizeof(*s->worker), NULL);
	s->iface = region(s, "@iface", ZS_IFACES_MAX * sizeof(*s->iface), NULL);
	s->health = region(s, "@health", ZS_HEALTHS * sizeof(*s->health), NULL);
	if (!s->worker || !s->iface || !s->health)
		return -EPROTO;
	if (bind_flows(s) < 0 || !s->by_client || !s->by_target || zs_state_bind_relay(s) < 0)
		return -EPROTO;
	return zs_state_bind_tunnels(s);
}

static int bind_or_leave(struct zs_state *s, int (*binds)(struct zs_state *s), struct zs_error *err)
{
	if (binds(s) == 0)
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

static void carry_flow(const struct zs_state *old, uint32_t partition, uint32_t id, struct zs_state *fresh)
{
	size_t from = (size_t)partition * old->flow_capacity + id;
	size_t to = (size_t)partition * fresh->flow_capacity + id;

	if (old->seg.base->version != ZS_STATE_VERSION) {
		zs_state_v2_carry(old, partition, id, fresh);
		return;
	}
	fresh->flow[to] = old->flow[from];
	fresh->flow_rest[to] = old->flow_rest[from];
}

static void carry_flows(const struct zs_state *old, struct zs_state *fresh)
{
	for (uint32_t i = 0; i < old->partitions; i++) {
		struct zs_flow_partition_head *h = &fresh->flow_head[i];
		if (old->flow_head[i].capacity != old->flow_capacity)
			continue; /* never used, or damaged */
		memcpy(h, &old->flow_head[i], sizeof(*h));
		h->capacity = fresh->flow_capacity;
		h->buckets = fresh->flow_buckets;
		h->dirty = 1;
		for (uint32_t id = 0; id < old->flow_capacity; id++)
			carry_flow(old, i, id, fresh);
	}
}

static void carry_counts(const struct zs_state *old, struct zs_state *fresh)
{
	memcpy(fresh->worker, old->worker, ZS_WORKERS_MAX * sizeof(*old->worker));
	memcpy(fresh->iface, old->iface, ZS_IFACES_MAX * sizeof(*old->iface));
	memcpy(fresh->health, old->health, ZS_HEALTHS * sizeof(*old->health));
}

/* A new segment, of this shape or larger, takes the name; on failure the old one stays as it is.
 * Only flows are carried over from a foreign one. */
static int renew(struct zs_state *s, const char *dir, struct zs_state_shape shape, bool foreign,
		 struct zs_error *err)
{
	struct zs_state fresh = { 0 };
	int rc;

	if (shape.flow_capacity < s->flow_capacity)
		shape.flow_capacity = s->flow_capacity;
	if (shape.partitions < s->partitions)
		shape.partitions = s->partitions;
	if (shape.windows < s->windows)
		shape.windows = s->windows;
	rc = zs_segment_new(&fresh.seg, dir, &zs_state_kind, &shape, err);
	if (rc == 0)
		rc = bind_or_leave(&fresh, bind, err);
	if (rc < 0)
		return rc;
	if (!foreign)
		carry_counts(s, &fresh);
	if (!foreign && fresh.attachments == s->attachments && fresh.sessions == s->sessions) {
		zs_state_carry_relay(s, &fresh);
		zs_state_carry_tunnels(s, &fresh);
	}
	carry_flows(s, &fresh);
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
		rc = bind_or_leave(s, bind, err);
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
	struct zs_state_shape want = zs_state_shaped(shape);
	bool foreign;
	int rc;

	*s = (struct zs_state){ 0 };
	*fresh = false;
	rc = zs_segment_adopt(&s->seg, dir, &zs_state_kind, &want, err);
	if (rc == -ENOENT) {
		rc = make(s, dir, &want, err);
		*fresh = rc == 0;
		return rc;
	}
	foreign = rc == ZS_SEGMENT_FOREIGN;
	if (rc >= 0)
		rc = bind_or_leave(s, foreign ? bind_flows : bind, err);
	if (rc < 0)
		return rc;
	if (foreign || want.flow_capacity > s->flow_capacity || want.partitions > s->partitions ||
	    want.attachments != s->attachments || want.sessions != s->sessions || want.windows > s->windows)
		rc = renew(s, dir, want, foreign, err);
	if (rc < 0) {
		zs_segment_leave(&s->seg);
		return rc;
	}
	nobody_runs(s);
	return 0;
}

int zs_state_open_reader(struct zs_state *s, const char *dir, struct zs_error *err)
{
	int rc;

	*s = (struct zs_state){ 0 };
	rc = zs_segment_join(&s->seg, dir, &zs_state_kind, err);
	return rc < 0 ? rc : bind_or_leave(s, bind, err);
}

void zs_state_close(struct zs_state *s)
{
	zs_segment_leave(&s->seg);
	*s = (struct zs_state){ 0 };
}

int zs_state_flow_table(const struct zs_state *s, uint32_t index, const uint8_t hash_key[16], bool fresh,
			struct zs_flow_table *out)
{
	size_t b = (size_t)index * s->flow_buckets, f = (size_t)index * s->flow_capacity;
	struct zs_flow_memory memory;

	if (index >= s->partitions)
		return -EINVAL;
	memory = (struct zs_flow_memory){ .head = &s->flow_head[index],
					  .by_client = &s->by_client[b],
					  .by_target = &s->by_target[b],
					  .flow = &s->flow[f],
					  .rest = &s->flow_rest[f],
					  .capacity = s->flow_capacity,
					  .buckets = s->flow_buckets };
	return s->seg.writer ? zs_flow_table_open(out, &memory, hash_key, fresh)
			     : zs_flow_table_join(out, &memory, hash_key);
}

bool zs_worker_stalled(const struct zs_worker_state *w, uint64_t now_ns)
{
	uint64_t beat = atomic_load_explicit(&w->heartbeat_ns, memory_order_relaxed);

	return atomic_load_explicit(&w->running, memory_order_relaxed) && now_ns > beat &&
	       now_ns - beat > STALLED_NS;
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

bool zs_state_graced(const struct zs_state *s, uint64_t epoch)
{
	if (!s || !zs_segment_writer_alive(&s->seg))
		return true;
	for (uint32_t i = 0; i < ZS_WORKERS_MAX; i++)
		if (!zs_qsbr_passed(&s->worker[i].qsbr, 1, epoch))
			return false;
	return true;
}
