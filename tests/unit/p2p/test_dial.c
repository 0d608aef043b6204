/* The dial planner: one dial a peer, ranks, the stagger in virtual time, back-off, late results, limits. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>

#include "base/check.h"
#include "base/clock.h"
#include "p2p/backoff.h"
#include "p2p/dial.h"
#include "unit/p2p/peer_ids.h"
#include "unit/random.h"

#define MS ZS_NS_PER_MS
#define S  ZS_NS_PER_S

static void fill(void *ctx, void *out, size_t len)
{
	random_bytes(ctx, out, len);
}

static struct random seeded = { 1 };

static struct zs_dialer *dialer(uint32_t dials)
{
	struct zs_dial_config c;

	zs_dial_defaults(&c);
	c.dials = dials;
	c.key[0] = 1;
	c.random = (struct zs_random){ fill, &seeded };
	return zs_dialer_new(&c);
}

static struct zs_dial_candidate cand(const char *text, uint32_t tag)
{
	struct zs_dial_candidate c = { .tag = tag };

	if (zs_endpoint_parse(&c.endpoint, text))
		fail_msg("'%s' is no endpoint", text);
	return c;
}

static void ranks(void **state)
{
	struct zs_dialer *d = dialer(4);
	struct zs_peer_id peer = peer_id(1);
	struct zs_dial_candidate c[] = {
		cand("10.0.0.1:1", 7),	cand("1.2.3.4:1", 4),	  cand("1.2.3.5:1", 6),
		cand("[fd00::1]:1", 8), cand("[2a00::1]:1", 3),	  cand("[2a00::2]:1", 5),
		cand("1.2.3.6:1", 1),	cand("192.168.0.1:1", 2), cand("[2a00::3]:9", 9),
		cand("1.2.3.4:1", 99),
	};
	uint64_t now = 10000 * S, retry;
	uint32_t dial, order[] = { 1, 2, 3, 4, 5, 6, 9, 8, 7 };
	struct zs_dial_attempt a;

	c[6].succeeded_ns = now - 10 * S;
	c[7].succeeded_ns = now - 20 * S;   /* private, but it worked */
	c[4].succeeded_ns = now - 3700 * S; /* too long ago to count */
	c[8].transport = 1;
	assert_int_equal(zs_dial_start(d, &peer, c, ZS_ARRAY_LEN(c), false, now, &dial, &retry), 0);
	for (size_t i = 0; i < ZS_ARRAY_LEN(order); i++) {
		uint32_t others;
		assert_int_equal(zs_dial_deadline(d, now), now);
		assert_true(zs_dial_next(d, now, &a));
		if (a.candidate.tag != order[i])
			fail_msg("place %zu: %u instead of %u", i, a.candidate.tag, order[i]);
		assert_int_equal(a.attempt, i);
		assert_int_equal(zs_dial_result(d, dial, a.attempt, false, now, &others),
				 i + 1 < ZS_ARRAY_LEN(order) ? ZS_DIAL_GOING : ZS_DIAL_LOST);
	}
	assert_int_equal(zs_dial_count(d), 0);
	zs_dialer_delete(d);
}

static void staggered_and_bounded(void **state)
{
	struct zs_dialer *d = dialer(4);
	struct zs_peer_id peer = peer_id(1);
	struct zs_dial_candidate c[20];
	uint64_t now = 1000 * S, retry, at[20];
	struct zs_dial_attempt a;
	uint32_t dial, others, n = 0;

	for (uint32_t i = 0; i < 20; i++) {
		c[i] = cand("1.2.3.4:1", i);
		c[i].endpoint.port = (uint16_t)(100 + i);
	}
	zs_dial_start(d, &peer, c, 20, false, now, &dial, &retry);
	while (zs_dial_deadline(d, now) != ZS_DIAL_NEVER) {
		now = zs_dial_deadline(d, now);
		if (now)
			assert_false(zs_dial_next(d, now - 1, &a));
		assert_true(zs_dial_next(d, now, &a));
		assert_false(zs_dial_next(d, now, &a));
		at[n++] = now;
	}
	assert_int_equal(n, 8); /* in flight at once */
	for (uint32_t i = 1; i < n; i++)
		assert_int_equal(at[i] - at[i - 1], 250 * MS);
	assert_int_equal(zs_dial_result(d, dial, 3, false, now + MS, &others), ZS_DIAL_GOING);
	assert_int_equal(zs_dial_deadline(d, now), now + MS); /* a failure starts the next at once */
	assert_true(zs_dial_next(d, now + MS, &a));
	assert_int_equal(zs_dial_result(d, dial, 5, true, now + MS, &others), ZS_DIAL_WON);
	assert_int_equal(others, 0x1ff & ~(1u << 3) & ~(1u << 5));
	assert_int_equal(zs_dial_result(d, dial, 6, true, now + MS, &others), ZS_DIAL_STALE);
	assert_int_equal(zs_dial_deadline(d, now), ZS_DIAL_NEVER);
	zs_dialer_delete(d);
}

static void a_clock_that_steps_back(void **state)
{
	struct zs_dialer *d = dialer(4);
	struct zs_peer_id peer = peer_id(1);
	struct zs_dial_candidate c[2] = { cand("1.2.3.4:1", 0), cand("1.2.3.5:1", 1) };
	struct zs_dial_attempt a;
	uint64_t retry;
	uint32_t dial;

	zs_dial_start(d, &peer, c, 2, false, 1000 * S, &dial, &retry);
	assert_true(zs_dial_next(d, 1000 * S, &a));
	assert_false(zs_dial_next(d, S, &a));
	assert_int_equal(zs_dial_deadline(d, S), S + 250 * MS);
	assert_true(zs_dial_next(d, S + 250 * MS, &a)); /* not a thousand seconds later */
	zs_dialer_delete(d);
}

static void one_dial_a_peer(void **state)
{
	struct zs_dialer *d = dialer(2);
	struct zs_peer_id a = peer_id(1), b = peer_id(2), e = peer_id(3);
	struct zs_dial_candidate c = cand("1.2.3.4:1", 0);
	uint32_t first, second, third, others;
	struct zs_dial_attempt at;
	uint64_t retry;

	assert_int_equal(zs_dial_start(d, &a, &c, 0, false, S, &first, &retry), -EADDRNOTAVAIL);
	assert_int_equal(zs_dial_start(d, &a, &c, 1, false, S, &first, &retry), 0);
	assert_int_equal(zs_dial_start(d, &a, &c, 1, false, S, &second, &retry), 1);
	assert_int_equal(first, second);
	assert_int_equal(zs_dial_start(d, &b, &c, 1, false, S, &third, &retry), 0);
	assert_int_equal(zs_dial_start(d, &e, &c, 1, false, S, &third, &retry), -EBUSY);
	assert_true(zs_dial_next(d, S, &at));
	assert_false(zs_dial_cancel(d, first, &others)); /* the other still wants it */
	assert_true(zs_dial_cancel(d, first, &others));
	assert_int_equal(others, 1);
	assert_false(zs_dial_cancel(d, first, &others));
	assert_int_equal(zs_dial_result(d, first, 0, true, S, &others), ZS_DIAL_STALE);
	assert_int_equal(zs_dial_start(d, &a, &c, 1, false, S, &second, &retry),
			 0); /* dropped is not failed */
	assert_int_not_equal(first, second);
	assert_int_equal(zs_dial_result(d, first, 0, true, S, &others), ZS_DIAL_STALE);
	assert_true(zs_dial_settle(d, &b, &third, &others));
	assert_false(zs_dial_settle(d, &b, &third, &others));
	assert_int_equal(zs_dial_count(d), 1);
	zs_dialer_delete(d);
}

static void failures_back_off(void **state)
{
	struct zs_dialer *d = dialer(2);
	struct zs_peer_id a = peer_id(1), b = peer_id(2);
	struct zs_dial_candidate c[2] = { cand("1.2.3.4:1", 0), cand("1.2.3.5:1", 1) };
	struct zs_dial_attempt at;
	uint32_t dial, others;
	uint64_t retry, now = 1000 * S, last = 0;

	for (int round = 0; round < 12; round++) {
		assert_int_equal(zs_dial_start(d, &a, c, 1, false, now, &dial, &retry), 0);
		zs_dial_next(d, now, &at);
		assert_int_equal(zs_dial_result(d, dial, 0, false, now, &others), ZS_DIAL_LOST);
		assert_int_equal(zs_dial_start(d, &a, c, 1, false, now, &dial, &retry), -EAGAIN);
		if (retry - now < (round ? 500 * MS : S / 2))
			fail_msg("round %d: again after %llu ms", round,
				 (unsigned long long)((retry - now) / MS));
		while (zs_dial_start(d, &a, c, 1, false, now, &dial, &retry) == -EAGAIN) {
			assert_true(retry > now && retry != ZS_DIAL_NEVER);
			last = retry - now;
			now = retry;
		}
		zs_dial_cancel(d, dial, &others);
	}
	assert_in_range(last, 150 * S, 600 * S);
	/* Only what failed waits: another address of the peer, another peer at the same address. */
	assert_int_equal(zs_dial_start(d, &b, c, 1, false, now, &dial, &retry), 0);
	zs_dial_cancel(d, dial, &others);
	zs_dial_start(d, &a, c, 2, false, now, &dial, &retry);
	zs_dial_next(d, now, &at);
	zs_dial_next(d, now + S, &at);
	assert_int_equal(zs_dial_result(d, dial, 0, false, now, &others), ZS_DIAL_GOING);
	assert_int_equal(zs_dial_result(d, dial, 1, true, now, &others), ZS_DIAL_WON);
	assert_int_equal(zs_dial_start(d, &a, c, 1, false, now, &dial, &retry), -EAGAIN); /* the address */
	assert_int_equal(zs_dial_start(d, &a, c, 2, false, now, &dial, &retry), 0);
	zs_dial_next(d, now, &at);
	assert_int_equal(at.candidate.tag, 1);
	zs_dial_cancel(d, dial, &others);
	assert_int_equal(zs_dial_start(d, &a, c, 1, true, now, &dial, &retry), 0); /* a person insists */
	zs_dialer_delete(d);
}

static void waits_double_with_jitter(void **state)
{
	struct random r = random_new("dial");
	struct zs_backoff_config config = {
		.base_ns = S, .max_ns = 64 * S, .entries = 64, .random = { fill, &r }
	};
	struct zs_backoff b;
	uint64_t now = 1000 * S, seen = 0;

	assert_int_equal(zs_backoff_new(&b, &config), 0);
	for (int i = 0; i < 10; i++) {
		uint64_t want = S << (i < 6 ? i : 6), wait;
		zs_backoff_failed(&b, "a", 1, now);
		wait = zs_backoff_until(&b, "a", 1, now) - now;
		assert_in_range(wait, want / 2, want - 1);
		seen ^= wait % MS;
		now += wait;
	}
	assert_int_not_equal(seen, 0); /* not round numbers */
	assert_int_equal(zs_backoff_until(&b, "b", 1, now), 0);
	zs_backoff_failed(&b, "a", 1, now);
	assert_in_range(zs_backoff_until(&b, "a", 1, S), S + 1, 65 * S); /* the clock stepped back */
	now += 200 * S;
	zs_backoff_failed(&b, "a", 1, now); /* after a long rest: a first one */
	assert_in_range(zs_backoff_until(&b, "a", 1, now) - now, S / 2, S - 1);
	zs_backoff_succeeded(&b, "a", 1);
	assert_int_equal(zs_backoff_until(&b, "a", 1, now), 0);
	zs_backoff_delete(&b);
}

/* A flood of failures elsewhere pushes out the shortest waits, not the longest. */
static void a_full_table_keeps_the_longest(void **state)
{
	struct zs_backoff_config config = {
		.base_ns = S, .max_ns = 600 * S, .entries = 8, .random = { fill, &seeded }
	};
	struct zs_backoff b;
	uint64_t now = 1000 * S;

	zs_backoff_new(&b, &config);
	for (int i = 0; i < 10; i++)
		zs_backoff_failed(&b, "bad", 3, now);
	for (uint32_t i = 0; i < 1000; i++)
		zs_backoff_failed(&b, &i, sizeof(i), now);
	assert_true(zs_backoff_until(&b, "bad", 3, now) > now + 100 * S);
	zs_backoff_delete(&b);
}

/* Random asks and results: the planner never has more in flight than told, and all comes to an end. */
static void random_dials_end(void **state)
{
	struct random r = random_new("dial");
	struct zs_dialer *d = dialer(16);
	uint64_t now = 1000 * S, retry;
	uint32_t begun = 0, ended = 0;
	struct {
		uint32_t dial, attempt;
	} open[256];
	uint32_t opens = 0;

	for (int n = 0; n < 20000; n++) {
		struct zs_peer_id peer = peer_id(random_below(&r, 40));
		struct zs_dial_candidate c[16];
		uint32_t count = random_below(&r, 16), dial, others;
		struct zs_dial_attempt a;

		for (uint32_t i = 0; i < count; i++) {
			c[i] = cand(random_below(&r, 2) ? "[2a00::1]:1" : "10.1.1.1:1", i);
			c[i].endpoint.port = (uint16_t)random_below(&r, 500);
		}
		begun += zs_dial_start(d, &peer, c, count, false, now, &dial, &retry) == 0;
		while (opens < 256 && zs_dial_next(d, now, &a)) {
			open[opens].dial = a.dial;
			open[opens++].attempt = a.attempt;
		}
		if (opens && random_below(&r, 3)) {
			uint32_t i = random_below(&r, opens);
			enum zs_dial_state st = zs_dial_result(d, open[i].dial, open[i].attempt,
							       random_below(&r, 4) == 0, now, &others);
			ended += st == ZS_DIAL_WON || st == ZS_DIAL_LOST;
			open[i] = open[--opens];
		}
		if (random_below(&r, 50) == 0)
			ended += zs_dial_settle(d, &peer, &dial, &others);
		assert_true(zs_dial_count(d) <= 16);
		assert_int_equal(begun - ended, zs_dial_count(d));
		now += random_below(&r, 100) * MS;
	}
	assert_true(begun > 1000);
	zs_dialer_delete(d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ranks),
		cmocka_unit_test(staggered_and_bounded),
		cmocka_unit_test(a_clock_that_steps_back),
		cmocka_unit_test(one_dial_a_peer),
		cmocka_unit_test(failures_back_off),
		cmocka_unit_test(waits_double_with_jitter),
		cmocka_unit_test(a_full_table_keeps_the_longest),
		cmocka_unit_test(random_dials_end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
