/* What it costs to find a flow in bursts of 32, hashed, prefetched, found, by how many there are. Keys are computed from random
 * numbers ahead of the clock: nothing of the table is read. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include "base/check.h"
#include "core/cases.h"
#include "core/draw.h"
#include "shm/flow.h"

#define BURST	32
#define KEYS	4096 /* of a chunk */
#define PORT	5000
#define TARGETS 4096 /* so that there are source ports for all */
#define CASES	4

struct own {
	struct zs_flow_partition_head head;
	struct zs_flow_table table;
	struct zs_flow_memory memory;
	struct zs_endpoint key[KEYS];
	uint64_t random;
	uint32_t flows;
};

static struct zs_addr addr(uint32_t low)
{
	return zs_addr_from4(low);
}

/* One to one: an odd factor. */
static struct zs_endpoint client(uint32_t i)
{
	return (struct zs_endpoint){ addr(i * 0x9e3779b1u), (uint16_t)(1024 + i % 60000) };
}

static int add_all(struct own *o, struct zs_error *err)
{
	for (uint32_t i = 0; i < o->flows; i++) {
		struct zs_flow_new want = { .client = client(i),
					    .target = { addr(i % TARGETS), 443 },
					    .port = PORT };
		uint32_t id;

		if (zs_flow_add(&o->table, &want, (uint32_t)zs_draw(&o->random), &id, NULL) != ZS_FLOW_OK)
			return zs_error_set(err, -ENOSPC, ZS_EXIT_FAILED, "no room for flow %u of %u", i,
					    o->flows);
	}
	return 0;
}

static int open_table(struct own *o, uint32_t flows, struct zs_error *err)
{
	static const uint8_t key[16] = "a table's key...";
	uint32_t capacity = flows + flows / 4, buckets = zs_flow_buckets_for(capacity);
	struct zs_flow_memory *m = &o->memory;

	o->flows = flows;
	o->random = 1;
	*m = (struct zs_flow_memory){ .head = &o->head,
				      .by_client = zs_huge(buckets * sizeof(struct zs_flow_bucket)),
				      .by_target = zs_huge(buckets * sizeof(struct zs_flow_bucket)),
				      .flow = zs_huge(capacity * sizeof(struct zs_flow)),
				      .rest = zs_huge(capacity * sizeof(struct zs_flow_rest)),
				      .capacity = capacity,
				      .buckets = buckets };
	if (!m->by_client || !m->by_target || !m->flow || !m->rest ||
	    zs_flow_table_open(&o->table, m, key, true))
		return zs_error_set(err, -ENOMEM, ZS_EXIT_RESOURCE, "no memory for %u flows", flows);
	zs_flow_table_set_ports(&o->table, 1024, 65535);
	return add_all(o, err);
}

static void close_table(struct zs_flow_memory *m)
{
	free(m->by_client);
	free(m->by_target);
	free(m->flow);
	free(m->rest);
}

static void prepare(void *ctx, uint64_t arg)
{
	struct own *o = ctx;

	for (uint32_t i = 0; i < KEYS; i++)
		o->key[i] = client(zs_draw_below(&o->random, o->flows));
}

static uint64_t run(void *ctx, uint64_t arg)
{
	const struct own *o = ctx;
	uint64_t missed = 0;

	for (uint32_t k = 0; k < KEYS; k += BURST) {
		uint64_t hash[BURST];

		for (uint32_t i = 0; i < BURST; i++) {
			hash[i] = zs_flow_hash(&o->table, &o->key[k + i], PORT, 0);
			zs_flow_prefetch_client(&o->table, hash[i]);
		}
		for (uint32_t i = 0; i < BURST; i++)
			missed += zs_flow_find_client(&o->table, hash[i], &o->key[k + i], PORT, 0) ==
				  ZS_FLOW_NONE;
	}
	ZS_CHECK(!missed, "every flow is found");
	return KEYS;
}

static int bench(const struct zs_bench_options *opt, json_t *report, struct zs_error *err)
{
	uint32_t sizes[CASES] = { 1000, 100000, 1000000 }, n = 3;
	struct own *own = zs_huge(CASES * sizeof(*own));
	struct zs_case cases[CASES] = { 0 };
	int rc = own ? 0 : zs_error_set(err, -ENOMEM, ZS_EXIT_RESOURCE, "no memory for tables");

	if (opt->entries) {
		sizes[0] = opt->entries;
		n = 1;
	}
	for (uint32_t i = 0; i < n && !rc; i++) {
		rc = open_table(&own[i], sizes[i], err);
		cases[i] = (struct zs_case){ .ctx = &own[i], .prepare = prepare, .run = run };
		snprintf(cases[i].name, sizeof(cases[i].name), "%u flows", sizes[i]);
	}
	if (!rc)
		rc = zs_cases_run(cases, n, opt, report, err);
	for (uint32_t i = 0; own && i < n; i++)
		close_table(&own[i].memory);
	free(own);
	return rc;
}

const struct zs_bench zs_bench_lookup = {
	.name = "lookup",
	.help =
	    "cycles to find a flow, in bursts of 32, of 1,000, 100,000, a million (--entries: of so many)",
	.run = bench,
};
