/* A bounded set of fixed-size entries found by their leading key bytes: open addressing with
 * linear probing, keyed hash, no tombstones. Entries move: a pointer is good until the next put or del. */
#ifndef ZS_CONTROLPLANE_KEYSET_H
#define ZS_CONTROLPLANE_KEYSET_H

#include <stddef.h>
#include <stdint.h>

struct zs_keyset {
	size_t size, key; /* bytes of an entry and of its leading key */
	uint32_t max, count, slots;
	uint8_t *entry, *used;
	uint8_t secret[16];
};

int zs_keyset_new(struct zs_keyset *s, size_t size, size_t key, uint32_t max); /* -ENOMEM */
void zs_keyset_delete(struct zs_keyset *s);
void *zs_keyset_find(const struct zs_keyset *s, const void *key);
/* Finds or adds (zeroed but for the key). NULL: `max` entries are in. */
void *zs_keyset_put(struct zs_keyset *s, const void *key);
void zs_keyset_del(struct zs_keyset *s, const void *key);
/* Entry in slot i < slots, or NULL. Deleting the one returned: look at the same i again. */
void *zs_keyset_at(const struct zs_keyset *s, uint32_t i);

#endif
