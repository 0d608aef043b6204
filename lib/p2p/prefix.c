/* Sets of eight sources by keyed hash. A source is its hash and a GCRA bucket; one whose bucket is full again
 * is as good as absent, so the place of the fullest is taken first and nothing needs ageing. When even that
 * one is in use the table is crowded: heavy sources stay, light ones share what is left. */
#include "p2p/prefix.h"

#include <errno.h>
#include <stdlib.h>
#include "base/check.h"
#include "base/hash.h"

#define WAYS 8

struct zs_prefix_set {
	struct {
		uint64_t tag; /* 0: never used */
		struct zs_gcra bucket;
	} way[WAYS];
};

void zs_prefix_defaults(struct zs_prefix_config *config)
{
	*config = (struct zs_prefix_config){
		.rate = {
#define ZS_NEW_RATE(name, bits4, bits6, per_s, burst, soft, text)                                            \
	[ZS_NEW_RATE_##name] = { bits4, bits6, per_s, burst, soft },
#include "defs/p2p_limits.def"
#undef ZS_NEW_RATE
		},
		.half_open_retry = 128, /* a burst that a core finishes within 100 ms */
		.half_open_max = 1024,
		.sources = 65536,
	};
}

int zs_prefix_rates_new(struct zs_prefix_rates *r, const struct zs_prefix_config *config)
{
	uint32_t sets = 1;

	while (sets * WAYS < config->sources)
		sets *= 2;
	*r = (struct zs_prefix_rates){ .config = *config, .mask = sets - 1 };
	for (int k = 0; k < ZS_NEW_RATES; k++) {
		zs_gcra_init(&r->hard[k], config->rate[k].per_s, config->rate[k].burst);
		zs_gcra_init(&r->soft[k], config->rate[k].per_s, config->rate[k].soft);
	}
	r->set = calloc(sets, sizeof(*r->set));
	return r->set ? 0 : -ENOMEM;
}

void zs_prefix_rates_delete(struct zs_prefix_rates *r)
{
	free(r->set);
	r->set = NULL;
}

static uint64_t tag_of(const struct zs_prefix_rates *r, const struct zs_addr *addr, int kind)
{
	bool four = zs_addr_is4(addr);
	unsigned bits = four ? 96u + r->config.rate[kind].bits4 : r->config.rate[kind].bits6;
	uint8_t key[17] = { 0 };

	memcpy(key, addr->ip, bits / 8);
	if (bits % 8)
		key[bits / 8] = addr->ip[bits / 8] & (uint8_t)(0xff00 >> bits % 8);
	key[16] = (uint8_t)kind;
	return zs_hash(r->config.key, key, sizeof(key)) | 1;
}

/* The way that holds the tag, or the one whose place it would take. */
static uint32_t way_of(const struct zs_prefix_set *s, uint64_t tag)
{
	uint32_t best = 0;

	for (uint32_t i = 0; i < WAYS; i++) {
		if (s->way[i].tag == tag)
			return i;
		if (s->way[i].bucket.tat_ns < s->way[best].bucket.tat_ns)
			best = i;
	}
	return best;
}

static struct zs_prefix_set *set_of(const struct zs_prefix_rates *r, uint64_t tag)
{
	return &r->set[(tag >> 32) & r->mask];
}

/* The source's bucket as it is now; *crowded: it would push out one that is still in use. */
static struct zs_gcra look(struct zs_prefix_rates *r, uint64_t tag, int kind, uint64_t now_ns, bool *crowded)
{
	struct zs_prefix_set *s = set_of(r, tag);
	uint32_t i = way_of(s, tag);
	uint64_t *tat = &s->way[i].bucket.tat_ns;

	if (s->way[i].tag != tag) {
		*crowded |= *tat > now_ns;
		return (struct zs_gcra){ 0 };
	}
	if (*tat > now_ns && *tat - now_ns > r->hard[kind].burst_ns) /* the clock stepped back */
		*tat = now_ns + r->hard[kind].burst_ns;
	return s->way[i].bucket;
}

static void store(struct zs_prefix_rates *r, uint64_t tag, struct zs_gcra bucket)
{
	struct zs_prefix_set *s = set_of(r, tag);
	uint32_t i = way_of(s, tag);

	s->way[i].tag = tag;
	s->way[i].bucket = bucket;
}

static enum zs_arrival_why judge(struct zs_prefix_rates *r, const struct zs_addr *addr, bool proven,
				 uint32_t half_open, uint64_t now_ns)
{
	static const enum zs_arrival_why whys[] = {
		[ZS_NEW_RATE_address] = ZS_ARRIVAL_ADDRESS, [ZS_NEW_RATE_prefix] = ZS_ARRIVAL_PREFIX
	};
	uint64_t tag[ZS_NEW_RATES];
	struct zs_gcra bucket[ZS_NEW_RATES];
	bool crowded = false;

	if (half_open >= (proven ? r->config.half_open_max : r->config.half_open_retry))
		return ZS_ARRIVAL_HALF_OPEN;
	for (int k = 0; k < ZS_NEW_RATES; k++) {
		tag[k] = tag_of(r, addr, k);
		bucket[k] = look(r, tag[k], k, now_ns, &crowded);
	}
	for (int k = 0; k < ZS_NEW_RATES; k++)
		if (!zs_gcra_allow(&bucket[k], proven ? &r->hard[k] : &r->soft[k], now_ns, 1))
			return whys[k];
	if (crowded && !proven)
		return ZS_ARRIVAL_CROWDED;
	for (int k = 0; k < ZS_NEW_RATES; k++)
		store(r, tag[k], bucket[k]);
	return ZS_ARRIVAL_FINE;
}

enum zs_arrival zs_prefix_judge(struct zs_prefix_rates *r, const struct zs_addr *addr, bool proven,
				uint32_t half_open, uint64_t now_ns, enum zs_arrival_why *why)
{
	enum zs_arrival verdict = ZS_ARRIVAL_ACCEPT;

	*why = judge(r, addr, proven, half_open, now_ns);
	if (*why != ZS_ARRIVAL_FINE)
		verdict = proven ? ZS_ARRIVAL_REFUSE : ZS_ARRIVAL_RETRY;
	r->count[verdict][*why]++;
	return verdict;
}
