/* Two sessions joined by a BIO pair: who is accepted, who is refused by which name, and what both ends share. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include "p2p/tls.h"
#include "unit/p2p/cert_forge.h"

#define NOW   1790000000
#define LABEL "EXPORTER-zerostate-attach"

struct side {
	struct zs_identity id;
	struct zs_peer_id peer;
	struct zs_cert cert[2];
	struct zs_tls *tls;
	struct zs_tls_session session;
	bool done, failed;
};

static void side_init(struct side *s, uint8_t fill, size_t certs, const struct forge *f)
{
	uint8_t seed[32];

	memset(seed, fill, sizeof(seed));
	*s = (struct side){ 0 };
	zs_identity_from_seed(&s->id, seed);
	struct zs_public_key key = zs_identity_public(&s->id);
	zs_peer_id_of(&s->peer, &key);
	for (int i = 0; i < 2; i++)
		assert_int_equal(zs_cert_new(&s->cert[i], &s->id, NOW), 0);
	if (f)
		forge(&s->cert[0], &s->id, f);
	assert_int_equal(zs_tls_new(&s->tls, s->cert, certs, 16), 0);
}

static void side_free(struct side *s)
{
	zs_tls_end(&s->session);
	zs_tls_delete(s->tls);
	for (int i = 0; i < 2; i++)
		zs_cert_free(&s->cert[i]);
}

static void step(struct side *s)
{
	if (s->done || s->failed)
		return;
	ERR_clear_error();
	int rv = SSL_do_handshake(s->session.ssl);
	if (rv == 1)
		s->done = true;
	else if (SSL_get_error(s->session.ssl, rv) != SSL_ERROR_WANT_READ)
		s->failed = true;
}

static void begin(struct side *client, struct side *server, bool hybrid, const struct zs_peer_id *expected)
{
	BIO *a, *b;

	assert_int_equal(zs_tls_begin(&client->session, client->tls, ZS_TLS_CLIENT, hybrid, expected, NOW),
			 0);
	assert_int_equal(zs_tls_begin(&server->session, server->tls, ZS_TLS_SERVER, false, NULL, NOW), 0);
	assert_true(BIO_new_bio_pair(&a, 1 << 16, &b, 1 << 16));
	SSL_set_bio(client->session.ssl, a, a);
	SSL_set_bio(server->session.ssl, b, b);
}

static void run(struct side *client, struct side *server)
{
	for (int i = 0; i < 10; i++) {
		step(client);
		step(server);
	}
}

static void both_ends_agree(bool hybrid, const char *group)
{
	struct side client, server;
	uint8_t a[64], b[64], reference[64];

	side_init(&client, 1, 1, NULL);
	side_init(&server, 2, 1, NULL);
	begin(&client, &server, hybrid, &server.peer);
	run(&client, &server);
	assert_true(client.done && server.done);
	assert_true(SSL_export_keying_material(client.session.ssl, reference, 64, LABEL, strlen(LABEL),
					       (const uint8_t *)"context", 7, 1));
	assert_string_equal(zs_tls_group_name(&client.session), "none");
	assert_true(zs_tls_complete(&client.session) && zs_tls_complete(&server.session));
	assert_null(client.session.ssl);
	assert_string_equal(zs_tls_group_name(&client.session), group);
	assert_string_equal(zs_tls_group_name(&server.session), group);
	assert_true(zs_peer_id_eq(&client.session.peer, &server.peer));
	assert_true(zs_peer_id_eq(&server.session.peer, &client.peer));
	zs_tls_export(&client.session, LABEL, "context", 7, a, 64);
	zs_tls_export(&server.session, LABEL, "context", 7, b, 64);
	assert_memory_equal(a, reference, 64);
	assert_memory_equal(b, reference, 64);
	zs_tls_export(&server.session, LABEL, "contexT", 7, b, 64);
	assert_memory_not_equal(a, b, 64);
	zs_tls_export(&server.session, "EXPORTER-zerostate-attacH", "context", 7, b, 64);
	assert_memory_not_equal(a, b, 64);
	side_free(&client);
	side_free(&server);
}

static void x25519_and_its_exporter(void **state)
{
	both_ends_agree(false, "X25519");
}

static void hybrid_and_its_exporter(void **state)
{
	both_ends_agree(true, ZS_TLS_HYBRID);
}

/* The side that judges is the client; then the server with the roles turned round. */
static void refused(size_t certs, const struct forge *f, bool wrong_peer, const char *reason)
{
	for (int judge = 0; judge < 2; judge++) {
		struct side good, bad;
		side_init(&good, 1, 1, NULL);
		side_init(&bad, 2, certs, f);
		if (wrong_peer && judge == 1) { /* a listener expects nobody */
			side_free(&good);
			side_free(&bad);
			break;
		}
		if (judge == 0)
			begin(&good, &bad, false, wrong_peer ? &good.peer : NULL);
		else
			begin(&bad, &good, false, NULL);
		for (int i = 0; i < 10 && !good.failed; i++) {
			step(judge == 0 ? &good : &bad);
			if (good.failed)
				break;
			step(judge == 0 ? &bad : &good);
		}
		assert_true(good.failed);
		assert_string_equal(zs_tls_reason(&good.session), reason);
		assert_false(zs_tls_complete(&good.session));
		side_free(&good);
		side_free(&bad);
	}
}

static void refusals_by_name(void **state)
{
	refused(1, NULL, true, zs_cert_text(ZS_CERT_WRONG_PEER));
	refused(2, NULL, false, zs_cert_text(ZS_CERT_CHAIN));
	refused(1, &(struct forge){ .no_extension = true }, false, zs_cert_text(ZS_CERT_NO_EXTENSION));
	refused(1, &(struct forge){ .not_after = "20200101000000Z" }, false, zs_cert_text(ZS_CERT_EXPIRED));
	refused(1, &(struct forge){ .bad_signature = true }, false, zs_cert_text(ZS_CERT_SIGNATURE));
	refused(1, &(struct forge){ .other_identity = true }, false,
		zs_cert_text(ZS_CERT_IDENTITY_SIGNATURE));
}

static void a_client_without_certificate(void **state)
{
	struct side client, server;

	side_init(&client, 1, 0, NULL);
	side_init(&server, 2, 1, NULL);
	begin(&client, &server, false, NULL);
	step(&client);
	step(&server);
	step(&client);
	step(&server);
	assert_true(server.failed);
	assert_string_equal(zs_tls_reason(&server.session), zs_cert_text(ZS_CERT_NONE));
	side_free(&client);
	side_free(&server);
}

static void wrong_alpn(const char *offer)
{
	struct side client, server;

	side_init(&client, 1, 1, NULL);
	side_init(&server, 2, 1, NULL);
	begin(&client, &server, false, NULL);
	assert_int_equal(
	    SSL_set_alpn_protos(client.session.ssl, (const uint8_t *)offer, (unsigned)strlen(offer)), 0);
	for (int i = 0; i < 4 && !server.failed; i++) {
		step(&client);
		step(&server);
	}
	assert_true(server.failed);
	assert_string_equal(zs_tls_reason(&server.session), zs_cert_text(ZS_CERT_ALPN));
	side_free(&client);
	side_free(&server);
}

static void alpn_must_be_ours(void **state)
{
	assert_string_equal(zs_tls_alert_text(120), zs_cert_text(ZS_CERT_ALPN)); /* all that quic-go says */
	assert_string_equal(zs_tls_alert_text(42), "bad certificate");
	assert_non_null(zs_tls_alert_text(255));
	wrong_alpn("\x02h3");
	wrong_alpn("\x06libp2q");
	wrong_alpn(""); /* none at all: the selection callback never runs */
}

static void returning_peers_hit_the_cache(void **state)
{
	struct side client, server;

	side_init(&client, 1, 1, NULL);
	side_init(&server, 2, 1, NULL);
	for (int i = 0; i < 3; i++) {
		begin(&client, &server, false, &server.peer);
		run(&client, &server);
		assert_true(zs_tls_complete(&client.session) && zs_tls_complete(&server.session));
		assert_int_equal(zs_cert_cache_hits(zs_tls_cache(server.tls)), i);
		zs_tls_end(&client.session);
		zs_tls_end(&server.session);
		client.done = server.done = false;
	}
	side_free(&client);
	side_free(&server);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(x25519_and_its_exporter), cmocka_unit_test(hybrid_and_its_exporter),
		cmocka_unit_test(refusals_by_name),	   cmocka_unit_test(a_client_without_certificate),
		cmocka_unit_test(alpn_must_be_ours),	   cmocka_unit_test(returning_peers_hit_the_cache),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
