#include "keyset.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

static uint32_t home(const struct zs_keyset *s, const void *key)
{
	uint64_t hash;

	_Static_assert(crypto_shorthash_BYTES == sizeof(hash) && crypto_shorthash_KEYBYTES == 16, "SipHash");
	crypto_shorthash((uint8_t *)&hash, key, s->key, s->secret);
	return (uint32_t)hash & (s->slots - 1);
}

static void *slot(const struct zs_keyset *s, uint32_t i)
{
	return s->entry + (size_t)i * s->size;
}

int zs_keyset_new(struct zs_keyset *s, size_t size, size_t key, uint32_t max)
{
	*s = (struct zs_keyset){ .size = size, .key = key, .max = max, .slots = 16 };
	while (s->slots < 2 * max)
		s->slots *= 2;
	s->entry = calloc(s->slots, size);
	s->used = calloc(s->slots, 1);
	if (!s->entry || !s->used) {
		zs_keyset_delete(s);
		return -ENOMEM;
	}
	randombytes_buf(s->secret, sizeof(s->secret));
	return 0;
}

void zs_keyset_delete(struct zs_keyset *s)
{
	free(s->entry);
	free(s->used);
	*s = (struct zs_keyset){ 0 };
}

/* The entry's slot, or the free one where it would go: load is at most 1/2, so there is one. */
static uint32_t seek(const struct zs_keyset *s, const void *key)
{
	uint32_t i = home(s, key);

	while (s->used[i] && memcmp(slot(s, i), key, s->key))
		i = (i + 1) & (s->slots - 1);
	return i;
}

void *zs_keyset_find(const struct zs_keyset *s, const void *key)
{
	uint32_t i = seek(s, key);

	return s->used[i] ? slot(s, i) : NULL;
}

void *zs_keyset_put(struct zs_keyset *s, const void *key)
{
	uint32_t i = seek(s, key);

	if (s->used[i])
		return slot(s, i);
	if (s->count == s->max)
		return NULL;
	memset(slot(s, i), 0, s->size);
	memcpy(slot(s, i), key, s->key);
	s->used[i] = 1;
	s->count++;
	return slot(s, i);
}

/* Moves later entries of the probe run back into the hole, so that no look-up ends early. */
void zs_keyset_del(struct zs_keyset *s, const void *key)
{
	uint32_t mask = s->slots - 1, hole = seek(s, key);

	if (!s->used[hole])
		return;
	for (uint32_t i = (hole + 1) & mask; s->used[i]; i = (i + 1) & mask) {
		uint32_t want = home(s, slot(s, i));

		if (((i - want) & mask) < ((i - hole) & mask))
			continue;
		memcpy(slot(s, hole), slot(s, i), s->size);
		hole = i;
	}
	s->used[hole] = 0;
	s->count--;
}

void *zs_keyset_at(const struct zs_keyset *s, uint32_t i)
{
	return s->used[i] ? slot(s, i) : NULL;
}
