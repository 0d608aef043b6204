/* The hash key is drawn at each start and the indexes are made again from the flows, so what
 * is in shared memory never says which flows share a bucket. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include "flows.h"
#include "held.h"
#include "limit.h"
#include "shm/flow_port.h"
#include "shm/flow_source.h"

/* What is beside a partition in our own memory. */
static void let_go(struct zs_dp *dp, uint32_t i)
{
	free(dp->waiting[i]);
	free(dp->sources[i]);
	dp->waiting[i] = dp->sources[i] = NULL;
}

static uint32_t open_partition(struct zs_dp *dp, uint32_t i, const uint8_t key[16], bool fresh)
{
	struct zs_flow_table *t = &dp->partition[i];
	int rc;

	dp->state.flow_head[i].dirty = 1;
	rc = zs_state_flow_table(&dp->state, i, key, fresh, t);
	if (rc == -EUCLEAN) {
		ZS_LOG(dp->log, FLOWS_DAMAGED, "partition=%u", i);
		rc = zs_state_flow_table(&dp->state, i, key, true, t);
	}
	if (rc)
		return UINT32_MAX;
	let_go(dp, i);
	dp->waiting[i] = malloc(zs_flow_ports_bytes(t->capacity));
	dp->sources[i] = aligned_alloc(64, ZS_ALIGN_UP(zs_flow_sources_bytes(t->capacity), 64));
	if (!dp->waiting[i] || !dp->sources[i])
		return UINT32_MAX;
	zs_flow_ports_bind(t, dp->waiting[i]);
	zs_flow_sources_bind(t, dp->sources[i]);
	return atomic_load(&t->head->used);
}

static uint32_t ports(const struct zs_dp *dp)
{
	return dp->conf->flows.port_last - dp->conf->flows.port_first + 1u;
}

/* Among the partitions that workers make flows in: there are more when there were more workers once. */
static void divide(struct zs_dp *dp)
{
	uint32_t first = dp->conf->flows.port_first, n = ports(dp);
	uint32_t among = dp->workers < dp->partitions ? dp->workers : dp->partitions;

	for (uint32_t i = 0; i < dp->partitions; i++) {
		bool has = i < among;

		dp->partition_first[i] = has ? (uint16_t)(first + n * i / among) : 0;
		dp->partition_last[i] = has ? (uint16_t)(first + n * (i + 1) / among - 1) : 0;
		zs_flow_table_set_ports(&dp->partition[i], dp->partition_first[i], dp->partition_last[i]);
	}
}

static void keep(struct zs_dp *dp)
{
	for (uint32_t i = 0; i < dp->partitions; i++) {
		dp->partition_first[i] = dp->partition[i].head->port_first;
		dp->partition_last[i] = dp->partition[i].head->port_last;
	}
}

/* Do the stored ranges cover the configured one, without a hole or an overlap? Partitions that
 * came with more workers have none while the others hold flows. */
static bool ranges_fit(const struct zs_dp *dp)
{
	uint32_t next = dp->conf->flows.port_first;

	for (uint32_t i = 0; i < dp->partitions; i++) {
		const struct zs_flow_partition_head *h = dp->partition[i].head;

		if (!h->port_last)
			continue;
		if (h->port_first != next || h->port_last < h->port_first)
			return false;
		next = h->port_last + 1u;
	}
	return next == dp->conf->flows.port_last + 1u;
}

/* The range of numbers that begins with a port of the configured range. */
static uint32_t range_at(const struct zs_dp *dp, uint32_t port)
{
	return (ZS_FLOW_RANGES * (port - dp->conf->flows.port_first) + ports(dp) / 2) / ports(dp);
}

/* A partition has the share of the flow numbers that it has of the ports, in whole ranges. So what is kept of the one is kept of
 * the other, and the flows of the run before are found under their numbers. */
static void deal_numbers(struct zs_dp *dp)
{
	memset(dp->range_partition, UINT8_MAX, sizeof(dp->range_partition));
	for (uint32_t i = 0; i < dp->partitions; i++) {
		uint32_t first, end, most = dp->conf->attach.number_ranges;

		if (!dp->partition_last[i])
			continue;
		first = range_at(dp, dp->partition_first[i]);
		end = range_at(dp, dp->partition_last[i] + 1u);
		for (uint32_t r = first; r < end; r++)
			dp->range_partition[r] = (uint8_t)i;
		zs_flow_table_set_ranges(&dp->partition[i], first, end - first < most ? end - first : most);
	}
}

/* Where a worker makes flows: a partition of its own with ports, else another worker's. */
static void choose_homes(struct zs_dp *dp)
{
	for (uint32_t w = 0; w < dp->workers; w++) {
		uint32_t home = ZS_WORKERS_MAX;

		for (uint32_t i = 0; i < dp->partitions; i++) {
			if (!dp->partition_last[i])
				continue;
			if (dp->partition_owner[i] == w) {
				home = i;
				break;
			}
			if (home == ZS_WORKERS_MAX)
				home = i;
		}
		dp->home[w] = (uint8_t)(home < ZS_WORKERS_MAX ? home : 0);
	}
}

static void count(struct zs_dp *dp)
{
	for (uint32_t i = 0; i < dp->partitions; i++) {
		const struct zs_flow_table *t = &dp->partition[i];

		for (uint32_t k = 0; k < t->capacity; k++) {
			if (t->flow[k].used != ZS_FLOW_LIVE)
				continue;
			zs_limit_flow_made(dp->limits, t->flow[k].port, &t->flow[k].client.addr);
			zs_held_made(dp, dp->partition_owner[i], &t->flow[k]);
		}
	}
}

int zs_flows_open(struct zs_dp *dp, bool fresh, struct zs_error *err)
{
	uint8_t key[16];
	uint32_t used = 0, resting = 0;

	if (getrandom(key, sizeof(key), 0) != sizeof(key))
		return zs_error_set(err, -errno, ZS_EXIT_RESOURCE, "no random numbers");
	dp->partitions = dp->state.partitions < ZS_WORKERS_MAX ? dp->state.partitions : ZS_WORKERS_MAX;
	dp->flow_room = (uint64_t)dp->state.flow_capacity * dp->partitions;
	for (uint32_t i = 0; i < dp->partitions; i++) {
		uint32_t n = open_partition(dp, i, key, fresh);

		if (n == UINT32_MAX)
			return zs_error_set(err, -EUCLEAN, ZS_EXIT_FAILED,
					    "flow partition %u cannot be opened", i);
		used += n;
		resting += dp->partition[i].resting;
		dp->partition_owner[i] = (uint8_t)(i % dp->workers);
		dp->partition[i].head->owner = dp->partition_owner[i];
	}
	if (used + resting && ranges_fit(dp))
		keep(dp);
	else
		divide(dp);
	deal_numbers(dp);
	choose_homes(dp);
	count(dp);
	if (!fresh)
		ZS_LOG(dp->log, FLOWS_ADOPTED, "flows=%u partitions=%u", used, dp->partitions);
	return 0;
}

void zs_flows_close(struct zs_dp *dp)
{
	for (uint32_t i = 0; i < dp->partitions; i++) {
		let_go(dp, i);
		dp->partition[i].ports = NULL;
		dp->partition[i].sources = NULL;
	}
}
