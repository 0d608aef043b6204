/* Flows: made, ended, aged, evicted by the one worker that owns the partition.
 *
 * An entry is free (chained by its rest's `next` from free_head), live or resting. A live one is in both
 * indexes and, until it is confirmed, in the list of waiting flows by age (oldest … youngest); a
 * resting one is in the target's index alone.
 * The packet path only sets `answered`; a confirmed flow leaves the list when eviction or the
 * sweep meets it.
 *
 * Killed at any instruction: `used` is the last store of a new entry and the first of an
 * ending one, and `dirty` stands around every change of the rest, so zs_flow_table_rebuild
 * makes indexes and lists again from the entries. Ids and links come from shared memory and are
 * checked against the private capacity before they are followed. */
#include "shm/flow.h"

#include <string.h>
#include "shm/flow_index.h"
#include "shm/flow_port.h"
#include "shm/flow_source.h"

#define EVICT_STEPS                                                                                          \
	64 /* confirmed flows taken out of a waiting list, or entries looked at, in one go: bounds a burst */
#define RESTS 2 /* idle time-outs that a number rests */

static void change_begin(struct zs_flow_table *t)
{
	__atomic_store_n(&t->head->dirty, 1, __ATOMIC_RELAXED);
	atomic_thread_fence(memory_order_seq_cst);
}

static void change_end(struct zs_flow_table *t)
{
	__atomic_store_n(&t->head->dirty, 0, __ATOMIC_RELEASE);
}

static struct zs_flow *flow_at(const struct zs_flow_table *t, uint32_t id)
{
	return id < t->capacity ? &t->flow[id] : NULL;
}

static struct zs_flow_rest *rest_at(const struct zs_flow_table *t, uint32_t id)
{
	return id < t->capacity ? &t->rest[id] : NULL;
}

static void wait_link(struct zs_flow_table *t, uint32_t id)
{
	struct zs_flow_rest *f = &t->rest[id], *before = rest_at(t, t->head->youngest);

	f->next = ZS_FLOW_NONE;
	f->older = before ? t->head->youngest : ZS_FLOW_NONE;
	f->waits = 1;
	if (before)
		before->next = id;
	else
		t->head->oldest = id;
	t->head->youngest = id;
	zs_flow_ports_link(t, id, t->flow[id].port);
}

static void wait_unlink(struct zs_flow_table *t, uint32_t id)
{
	struct zs_flow_rest *f = &t->rest[id], *older = rest_at(t, f->older), *younger = rest_at(t, f->next);

	zs_flow_ports_unlink(t, id);
	if (f->waits != 1)
		return;
	if (older)
		older->next = f->next;
	else
		t->head->oldest = f->next;
	if (younger)
		younger->older = f->older;
	else
		t->head->youngest = f->older;
	f->waits = 0;
	f->next = f->older = ZS_FLOW_NONE;
}

static void count_used(struct zs_flow_table *t, uint32_t by)
{
	uint32_t used = atomic_load_explicit(&t->head->used, memory_order_relaxed);
	atomic_store_explicit(&t->head->used, used + by, memory_order_relaxed);
}

/* Out of what only live flows are in. Inside of a change. */
static void retire(struct zs_flow_table *t, uint32_t id)
{
	struct zs_flow_place client = zs_flow_place_of(t, zs_flow_hash_client(t, &t->flow[id]));

	zs_flow_index_del(t->by_client, &client, id);
	wait_unlink(t, id);
	count_used(t, UINT32_MAX);
}

void zs_flow_remove(struct zs_flow_table *t, uint32_t id)
{
	struct zs_flow *f = flow_at(t, id);

	if (!f || !f->used)
		return;
	struct zs_flow_place target = zs_flow_place_of(t, zs_flow_hash_target(t, f));
	bool rested = f->used == ZS_FLOW_RESTING;
	change_begin(t);
	__atomic_store_n(&f->used, ZS_FLOW_FREE, __ATOMIC_RELEASE);
	zs_flow_index_del(t->by_target, &target, id);
	zs_flow_sources_give(t, f);
	if (rested)
		t->resting -= t->resting != 0;
	else
		retire(t, id);
	t->rest[id].next = t->head->free_head;
	t->head->free_head = id;
	change_end(t);
}

void zs_flow_finish(struct zs_flow_table *t, uint32_t id, uint32_t now_ms)
{
	struct zs_flow *f = flow_at(t, id);

	if (!f || f->used != ZS_FLOW_LIVE)
		return;
	if (!zs_is_attached(&f->target.addr)) {
		zs_flow_remove(t, id);
		return;
	}
	change_begin(t);
	f->last_ms = now_ms;
	__atomic_store_n(&f->used, ZS_FLOW_RESTING, __ATOMIC_RELEASE);
	retire(t, id);
	t->resting++;
	change_end(t);
}

struct zs_flow_counts zs_flow_counts(const struct zs_flow *f, const struct zs_flow_rest *rest)
{
	struct zs_flow_counts c;

	for (int way = 0; way < ZS_FLOW_WAYS; way++) {
		uint32_t lately = __atomic_load_n(&f->lately[way], __ATOMIC_RELAXED);

		c.packets[way] = rest->packets[way] + lately / ZS_FLOW_LATELY_PACKET;
		c.bytes[way] = rest->bytes[way] + lately % ZS_FLOW_LATELY_PACKET;
	}
	return c;
}

/* Taken before they are added: who is killed in between has lost some, never doubled any. */
void zs_flow_settle(struct zs_flow *f, struct zs_flow_rest *rest)
{
	struct zs_flow_counts all = zs_flow_counts(f, rest);

	for (int way = 0; way < ZS_FLOW_WAYS; way++) {
		__atomic_store_n(&f->lately[way], 0, __ATOMIC_RELEASE);
		rest->packets[way] = all.packets[way];
		rest->bytes[way] = all.bytes[way];
	}
}

static bool is_confirmed(const struct zs_flow *f)
{
	return f->answered == ZS_FLOW_CONFIRMED;
}

/* The oldest flow that still waits, of one published port or (0) of any; confirmed ones it meets
 * leave the lists. */
static uint32_t oldest_waiting(struct zs_flow_table *t, uint16_t port)
{
	for (int i = 0; i < EVICT_STEPS; i++) {
		uint32_t id = port ? zs_flow_ports_oldest(t, port) : t->head->oldest;
		struct zs_flow *f = flow_at(t, id);

		if (!f)
			return ZS_FLOW_NONE;
		if (f->used == ZS_FLOW_LIVE && t->rest[id].waits == 1 && !is_confirmed(f))
			return id;
		change_begin(t);
		wait_unlink(t, id);
		change_end(t);
	}
	return ZS_FLOW_NONE;
}

static uint32_t oldest_in_buckets(const struct zs_flow_table *t, const struct zs_flow_place *p)
{
	uint32_t best = ZS_FLOW_NONE;

	for (uint32_t i = 0; i < 2 * ZS_BUCKET_SLOTS; i++) {
		const struct zs_flow_bucket *b = &t->by_client[p->bucket[i / ZS_BUCKET_SLOTS]];
		uint32_t id = b->id[i % ZS_BUCKET_SLOTS];
		const struct zs_flow *f = b->tag[i % ZS_BUCKET_SLOTS] ? flow_at(t, id) : NULL;
		if (!f || f->used != ZS_FLOW_LIVE || is_confirmed(f))
			continue;
		if (best == ZS_FLOW_NONE || (int32_t)(t->rest[id].created_ms - t->rest[best].created_ms) < 0)
			best = id;
	}
	return best;
}

/* The ports or numbers there are to choose from. false: none. */
static bool choices(const struct zs_flow_table *t, const struct zs_flow_new *want, uint16_t *first,
		    uint16_t *last)
{
	*first = t->head->port_first;
	*last = t->head->port_last;
	if (zs_is_attached(&want->target.addr)) {
		*first = t->number_first;
		*last = t->number_last;
	}
	return *first && *first <= *last;
}

/* Where the search for one begins. Ports begin at random, so that none can be foretold; numbers are taken in turn, so that each
 * rests as long as can be. */
static uint16_t choose_start(const struct zs_flow_table *t, const struct zs_flow_new *want, uint32_t random,
			     uint16_t first, uint16_t last)
{
	uint32_t at = zs_is_attached(&want->target.addr) ? t->number_cursor : random;

	return (uint16_t)(first + at % (last - first + 1u));
}

/* A source port or number that no flow toward this target uses, and room for it in the index. */
static enum zs_flow_error choose_port(struct zs_flow_table *t, const struct zs_flow_new *want,
				      uint32_t random, uint16_t *port, struct zs_flow_place *place)
{
	enum zs_flow_error why = ZS_FLOW_PORTS;
	uint16_t first, last, p;

	if (!choices(t, want, &first, &last))
		return why;
	p = choose_start(t, want, random, first, last);
	for (uint32_t i = 0; i < ZS_FLOW_TRIES; i++, p = p < last ? p + 1 : first) {
		uint64_t hash;

		p = zs_flow_sources_find(t, &want->target, want->local_target, first, last, p);
		if (!p)
			break;
		t->tried++;
		hash = zs_flow_hash(t, &want->target, p, want->local_target);
		if (zs_flow_find_taken(t, hash, &want->target, p, want->local_target) != ZS_FLOW_NONE)
			continue;
		*place = zs_flow_place_of(t, hash);
		*port = p;
		why = zs_flow_index_room(t->by_target, place) ? ZS_FLOW_OK : ZS_FLOW_BUCKET;
		if (why != ZS_FLOW_OK)
			continue;
		if (zs_is_attached(&want->target.addr))
			t->number_cursor = p - first + 1u;
		break;
	}
	return why;
}

/* Takes the entry of a resting flow, if one is near. */
static bool forget_rest(struct zs_flow_table *t)
{
	for (uint32_t i = 0; i < EVICT_STEPS && t->resting; i++) {
		uint32_t id = t->rest_cursor++ % t->capacity;

		if (t->flow[id].used != ZS_FLOW_RESTING)
			continue;
		zs_flow_remove(t, id);
		return true;
	}
	return false;
}

/* Makes sure of a free entry and of a free slot in the client index, at the cost of one flow. A
 * port in exchange whose buckets are crowded too is refused: that is too rare to evict twice. */
static enum zs_flow_error make_room(struct zs_flow_table *t, const struct zs_flow_place *client,
				    const struct zs_flow_new *want, struct zs_flow_gone *evicted)
{
	bool crowded = !zs_flow_index_room(t->by_client, client), full = !flow_at(t, t->head->free_head);
	uint16_t exchange = want->in_exchange ? want->port : 0;
	uint32_t victim;

	if (full && forget_rest(t))
		full = false;
	if (!crowded && !exchange && !full)
		return ZS_FLOW_OK;
	victim = crowded && !exchange ? oldest_in_buckets(t, client) : oldest_waiting(t, exchange);
	if (victim == ZS_FLOW_NONE || (crowded && exchange))
		return exchange ? ZS_FLOW_PORT_FULL : crowded ? ZS_FLOW_BUCKET : ZS_FLOW_FULL;
	if (evicted)
		*evicted = (struct zs_flow_gone){ t->flow[victim],
						  zs_flow_counts(&t->flow[victim], &t->rest[victim]) };
	if (full)
		zs_flow_remove(t, victim);
	else
		zs_flow_finish(t, victim, want->now_ms);
	return ZS_FLOW_OK;
}

static void fill(struct zs_flow *f, struct zs_flow_rest *rest, const struct zs_flow_new *want,
		 uint16_t source_port)
{
	memset(f, 0, sizeof(*f));
	memset(rest, 0, sizeof(*rest));
	f->client = want->client;
	f->target = want->target;
	f->port = want->port;
	f->source_port = source_port;
	f->local_client = want->local_client;
	f->local_target = want->local_target;
	rest->published_generation = want->published_generation;
	f->last_ms = rest->created_ms = want->now_ms;
}

/* Port, places and a free entry. Where the ports are used up an unconfirmed flow gives its own, and with it the rest. */
static enum zs_flow_error prepare(struct zs_flow_table *t, const struct zs_flow_new *want, uint32_t random,
				  const struct zs_flow_place *client, struct zs_flow_place *target,
				  uint16_t *port, struct zs_flow_gone *evicted)
{
	struct zs_flow_new exchange = *want;
	enum zs_flow_error why = choose_port(t, want, random, port, target);

	if (why == ZS_FLOW_OK)
		return make_room(t, client, want, evicted);
	if (why != ZS_FLOW_PORTS || zs_is_attached(&want->target.addr))
		return why;
	exchange.in_exchange = true;
	if (make_room(t, client, &exchange, evicted) != ZS_FLOW_OK)
		return ZS_FLOW_PORTS;
	return choose_port(t, want, random, port, target);
}

enum zs_flow_error zs_flow_add(struct zs_flow_table *t, const struct zs_flow_new *want, uint32_t random,
			       uint32_t *id, struct zs_flow_gone *evicted)
{
	uint16_t own = zs_is_attached(&want->client.addr) ? 0 : want->port;
	uint64_t hash = zs_flow_hash(t, &want->client, own, want->local_client);
	struct zs_flow_place client = zs_flow_place_of(t, hash), target;
	enum zs_flow_error why;
	uint16_t port = 0;
	struct zs_flow *f;

	if (evicted)
		evicted->flow.used = 0;
	why = prepare(t, want, random, &client, &target, &port, evicted);
	if (why != ZS_FLOW_OK)
		return why;
	f = flow_at(t, t->head->free_head);
	if (!f || f->used) /* a damaged list: nothing is safe to take */
		return ZS_FLOW_FULL;
	*id = t->head->free_head;
	change_begin(t);
	t->head->free_head = t->rest[*id].next;
	fill(f, &t->rest[*id], want, port);
	__atomic_store_n(&f->used, ZS_FLOW_LIVE, __ATOMIC_RELEASE);
	wait_link(t, *id);
	zs_flow_index_put(t->by_client, &client, *id);
	zs_flow_index_put(t->by_target, &target, *id);
	zs_flow_sources_take(t, f);
	count_used(t, 1);
	change_end(t);
	return ZS_FLOW_OK;
}

/* How long the edge keeps the flow by itself. Should an answer have been lost, it keeps it longer than we think,
 * and ends it by the OPEN that names another client. */
static uint32_t rest_of(const struct zs_flow *f, const struct zs_flow_sweep *s)
{
	return f->answered == ZS_FLOW_ASKING ? s->idle_unconfirmed_ms : s->idle_confirmed_ms;
}

uint32_t zs_flow_sweep(struct zs_flow_table *t, const struct zs_flow_sweep *s, uint32_t *count, bool *idle)
{
	while (*count) {
		uint32_t id = t->head->sweep < t->capacity ? t->head->sweep : 0;
		struct zs_flow *f = &t->flow[id];

		(*count)--;
		t->head->sweep = id + 1 < t->capacity ? id + 1 : 0;
		int32_t quiet = (int32_t)(s->now_ms - f->last_ms); /* a packet may be younger than `now` */
		if (f->used == ZS_FLOW_RESTING && quiet > 0 && (uint32_t)quiet / RESTS > rest_of(f, s))
			zs_flow_remove(t, id);
		if (f->used != ZS_FLOW_LIVE)
			continue;
		if (is_confirmed(f) && t->rest[id].waits == 1) {
			change_begin(t);
			wait_unlink(t, id);
			change_end(t);
		}
		uint32_t most = is_confirmed(f) ? s->idle_confirmed_ms : s->idle_unconfirmed_ms;
		*idle = quiet > 0 && (uint32_t)quiet > most;
		if (*idle || (s->ended && s->ended(f, &t->rest[id], s->ctx)))
			return id;
	}
	return ZS_FLOW_NONE;
}
