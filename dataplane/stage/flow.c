/* Finds the flow of every packet: all hashes first, prefetched, then the look-ups.
 *
 * A client's packet may be found in any partition this worker serves; a target's packet names
 * its partition by the port it came to. Partitions of other workers are only read here, to
 * see whether a client's packet belongs there. */
#include <rte_mbuf.h>
#include "limit.h"
#include "stage.h"

/* The partition that a target's packet names, or -1: by its port, or by the top bits of its flow number. */
static int named(const struct zs_worker *w, const struct zs_item *it)
{
	uint8_t at = w->dp->range_partition[it->p.dst.port / ZS_FLOW_NUMBERS];

	if (!it->inner)
		return zs_flow_partition_of(w->dp, it->p.dst.port);
	return at < w->dp->partitions ? at : -1;
}

void zs_flow_hand_over(struct zs_worker *w, struct zs_item *it, uint32_t partition)
{
	zs_hand_over(w, it, w->dp->partition_owner[partition]);
}

static bool mine(const struct zs_worker *w, uint32_t partition)
{
	return w->dp->partition_owner[partition] == w->index;
}

/* The partition to look into first. */
static uint32_t home(const struct zs_worker *w, const struct zs_item *it)
{
	int at = it->side == ZS_SIDE_TARGET ? named(w, it) : -1;

	return at >= 0 ? (uint32_t)at : w->dp->home[w->index];
}

static void hash(struct zs_worker *w, struct zs_item *it)
{
	it->table = &w->dp->partition[home(w, it)];
	it->hash = zs_flow_hash(it->table, &it->p.src, it->p.dst.port, it->local);
	if (it->side == ZS_SIDE_CLIENT)
		zs_flow_prefetch_client(it->table, it->hash);
	else
		zs_flow_prefetch_target(it->table, it->hash);
}

/* What the bucket says is on its way. false: nothing yet. */
static bool fetch(const struct zs_item *it, bool other)
{
	return it->side == ZS_SIDE_CLIENT ? zs_flow_fetch_client(it->table, it->hash, other)
					  : zs_flow_fetch_target(it->table, it->hash, other);
}

static void fetch_all(struct zs_item **at, uint32_t n)
{
	struct zs_item *again[ZS_BURST];
	uint32_t count = 0;

	for (uint32_t i = 0; i < n; i++)
		if (at[i]->class == ZS_CLASS_FLOW && !fetch(at[i], false))
			again[count++] = at[i];
	for (uint32_t i = 0; i < count; i++)
		fetch(again[i], true);
}

int zs_flow_elsewhere(const struct zs_worker *w, const struct zs_flow_table *home, uint64_t hash,
		      const struct zs_endpoint *client, uint16_t port, uint8_t local)
{
	for (uint32_t i = 0; i < w->dp->partitions; i++) {
		const struct zs_flow_table *t = &w->dp->partition[i];

		if (t != home && zs_flow_find_client(t, hash, client, port, local) != ZS_FLOW_NONE)
			return (int)i;
	}
	return -1;
}

/* A flow of an entry that was withdrawn or aimed elsewhere ends when its next packet comes. */
static void judge(struct zs_worker *w, struct zs_item *it)
{
	const struct zs_flow *f = &it->table->flow[it->flow];
	uint32_t generation;

	if (it->side == ZS_SIDE_TARGET || it->inner)
		zs_stage_published(w, it, f->port);
	generation = it->published.generation;
	if (it->published.used && (f->as_of == zs_flow_as_of(w->stamp, generation) ||
				   it->table->rest[it->flow].published_generation == generation))
		return;
	zs_flow_end(w, it->table, it->flow, ZS_FLOW_END_UNPUBLISHED);
	it->flow = ZS_FLOW_NONE;
}

static void touch(struct zs_worker *w, struct zs_item *it)
{
	struct zs_flow *f = &it->table->flow[it->flow];

	if (f->last_ms != w->now_ms)
		f->last_ms = w->now_ms;
	if (it->side == ZS_SIDE_TARGET)
		zs_flow_answers(f);
	else
		zs_flow_asked(f);
}

static bool find_client(struct zs_worker *w, struct zs_item *it)
{
	uint32_t at = home(w, it);
	enum zs_drop why;
	int other;

	it->flow = ZS_FLOW_NONE;
	if (mine(w, at))
		it->flow = zs_flow_find_client(it->table, it->hash, &it->p.src, it->p.dst.port, it->local);
	if (it->flow == ZS_FLOW_NONE && (w->dp->partitions > 1 || !mine(w, at))) {
		other = zs_flow_elsewhere(w, it->table, it->hash, &it->p.src, it->p.dst.port, it->local);
		at = other >= 0 ? (uint32_t)other : at;
		if (!mine(w, at)) {
			if (it->handed)
				zs_stage_drop(w, it->m, ZS_DROP_hand_over);
			else
				zs_flow_hand_over(w, it, at);
			return false;
		}
		it->table = &w->dp->partition[at];
		it->flow = zs_flow_find_client(it->table, it->hash, &it->p.src, it->p.dst.port, it->local);
	}
	if (it->flow != ZS_FLOW_NONE)
		judge(w, it);
	if (it->inner && !zs_flow_inner(w, it))
		return false;
	if (it->flow != ZS_FLOW_NONE || (why = zs_flow_make(w, it)) == ZS_DROPS)
		return zs_flow_opened(w, it);
	/* Flows of a port or an attachment are counted over all workers: who has one to give for it makes this one. */
	if ((why == ZS_DROP_flow_limit_port || why == ZS_DROP_flow_limit_attachment) && !it->handed &&
	    (other = zs_flow_room_elsewhere(w, it->p.dst.port)) >= 0)
		zs_flow_hand_over(w, it, (uint32_t)other);
	else
		zs_stage_refuse(w, it, why);
	return false;
}

static bool find_target(struct zs_worker *w, struct zs_item *it)
{
	int at = named(w, it);

	it->flow = ZS_FLOW_NONE;
	if (at >= 0 && !mine(w, (uint32_t)at)) {
		zs_flow_hand_over(w, it, (uint32_t)at);
		return false;
	}
	if (at >= 0)
		it->flow = zs_flow_find_target(it->table, it->hash, &it->p.src, it->p.dst.port, it->local);
	if (it->flow != ZS_FLOW_NONE)
		judge(w, it);
	if (it->inner)
		return zs_flow_inner(w, it);
	if (it->flow != ZS_FLOW_NONE)
		return true;
	zs_stage_refuse(w, it, ZS_DROP_stranger);
	return false;
}

/* Does the flow's other end lie behind a tunnel? */
static bool toward_attached(const struct zs_item *it)
{
	const struct zs_flow *f = &it->table->flow[it->flow];

	return zs_is_attached(it->side == ZS_SIDE_CLIENT ? &f->target.addr : &f->client.addr);
}

uint32_t zs_stage_flow(struct zs_worker *w, struct zs_item **at, uint32_t n)
{
	uint32_t on = 0;

	for (uint32_t i = 0; i < n; i++)
		if (at[i]->class == ZS_CLASS_FLOW)
			hash(w, at[i]);
	fetch_all(at, n);
	for (uint32_t i = 0; i < n; i++) {
		struct zs_item *it = at[i];
		enum zs_drop why;

		if (it->class != ZS_CLASS_FLOW) {
			at[on++] = it;
			continue;
		}
		if (!(it->side == ZS_SIDE_CLIENT ? find_client(w, it) : find_target(w, it)))
			continue;
		touch(w, it);
		it->sealed = toward_attached(it);
		if (it->sealed || (why = zs_hop_find(w, it)) == ZS_DROPS)
			at[on++] = it;
		else
			zs_stage_drop(w, it->m, why);
	}
	return on;
}
