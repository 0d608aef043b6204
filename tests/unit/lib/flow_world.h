/* A flow table in memory of its own, for its tests. */
#ifndef ZS_TESTS_FLOW_WORLD_H
#define ZS_TESTS_FLOW_WORLD_H

#include "unit/lib/shm_test.h"

#include <stdlib.h>
#include <sys/mman.h>
#include "base/check.h"
#include "shm/flow.h"
#include "shm/flow_index.h"
#include "shm/flow_port.h"
#include "shm/flow_source.h"

static const uint8_t key[16] = "a hash key, 16 b";

struct world {
	struct zs_flow_table t;
	struct zs_flow_partition_head *head;
	struct zs_flow_bucket *by_client, *by_target;
	struct zs_flow *flow;
	struct zs_flow_rest *rest;
	void *ports, *sources;
	uint32_t capacity, buckets;
	size_t bytes;
};

/* Shared memory, so that a killed child leaves its work behind. */
static inline void make(struct world *w, uint32_t capacity)
{
	w->capacity = capacity;
	w->buckets = zs_flow_buckets_for(capacity);
	w->bytes = sizeof(*w->head) + 2 * w->buckets * sizeof(*w->by_client) +
		   capacity * (sizeof(*w->flow) + sizeof(*w->rest));
	w->head = mmap(NULL, w->bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(w->head != MAP_FAILED);
	w->ports = malloc(zs_flow_ports_bytes(capacity));
	w->sources = aligned_alloc(64, ZS_ALIGN_UP(zs_flow_sources_bytes(capacity), 64));
	assert_true(w->ports && w->sources);
	w->by_client = (struct zs_flow_bucket *)(w->head + 1);
	w->by_target = w->by_client + w->buckets;
	w->flow = (struct zs_flow *)(w->by_target + w->buckets);
	w->rest = (struct zs_flow_rest *)(w->flow + capacity);
}

static inline int open_with(struct world *w, const uint8_t hash_key[16], bool fresh)
{
	struct zs_flow_memory m = { w->head, w->by_client, w->by_target, w->flow,
				    w->rest, w->capacity,  w->buckets };
	int rc = zs_flow_table_open(&w->t, &m, hash_key, fresh);

	if (rc)
		return rc;
	zs_flow_table_set_ranges(&w->t, 0, 1);
	zs_flow_ports_bind(&w->t, w->ports);
	zs_flow_sources_bind(&w->t, w->sources);
	return 0;
}

static inline void make_fresh(struct world *w, uint32_t capacity, uint16_t first, uint16_t last)
{
	make(w, capacity);
	assert_int_equal(open_with(w, key, true), 0);
	zs_flow_table_set_ports(&w->t, first, last);
}

static inline void drop(struct world *w)
{
	munmap(w->head, w->bytes);
	free(w->ports);
	free(w->sources);
}

static inline void check(const struct world *w)
{
	const char *where = "";
	if (zs_flow_table_check(&w->t, &where))
		fail_msg("flow table: %s", where);
}

static inline struct zs_endpoint endpoint(uint32_t n)
{
	return (struct zs_endpoint){ zs_addr_from4(__builtin_bswap32(0x0a000000 + n)),
				     (uint16_t)(1024 + n % 60000) };
}

static inline struct zs_flow_new wanted(uint32_t client, uint32_t target, uint32_t now_ms)
{
	return (struct zs_flow_new){ .client = endpoint(client),
				     .target = endpoint(target),
				     .port = 443,
				     .local_client = 1,
				     .local_target = 2,
				     .now_ms = now_ms,
				     .published_generation = 13 };
}

static inline uint32_t find_client(const struct world *w, uint32_t client)
{
	struct zs_endpoint e = endpoint(client);
	return zs_flow_find_client(&w->t, zs_flow_hash(&w->t, &e, 443, 1), &e, 443, 1);
}

static inline uint32_t find_target(const struct world *w, const struct zs_flow *f)
{
	return zs_flow_find_target(&w->t, zs_flow_hash(&w->t, &f->target, f->source_port, 2), &f->target,
				   f->source_port, 2);
}

static inline enum zs_flow_error add(struct world *w, uint32_t client, uint32_t target, uint32_t now_ms,
				     uint32_t *id, struct zs_flow_gone *evicted)
{
	struct zs_flow_new want = wanted(client, target, now_ms);
	return zs_flow_add(&w->t, &want, client * 2654435761u, id, evicted);
}

#endif
