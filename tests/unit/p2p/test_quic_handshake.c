/* Handshakes: who gets a connection, what both ends agree on, and every refusal by its name. */
#include <errno.h>
#include "unit/p2p/quic_pipe.h"

static void both_ends_agree(bool hybrid, const char *group)
{
	struct pipe *p = pipe_new(NULL);
	struct zs_quic_conn_stats stats;
	struct zs_quic_stats of;
	uint8_t x[32], y[32];

	pipe_start(p);
	pipe_dial(p, &p->b.peer, hybrid);
	pipe_run(p, 200 * MS);
	assert_int_equal(p->a.established, 1);
	assert_int_equal(p->b.established, 1);
	assert_true(zs_peer_id_eq(zs_quic_peer(p->a.conn), &p->b.peer));
	assert_true(zs_peer_id_eq(zs_quic_peer(p->b.conn), &p->a.peer));
	assert_true(zs_quic_is_dialled(p->a.conn) && !zs_quic_is_dialled(p->b.conn));
	assert_string_equal(zs_quic_group(p->a.conn), group);
	assert_string_equal(zs_quic_group(p->b.conn), group);
	struct zs_endpoint remote = zs_quic_remote(p->b.conn), local = zs_quic_local(p->a.conn);
	assert_memory_equal(&remote, &p->a.addr, sizeof(remote));
	assert_memory_equal(&local, &p->a.addr, sizeof(local)); /* learnt: it dialled from any */
	zs_quic_export(p->a.conn, "EXPORTER-zerostate-attach", "h", 1, x, 32);
	zs_quic_export(p->b.conn, "EXPORTER-zerostate-attach", "h", 1, y, 32);
	assert_memory_equal(x, y, 32);
	zs_quic_export(p->b.conn, "EXPORTER-zerostate-attach", "g", 1, y, 32);
	assert_memory_not_equal(x, y, 32);
	zs_quic_stats(p->b.q, &of);
	assert_int_equal(of.cids, 4); /* its own; the client's first is forgotten */
	zs_quic_stats(p->a.q, &of);
	assert_int_equal(of.cids, 5); /* and the token of the listener's stateless reset */
	zs_quic_conn_stats(p->a.conn, &stats);
	assert_int_equal(stats.streams_left, 256);
	assert_in_range(stats.min_rtt_ns, 10 * MS, 40 * MS);
	pipe_free(p);
}

static void handshake_x25519(void **state)
{
	both_ends_agree(false, "X25519");
}

static void handshake_hybrid(void **state)
{
	both_ends_agree(true, ZS_TLS_HYBRID);
}

/* The dialler refuses: `closed` here without `established`, the reason told to the other side. */
static void dialler_refuses(const struct forge *listener, bool wrong_peer, enum zs_cert_verdict verdict)
{
	struct pipe *p = pipe_new(&(struct pipe_options){ .listener = listener });

	pipe_start(p);
	pipe_dial(p, wrong_peer ? &p->a.peer : &p->b.peer, false);
	pipe_run(p, 500 * MS);
	assert_int_equal(p->a.established, 0);
	assert_int_equal(p->b.established, 0);
	assert_int_equal(p->a.closed, 1);
	assert_int_equal(p->a.why.end, ZS_QUIC_END_LOCAL);
	assert_int_equal(p->a.why.code & 0xff00, 0x100);
	assert_int_equal(zs_peer_id_eq(&p->a.answered, &p->b.peer), wrong_peer); /* nobody else is proven */
	assert_string_equal(p->a.why.reason, zs_cert_text(verdict));
	assert_int_equal(p->b.closed, 1);
	assert_int_equal(p->b.why.end, ZS_QUIC_END_REMOTE);
	assert_int_equal(p->b.why.code, p->a.why.code);
	assert_string_equal(p->b.why.reason, zs_cert_text(verdict));
	pipe_free(p);
}

static void dialler_refuses_by_name(void **state)
{
	dialler_refuses(NULL, true, ZS_CERT_WRONG_PEER);
	dialler_refuses(&(struct forge){ .not_after = "20200101000000Z" }, false, ZS_CERT_EXPIRED);
	dialler_refuses(&(struct forge){ .bad_signature = true }, false, ZS_CERT_SIGNATURE);
	dialler_refuses(&(struct forge){ .no_extension = true }, false, ZS_CERT_NO_EXTENSION);
	dialler_refuses(&(struct forge){ .foreign = 2 }, false, ZS_CERT_CRITICAL);
}

/* The listener refuses: the dialler was done before, and learns it by a close. */
static void listener_refuses(const struct pipe_options *o, enum zs_cert_verdict verdict)
{
	struct pipe *p = pipe_new(o);

	pipe_start(p);
	pipe_dial(p, &p->b.peer, false);
	pipe_run(p, 500 * MS);
	assert_int_equal(p->b.established, 0);
	assert_int_equal(p->b.closed, 1);
	assert_string_equal(p->b.why.reason, zs_cert_text(verdict));
	assert_int_equal(p->b.why.end, ZS_QUIC_END_LOCAL);
	assert_int_equal(p->a.closed, 1);
	assert_int_equal(p->a.why.end, ZS_QUIC_END_REMOTE);
	assert_int_equal(p->a.why.code, p->b.why.code);
	assert_string_equal(p->a.why.reason, zs_cert_text(verdict));
	assert_int_equal(zs_quic_next(p->b.q, NULL) != NULL, false);
	pipe_free(p);
}

static void listener_refuses_by_name(void **state)
{
	listener_refuses(&(struct pipe_options){ .no_cert = true }, ZS_CERT_NONE);
	listener_refuses(&(struct pipe_options){ .certs = 2 }, ZS_CERT_CHAIN);
	listener_refuses(&(struct pipe_options){ .dialler = &(struct forge){ .no_extension = true } },
			 ZS_CERT_NO_EXTENSION);
	listener_refuses(&(struct pipe_options){ .dialler = &(struct forge){ .other_identity = true } },
			 ZS_CERT_IDENTITY_SIGNATURE);
	listener_refuses(
	    &(struct pipe_options){ .dialler = &(struct forge){ .not_before = "20700101000000Z" } },
	    ZS_CERT_NOT_YET);
}

static void an_application_close_carries_code_and_text(void **state)
{
	struct pipe *p = pipe_connected();

	zs_quic_close(p->b.conn, 0x1001, "peer: 8 of 8 connections, ours");
	zs_quic_close(p->b.conn, 7, "the first counts");
	pipe_run(p, 100 * MS);
	assert_int_equal(p->a.closed, 1);
	assert_int_equal(p->b.closed, 1);
	assert_int_equal(p->b.why.end, ZS_QUIC_END_LOCAL);
	assert_int_equal(p->a.why.end, ZS_QUIC_END_REMOTE);
	assert_true(p->a.why.application);
	assert_int_equal(p->a.why.code, 0x1001);
	assert_string_equal(p->a.why.reason, "peer: 8 of 8 connections, ours");
	pipe_free(p);
}

static void closing_before_the_handshake_ends(void **state)
{
	struct pipe *p = pipe_new(NULL);

	pipe_start(p);
	zs_quic_close(pipe_dial(p, NULL, false), 3, "changed my mind");
	pipe_run(p, 100 * MS);
	assert_int_equal(p->a.closed, 1);
	assert_int_equal(p->a.established, 0);
	struct zs_quic_conn *conn = pipe_dial(p, NULL, false);
	pull_all(p, &p->a);
	zs_quic_close(conn, 3, "changed my mind");
	pipe_run(p, 20000 * MS);
	assert_int_equal(p->a.closed, 2);
	assert_int_equal(p->b.established, 0);
	assert_int_equal(p->b.closed, p->b.accepted);
	pipe_free(p);
}

/* Of what a says after its first flight only packets with 1-RTT keys arrive: its certificate and Finished do not. */
static bool keep_back_the_proof(struct pipe *p, bool from_a, uint8_t *bytes, size_t len)
{
	return !from_a || !p->b.accepted || !(bytes[0] & 0x80);
}

/* The listener can write with 1-RTT keys before it knows who dialled: it opens no stream then, and none of the dialler's is one
 * for it until the handshake is complete. */
static void no_stream_before_the_peer_is_known(void **state)
{
	struct pipe *p = pipe_new(NULL);
	struct zs_quic_stream *s;

	p->filter = keep_back_the_proof;
	pipe_start(p);
	pipe_dial(p, &p->b.peer, false);
	pipe_run(p, 100 * MS);
	assert_int_equal(p->a.established, 1);
	assert_int_equal(p->b.accepted, 1);
	assert_int_equal(zs_quic_open(p->b.arriving, NULL, &s), -ENOTCONN);
	assert_non_null(app_open(&p->a, 1000, true));
	pipe_run(p, 100 * MS);
	assert_int_equal(p->b.opened, 0);
	assert_int_equal(p->b.rx, 0);
	assert_int_equal(p->b.established, 0);
	p->filter = NULL;
	pipe_run(p, 3000 * MS);
	assert_int_equal(p->b.established, 1);
	assert_int_equal(p->b.opened, 1);
	assert_int_equal(p->b.rx, 1000);
	assert_int_equal(zs_quic_open(p->b.arriving, NULL, &s), 0);
	app_attach(&p->b, s);
	pipe_free(p);
}

/* go's and our hybrid's first flight are two datagrams: one connection, in any order. */
static void two_datagrams_make_one_connection(void **state)
{
	struct zs_quic_stats stats;

	for (int swapped = 0; swapped < 2; swapped++) {
		struct pipe *p = pipe_new(NULL);
		pipe_start(p);
		pipe_dial(p, &p->b.peer, true);
		pull_all(p, &p->a);
		assert_int_equal(p->count, 2);
		if (swapped)
			p->queue[0].at = p->queue[1].at + 1;
		pipe_run(p, 300 * MS);
		zs_quic_stats(p->b.q, &stats);
		assert_int_equal(stats.retries, swapped); /* nothing is buffered for an unproven address */
		assert_int_equal(stats.accepted, 1 + swapped);
		assert_int_equal(stats.connections, 1);
		assert_int_equal(p->b.established, 1);
		assert_int_equal(p->a.established, 1);
		pipe_free(p);
	}
}

static void handshakes_survive_loss(void **state)
{
	for (uint64_t seed = 1; seed <= 20; seed++) {
		struct pipe *p = pipe_new(NULL);
		p->seed = seed * 0x2545f4914f6cdd1dull;
		p->loss_percent = 20;
		p->jitter = 30 * MS;
		pipe_start(p);
		pipe_dial(p, &p->b.peer, seed & 1);
		pipe_run(p, 9000 * MS);
		if (p->a.established != 1 || p->b.established != 1)
			fail_msg("seed %lu: %u and %u established", (unsigned long)seed, p->a.established,
				 p->b.established);
		pipe_free(p);
	}
}

/* One socket listens and dials: both ends dial each other at once. */
static void both_dial_from_their_sockets(void **state)
{
	struct pipe *p = pipe_new(NULL);
	const struct zs_quic_dial back = { .remote = p->a.addr, .local = p->b.addr, .peer = &p->a.peer };
	struct zs_quic_conn *conn;

	pipe_start(p);
	pipe_dial(p, &p->b.peer, false);
	assert_int_equal(zs_quic_dial(p->b.q, &back, p->now, &conn), 0);
	pipe_run(p, 200 * MS);
	assert_int_equal(p->a.established, 2);
	assert_int_equal(p->b.established, 2);
	assert_int_equal(p->a.accepted, 1);
	assert_int_equal(p->b.accepted, 1);
	zs_quic_close(conn, 1, NULL);
	pipe_run(p, 100 * MS);
	assert_int_equal(p->a.closed, 1);
	assert_int_equal(p->b.closed, 1);
	assert_non_null(zs_quic_next(p->a.q, NULL));
	assert_null(zs_quic_next(p->a.q, zs_quic_next(p->a.q, NULL)));
	pipe_free(p);
}

static bool corrupt_the_first(struct pipe *p, bool from_a, uint8_t *bytes, size_t len)
{
	if (from_a && p->sent[0] == 1)
		bytes[700] ^= 1;
	return true;
}

/* A first Initial that does not decrypt leaves nothing behind that would swallow the real one. */
static void a_corrupted_first_packet(void **state)
{
	struct pipe *p = pipe_new(NULL);

	pipe_start(p);
	p->filter = corrupt_the_first;
	pipe_dial(p, &p->b.peer, false);
	pipe_run(p, 50 * MS);
	assert_int_equal(p->b.closed, 1);
	assert_null(zs_quic_next(p->b.q, NULL));
	pipe_run(p, 2000 * MS);
	assert_int_equal(p->a.established, 1);
	assert_int_equal(p->b.established, 1);
	pipe_free(p);
}

static void nobody_answers(void **state)
{
	struct pipe *p = pipe_new(NULL);

	pipe_start(p);
	p->loss_percent = 100;
	pipe_dial(p, NULL, false);
	pipe_run(p, 11000 * MS);
	assert_int_equal(p->a.closed, 1);
	assert_int_equal(p->a.why.end, ZS_QUIC_END_SLOW);
	pipe_free(p);
}

static void the_verdict_comes_before_state(void **state)
{
	struct zs_quic_stats stats;
	struct pipe *p = pipe_new(NULL);

	pipe_start(p);
	p->b.verdict = ZS_QUIC_REFUSE;
	pipe_dial(p, NULL, false);
	pipe_run(p, 500 * MS);
	assert_int_equal(p->a.closed, 1);
	assert_int_equal(p->a.why.end, ZS_QUIC_END_REMOTE);
	assert_int_equal(p->a.why.code, 2); /* CONNECTION_REFUSED */
	p->b.verdict = ZS_QUIC_DROP;
	pipe_dial(p, NULL, false);
	pipe_run(p, 11000 * MS);
	assert_int_equal(p->a.closed, 2);
	assert_int_equal(p->a.why.end, ZS_QUIC_END_SLOW);
	zs_quic_stats(p->b.q, &stats);
	assert_int_equal(stats.accepted, 0);
	assert_int_equal(stats.refused, 1);
	assert_true(stats.dropped > 1);
	pipe_free(p);
}

static void limits_refuse_and_retry(void **state)
{
	struct pipe *p = pipe_new(NULL);
	struct zs_quic_stats stats;

	p->b.config.max_connections = 3;
	p->b.config.retry_above = 1;
	pipe_start(p);
	for (int i = 0; i < 5; i++)
		pipe_dial(p, NULL, false);
	pipe_run(p, 2000 * MS);
	zs_quic_stats(p->b.q, &stats);
	assert_int_equal(p->b.established, 3);
	assert_int_equal(p->a.closed, 2);
	assert_int_equal(p->a.why.code, 2);
	assert_true(stats.retries >= 2);
	assert_int_equal(p->b.accepted, 3);
	assert_int_equal(stats.connections, 3);
	pipe_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(handshake_x25519),
		cmocka_unit_test(handshake_hybrid),
		cmocka_unit_test(dialler_refuses_by_name),
		cmocka_unit_test(listener_refuses_by_name),
		cmocka_unit_test(an_application_close_carries_code_and_text),
		cmocka_unit_test(closing_before_the_handshake_ends),
		cmocka_unit_test(no_stream_before_the_peer_is_known),
		cmocka_unit_test(two_datagrams_make_one_connection),
		cmocka_unit_test(handshakes_survive_loss),
		cmocka_unit_test(both_dial_from_their_sockets),
		cmocka_unit_test(a_corrupted_first_packet),
		cmocka_unit_test(nobody_answers),
		cmocka_unit_test(the_verdict_comes_before_state),
		cmocka_unit_test(limits_refuse_and_retry),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
