/* The connection manager: marks, grace, order of trimming, protection with reasons, keep-alive, bounds. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>

#include "base/check.h"
#include "base/clock.h"
#include "p2p/connmgr.h"
#include "unit/p2p/peer_ids.h"
#include "unit/random.h"

#define S ZS_NS_PER_S

static struct zs_connmgr *manager(uint32_t low, uint32_t high, uint32_t conns, uint32_t peers)
{
	struct zs_connmgr_config c;

	zs_connmgr_defaults(&c);
	c.low = low;
	c.high = high;
	c.conns = conns;
	c.peers = peers;
	return zs_connmgr_new(&c);
}

static uint32_t add(struct zs_connmgr *m, uint32_t peer, enum zs_direction d, uint64_t now)
{
	struct zs_peer_id id = peer_id(peer);
	uint32_t conn;

	assert_int_equal(zs_connmgr_add(m, &id, d, now, &conn), 0);
	return conn;
}

static void tag(struct zs_connmgr *m, uint32_t peer, const char *name, int32_t value)
{
	struct zs_peer_id id = peer_id(peer);

	assert_int_equal(zs_connmgr_tag(m, &id, name, value), 0);
}

static void marks_and_order(void **state)
{
	struct zs_connmgr *m = manager(3, 8, 16, 16);
	uint32_t c[9], out[16];
	static const uint32_t order[] = { 6, 3, 1, 0, 4, 2 };

	for (uint32_t i = 0; i < 8; i++)
		c[i] = add(m, i, i == 0 || i == 4 ? ZS_OUT : ZS_IN, S);
	tag(m, 6, "relay", -5); /* the worst score, though busy */
	zs_connmgr_streams(m, c[6], 3);
	tag(m, 5, "kad", 10);
	tag(m, 2, "kad", 4);
	tag(m, 7, "kad", 30);
	tag(m, 7, "kad", 20); /* replaces */
	tag(m, 7, "gossip", 5);
	zs_connmgr_heard(m, c[1], 5 * S); /* 3 is silent longer */
	zs_connmgr_heard(m, c[4], 5 * S);
	assert_int_equal(zs_connmgr_trim(m, 100 * S, out, 16), 0); /* at the high mark */
	c[8] = add(m, 8, ZS_IN, 95 * S);			   /* in its grace */
	struct zs_peer_id worthy = peer_id(8);
	assert_int_equal(zs_connmgr_tag(m, &worthy, "t", 100), 0);
	assert_int_equal(zs_connmgr_trim(m, 100 * S, out, 16), 6);
	for (uint32_t i = 0; i < 6; i++)
		if (out[i] != c[order[i]])
			fail_msg("place %u: connection %u instead of %u", i, out[i], c[order[i]]);
	assert_int_equal(zs_connmgr_count(m), 3);
	assert_int_equal(zs_connmgr_trim(m, 200 * S, out, 16), 0); /* named once */
	for (uint32_t i = 0; i < 6; i++)
		zs_connmgr_remove(m, out[i]);
	assert_int_equal(zs_connmgr_count(m), 3);
	assert_true(zs_connmgr_check(m));
	zs_connmgr_delete(m);
}

static void grace_pause_and_clock(void **state)
{
	struct zs_connmgr *m = manager(1, 2, 16, 16);
	uint32_t out[16];

	for (uint32_t i = 0; i < 4; i++)
		add(m, i, ZS_IN, 100 * S);
	assert_int_equal(zs_connmgr_trim(m, 119 * S, out, 16), 0); /* all in their grace */
	assert_int_equal(zs_connmgr_trim(m, 125 * S, out, 16), 0); /* 10 s pause */
	assert_int_equal(zs_connmgr_trim(m, 129 * S, out, 1), 1);  /* no more than asked */
	assert_int_equal(zs_connmgr_trim(m, 5 * S, out, 16), 0);   /* the clock went back: a new grace … */
	assert_int_equal(zs_connmgr_trim(m, 25 * S, out, 16), 2);  /* … not one of two minutes */
	zs_connmgr_delete(m);
}

/* Newcomers are spared for their grace, but nobody worth more goes instead of them. */
static void newcomers_push_nobody_out(void **state)
{
	struct zs_connmgr *m = manager(1, 3, 16, 16);
	struct zs_peer_id known = peer_id(1);
	uint32_t out[16], stranger = add(m, 0, ZS_IN, S);

	add(m, 1, ZS_IN, S);
	assert_int_equal(zs_connmgr_tag(m, &known, "known", 1), 0);
	for (uint32_t i = 2; i < 8; i++)
		add(m, i, ZS_IN, 99 * S);
	assert_int_equal(zs_connmgr_trim(m, 100 * S, out, 16), 1);
	assert_int_equal(out[0], stranger);
	assert_int_equal(zs_connmgr_trim(m, 119 * S, out, 16),
			 6); /* and of them all but the low mark's one */
	assert_int_equal(zs_connmgr_count(m), 1);
	assert_int_equal(zs_connmgr_score(m, &known), 1);
	zs_connmgr_delete(m);
}

/* A newcomer in its grace counts as one that goes, and spares only one that is worth more. */
static void a_newcomer_stops_no_trim(void **state)
{
	struct zs_connmgr *m = manager(10, 20, 1024, 1024);
	uint32_t out[1024];

	for (uint32_t i = 0; i < 1000; i++) {
		add(m, i, ZS_IN, S);
		tag(m, i, "identified", 1);
	}
	for (uint32_t i = 1000; i < 1003; i++)
		add(m, i, ZS_IN, 999 * S);
	add(m, 1003, ZS_IN, 999 * S);
	tag(m, 1003, "kad", 10); /* counts, being worth more */
	assert_int_equal(zs_connmgr_trim(m, 1000 * S, out, 1024), 1000 - 10 + 1);
	assert_int_equal(zs_connmgr_trim(m, 1100 * S, out, 1024), 0);
	assert_int_equal(zs_connmgr_count(m), 9 + 4);
	assert_true(zs_connmgr_check(m));
	zs_connmgr_delete(m);
}

/* Connections that were named and are not gone yet are not named again by the next trim. */
static void named_once(void **state)
{
	struct zs_connmgr *m = manager(1, 2, 16, 16);
	uint32_t first[16], second[16];

	for (uint32_t i = 0; i < 4; i++)
		add(m, i, ZS_IN, S);
	assert_int_equal(zs_connmgr_trim(m, 100 * S, first, 16), 3);
	for (uint32_t i = 4; i < 8; i++)
		add(m, i, ZS_IN, 101 * S);
	assert_int_equal(zs_connmgr_trim(m, 200 * S, second, 16), 4);
	for (uint32_t i = 0; i < 3; i++)
		for (uint32_t j = 0; j < 4; j++)
			assert_int_not_equal(first[i], second[j]);
	zs_connmgr_delete(m);
}

static void protected_peers_stay(void **state)
{
	struct zs_connmgr *m = manager(0, 1, 16, 16);
	struct zs_peer_id a = peer_id(1);
	const char *reasons[ZS_CONNMGR_REASONS];
	uint32_t out[16], kept = add(m, 1, ZS_IN, S), other = add(m, 2, ZS_IN, S);

	tag(m, 1, "bad", -100);
	tag(m, 2, "good", 100);
	assert_int_equal(zs_connmgr_protect(m, &a, "attach", true), 0);
	assert_int_equal(zs_connmgr_protect(m, &a, "operator", false), 0);
	assert_int_equal(zs_connmgr_protect(m, &a, "operator", false), 0); /* again: the same */
	assert_int_equal(zs_connmgr_reasons(m, &a, reasons), 2);
	assert_string_equal(reasons[0], "attach");
	assert_int_equal(zs_connmgr_trim(m, 100 * S, out, 16), 1);
	assert_int_equal(out[0], other);
	zs_connmgr_remove(m, other);
	add(m, 3, ZS_IN, 150 * S);
	assert_true(zs_connmgr_unprotect(m, &a, "attach"));
	assert_int_equal(zs_connmgr_trim(m, 160 * S, out, 16), 0);
	assert_false(zs_connmgr_unprotect(m, &a, "operator"));
	assert_false(zs_connmgr_unprotect(m, &a, "never"));
	assert_int_equal(zs_connmgr_trim(m, 171 * S, out, 1), 1);
	assert_int_equal(out[0], kept);
	zs_connmgr_delete(m);
}

static void only_kept_peers_are_kept_alive(void **state)
{
	struct zs_connmgr *m = manager(0, 10, 16, 16);
	struct zs_peer_id a = peer_id(1), b = peer_id(2);
	uint32_t ca = add(m, 1, ZS_IN, S), cb = add(m, 2, ZS_IN, S);

	assert_int_equal(zs_connmgr_keepalive(m, ca, 5 * S), ZS_CONNMGR_NEVER);
	zs_connmgr_protect(m, &a, "attach", true);
	zs_connmgr_protect(m, &b, "operator", false);
	assert_int_equal(zs_connmgr_keepalive(m, ca, 5 * S), 6 * S);
	assert_int_equal(zs_connmgr_keepalive(m, cb, 5 * S), ZS_CONNMGR_NEVER);
	zs_connmgr_heard(m, ca, 4 * S); /* no silence */
	assert_int_equal(zs_connmgr_keepalive(m, ca, 5 * S), 9 * S);
	assert_int_equal(zs_connmgr_keepalive(m, ca, S), 6 * S); /* a clock that stepped back */
	zs_connmgr_unprotect(m, &a, "attach");
	assert_int_equal(zs_connmgr_keepalive(m, ca, 5 * S), ZS_CONNMGR_NEVER);
	zs_connmgr_delete(m);
}

static void everything_is_bounded(void **state)
{
	struct zs_connmgr *m = manager(0, 10, 2, 4);
	static const char *const names[] = { "1", "2", "3", "4", "5", "6", "7", "8", "9" };
	struct zs_peer_id a = peer_id(1), c = peer_id(3);
	uint32_t conn;

	add(m, 1, ZS_IN, S);
	add(m, 2, ZS_IN, S);
	assert_int_equal(zs_connmgr_add(m, &c, ZS_IN, S, &conn), -ENOBUFS);
	for (int i = 0; i < 8; i++)
		assert_int_equal(zs_connmgr_tag(m, &a, names[i], 1 << i), 0);
	assert_int_equal(zs_connmgr_tag(m, &a, names[8], 1), -ENOSPC);
	assert_int_equal(zs_connmgr_tag(m, &a, names[8], 0), 0);
	assert_int_equal(zs_connmgr_score(m, &a), 255);
	assert_int_equal(zs_connmgr_tag(m, &a, names[3], 0), 0);
	assert_int_equal(zs_connmgr_tag(m, &a, names[8], 1000), 0);
	assert_int_equal(zs_connmgr_score(m, &a), 1247);
	for (int i = 0; i < 4; i++)
		assert_int_equal(zs_connmgr_protect(m, &a, names[i], false), 0);
	assert_int_equal(zs_connmgr_protect(m, &a, names[4], false), -ENOSPC);
	/* Two places for peers apart: the one there longest goes. */
	tag(m, 10, "x", 1);
	tag(m, 11, "x", 2);
	tag(m, 12, "x", 3);
	struct zs_peer_id ten = peer_id(10), eleven = peer_id(11), twelve = peer_id(12), more = peer_id(13);
	assert_int_equal(zs_connmgr_score(m, &ten), 0);
	assert_int_equal(zs_connmgr_score(m, &eleven), 2);
	assert_int_equal(zs_connmgr_protect(m, &eleven, "r", false), 0);
	assert_int_equal(zs_connmgr_protect(m, &twelve, "r", false), 0);
	assert_int_equal(zs_connmgr_protect(m, &more, "r", false), -ENOSPC); /* none may go */
	assert_int_equal(zs_connmgr_tag(m, &more, "x", 1), -ENOSPC);
	assert_true(zs_connmgr_check(m));
	zs_connmgr_delete(m);
}

static void random_use(void **state)
{
	static const char *const names[] = { "a", "b", "c", "d", "e" };
	struct random r = random_new("connmgr");
	struct zs_connmgr *m = manager(20, 30, 40, 50);
	uint32_t open[40], n = 0, out[40];
	uint64_t now = S;

	for (int i = 0; i < 30000; i++) {
		struct zs_peer_id id = peer_id(random_below(&r, 60));
		const char *name = names[random_below(&r, 5)];

		now += random_below(&r, 1000000000);
		switch (random_below(&r, 6)) {
		case 0:
		case 1:
			n += n < 40 && !zs_connmgr_add(m, &id, random_below(&r, 2), now, &open[n]);
			break;
		case 2:
			if (n) {
				uint32_t at = random_below(&r, n);
				zs_connmgr_remove(m, open[at]);
				open[at] = open[--n];
			}
			break;
		case 3:
			zs_connmgr_tag(m, &id, name, (int32_t)random_below(&r, 5) - 2);
			break;
		case 4:
			if (random_below(&r, 3) == 0)
				zs_connmgr_protect(m, &id, name, false);
			else
				zs_connmgr_unprotect(m, &id, name);
			break;
		case 5:
			for (uint32_t k = zs_connmgr_trim(m, now, out, 40); k--;) {
				for (uint32_t j = 0; j < n; j++)
					if (open[j] == out[k])
						open[j] = open[--n];
				zs_connmgr_remove(m, out[k]);
			}
			break;
		}
		if (!zs_connmgr_check(m))
			fail_msg("step %d", i);
		assert_int_equal(zs_connmgr_count(m), n);
	}
	zs_connmgr_delete(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(marks_and_order),
		cmocka_unit_test(grace_pause_and_clock),
		cmocka_unit_test(newcomers_push_nobody_out),
		cmocka_unit_test(a_newcomer_stops_no_trim),
		cmocka_unit_test(named_once),
		cmocka_unit_test(protected_peers_stay),
		cmocka_unit_test(only_kept_peers_are_kept_alive),
		cmocka_unit_test(everything_is_bounded),
		cmocka_unit_test(random_use),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
