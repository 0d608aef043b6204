/* BoringSSL's AEAD. An AES-GCM context owns no memory, so a key is wiped by overwriting it. */
#include <openssl/aead.h>
#include <openssl/err.h>

#include "base/check.h"
#include "crypto/gcm_kinds.h"

_Static_assert(sizeof(EVP_AEAD_CTX) <= ZS_GCM_STATE && _Alignof(EVP_AEAD_CTX) <= _Alignof(struct zs_gcm_key),
	       "a context fits");

static void expand(const struct zs_gcm_engine *e, struct zs_gcm_key *key, const uint8_t bytes[ZS_GCM_KEY])
{
	EVP_AEAD_CTX *ctx = (EVP_AEAD_CTX *)key->state;

	EVP_AEAD_CTX_zero(ctx);
	ZS_CHECK(EVP_AEAD_CTX_init(ctx, EVP_aead_aes_128_gcm(), bytes, ZS_GCM_KEY, ZS_GCM_TAG, NULL));
}

static void seal(const struct zs_gcm_engine *e, struct zs_gcm_job *j)
{
	uint8_t nonce[16];
	size_t tag_len;

	zs_gcm_nonce(j->key, j->counter, nonce);
	ZS_CHECK(EVP_AEAD_CTX_seal_scatter((const EVP_AEAD_CTX *)j->key->state, j->text, j->tag, &tag_len,
					   ZS_GCM_TAG, nonce, ZS_GCM_NONCE, j->text, j->len, NULL, 0, j->aad,
					   j->aad_len));
}

static void open_(const struct zs_gcm_engine *e, struct zs_gcm_job *j)
{
	uint8_t nonce[16];

	zs_gcm_nonce(j->key, j->counter, nonce);
	j->ok = EVP_AEAD_CTX_open_gather((const EVP_AEAD_CTX *)j->key->state, j->text, nonce, ZS_GCM_NONCE,
					 j->text, j->len, j->tag, ZS_GCM_TAG, j->aad, j->aad_len);
	if (!j->ok)
		ERR_clear_error(); /* each failure leaves a line in the thread's queue */
}

int zs_gcm_boringssl(struct zs_gcm_engine *e)
{
	*e = (struct zs_gcm_engine){ .expand = expand,
				     .seal = seal,
				     .open = open_,
				     .front = (1u << (sizeof(EVP_AEAD_CTX) + 63) / 64) - 1 };
	return 0;
}
