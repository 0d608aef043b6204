/* The index of senders. A word changes from empty to its sender and back in one store, so a reader sees it or does not. */
#include "shm/senders_find.h"

#define ID_MASK	 ZS_SENDER_ID_MASK
#define print_of zs_sender_print

static uint64_t load(const struct zs_sender_bucket *b, int i)
{
	return atomic_load_explicit(&b->word[i], memory_order_relaxed);
}

/* The word of a print in one bucket, or NULL. */
static _Atomic uint64_t *word_in(struct zs_sender_bucket *b, uint64_t print)
{
	for (int i = 0; i < ZS_SENDER_WORDS; i++)
		if ((load(b, i) & ~(uint64_t)ID_MASK) == print)
			return &b->word[i];
	return NULL;
}

static _Atomic uint64_t *word_of(const struct zs_senders *s, uint64_t hash)
{
	uint64_t at = hash & s->mask, print = print_of(hash);
	_Atomic uint64_t *word = word_in(&s->bucket[at], print);

	return word ? word : word_in(&s->bucket[at ^ 1], print);
}

static _Atomic uint64_t *empty_in(struct zs_sender_bucket *b)
{
	for (int i = 0; i < ZS_SENDER_WORDS; i++)
		if (!load(b, i))
			return &b->word[i];
	return NULL;
}

/* Where a sender lies, or may lie; NULL: no room. */
static _Atomic uint64_t *place_for(const struct zs_senders *s, uint64_t hash)
{
	_Atomic uint64_t *word = word_of(s, hash);

	if (!word)
		word = empty_in(&s->bucket[hash & s->mask]);
	return word ? word : empty_in(&s->bucket[(hash & s->mask) ^ 1]);
}

bool zs_senders_room(const struct zs_senders *s, uint64_t hash)
{
	return place_for(s, hash) != NULL;
}

bool zs_senders_insert(struct zs_senders *s, uint64_t hash, uint32_t id)
{
	_Atomic uint64_t *word = place_for(s, hash);

	if (!word)
		return false;
	atomic_store_explicit(word, print_of(hash) | (id & ID_MASK), memory_order_relaxed);
	return true;
}

void zs_senders_remove(struct zs_senders *s, uint64_t hash, uint32_t id)
{
	_Atomic uint64_t *word = word_of(s, hash);

	if (word && (atomic_load_explicit(word, memory_order_relaxed) & ID_MASK) == id)
		atomic_store_explicit(word, 0, memory_order_relaxed);
}

void zs_senders_clear(struct zs_senders *s)
{
	for (uint32_t i = 0; i <= s->mask; i++)
		for (int k = 0; k < ZS_SENDER_WORDS; k++)
			atomic_store_explicit(&s->bucket[i].word[k], 0, memory_order_relaxed);
}
