/* TLS inside QUIC (RFC 9001 §4): BoringSSL calls the four hooks of SSL_QUIC_METHOD, ngtcp2 the
 * callbacks below them. The peer's transport parameters go to ngtcp2 as soon as TLS has them: a
 * server's with the handshake keys, a client's with the 1-RTT keys. */
#include <openssl/err.h>
#include <stddef.h>
#include "p2p/quic/internal.h"

static struct zs_quic_conn *conn_of(const SSL *ssl)
{
	struct zs_tls_session *s = SSL_get_ex_data(ssl, 0);
	return (struct zs_quic_conn *)((char *)s - offsetof(struct zs_quic_conn, tls));
}

static ngtcp2_encryption_level to_ngtcp2(enum ssl_encryption_level_t level)
{
	switch (level) {
	case ssl_encryption_initial:
		return NGTCP2_ENCRYPTION_LEVEL_INITIAL;
	case ssl_encryption_early_data:
		return NGTCP2_ENCRYPTION_LEVEL_0RTT;
	case ssl_encryption_handshake:
		return NGTCP2_ENCRYPTION_LEVEL_HANDSHAKE;
	default:
		return NGTCP2_ENCRYPTION_LEVEL_1RTT;
	}
}

static enum ssl_encryption_level_t to_ssl(ngtcp2_encryption_level level)
{
	switch (level) {
	case NGTCP2_ENCRYPTION_LEVEL_INITIAL:
		return ssl_encryption_initial;
	case NGTCP2_ENCRYPTION_LEVEL_HANDSHAKE:
		return ssl_encryption_handshake;
	case NGTCP2_ENCRYPTION_LEVEL_0RTT:
		return ssl_encryption_early_data;
	default:
		return ssl_encryption_application;
	}
}

/* A server's stateless reset token and preferred address are kept from ngtcp2 1.11: with the first it aborts
 * when the first ID is retired too early, with the second its qlog overruns a buffer (CVE-2026-40170). The
 * token is ours to watch for, the address is not wanted. */
static int take_from_server(struct zs_quic_conn *conn, const uint8_t *bytes, size_t len)
{
	ngtcp2_transport_params p;
	uint8_t clean[512];
	ngtcp2_ssize n;
	int rv = ngtcp2_transport_params_decode(&p, bytes, len);

	if (rv != 0)
		return rv;
	conn->has_reset_token = p.stateless_reset_token_present;
	memcpy(conn->reset_token, p.stateless_reset_token, sizeof(conn->reset_token));
	p.stateless_reset_token_present = 0;
	p.preferred_addr_present = 0;
	n = ngtcp2_transport_params_encode(clean, sizeof(clean), &p);
	return n < 0 ? (int)n
		     : ngtcp2_conn_decode_and_set_remote_transport_params(conn->ng, clean, (size_t)n);
}

static bool take_parameters(struct zs_quic_conn *conn, SSL *ssl)
{
	const uint8_t *bytes;
	size_t len;
	int rv;

	SSL_get_peer_quic_transport_params(ssl, &bytes, &len);
	rv = conn->dialled ? take_from_server(conn, bytes, len)
			   : ngtcp2_conn_decode_and_set_remote_transport_params(conn->ng, bytes, len);
	if (rv != 0)
		ngtcp2_conn_set_tls_error(conn->ng, rv);
	return rv == 0;
}

static bool give_parameters(struct zs_quic_conn *conn, SSL *ssl)
{
	uint8_t bytes[256];
	ngtcp2_ssize len = ngtcp2_conn_encode_local_transport_params(conn->ng, bytes, sizeof(bytes));

	return len > 0 && SSL_set_quic_transport_params(ssl, bytes, (size_t)len);
}

static int set_read_secret(SSL *ssl, enum ssl_encryption_level_t level, const SSL_CIPHER *cipher,
			   const uint8_t *secret, size_t len)
{
	struct zs_quic_conn *conn = conn_of(ssl);

	if (level == ssl_encryption_application && conn->dialled && !take_parameters(conn, ssl))
		return 0;
	return zs_quic_install(conn->ng, true, level, cipher, secret, len);
}

static int set_write_secret(SSL *ssl, enum ssl_encryption_level_t level, const SSL_CIPHER *cipher,
			    const uint8_t *secret, size_t len)
{
	struct zs_quic_conn *conn = conn_of(ssl);

	if (!zs_quic_install(conn->ng, false, level, cipher, secret, len))
		return 0;
	/* A server's own are complete with its handshake keys and the client's parameters; EncryptedExtensions come next. */
	return conn->dialled || level != ssl_encryption_handshake ||
	       (take_parameters(conn, ssl) && give_parameters(conn, ssl));
}

static int add_handshake_data(SSL *ssl, enum ssl_encryption_level_t level, const uint8_t *data, size_t len)
{
	return ngtcp2_conn_submit_crypto_data(conn_of(ssl)->ng, to_ngtcp2(level), data, len) == 0;
}

static int flush_flight(SSL *ssl)
{
	return 1;
}

static int send_alert(SSL *ssl, enum ssl_encryption_level_t level, uint8_t alert)
{
	ngtcp2_conn_set_tls_alert(conn_of(ssl)->ng, alert);
	return 1;
}

static const SSL_QUIC_METHOD method = { set_read_secret, set_write_secret, add_handshake_data, flush_flight,
					send_alert };

bool zs_hs_begin(struct zs_quic_conn *conn, const struct zs_quic_dial *dial)
{
	struct zs_quic *q = conn->q;

	return zs_tls_begin(&conn->tls, q->tls, dial ? ZS_TLS_CLIENT : ZS_TLS_SERVER, dial && dial->hybrid,
			    dial ? dial->peer : NULL, q->ops.wall(q->ctx)) == 0 &&
	       SSL_set_quic_method(conn->tls.ssl, &method) && (!dial || give_parameters(conn, conn->tls.ssl));
}

static int fail(struct zs_quic_conn *conn)
{
	int rv = ngtcp2_conn_get_tls_error(conn->ng);

	conn->tls_reason = rv ? ngtcp2_strerror(rv) : zs_tls_reason(&conn->tls);
	return rv ? rv : NGTCP2_ERR_CRYPTO;
}

static int drive(struct zs_quic_conn *conn)
{
	SSL *ssl = conn->tls.ssl;
	int rv;

	ERR_clear_error();
	rv = SSL_do_handshake(ssl);
	if (rv <= 0)
		return SSL_get_error(ssl, rv) == SSL_ERROR_WANT_READ ? 0 : fail(conn);
	if (!zs_tls_complete(&conn->tls)) {
		ngtcp2_conn_set_tls_alert(conn->ng, SSL_AD_ACCESS_DENIED);
		return fail(conn);
	}
	ngtcp2_conn_tls_handshake_completed(conn->ng);
	return 0;
}

int zs_hs_client_initial(ngtcp2_conn *ng, void *user)
{
	struct zs_quic_conn *conn = user;
	const ngtcp2_crypto_aead_ctx key = { .native_handle = conn->q->retry_key };
	ngtcp2_crypto_ctx ctx;

	zs_quic_initial_ctx(&ctx);
	ngtcp2_conn_set_retry_aead(ng, &ctx.aead, &key);
	if (!zs_quic_install_initial(ng, ngtcp2_conn_get_dcid(ng)))
		return NGTCP2_ERR_CALLBACK_FAILURE;
	return drive(conn) == 0 ? 0 : NGTCP2_ERR_CALLBACK_FAILURE;
}

int zs_hs_recv_client_initial(ngtcp2_conn *ng, const ngtcp2_cid *dcid, void *user)
{
	return zs_quic_install_initial(ng, dcid) ? 0 : NGTCP2_ERR_CALLBACK_FAILURE;
}

int zs_hs_recv_retry(ngtcp2_conn *ng, const ngtcp2_pkt_hd *hd, void *user)
{
	return zs_quic_install_initial(ng, &hd->scid) ? 0 : NGTCP2_ERR_CALLBACK_FAILURE;
}

/* What comes after the handshake (tickets) is acknowledged and forgotten. */
int zs_hs_recv_crypto(ngtcp2_conn *ng, ngtcp2_encryption_level level, uint64_t offset, const uint8_t *data,
		      size_t len, void *user)
{
	struct zs_quic_conn *conn = user;

	if (!conn->tls.ssl)
		return 0;
	ERR_clear_error();
	if (!SSL_provide_quic_data(conn->tls.ssl, to_ssl(level), data, len))
		return fail(conn);
	return drive(conn);
}
