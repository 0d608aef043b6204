/* A cipher suite is a row of `suites`; ngtcp2's native handles point into it. Contexts are on the
 * heap, one a key: EVP_AEAD_CTX (600 bytes) and an AES schedule or ChaCha20 key for headers. */
#include "p2p/quic/crypto.h"

#include <openssl/aead.h>
#include <openssl/aes.h>
#include <openssl/chacha.h>
#include <openssl/mem.h>
#include <string.h>
#include "crypto/label.h"

#define IV_LEN	12
#define TAG	16
#define KEY_MAX 32

struct suite {
	uint16_t id; /* IANA's */
	bool chacha;
	uint8_t key_len;
	const EVP_AEAD *(*aead)(void);
	const EVP_MD *(*digest)(void);
	uint64_t encryptions, failures; /* RFC 9001 §6.6 */
};
static const struct suite suites[] = {
	{ 0x1301, false, 16, EVP_aead_aes_128_gcm, EVP_sha256, 1ull << 23, 1ull << 52 },
	{ 0x1302, false, 32, EVP_aead_aes_256_gcm, EVP_sha384, 1ull << 23, 1ull << 52 },
	{ 0x1303, true, 32, EVP_aead_chacha20_poly1305, EVP_sha256, 1ull << 62, 1ull << 36 },
};

struct header_key {
	bool chacha;
	union {
		AES_KEY aes;
		uint8_t chacha[KEY_MAX];
	} key;
};

int zs_quic_seal(uint8_t *dest, const ngtcp2_crypto_aead *aead, const ngtcp2_crypto_aead_ctx *ctx,
		 const uint8_t *plain, size_t plain_len, const uint8_t *nonce, size_t nonce_len,
		 const uint8_t *aad, size_t aad_len)
{
	size_t len;
	return EVP_AEAD_CTX_seal(ctx->native_handle, dest, &len, plain_len + TAG, nonce, nonce_len, plain,
				 plain_len, aad, aad_len)
		   ? 0
		   : NGTCP2_ERR_CALLBACK_FAILURE;
}

int zs_quic_unseal(uint8_t *dest, const ngtcp2_crypto_aead *aead, const ngtcp2_crypto_aead_ctx *ctx,
		   const uint8_t *cipher, size_t cipher_len, const uint8_t *nonce, size_t nonce_len,
		   const uint8_t *aad, size_t aad_len)
{
	size_t len;
	return EVP_AEAD_CTX_open(ctx->native_handle, dest, &len, cipher_len, nonce, nonce_len, cipher,
				 cipher_len, aad, aad_len)
		   ? 0
		   : NGTCP2_ERR_DECRYPT;
}

int zs_quic_mask(uint8_t *dest, const ngtcp2_crypto_cipher *hp, const ngtcp2_crypto_cipher_ctx *ctx,
		 const uint8_t *sample)
{
	static const uint8_t zeros[NGTCP2_HP_MASKLEN];
	const struct header_key *k = ctx->native_handle;
	uint8_t block[AES_BLOCK_SIZE];
	uint32_t counter;

	if (k->chacha) {
		counter = (uint32_t)sample[0] | (uint32_t)sample[1] << 8 | (uint32_t)sample[2] << 16 |
			  (uint32_t)sample[3] << 24;
		CRYPTO_chacha_20(dest, zeros, sizeof(zeros), k->key.chacha, sample + 4, counter);
	} else {
		AES_encrypt(sample, block, &k->key.aes);
		memcpy(dest, block, NGTCP2_HP_MASKLEN);
	}
	return 0;
}

void zs_quic_free_hp(ngtcp2_conn *conn, ngtcp2_crypto_cipher_ctx *ctx, void *user)
{
	OPENSSL_free(ctx->native_handle); /* wipes */
	ctx->native_handle = NULL;
}

void zs_quic_keys_free(struct zs_quic_keys *keys)
{
	EVP_AEAD_CTX_free(keys->aead.native_handle);
	OPENSSL_free(keys->hp.native_handle);
	*keys = (struct zs_quic_keys){ 0 };
}

EVP_AEAD_CTX *zs_quic_aead_new(const EVP_AEAD *aead, const uint8_t *key, size_t len)
{
	EVP_AEAD_CTX *ctx = OPENSSL_malloc(sizeof(*ctx));

	if (!ctx || EVP_AEAD_CTX_init(ctx, aead, key, len, TAG, NULL))
		return ctx;
	OPENSSL_free(ctx);
	return NULL;
}

static struct header_key *header_key_new(const struct suite *suite, const uint8_t *bytes)
{
	struct header_key *k = OPENSSL_malloc(sizeof(*k));

	if (!k)
		return NULL;
	k->chacha = suite->chacha;
	if (suite->chacha)
		memcpy(k->key.chacha, bytes, KEY_MAX);
	else
		AES_set_encrypt_key(bytes, suite->key_len * 8u, &k->key.aes);
	return k;
}

static bool derive(const struct suite *suite, const uint8_t *secret, size_t len, bool with_hp,
		   struct zs_quic_keys *out)
{
	const EVP_MD *md = suite->digest();
	uint8_t key[KEY_MAX];

	*out = (struct zs_quic_keys){ 0 };
	zs_hkdf_label(key, suite->key_len, md, secret, len, "quic key", NULL, 0);
	zs_hkdf_label(out->iv, IV_LEN, md, secret, len, "quic iv", NULL, 0);
	out->aead.native_handle = zs_quic_aead_new(suite->aead(), key, suite->key_len);
	bool ok = out->aead.native_handle;
	if (ok && with_hp) {
		zs_hkdf_label(key, suite->key_len, md, secret, len, "quic hp", NULL, 0);
		ok = (out->hp.native_handle = header_key_new(suite, key));
	}
	OPENSSL_cleanse(key, sizeof(key));
	if (!ok)
		zs_quic_keys_free(out);
	return ok;
}

static const struct suite *suite_of(uint16_t id)
{
	for (size_t i = 0; i < sizeof(suites) / sizeof(suites[0]); i++)
		if (suites[i].id == id)
			return &suites[i];
	return NULL;
}

bool zs_quic_keys_of(uint16_t suite, const uint8_t *secret, size_t len, bool with_hp,
		     struct zs_quic_keys *out)
{
	const struct suite *s = suite_of(suite);
	return s && derive(s, secret, len, with_hp, out);
}

static void suite_ctx(const struct suite *suite, ngtcp2_crypto_ctx *out)
{
	*out = (ngtcp2_crypto_ctx){
		.aead = { .native_handle = (void *)suite->aead(), .max_overhead = TAG },
		.md = { .native_handle = (void *)suite },
		.hp = { .native_handle = (void *)suite },
		.max_encryption = suite->encryptions,
		.max_decryption_failure = suite->failures,
	};
}

void zs_quic_initial_ctx(ngtcp2_crypto_ctx *out)
{
	suite_ctx(&suites[0], out);
}

bool zs_quic_initial_keys(const ngtcp2_cid *dcid, bool server, struct zs_quic_keys *rx,
			  struct zs_quic_keys *tx)
{
	static const uint8_t salt[] = { 0x38, 0x76, 0x2c, 0xf7, 0xf5, 0x59, 0x34, 0xb3, 0x4d, 0x17,
					0x9a, 0xe6, 0xa4, 0xc8, 0x0c, 0xad, 0xcc, 0xbb, 0x7f, 0x0a };
	uint8_t initial[32], client_secret[32], server_secret[32];

	zs_hkdf_extract(initial, EVP_sha256(), salt, sizeof(salt), dcid->data, dcid->datalen);
	zs_hkdf_label(client_secret, 32, EVP_sha256(), initial, 32, "client in", NULL, 0);
	zs_hkdf_label(server_secret, 32, EVP_sha256(), initial, 32, "server in", NULL, 0);
	if (!derive(&suites[0], server ? client_secret : server_secret, 32, true, rx))
		return false;
	if (!derive(&suites[0], server ? server_secret : client_secret, 32, true, tx)) {
		zs_quic_keys_free(rx);
		return false;
	}
	return true;
}

EVP_AEAD_CTX *zs_quic_retry_key(void)
{
	static const uint8_t key[] = { 0xbe, 0x0c, 0x69, 0x0b, 0x9f, 0x66, 0x57, 0x5a,
				       0x1d, 0x76, 0x6b, 0x54, 0xe3, 0x68, 0xc8, 0x4e };
	return zs_quic_aead_new(EVP_aead_aes_128_gcm(), key, sizeof(key));
}

bool zs_quic_install_initial(ngtcp2_conn *conn, const ngtcp2_cid *dcid)
{
	struct zs_quic_keys rx, tx;
	ngtcp2_crypto_ctx ctx;

	zs_quic_initial_ctx(&ctx);
	ngtcp2_conn_set_initial_crypto_ctx(conn, &ctx);
	if (!zs_quic_initial_keys(dcid, ngtcp2_conn_is_server(conn), &rx, &tx))
		return false;
	if (ngtcp2_conn_install_initial_key(conn, &rx.aead, rx.iv, &rx.hp, &tx.aead, tx.iv, &tx.hp, IV_LEN) ==
	    0)
		return true;
	zs_quic_keys_free(&rx);
	zs_quic_keys_free(&tx);
	return false;
}

bool zs_quic_install(ngtcp2_conn *conn, bool rx, enum ssl_encryption_level_t level, const SSL_CIPHER *cipher,
		     const uint8_t *secret, size_t len)
{
	const struct suite *suite = suite_of(SSL_CIPHER_get_protocol_id(cipher));
	struct zs_quic_keys k;
	ngtcp2_crypto_ctx ctx;
	int rv;

	if (!suite || !derive(suite, secret, len, true, &k))
		return false;
	if (!ngtcp2_conn_get_crypto_ctx(conn)->aead.native_handle) {
		suite_ctx(suite, &ctx);
		ngtcp2_conn_set_crypto_ctx(conn, &ctx);
	}
	if (level == ssl_encryption_handshake)
		rv = rx ? ngtcp2_conn_install_rx_handshake_key(conn, &k.aead, k.iv, IV_LEN, &k.hp)
			: ngtcp2_conn_install_tx_handshake_key(conn, &k.aead, k.iv, IV_LEN, &k.hp);
	else
		rv = rx ? ngtcp2_conn_install_rx_key(conn, secret, len, &k.aead, k.iv, IV_LEN, &k.hp)
			: ngtcp2_conn_install_tx_key(conn, secret, len, &k.aead, k.iv, IV_LEN, &k.hp);
	if (rv != 0)
		zs_quic_keys_free(&k);
	return rv == 0;
}

int zs_quic_update_key(ngtcp2_conn *conn, uint8_t *rx_secret, uint8_t *tx_secret, ngtcp2_crypto_aead_ctx *rx,
		       uint8_t *rx_iv, ngtcp2_crypto_aead_ctx *tx, uint8_t *tx_iv, const uint8_t *rx_now,
		       const uint8_t *tx_now, size_t secret_len, void *user)
{
	const struct suite *suite = ngtcp2_conn_get_crypto_ctx(conn)->md.native_handle;
	struct zs_quic_keys a, b;

	zs_hkdf_label(rx_secret, secret_len, suite->digest(), rx_now, secret_len, "quic ku", NULL, 0);
	zs_hkdf_label(tx_secret, secret_len, suite->digest(), tx_now, secret_len, "quic ku", NULL, 0);
	if (!derive(suite, rx_secret, secret_len, false, &a))
		return NGTCP2_ERR_CALLBACK_FAILURE;
	if (!derive(suite, tx_secret, secret_len, false, &b)) {
		zs_quic_keys_free(&a);
		return NGTCP2_ERR_CALLBACK_FAILURE;
	}
	*rx = a.aead;
	*tx = b.aead;
	memcpy(rx_iv, a.iv, IV_LEN);
	memcpy(tx_iv, b.iv, IV_LEN);
	return 0;
}
