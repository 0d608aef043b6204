#include "flood.h"

#include <string.h>
#include "limit.h"
#include "stage/refuse.h"

#define ENTER_NS  (100 * ZS_NS_PER_MS)
#define LEAVE_NS  (1 * ZS_NS_PER_S)
#define FULL	  90  /* percent of the times round between two looks */
#define TURNS	  2   /* fewer than these tell nothing */
#define WORTHLESS 25  /* percent of the packets */
#define LIVE_MS	  100 /* a shorter life is not worth a flow: no answer comes back in it */
#define DEAR	  4   /* tags checked a ms in flood mode: a few µs each, so some 2 % of the time */
#define NUDGES	  16  /* a ms: of peers whose NAT forgot them there are never so many */
#define LOOK_NS	  (10 * ZS_NS_PER_MS) /* of a longer time between two looks nothing is known */

static uint64_t sum(const uint64_t *drop)
{
	uint64_t n = 0;

	for (int i = 0; i < ZS_DROPS; i++)
		n += drop[i];
	return n;
}

static bool behind(const struct zs_flood *f, uint64_t rx, uint64_t waste)
{
	return f->turns >= TURNS && f->full * 100 >= f->turns * FULL && waste * 100 >= rx * WORTHLESS;
}

/* `look_ms` went by since the last look, one at least. */
static bool churns(const struct zs_worker *w, uint64_t evicted, uint64_t look_ms)
{
	uint64_t room = w->dp->workers ? w->dp->flow_room / w->dp->workers : 0;

	return room && evicted * LIVE_MS > room * look_ms;
}

/* Hysteresis: 100 ms more of the one than of the other to go in, a second without it to go out. */
static void turn(struct zs_worker *w, bool seen)
{
	struct zs_flood *f = &w->flood;
	uint64_t span = w->now_ns - f->look_ns;

	span = span < LOOK_NS ? span : LOOK_NS;
	f->look_ns = w->now_ns;
	if (seen)
		f->seen_ns = w->now_ns;
	if (f->on) {
		f->on = w->now_ns - f->seen_ns < LEAVE_NS;
		return;
	}
	f->behind_ns = seen ? f->behind_ns + span
			    : f->behind_ns - (span < f->behind_ns ? span : f->behind_ns);
	if (f->behind_ns < ENTER_NS)
		return;
	f->on = true;
	f->behind_ns = 0;
	f->clear_ns = 0;
	w->count[ZS_COUNTER_floods]++;
}

static void clear_suspects(struct zs_worker *w)
{
	if (!w->flood.on || w->now_ns < w->flood.clear_ns)
		return;
	w->flood.clear_ns = w->now_ns + ZS_NS_PER_S;
	memset(w->flood.suspect, 0, sizeof(w->flood.suspect));
}

void zs_flood_look(struct zs_worker *w)
{
	struct zs_flood *f = &w->flood;
	uint64_t rx = w->count[ZS_COUNTER_rx], made = w->count[ZS_COUNTER_flows_new];
	uint64_t evicted = w->count[ZS_COUNTER_flows_evicted], dropped = sum(w->drop);
	uint64_t waste = dropped - f->dropped + made - f->made;

	turn(w, behind(f, rx - f->rx, waste) || churns(w, evicted - f->evicted, 1));
	clear_suspects(w);
	f->rx = rx;
	f->made = made;
	f->evicted = evicted;
	f->dropped = dropped;
	f->full = f->turns = 0;
	f->dear = DEAR;
	f->nudges = NUDGES;
}

void zs_flood_turn(struct zs_worker *w, bool full)
{
	w->flood.turns++;
	w->flood.full += full;
}

enum zs_drop zs_flood_may_check(struct zs_worker *w, const struct zs_addr *src, bool known)
{
	uint32_t rate = w->dp->conf->flood.failed_tags_s;

	if (known)
		return ZS_DROPS;
	if (zs_flood_is_spent(w))
		return ZS_DROP_flood;
	if (!zs_limit_prefix_left(w->dp->limits, ZS_LIMIT_TAGS, src, rate, rate, w->now_ns))
		return ZS_DROP_tag_rate;
	if (w->flood.on)
		w->flood.dear--;
	return ZS_DROPS;
}

void zs_flood_failed(struct zs_worker *w, const struct zs_addr *src)
{
	uint32_t rate = w->dp->conf->flood.failed_tags_s;

	zs_limit_prefix_of(w->dp->limits, ZS_LIMIT_TAGS, src, rate, rate, w->now_ns);
}

/* Told once each time that its count comes past the limit; a full ring forgets, it will be told again. */
static void tell(struct zs_flood *f, const struct zs_addr *src)
{
	uint32_t head = atomic_load_explicit(&f->head, memory_order_relaxed);

	if (head - atomic_load_explicit(&f->tail, memory_order_acquire) == ZS_FLOOD_TOLD)
		return;
	f->told[head % ZS_FLOOD_TOLD] = zs_addr_site(src);
	atomic_store_explicit(&f->head, head + 1, memory_order_release);
}

static uint32_t (*find(struct zs_flood *f, uint64_t hash))[2]
{
	uint32_t(*bucket)[2] = f->suspect[hash % ZS_FLOOD_BUCKETS], tag = (uint32_t)(hash >> 32) | 1;
	uint32_t least = 0;

	for (uint32_t i = 0; i < ZS_FLOOD_WAYS; i++) {
		if (bucket[i][0] == tag)
			return &bucket[i];
		if (bucket[i][1] < bucket[least][1])
			least = i;
	}
	bucket[least][0] = tag;
	bucket[least][1] = 0;
	return &bucket[least];
}

void zs_flood_suspect(struct zs_worker *w, const struct zs_addr *src)
{
	uint32_t most = w->dp->conf->flood.block_pkt_s / w->dp->workers + 1, (*s)[2];

	if (!w->dp->conf->flood.block_pkt_s)
		return;
	s = find(&w->flood, zs_limit_site_hash(w->dp->limits, src));
	(*s)[1] += ZS_FLOOD_SAMPLE;
	if ((*s)[1] < most)
		return;
	(*s)[1] = 0;
	tell(&w->flood, src);
}

ZS_COLD void zs_stage_refuse(struct zs_worker *w, struct zs_item *it, enum zs_drop reason)
{
	zs_refuse_suspect(w, &it->p.src.addr);
	zs_stage_drop(w, it->m, reason);
}

bool zs_flood_told(struct zs_flood *f, struct zs_addr *site)
{
	uint32_t tail = atomic_load_explicit(&f->tail, memory_order_relaxed);

	if (tail == atomic_load_explicit(&f->head, memory_order_acquire))
		return false;
	*site = f->told[tail % ZS_FLOOD_TOLD];
	atomic_store_explicit(&f->tail, tail + 1, memory_order_release);
	return true;
}
