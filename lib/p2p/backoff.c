/* Sets of eight by keyed hash, as lib/p2p/prefix.c: an entry is its hash, the number of failures, a time. */
#include "p2p/backoff.h"

#include <errno.h>
#include <stdlib.h>
#include "base/hash.h"

#define WAYS 8

struct zs_backoff_set {
	struct {
		uint64_t tag, until_ns; /* tag 0: free */
		uint32_t failures;
	} way[WAYS];
};

int zs_backoff_new(struct zs_backoff *b, const struct zs_backoff_config *config)
{
	uint32_t sets = 1;

	while (sets * WAYS < config->entries)
		sets *= 2;
	*b = (struct zs_backoff){ .config = *config, .mask = sets - 1 };
	b->set = calloc(sets, sizeof(*b->set));
	return b->set ? 0 : -ENOMEM;
}

void zs_backoff_delete(struct zs_backoff *b)
{
	free(b->set);
	b->set = NULL;
}

static uint64_t tag_of(const struct zs_backoff *b, const void *key, size_t len)
{
	return zs_hash(b->config.key, key, len) | 1;
}

/* The way that holds the tag; else a free one or the one that may be tried soonest. */
static uint32_t way_of(const struct zs_backoff *b, uint64_t tag, struct zs_backoff_set **set)
{
	uint32_t best = 0;

	*set = &b->set[(tag >> 32) & b->mask];
	for (uint32_t i = 0; i < WAYS; i++) {
		if ((*set)->way[i].tag == tag)
			return i;
		if ((*set)->way[i].until_ns < (*set)->way[best].until_ns)
			best = i;
	}
	return best;
}

uint64_t zs_backoff_until(const struct zs_backoff *b, const void *key, size_t len, uint64_t now_ns)
{
	uint64_t tag = tag_of(b, key, len), until;
	struct zs_backoff_set *s;
	uint32_t i = way_of(b, tag, &s);

	if (s->way[i].tag != tag)
		return 0;
	until = s->way[i].until_ns;
	if (until > now_ns && until - now_ns > b->config.max_ns) /* the clock stepped back */
		until = s->way[i].until_ns = now_ns + b->config.max_ns;
	return until;
}

static uint64_t wait_of(const struct zs_backoff *b, uint32_t failures)
{
	uint64_t wait = b->config.base_ns;

	while (--failures && wait < b->config.max_ns)
		wait = wait > UINT64_MAX / 2 ? UINT64_MAX : wait * 2;
	return wait < b->config.max_ns ? wait : b->config.max_ns;
}

void zs_backoff_failed(struct zs_backoff *b, const void *key, size_t len, uint64_t now_ns)
{
	uint64_t tag = tag_of(b, key, len), wait;
	struct zs_backoff_set *s;
	uint32_t i = way_of(b, tag, &s);

	if (s->way[i].tag != tag || now_ns > s->way[i].until_ns + b->config.max_ns) {
		s->way[i].tag = tag;
		s->way[i].failures = 0;
	}
	if (s->way[i].failures < UINT32_MAX)
		s->way[i].failures++;
	wait = wait_of(b, s->way[i].failures);
	s->way[i].until_ns = now_ns + wait / 2 + zs_random_below(&b->config.random, wait - wait / 2);
}

void zs_backoff_succeeded(struct zs_backoff *b, const void *key, size_t len)
{
	uint64_t tag = tag_of(b, key, len);
	struct zs_backoff_set *s;
	uint32_t i = way_of(b, tag, &s);

	if (s->way[i].tag == tag) {
		s->way[i].tag = 0;
		s->way[i].until_ns = 0;
	}
}
