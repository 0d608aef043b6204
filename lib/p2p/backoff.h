/* What failed is left alone for a while, twice as long each time, with jitter so that many do not return
 * together. Keys are bytes of the caller's; the table is bounded, and the one that may be tried soonest makes
 * room. One thread, no clock. */
#ifndef ZS_P2P_BACKOFF_H
#define ZS_P2P_BACKOFF_H

#include <stddef.h>
#include <stdint.h>
#include "base/random.h"

struct zs_backoff_config {
	uint64_t base_ns, max_ns; /* after the first failure, at most */
	uint32_t entries;	  /* remembered at once */
	uint64_t key[2];	  /* random per start */
	struct zs_random random;
};
struct zs_backoff {
	struct zs_backoff_config config;
	struct zs_backoff_set *set;
	uint32_t mask;
};

int zs_backoff_new(struct zs_backoff *b, const struct zs_backoff_config *config); /* -ENOMEM */
void zs_backoff_delete(struct zs_backoff *b);
/* When it may be tried: now_ns or earlier, or a later time. Never later than max_ns from now, whatever the
 * clock did. */
uint64_t zs_backoff_until(const struct zs_backoff *b, const void *key, size_t len, uint64_t now_ns);
/* Waits [d/2, d) with d = base · 2^(failures-1) up to max; a failure after a rest of max_ns is a first one. */
void zs_backoff_failed(struct zs_backoff *b, const void *key, size_t len, uint64_t now_ns);
void zs_backoff_succeeded(struct zs_backoff *b, const void *key, size_t len);

#endif
