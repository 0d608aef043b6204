/* A peer id: the multihash of a public key's protobuf, identity (≤ 42 bytes of key) or
 * SHA-256. Two ids are one peer exactly when their bytes are equal. Pure; any thread. */
#ifndef ZS_P2P_PEERID_H
#define ZS_P2P_PEERID_H

#include <stdbool.h>
#include <string.h>
#include "p2p/key.h"

#define ZS_PEER_ID	44 /* identity multihash of 42 bytes */
#define ZS_PEER_ID_TEXT 64 /* base58btc of 44 bytes is 61 characters at most */

struct zs_peer_id {
	uint8_t len; /* 0: none */
	uint8_t bytes[ZS_PEER_ID];
};

static inline bool zs_peer_id_eq(const struct zs_peer_id *a, const struct zs_peer_id *b)
{
	return a->len == b->len && memcmp(a->bytes, b->bytes, a->len) == 0;
}

void zs_peer_id_of(struct zs_peer_id *out, const struct zs_public_key *key);
/* -EINVAL: neither an identity multihash of a key nor a SHA-256 one. */
int zs_peer_id_decode(struct zs_peer_id *out, const void *bytes, size_t len);
/* base58btc (12D3KooW…, Qm…) or CIDv1 with codec libp2p-key in base32 or base36. */
int zs_peer_id_parse(struct zs_peer_id *out, const char *text);
const char *zs_peer_id_format(const struct zs_peer_id *id, char buf[ZS_PEER_ID_TEXT]);
/* The key inside an identity multihash. -ENOENT: the id is a hash. */
int zs_peer_id_key(struct zs_public_key *out, const struct zs_peer_id *id);

#endif
