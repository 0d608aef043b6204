/* The certificate of libp2p TLS: a throw-away P-256 key, self-signed, with the identity's
 * signature over it in extension 1.3.6.1.4.1.53594.1.1. Peers' certificates are judged by hand,
 * without chain building: they prove a peer id and nothing else. No state but the cache. */
#ifndef ZS_P2P_CERT_H
#define ZS_P2P_CERT_H

#include "p2p/peerid.h"

#define ZS_CERT_DER	4096 /* the longest accepted: an RSA identity of 8,192 bits fits */
#define ZS_CERT_OWN_DER 512  /* our own is about 400 bytes */

enum zs_cert_verdict {
#define ZS_CERT(name, text) ZS_CERT_##name,
#include "defs/p2p_cert.def"
#undef ZS_CERT
	ZS_CERT_VERDICTS
};

/* Stable lower-case name and one-line text; never NULL. */
const char *zs_cert_name(enum zs_cert_verdict verdict);
const char *zs_cert_text(enum zs_cert_verdict verdict);

struct evp_pkey_st;
struct zs_cert {
	struct evp_pkey_st *key; /* the certificate's own, not the identity */
	size_t len;
	uint8_t der[ZS_CERT_OWN_DER];
};

/* `now_s`: Unix seconds; valid from an hour before it for a hundred years. -ENOMEM: out of memory or randomness. */
int zs_cert_new(struct zs_cert *out, const struct zs_identity *identity, int64_t now_s);
void zs_cert_free(struct zs_cert *cert);

struct zs_cert_proof {
	struct zs_peer_id peer;
	int64_t not_before, not_after; /* Unix seconds, both inclusive */
};

/* *out is filled when the verdict is ZS_CERT_OK, else undefined. */
enum zs_cert_verdict zs_cert_verify(struct zs_cert_proof *out, const void *der, size_t len, int64_t now_s);

/* Successful verdicts by SHA-256 of the certificate: a returning peer costs a hash and not two signatures.
 * Four-way sets, the oldest entry goes; dates are checked on each use. One thread. */
struct zs_cert_cache;
/* `entries` is rounded up to a power of two ≥ 4. NULL: out of memory. */
struct zs_cert_cache *zs_cert_cache_new(uint32_t entries);
void zs_cert_cache_delete(struct zs_cert_cache *cache);
/* As zs_cert_verify(); `cache` may be NULL. */
enum zs_cert_verdict zs_cert_cache_verify(struct zs_cert_cache *cache, struct zs_cert_proof *out,
					  const void *der, size_t len, int64_t now_s);
uint64_t zs_cert_cache_hits(const struct zs_cert_cache *cache);

#endif
