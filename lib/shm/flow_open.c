/* Binding a flow table to memory, making it again after a kill, and its walker. */
#include "shm/flow.h"

#include <errno.h>
#include <string.h>
#include "base/check.h"
#include "shm/flow_index.h"
#include "shm/flow_port.h"
#include "shm/flow_source.h"

uint32_t zs_flow_buckets_for(uint32_t capacity)
{
	uint32_t buckets = 1;

	while ((uint64_t)buckets * ZS_BUCKET_SLOTS < 2 * (uint64_t)capacity)
		buckets *= 2;
	return buckets;
}

int zs_flow_table_join(struct zs_flow_table *t, const struct zs_flow_memory *memory,
		       const uint8_t hash_key[16])
{
	const struct zs_flow_memory *m = memory;

	if (m->capacity == 0 || m->capacity == ZS_FLOW_NONE || m->buckets == 0 ||
	    (m->buckets & (m->buckets - 1)))
		return -EINVAL;
	*t = (struct zs_flow_table){ .head = m->head,
				     .by_client = m->by_client,
				     .by_target = m->by_target,
				     .flow = m->flow,
				     .rest = m->rest,
				     .capacity = m->capacity,
				     .mask = m->buckets - 1 };
	memcpy(t->key, hash_key, sizeof(t->key));
	return 0;
}

/* Puts one entry back, or frees it when it cannot be a flow of ours. */
static void restore(struct zs_flow_table *t, uint32_t id)
{
	struct zs_flow *f = &t->flow[id];
	struct zs_flow_rest *rest = &t->rest[id];
	struct zs_flow_place client, target;
	uint64_t by_client, by_target;

	bool rests = f->used == ZS_FLOW_RESTING && zs_is_attached(&f->target.addr);

	if ((f->used != ZS_FLOW_LIVE && !rests) || f->port == 0 || f->source_port == 0)
		goto free_it;
	by_client = zs_flow_hash_client(t, f);
	by_target = zs_flow_hash_target(t, f);
	client = zs_flow_place_of(t, by_client);
	target = zs_flow_place_of(t, by_target);
	if (zs_flow_find_taken(t, by_target, &f->target, f->source_port, f->local_target) != ZS_FLOW_NONE ||
	    !zs_flow_index_room(t->by_target, &target))
		goto free_it;
	if (rests) {
		zs_flow_index_put(t->by_target, &target, id);
		t->resting++;
		return;
	}
	if (zs_flow_find_client(t, by_client, &f->client, zs_flow_client_port(f), f->local_client) !=
		ZS_FLOW_NONE ||
	    !zs_flow_index_room(t->by_client, &client))
		goto free_it;
	if (f->answered > ZS_FLOW_CONFIRMED)
		f->answered = ZS_FLOW_CONFIRMED;
	zs_flow_index_put(t->by_client, &client, id);
	zs_flow_index_put(t->by_target, &target, id);
	atomic_fetch_add(&t->head->used, 1);
	if (f->answered != ZS_FLOW_CONFIRMED) { /* by id, not by age: ages even out as flows come and go */
		rest->next = ZS_FLOW_NONE;
		rest->older = t->head->youngest;
		rest->waits = 1;
		if (rest->older == ZS_FLOW_NONE)
			t->head->oldest = id;
		else
			t->rest[rest->older].next = id;
		t->head->youngest = id;
	}
	return;
free_it:
	memset(f, 0, sizeof(*f));
	memset(rest, 0, sizeof(*rest));
	rest->next = t->head->free_head;
	t->head->free_head = id;
}

void zs_flow_table_rebuild(struct zs_flow_table *t)
{
	struct zs_flow_partition_head *h = t->head;
	size_t bytes = ((size_t)t->mask + 1) * sizeof(struct zs_flow_bucket);

	__atomic_store_n(&h->dirty, 1, __ATOMIC_RELAXED);
	atomic_thread_fence(memory_order_seq_cst);
	memset(t->by_client, 0, bytes);
	memset(t->by_target, 0, bytes);
	atomic_store(&h->used, 0);
	t->resting = 0;
	h->free_head = h->oldest = h->youngest = ZS_FLOW_NONE;
	h->sweep = 0;
	for (uint32_t id = 0; id < t->capacity; id++) {
		t->rest[id].next = t->rest[id].older = ZS_FLOW_NONE;
		t->rest[id].waits = 0;
	}
	for (uint32_t id = t->capacity; id-- > 0;)
		restore(t, id);
	__atomic_store_n(&h->dirty, 0, __ATOMIC_RELEASE);
}

int zs_flow_table_open(struct zs_flow_table *t, const struct zs_flow_memory *memory,
		       const uint8_t hash_key[16], bool fresh)
{
	struct zs_flow_partition_head *head = memory->head;
	const char *where;
	int rc = zs_flow_table_join(t, memory, hash_key);

	if (rc < 0)
		return rc;
	if (!fresh && head->capacity == 0)
		fresh = true; /* a slot that no worker has had yet */
	if (fresh) {
		memset(t->flow, 0, t->capacity * sizeof(*t->flow));
		memset(head, 0, sizeof(*head));
		head->capacity = t->capacity;
		head->buckets = memory->buckets;
		zs_flow_table_rebuild(t);
		return 0;
	}
	if (head->capacity != t->capacity || head->buckets != memory->buckets)
		return -EUCLEAN;
	/* A clean table whose indexes do not fit has another hash key, or is damaged: same cure. */
	if (head->dirty || zs_flow_table_check(t, &where) < 0)
		zs_flow_table_rebuild(t);
	else
		for (uint32_t id = 0; id < t->capacity; id++)
			t->resting += t->flow[id].used == ZS_FLOW_RESTING;
	return zs_flow_table_check(t, &where);
}

void zs_flow_table_set_ports(struct zs_flow_table *t, uint16_t first, uint16_t last)
{
	t->head->port_first = first;
	t->head->port_last = last;
}

void zs_flow_table_set_ranges(struct zs_flow_table *t, uint32_t first, uint32_t count)
{
	ZS_CHECK(first + count <= ZS_FLOW_RANGES, "ranges %u+%u", first, count);
	t->number_first = (uint16_t)(first ? first * ZS_FLOW_NUMBERS : 1);
	t->number_last = (uint16_t)(count ? (first + count) * ZS_FLOW_NUMBERS - 1 : 0);
}

/* Is the entry where a live, or a resting, flow belongs? */
static bool is_placed(const struct zs_flow_table *t, uint32_t id)
{
	const struct zs_flow *f = &t->flow[id];
	uint32_t waits = t->rest[id].waits;
	bool live = f->used == ZS_FLOW_LIVE;

	if (f->used > ZS_FLOW_RESTING || (!live && waits) ||
	    (live && f->answered != ZS_FLOW_CONFIRMED && waits != 1))
		return false;
	return (!live || zs_flow_find_client(t, zs_flow_hash_client(t, f), &f->client, zs_flow_client_port(f),
					     f->local_client) == id) &&
	       zs_flow_find_taken(t, zs_flow_hash_target(t, f), &f->target, f->source_port,
				  f->local_target) == id;
}

static uint32_t walk(const struct zs_flow_table *t, uint32_t id, uint8_t used, const char **where)
{
	uint32_t n = 0, before = ZS_FLOW_NONE;

	for (; id != ZS_FLOW_NONE; id = t->rest[id].next) {
		const struct zs_flow_rest *f = id < t->capacity ? &t->rest[id] : NULL;
		if (!f || n++ == t->capacity || t->flow[id].used != used || f->waits != used ||
		    (used && f->older != before)) {
			*where = used ? "waiting list" : "free list";
			return ZS_FLOW_NONE;
		}
		before = id;
	}
	if (used && t->head->youngest != before) {
		*where = "youngest";
		return ZS_FLOW_NONE;
	}
	return n;
}

static uint32_t tags_in(const struct zs_flow_table *t, const struct zs_flow_bucket *index)
{
	uint32_t n = 0;

	for (uint32_t b = 0; b <= t->mask; b++)
		for (uint32_t i = 0; i < ZS_BUCKET_SLOTS; i++)
			n += index[b].tag[i] != 0;
	return n;
}

int zs_flow_table_check(const struct zs_flow_table *t, const char **where)
{
	uint32_t count[ZS_FLOW_RESTING + 1] = { 0 }, waiting = 0, frees, waits, live, taken;

	for (uint32_t id = 0; id < t->capacity; id++) {
		const struct zs_flow *f = &t->flow[id];
		uint8_t used = __atomic_load_n(&f->used, __ATOMIC_RELAXED); /* once: others may write there */

		*where = "waiting list of a port";
		if (!zs_flow_ports_right(t, id))
			return -EUCLEAN;
		*where = "a source port that is taken for free";
		if (used && !zs_flow_sources_right(t, &t->flow[id]))
			return -EUCLEAN;
		*where = "an entry the indexes do not lead to";
		if (used > ZS_FLOW_RESTING || (used && !is_placed(t, id)))
			return -EUCLEAN;
		count[used]++;
		waiting += used && t->rest[id].waits == 1;
	}
	live = count[ZS_FLOW_LIVE];
	taken = live + count[ZS_FLOW_RESTING];
	frees = walk(t, t->head->free_head, 0, where);
	if (frees == ZS_FLOW_NONE)
		return -EUCLEAN;
	waits = walk(t, t->head->oldest, 1, where);
	if (waits == ZS_FLOW_NONE)
		return -EUCLEAN;
	*where = "counts";
	if (taken + frees != t->capacity || waits != waiting || atomic_load(&t->head->used) != live)
		return -EUCLEAN;
	*where = "slots of the indexes";
	return tags_in(t, t->by_client) == live && tags_in(t, t->by_target) == taken ? 0 : -EUCLEAN;
}
