/* libp2p keys: what signs records and stands behind a peer id. Our own is always Ed25519; those
 * of others may be of any of the four types. Bytes on the wire are the protobuf of libp2p's
 * peer-ids specification: PublicKey { Type = 1, Data = 2 }. Pure; any thread. */
#ifndef ZS_P2P_KEY_H
#define ZS_P2P_KEY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/error.h"

enum zs_key_type { ZS_KEY_RSA = 0, ZS_KEY_ED25519 = 1, ZS_KEY_SECP256K1 = 2, ZS_KEY_ECDSA = 3 };

#define ZS_KEY_DATA	     1104	       /* RSA of 8,192 bits as SubjectPublicKeyInfo, the longest */
#define ZS_KEY_PROTOBUF	     (ZS_KEY_DATA + 8) /* and its protobuf frame */
#define ZS_ED25519_PUBLIC    32
#define ZS_ED25519_SIGNATURE 64

struct zs_public_key {
	enum zs_key_type type;
	uint16_t len;
	uint8_t data[ZS_KEY_DATA]; /* Ed25519: 32 raw bytes; secp256k1: 33; ECDSA, RSA: PKIX DER */
};

/* Our own key: libsodium's form, seed ‖ public. Wipe it with zs_identity_wipe. */
struct zs_identity {
	uint8_t secret[64];
	uint8_t public_key[ZS_ED25519_PUBLIC];
};

/* -EINVAL: not the protobuf of a key of a known type, or of an impossible size. Unknown fields are skipped. */
int zs_public_key_decode(struct zs_public_key *out, const void *bytes, size_t len);
/* Canonical protobuf (type, then data); its length, 0 when `capacity` is too small. */
size_t zs_public_key_encode(const struct zs_public_key *key, void *out, size_t capacity);
/* Does `signature` over `message` verify? Ed25519: RFC 8032; ECDSA: P-256, P-384, P-521 with SHA-256, DER; RSA: PKCS#1 v1.5
 * with SHA-256, 2,048–8,192 bits; secp256k1: SHA-256, DER. */
bool zs_public_key_verify(const struct zs_public_key *key, const void *message, size_t message_len,
			  const void *signature, size_t signature_len);

void zs_identity_from_seed(struct zs_identity *out, const uint8_t seed[32]);
void zs_identity_sign(const struct zs_identity *id, const void *message, size_t len,
		      uint8_t signature[ZS_ED25519_SIGNATURE]);
struct zs_public_key zs_identity_public(const struct zs_identity *id);
/* libp2p's private protobuf (Ed25519 alone): {Type = 1, Data = seed ‖ public}; import checks that both belong together.
 * Old exports with the public key twice (96 bytes) are read too. `out` is wiped on failure. */
int zs_identity_import(struct zs_identity *out, const void *protobuf, size_t len);
size_t zs_identity_export(const struct zs_identity *id, void *out, size_t capacity);
void zs_identity_wipe(struct zs_identity *id);

#endif
