/* A Retry token: kind, nonce, AES-128-GCM over {time, first DCID}, with the address and the Retry's
 * connection ID as associated data. */
#include "p2p/quic/token.h"

#include <errno.h>
#include <openssl/digest.h>
#include <openssl/hmac.h>
#include <openssl/mem.h>
#include <string.h>
#include "base/cursor.h"
#include "crypto/label.h"
#include "p2p/quic/crypto.h"

#define KIND  0x72 /* none of NEW_TOKEN's: we send none */
#define NONCE 12
#define TAG   16
#define PLAIN (8 + 1 + NGTCP2_MAX_CIDLEN)
#define AAD   (16 + 2 + 1 + NGTCP2_MAX_CIDLEN)

_Static_assert(1 + NONCE + PLAIN + TAG <= ZS_RETRY_TOKEN, "the token's room");

int zs_quic_tokens_init(struct zs_quic_tokens *t, const uint8_t secret[32])
{
	uint8_t key[16];

	zs_hkdf_label(t->reset, sizeof(t->reset), EVP_sha256(), secret, 32, "zs reset", NULL, 0);
	zs_hkdf_label(key, sizeof(key), EVP_sha256(), secret, 32, "zs retry", NULL, 0);
	t->retry = zs_quic_aead_new(EVP_aead_aes_128_gcm(), key, sizeof(key));
	OPENSSL_cleanse(key, sizeof(key));
	return t->retry ? 0 : -ENOMEM;
}

void zs_quic_tokens_wipe(struct zs_quic_tokens *t)
{
	EVP_AEAD_CTX_free(t->retry);
	OPENSSL_cleanse(t, sizeof(*t));
}

void zs_quic_reset_token(const struct zs_quic_tokens *t, const ngtcp2_cid *cid,
			 uint8_t out[NGTCP2_STATELESS_RESET_TOKENLEN])
{
	uint8_t mac[EVP_MAX_MD_SIZE];
	unsigned len;

	HMAC(EVP_sha256(), t->reset, sizeof(t->reset), cid->data, cid->datalen, mac, &len);
	memcpy(out, mac, NGTCP2_STATELESS_RESET_TOKENLEN);
}

static size_t bound(uint8_t out[AAD], const struct zs_endpoint *peer, const ngtcp2_cid *scid)
{
	struct zs_writer w = zs_writer_of(out, AAD);

	zs_write_bytes(&w, peer->addr.ip, 16);
	zs_write_u16(&w, peer->port);
	zs_write_u8(&w, (uint8_t)scid->datalen);
	zs_write_bytes(&w, scid->data, scid->datalen);
	return zs_writer_len(&w);
}

size_t zs_quic_retry_make(const struct zs_quic_tokens *t, const struct zs_random *random,
			  const struct zs_endpoint *peer, const ngtcp2_cid *scid, const ngtcp2_cid *odcid,
			  uint64_t now, uint8_t out[ZS_RETRY_TOKEN])
{
	uint8_t plain[PLAIN] = { 0 }, aad[AAD];
	struct zs_writer w = zs_writer_of(plain, sizeof(plain));
	size_t len, aad_len = bound(aad, peer, scid);

	zs_write_u64(&w, now);
	zs_write_u8(&w, (uint8_t)odcid->datalen);
	zs_write_bytes(&w, odcid->data, odcid->datalen);
	out[0] = KIND;
	random->fill(random->ctx, out + 1, NONCE);
	if (!EVP_AEAD_CTX_seal(t->retry, out + 1 + NONCE, &len, PLAIN + TAG, out + 1, NONCE, plain, PLAIN,
			       aad, aad_len))
		return 0;
	return 1 + NONCE + len;
}

int zs_quic_retry_check(const struct zs_quic_tokens *t, const uint8_t *token, size_t len,
			const struct zs_endpoint *peer, const ngtcp2_cid *scid, uint64_t now,
			uint64_t max_age, ngtcp2_cid *odcid)
{
	uint8_t plain[PLAIN], aad[AAD];
	size_t out_len, aad_len = bound(aad, peer, scid);

	if (len != 1 + NONCE + PLAIN + TAG || token[0] != KIND)
		return -ENOENT;
	if (!EVP_AEAD_CTX_open(t->retry, plain, &out_len, sizeof(plain), token + 1, NONCE, token + 1 + NONCE,
			       PLAIN + TAG, aad, aad_len))
		return -EACCES;
	struct zs_reader r = zs_reader_of(plain, sizeof(plain));
	uint64_t made = zs_read_u64(&r);
	uint8_t cid_len = zs_read_u8(&r);
	const uint8_t *cid = zs_read_span(&r, cid_len);
	if (!cid || cid_len > NGTCP2_MAX_CIDLEN || made > now || now - made > max_age)
		return -EACCES;
	ngtcp2_cid_init(odcid, cid, cid_len);
	return 0;
}
