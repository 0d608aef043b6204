/* Which attachment sends from an address: {family, address, port, own address} → attachment id. An open index in the
 * state segment, written by the binder alone, read by every worker without a lock.
 *
 * A bucket is a line of eight words, each a 44-bit fingerprint under a secret key and a 20-bit id. A sender lies in its
 * bucket or the one beside it, which the CPU fetches with it; with a quarter of the words in use both are full
 * for one sender in a million or fewer. That one is refused, and counted by whoever inserts.
 * Two senders of one fingerprint in one pair of buckets would be taken for one: 2^-40 for a pair, and nobody without the key
 * can aim at it. What follows is a charge to the wrong account, no packet to the wrong peer. */
#ifndef ZS_SHM_SENDERS_H
#define ZS_SHM_SENDERS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include "base/hash.h"
#include "base/prefetch.h"
#include "net/addr.h"

#define ZS_SENDER_NONE	UINT32_MAX
#define ZS_SENDER_WORDS 8

struct zs_sender_bucket {
	_Atomic uint64_t word[ZS_SENDER_WORDS]; /* 0: empty */
};
_Static_assert(sizeof(struct zs_sender_bucket) == 64, "one line");

/* One process's view. */
struct zs_senders {
	struct zs_sender_bucket *bucket;
	uint32_t mask; /* buckets − 1, a power of two from 2 on */
	uint64_t key[2];
};

/* Buckets for so many attachments, a power of two. */
static inline uint32_t zs_senders_for(uint32_t attachments)
{
	return attachments < 4 ? 2 : attachments / 2;
}

/* To be had for a burst before the look-ups are prefetched. `local`: index of the own address it sends to. */
static inline uint64_t zs_senders_hash(const struct zs_senders *s, const struct zs_endpoint *from,
				       uint8_t local)
{
	uint64_t key[3] = { zs_hash_load(from->addr.ip), zs_hash_load(from->addr.ip + 8),
			    from->port | (uint64_t)local << 16 };

	return zs_hash24(s->key, key);
}

static inline void zs_senders_prefetch(const struct zs_senders *s, uint64_t hash)
{
	zs_prefetch(&s->bucket[hash & s->mask]);
}

/* Binder: would an insert find room? */
bool zs_senders_room(const struct zs_senders *s, uint64_t hash);
/* Binder. An address that another attachment has sent from is the new one's. false: no room. */
bool zs_senders_insert(struct zs_senders *s, uint64_t hash, uint32_t id);
/* Binder: nothing happens when the address is another's by now. */
void zs_senders_remove(struct zs_senders *s, uint64_t hash, uint32_t id);
/* Binder, at the start: all words, before any insert. */
void zs_senders_clear(struct zs_senders *s);

#endif
