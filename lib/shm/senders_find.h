/* From a hash to the sender; apart from senders.h, which programs in the kernel read too. */
#ifndef ZS_SHM_SENDERS_FIND_H
#define ZS_SHM_SENDERS_FIND_H

#include <simde/x86/sse4.1.h>
#include "shm/senders.h"

#define ZS_SENDER_ID_MASK ((1u << 20) - 1)

/* The fingerprint in its place; never zero, so no word that holds a sender is empty. */
static inline uint64_t zs_sender_print(uint64_t hash)
{
	uint64_t print = hash & ~(uint64_t)ZS_SENDER_ID_MASK;

	return print ? print : 1ull << 20;
}

/* Which words of a bucket carry the fingerprint, two bits each: no branch that a sender's place would mislead. A vector reads
 * each of its words whole, as an atomic load would. */
static inline uint32_t zs_senders_match(const struct zs_sender_bucket *b, uint64_t print)
{
	simde__m128i mask = simde_mm_set1_epi64x((int64_t) ~(uint64_t)ZS_SENDER_ID_MASK);
	simde__m128i want = simde_mm_set1_epi64x((int64_t)print);
#define PAIR(n)                                                                                              \
	simde_mm_cmpeq_epi64(                                                                                \
	    simde_mm_and_si128(simde_mm_loadu_si128((const simde__m128i *)(const void *)&b->word[n]), mask), \
	    want)

	_Static_assert(ZS_SENDER_WORDS == 8, "four pairs");
	return (uint32_t)simde_mm_movemask_epi8(simde_mm_packs_epi16(simde_mm_packs_epi32(PAIR(0), PAIR(2)),
								     simde_mm_packs_epi32(PAIR(4), PAIR(6))));
#undef PAIR
}

/* Any worker: the attachment, or ZS_SENDER_NONE. The id is another process's word: check it. */
static inline uint32_t zs_senders_find(const struct zs_senders *s, uint64_t hash)
{
	const struct zs_sender_bucket *b = &s->bucket[hash & s->mask];
	uint64_t print = zs_sender_print(hash);
	uint32_t bits = zs_senders_match(b, print);
	uint64_t word;

	if (!bits) {
		b = &s->bucket[(hash & s->mask) ^ 1];
		bits = zs_senders_match(b, print);
	}
	if (!bits)
		return ZS_SENDER_NONE;
	word = atomic_load_explicit(&b->word[__builtin_ctz(bits) / 2], memory_order_relaxed);
	/* The binder may have given the place to another since it was compared. */
	return (word & ~(uint64_t)ZS_SENDER_ID_MASK) == print ? (uint32_t)word & ZS_SENDER_ID_MASK
							      : ZS_SENDER_NONE;
}

#endif
