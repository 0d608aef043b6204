/* A token bucket as one 64-bit number: the theoretical arrival time (TAT) of the next unit
 * (GCRA, ITU-T I.371). A bucket is full while TAT lies in the past; each unit moves it one
 * interval on; what would carry it more than the burst beyond now is refused and moves
 * nothing. All-zero is a full bucket. Arithmetic saturates: no rate, burst, size or clock makes
 * it wrap; a clock that steps back only refuses until it has caught up. */
#ifndef ZS_BASE_GCRA_H
#define ZS_BASE_GCRA_H

#include <stdbool.h>
#include <stdint.h>

/* Fraction bits of an interval: steps of 10^-6 ns, so 100 Gbit/s in bytes is exact. */
#define ZS_GCRA_SHIFT 20

struct zs_gcra_rate {
	uint64_t interval; /* ns a unit, << ZS_GCRA_SHIFT; UINT64_MAX: nothing passes */
	uint64_t burst_ns;
};

struct zs_gcra {
	uint64_t tat_ns;
};

static inline uint64_t zs_gcra_cost_ns(const struct zs_gcra_rate *rate, uint64_t units)
{
	unsigned __int128 ns = ((unsigned __int128)rate->interval * units + (1u << (ZS_GCRA_SHIFT - 1))) >>
			       ZS_GCRA_SHIFT;

	return ns > UINT64_MAX ? UINT64_MAX : (uint64_t)ns;
}

/* `burst` units may come at once after a rest, `per_s` of them a second on average. per_s 0:
 * nothing ever passes. */
static inline void zs_gcra_init(struct zs_gcra_rate *rate, uint64_t per_s, uint64_t burst)
{
	unsigned __int128 second = (unsigned __int128)1000000000u << ZS_GCRA_SHIFT;

	rate->interval = per_s ? (uint64_t)((second + per_s / 2) / per_s) : UINT64_MAX;
	rate->burst_ns = per_s ? zs_gcra_cost_ns(rate, burst) : 0;
}

/* Takes `units` if the bucket holds them. One writer a bucket. */
static inline bool zs_gcra_allow(struct zs_gcra *bucket, const struct zs_gcra_rate *rate, uint64_t now_ns,
				 uint64_t units)
{
	uint64_t cost = zs_gcra_cost_ns(rate, units),
		 from = bucket->tat_ns > now_ns ? bucket->tat_ns : now_ns, tat, limit;

	if (rate->interval == UINT64_MAX || __builtin_add_overflow(from, cost, &tat))
		return false;
	if (__builtin_add_overflow(now_ns, rate->burst_ns, &limit))
		limit = UINT64_MAX;
	if (tat > limit)
		return false;
	bucket->tat_ns = tat;
	return true;
}

#endif
