/* TLS of the peers: a certificate made at the start, an ALPN of the tests' own, nobody is verified: what is tested is the way, and
 * bytes are compared. BoringSSL calls the hooks of SSL_QUIC_METHOD, ngtcp2 the tls_… callbacks. */
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <string.h>
#include "interop/cid/cidpeer.h"

static const uint8_t alpn[] = "\x0bzs-cid-test";

static ngtcp2_encryption_level to_ngtcp2(enum ssl_encryption_level_t level)
{
	return level == ssl_encryption_initial	   ? NGTCP2_ENCRYPTION_LEVEL_INITIAL
	       : level == ssl_encryption_handshake ? NGTCP2_ENCRYPTION_LEVEL_HANDSHAKE
						   : NGTCP2_ENCRYPTION_LEVEL_1RTT;
}

static enum ssl_encryption_level_t to_ssl(ngtcp2_encryption_level level)
{
	return level == NGTCP2_ENCRYPTION_LEVEL_INITIAL	    ? ssl_encryption_initial
	       : level == NGTCP2_ENCRYPTION_LEVEL_HANDSHAKE ? ssl_encryption_handshake
							    : ssl_encryption_application;
}

static bool give_parameters(struct conn *c)
{
	uint8_t bytes[256];
	ngtcp2_ssize len = ngtcp2_conn_encode_local_transport_params(c->ng, bytes, sizeof(bytes));

	return len > 0 && SSL_set_quic_transport_params(c->ssl, bytes, (size_t)len);
}

static bool take_parameters(struct conn *c)
{
	const uint8_t *bytes;
	size_t len;

	SSL_get_peer_quic_transport_params(c->ssl, &bytes, &len);
	return ngtcp2_conn_decode_and_set_remote_transport_params(c->ng, bytes, len) == 0;
}

static int set_read_secret(SSL *ssl, enum ssl_encryption_level_t level, const SSL_CIPHER *cipher,
			   const uint8_t *secret, size_t len)
{
	struct conn *c = SSL_get_app_data(ssl);

	if (level == ssl_encryption_application && c->client && !take_parameters(c))
		return 0;
	return zs_quic_install(c->ng, true, level, cipher, secret, len);
}

static int set_write_secret(SSL *ssl, enum ssl_encryption_level_t level, const SSL_CIPHER *cipher,
			    const uint8_t *secret, size_t len)
{
	struct conn *c = SSL_get_app_data(ssl);

	return zs_quic_install(c->ng, false, level, cipher, secret, len) &&
	       (c->client || level != ssl_encryption_handshake || (take_parameters(c) && give_parameters(c)));
}

static int add_handshake_data(SSL *ssl, enum ssl_encryption_level_t level, const uint8_t *data, size_t len)
{
	struct conn *c = SSL_get_app_data(ssl);

	return ngtcp2_conn_submit_crypto_data(c->ng, to_ngtcp2(level), data, len) == 0;
}

static int flush_flight(SSL *ssl)
{
	return 1;
}

static int send_alert(SSL *ssl, enum ssl_encryption_level_t level, uint8_t alert)
{
	struct conn *c = SSL_get_app_data(ssl);

	ngtcp2_conn_set_tls_alert(c->ng, alert);
	return 1;
}

static const SSL_QUIC_METHOD method = { set_read_secret, set_write_secret, add_handshake_data, flush_flight,
					send_alert };

static int choose_alpn(SSL *ssl, const uint8_t **out, uint8_t *out_len, const uint8_t *in, unsigned in_len,
		       void *arg)
{
	uint8_t *chosen;

	if (SSL_select_next_proto(&chosen, out_len, alpn, sizeof(alpn) - 1, in, in_len) !=
	    OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_ALERT_FATAL;
	*out = chosen;
	return SSL_TLSEXT_ERR_OK;
}

static bool certify(SSL_CTX *ctx)
{
	EC_KEY *ec = EC_KEY_new_by_curve_name(NID_X9_62_prime256v1);
	EVP_PKEY *key = EVP_PKEY_new();
	X509 *cert = X509_new();
	bool ok = ec && key && cert && EC_KEY_generate_key(ec) && EVP_PKEY_set1_EC_KEY(key, ec) &&
		  X509_set_version(cert, 2) && ASN1_INTEGER_set(X509_get_serialNumber(cert), 1) &&
		  X509_gmtime_adj(X509_getm_notBefore(cert), -3600) &&
		  X509_gmtime_adj(X509_getm_notAfter(cert), 86400) && X509_set_pubkey(cert, key) &&
		  X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN", MBSTRING_ASC,
					     (const uint8_t *)"peer.invalid", -1, -1, 0) &&
		  X509_set_issuer_name(cert, X509_get_subject_name(cert)) &&
		  X509_sign(cert, key, EVP_sha256()) && SSL_CTX_use_certificate(ctx, cert) &&
		  SSL_CTX_use_PrivateKey(ctx, key);

	X509_free(cert);
	EVP_PKEY_free(key);
	EC_KEY_free(ec);
	return ok;
}

int tls_new(struct program *p)
{
	SSL_CTX *both[2] = { SSL_CTX_new(TLS_client_method()), SSL_CTX_new(TLS_server_method()) };

	p->client_tls = both[0];
	p->server_tls = both[1];
	for (int i = 0; i < 2; i++)
		if (!both[i] || !SSL_CTX_set_min_proto_version(both[i], TLS1_3_VERSION) ||
		    !SSL_CTX_set_quic_method(both[i], &method))
			return -1;
	SSL_CTX_set_verify(p->client_tls, SSL_VERIFY_NONE, NULL);
	SSL_CTX_set_alpn_select_cb(p->server_tls, choose_alpn, NULL);
	return certify(p->server_tls) && SSL_CTX_set_alpn_protos(p->client_tls, alpn, sizeof(alpn) - 1) == 0
		   ? 0
		   : -1;
}

bool tls_begin(struct conn *c)
{
	c->ssl = SSL_new(c->client ? c->p->client_tls : c->p->server_tls);
	if (!c->ssl)
		return false;
	SSL_set_app_data(c->ssl, c);
	if (c->client)
		SSL_set_connect_state(c->ssl);
	else
		SSL_set_accept_state(c->ssl);
	return (!c->client || SSL_set_tlsext_host_name(c->ssl, "peer.invalid")) &&
	       (!c->client || give_parameters(c));
}

static int drive(struct conn *c)
{
	int rv;

	ERR_clear_error();
	rv = SSL_do_handshake(c->ssl);
	if (rv == 1)
		ngtcp2_conn_tls_handshake_completed(c->ng);
	else if (SSL_get_error(c->ssl, rv) != SSL_ERROR_WANT_READ)
		return NGTCP2_ERR_CRYPTO;
	return 0;
}

int tls_client_initial(ngtcp2_conn *ng, void *user)
{
	struct conn *c = user;
	const ngtcp2_crypto_aead_ctx key = { .native_handle = c->p->retry_key };
	ngtcp2_crypto_ctx ctx;

	zs_quic_initial_ctx(&ctx);
	ngtcp2_conn_set_retry_aead(ng, &ctx.aead, &key);
	return zs_quic_install_initial(ng, ngtcp2_conn_get_dcid(ng)) && drive(c) == 0
		   ? 0
		   : NGTCP2_ERR_CALLBACK_FAILURE;
}

int tls_recv_client_initial(ngtcp2_conn *ng, const ngtcp2_cid *dcid, void *user)
{
	return zs_quic_install_initial(ng, dcid) ? 0 : NGTCP2_ERR_CALLBACK_FAILURE;
}

int tls_recv_retry(ngtcp2_conn *ng, const ngtcp2_pkt_hd *hd, void *user)
{
	struct conn *c = user;

	c->p->retries++;
	return zs_quic_install_initial(ng, &hd->scid) ? 0 : NGTCP2_ERR_CALLBACK_FAILURE;
}

int tls_recv_crypto(ngtcp2_conn *ng, ngtcp2_encryption_level level, uint64_t offset, const uint8_t *data,
		    size_t len, void *user)
{
	struct conn *c = user;

	ERR_clear_error();
	if (!SSL_provide_quic_data(c->ssl, to_ssl(level), data, len))
		return NGTCP2_ERR_CRYPTO;
	if (SSL_in_init(c->ssl))
		return drive(c);
	return SSL_process_quic_post_handshake(c->ssl) ? 0 : NGTCP2_ERR_CRYPTO;
}
