/* AES-128 on blocks that do not depend on each other (FIPS 197, ECB): many at once. Used for connection IDs (docs/PROTOCOL.md),
 * one block each; not a mode for data. Pure; any thread. A key belongs to the engine that made it.
 *
 * Engines: "vaes" (AVX-512, sixteen blocks at a time), "aesni" (eight), "boringssl" (anywhere). All give the same bytes. */
#ifndef ZS_CRYPTO_AES_H
#define ZS_CRYPTO_AES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ZS_AES_BLOCK 16
#define ZS_AES_KEY   16

/* A key made ready for both directions. Plain data that may be copied; secret: the caller's to wipe. */
struct zs_aes {
	_Alignas(64) uint8_t bytes[512];
};

/* `to` may be `from`, and they meet in no other way. */
typedef void zs_aes_fn(const struct zs_aes *key, const uint8_t (*from)[ZS_AES_BLOCK],
		       uint8_t (*to)[ZS_AES_BLOCK], size_t blocks);

/* A block and the key it is under. */
struct zs_aes_job {
	const struct zs_aes *key;
	const uint8_t *from;
};
typedef void zs_aes_each_fn(const struct zs_aes_job *job, uint8_t (*to)[ZS_AES_BLOCK], size_t blocks);

struct zs_aes_engine {
	const char *name;
	bool (*here)(void); /* does this CPU have it? */
	void (*expand)(struct zs_aes *key, const uint8_t bytes[ZS_AES_KEY]);
	zs_aes_fn *encrypt, *decrypt;
	zs_aes_each_fn *decrypt_each; /* each under a key of its own; how they are mixed costs nothing */
};

/* The fastest one of this CPU; ask once and keep it. */
const struct zs_aes_engine *zs_aes_best(void);
/* The n-th that this build has, fastest first, whether the CPU has it or not; NULL: no more. */
const struct zs_aes_engine *zs_aes_engine(size_t n);

#endif
