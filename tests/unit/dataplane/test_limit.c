/* Rates of new flows: what a burst of 0 means, the long-run rate, and the table's clock going round. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>

#include "base/clock.h"
#include "limit.h"

#define ROUND_NS (1000ull << 44) /* after this the prefix table's clock begins anew */
#define BEGIN_NS (5 * ZS_NS_PER_S)

static int setup(void **state)
{
	*state = calloc(1, sizeof(struct zs_limits));
	return *state ? 0 : -1;
}

static int teardown(void **state)
{
	free(*state);
	return 0;
}

static uint32_t port_passes(struct zs_limits *l, uint32_t rate, uint32_t burst, uint64_t now, uint32_t tries)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < tries; i++)
		n += zs_limit_port(l, 4443, rate, burst, now);
	return n;
}

static uint32_t prefix_passes(struct zs_limits *l, const char *from, uint32_t rate, uint32_t burst,
			      uint64_t now, uint32_t tries)
{
	struct zs_addr a;
	uint32_t n = 0;

	assert_int_equal(zs_addr_parse(&a, from), 0);
	for (uint32_t i = 0; i < tries; i++)
		n += zs_limit_prefix(l, &a, rate, burst, now);
	return n;
}

/* One rule for both limits: burst 0 is a second's worth. */
static void at_once(void **state)
{
	static const struct {
		uint32_t rate, burst, tries, pass;
	} rows[] = {
		{ 0, 0, 5000, 5000 }, { 0, 7, 5000, 5000 },	 { 1, 0, 5, 1 },
		{ 1, 1, 5, 1 },	      { 100, 0, 5000, 100 },	 { 100, 250, 5000, 250 },
		{ 100, 1, 5000, 1 },  { 1000000, 20, 5000, 20 }, { 3, 0, 5000, 3 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct zs_limits *l = calloc(1, sizeof(*l));

		assert_non_null(l);
		assert_int_equal(port_passes(l, rows[i].rate, rows[i].burst, BEGIN_NS, rows[i].tries),
				 rows[i].pass);
		/* A prefix's word rounds each step up to a µs: at most one fewer here, never one more. */
		uint32_t prefix = prefix_passes(l, "192.0.2.1", rows[i].rate, rows[i].burst, BEGIN_NS,
						rows[i].tries);
		assert_in_range(prefix, rows[i].pass - (rows[i].rate == 3), rows[i].pass);
		free(l);
	}
}

static void over_time(void **state)
{
	struct zs_limits *l = *state;
	uint32_t port = 0, prefix = 0;

	for (uint64_t ms = 0; ms < 10000; ms++) { /* ten seconds at ten times the rate */
		uint64_t now = BEGIN_NS + ms * ZS_NS_PER_MS;
		port += port_passes(l, 200, 50, now, 2);
		prefix += prefix_passes(l, "2001:db8::1", 200, 50, now, 2);
	}
	assert_in_range(port, 50 + 1998, 50 + 2000);
	assert_in_range(prefix, 50 + 1998, 50 + 2000);
	/* Beyond a million a second a step is less than the µs of a prefix's word, not of a port's. */
	assert_int_equal(port_passes(l, 5000000, 10, BEGIN_NS + 20 * ZS_NS_PER_S, 100), 10);
	assert_int_equal(port_passes(l, 5000000, 10, BEGIN_NS + 20 * ZS_NS_PER_S + 1000, 100), 5);
}

/* A /24 and a /56 share one allowance; neighbours have their own. */
static void per_prefix(void **state)
{
	struct zs_limits *l = *state;

	assert_int_equal(prefix_passes(l, "192.0.2.1", 10, 0, BEGIN_NS, 20), 10);
	assert_int_equal(prefix_passes(l, "192.0.2.255", 10, 0, BEGIN_NS, 20), 0);
	assert_int_equal(prefix_passes(l, "192.0.3.1", 10, 0, BEGIN_NS, 20), 10);
	assert_int_equal(prefix_passes(l, "2001:db8:0:ff::1", 10, 0, BEGIN_NS, 20), 10);
	assert_int_equal(prefix_passes(l, "2001:db8:0:1::1", 10, 0, BEGIN_NS, 20), 0);
	assert_int_equal(prefix_passes(l, "2001:db8:0:100::1", 10, 0, BEGIN_NS, 20), 10);
}

/* An uptime of 203 days must not refuse those who came before it for 203 more. */
static void clock_goes_round(void **state)
{
	struct zs_limits *l = *state;
	uint64_t last = ROUND_NS - ZS_NS_PER_MS;

	assert_int_equal(prefix_passes(l, "192.0.2.1", 10, 0, last, 20), 10);
	assert_int_equal(prefix_passes(l, "192.0.2.1", 10, 0, last + 2 * ZS_NS_PER_MS, 20), 0);
	assert_int_equal(prefix_passes(l, "192.0.2.1", 10, 0, last + ZS_NS_PER_S, 20), 10);
	for (int part = 1; part < 16; part++) { /* silent for so long */
		uint64_t later = last + ZS_NS_PER_S + ROUND_NS / 16 * (uint64_t)(2 * part + 1);
		assert_int_equal(prefix_passes(l, "192.0.2.1", 10, 0, later, 20), 10);
		last = later - ZS_NS_PER_S;
	}
}

/* Flows there are, by port and by prefix. */
static void counts(void **state)
{
	struct zs_limits *l = *state;
	struct zs_addr a, b, c;

	assert_int_equal(zs_addr_parse(&a, "192.0.2.1"), 0);
	assert_int_equal(zs_addr_parse(&b, "192.0.2.200"), 0);
	assert_int_equal(zs_addr_parse(&c, "192.0.3.1"), 0);
	for (int i = 0; i < 3; i++)
		zs_limit_flow_made(l, 4443, &a);
	zs_limit_flow_made(l, 4444, &b);
	zs_limit_flow_made(l, 4443, &c);
	assert_int_equal(zs_limit_port_flows(l, 4443), 4);
	assert_int_equal(zs_limit_port_flows(l, 4444), 1);
	assert_int_equal(zs_limit_prefix_flows(l, &b), 4); /* a's /24 too */
	assert_int_equal(zs_limit_prefix_flows(l, &c), 1);
	zs_limit_flow_gone(l, 4443, &a);
	assert_int_equal(zs_limit_port_flows(l, 4443), 3);
	assert_int_equal(zs_limit_prefix_flows(l, &b), 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(at_once),
		cmocka_unit_test_setup_teardown(over_time, setup, teardown),
		cmocka_unit_test_setup_teardown(per_prefix, setup, teardown),
		cmocka_unit_test_setup_teardown(clock_goes_round, setup, teardown),
		cmocka_unit_test_setup_teardown(counts, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
