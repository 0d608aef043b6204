/* What ngtcp2 asks its application for: packet protection, header protection and keys (RFC 9001), done
 * with BoringSSL. Private to lib/p2p/quic. */
#ifndef ZS_P2P_QUIC_CRYPTO_H
#define ZS_P2P_QUIC_CRYPTO_H

#include <ngtcp2/ngtcp2.h>
#include <openssl/ssl.h>
#include <stdbool.h>

/* ngtcp2's callbacks that need no more than their arguments. */
int zs_quic_seal(uint8_t *dest, const ngtcp2_crypto_aead *aead, const ngtcp2_crypto_aead_ctx *ctx,
		 const uint8_t *plain, size_t plain_len, const uint8_t *nonce, size_t nonce_len,
		 const uint8_t *aad, size_t aad_len);
int zs_quic_unseal(uint8_t *dest, const ngtcp2_crypto_aead *aead, const ngtcp2_crypto_aead_ctx *ctx,
		   const uint8_t *cipher, size_t cipher_len, const uint8_t *nonce, size_t nonce_len,
		   const uint8_t *aad, size_t aad_len);
int zs_quic_mask(uint8_t *dest, const ngtcp2_crypto_cipher *hp, const ngtcp2_crypto_cipher_ctx *ctx,
		 const uint8_t *sample);
int zs_quic_update_key(ngtcp2_conn *conn, uint8_t *rx_secret, uint8_t *tx_secret, ngtcp2_crypto_aead_ctx *rx,
		       uint8_t *rx_iv, ngtcp2_crypto_aead_ctx *tx, uint8_t *tx_iv, const uint8_t *rx_now,
		       const uint8_t *tx_now, size_t secret_len, void *user);
void zs_quic_free_hp(ngtcp2_conn *conn, ngtcp2_crypto_cipher_ctx *ctx, void *user);

/* Keys of one direction. Owned by whom they are handed to. */
struct zs_quic_keys {
	ngtcp2_crypto_aead_ctx aead;
	ngtcp2_crypto_cipher_ctx hp;
	uint8_t iv[12];
};
void zs_quic_keys_free(struct zs_quic_keys *keys);
/* Of a traffic secret (§5.1), `suite` by IANA's number; without with_hp `hp` stays empty. False: no such suite, no memory. */
bool zs_quic_keys_of(uint16_t suite, const uint8_t *secret, size_t len, bool with_hp,
		     struct zs_quic_keys *out);

/* AES-128-GCM, the cipher of Initials and of Retry's tag. */
void zs_quic_initial_ctx(ngtcp2_crypto_ctx *out);
/* Both directions of Initials that a client sends to `dcid` (RFC 9001 §5.2). */
bool zs_quic_initial_keys(const ngtcp2_cid *dcid, bool server, struct zs_quic_keys *rx,
			  struct zs_quic_keys *tx);
/* Retry's tag (§5.8); NULL: out of memory. */
EVP_AEAD_CTX *zs_quic_retry_key(void);
/* Freed by EVP_AEAD_CTX_free. NULL: no memory, on which EVP_AEAD_CTX_new of BoringSSL of 2022 writes to address 0. */
EVP_AEAD_CTX *zs_quic_aead_new(const EVP_AEAD *aead, const uint8_t *key, size_t len);
/* Installs what the TLS handshake yields; false ends the handshake. */
bool zs_quic_install(ngtcp2_conn *conn, bool rx, enum ssl_encryption_level_t level, const SSL_CIPHER *cipher,
		     const uint8_t *secret, size_t len);
bool zs_quic_install_initial(ngtcp2_conn *conn, const ngtcp2_cid *dcid);

#endif
