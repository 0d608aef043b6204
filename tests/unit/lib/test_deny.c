/* The special-purpose table: both ends of every range and their neighbours, embedded
 * addresses, and what an allow-list can and cannot lift. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>

#include "base/check.h"
#include "net/deny.h"
#include "unit/random.h"

static struct zs_addr addr(const char *text)
{
	struct zs_addr a;

	if (zs_addr_parse(&a, text))
		fail_msg("'%s' is no address", text);
	return a;
}

static const struct {
	const char *addr, *class;
} rows[] = {
	{ "0.0.0.0", "unspecified" },
	{ "0.0.0.1", "this_network" },
	{ "0.255.255.255", "this_network" },
	{ "1.0.0.0", "none" },
	{ "9.255.255.255", "none" },
	{ "10.0.0.0", "private" },
	{ "10.255.255.255", "private" },
	{ "11.0.0.0", "none" },
	{ "100.63.255.255", "none" },
	{ "100.64.0.0", "shared" },
	{ "100.100.100.200", "metadata" },
	{ "100.127.255.255", "shared" },
	{ "100.128.0.0", "none" },
	{ "126.255.255.255", "none" },
	{ "127.0.0.0", "loopback" },
	{ "127.0.0.1", "loopback" },
	{ "127.255.255.255", "loopback" },
	{ "128.0.0.0", "none" },
	{ "168.63.129.15", "none" },
	{ "168.63.129.16", "cloud" },
	{ "168.63.129.17", "none" },
	{ "169.253.255.255", "none" },
	{ "169.254.0.0", "link_local" },
	{ "169.254.0.23", "metadata" },
	{ "169.254.42.42", "metadata" },
	{ "169.254.169.254", "metadata" },
	{ "169.254.170.2", "metadata" },
	{ "169.254.170.3", "link_local" },
	{ "169.254.170.23", "metadata" },
	{ "169.254.255.255", "link_local" },
	{ "169.255.0.0", "none" },
	{ "172.15.255.255", "none" },
	{ "172.16.0.0", "private" },
	{ "172.31.255.255", "private" },
	{ "172.32.0.0", "none" },
	{ "191.255.255.255", "none" },
	{ "192.0.0.0", "protocol" },
	{ "192.0.0.8", "protocol" },
	{ "192.0.0.9", "anycast" },
	{ "192.0.0.10", "anycast" },
	{ "192.0.0.170", "protocol" },
	{ "192.0.0.171", "protocol" },
	{ "192.0.0.192", "metadata" },
	{ "192.0.0.255", "protocol" },
	{ "192.0.1.0", "none" },
	{ "192.0.2.0", "documentation" },
	{ "192.0.2.255", "documentation" },
	{ "192.0.3.0", "none" },
	{ "192.31.195.255", "none" },
	{ "192.31.196.0", "anycast" },
	{ "192.31.196.255", "anycast" },
	{ "192.31.197.0", "none" },
	{ "192.52.192.255", "none" },
	{ "192.52.193.0", "anycast" },
	{ "192.52.194.0", "none" },
	{ "192.88.98.255", "none" },
	{ "192.88.99.0", "sixtofour" },
	{ "192.88.99.2", "sixtofour" },
	{ "192.88.100.0", "none" },
	{ "192.167.255.255", "none" },
	{ "192.168.0.0", "private" },
	{ "192.168.255.255", "private" },
	{ "192.169.0.0", "none" },
	{ "192.175.47.255", "none" },
	{ "192.175.48.0", "anycast" },
	{ "192.175.49.0", "none" },
	{ "198.17.255.255", "none" },
	{ "198.18.0.0", "benchmark" },
	{ "198.19.255.255", "benchmark" },
	{ "198.20.0.0", "none" },
	{ "198.51.99.255", "none" },
	{ "198.51.100.0", "documentation" },
	{ "198.51.101.0", "none" },
	{ "203.0.112.255", "none" },
	{ "203.0.113.255", "documentation" },
	{ "203.0.114.0", "none" },
	{ "223.255.255.255", "none" },
	{ "224.0.0.0", "multicast" },
	{ "239.255.255.255", "multicast" },
	{ "240.0.0.0", "reserved" },
	{ "255.255.255.254", "reserved" },
	{ "255.255.255.255", "broadcast" },
	{ "8.8.8.8", "none" },
	{ "::", "unspecified" },
	{ "::1", "loopback" },
	{ "::2", "mapped" },
	{ "::7f00:1", "mapped" },
	{ "::808:808", "mapped" },
	{ "::ffff:0:808:808", "mapped" },
	{ "64:ff9b::808:808", "nat64" },
	{ "64:ff9b::1:0:0", "none" },
	{ "64:ff9b:1::1", "nat64_local" },
	{ "64:ff9b:2::", "none" },
	{ "100::", "discard" },
	{ "100::1:0:0:0", "discard" },
	{ "100:0:0:1:ffff::", "discard" },
	{ "100:0:0:2::", "none" },
	{ "2000:ffff::", "none" },
	{ "2001::", "teredo" },
	{ "2001:0:ffff::", "teredo" },
	{ "2001:1::", "protocol" },
	{ "2001:1::1", "anycast" },
	{ "2001:1::2", "anycast" },
	{ "2001:1::3", "anycast" },
	{ "2001:1::4", "protocol" },
	{ "2001:2::", "benchmark" },
	{ "2001:2:1::", "protocol" },
	{ "2001:3::1", "anycast" },
	{ "2001:4:112::", "anycast" },
	{ "2001:4:113::", "protocol" },
	{ "2001:10::", "orchid" },
	{ "2001:2f:ffff::", "orchid" },
	{ "2001:30::", "orchid" },
	{ "2001:3f::", "orchid" },
	{ "2001:40::", "protocol" },
	{ "2001:1ff:ffff::", "protocol" },
	{ "2001:200::", "none" },
	{ "2001:db7:ffff::", "none" },
	{ "2001:db8::", "documentation" },
	{ "2001:db8:ffff::1", "documentation" },
	{ "2001:db9::", "none" },
	{ "2002:808:808::1", "sixtofour" },
	{ "2003::", "none" },
	{ "2620:4f:8000::1", "anycast" },
	{ "2620:4f:8001::", "none" },
	{ "3ffe::", "none" },
	{ "3fff::", "documentation" },
	{ "3fff:fff:ffff::", "documentation" },
	{ "3fff:1000::", "none" },
	{ "5f00::1", "srv6" },
	{ "5f01::", "none" },
	{ "fbff::", "none" },
	{ "fc00::", "unique_local" },
	{ "fdff:ffff::", "unique_local" },
	{ "fd00:42::42", "metadata" },
	{ "fd00:ec2::23", "metadata" },
	{ "fd00:ec2::254", "metadata" },
	{ "fd20:ce::254", "metadata" },
	{ "fe00::", "none" },
	{ "fe80::", "link_local" },
	{ "fe80::a9fe:a9fe", "metadata" },
	{ "febf:ffff::", "link_local" },
	{ "fec0::1", "site_local" },
	{ "feff::1", "site_local" },
	{ "ff00::", "multicast" },
	{ "ff02::1", "multicast" },
	{ "2606:4700::1111", "none" },
	/* ISATAP under an ordinary prefix has the class of what it embeds */
	{ "2606:4700::5efe:7f00:1", "loopback" },
	{ "2606:4700::200:5efe:a00:1", "private" },
	{ "2606:4700::5efe:808:808", "none" },
	{ "2606:4700::5eff:7f00:1", "none" },
};

static void classes(void **state)
{
	static const struct zs_deny none;

	for (size_t i = 0; i < ZS_ARRAY_LEN(rows); i++) {
		struct zs_addr a = addr(rows[i].addr);
		const char *name = zs_special_name(zs_special_of(&a));
		if (strcmp(name, rows[i].class) != 0)
			fail_msg("%s is %s, not %s", rows[i].addr, rows[i].class, name);
		assert_int_equal(zs_deny_target(&none, &a), zs_special_of(&a)); /* no list lifts nothing */
	}
	for (int i = 0; i < ZS_SPECIALS; i++)
		assert_true(zs_special_name(i)[0] && zs_special_text(i)[0]);
	assert_string_equal(zs_special_name(ZS_SPECIALS), "unknown");
}

/* The rows of both registries as of October 2025, in their order and spelling: what special.def must
 * hold. RFC 8190 corrected RFC 6890; the rest came with the RFCs named. */
static const char *const registry[] = {
	"0.0.0.0/8",	     "0.0.0.0/32",	"10.0.0.0/8",	  "100.64.0.0/10",  "127.0.0.0/8",
	"169.254.0.0/16",    "172.16.0.0/12",	"192.0.0.0/24",	  "192.0.0.0/29", /* RFC 7335 */
	"192.0.0.8/32",								  /* RFC 7600 */
	"192.0.0.9/32",								  /* RFC 7723 */
	"192.0.0.10/32",							  /* RFC 8155 */
	"192.0.0.170/32",							  /* RFC 8880 */
	"192.0.0.171/32",							  /* RFC 8880 */
	"192.0.2.0/24",	     "192.31.196.0/24",					  /* RFC 7535 */
	"192.52.193.0/24",							  /* RFC 7450 */
	"192.88.99.0/24",							  /* RFC 7526 */
	"192.88.99.2/32",							  /* RFC 6751 */
	"192.168.0.0/16",    "192.175.48.0/24",					  /* RFC 7534 */
	"198.18.0.0/15",     "198.51.100.0/24", "203.0.113.0/24", "240.0.0.0/4",    "255.255.255.255/32",
	"::1/128",	     "::/128",		"64:ff9b::/96",	  "64:ff9b:1::/48", /* RFC 8215 */
	"100::/64",								    /* RFC 6666 */
	"100:0:0:1::/64",							    /* RFC 9780 */
	"2001::/23",	     "2001::/32",					    /* RFC 4380 */
	"2001:1::1/128",							    /* RFC 7723 */
	"2001:1::2/128",							    /* RFC 8155 */
	"2001:1::3/128",							    /* RFC 9665 */
	"2001:2::/48",								    /* RFC 5180 */
	"2001:3::/32",								    /* RFC 7450 */
	"2001:4:112::/48",							    /* RFC 7535 */
	"2001:10::/28",								    /* RFC 4843, given back */
	"2001:20::/28",								    /* RFC 7343 */
	"2001:30::/28",								    /* RFC 9374 */
	"2001:db8::/32",							    /* RFC 3849 */
	"2002::/16",								    /* RFC 3056 */
	"2620:4f:8000::/48",							    /* RFC 7534 */
	"3fff::/20",								    /* RFC 9637 */
	"5f00::/16",								    /* RFC 9602 */
	"fc00::/7",	     "fe80::/10",
};

static struct zs_addr last_of(struct zs_prefix p)
{
	for (int bit = p.len; bit < 128; bit++)
		p.addr.ip[bit / 8] |= (uint8_t)(0x80 >> bit % 8);
	return p.addr;
}

static void registries_row_for_row(void **state)
{
	static const struct zs_deny none;
	struct random rnd = random_new("registry");
	struct zs_addr mapped;

	for (size_t i = 0; i < ZS_ARRAY_LEN(registry); i++) {
		struct zs_prefix p;
		if (zs_prefix_parse(&p, registry[i]))
			fail_msg("'%s' is no prefix", registry[i]);
		struct zs_addr last = last_of(p);
		if (zs_deny_target(&none, &p.addr) == ZS_SPECIAL_NONE ||
		    zs_deny_target(&none, &last) == ZS_SPECIAL_NONE)
			fail_msg("an end of %s is an ordinary address", registry[i]);
		for (int n = 0; n < 100; n++) {
			struct zs_addr a;
			random_bytes(&rnd, a.ip, sizeof(a.ip));
			for (int b = 0; b < 16; b++) /* the prefix's bits, the rest at random */
				a.ip[b] = (uint8_t)(p.addr.ip[b] | (a.ip[b] & (last.ip[b] ^ p.addr.ip[b])));
			if (zs_deny_target(&none, &a) == ZS_SPECIAL_NONE)
				fail_msg("an address within %s is an ordinary one", registry[i]);
		}
	}
	/* ::ffff:0:0/96 is how an IPv4 address is held, and nobody may write it. */
	assert_int_not_equal(zs_addr_parse(&mapped, "::ffff:127.0.0.1"), 0);
	mapped = zs_addr_from4(htobe32(0x7f000001));
	assert_true(mapped.ip[10] == 0xff && mapped.ip[11] == 0xff);
	assert_int_equal(zs_special_of(&mapped), ZS_SPECIAL_loopback);
}

static int allow(struct zs_deny *deny, const char *text)
{
	struct zs_prefix p;

	if (zs_prefix_parse(&p, text))
		fail_msg("'%s' is no prefix", text);
	return zs_deny_allow(deny, &p);
}

static void lists_never_lift(void **state)
{
	static const char *const refused[] = {
		"0.0.0.0/0",
		"0.0.0.0/8",
		"0.0.0.0/32",
		"64.0.0.0/2",
		"127.0.0.0/8",
		"127.0.0.1/32",
		"126.0.0.0/7",
		"224.0.0.0/4",
		"239.1.2.3/32",
		"128.0.0.0/1",
		"255.255.255.255/32",
		"240.0.0.0/4",
		"255.0.0.0/8",
		"168.63.129.16/32",
		"169.254.169.254/32",
		"169.254.0.0/16",
		"169.254.1.0/24",
		"fe80::/10",
		"100.100.100.200/32",
		"192.0.0.0/24",
		"::/0",
		"::/96",
		"::/128",
		"::1/128",
		"ff00::/8",
		"ff02::1/128",
		"fe00::/7",
		"8000::/1",
		"2002::/16",
		"2001::/32",
		"fec0::/10",
		"fd00:ec2::254/128",
		"64:ff9b:1::/48",
		"::/80",
		"::/16",
	};
	struct zs_deny deny = { 0 };
	struct zs_prefix odd = { .len = 129 };

	for (size_t i = 0; i < ZS_ARRAY_LEN(refused); i++)
		if (allow(&deny, refused[i]) != -EPERM)
			fail_msg("%s was taken", refused[i]);
	assert_int_equal(zs_deny_allow(&deny, &odd), -EPERM);
	assert_int_equal(deny.allowed_count, 0);
}

static void lists_lift_what_they_name(void **state)
{
	static const struct {
		const char *addr, *class;
	} after[] = {
		{ "10.1.2.3", "none" },
		{ "10.2.0.1", "private" },
		{ "192.168.1.1", "private" },
		{ "169.254.169.254", "metadata" },
		{ "100.64.0.1", "none" },
		{ "100.100.100.200", "metadata" },
		{ "fd12::1", "none" },
		{ "fd00:ec2::254", "metadata" },
		{ "fd00:ec2::23", "metadata" },
		{ "169.254.170.2", "metadata" },
		{ "198.18.0.1", "none" },
		{ "127.0.0.1", "loopback" },
		{ "8.8.8.8", "none" },
		/* the embedded address is judged too, by the same list */
		{ "64:ff9b::808:808", "none" },
		{ "64:ff9b::a01:203", "none" },
		{ "64:ff9b::a02:1", "private" },
		{ "64:ff9b::7f00:1", "loopback" },
		{ "64:ff9b::a9fe:a9fe", "metadata" },
		{ "64:ff9b::", "unspecified" },
		{ "fd12::5efe:7f00:1", "loopback" },
		{ "fd12::5efe:a01:203", "none" },
		{ "2002:a01:203::1", "sixtofour" },
		{ "::a01:203", "mapped" },
	};
	struct zs_deny deny = { 0 };

	assert_int_equal(allow(&deny, "10.1.0.0/16"), 0);
	assert_int_equal(allow(&deny, "100.64.0.0/10"), 0);
	assert_int_equal(allow(&deny, "fc00::/7"), 0);
	assert_int_equal(allow(&deny, "198.18.0.0/15"), 0);
	assert_int_equal(allow(&deny, "64:ff9b::/96"), 0);
	for (size_t i = 0; i < ZS_ARRAY_LEN(after); i++) {
		struct zs_addr a = addr(after[i].addr);
		const char *name = zs_special_name(zs_deny_target(&deny, &a));
		if (strcmp(name, after[i].class) != 0)
			fail_msg("%s is %s, not %s", after[i].addr, after[i].class, name);
	}
	deny.allowed_count = UINT32_MAX; /* damaged shared memory: nothing is lifted */
	struct zs_addr a = addr("10.1.2.3");
	assert_int_equal(zs_deny_target(&deny, &a), ZS_SPECIAL_private);
}

static void list_is_bounded(void **state)
{
	struct zs_deny deny = { 0 };

	for (int i = 0; i < ZS_DENY_ALLOWED_MAX; i++)
		assert_int_equal(allow(&deny, "10.0.0.0/8"), 0);
	assert_int_equal(allow(&deny, "10.0.0.0/8"), -ENOSPC);
	assert_int_equal(deny.allowed_count, ZS_DENY_ALLOWED_MAX);
}

/* Whatever a list holds, space that no list may allow stays denied in every spelling. */
static void random_lists(void **state)
{
	static const uint32_t never[] = { 0x00000000, 0x7f000001, 0x7fffffff, 0xe0000001,
					  0xffffffff, 0xa9fea9fe, 0xa83f8110 };
	struct random rnd = random_new("deny");

	for (int i = 0; i < 20000; i++) {
		struct zs_deny deny = { 0 };
		for (int j = 0; j < 8; j++) {
			struct zs_prefix p = { .len = (uint8_t)random_below(&rnd, 129) };
			uint32_t ip = htobe32(never[random_below(&rnd, ZS_ARRAY_LEN(never))]);
			if (j & 1)
				random_bytes(&rnd, p.addr.ip, 16);
			else
				p.addr = zs_addr_from4(ip);
			for (int bit = p.len; bit < 128; bit++)
				p.addr.ip[bit / 8] &= (uint8_t) ~(0x80 >> bit % 8);
			zs_deny_allow(&deny, &p);
		}
		uint32_t ip = htobe32(never[i % ZS_ARRAY_LEN(never)]);
		struct zs_addr a = zs_addr_from4(ip), six = addr("64:ff9b::"), to4 = addr("2002::"),
			       v4c = addr("::");
		memcpy(six.ip + 12, &ip, 4);
		memcpy(to4.ip + 2, &ip, 4);
		memcpy(v4c.ip + 12, &ip, 4);
		assert_int_not_equal(zs_deny_target(&deny, &a), ZS_SPECIAL_NONE);
		assert_int_not_equal(zs_deny_target(&deny, &six), ZS_SPECIAL_NONE);
		assert_int_not_equal(zs_deny_target(&deny, &to4), ZS_SPECIAL_NONE);
		assert_int_not_equal(zs_deny_target(&deny, &v4c), ZS_SPECIAL_NONE);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(classes),	    cmocka_unit_test(registries_row_for_row),
		cmocka_unit_test(lists_never_lift), cmocka_unit_test(lists_lift_what_they_name),
		cmocka_unit_test(list_is_bounded),  cmocka_unit_test(random_lists),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
