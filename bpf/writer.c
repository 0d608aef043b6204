/* An entry is written under its sequence word: odd while it is under way. The stamp is the entry's own first or last word to
 * change, so whoever reads it with the stamp in force has the rest of it too. A hop is never changed while an entry in
 * force names it: halves take turns with stamps. */
#include "writer.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include "inverse.h"

const char *zs_fast_map_name(enum zs_fast_map map)
{
	static const char *const names[] = {
#define ZS_FAST_MAP(name, entry, entries) [ZS_FAST_MAP_##name] = "fast_" #name,
#include "fast_maps.def"
#undef ZS_FAST_MAP
	};

	return names[map];
}

uint32_t zs_fast_entries(enum zs_fast_map map, const struct zs_fast_shape *s)
{
	const uint32_t counts[] = {
#define ZS_FAST_MAP(name, entry, entries) [ZS_FAST_MAP_##name] = entries,
#include "fast_maps.def"
#undef ZS_FAST_MAP
	};

	return counts[map];
}

static size_t bytes_of(enum zs_fast_map map, const struct zs_fast_shape *s)
{
	static const uint16_t size[] = {
#define ZS_FAST_MAP(name, entry, entries) [ZS_FAST_MAP_##name] = sizeof(struct entry),
#include "fast_maps.def"
#undef ZS_FAST_MAP
	};

	return (size_t)size[map] * zs_fast_entries(map, s);
}

static void **place_of(struct zs_fast *f, enum zs_fast_map map)
{
	void **const places[] = {
#define ZS_FAST_MAP(name, entry, entries) [ZS_FAST_MAP_##name] = (void **)&f->name,
#include "fast_maps.def"
#undef ZS_FAST_MAP
	};

	return places[map];
}

int zs_fast_map(struct zs_fast *f, const struct zs_fast_shape *shape, const int fd[ZS_FAST_MAPS])
{
	*f = (struct zs_fast){ .shape = *shape, .cpus = ZS_FAST_CPUS };
	for (enum zs_fast_map m = 0; m < ZS_FAST_MAPS; m++) {
		void *at = mmap(NULL, bytes_of(m, shape), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE,
				fd[m], 0);

		if (at == MAP_FAILED) {
			int rc = -errno;
			zs_fast_unmap(f);
			return rc;
		}
		*place_of(f, m) = at;
	}
	zs_inverse_tables(f->cids);
	return 0;
}

void zs_fast_unmap(struct zs_fast *f)
{
	for (enum zs_fast_map m = 0; m < ZS_FAST_MAPS; m++) {
		void **at = place_of(f, m);

		if (*at)
			munmap(*at, bytes_of(m, &f->shape));
		*at = NULL;
	}
}

static void set(uint32_t *word, uint32_t v)
{
	__atomic_store_n(word, v, __ATOMIC_RELEASE);
}

static void open_entry(uint32_t *seq)
{
	__atomic_store_n(seq, *seq | 1, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_RELEASE);
}

static void close_entry(uint32_t *seq)
{
	set(seq, *seq + 1);
}

/* --- all of it --- */

static void void_all(struct zs_fast *f)
{
	for (uint32_t id = 0; id < f->shape.attachments; id++)
		zs_fast_void(f, id);
	for (uint32_t id = 0; id < f->shape.flows; id++)
		f->flows[id].way[0].stamp = f->flows[id].way[1].stamp = 0;
}

void zs_fast_begin(struct zs_fast *f, const uint64_t flow_key[2])
{
	uint32_t last = f->config->stamp > f->stamp ? f->config->stamp : f->stamp;

	zs_fast_hold(f);
	f->stamp = last;
	f->ways = (struct zs_senders){ .bucket = f->index,
				       .mask = zs_fast_entries(ZS_FAST_MAP_index, &f->shape) - 1,
				       .key = { flow_key[0], flow_key[1] } };
	zs_senders_clear(&f->ways);
	void_all(f);
	for (uint32_t id = 0; id < f->shape.attachments; id++)
		f->attachments[id].seq &= ~1u;
	for (uint32_t id = 0; id < f->shape.flows; id++) {
		struct zs_fast_way *w = f->flows[id].way;

		w[0].indexed = w[1].indexed = 0;
		w[0].seq &= ~1u;
	}
	for (uint8_t i = 0; i < ZS_FAST_ROTATIONS; i++)
		zs_fast_void_cids(f, i);
}

void zs_fast_hold(struct zs_fast *f)
{
	set(&f->config->stamp, 0);
}

/* Entries of stamps before are void by theirs: only when the numbers begin anew must they be made so. */
static void next_stamp(struct zs_fast *f)
{
	if (++f->stamp)
		return;
	void_all(f);
	f->stamp = 1;
}

void zs_fast_renew(struct zs_fast *f, const struct zs_fast_config *c)
{
	uint64_t alive = f->config->alive_until_ns;

	zs_fast_hold(f);
	next_stamp(f);
	f->half ^= 1;
	f->hops_used = 0;
	*f->config = *c;
	f->config->stamp = 0;
	f->config->alive_until_ns = alive;
	memcpy(f->config->flow_key, f->ways.key, sizeof(f->config->flow_key));
	f->config->flow_mask = f->ways.mask;
	f->config->sender_mask = zs_fast_entries(ZS_FAST_MAP_senders, &f->shape) - 1;
	set(&f->config->stamp, f->stamp);
}

/* Few are ever in use, and they are asked for when something is offered: a walk will do, from the newest. */
uint32_t zs_fast_hop(struct zs_fast *f, const struct zs_fast_hop *hop)
{
	uint32_t first = f->half * ZS_FAST_HOPS;

	for (uint32_t i = f->hops_used; i-- > 0;)
		if (!memcmp(&f->hops[first + i], hop, sizeof(*hop)))
			return first + i;
	if (f->hops_used == ZS_FAST_HOPS)
		return ZS_FAST_NO_HOP;
	f->hops[first + f->hops_used] = *hop;
	return first + f->hops_used++;
}

/* --- attachments --- */

void zs_fast_put_to(struct zs_fast *f, uint32_t id, const struct zs_fast_attachment *to)
{
	struct zs_fast_attachment *a = &f->attachments[id];

	open_entry(&a->seq);
	a->generation = to->generation;
	a->port = to->port;
	a->hop = to->hop;
	a->local = to->local;
	a->limited = to->limited;
	a->expires_ns = to->expires_ns;
	a->addr = to->addr;
	a->stamp = f->stamp;
	close_entry(&a->seq);
}

void zs_fast_put_limits(struct zs_fast *f, uint32_t id, const struct zs_fast_attachment *limits)
{
	struct zs_fast_attachment *a = &f->attachments[id];

	a->policed = limits->policed;
	a->mark = limits->mark;
	a->tenant = limits->tenant;
	a->police = limits->police;
}

void zs_fast_put_from(struct zs_fast *f, uint32_t id)
{
	set(&f->attachments[id].sends, f->stamp);
}

void zs_fast_void(struct zs_fast *f, uint32_t id)
{
	set(&f->attachments[id].stamp, 0);
	set(&f->attachments[id].sends, 0);
}

/* --- flows --- */

static uint64_t hash_of(const struct zs_fast *f, const struct zs_fast_way *w)
{
	uint64_t addr[2];

	memcpy(addr, w->from.addr.ip, sizeof(addr));
	return zs_fast_hash(f->ways.key, addr, w->from.port, w->local, w->port);
}

void zs_fast_put_way(struct zs_fast *f, uint32_t id, enum zs_fast_side side, const struct zs_fast_flow *ends,
		     uint32_t hop, uint32_t now_ms)
{
	struct zs_fast_flow *flow = &f->flows[id];
	struct zs_fast_way *w = flow->way;

	open_entry(&w[0].seq);
	for (int i = 0; i < 2; i++) {
		const struct zs_fast_way *to = &ends->way[i];

		w[i].from = to->from;
		w[i].port = to->port;
		w[i].local = to->local;
		w[i].out = to->out;
	}
	w[side].hop = hop;
	w[side].last_ms = now_ms;
	w[side].stamp = f->stamp;
	close_entry(&w[0].seq);
	if (!w[side].indexed)
		w[side].indexed = zs_senders_insert(&f->ways, hash_of(f, &w[side]), id);
}

void zs_fast_void_flow(struct zs_fast *f, uint32_t id)
{
	struct zs_fast_way *w = f->flows[id].way;

	for (int i = 0; i < 2; i++) {
		set(&w[i].stamp, 0);
		if (w[i].indexed)
			zs_senders_remove(&f->ways, hash_of(f, &w[i]), id);
		w[i].indexed = 0;
	}
}

/* --- connection IDs --- */

void zs_fast_put_cids(struct zs_fast *f, uint8_t rotation, const uint8_t key[16])
{
	zs_fast_void_cids(f, rotation);
	if (key)
		zs_inverse_key(f->cids, rotation, key);
	__atomic_store_n(&f->cids->kind[rotation], key ? ZS_FAST_CID_AES : ZS_FAST_CID_PLAIN,
			 __ATOMIC_RELEASE);
}

void zs_fast_void_cids(struct zs_fast *f, uint8_t rotation)
{
	__atomic_store_n(&f->cids->kind[rotation], ZS_FAST_CID_NONE, __ATOMIC_RELEASE);
	explicit_bzero(f->cids->round[rotation], sizeof(f->cids->round[rotation]));
}

/* --- counters --- */

struct zs_fast_meter zs_fast_take(struct zs_fast_meter *m)
{
	struct zs_fast_meter got = { 0 };

	if (!__atomic_load_n(&m->packets, __ATOMIC_RELAXED))
		return got;
	got.packets = __atomic_exchange_n(&m->packets, 0, __ATOMIC_RELAXED);
	got.bytes = __atomic_exchange_n(&m->bytes, 0, __ATOMIC_RELAXED);
	return got;
}

void zs_fast_take_counts(struct zs_fast *f, uint64_t out[ZS_FAST_COUNTS])
{
	memset(out, 0, ZS_FAST_COUNTS * sizeof(out[0]));
	for (uint32_t cpu = 0; cpu < f->cpus; cpu++) {
		struct zs_fast_counts *c = &f->counts[cpu];

		for (uint32_t i = 0; i < ZS_FAST_COUNTS; i++) {
			uint64_t now = __atomic_load_n(&c->count[i], __ATOMIC_RELAXED), was = c->taken[i];

			c->taken[i] = now;
			out[i] += now - was;
		}
	}
}
