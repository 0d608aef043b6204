/* Rates of new connections: soft and hard marks, both families, what forged sources can and cannot do. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <endian.h>

#include "base/clock.h"
#include "p2p/prefix.h"
#include "unit/random.h"

#define S ZS_NS_PER_S

static struct zs_addr addr(const char *text)
{
	struct zs_addr a;

	if (zs_addr_parse(&a, text))
		fail_msg("'%s' is no address", text);
	return a;
}

static void small(struct zs_prefix_rates *r, uint32_t sources)
{
	struct zs_prefix_config c = {
		.rate = { [ZS_NEW_RATE_address] = { 32, 128, 1, 4, 2 },
			  [ZS_NEW_RATE_prefix] = { 24, 56, 1, 8, 5 } },
		.half_open_retry = 10,
		.half_open_max = 20,
		.sources = sources,
		.key = { 5, 6 },
	};

	assert_int_equal(zs_prefix_rates_new(r, &c), 0);
}

/* How many of `n` arrivals at once are accepted. */
static uint32_t accepted(struct zs_prefix_rates *r, const char *text, bool proven, uint32_t n, uint64_t now)
{
	struct zs_addr a = addr(text);
	enum zs_arrival_why why;
	uint32_t yes = 0;

	while (n--)
		yes += zs_prefix_judge(r, &a, proven, 0, now, &why) == ZS_ARRIVAL_ACCEPT;
	return yes;
}

static void soft_then_hard(void **state)
{
	struct zs_addr a = addr("192.0.2.1");
	struct zs_prefix_rates r;
	enum zs_arrival_why why;

	small(&r, 64);
	assert_int_equal(accepted(&r, "192.0.2.1", false, 9, S), 2);
	assert_int_equal(zs_prefix_judge(&r, &a, false, 0, S, &why), ZS_ARRIVAL_RETRY);
	assert_int_equal(why, ZS_ARRIVAL_ADDRESS);
	assert_int_equal(accepted(&r, "192.0.2.1", true, 9, S), 2); /* the rest of the burst */
	assert_int_equal(zs_prefix_judge(&r, &a, true, 0, S, &why), ZS_ARRIVAL_REFUSE);
	assert_int_equal(why, ZS_ARRIVAL_ADDRESS);
	assert_int_equal(accepted(&r, "192.0.2.1", true, 9, 2 * S), 1); /* one a second */
	assert_int_equal(accepted(&r, "192.0.2.1", true, 9, 60 * S), 4);
	assert_int_equal(r.count[ZS_ARRIVAL_REFUSE][ZS_ARRIVAL_ADDRESS], 7 + 1 + 8 + 5);
	zs_prefix_rates_delete(&r);
}

static void networks_of_both_families(void **state)
{
	static const struct {
		const char *near[3], *far;
	} rows[] = {
		{ { "198.51.100.1", "198.51.100.2", "198.51.100.255" }, "198.51.101.1" },
		{ { "2001:db8:0:100::1", "2001:db8:0:1ff::1", "2001:db8:0:180::9" }, "2001:db8:0:200::1" },
	};

	for (size_t i = 0; i < 2; i++) {
		struct zs_addr third = addr(rows[i].near[2]);
		struct zs_prefix_rates r;
		enum zs_arrival_why why;

		small(&r, 64);
		assert_int_equal(accepted(&r, rows[i].near[0], true, 9, S), 4);
		assert_int_equal(accepted(&r, rows[i].near[1], true, 9, S), 4);
		assert_int_equal(zs_prefix_judge(&r, &third, true, 0, S, &why), ZS_ARRIVAL_REFUSE);
		assert_int_equal(why, ZS_ARRIVAL_PREFIX);
		assert_int_equal(accepted(&r, rows[i].far, true, 9, S), 4);
		zs_prefix_rates_delete(&r);
	}
}

/* A refusal by the network's rate takes nothing from the address's. */
static void both_or_none(void **state)
{
	struct zs_prefix_rates r;

	small(&r, 64);
	assert_int_equal(accepted(&r, "192.0.2.1", true, 4, S) + accepted(&r, "192.0.2.2", true, 4, S), 8);
	assert_int_equal(accepted(&r, "192.0.2.3", true, 50, S), 0);
	assert_int_equal(accepted(&r, "192.0.2.3", true, 4, 5 * S),
			 4); /* the network has 4 again, it all its own */
	zs_prefix_rates_delete(&r);
}

static void half_open_marks(void **state)
{
	static const struct {
		uint32_t half_open;
		enum zs_arrival unproven, proven;
	} rows[] = { { 9, ZS_ARRIVAL_ACCEPT, ZS_ARRIVAL_ACCEPT },
		     { 10, ZS_ARRIVAL_RETRY, ZS_ARRIVAL_ACCEPT },
		     { 19, ZS_ARRIVAL_RETRY, ZS_ARRIVAL_ACCEPT },
		     { 20, ZS_ARRIVAL_RETRY, ZS_ARRIVAL_REFUSE } };

	for (size_t i = 0; i < 4; i++) {
		struct zs_addr a = addr("192.0.2.1");
		struct zs_prefix_rates r;
		enum zs_arrival_why why;

		small(&r, 64);
		assert_int_equal(zs_prefix_judge(&r, &a, false, rows[i].half_open, S, &why),
				 rows[i].unproven);
		assert_int_equal(zs_prefix_judge(&r, &a, true, rows[i].half_open, S, &why), rows[i].proven);
		assert_int_equal(why, rows[i].proven == ZS_ARRIVAL_REFUSE ? ZS_ARRIVAL_HALF_OPEN
									  : ZS_ARRIVAL_FINE);
		zs_prefix_rates_delete(&r);
	}
}

/* Forged Initials from everywhere, an hour long: an honest peer that proves its address gets in each time,
 * unproven sources are never refused, and a heavy source is not forgotten over it. */
static void forged_sources_lock_nobody_out(void **state)
{
	struct random rnd = random_new("prefix");
	struct zs_prefix_config c;
	struct zs_prefix_rates r;
	struct zs_addr honest = addr("203.0.113.5"), heavy = addr("198.51.100.9");
	enum zs_arrival_why why;
	uint64_t retries = 0, now = S;
	uint32_t heavy_in = 0;

	zs_prefix_defaults(&c);
	c.sources = 1024;
	assert_int_equal(zs_prefix_rates_new(&r, &c), 0);
	for (int i = 0; i < 200000; i++) {
		struct zs_addr forged = zs_addr_from4((uint32_t)random_u64(&rnd));
		enum zs_arrival v;
		now += S / 50000;
		if (i % 2)
			forged = honest; /* its own address forged, too */
		v = zs_prefix_judge(&r, &forged, false, 0, now, &why);
		assert_int_not_equal(v, ZS_ARRIVAL_REFUSE);
		retries += v == ZS_ARRIVAL_RETRY;
		if (i % 5000 == 0)
			assert_int_equal(zs_prefix_judge(&r, &honest, true, 0, now, &why), ZS_ARRIVAL_ACCEPT);
		if (i % 10 == 0)
			heavy_in += zs_prefix_judge(&r, &heavy, true, 0, now, &why) == ZS_ARRIVAL_ACCEPT;
	}
	assert_true(retries > 90000);
	assert_in_range(heavy_in, 256, 256 + 4 * 32 + 32); /* 4 s of its rate and its burst */
	zs_prefix_rates_delete(&r);
}

static void a_crowded_table_asks_for_proof(void **state)
{
	struct zs_prefix_rates r;
	enum zs_arrival_why why;
	struct zs_addr a;
	int crowded = 0;

	small(&r, 8); /* one set */
	for (uint32_t i = 0; i < 20; i++) {
		a = zs_addr_from4(htobe32(0x01000000u + (i << 8)));
		crowded += zs_prefix_judge(&r, &a, false, 0, S, &why) == ZS_ARRIVAL_RETRY &&
			   why == ZS_ARRIVAL_CROWDED;
	}
	assert_int_equal(crowded, 16); /* an address and a network each: four sources fill it */
	assert_int_equal(zs_prefix_judge(&r, &a, true, 0, S, &why), ZS_ARRIVAL_ACCEPT);
	zs_prefix_rates_delete(&r);
}

static void a_clock_that_steps_back(void **state)
{
	struct zs_prefix_rates r;

	small(&r, 64);
	assert_int_equal(accepted(&r, "192.0.2.1", true, 9, 1000 * S), 4);
	assert_int_equal(accepted(&r, "192.0.2.1", true, 9, S), 0);
	assert_int_equal(accepted(&r, "192.0.2.1", true, 9, 6 * S), 4); /* not 1,000 seconds later */
	zs_prefix_rates_delete(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(soft_then_hard),
		cmocka_unit_test(networks_of_both_families),
		cmocka_unit_test(both_or_none),
		cmocka_unit_test(half_open_marks),
		cmocka_unit_test(forged_sources_lock_nobody_out),
		cmocka_unit_test(a_crowded_table_asks_for_proof),
		cmocka_unit_test(a_clock_that_steps_back),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
