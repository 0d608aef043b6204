/* Text of addresses, endpoints and prefixes, both ways. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>

#include "base/check.h"
#include "net/addr.h"
#include "unit/random.h"

static const struct {
	const char *text, *canonical; /* NULL: refused */
} addresses[] = {
	{ "1.2.3.4", "1.2.3.4" },
	{ "255.255.255.255", "255.255.255.255" },
	{ "0.0.0.0", "0.0.0.0" },
	{ "::", "::" },
	{ "::1", "::1" },
	{ "1::", "1::" },
	{ "2001:DB8:0:0:1:0:0:1", "2001:db8::1:0:0:1" },    /* the first of two equal runs */
	{ "2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1" }, /* one group is no run */
	{ "1:0:0:2:0:0:0:3", "1:0:0:2::3" },
	{ "fe80:0000:0000:0000:0000:0000:0000:000a", "fe80::a" },
	{ "::1.2.3.4", "::102:304" },
	{ "64:ff9b::192.0.2.33", "64:ff9b::c000:221" },
	/* spellings that others read in other ways */
	{ "", NULL },
	{ "1", NULL },
	{ "1.2.3", NULL },
	{ "127.1", NULL },
	{ "1.2.3.4.5", NULL },
	{ "2130706433", NULL },
	{ "0x7f.0.0.1", NULL },
	{ "0x7f000001", NULL },
	{ "0177.0.0.1", NULL },
	{ "127.0.0.01", NULL },
	{ "127.00.0.1", NULL },
	{ "256.0.0.1", NULL },
	{ "1.2.3.-4", NULL },
	{ "1.2.3.+4", NULL },
	{ " 1.2.3.4", NULL },
	{ "1.2.3.4 ", NULL },
	{ "1.2.3.4\n", NULL },
	{ "1.2..4", NULL },
	{ ".1.2.3.4", NULL },
	{ "1.2.3.4.", NULL },
	{ "1,2,3,4", NULL },
	{ "\xef\xbc\x91.2.3.4", NULL },
	{ "localhost", NULL },
	{ "1.2.3.4/32", NULL },
	{ "fe80::1%eth0", NULL },
	{ "fe80::1%1", NULL },
	{ "[::1]", NULL },
	{ ":::", NULL },
	{ "1::2::3", NULL },
	{ ":1::", NULL },
	{ "1:2:3:4:5:6:7", NULL },
	{ "1:2:3:4:5:6:7:8:9", NULL },
	{ "12345::", NULL },
	{ "00001::", NULL },
	{ "g::", NULL },
	{ "1:2:3:4:5:6:7::8", NULL },
	{ "::1.2.3", NULL },
	{ "::0127.0.0.1", NULL },
	{ "::1.2.3.4:5", NULL },
	/* v4-mapped: one address has one spelling */
	{ "::ffff:127.0.0.1", NULL },
	{ "::ffff:7f00:1", NULL },
	{ "::FFFF:1.2.3.4", NULL },
	{ "0:0:0:0:0:ffff:1:2", NULL },
};

static void addresses_parse(void **state)
{
	char buf[ZS_ADDR_TEXT];

	for (size_t i = 0; i < ZS_ARRAY_LEN(addresses); i++) {
		struct zs_addr a, before;
		memset(&a, 0xa5, sizeof(a));
		before = a;
		int rc = zs_addr_parse(&a, addresses[i].text);
		if ((rc == 0) != (addresses[i].canonical != NULL))
			fail_msg("'%s': %d", addresses[i].text, rc);
		if (rc) {
			assert_int_equal(rc, -EINVAL);
			assert_memory_equal(&a, &before, sizeof(a));
		} else {
			assert_string_equal(zs_addr_format(&a, buf), addresses[i].canonical);
		}
	}
}

/* Every address comes back from its text, and the text is what the C library reads too. */
static void addresses_round_trip(void **state)
{
	struct random rnd = random_new("addr");
	char buf[ZS_ADDR_TEXT];

	for (int i = 0; i < 100000; i++) {
		struct zs_addr a, b;
		uint8_t lib[16];
		random_bytes(&rnd, &a, 16);
		uint32_t zero = (uint32_t)random_u64(&rnd);
		for (int g = 0; g < 8; g++) /* runs of zero groups are where formats go wrong */
			if (zero >> g & 1)
				a.ip[2 * g] = a.ip[2 * g + 1] = 0;
		if (i % 4 == 0)
			a = zs_addr_from4((uint32_t)random_u64(&rnd));
		assert_true(strlen(zs_addr_format(&a, buf)) < ZS_ADDR_TEXT);
		assert_int_equal(zs_addr_parse(&b, buf), 0);
		assert_memory_equal(&a, &b, 16);
		assert_int_equal(inet_pton(zs_addr_is4(&a) ? AF_INET : AF_INET6, buf, lib), 1);
		assert_memory_equal(lib, zs_addr_is4(&a) ? a.ip + 12 : a.ip, zs_addr_is4(&a) ? 4 : 16);
	}
}

static void endpoints(void **state)
{
	static const char *const good[] = { "1.2.3.4:1", "1.2.3.4:65535", "[::1]:443",
					    "[2001:db8::1:0:0:1]:4433",
					    "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535" };
	static const char *const bad[] = {
		"",
		":",
		":1",
		"1.2.3.4",
		"1.2.3.4:",
		"1.2.3.4:0",
		"1.2.3.4:65536",
		"1.2.3.4:01",
		"1.2.3.4:+1",
		"1.2.3.4: 1",
		"1.2.3.4:1 ",
		"1.2.3.4:99999999999",
		"1.2.3.4:0x1",
		"::1:443",
		"[::1]",
		"[::1]443",
		"[::1]:",
		"[::1]:0",
		"[1.2.3.4]:1",
		"[]:1",
		"[:1",
		"]:1",
		"[::ffff:1.2.3.4]:1",
		"[fe80::1%eth0]:1",
		"[[::1]]:1",
		"host:1",
		"[2001:db8:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0001]:1",
	};
	char buf[ZS_ENDPOINT_TEXT];
	struct zs_endpoint ep;

	for (size_t i = 0; i < ZS_ARRAY_LEN(good); i++) {
		assert_int_equal(zs_endpoint_parse(&ep, good[i]), 0);
		assert_string_equal(zs_endpoint_format(&ep, buf), good[i]);
	}
	for (size_t i = 0; i < ZS_ARRAY_LEN(bad); i++)
		if (zs_endpoint_parse(&ep, bad[i]) != -EINVAL)
			fail_msg("'%s' was taken", bad[i]);
}

static void prefixes(void **state)
{
	static const char *const bad[] = { "",
					   "/",
					   "10.0.0.0",
					   "10.0.0.0/",
					   "/8",
					   "10.0.0.0/33",
					   "10.0.0.1/8",
					   "10.0.0.0/08",
					   "10.0.0.0/-1",
					   "10/8",
					   "::/129",
					   "2001:db8::1/64",
					   "2001:db8::/28",
					   "10.0.0.0/8/8",
					   "::ffff:10.0.0.0/104",
					   "fe80::%1/10" };
	static const struct {
		const char *prefix, *addr;
		bool has;
	} rows[] = {
		{ "10.0.0.0/8", "10.255.255.255", true },
		{ "10.0.0.0/8", "11.0.0.0", false },
		{ "10.0.0.0/8", "9.255.255.255", false },
		{ "10.0.0.0/8", "::a00:1", false },
		{ "0.0.0.0/0", "255.1.2.3", true },
		{ "0.0.0.0/0", "::1", false },
		{ "::/0", "2001:db8::1", true },
		{ "::/0", "1.2.3.4", false },
		{ "::/80", "1.2.3.4", false },
		{ "1.2.3.4/32", "1.2.3.4", true },
		{ "1.2.3.4/32", "1.2.3.5", false },
		{ "192.0.2.128/25", "192.0.2.127", false },
		{ "192.0.2.128/25", "192.0.2.128", true },
		{ "fc00::/7", "fdff::1", true },
		{ "fc00::/7", "fe00::1", false },
		{ "2001:db8::1/128", "2001:db8::1", true },
		{ "2001:db8::1/128", "2001:db8::", false },
	};
	struct zs_prefix p;
	struct zs_addr a;

	for (size_t i = 0; i < ZS_ARRAY_LEN(bad); i++)
		if (zs_prefix_parse(&p, bad[i]) != -EINVAL)
			fail_msg("'%s' was taken", bad[i]);
	assert_int_equal(zs_prefix_parse(&p, "10.0.0.0/8"), 0);
	assert_int_equal(p.len, 104);
	for (size_t i = 0; i < ZS_ARRAY_LEN(rows); i++) {
		assert_int_equal(zs_prefix_parse(&p, rows[i].prefix), 0);
		assert_int_equal(zs_addr_parse(&a, rows[i].addr), 0);
		if (zs_prefix_has(&p, &a) != rows[i].has)
			fail_msg("%s in %s", rows[i].addr, rows[i].prefix);
	}
	p.len = 200; /* from shared memory it may be anything */
	assert_false(zs_prefix_has(&p, &a));
}

static void sockaddrs(void **state)
{
	struct sockaddr_storage ss = { .ss_family = AF_UNIX };
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(443) };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = htons(444) };
	struct zs_endpoint ep;
	char buf[ZS_ENDPOINT_TEXT];

	inet_pton(AF_INET, "192.0.2.1", &in.sin_addr);
	assert_int_equal(zs_endpoint_from_sockaddr(&ep, (struct sockaddr *)&in), 0);
	assert_string_equal(zs_endpoint_format(&ep, buf), "192.0.2.1:443");
	inet_pton(AF_INET6, "2001:db8::1", &in6.sin6_addr);
	assert_int_equal(zs_endpoint_from_sockaddr(&ep, (struct sockaddr *)&in6), 0);
	assert_string_equal(zs_endpoint_format(&ep, buf), "[2001:db8::1]:444");
	inet_pton(AF_INET6, "::ffff:192.0.2.1", &in6.sin6_addr); /* what a dual-stack socket reports */
	assert_int_equal(zs_endpoint_from_sockaddr(&ep, (struct sockaddr *)&in6), 0);
	assert_string_equal(zs_endpoint_format(&ep, buf), "192.0.2.1:444");
	assert_int_equal(zs_endpoint_from_sockaddr(&ep, (struct sockaddr *)&ss), -EAFNOSUPPORT);
}

static void sites(void **state)
{
	static const struct {
		const char *addr, *site;
	} rows[] = {
		{ "192.0.2.255", "192.0.2.0" },
		{ "255.255.255.255", "255.255.255.0" },
		{ "2001:db8:1:2ff:ffff:ffff:ffff:ffff", "2001:db8:1:200::" },
		{ "2001:db8:1:300::1", "2001:db8:1:300::" },
		{ "::1", "::" },
	};
	struct zs_addr a, site;

	for (size_t i = 0; i < ZS_ARRAY_LEN(rows); i++) {
		assert_int_equal(zs_addr_parse(&a, rows[i].addr), 0);
		assert_int_equal(zs_addr_parse(&site, rows[i].site), 0);
		a = zs_addr_site(&a);
		assert_true(zs_addr_eq(&a, &site));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses_parse), cmocka_unit_test(addresses_round_trip),
		cmocka_unit_test(endpoints),	   cmocka_unit_test(prefixes),
		cmocka_unit_test(sockaddrs),	   cmocka_unit_test(sites),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
