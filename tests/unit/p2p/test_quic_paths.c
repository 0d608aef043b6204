/* What happens around a connection: Retry, versions, keys, silence, restarts, new addresses, and what
 * strangers may do to it. */
#include <errno.h>
#include "p2p/quic/token.h"
#include "unit/p2p/quic_pipe.h"

static struct zs_quic_stats stats_of(const struct node *n)
{
	struct zs_quic_stats stats;

	zs_quic_stats(n->q, &stats);
	return stats;
}

static void retry_proves_the_address(void **state)
{
	struct pipe *p = pipe_new(NULL);

	p->b.verdict = ZS_QUIC_RETRY; /* whenever it is asked: a valid token is enough */
	pipe_start(p);
	pipe_dial(p, &p->b.peer, false);
	pipe_run(p, 300 * MS);
	assert_int_equal(p->a.established, 1);
	assert_int_equal(p->b.established, 1);
	assert_true(p->b.validated);
	assert_int_equal(stats_of(&p->b).retries, 1);
	assert_int_equal(stats_of(&p->b).accepted, 1);
	app_open(&p->a, 1000, true);
	pipe_run(p, 300 * MS);
	assert_int_equal(p->b.rx, 1000);
	pipe_free(p);
}

static void retry_tokens_are_bound(void **state)
{
	struct zs_endpoint peer, other, host;
	struct zs_quic_tokens t, u;
	uint64_t seed = 5;
	struct zs_random random = { fill_random, &seed };
	uint8_t secret[32] = { 1 }, token[ZS_RETRY_TOKEN];
	ngtcp2_cid scid, odcid, got;

	zs_endpoint_parse(&peer, "192.0.2.1:5000");
	zs_endpoint_parse(&other, "192.0.2.1:5001");
	zs_endpoint_parse(&host, "192.0.2.2:5000");
	ngtcp2_cid_init(&scid, (const uint8_t *)"retry678", 8);
	ngtcp2_cid_init(&odcid, (const uint8_t *)"original90123", 13);
	assert_int_equal(zs_quic_tokens_init(&t, secret), 0);
	size_t len = zs_quic_retry_make(&t, &random, &peer, &scid, &odcid, 1000, token);
	assert_int_equal(zs_quic_retry_check(&t, token, len, &peer, &scid, 1500, 1000, &got), 0);
	assert_true(ngtcp2_cid_eq(&got, &odcid));
	assert_int_equal(zs_quic_retry_check(&t, token, len, &peer, &scid, 2001, 1000, &got), -EACCES);
	assert_int_equal(zs_quic_retry_check(&t, token, len, &peer, &scid, 999, 1000, &got), -EACCES);
	assert_int_equal(zs_quic_retry_check(&t, token, len, &other, &scid, 1500, 1000, &got), -EACCES);
	assert_int_equal(zs_quic_retry_check(&t, token, len, &host, &scid, 1500, 1000, &got), -EACCES);
	assert_int_equal(zs_quic_retry_check(&t, token, len, &peer, &odcid, 1500, 1000, &got), -EACCES);
	for (size_t i = 1; i < len; i++) {
		token[i] ^= 4;
		assert_int_equal(zs_quic_retry_check(&t, token, len, &peer, &scid, 1500, 1000, &got),
				 -EACCES);
		token[i] ^= 4;
	}
	assert_int_equal(zs_quic_retry_check(&t, token, len - 1, &peer, &scid, 1500, 1000, &got), -ENOENT);
	/* After a restart with the same secret it is still good, with another one not. */
	assert_int_equal(zs_quic_tokens_init(&u, secret), 0);
	assert_int_equal(zs_quic_retry_check(&u, token, len, &peer, &scid, 1500, 1000, &got), 0);
	zs_quic_tokens_wipe(&u);
	secret[31] = 9;
	assert_int_equal(zs_quic_tokens_init(&u, secret), 0);
	assert_int_equal(zs_quic_retry_check(&u, token, len, &peer, &scid, 1500, 1000, &got), -EACCES);
	zs_quic_tokens_wipe(&u);
	zs_quic_tokens_wipe(&t);
}

static bool token_from_elsewhere(struct pipe *p, bool from_a, uint8_t *bytes, size_t len)
{
	if (from_a && p->sent[0] == 2)
		p->nat.port =
		    6001; /* the Initial with the token comes from another port than the Retry went to */
	return true;
}

static void a_token_of_another_address_is_refused(void **state)
{
	struct pipe *p = pipe_new(NULL);

	p->b.verdict = ZS_QUIC_RETRY;
	p->filter = token_from_elsewhere;
	pipe_start(p);
	pipe_dial(p, &p->b.peer, false);
	pipe_run(p, 300 * MS);
	assert_int_equal(p->b.established, 0);
	assert_int_equal(p->a.closed, 1);
	assert_int_equal(p->a.why.code, 0x0b); /* INVALID_TOKEN */
	pipe_free(p);
}

/* Version 2 of QUIC, which ngtcp2 knows, and a draft: both get a list of one. */
static void other_versions_get_negotiation(void **state)
{
	static const uint8_t versions[][4] = { { 0x6b, 0x33, 0x43, 0xcf },
					       { 0xff, 0, 0, 29 },
					       { 0x0a, 0x0a, 0x0a, 0x0a } };
	uint8_t buf[ZS_QUIC_DATAGRAM],
	    initial[1200] = { 0xc0, 0, 0, 0, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8, 3, 9, 9, 9 };
	struct pipe *p = pipe_new(NULL);
	struct zs_udp_datagram in = { .peer = p->a.addr, .local = p->b.addr, .data = initial, .len = 1200 },
			       out;

	pipe_start(p);
	for (size_t i = 0; i < 3; i++) {
		memcpy(initial + 1, versions[i], 4);
		zs_quic_receive(p->b.q, &in, 1, p->now);
		assert_int_equal(zs_quic_pull(p->b.q, &out, 1, buf, sizeof(buf), p->now), 1);
		assert_int_equal(out.len, 7 + 3 + 8 + 4);
		assert_memory_equal(buf + 1, "\0\0\0\0\3\x9\x9\x9\x8\1\2\3\4\5\6\7\x8\0\0\0\1", 21);
		assert_memory_equal(&out.peer, &p->a.addr, sizeof(out.peer));
		assert_memory_equal(&out.local, &p->b.addr, sizeof(out.local));
	}
	in.len = 1199; /* too small to be answered with more */
	zs_quic_receive(p->b.q, &in, 1, p->now);
	assert_int_equal(zs_quic_pull(p->b.q, &out, 1, buf, sizeof(buf), p->now), 0);
	pipe_free(p);
}

static bool answer_with_other_version(struct pipe *p, bool from_a, uint8_t *bytes, size_t len)
{
	uint8_t vn[64] = { 0x80 };
	struct zs_udp_datagram d = { .peer = p->b.addr, .local = p->a.addr, .data = vn };
	size_t at = 5;

	if (!from_a)
		return false;
	vn[at++] = bytes[6 + bytes[5]]; /* IDs change places */
	memcpy(vn + at, bytes + 7 + bytes[5], bytes[6 + bytes[5]]);
	at += bytes[6 + bytes[5]];
	vn[at++] = bytes[5];
	memcpy(vn + at, bytes + 6, bytes[5]);
	at += bytes[5];
	memcpy(vn + at, "\x6b\x33\x43\xcf", 4);
	d.len = at + 4;
	zs_quic_receive(p->a.q, &d, 1, p->now);
	return false;
}

static void a_peer_without_our_version(void **state)
{
	struct pipe *p = pipe_new(NULL);

	pipe_start(p);
	p->filter = answer_with_other_version;
	pipe_dial(p, NULL, false);
	pipe_run(p, 100 * MS);
	assert_int_equal(p->a.closed, 1);
	assert_int_equal(p->a.why.end, ZS_QUIC_END_VERSION);
	pipe_free(p);
}

static void keys_are_updated(void **state)
{
	struct pipe *p = pipe_connected();
	int updates = 0;

	p->b.answer = 2000;
	for (int i = 0; i < 20; i++) {
		struct node *n = i & 1 ? &p->b : &p->a;
		updates += zs_quic_rekey(n->conn, p->now) == 0;
		assert_int_equal(zs_quic_rekey(n->conn, p->now), -EAGAIN);
		app_open(&p->a, 1000, true);
		pipe_run(p, 1000 * MS);
	}
	assert_true(updates >= 10);
	assert_int_equal(p->b.rx, 20 * 1000);
	assert_int_equal(p->a.rx, 20 * 2000);
	pipe_free(p);
}

static void silence_ends_it(void **state)
{
	struct pipe *p = pipe_connected();

	p->a.conn = NULL;
	pipe_run(p, 29000 * MS);
	assert_int_equal(p->a.closed + p->b.closed, 0);
	pipe_run(p, 2000 * MS);
	assert_int_equal(p->a.closed, 1);
	assert_int_equal(p->b.closed, 1);
	assert_int_equal(p->a.why.end, ZS_QUIC_END_IDLE);
	assert_int_equal(p->b.why.end, ZS_QUIC_END_IDLE);
	pipe_free(p);
}

static void keep_alive_of_one_side_keeps_both(void **state)
{
	struct pipe *p = pipe_connected();
	uint64_t before = p->sent[0];

	zs_quic_keep_alive(p->a.conn, 5000 * MS);
	pipe_run(p, 120000 * MS);
	assert_int_equal(p->a.closed + p->b.closed, 0);
	assert_in_range(p->sent[0] - before, 20, 80); /* one PING each 5 s, no more than a few packets each */
	zs_quic_keep_alive(p->a.conn, 0);
	pipe_run(p, 32000 * MS);
	assert_int_equal(p->a.closed, 1);
	pipe_free(p);
}

static void restart(struct pipe *p, struct node *n, uint8_t secret)
{
	uint8_t buf[ZS_QUIC_DATAGRAM];
	struct zs_udp_datagram out;

	memset(n->config.secret, secret, sizeof(n->config.secret));
	zs_quic_delete(n->q);
	node_start(n);
	assert_int_equal(zs_quic_pull(n->q, &out, 1, buf, sizeof(buf), p->now), 0);
}

static void a_restarted_listener_resets_old_connections(void **state)
{
	struct pipe *p = pipe_connected();

	restart(p, &p->b, 2);
	app_open(&p->a, 1000, true);
	pipe_run(p, 200 * MS);
	assert_int_equal(p->a.closed, 1);
	assert_int_equal(p->a.why.end, ZS_QUIC_END_RESET);
	assert_true(stats_of(&p->b).resets >= 1);
	pipe_free(p);
}

static void a_restarted_dialler_resets_too(void **state)
{
	struct pipe *p = pipe_connected();

	restart(p, &p->a, 1);
	app_open(&p->b, 1000, true);
	pipe_run(p, 200 * MS);
	/* A dialler's first ID has no token (RFC 9000 §18.2): the later ones have, and are not in use yet. */
	assert_true(stats_of(&p->a).resets >= 1);
	pipe_free(p);
}

static void another_secret_resets_nothing(void **state)
{
	struct pipe *p = pipe_connected();

	restart(p, &p->b, 77);
	app_open(&p->a, 1000, true);
	pipe_run(p, 200 * MS);
	assert_int_equal(p->a.closed, 0);
	assert_true(stats_of(&p->b).resets >= 1);
	pipe_free(p);
}

/* Two endpoints that know nothing must not throw resets at each other for ever. */
static void resets_shrink(void **state)
{
	struct pipe *p = pipe_new(NULL);
	uint8_t noise[200] = { 0x40, 1, 2, 3 };
	struct zs_udp_datagram d = {
		.peer = p->a.addr, .local = p->b.addr, .data = noise, .len = sizeof(noise)
	};

	pipe_start(p);
	zs_quic_receive(p->b.q, &d, 1, p->now);
	pipe_run(p, 10000 * MS);
	assert_in_range(stats_of(&p->a).resets + stats_of(&p->b).resets, 1, 24);
	d.len = 21;
	uint64_t before = stats_of(&p->b).resets;
	zs_quic_receive(p->b.q, &d, 1, p->now);
	assert_int_equal(stats_of(&p->b).resets, before);
	pipe_free(p);
}

static void a_nat_rebinding_is_followed(void **state)
{
	struct pipe *p = pipe_connected();

	p->b.answer = 300000;
	for (int i = 0; i < 6; i++) {
		p->nat.port = (uint16_t)(20000 + i);
		app_open(&p->a, 10000, true);
		pipe_run(p, 3000 * MS);
		assert_int_equal(p->b.moved, i + 1);
		assert_int_equal(zs_quic_remote(p->b.conn).port, 20000 + i);
	}
	zs_endpoint_parse(&p->nat, "203.0.113.9:700");
	app_open(&p->a, 10000, true);
	pipe_run(p, 3000 * MS);
	struct zs_endpoint remote = zs_quic_remote(p->b.conn);
	assert_memory_equal(&remote, &p->nat, sizeof(remote));
	assert_int_equal(p->a.rx, 7 * 300000);
	assert_int_equal(p->a.closed + p->b.closed, 0);
	pipe_free(p);
}

static void an_active_migration(void **state)
{
	struct pipe *p = pipe_connected();
	struct zs_endpoint local;

	zs_endpoint_parse(&local, "10.0.0.99:5001");
	assert_int_equal(zs_quic_migrate(p->b.conn, &local, p->now),
			 -EAGAIN); /* a listener does not migrate */
	p->b.answer = 50000;
	for (int i = 1; i <= 6; i++) {
		local.port = (uint16_t)(5001 + i);
		p->nat = p->a.addr = local;
		assert_int_equal(zs_quic_migrate(p->a.conn, &local, p->now), 0);
		app_open(&p->a, 10000, true);
		pipe_run(p, 5000 * MS);
		assert_int_equal(p->a.rx, i * 50000);
		struct zs_endpoint remote = zs_quic_remote(p->b.conn);
		assert_memory_equal(&remote, &local, sizeof(remote));
		assert_int_equal(stats_of(&p->a).cids,
				 5); /* its own and one token: those of old paths are gone */
		assert_in_range(stats_of(&p->b).cids, 4, 6);
	}
	pipe_free(p);
}

static bool step_back_after_retry(struct pipe *p, bool from_a, uint8_t *bytes, size_t len)
{
	if (!from_a && (bytes[0] & 0xf0) == 0xf0 && p->sent[1] == 1)
		p->now -= 900 * MS;
	return true;
}

static void a_clock_that_steps_back_stands_still(void **state)
{
	struct pipe *p = pipe_new(NULL);

	p->b.verdict = ZS_QUIC_RETRY;
	p->filter = step_back_after_retry; /* a token from the future would be refused */
	pipe_start(p);
	pipe_dial(p, &p->b.peer, false);
	pipe_run(p, 2000 * MS);
	assert_int_equal(p->a.established, 1);
	assert_int_equal(p->b.established, 1);
	p->b.answer = 100000;
	app_open(&p->a, 1000, true);
	pipe_run(p, 8 * MS);
	p->now -= 900 * MS;
	pipe_run(p, 3000 * MS);
	assert_int_equal(p->a.rx, 100000);
	pipe_free(p);
}

/* The last packets of a connection meet its tombstone: answered with the close, ever more rarely. */
static uint8_t id_seen[9];

static bool see_id(struct pipe *p, bool from_a, uint8_t *bytes, size_t len)
{
	if (from_a && !(bytes[0] & 0x80))
		memcpy(id_seen, bytes, sizeof(id_seen));
	return true;
}

static void late_packets_meet_the_tombstone(void **state)
{
	struct pipe *p = pipe_connected();
	const struct zs_udp_datagram tiny = {
		.peer = p->a.addr, .local = p->b.addr, .data = id_seen, .len = 9
	};
	struct zs_quic_stats s;

	p->filter = see_id;
	app_open(&p->a, 200000, true);
	pipe_run(p, 15 * MS);
	zs_quic_close(p->b.conn, 5, "enough");
	p->loss_percent = 100;
	pull_all(p, &p->b); /* the close is lost */
	p->loss_percent = 0;
	zs_quic_receive(p->b.q, &tiny, 1, p->now);
	assert_int_equal(stats_of(&p->b).closes, 0); /* nine bytes do not buy a close packet */
	assert_int_equal(stats_of(&p->b).rx_unknown, 0);
	assert_int_equal(stats_of(&p->b).connections, 0);
	assert_int_equal(stats_of(&p->b).tombstones, 1);
	pipe_run(p, 200 * MS);
	assert_int_equal(p->a.closed, 1);
	assert_int_equal(p->a.why.code, 5);
	s = stats_of(&p->b);
	assert_in_range(s.closes, 1, 8);
	assert_int_equal(s.resets, 0);
	assert_int_equal(p->b.incoming, 1);
	pipe_run(p, 4000 * MS);
	s = stats_of(&p->b);
	assert_int_equal(s.tombstones, 0);
	assert_int_equal(s.cids, 0);
	pipe_free(p);
}

static void tombstones_are_bounded(void **state)
{
	struct pipe *p = pipe_new(NULL);

	p->b.config.tombstones = 4;
	p->a.config.tombstones = 0;
	pipe_start(p);
	for (int i = 0; i < 10; i++) {
		pipe_dial(p, NULL, false);
		pipe_run(p, 100 * MS);
		zs_quic_close(p->a.conn, 0, NULL);
		pipe_run(p, 50 * MS);
	}
	assert_int_equal(p->b.closed, 10);
	assert_int_equal(stats_of(&p->b).tombstones, 4);
	assert_int_equal(stats_of(&p->a).tombstones, 0);
	assert_int_equal(stats_of(&p->a).cids, 0);
	pipe_free(p);
}

/* A forged source gets at most three times what was sent in its name, Retry or not. */
static void no_amplification(void **state)
{
	struct pipe *p = pipe_new(NULL);

	pipe_start(p);
	pipe_dial(p, &p->b.peer, false);
	pull_all(p, &p->a);
	assert_int_equal(p->count, 1);
	zs_quic_delete(p->a.q); /* the forger is never heard of again */
	p->a.q = NULL;
	uint64_t in = p->queue[0].d.len, out = 0;
	deliver(p);
	for (int i = 0; i < 2000; i++) {
		uint8_t buf[ZS_QUIC_DATAGRAM];
		struct zs_udp_datagram d;
		while (zs_quic_pull(p->b.q, &d, 1, buf, sizeof(buf), p->now))
			out += d.len;
		p->now += 10 * MS;
		zs_quic_advance(p->b.q, p->now);
	}
	assert_in_range(out, 1, 3 * in);
	assert_int_equal(p->b.closed, 1);
	assert_int_equal(p->b.why.end, ZS_QUIC_END_SLOW);
	assert_int_equal(stats_of(&p->b).connections, 0);
	assert_int_equal(stats_of(&p->b).handshakes, 0);
	pipe_free(p);
}

static bool listener_is_mute(struct pipe *p, bool from_a, uint8_t *bytes, size_t len)
{
	return from_a;
}

static void half_open_handshakes_are_bounded(void **state)
{
	struct pipe *p = pipe_new(NULL);

	p->b.config.max_handshakes = 4;
	p->filter = listener_is_mute;
	pipe_start(p);
	for (int i = 0; i < 10; i++)
		pipe_dial(p, NULL, false);
	pipe_run(p, 500 * MS);
	assert_int_equal(stats_of(&p->b).handshakes, 4);
	assert_int_equal(stats_of(&p->b).connections, 4);
	assert_true(stats_of(&p->b).dropped >= 6); /* no word to addresses that nobody proved */
	assert_int_equal(stats_of(&p->b).refused, 0);
	pipe_run(p, 30000 * MS);
	assert_int_equal(stats_of(&p->b).handshakes, 0);
	assert_int_equal(stats_of(&p->b).connections, 0);
	assert_int_equal(p->b.closed, p->b.accepted);
	assert_int_equal(p->a.closed, 10);
	pipe_free(p);
}

static void qlog_on_request(void **state)
{
	struct pipe *p = pipe_connected();

	assert_int_equal(p->a.qlog_bytes, 0);
	zs_quic_close(p->a.conn, 0, NULL);
	zs_quic_set_qlog(p->a.q, true);
	pipe_dial(p, NULL, false);
	pipe_run(p, 100 * MS);
	assert_true(p->a.qlog_bytes > 1000);
	assert_int_equal(p->a.qlog_ends, 0);
	zs_quic_close(p->a.conn, 0, NULL);
	pipe_run(p, 100 * MS);
	assert_int_equal(p->a.qlog_ends, 1);
	assert_int_equal(p->b.qlog_bytes, 0);
	pipe_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(retry_proves_the_address),
		cmocka_unit_test(retry_tokens_are_bound),
		cmocka_unit_test(a_token_of_another_address_is_refused),
		cmocka_unit_test(other_versions_get_negotiation),
		cmocka_unit_test(a_peer_without_our_version),
		cmocka_unit_test(keys_are_updated),
		cmocka_unit_test(silence_ends_it),
		cmocka_unit_test(keep_alive_of_one_side_keeps_both),
		cmocka_unit_test(a_restarted_listener_resets_old_connections),
		cmocka_unit_test(a_restarted_dialler_resets_too),
		cmocka_unit_test(another_secret_resets_nothing),
		cmocka_unit_test(resets_shrink),
		cmocka_unit_test(a_nat_rebinding_is_followed),
		cmocka_unit_test(an_active_migration),
		cmocka_unit_test(a_clock_that_steps_back_stands_still),
		cmocka_unit_test(late_packets_meet_the_tombstone),
		cmocka_unit_test(tombstones_are_bounded),
		cmocka_unit_test(no_amplification),
		cmocka_unit_test(half_open_handshakes_are_bounded),
		cmocka_unit_test(qlog_on_request),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
