/* What a packet is charged to: an attachment's own buckets, its share of its tenant's, and the tenant's. The rules are in
 * shm/policer.h; here is their arithmetic, for the worker's policer and for the program in the kernel (bpf/), which charge the same
 * words. Nothing here waits: a compare-and-swap that loses tries again with what the winner left.
 *
 * Order of a take: own bytes, own packets, share, tenant's bytes, tenant's packets; what fails undoes what it took
 * before. */
#ifndef ZS_SHM_CHARGE_H
#define ZS_SHM_CHARGE_H

#include "shm/police.h"

#define ZS_CHARGE_FAR 5 /* bursts ahead that no use reaches, see zs_charge_bursts … */
#define ZS_CHARGE_STALL                                                                                      \
	1000000000ull /* … as one sees it who stood still for so long (ns) with the time in hand */

struct zs_amount {
	uint32_t bytes, packets;
};

/* Buckets of one direction and their rates. What is not limited has rates of 0. */
struct zs_charge {
	const struct zs_police *own, *tenant;
	const struct zs_rate *share_bytes, *share_packets;
	struct zs_bucket *bucket, *above;
	uint64_t now;
	bool own_mark, tenant_mark;
};

/* --- one bucket --- */

static inline uint64_t zs_bucket_cost(const struct zs_rate *r, uint32_t units)
{
	return ((uint64_t)r->mult * units + ((UINT64_C(1) << r->shift) >> 1)) >> r->shift;
}

static inline uint64_t zs_bucket_depth(const struct zs_rate *r)
{
	return (uint64_t)r->depth_us * 1000;
}

/* Where the next unit stands now. */
static inline uint64_t zs_bucket_place(uint64_t word, const struct zs_rate *r, uint64_t now)
{
	uint64_t far = ZS_CHARGE_FAR * zs_bucket_depth(r) + zs_bucket_cost(r, UINT16_MAX) + ZS_CHARGE_STALL;

	return word > now && word - now <= far ? word : now;
}

/* `bursts` that the word may be ahead; a packet by itself passes a full bucket however long it is. */
static inline bool zs_bucket_fits(uint64_t from, uint64_t now, const struct zs_rate *r, uint64_t cost,
				  uint32_t bursts, bool single)
{
	return from - now + cost <= bursts * zs_bucket_depth(r) || (single && from == now);
}

static inline uint64_t zs_bucket_load(const _Atomic uint64_t *word)
{
	return atomic_load_explicit(word, memory_order_relaxed);
}

/* *seen: what is thought to be there; what was there when it is not. */
static inline bool zs_bucket_swap(_Atomic uint64_t *word, uint64_t *seen, uint64_t want)
{
	uint64_t was = __sync_val_compare_and_swap((uint64_t *)word, *seen, want);
	bool won = was == *seen;

	*seen = was;
	return won;
}

/* Programs must end whatever others do: who loses so often has no room. */
#ifdef __bpf__
#define ZS_BUCKET_TRIES 8
#else
#define ZS_BUCKET_TRIES UINT32_MAX
#endif

static inline bool zs_bucket_take(_Atomic uint64_t *word, const struct zs_rate *r, uint64_t cost,
				  uint32_t bursts, bool single, uint64_t now)
{
	uint64_t t = zs_bucket_load(word), from;
	uint32_t tries = ZS_BUCKET_TRIES;

	if (!cost)
		return true;
	do {
		from = zs_bucket_place(t, r, now);
		if (!zs_bucket_fits(from, now, r, cost, bursts, single))
			return false;
		if (zs_bucket_swap(word, &t, from + cost))
			return true;
	} while (--tries);
	return false;
}

static inline void zs_bucket_give(_Atomic uint64_t *word, uint64_t cost)
{
	uint64_t t = zs_bucket_load(word);
	uint32_t tries = ZS_BUCKET_TRIES;

	while (cost && --tries && !zs_bucket_swap(word, &t, t > cost ? t - cost : 0))
		;
}

/* --- all of them --- */

/* The share is one word for both of its rates: what costs more counts. */
static inline uint64_t zs_charge_share(const struct zs_charge *c, struct zs_amount n)
{
	uint64_t bytes = zs_bucket_cost(c->share_bytes, n.bytes),
		 packets = zs_bucket_cost(c->share_packets, n.packets);

	return bytes > packets ? bytes : packets;
}

static inline void zs_charge_give(struct zs_bucket *b, const struct zs_police *r, struct zs_amount n)
{
	zs_bucket_give(&b->bytes, zs_bucket_cost(&r->bytes, n.bytes));
	zs_bucket_give(&b->packets, zs_bucket_cost(&r->packets, n.packets));
}

/* One level: bytes and packets, or neither. */
static inline bool zs_charge_level(struct zs_bucket *b, const struct zs_police *r, struct zs_amount n,
				   uint32_t bursts, bool single, uint64_t now)
{
	uint64_t bytes = zs_bucket_cost(&r->bytes, n.bytes);

	if (!zs_bucket_take(&b->bytes, &r->bytes, bytes, bursts, single, now))
		return false;
	if (zs_bucket_take(&b->packets, &r->packets, zs_bucket_cost(&r->packets, n.packets), bursts, single,
			   now))
		return true;
	zs_bucket_give(&b->bytes, bytes);
	return false;
}

/* Of the tenant: what is marked may go a burst deeper, what is within the share always one deeper than that. */
static inline uint32_t zs_charge_bursts(const struct zs_charge *c, bool share, bool mark)
{
	return 1 + (mark && c->tenant_mark) + (share ? 1 + c->tenant_mark : 0);
}

/* `single`: it is one packet. `mark`: as what is marked. *share: its share had room. */
static inline bool zs_charge_all(const struct zs_charge *c, struct zs_amount n, bool single, bool mark,
				 bool *share)
{
	uint64_t cost = zs_charge_share(c, n);
	/* The share is in step by its own rate alone, so its burst counts as that of bytes. */
	const struct zs_rate *r = c->share_bytes->mult ? c->share_bytes : c->share_packets;

	*share = false;
	if (!zs_charge_level(c->bucket, c->own, n, 1 + (mark && c->own_mark), single, c->now))
		return false;
	*share = cost && zs_bucket_take(&c->bucket->share, r, cost, 1, single, c->now);
	if (zs_charge_level(c->above, c->tenant, n, zs_charge_bursts(c, *share, mark), single, c->now))
		return true;
	if (*share)
		zs_bucket_give(&c->bucket->share, cost);
	zs_charge_give(c->bucket, c->own, n);
	return false;
}

#endif
