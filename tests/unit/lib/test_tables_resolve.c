/* Next hops by longest prefix: by hand, and against a naive model. */
#include "unit/lib/tables_rig.h"

static void test_resolve(void **state)
{
	struct scratch *s = *state;
	struct zs_tables w;
	struct zs_nexthop missing, n = { .iface = 2, .vlan = 7, .valid = 1 };
	struct zs_route def = {
		.len = 96, .iface = 2, .vlan = 7, .metric = 10, .gateway = addr4(0x0a0000fe)
	};
	struct zs_route net = { .len = 120, .iface = 2, .vlan = 7, .onlink = 1 };
	struct zs_addr far = addr4(0x08080808), near = addr4(0x0a000005);

	open_writer(&w, s, &small, true);
	def.dest = addr4(0);
	net.dest = addr4(0x0a000000);
	assert_int_equal(zs_tables_resolve(&w, &far, &missing), ZS_NEXTHOP_NONE);
	assert_int_equal(missing.used, 0);
	uint64_t change = atomic_load(w.change);
	assert_int_equal(zs_tables_put_route(&w, &def), 0);
	assert_int_equal(zs_tables_put_route(&w, &net), 0);
	assert_int_equal(atomic_load(w.change), change + 2);
	assert_int_equal(zs_tables_resolve(&w, &far, &missing), ZS_NEXTHOP_NONE);
	assert_true(missing.used && zs_addr_eq(&missing.addr, &def.gateway));
	assert_int_equal(missing.iface, 2);
	assert_int_equal(missing.vlan, 7);
	n.addr = def.gateway;
	assert_int_equal(zs_tables_put_nexthop(&w, &n), 0);
	uint32_t id = zs_tables_resolve(&w, &far, &missing);
	assert_true(zs_tables_nexthop(&w, id, &n));
	assert_true(zs_addr_eq(&n.addr, &def.gateway));
	assert_int_equal(zs_tables_resolve(&w, &near, &missing), ZS_NEXTHOP_NONE);
	assert_true(missing.used && zs_addr_eq(&missing.addr, &near));
	/* The lower metric wins among equals. */
	struct zs_route better = def;
	better.metric = 5;
	better.gateway = addr4(0x0a0000fd);
	assert_int_equal(zs_tables_put_route(&w, &better), 0);
	assert_int_equal(zs_tables_resolve(&w, &far, &missing), ZS_NEXTHOP_NONE);
	assert_true(zs_addr_eq(&missing.addr, &better.gateway));
	assert_int_equal(zs_tables_del_route(&w, &better), 0);
	assert_int_equal(zs_tables_resolve(&w, &far, &missing), id);
	n.valid = 0;
	assert_int_equal(zs_tables_put_nexthop(&w, &n), 0);
	assert_int_equal(zs_tables_resolve(&w, &far, &missing), id); /* unresolved, still its place */
	assert_int_equal(zs_tables_del_nexthop(&w, &n), 0);
	assert_int_equal(zs_tables_del_nexthop(&w, &n), -ENOENT);
	assert_false(zs_tables_nexthop(&w, id, &n));
	check(&w);
	zs_tables_close(&w);
}

/* --- against a naive model ----------------------------------------------------------------- */

#define MODEL 48
struct model {
	struct zs_route route[MODEL];
	bool used[MODEL];
};

static int bit(const struct zs_addr *a, uint32_t i)
{
	return a->ip[i / 8] >> (7 - i % 8) & 1;
}

static bool model_covers(const struct zs_route *r, const struct zs_addr *a)
{
	for (uint32_t i = 0; i < r->len; i++)
		if (bit(&r->dest, i) != bit(a, i))
			return false;
	return true;
}

static const struct zs_route *model_best(const struct model *m, const struct zs_addr *a)
{
	const struct zs_route *best = NULL;
	for (int i = 0; i < MODEL; i++) {
		const struct zs_route *r = &m->route[i];
		if (!m->used[i] || !model_covers(r, a))
			continue;
		if (!best || r->len > best->len || (r->len == best->len && r->metric < best->metric))
			best = r;
	}
	return best;
}

static void model_step(struct zs_tables *w, struct model *m, struct scratch *s)
{
	uint32_t i = draw(&s->rng) % MODEL;

	if (m->used[i]) {
		assert_int_equal(zs_tables_del_route(w, &m->route[i]), 0);
		m->used[i] = false;
		return;
	}
	struct zs_route r = { .len = draw(&s->rng) % 129, .iface = i % 4, .metric = i }; /* keys never meet */
	for (uint32_t k = 0; k < 16; k++) /* few distinct addresses: prefixes nest */
		r.dest.ip[k] = draw(&s->rng) % 3 == 0 ? 0x80 : 0;
	r.gateway = addr4(1000 + i);
	assert_int_equal(zs_tables_put_route(w, &r), 0);
	m->route[i] = r;
	m->used[i] = true;
}

static void test_resolve_against_model(void **state)
{
	struct scratch *s = *state;
	struct model m = { 0 };
	struct zs_tables w;
	uint32_t hits = 0;

	open_writer(&w, s, &small, true);
	for (uint32_t round = 0; round < ROUNDS(200000); round++) {
		struct zs_nexthop missing;
		struct zs_addr a;
		if (round % 4 == 0)
			model_step(&w, &m, s);
		for (uint32_t k = 0; k < 16; k++)
			a.ip[k] = draw(&s->rng) % 3 == 0 ? 0x80 : 0;
		const struct zs_route *best = model_best(&m, &a);
		assert_int_equal(zs_tables_resolve(&w, &a, &missing), ZS_NEXTHOP_NONE);
		assert_int_equal(missing.used, best != NULL);
		if (best && !zs_addr_eq(&missing.addr, &best->gateway))
			fail_msg("round %u: another route won", round);
		hits += best != NULL;
	}
	assert_true(hits > 100);
	check(&w);
	zs_tables_close(&w);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, scratch_setup, scratch_teardown)
	const struct CMUnitTest tests[] = { T(test_resolve), T(test_resolve_against_model) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
