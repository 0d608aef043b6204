/* The small machines of a tunnel: where the edge is, what its path carries, when it speaks, which flow is next. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/check.h"
#include "relay/flow_number.h"
#include "relay/keepalive.h"
#include "relay/pmtu.h"
#include "relay/roam.h"
#include "unit/random.h"

#define S  ZS_NS_PER_S
#define MS ZS_NS_PER_MS

static void fill(void *ctx, void *out, size_t len)
{
	random_bytes(ctx, out, len);
}

static struct zs_roam_place place(unsigned n)
{
	return (struct zs_roam_place){ .remote = { .addr = { { [15] = (uint8_t)n } }, .port = 1000 },
				       .local = 1 };
}

/* --- roaming ---------------------------------------------------------------------------------- */

struct roam_rig {
	struct random rnd;
	struct zs_random random;
	struct zs_roam roam;
};

static int roam_setup(void **state)
{
	struct roam_rig *r = calloc(1, sizeof(*r));

	r->rnd = random_new("roam");
	r->random = (struct zs_random){ fill, &r->rnd };
	*state = r;
	return 0;
}

static int roam_teardown(void **state)
{
	free(*state);
	return 0;
}

static bool heard(struct roam_rig *r, unsigned from, size_t len, bool newest, uint64_t now)
{
	struct zs_roam_place p = place(from);

	return zs_roam_heard(&r->roam, &p, len, newest, now, &r->random);
}

static bool echo(struct roam_rig *r, unsigned from, const uint8_t *nonce, uint64_t now)
{
	struct zs_roam_place p = place(from);

	return zs_roam_echo(&r->roam, &p, nonce, now);
}

static bool is_at(const struct roam_rig *r, unsigned n)
{
	struct zs_roam_place p = place(n);

	return r->roam.has_current && zs_roam_at(&r->roam.current, &p);
}

static void first_place_and_move(void **state)
{
	struct roam_rig *r = *state;
	uint8_t nonce[8], second[8];

	assert_true(heard(r, 1, 40, true, 10 * S));
	memcpy(nonce, r->roam.nonce, 8);
	assert_false(r->roam.has_current);
	assert_false(echo(r, 2, nonce, 10 * S)); /* from where its PROBE went, from nowhere else */
	nonce[7] ^= 1;
	assert_false(echo(r, 1, nonce, 10 * S));
	nonce[7] ^= 1;
	assert_true(echo(r, 1, nonce, 10 * S));
	assert_true(is_at(r, 1));
	assert_false(echo(r, 1, nonce, 10 * S)); /* once */
	assert_false(heard(r, 1, 1000, true, 20 * S));
	/* Elsewhere: data stay until the ECHO. A late packet makes nothing pending. */
	assert_false(heard(r, 2, 1000, false, 20 * S));
	assert_false(r->roam.has_pending);
	assert_true(heard(r, 2, 1000, true, 20 * S));
	memcpy(second, r->roam.nonce, 8);
	assert_memory_not_equal(nonce, second, 8);
	assert_true(is_at(r, 1));
	assert_false(heard(r, 1, 1000, true, 20 * S + 1)); /* the old place still speaks: 2 stays pending */
	assert_true(echo(r, 2, second, 20 * S + 2));
	assert_true(is_at(r, 2));
	/* The other of our own addresses is another place. */
	struct zs_roam_place p = place(2);
	p.local = 2;
	assert_true(zs_roam_heard(&r->roam, &p, 100, true, 30 * S, &r->random));
}

static void pace(void **state)
{
	struct roam_rig *r = *state;

	assert_false(heard(r, 1, 39, true, 10 * S)); /* too short to be answered */
	assert_true(heard(r, 1, 40, false, 10 * S)); /* it is pending already */
	assert_false(heard(r, 1, 1000, true, 11 * S - 1));
	assert_true(heard(r, 1, 1000, true, 11 * S));
	/* Another is pending now; the pace goes on. */
	assert_false(heard(r, 2, 1000, true, 11 * S + 5));
	assert_false(heard(r, 1, 1000, true, 12 * S - 1));
	assert_true(heard(r, 2, 1000, true, 12 * S));
}

static void lapse(void **state)
{
	struct roam_rig *r = *state;
	uint8_t nonce[8];

	assert_true(heard(r, 1, 100, true, 10 * S));
	memcpy(nonce, r->roam.nonce, 8);
	assert_true(
	    heard(r, 1, 100, true, 12 * S)); /* one nonce as long as it is pending: a slow path is one too */
	assert_memory_equal(nonce, r->roam.nonce, 8);
	assert_true(echo(r, 1, nonce, 15 * S));
	assert_true(heard(r, 2, 100, true, 20 * S));
	memcpy(nonce, r->roam.nonce, 8);
	assert_false(echo(r, 2, nonce, 23 * S + 1));
	assert_false(heard(r, 2, 100, false, 23 * S + 1)); /* it must begin again */
	assert_true(is_at(r, 1));
}

/* Whatever comes from wherever: an unproven place gets less than it sent, and never two PROBEs within a second. */
static void never_an_amplifier(void **state)
{
	struct roam_rig *r = *state;
	uint64_t in[8] = { 0 }, out[8] = { 0 }, last = 0, now = 10 * S, moves = 0, probes = 0;
	uint8_t nonce[8][8];

	memset(nonce, 0, sizeof(nonce));
	for (int n = 0; n < 200000; n++) {
		unsigned from = random_below(&r->rnd, 8);
		size_t len = 32 + random_below(&r->rnd, 20);
		now += random_below(&r->rnd, 300) * MS;
		in[from] += len;
		if (!random_below(&r->rnd, 100) && echo(r, from, nonce[from], now)) {
			moves++;
			assert_true(is_at(r, from));
			continue;
		}
		if (!heard(r, from, len, random_below(&r->rnd, 2), now))
			continue;
		struct zs_roam_place p = place(from);
		assert_true(zs_roam_at(&r->roam.pending, &p));
		assert_false(is_at(r, from));
		assert_true(len >= 40 && now >= last + S);
		last = now;
		probes++;
		out[from] += 40;
		memcpy(nonce[from], r->roam.nonce, 8);
		assert_true(out[from] <= in[from]);
	}
	assert_true(moves > 20 && probes > 1000);
}

/* --- path MTU --------------------------------------------------------------------------------- */

/* Runs until `until`; PROBEs up to `mtu` come back at once, others never. */
static uint64_t carry(struct zs_pmtu *p, uint32_t mtu, uint64_t now, uint64_t until,
		      const struct zs_random *random, unsigned *sent)
{
	for (; p->due_ns <= until; now = p->due_ns > now ? p->due_ns : now) {
		uint32_t size = zs_pmtu_due(p, now, random);
		if (!size)
			continue;
		++*sent;
		if (size <= mtu) {
			assert_true(zs_pmtu_echo(p, p->nonce, now));
			assert_false(zs_pmtu_echo(p, p->nonce, now));
		}
	}
	return until;
}

static void path_mtu(void **state)
{
	struct random rnd = random_new("pmtu");
	const struct zs_random random = { fill, &rnd };

	for (int n = 0; n < 300; n++) {
		uint32_t most = 1232 + random_below(&rnd, 3) * random_below(&rnd, 8000),
			 mtu = 1232 + random_below(&rnd, most);
		struct zs_pmtu p;
		unsigned sent = 0;
		uint64_t now = 5 * S;

		zs_pmtu_start(&p, most, now);
		assert_int_equal(p.size, ZS_PMTU_BASE);
		now = carry(&p, mtu, now, now + 60 * S, &random, &sent);
		assert_int_equal(p.state, ZS_PMTU_DONE);
		uint32_t top = mtu < most ? mtu : most;
		assert_true(p.size <= top && top - p.size <= ZS_PMTU_GRAIN);
		assert_true(sent < 60);
		/* The path shrinks without a word: found by the next confirmation. */
		uint32_t less = 1232 + random_below(&rnd, p.size - 1231);
		now = carry(&p, less, now, now + 100 * S, &random, &sent);
		assert_true(p.size <= less &&
			    (less - p.size <= ZS_PMTU_GRAIN || p.size + ZS_PMTU_GRAIN >= most));
		/* It grows again: found within ten minutes. */
		now = carry(&p, most, now, now + 700 * S, &random, &sent);
		assert_true(most - p.size <= ZS_PMTU_GRAIN);
	}
}

static void path_too_small(void **state)
{
	struct random rnd = random_new("pmtu small");
	const struct zs_random random = { fill, &rnd };
	struct zs_pmtu p;
	unsigned sent = 0;
	uint64_t now = 5 * S;

	zs_pmtu_start(&p, 1231, now);
	assert_int_equal(p.state, ZS_PMTU_SMALL);
	assert_int_equal(zs_pmtu_due(&p, now + 1000 * S, &random), 0);
	zs_pmtu_start(&p, 1452, now);
	now = carry(&p, 1231, now, now + 2 * S, &random, &sent);
	assert_int_equal(sent, 3);
	assert_int_equal(p.state, ZS_PMTU_BASING);
	now = carry(&p, 1231, now, now + 2 * S, &random, &sent);
	assert_int_equal(p.state, ZS_PMTU_SMALL);
	assert_int_equal(sent, 3);
	assert_true(zs_pmtu_echo(&p, p.nonce, now)); /* the path was slow, not small */
	now = carry(&p, 1452, now, now + 10 * S, &random, &sent);
	assert_int_equal(p.size, 1452);
	zs_pmtu_start(&p, 1452, now);
	now = carry(&p, 1231, now, now + 10 * S, &random, &sent);
	now = carry(&p, 1300, now, now + 100 * S, &random, &sent); /* tried again after a minute */
	assert_true(p.size <= 1300 && p.size >= 1292);
}

static void refused_by_our_stack(void **state)
{
	struct random rnd = random_new("pmtu refused");
	const struct zs_random random = { fill, &rnd };
	struct zs_pmtu p;
	uint64_t now = 5 * S;

	zs_pmtu_start(&p, 9000, now);
	assert_int_equal(zs_pmtu_due(&p, now, &random), ZS_PMTU_BASE);
	assert_true(zs_pmtu_echo(&p, p.nonce, now));
	assert_int_equal(zs_pmtu_due(&p, now, &random), 9000);
	assert_int_equal(zs_pmtu_due(&p, now, &random), 0);
	zs_pmtu_refused(&p, 9000, now);
	assert_int_equal(zs_pmtu_due(&p, now, &random), (1232 + 9000) / 2); /* at once */
	assert_true(zs_pmtu_echo(&p, p.nonce, now));
	assert_int_equal(p.size, (1232 + 9000) / 2);
	zs_pmtu_refused(&p, 2000, now); /* less than what was confirmed: the path is another */
	assert_int_equal(p.size, ZS_PMTU_BASE);
	assert_int_equal(p.state, ZS_PMTU_BASING);
}

/* --- keep-alive, flow numbers, OPEN ------------------------------------------------------------- */

static void keepalive(void **state)
{
	static const uint64_t at_ms[] = { 0, 100, 300, 700, 1500, 2500, 3500, 4500 };
	struct zs_keepalive k;
	size_t n = 0;

	zs_keepalive_start(&k, 10 * S);
	for (uint64_t now = 10 * S; now < 15 * S; now += MS) {
		if (!zs_keepalive_due(&k, now))
			continue;
		zs_keepalive_sent(&k, now); /* what is sent before the first PROBE delays nothing */
		assert_true(n < ZS_ARRAY_LEN(at_ms));
		assert_int_equal(now, 10 * S + at_ms[n++] * MS);
	}
	assert_int_equal(n, ZS_ARRAY_LEN(at_ms));
	zs_keepalive_probed(&k, 15 * S);
	assert_false(zs_keepalive_due(&k, 35 * S - 1));
	zs_keepalive_sent(&k, 30 * S);
	zs_keepalive_probed(&k, 40 * S); /* what comes is nothing sent */
	assert_false(zs_keepalive_due(&k, 50 * S - 1));
	assert_true(zs_keepalive_due(&k, 50 * S));
	zs_keepalive_sent(&k, 50 * S);
	assert_false(zs_keepalive_due(&k, 70 * S - 1));
	assert_true(zs_keepalive_due(&k, 70 * S));
}

static void flow_numbers(void **state)
{
	enum { FIRST = 65536 - 20, COUNT = 20, IDLE = 120 };
	struct random rnd = random_new("flow numbers");
	struct zs_flow_resting rest[COUNT];
	struct zs_flow_numbers n;
	uint64_t freed[COUNT] = { 0 }, now = S, taken = 0;
	bool used[COUNT] = { false };

	zs_flow_numbers_init(&n, rest, FIRST, COUNT, (uint32_t)random_u64(&rnd), IDLE * S);
	for (int round = 0; round < 100000; round++) {
		uint16_t number;
		uint32_t at = random_below(&rnd, COUNT);
		now += random_below(&rnd, 10) * S;
		if (random_below(&rnd, 2)) {
			if (used[at])
				zs_flow_numbers_give(&n, (uint16_t)(FIRST + at), now);
			if (used[at])
				freed[at] = now;
			used[at] = false;
			continue;
		}
		bool can = false;
		for (int k = 0; k < COUNT; k++)
			can |= !used[k] && (!freed[k] || now >= freed[k] + 2 * IDLE * S);
		int rc = zs_flow_numbers_take(&n, now, &number);
		assert_int_equal(rc, can ? 0 : -EAGAIN);
		if (rc)
			continue;
		assert_true(number >= FIRST);
		at = number - FIRST;
		assert_false(used[at]);
		assert_true(!freed[at] || now >= freed[at] + 2 * IDLE * S);
		used[at] = true;
		taken++;
	}
	assert_true(taken > 1000);
}

static void opening(void **state)
{
	struct zs_opening o = { 0 };

	assert_true(zs_opening_due(&o, 5 * S));
	assert_false(zs_opening_due(&o, 5 * S + 100 * MS - 1));
	assert_true(zs_opening_due(&o, 5 * S + 100 * MS));
	o.answered = true;
	assert_false(zs_opening_due(&o, 9 * S));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(first_place_and_move, roam_setup, roam_teardown),
		cmocka_unit_test_setup_teardown(pace, roam_setup, roam_teardown),
		cmocka_unit_test_setup_teardown(lapse, roam_setup, roam_teardown),
		cmocka_unit_test_setup_teardown(never_an_amplifier, roam_setup, roam_teardown),
		cmocka_unit_test(path_mtu),
		cmocka_unit_test(path_too_small),
		cmocka_unit_test(refused_by_our_stack),
		cmocka_unit_test(keepalive),
		cmocka_unit_test(flow_numbers),
		cmocka_unit_test(opening),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
