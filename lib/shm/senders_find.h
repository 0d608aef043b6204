/* From a hash to the sender; apart from senders.h, which programs in the kernel read too. */
#ifndef ZS_SHM_SENDERS_FIND_H
#define ZS_SHM_SENDERS_FIND_H

#include "shm/senders.h"

#define ZS_SENDER_ID_MASK ((1u << 20) - 1)

/* The fingerprint in its place; never zero, so no word that holds a sender is empty. */
static inline uint64_t zs_sender_print(uint64_t hash)
{
	uint64_t print = hash & ~(uint64_t)ZS_SENDER_ID_MASK;

	return print ? print : 1ull << 20;
}

/* Which words of a bucket carry the fingerprint, one bit each: no branch that a sender's place would mislead. */
static inline uint32_t zs_senders_match(const struct zs_sender_bucket *b, uint64_t print)
{
	uint32_t bits = 0;

	for (uint32_t i = 0; i < ZS_SENDER_WORDS; i++)
		bits |= (uint32_t)((atomic_load_explicit(&b->word[i], memory_order_relaxed) ^ print) <=
				   ZS_SENDER_ID_MASK)
			<< i;
	return bits;
}

/* Any worker: the attachment, or ZS_SENDER_NONE. The id is another process's word: check it. */
static inline uint32_t zs_senders_find(const struct zs_senders *s, uint64_t hash)
{
	const struct zs_sender_bucket *b = &s->bucket[hash & s->mask];
	uint64_t print = zs_sender_print(hash);
	uint32_t bits = zs_senders_match(b, print);

	if (!bits) {
		b = &s->bucket[(hash & s->mask) ^ 1];
		bits = zs_senders_match(b, print);
	}
	return bits ? (uint32_t)atomic_load_explicit(&b->word[__builtin_ctz(bits)], memory_order_relaxed) &
			  ZS_SENDER_ID_MASK
		    : ZS_SENDER_NONE;
}

#endif
