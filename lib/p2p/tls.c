/* BoringSSL's contexts and hooks. After the handshake a session needs one secret: the exporter
 * master secret. BoringSSL hands it out through the key log hook alone; with it kept, the SSL
 * object (some 7 KB) goes. What a peer sends over TLS later (tickets) is of no use to us. */
#include "p2p/tls.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/mem.h>
#include <openssl/pool.h>
#include <openssl/sha.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include "base/check.h"
#include "crypto/label.h"

#define ALPN	 "libp2p"
#define ALPN_LEN (sizeof(ALPN) - 1)
#define GROUPS	 ZS_TLS_HYBRID ":X25519"

struct zs_tls {
	SSL_CTX *ctx[2]; /* by zs_tls_role */
	struct zs_cert_cache *cache;
};

static struct zs_tls_session *session_of(const SSL *ssl)
{
	return SSL_get_ex_data(ssl, 0);
}

static bool alpn_is_ours(const SSL *ssl)
{
	const uint8_t *name;
	unsigned len;

	SSL_get0_alpn_selected(ssl, &name, &len);
	return len == ALPN_LEN && memcmp(name, ALPN, ALPN_LEN) == 0;
}

static int on_alpn(SSL *ssl, const uint8_t **out, uint8_t *out_len, const uint8_t *in, unsigned in_len,
		   void *arg)
{
	for (unsigned at = 0; at + 1u + ALPN_LEN <= in_len; at += 1u + in[at])
		if (in[at] == ALPN_LEN && memcmp(in + at + 1, ALPN, ALPN_LEN) == 0) {
			*out = in + at + 1;
			*out_len = ALPN_LEN;
			return SSL_TLSEXT_ERR_OK;
		}
	session_of(ssl)->verdict = ZS_CERT_ALPN;
	session_of(ssl)->judged = true;
	return SSL_TLSEXT_ERR_ALERT_FATAL;
}

static enum zs_cert_verdict judge(struct zs_tls_session *s)
{
	const STACK_OF(CRYPTO_BUFFER) *chain = SSL_get0_peer_certificates(s->ssl);
	size_t count = chain ? sk_CRYPTO_BUFFER_num(chain) : 0;
	struct zs_cert_proof proof;

	if (!alpn_is_ours(s->ssl))
		return ZS_CERT_ALPN;
	if (count != 1)
		return count ? ZS_CERT_CHAIN : ZS_CERT_NONE;
	const CRYPTO_BUFFER *cert = sk_CRYPTO_BUFFER_value(chain, 0);
	enum zs_cert_verdict verdict = zs_cert_cache_verify(s->tls->cache, &proof, CRYPTO_BUFFER_data(cert),
							    CRYPTO_BUFFER_len(cert), s->now_s);
	if (verdict != ZS_CERT_OK)
		return verdict;
	s->peer = proof.peer;
	return s->expected.len && !zs_peer_id_eq(&s->expected, &s->peer) ? ZS_CERT_WRONG_PEER : ZS_CERT_OK;
}

static uint8_t alert_of(enum zs_cert_verdict verdict)
{
	switch (verdict) {
	case ZS_CERT_ALPN:
		return SSL_AD_NO_APPLICATION_PROTOCOL;
	case ZS_CERT_EXPIRED:
	case ZS_CERT_NOT_YET:
		return SSL_AD_CERTIFICATE_EXPIRED;
	case ZS_CERT_KEY:
	case ZS_CERT_ALGORITHM:
	case ZS_CERT_IDENTITY_KEY:
		return SSL_AD_UNSUPPORTED_CERTIFICATE;
	case ZS_CERT_WRONG_PEER:
		return SSL_AD_CERTIFICATE_UNKNOWN;
	default:
		return SSL_AD_BAD_CERTIFICATE;
	}
}

static enum ssl_verify_result_t on_verify(SSL *ssl, uint8_t *alert)
{
	struct zs_tls_session *s = session_of(ssl);

	s->verdict = judge(s);
	s->judged = true;
	if (s->verdict == ZS_CERT_OK)
		return ssl_verify_ok;
	*alert = alert_of(s->verdict);
	return ssl_verify_invalid;
}

static int nibble(char c)
{
	return c <= '9' ? c - '0' : c - 'a' + 10;
}

/* "EXPORTER_SECRET <client random> <secret>", both in lower-case hex. */
static void on_key_log(const SSL *ssl, const char *line)
{
	static const char wanted[] = "EXPORTER_SECRET ";
	struct zs_tls_session *s = session_of(ssl);
	const char *hex;
	size_t len;

	if (strncmp(line, wanted, sizeof(wanted) - 1) != 0)
		return;
	hex = strrchr(line, ' ') + 1;
	len = strlen(hex) / 2;
	ZS_CHECK(len == SHA256_DIGEST_LENGTH || len == SHA384_DIGEST_LENGTH);
	for (size_t i = 0; i < len; i++)
		s->exporter[i] = (uint8_t)(nibble(hex[2 * i]) << 4 | nibble(hex[2 * i + 1]));
	s->exporter_len = (uint8_t)len;
}

static bool set_certs(SSL_CTX *ctx, const struct zs_cert *certs, size_t count)
{
	CRYPTO_BUFFER *der[ZS_TLS_CERTS] = { 0 };
	bool ok = count <= ZS_TLS_CERTS;

	for (size_t i = 0; ok && i < count; i++)
		ok = (der[i] = CRYPTO_BUFFER_new(certs[i].der, certs[i].len, NULL));
	if (ok && count)
		ok = SSL_CTX_set_chain_and_key(ctx, der, count, certs[0].key, NULL);
	for (size_t i = 0; i < ZS_TLS_CERTS; i++)
		CRYPTO_BUFFER_free(der[i]);
	return ok;
}

static bool set_up(SSL_CTX *ctx)
{
	static const uint16_t accepted[] = { SSL_SIGN_ED25519,
					     SSL_SIGN_ECDSA_SECP256R1_SHA256,
					     SSL_SIGN_ECDSA_SECP384R1_SHA384,
					     SSL_SIGN_ECDSA_SECP521R1_SHA512,
					     SSL_SIGN_RSA_PSS_RSAE_SHA256,
					     SSL_SIGN_RSA_PSS_RSAE_SHA384,
					     SSL_SIGN_RSA_PSS_RSAE_SHA512 };
	static const uint8_t offered[] = "\x06" ALPN;
	bool ok = SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION) &&
		  SSL_CTX_set_max_proto_version(ctx, TLS1_3_VERSION) &&
		  SSL_CTX_set_verify_algorithm_prefs(ctx, accepted, ZS_ARRAY_LEN(accepted)) &&
		  SSL_CTX_set1_curves_list(ctx, GROUPS) &&
		  SSL_CTX_set_alpn_protos(ctx, offered, sizeof(offered) - 1) == 0;

	SSL_CTX_set_custom_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, on_verify);
	SSL_CTX_set_alpn_select_cb(ctx, on_alpn, NULL);
	SSL_CTX_set_keylog_callback(ctx, on_key_log);
	SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
	SSL_CTX_set_num_tickets(ctx, 0);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	return ok;
}

int zs_tls_new(struct zs_tls **out, const struct zs_cert *certs, size_t count, uint32_t cached_certs)
{
	struct zs_tls *tls = calloc(1, sizeof(*tls));
	bool ok = tls && (tls->cache = zs_cert_cache_new(cached_certs));

	for (int role = 0; ok && role < 2; role++) {
		tls->ctx[role] = SSL_CTX_new(TLS_with_buffers_method());
		ok = tls->ctx[role] && set_up(tls->ctx[role]) && set_certs(tls->ctx[role], certs, count);
	}
	if (!ok) {
		zs_tls_delete(tls);
		return -ENOMEM;
	}
	*out = tls;
	return 0;
}

void zs_tls_delete(struct zs_tls *tls)
{
	if (!tls)
		return;
	SSL_CTX_free(tls->ctx[ZS_TLS_SERVER]);
	SSL_CTX_free(tls->ctx[ZS_TLS_CLIENT]);
	zs_cert_cache_delete(tls->cache);
	free(tls);
}

const struct zs_cert_cache *zs_tls_cache(const struct zs_tls *tls)
{
	return tls->cache;
}

int zs_tls_begin(struct zs_tls_session *s, struct zs_tls *tls, enum zs_tls_role role, bool hybrid,
		 const struct zs_peer_id *expected, int64_t now_s)
{
	*s = (struct zs_tls_session){ .tls = tls, .now_s = now_s };
	if (expected)
		s->expected = *expected;
	s->ssl = SSL_new(tls->ctx[role]);
	if (!s->ssl || !SSL_set_ex_data(s->ssl, 0, s))
		goto fail;
	if (role == ZS_TLS_SERVER)
		SSL_set_accept_state(s->ssl);
	else
		SSL_set_connect_state(s->ssl);
	if (role == ZS_TLS_CLIENT && !hybrid && !SSL_set1_curves_list(s->ssl, "X25519"))
		goto fail;
	return 0;
fail:
	zs_tls_end(s);
	return -ENOMEM;
}

bool zs_tls_complete(struct zs_tls_session *s)
{
	if (!s->judged || s->verdict != ZS_CERT_OK || !alpn_is_ours(s->ssl) || !s->exporter_len)
		return false;
	s->group = SSL_get_curve_id(s->ssl);
	SSL_free(s->ssl);
	s->ssl = NULL;
	return true;
}

const char *zs_tls_reason(const struct zs_tls_session *s)
{
	uint32_t error = ERR_peek_error();
	const char *text = ERR_reason_error_string(error);

	if (s->judged && s->verdict != ZS_CERT_OK)
		return zs_cert_text(s->verdict);
	switch (ERR_GET_LIB(error) == ERR_LIB_SSL ? ERR_GET_REASON(error) : 0) {
	case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
		return zs_cert_text(ZS_CERT_NONE);
	case SSL_R_NO_APPLICATION_PROTOCOL:
	case SSL_R_TLSV1_ALERT_NO_APPLICATION_PROTOCOL:
		return zs_cert_text(ZS_CERT_ALPN);
	default:
		return text ? text : "TLS handshake failed";
	}
}

const char *zs_tls_alert_text(uint8_t alert)
{
	return alert == SSL_AD_NO_APPLICATION_PROTOCOL ? zs_cert_text(ZS_CERT_ALPN)
						       : SSL_alert_desc_string_long(alert);
}

void zs_tls_end(struct zs_tls_session *s)
{
	SSL_free(s->ssl);
	OPENSSL_cleanse(s, sizeof(*s));
}

const char *zs_tls_group_name(const struct zs_tls_session *s)
{
	const char *name = s->group ? SSL_get_curve_name(s->group) : NULL;
	return name ? name : s->group ? "unknown" : "none";
}

void zs_tls_export(const struct zs_tls_session *s, const char *label, const void *context, size_t context_len,
		   uint8_t *out, size_t out_len)
{
	const EVP_MD *md = s->exporter_len == SHA384_DIGEST_LENGTH ? EVP_sha384() : EVP_sha256();
	uint8_t hash[EVP_MAX_MD_SIZE], secret[EVP_MAX_MD_SIZE];
	unsigned len;

	ZS_CHECK(s->exporter_len, "the handshake has not ended");
	EVP_Digest("", 0, hash, &len, md, NULL);
	zs_hkdf_label(secret, len, md, s->exporter, s->exporter_len, label, hash, len);
	EVP_Digest(context, context_len, hash, &len, md, NULL);
	zs_hkdf_label(out, out_len, md, secret, len, "exporter", hash, len);
	OPENSSL_cleanse(secret, sizeof(secret));
}
