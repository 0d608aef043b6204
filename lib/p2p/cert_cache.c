/* Sets of four entries, found by the first bits of the hash; a set is filled round-robin. A
 * stranger can push others out of a set, which costs CPU and nothing else. */
#include <openssl/sha.h>
#include <stdlib.h>
#include "p2p/cert.h"

#define WAYS 4

struct entry {
	uint8_t hash[SHA256_DIGEST_LENGTH]; /* all zero: empty; no certificate is known to hash to it */
	struct zs_cert_proof proof;
};

struct zs_cert_cache {
	uint32_t sets; /* a power of two */
	uint64_t hits;
	uint8_t *turn; /* of each set: whom the next one replaces */
	struct entry entry[];
};

struct zs_cert_cache *zs_cert_cache_new(uint32_t entries)
{
	uint32_t sets = 1;
	struct zs_cert_cache *cache;

	while (sets < (1u << 24) && sets * WAYS < entries)
		sets *= 2;
	cache = calloc(1, sizeof(*cache) + (size_t)sets * WAYS * sizeof(struct entry));
	if (!cache)
		return NULL;
	cache->sets = sets;
	cache->turn = calloc(sets, 1);
	if (!cache->turn) {
		free(cache);
		return NULL;
	}
	return cache;
}

void zs_cert_cache_delete(struct zs_cert_cache *cache)
{
	if (!cache)
		return;
	free(cache->turn);
	free(cache);
}

uint64_t zs_cert_cache_hits(const struct zs_cert_cache *cache)
{
	return cache->hits;
}

static uint32_t set_of(const struct zs_cert_cache *cache, const uint8_t *hash)
{
	uint32_t head;
	memcpy(&head, hash, sizeof(head));
	return head & (cache->sets - 1);
}

enum zs_cert_verdict zs_cert_cache_verify(struct zs_cert_cache *cache, struct zs_cert_proof *out,
					  const void *der, size_t len, int64_t now_s)
{
	uint8_t hash[SHA256_DIGEST_LENGTH];
	enum zs_cert_verdict verdict;

	if (!cache || len > ZS_CERT_DER)
		return zs_cert_verify(out, der, len, now_s);
	SHA256(der, len, hash);
	uint32_t set = set_of(cache, hash);
	struct entry *e = &cache->entry[(size_t)set * WAYS];
	for (uint32_t i = 0; i < WAYS; i++)
		if (memcmp(e[i].hash, hash, sizeof(hash)) == 0 && now_s >= e[i].proof.not_before &&
		    now_s <= e[i].proof.not_after) {
			cache->hits++;
			*out = e[i].proof;
			return ZS_CERT_OK;
		}
	verdict = zs_cert_verify(out, der, len, now_s);
	if (verdict == ZS_CERT_OK) {
		e += cache->turn[set]++ % WAYS;
		memcpy(e->hash, hash, sizeof(hash));
		e->proof = *out;
	}
	return verdict;
}
