/* rtnetlink messages, right and hostile, as they are read. */
#include "netlink_messages.h"
#include "nlparse.h"

static void test_parse_link(void **state)
{
	struct zs_nl_message out;
	struct msg m;

	make_link(&m, RTM_NEWLINK, 3, "veth0", 9, true);
	assert_int_equal(zs_nl_parse(m.b, m.len, &out), m.len);
	assert_true(out.known && out.link.up && out.link.has_mac);
	assert_int_equal(out.link.index, 3);
	assert_string_equal(out.link.name, "veth0");
	assert_int_equal(out.link.mtu, 1400);
	assert_int_equal(out.link.mac[5], 9);
	make_link(&m, RTM_NEWLINK, 3, "veth0", 9, false);
	zs_nl_parse(m.b, m.len, &out);
	assert_false(out.link.up);
	make_link(&m, RTM_NEWLINK, 0, "veth0", 9, true);
	assert_true(zs_nl_parse(m.b, m.len, &out) && !out.known);
	make_link(&m, RTM_NEWLINK, 3, "a-name-of-16-let", 9, true); /* 17 with its end */
	assert_true(zs_nl_parse(m.b, m.len, &out) && !out.known);
}

static void test_parse_route(void **state)
{
	struct zs_nl_message out;
	struct msg m;
	struct zs_addr want = addr("10.0.0.0");

	make_route(&m, RTM_NEWROUTE, NLM_F_REPLACE, "10.0.0.0", 8, "192.0.2.1", 4, 50);
	assert_int_equal(zs_nl_parse(m.b, m.len, &out), m.len);
	assert_true(out.known && out.route.replace);
	assert_int_equal(out.route.len, 104);
	assert_memory_equal(&out.route.dest, &want, 16);
	assert_int_equal(out.route.metric, 50);
	assert_int_equal(out.route.hops, 1);
	assert_true(out.route.hop[0].has_gateway);
	make_route(&m, RTM_NEWROUTE, 0, "0.0.0.0", 0, "192.0.2.1", 4, 0);
	zs_nl_parse(m.b, m.len, &out);
	want = zs_addr_from4(0);
	assert_int_equal(out.route.len, 96);
	assert_memory_equal(&out.route.dest, &want, 16);
	make_route(&m, RTM_NEWROUTE, 0, "2001:db8::", 32, NULL, 4, 0);
	zs_nl_parse(m.b, m.len, &out);
	assert_int_equal(out.route.len, 32);
	assert_false(out.route.hop[0].has_gateway);
	make_route(&m, RTM_NEWROUTE, 0, "10.0.0.0", 33, NULL, 4, 0); /* no such prefix */
	assert_true(zs_nl_parse(m.b, m.len, &out) && !out.known);
}

static void test_parse_multipath(void **state)
{
	struct rtmsg f = { .rtm_family = AF_INET, .rtm_table = RT_TABLE_MAIN, .rtm_type = RTN_UNICAST };
	struct {
		struct rtnexthop h;
		struct rtattr a;
		uint8_t ip[4];
	} hop[12];
	struct zs_nl_message out;
	struct msg m;

	memset(hop, 0, sizeof(hop));
	for (int i = 0; i < 12; i++) {
		hop[i].h.rtnh_len = sizeof(hop[i]);
		hop[i].h.rtnh_ifindex = i + 1;
		hop[i].h.rtnh_flags = i == 1 ? RTNH_F_DEAD : 0;
		hop[i].a = (struct rtattr){ .rta_len = 8, .rta_type = RTA_GATEWAY };
		hop[i].ip[3] = (uint8_t)i;
	}
	begin(&m, RTM_NEWROUTE, 0, &f, sizeof(f));
	attr(&m, RTA_MULTIPATH, hop, sizeof(hop));
	assert_true(zs_nl_parse(m.b, m.len, &out) && out.known);
	assert_int_equal(out.route.hops, ZS_NL_HOPS); /* twelve came */
	assert_int_equal(out.route.hop[2].index, 3);
	assert_int_equal(out.route.hop[2].gateway.ip[15], 2);
	assert_true(out.route.hop[1].dead);
	hop[1].h.rtnh_len = 4; /* shorter than itself: the rest is not looked at */
	begin(&m, RTM_NEWROUTE, 0, &f, sizeof(f));
	attr(&m, RTA_MULTIPATH, hop, sizeof(hop));
	assert_true(zs_nl_parse(m.b, m.len, &out) && out.known);
	assert_int_equal(out.route.hops, 1);
}

static void test_parse_many(void **state)
{
	struct zs_nl_message out;
	struct msg a, b;
	uint8_t both[1024];
	size_t used;

	make_neigh(&a, RTM_NEWNEIGH, "fe80::1", 3, NUD_STALE, 5);
	make_neigh(&b, RTM_DELNEIGH, "192.0.2.7", 3, NUD_FAILED, 0);
	memcpy(both, a.b, a.len);
	memcpy(both + a.len, b.b, b.len);
	used = zs_nl_parse(both, a.len + b.len, &out);
	assert_int_equal(used, a.len);
	assert_int_equal(out.neigh.mac[5], 5);
	assert_int_equal(zs_nl_parse(both + used, b.len, &out), b.len);
	assert_int_equal(out.type, RTM_DELNEIGH);
	assert_false(out.neigh.has_mac);
	assert_int_equal(zs_nl_parse(both, 0, &out), 0);
}

/* Every message cut at every byte, and every byte set to the values that hurt: the parser may
 * say what it likes, but not read beyond (each buffer is of exact size under ASan). */
static void test_hostile(void **state)
{
	static const uint8_t nasty[] = { 0, 1, 3, 4, 5, 0x7f, 0x80, 0xff };
	struct zs_nl_message out;
	struct msg m[4];

	make_link(&m[0], RTM_NEWLINK, 3, "veth0", 9, true);
	make_route(&m[1], RTM_NEWROUTE, 0, "10.0.0.0", 8, "192.0.2.1", 4, 50);
	make_neigh(&m[2], RTM_NEWNEIGH, "fe80::1", 3, NUD_STALE, 5);
	make_route(&m[3], RTM_NEWROUTE, 0, "2001:db8::", 32, "fe80::1", 4, 50);
	for (size_t k = 0; k < ZS_ARRAY_LEN(m); k++)
		for (size_t cut = 0; cut <= m[k].len; cut++) {
			uint8_t *exact = malloc(cut ? cut : 1);

			memcpy(exact, m[k].b, cut);
			size_t used = zs_nl_parse(exact, cut, &out);
			assert_int_equal(used, cut == m[k].len ? cut : 0);
			if (cut >= 16) { /* the header believes in the shorter length */
				*(uint32_t *)exact = (uint32_t)cut;
				assert_int_equal(zs_nl_parse(exact, cut, &out), cut);
			}
			for (size_t i = 0; cut == m[k].len && i < cut; i++)
				for (size_t v = 0; v < sizeof(nasty); v++) {
					uint8_t old = exact[i];
					exact[i] = nasty[v];
					assert_true(zs_nl_parse(exact, cut, &out) <= cut);
					exact[i] = old;
				}
			free(exact);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse_link),	cmocka_unit_test(test_parse_route),
		cmocka_unit_test(test_parse_multipath), cmocka_unit_test(test_parse_many),
		cmocka_unit_test(test_hostile),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
