#include <stdatomic.h>
#include <stdbool.h>
#include "limit.h"

#define TIME_BITS 44 /* 203 days of µs; compared modulo that */
#define TIME_MASK ((1ull << TIME_BITS) - 1)

bool zs_limit_gcra(uint64_t *tat_us, uint32_t rate_s, uint32_t burst, uint64_t now_us)
{
	uint64_t step = 1000000 / (rate_s ? rate_s : 1) + !(1000000 / (rate_s ? rate_s : 1));
	uint64_t slack = step * (burst ? burst - 1 : rate_s - 1ull),
		 tat = *tat_us > now_us ? *tat_us : now_us;

	if (tat - now_us > slack)
		return false;
	*tat_us = tat + step;
	return true;
}

bool zs_limit_port(struct zs_limits *l, uint16_t port, uint32_t rate_s, uint32_t burst, uint64_t now_us)
{
	uint64_t old = atomic_load_explicit(&l->port_tat[port], memory_order_relaxed), tat;

	if (!rate_s)
		return true;
	do {
		tat = old;
		if (!zs_limit_gcra(&tat, rate_s, burst, now_us))
			return false;
	} while (!atomic_compare_exchange_weak(&l->port_tat[port], &old, tat));
	return true;
}

/* The first 24 or 56 bits, mixed with a key of this run: which prefixes share a bucket is secret. */
static uint64_t prefix_hash(const struct zs_limits *l, const struct zs_addr *a)
{
	uint64_t x, family = zs_addr_is4(a);

	if (family) {
		x = __builtin_bswap32(zs_addr_get4(a)) >> 8;
	} else {
		memcpy(&x, a->ip, 8);
		x = __builtin_bswap64(x) >> 8;
	}
	x = (x ^ family << 63 ^ l->key) * 0xff51afd7ed558ccdu;
	x = (x ^ x >> 33 ^ l->key) * 0xc4ceb9fe1a85ec53u;
	return x ^ x >> 29;
}

static int find_way(_Atomic uint64_t *bucket, uint64_t tag, uint64_t now)
{
	int oldest = 0;
	uint64_t least = UINT64_MAX;

	for (int i = 0; i < ZS_LIMIT_WAYS; i++) {
		uint64_t word = atomic_load_explicit(&bucket[i], memory_order_relaxed);
		uint64_t ahead = (word & TIME_MASK) > now ? (word & TIME_MASK) - now : 0;

		if (word >> TIME_BITS == tag)
			return i;
		if (ahead < least) {
			least = ahead;
			oldest = i;
		}
	}
	return oldest;
}

bool zs_limit_prefix(struct zs_limits *l, const struct zs_addr *src, uint32_t rate_s, uint32_t burst,
		     uint64_t now_us)
{
	uint64_t h = prefix_hash(l, src), tag = h >> TIME_BITS | 1, now = now_us & TIME_MASK, old, tat;
	_Atomic uint64_t *bucket = l->prefix[h % ZS_LIMIT_BUCKETS], *word;

	if (!rate_s)
		return true;
	word = &bucket[find_way(bucket, tag, now)];
	old = atomic_load_explicit(word, memory_order_relaxed);
	do {
		tat = old >> TIME_BITS == tag ? old & TIME_MASK : 0;
		if (!zs_limit_gcra(&tat, rate_s, burst, now))
			return false;
	} while (!atomic_compare_exchange_weak(word, &old, tag << TIME_BITS | (tat & TIME_MASK)));
	return true;
}
