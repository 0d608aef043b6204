#include <stdatomic.h>
#include <stdbool.h>
#include "base/gcra.h"
#include "limit.h"

#define TIME_BITS 44 /* 203 days of µs, then it goes round */
#define TIME_MASK ((1ull << TIME_BITS) - 1)
#define NS_PER_US 1000u
#define US_PER_S  1000000u
#define KIND	  0x9e3779b97f4a7c15u /* keeps the rates of one prefix apart: any odd number */

bool zs_limit_take(uint64_t *tat_ns, uint32_t rate_s, uint32_t burst, uint64_t now_ns)
{
	struct zs_gcra bucket = { .tat_ns = *tat_ns };
	struct zs_gcra_rate rate;

	zs_gcra_init(&rate, rate_s, burst ? burst : rate_s);
	if (rate_s && !zs_gcra_allow(&bucket, &rate, now_ns, 1))
		return false;
	*tat_ns = bucket.tat_ns;
	return true;
}

bool zs_limit_port(struct zs_limits *l, uint16_t port, uint32_t rate_s, uint32_t burst, uint64_t now_ns)
{
	uint64_t old = atomic_load_explicit(&l->port_tat_ns[port], memory_order_relaxed), tat;

	if (!rate_s)
		return true;
	do {
		tat = old;
		if (!zs_limit_take(&tat, rate_s, burst, now_ns))
			return false;
	} while (!atomic_compare_exchange_weak(&l->port_tat_ns[port], &old, tat));
	return true;
}

/* The source's network, mixed with a key of this run: which networks share a bucket is secret. */
uint64_t zs_limit_site_hash(const struct zs_limits *l, const struct zs_addr *a)
{
	struct zs_addr site = zs_addr_site(a);
	uint64_t x, family = zs_addr_is4(a);

	memcpy(&x, site.ip + (family ? 8 : 0), sizeof(x)); /* all that may differ, but for the family */
	x = __builtin_bswap64(x) >> 8;
	x = (x ^ family << 63 ^ l->key) * 0xff51afd7ed558ccdu;
	x = (x ^ x >> 33 ^ l->key) * 0xc4ceb9fe1a85ec53u;
	return x ^ x >> 29;
}

/* How far a word's time lies ahead, µs; 0 when it is past. */
static uint64_t ahead_us(uint64_t word, uint64_t now_us)
{
	uint64_t ahead = (word - now_us) & TIME_MASK;

	return ahead > TIME_MASK / 2 ? 0 : ahead;
}

static int find_way(_Atomic uint64_t *bucket, uint64_t tag, uint64_t now_us)
{
	int oldest = 0;
	uint64_t least = UINT64_MAX;

	for (int i = 0; i < ZS_LIMIT_WAYS; i++) {
		uint64_t word = atomic_load_explicit(&bucket[i], memory_order_relaxed);

		if (word >> TIME_BITS == tag)
			return i;
		if (ahead_us(word, now_us) < least) {
			least = ahead_us(word, now_us);
			oldest = i;
		}
	}
	return oldest;
}

/* What a word says now: how far its time lies ahead, ns. A word further ahead than a burst reaches was left a round
 * ago, or under another rate. */
static uint64_t reading(uint64_t word, uint64_t tag, uint32_t rate_s, uint32_t burst, uint64_t now_us)
{
	uint64_t tat = word >> TIME_BITS == tag ? ahead_us(word, now_us) : 0;

	if (tat > (uint64_t)(burst ? burst : rate_s) * US_PER_S / rate_s + 1)
		tat = 0;
	return tat * NS_PER_US;
}

bool zs_limit_prefix_of(struct zs_limits *l, enum zs_limit_kind kind, const struct zs_addr *src,
			uint32_t rate_s, uint32_t burst, uint64_t now_ns)
{
	uint64_t h = zs_limit_site_hash(l, src) ^ kind * KIND, tag = h >> TIME_BITS | 1,
		 now = now_ns / NS_PER_US, old, tat;
	_Atomic uint64_t *bucket = l->prefix[h % ZS_LIMIT_BUCKETS], *word;

	if (!rate_s)
		return true;
	word = &bucket[find_way(bucket, tag, now)];
	old = atomic_load_explicit(word, memory_order_relaxed);
	do {
		tat = reading(old, tag, rate_s, burst, now);
		if (!zs_limit_take(&tat, rate_s, burst, 0))
			return false;
		tat = now + (tat + NS_PER_US - 1) / NS_PER_US;
	} while (!atomic_compare_exchange_weak(word, &old, tag << TIME_BITS | (tat & TIME_MASK)));
	return true;
}

bool zs_limit_prefix_left(struct zs_limits *l, enum zs_limit_kind kind, const struct zs_addr *src,
			  uint32_t rate_s, uint32_t burst, uint64_t now_ns)
{
	uint64_t h = zs_limit_site_hash(l, src) ^ kind * KIND, tag = h >> TIME_BITS | 1,
		 now = now_ns / NS_PER_US, tat;
	_Atomic uint64_t *bucket = l->prefix[h % ZS_LIMIT_BUCKETS];

	if (!rate_s)
		return true;
	tat = reading(atomic_load_explicit(&bucket[find_way(bucket, tag, now)], memory_order_relaxed), tag,
		      rate_s, burst, now);
	return zs_limit_take(&tat, rate_s, burst, 0);
}

bool zs_limit_prefix(struct zs_limits *l, const struct zs_addr *src, uint32_t rate_s, uint32_t burst,
		     uint64_t now_ns)
{
	return zs_limit_prefix_of(l, ZS_LIMIT_FLOWS, src, rate_s, burst, now_ns);
}

static _Atomic uint32_t *prefix_count(struct zs_limits *l, const struct zs_addr *client)
{
	return &l->prefix_flows[zs_limit_site_hash(l, client) % ZS_LIMIT_COUNTS];
}

void zs_limit_flow_made(struct zs_limits *l, uint16_t port, const struct zs_addr *client)
{
	atomic_fetch_add_explicit(&l->port_flows[port], 1, memory_order_relaxed);
	atomic_fetch_add_explicit(prefix_count(l, client), 1, memory_order_relaxed);
}

void zs_limit_flow_gone(struct zs_limits *l, uint16_t port, const struct zs_addr *client)
{
	atomic_fetch_sub_explicit(&l->port_flows[port], 1, memory_order_relaxed);
	atomic_fetch_sub_explicit(prefix_count(l, client), 1, memory_order_relaxed);
}

uint32_t zs_limit_port_flows(const struct zs_limits *l, uint16_t port)
{
	return atomic_load_explicit(&l->port_flows[port], memory_order_relaxed);
}

uint32_t zs_limit_prefix_flows(const struct zs_limits *l, const struct zs_addr *client)
{
	return atomic_load_explicit(prefix_count((struct zs_limits *)l, client), memory_order_relaxed);
}
