/* libp2p's TLS 1.3: both sides show a certificate, ALPN is libp2p, no SNI, no tickets, no early
 * data. A session is the security of one connection whatever carries it: QUIC hands it its own
 * SSL_QUIC_METHOD, a byte stream its BIOs. The role (who is TLS server) is free of who opened
 * the connection. One thread per zs_tls. */
#ifndef ZS_P2P_TLS_H
#define ZS_P2P_TLS_H

#include "p2p/cert.h"

enum zs_tls_role { ZS_TLS_SERVER, ZS_TLS_CLIENT };
#define ZS_TLS_EXPORT_LABEL 64 /* longest label */
#define ZS_TLS_CERTS	    2  /* at most; more than one is for tests of refusals */

struct ssl_st;
struct zs_tls;

/* Sessions show `certs`, whose first has the key (references are taken; a peer refuses any count but one).
 * cached_certs: entries of the verdict cache. -ENOMEM: out of memory, or BoringSSL refused a setting. */
int zs_tls_new(struct zs_tls **out, const struct zs_cert *certs, size_t count, uint32_t cached_certs);
/* Every session must be gone. */
void zs_tls_delete(struct zs_tls *tls);
const struct zs_cert_cache *zs_tls_cache(const struct zs_tls *tls);

struct zs_tls_session {
	struct ssl_st *ssl; /* NULL once dropped */
	struct zs_tls *tls;
	int64_t now_s;		    /* of the beginning: what dates are judged by */
	struct zs_peer_id expected; /* len 0: anybody */
	struct zs_peer_id peer;	    /* proven, when verdict is ZS_CERT_OK and judged */
	enum zs_cert_verdict verdict;
	bool judged;
	uint8_t exporter_len, exporter[48];
	uint16_t group; /* IANA number of the key exchange, 0 before the end */
};

/* `hybrid`: a client offers X25519Kyber768 first; servers take both always. `expected` may be NULL. -ENOMEM. */
int zs_tls_begin(struct zs_tls_session *s, struct zs_tls *tls, enum zs_tls_role role, bool hybrid,
		 const struct zs_peer_id *expected, int64_t now_s);
/* To be called when the handshake has ended without error: false when the peer is not proven or
 * ALPN is not libp2p. Keeps what the exporter needs and frees the rest, `ssl` included. */
bool zs_tls_complete(struct zs_tls_session *s);
/* Why the handshake failed, one line; reads this thread's BoringSSL errors. Never NULL. */
const char *zs_tls_reason(const struct zs_tls_session *s);
/* What a peer meant that sent this alert and no text, one line. Never NULL. */
const char *zs_tls_alert_text(uint8_t alert);
/* Frees and wipes; may be called at any time, also on a zeroed session. */
void zs_tls_end(struct zs_tls_session *s);

#define ZS_TLS_HYBRID "X25519KYBER" /* X25519 with Kyber768 */
/* "X25519", ZS_TLS_HYBRID …; "none" before completion. */
const char *zs_tls_group_name(const struct zs_tls_session *s);
/* RFC 8446 §7.5 after completion; label at most ZS_TLS_EXPORT_LABEL bytes, out_len at most 255 digests. */
void zs_tls_export(const struct zs_tls_session *s, const char *label, const void *context, size_t context_len,
		   uint8_t *out, size_t out_len);

#endif
