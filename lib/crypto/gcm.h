/* AES-128-GCM as the relay protocol uses it: a 16-byte tag, in place, and always the nonce of RFC 8446 §5.3, the
 * key's IV xor a counter. Two implementations behind one interface: intel-ipsec-mb (x86) and BoringSSL. They give
 * the same bytes; a key belongs to the kind of engine that made it.
 *
 * An engine is one thread's. Keys are the caller's memory, readable by all threads, good for this process alone
 * (BoringSSL's hold pointers): never put one into shared memory. No call here allocates but zs_gcm_engine_init. */
#ifndef ZS_CRYPTO_GCM_H
#define ZS_CRYPTO_GCM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/prefetch.h"

#define ZS_GCM_KEY   16
#define ZS_GCM_NONCE 12
#define ZS_GCM_TAG   16
#define ZS_GCM_STATE 1008 /* the larger of the two: intel-ipsec-mb's */

struct zs_gcm_key {
	_Alignas(64) uint8_t state[ZS_GCM_STATE];
	uint8_t iv[ZS_GCM_NONCE];
	uint32_t pad;
};
_Static_assert(sizeof(struct zs_gcm_key) == 1024, "16 lines, the IV in the last");

/* One message, in place. */
struct zs_gcm_job {
	const struct zs_gcm_key *key;
	uint64_t counter;
	const uint8_t *aad;
	uint8_t *text; /* aad and text do not overlap */
	uint8_t *tag;  /* sealing: written; opening: read */
	uint32_t aad_len, len;
	bool ok; /* opening: authentic. If not, `text` is garbage: drop it */
};

enum zs_gcm_kind { ZS_GCM_BORINGSSL, ZS_GCM_IPSECMB, ZS_GCM_KINDS };

/* Which lines of a key a message reads (bits): always some at its front, and the powers of the hash key up to the message's number
 * of blocks, which may lie at its back, the first one last. */
struct zs_gcm_engine {
	void (*expand)(const struct zs_gcm_engine *e, struct zs_gcm_key *key,
		       const uint8_t bytes[ZS_GCM_KEY]);
	void (*seal)(const struct zs_gcm_engine *e, struct zs_gcm_job *job);
	void (*open)(const struct zs_gcm_engine *e, struct zs_gcm_job *job);
	void *state;
	uint16_t front;
	bool powers_at_back;
};

/* -ENOTSUP: not built for this machine; -ENOMEM. zs_gcm_engine_best takes the fastest there is, it never fails. */
int zs_gcm_engine_init(struct zs_gcm_engine *e, enum zs_gcm_kind kind);
void zs_gcm_engine_best(struct zs_gcm_engine *e);
void zs_gcm_engine_fini(struct zs_gcm_engine *e);

/* Expands `bytes`, some 100 ns to 1 µs: not for the burst path. A key that was set is wiped before its memory goes. */
void zs_gcm_key_set(const struct zs_gcm_engine *e, struct zs_gcm_key *key, const uint8_t bytes[ZS_GCM_KEY],
		    const uint8_t iv[ZS_GCM_NONCE]);
void zs_gcm_key_wipe(struct zs_gcm_key *key);

/* The lines of a key that sealing or opening `len` bytes reads, bit n for the n-th. */
static inline uint32_t zs_gcm_lines(const struct zs_gcm_engine *e, uint32_t len)
{
	uint32_t more = !e->powers_at_back ? 0 : len > 64 * 12 ? 12 : (len + 15) / 64;

	return e->front | (0x8000u - (0x8000u >> more)) | 0x8000u;
}

/* Keys of a burst's jobs are fetched while others before them are at work: all at once they would drive each other, and the
 * messages, out of the nearest cache. All zero: none yet. */
struct zs_gcm_fetch {
	uint32_t keys, lines; /* asked for, of the first jobs */
};
#define ZS_GCM_AHEAD 96 /* lines to begin with */

static inline void zs_gcm_prefetch(const struct zs_gcm_engine *e, const struct zs_gcm_key *key, uint32_t len,
				   struct zs_gcm_fetch *f)
{
	for (uint32_t lines = zs_gcm_lines(e, len); lines; lines &= lines - 1, f->lines++)
		zs_prefetch((const uint8_t *)key + 64 * __builtin_ctz(lines));
	f->keys++;
}
/* For each job of a burst in turn, as soon as it is known: seals or opens `len` bytes under `key`, nearly always. */
static inline void zs_gcm_fetch(const struct zs_gcm_engine *e, const struct zs_gcm_key *key, uint32_t len,
				struct zs_gcm_fetch *f)
{
	if (f->lines < ZS_GCM_AHEAD)
		zs_gcm_prefetch(e, key, len, f);
}

static inline void zs_gcm_seal(const struct zs_gcm_engine *e, struct zs_gcm_job *job)
{
	e->seal(e, job);
}
/* Sets and returns job->ok; the tag is compared in constant time. */
static inline bool zs_gcm_open(const struct zs_gcm_engine *e, struct zs_gcm_job *job)
{
	e->open(e, job);
	return job->ok;
}
void zs_gcm_seal_burst(const struct zs_gcm_engine *e, struct zs_gcm_job *jobs, uint32_t n,
		       struct zs_gcm_fetch *f);
void zs_gcm_open_burst(const struct zs_gcm_engine *e, struct zs_gcm_job *jobs, uint32_t n,
		       struct zs_gcm_fetch *f);

/* The nonce of a job: IV xor counter, left-padded. Written by one store of 16 bytes, so that it can be loaded whole at once. */
static inline void zs_gcm_nonce(const struct zs_gcm_key *key, uint64_t counter, uint8_t nonce[16])
{
	typedef uint64_t block __attribute__((vector_size(16)));
	block b;

	__builtin_memcpy(&b, key->iv, sizeof(b));
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	counter = __builtin_bswap64(counter);
	b ^= (block){ counter << 32, counter >> 32 };
#else
	b ^= (block){ counter >> 32, counter << 32 };
#endif
	__builtin_memcpy(nonce, &b, sizeof(b));
}

#endif
