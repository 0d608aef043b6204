/* A worker's copy of the own addresses. */
#include "dp_rig.h"

static void put(struct rig *r, uint32_t index, const char *addr, uint8_t len, uint8_t iface, uint16_t vlan)
{
	struct zs_local l = {
		.used = 1, .iface = iface, .vlan = vlan, .prefix_len = len, .addr = rig_addr(addr)
	};

	assert_int_equal(zs_tables_set_local(&r->writer, index, &l), 0);
}

static void loaded(struct rig *r, struct zs_locals *l)
{
	for (uint32_t i = 0; i < ZS_LOCALS_MAX; i++)
		zs_tables_set_local(&r->writer, i, NULL);
	put(r, 0, "192.0.2.1", 120, 0, 0);
	put(r, 1, "192.0.2.1", 120, 0, 7); /* the same address behind a tag is another one */
	put(r, 2, "192.0.2.129", 121, 0, 0);
	put(r, 3, "198.51.100.0", 127, 1, 0); /* a /31 has no broadcast address */
	put(r, 9, "2001:db8::1", 64, 1, 0);
	put(r, 63, "203.0.113.9", 128, 1, 0);
	zs_locals_load(l, &r->writer, NULL);
}

static void found(void **state)
{
	static const struct {
		const char *addr;
		uint8_t iface;
		uint16_t vlan;
		int index;
		bool has;
	} rows[] = {
		{ "192.0.2.1", 0, 0, 0, true },	   { "192.0.2.1", 0, 7, 1, true },
		{ "192.0.2.1", 1, 0, -1, true },   { "192.0.2.1", 0, 8, -1, true },
		{ "192.0.2.2", 0, 0, -1, false },  { "192.0.2.129", 0, 0, 2, true },
		{ "2001:db8::1", 1, 0, 9, true },  { "2001:db8::1", 0, 0, -1, true },
		{ "203.0.113.9", 1, 0, 63, true }, { "::", 0, 0, -1, false },
	};
	struct rig *r = *state;
	struct zs_locals l;

	loaded(r, &l);
	assert_int_equal(l.count, 6);
	for (size_t i = 0; i < ZS_ARRAY_LEN(rows); i++) {
		struct zs_addr a = rig_addr(rows[i].addr);

		assert_true(!rows[i].has || zs_locals_near(&l, &a));
		if (zs_locals_find(&l, &a, rows[i].iface, rows[i].vlan) != rows[i].index ||
		    zs_locals_has(&l, &a) != rows[i].has)
			fail_msg("row %zu: %s", i, rows[i].addr);
	}
	zs_locals_load(&l, NULL, NULL);
	assert_int_equal(l.count, 0);
	assert_false(zs_locals_has(&l, &(struct zs_addr){ 0 }));
}

static void broadcasts(void **state)
{
	static const struct {
		const char *addr;
		uint8_t iface;
		uint16_t vlan;
		bool is;
	} rows[] = {
		{ "192.0.2.255", 0, 0, true },	 { "192.0.2.0", 0, 0, true },
		{ "192.0.2.128", 0, 0, true },	 { "192.0.2.127", 0, 0, false },
		{ "192.0.2.255", 1, 0, false },	 { "192.0.2.255", 0, 7, true },
		{ "192.0.2.128", 0, 7, false },	 { "198.51.100.0", 1, 0, false },
		{ "198.51.100.1", 1, 0, false }, { "203.0.113.9", 1, 0, false },
		{ "2001:db8::", 1, 0, false },
	};
	struct rig *r = *state;
	struct zs_locals l;

	loaded(r, &l);
	for (size_t i = 0; i < ZS_ARRAY_LEN(rows); i++) {
		struct zs_addr a = rig_addr(rows[i].addr);

		assert_true(!rows[i].is || zs_locals_near(&l, &a));
		if (zs_locals_broadcast(&l, &a, rows[i].iface, rows[i].vlan) != rows[i].is)
			fail_msg("row %zu: %s", i, rows[i].addr);
	}
}

static void picked(void **state)
{
	struct rig *r = *state;
	struct zs_locals l;
	struct zs_addr a;

	loaded(r, &l);
	a = rig_addr("192.0.2.200");
	assert_int_equal(zs_locals_pick(&l, &a, 0, 0), 0); /* the first whose prefix holds it */
	a = rig_addr("8.8.8.8");
	assert_int_equal(zs_locals_pick(&l, &a, 0, 0), 0); /* none: the first of the family */
	assert_int_equal(zs_locals_pick(&l, &a, 1, 0), 3);
	assert_int_equal(zs_locals_pick(&l, &a, 0, 7), 1);
	assert_int_equal(zs_locals_pick(&l, &a, 0, 9), ZS_LOCAL_NONE);
	a = rig_addr("2001:db8::9");
	assert_int_equal(zs_locals_pick(&l, &a, 1, 0), 9);
	assert_int_equal(zs_locals_pick(&l, &a, 0, 0), ZS_LOCAL_NONE);
}

/* A full house: every address is found, whatever its hash. */
static void all_of_them(void **state)
{
	struct rig *r = *state;
	struct zs_locals l;

	for (uint32_t i = 0; i < ZS_LOCALS_MAX; i++) {
		char text[32];

		snprintf(text, sizeof(text), "192.0.2.%u", i * 3 + 1);
		put(r, i, text, 120, 0, 0);
	}
	zs_locals_load(&l, &r->writer, NULL);
	for (int i = 0; i < ZS_LOCALS_MAX; i++)
		assert_int_equal(zs_locals_find(&l, &l.entry[i].addr, 0, 0), i);
}

/* Behind 1:1 NAT: looked at more closely, as our own are. */
static void announced(void **state)
{
	struct rig *r = *state;
	struct zs_conf conf = { .attach = { .announces = 2 } };
	struct zs_locals l;

	conf.attach.announce[0] = rig_addr("203.0.113.77");
	conf.attach.announce[1] = rig_addr("2001:db8:77::1");
	put(r, 0, "192.0.2.1", 120, 0, 0);
	zs_locals_load(&l, &r->writer, &conf);
	for (uint32_t i = 0; i < conf.attach.announces; i++) {
		assert_true(zs_locals_near(&l, &conf.attach.announce[i]));
		assert_true(zs_locals_announced(&conf, &conf.attach.announce[i]));
		assert_false(zs_locals_has(&l, &conf.attach.announce[i]));
	}
	assert_false(zs_locals_announced(&conf, &l.entry[0].addr));
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)
	const struct CMUnitTest tests[] = { T(found), T(broadcasts), T(picked), T(all_of_them),
					    T(announced) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
