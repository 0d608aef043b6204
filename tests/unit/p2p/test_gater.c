/* The gater: rows of addresses against origin and profile, own ports, and what no profile lifts. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>

#include "base/check.h"
#include "p2p/gater.h"

static struct zs_endpoint at(const char *text)
{
	struct zs_endpoint e;

	if (zs_endpoint_parse(&e, text))
		fail_msg("'%s' is no endpoint", text);
	return e;
}

enum { O = ZS_GATE_OPEN, D = ZS_GATE_SPECIAL };

/* Verdicts: strict configured, strict learnt, test configured, test learnt. 10.5.0.0/16 is on the site's list. */
static const struct {
	const char *endpoint;
	uint8_t verdict[4];
} rows[] = {
	{ "1.2.3.4:1", { O, O, O, O } },
	{ "[2a00::1]:1", { O, O, O, O } },
	{ "10.5.0.1:1", { O, D, O, O } },
	{ "10.6.0.1:1", { D, D, O, O } },
	{ "192.168.1.1:1", { D, D, O, O } },
	{ "172.16.0.1:1", { D, D, O, O } },
	{ "[fd00::1]:1", { D, D, O, O } },
	{ "127.0.0.1:1", { D, D, O, O } },
	{ "[::1]:1", { D, D, O, O } },
	{ "[64:ff9b::a00:1]:1", { D, D, D, D } }, /* 10.0.0.1 behind NAT64 */
	{ "[64:ff9b::102:304]:1", { D, D, D, D } },
	{ "[2a00::5efe:7f00:1]:1", { D, D, O, O } }, /* ISATAP of 127.0.0.1 */
	{ "169.254.169.254:80", { D, D, D, D } },    /* metadata */
	{ "[fd00:ec2::254]:80", { D, D, D, D } },
	{ "169.254.1.1:1", { D, D, D, D } },
	{ "[fe80::1]:1", { D, D, D, D } },
	{ "100.64.0.1:1", { D, D, D, D } },
	{ "0.0.0.0:1", { D, D, D, D } },
	{ "[::]:1", { D, D, D, D } },
	{ "224.0.0.1:1", { D, D, D, D } },
	{ "[ff02::1]:1", { D, D, D, D } },
	{ "255.255.255.255:1", { D, D, D, D } },
	{ "192.0.2.1:1", { D, D, D, D } },
	{ "[2002:a00:1::1]:1", { D, D, D, D } },
};

static void origins_and_profiles(void **state)
{
	struct zs_gater g = { 0 };
	struct zs_prefix p;

	assert_int_equal(zs_prefix_parse(&p, "10.5.0.0/16"), 0);
	assert_int_equal(zs_deny_allow(&g.allowed, &p), 0);
	for (size_t i = 0; i < ZS_ARRAY_LEN(rows); i++) {
		struct zs_endpoint e = at(rows[i].endpoint);
		for (int v = 0; v < 4; v++) {
			enum zs_special class;
			g.profile = v < 2 ? ZS_GATER_STRICT : ZS_GATER_TEST;
			enum zs_gate got = zs_gater_judge(
			    &g, &e, v % 2 ? ZS_GATER_LEARNT : ZS_GATER_CONFIGURED, &class);
			if (got != rows[i].verdict[v])
				fail_msg("%s, case %d: %d (%s)", rows[i].endpoint, v, got,
					 zs_special_name(class));
		}
	}
}

static void nobody_aims_us_at_ourselves(void **state)
{
	struct zs_gater g = { .profile = ZS_GATER_TEST };
	struct zs_endpoint self = at("1.2.3.4:443"), relayed = at("1.2.3.4:20001"), other = at("1.2.3.4:444"),
			   zero = { self.addr, 0 };
	enum zs_special class;

	assert_int_equal(zs_gater_own(&g, &self.addr, 443, 443), 0);
	assert_int_equal(zs_gater_own(&g, &self.addr, 20000, 29999), 0);
	assert_int_equal(zs_gater_own(&g, &self.addr, 2, 1), -EINVAL);
	for (int origin = 0; origin < 2; origin++) {
		assert_int_equal(zs_gater_judge(&g, &self, (enum zs_gater_origin)origin, &class),
				 ZS_GATE_OWN);
		assert_int_equal(zs_gater_judge(&g, &relayed, (enum zs_gater_origin)origin, &class),
				 ZS_GATE_OWN);
		assert_int_equal(zs_gater_judge(&g, &other, (enum zs_gater_origin)origin, &class),
				 ZS_GATE_OPEN);
		assert_int_equal(zs_gater_judge(&g, &zero, (enum zs_gater_origin)origin, &class),
				 ZS_GATE_PORT);
	}
	while (g.own_count < ZS_GATER_OWN)
		assert_int_equal(zs_gater_own(&g, &self.addr, 1, 1), 0);
	assert_int_equal(zs_gater_own(&g, &self.addr, 1, 1), -ENOSPC);
}

static void words(void **state)
{
	enum zs_gater_profile p = ZS_GATER_STRICT;
	struct zs_endpoint e = at("10.0.0.1:7");
	char buf[ZS_GATER_TEXT];

	assert_int_equal(zs_gater_profile_parse(&p, "test"), 0);
	assert_int_equal(p, ZS_GATER_TEST);
	assert_int_equal(zs_gater_profile_parse(&p, "strict"), 0);
	assert_int_equal(p, ZS_GATER_STRICT);
	assert_int_equal(zs_gater_profile_parse(&p, "testing"), -EINVAL);
	assert_string_equal(
	    zs_gate_text(ZS_GATE_SPECIAL, ZS_SPECIAL_private, &e, buf),
	    "10.0.0.1:7 is private use (RFC 1918); use a public address, or allow its range in this "
	    "site's list");
	assert_string_equal(zs_gate_text(ZS_GATE_OWN, ZS_SPECIAL_NONE, &e, buf),
			    "10.0.0.1:7 is this relay itself; name another peer's address");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(origins_and_profiles),
		cmocka_unit_test(nobody_aims_us_at_ourselves),
		cmocka_unit_test(words),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
