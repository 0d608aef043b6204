#include "p2p/quic/cid.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "base/check.h"
#include "base/hash.h"

#define FIRST 64 /* slots */

int zs_cids_init(struct zs_cids *t, const uint64_t key[2])
{
	*t = (struct zs_cids){ .capacity = FIRST, .key = { key[0], key[1] } };
	t->slot = calloc(FIRST, sizeof(*t->slot));
	return t->slot ? 0 : -ENOMEM;
}

void zs_cids_free(struct zs_cids *t)
{
	free(t->slot);
	*t = (struct zs_cids){ 0 };
}

static uint32_t home(const struct zs_cids *t, const void *bytes, size_t len)
{
	return (uint32_t)zs_hash(t->key, bytes, len) & (t->capacity - 1);
}

/* The entry, or the free slot where it would be. */
static uint32_t probe(const struct zs_cids *t, bool token, const void *bytes, size_t len)
{
	uint32_t i = home(t, bytes, len);

	for (;; i = (i + 1) & (t->capacity - 1)) {
		const struct zs_cid_entry *e = &t->slot[i];
		if (e->kind == ZS_CID_FREE || ((e->kind == ZS_CID_TOKEN) == token && e->len == len &&
					       memcmp(e->bytes, bytes, len) == 0))
			return i;
	}
}

const struct zs_cid_entry *zs_cids_find(const struct zs_cids *t, bool token, const void *bytes, size_t len)
{
	if (len > sizeof(t->slot->bytes))
		return NULL;
	const struct zs_cid_entry *e = &t->slot[probe(t, token, bytes, len)];
	return e->kind == ZS_CID_FREE ? NULL : e;
}

static int grow(struct zs_cids *t)
{
	struct zs_cids bigger = { .capacity = t->capacity * 2,
				  .used = t->used,
				  .key = { t->key[0], t->key[1] } };

	bigger.slot = calloc(bigger.capacity, sizeof(*bigger.slot));
	if (!bigger.slot)
		return -ENOMEM;
	for (uint32_t i = 0; i < t->capacity; i++) {
		const struct zs_cid_entry *e = &t->slot[i];
		if (e->kind != ZS_CID_FREE)
			bigger.slot[probe(&bigger, e->kind == ZS_CID_TOKEN, e->bytes, e->len)] = *e;
	}
	free(t->slot);
	*t = bigger;
	return 0;
}

int zs_cids_add(struct zs_cids *t, enum zs_cid_kind kind, const void *bytes, size_t len, void *owner)
{
	ZS_CHECK(len <= sizeof(t->slot->bytes) && kind != ZS_CID_FREE);
	if ((uint64_t)(t->used + 1) * 3 > (uint64_t)t->capacity * 2 && grow(t) < 0)
		return -ENOMEM;
	struct zs_cid_entry *e = &t->slot[probe(t, kind == ZS_CID_TOKEN, bytes, len)];
	t->used += e->kind == ZS_CID_FREE;
	*e = (struct zs_cid_entry){ .owner = owner, .kind = (uint8_t)kind, .len = (uint8_t)len };
	memcpy(e->bytes, bytes, len);
	return 0;
}

/* Moves later entries of the run back into the hole, so that no probe ends too early. */
static void close_hole(struct zs_cids *t, uint32_t hole)
{
	uint32_t mask = t->capacity - 1;

	for (uint32_t i = (hole + 1) & mask; t->slot[i].kind != ZS_CID_FREE; i = (i + 1) & mask) {
		uint32_t want = home(t, t->slot[i].bytes, t->slot[i].len);
		if (((i - want) & mask) < ((i - hole) & mask))
			continue;
		t->slot[hole] = t->slot[i];
		hole = i;
	}
	t->slot[hole] = (struct zs_cid_entry){ 0 };
}

void zs_cids_remove(struct zs_cids *t, bool token, const void *bytes, size_t len, const void *owner)
{
	if (len > sizeof(t->slot->bytes))
		return;
	uint32_t i = probe(t, token, bytes, len);
	if (t->slot[i].kind == ZS_CID_FREE || t->slot[i].owner != owner)
		return;
	t->used--;
	close_hole(t, i);
}
