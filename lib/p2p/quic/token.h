/* Tokens that prove something later without state now: Retry's (RFC 9000 §8.1.2) and those of stateless
 * resets (§10.3). Both keys come from one secret, so they outlive a restart. Private to lib/p2p/quic. */
#ifndef ZS_P2P_QUIC_TOKEN_H
#define ZS_P2P_QUIC_TOKEN_H

#include <ngtcp2/ngtcp2.h>
#include <openssl/aead.h>
#include "base/random.h"
#include "net/addr.h"

#define ZS_RETRY_TOKEN 80 /* at most; it is 66 */

struct zs_quic_tokens {
	EVP_AEAD_CTX *retry;
	uint8_t reset[32];
};

/* -ENOMEM */
int zs_quic_tokens_init(struct zs_quic_tokens *t, const uint8_t secret[32]);
void zs_quic_tokens_wipe(struct zs_quic_tokens *t);

void zs_quic_reset_token(const struct zs_quic_tokens *t, const ngtcp2_cid *cid,
			 uint8_t out[NGTCP2_STATELESS_RESET_TOKENLEN]);

/* Binds peer, `scid` (the Retry's) and the first DCID, for `now`, wall-clock seconds: the key outlives
 * the machine's start. The length. */
size_t zs_quic_retry_make(const struct zs_quic_tokens *t, const struct zs_random *random,
			  const struct zs_endpoint *peer, const ngtcp2_cid *scid, const ngtcp2_cid *odcid,
			  uint64_t now, uint8_t out[ZS_RETRY_TOKEN]);
/* -ENOENT: not one of Retry's; -EACCES: forged, of another address or connection, or older than max_age (seconds). */
int zs_quic_retry_check(const struct zs_quic_tokens *t, const uint8_t *token, size_t len,
			const struct zs_endpoint *peer, const ngtcp2_cid *scid, uint64_t now,
			uint64_t max_age, ngtcp2_cid *odcid);

#endif
