/* Deny and allow lists against a naive model that walks the rules, garbage in the region, and a file of a build that
 * had no such region. */
#include "unit/lib/shm_test.h"

#include "base/check.h"
#include "shm/acl.h"
#include "shm/tables.h"

#define MOST 1000u

struct rig {
	struct zs_acl acl;
	void *region;
	size_t size;
};

static void make(struct rig *r, uint32_t rules)
{
	r->size = zs_acl_footprint(rules);
	r->region = aligned_alloc(64, r->size);
	assert_non_null(r->region);
	memset(r->region, 0, r->size);
	assert_int_equal(zs_acl_bind(&r->acl, r->region, r->size), 0);
	assert_true(r->acl.rules_max >= rules);
	zs_acl_new(&r->acl);
}

/* The longest prefix with a word for the direction. */
static uint8_t naive(const struct zs_acl_rule *rules, uint32_t n, const struct zs_addr *a)
{
	uint8_t denied = 0;

	for (int way = ZS_ACL_IN; way <= ZS_ACL_OUT; way++) {
		int best = -1;

		for (uint32_t i = 0; i < n; i++) {
			const struct zs_acl_rule *r = &rules[i];
			/* ::/0 says nothing about IPv4. */
			bool same = zs_addr_is4(a) == (zs_addr_is4(&r->prefix.addr) && r->prefix.len >= 96);

			if (!same || !((r->deny | r->allow) & way) || r->prefix.len <= best ||
			    !zs_prefix_has(&r->prefix, a))
				continue;
			best = r->prefix.len;
			denied = (uint8_t)((denied & ~way) | (r->deny & way));
		}
	}
	return denied;
}

/* Crowded: few values in few bytes, so that prefixes lie inside and beside each other. */
static struct zs_addr some(uint64_t *rng)
{
	static const uint8_t values[] = { 0, 1, 0x7f, 0x80, 0xfe, 0xff };
	struct zs_addr a = { .ip = { [0] = draw(rng) % 4 ? 0x20 : (uint8_t)draw(rng) } };

	if (draw(rng) % 2)
		return zs_addr_from4((uint32_t)values[draw(rng) % 6] | (uint32_t)values[draw(rng) % 6] << 8 |
				     (uint32_t)values[draw(rng) % 6] << 16 |
				     (uint32_t)values[draw(rng) % 6] << 24);
	for (int i = 1; i < 16; i++)
		a.ip[i] = draw(rng) % 3 ? 0 : values[draw(rng) % 6];
	return a;
}

static void mask(struct zs_prefix *p)
{
	for (unsigned bit = p->len; bit < 128; bit++)
		p->addr.ip[bit / 8] &= (uint8_t) ~(0x80u >> bit % 8);
}

static struct zs_acl_rule rule(uint64_t *rng)
{
	struct zs_acl_rule r = { .prefix = { .addr = some(rng) } };
	bool four = zs_addr_is4(&r.prefix.addr);

	r.prefix.len = (uint8_t)(four ? 96 + draw(rng) % 33 : draw(rng) % 129);
	mask(&r.prefix);
	do {
		r.deny = (uint8_t)(draw(rng) % 4);
		r.allow = (uint8_t)(draw(rng) % 4 & ~r.deny);
	} while (!(r.deny | r.allow));
	return r;
}

static bool there(const struct zs_acl_rule *rules, uint32_t n, const struct zs_prefix *p)
{
	for (uint32_t i = 0; i < n; i++)
		if (rules[i].prefix.len == p->len && zs_addr_eq(&rules[i].prefix.addr, &p->addr))
			return true;
	return false;
}

static uint32_t draw_rules(struct zs_acl_rule *rules, uint32_t want, uint64_t *rng)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < want; i++) {
		rules[n] = rule(rng);
		n += !there(rules, n, &rules[n].prefix);
	}
	return n;
}

static void compare(const struct rig *r, const struct zs_acl_rule *rules, uint32_t n, const struct zs_addr *a)
{
	zs_acl_view v = zs_acl_look(&r->acl);
	uint8_t want = naive(rules, n, a), got = v ? zs_acl_denied(v, a) : 0;
	char text[ZS_ADDR_TEXT];

	if (got != want)
		fail_msg("%s: %u, wanted %u (%u rules)", zs_addr_format(a, text), got, want, n);
}

/* The first and the last address of each rule, and those beside them. */
static void compare_edges(const struct rig *r, const struct zs_acl_rule *rules, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		struct zs_addr a = rules[i].prefix.addr;

		compare(r, rules, n, &a);
		for (unsigned bit = rules[i].prefix.len; bit < 128; bit++)
			a.ip[bit / 8] |= (uint8_t)(0x80u >> bit % 8);
		compare(r, rules, n, &a);
		for (int at = 15; at >= 0 && ++a.ip[at] == 0; at--)
			;
		compare(r, rules, n, &a);
		a = rules[i].prefix.addr;
		for (int at = 15; at >= 0 && a.ip[at]-- == 0; at--)
			;
		compare(r, rules, n, &a);
	}
}

static void test_model(void **state)
{
	struct scratch *sc = *state;
	struct zs_acl_rule *rules = calloc(MOST, sizeof(*rules));
	struct rig r;

	make(&r, MOST);
	for (uint32_t round = 0; round < ROUNDS(200); round++) {
		uint32_t n = draw_rules(rules, (uint32_t)draw(&sc->rng) % (round % 8 ? 40 : 400), &sc->rng);

		assert_int_equal(zs_acl_put(&r.acl, rules, n), 0);
		assert_int_equal(zs_acl_rules(&r.acl), n);
		assert_int_equal(zs_acl_check(&r.acl), 0);
		compare_edges(&r, rules, n);
		for (int i = 0; i < 500; i++) {
			struct zs_addr a = some(&sc->rng);
			compare(&r, rules, n, &a);
		}
	}
	free(r.region);
	free(rules);
}

/* As many as there is room for, no two beside each other, so that each makes two ranges. */
static void test_full(void **state)
{
	struct rig r;
	struct zs_acl_rule *rules;
	uint32_t n;

	make(&r, 1000);
	n = r.acl.rules_max;
	rules = calloc(n + 1, sizeof(*rules));
	for (int four = 0; four < 2; four++) {
		struct zs_addr a;

		for (uint32_t i = 0; i <= n; i++) {
			rules[i] = (struct zs_acl_rule){ .prefix.len = 128, .deny = ZS_ACL_IN };
			rules[i].prefix.addr = zs_addr_from4(__builtin_bswap32(2 * i + 1));
			if (!four)
				rules[i].prefix.addr.ip[0] = 0x20;
		}
		assert_int_equal(zs_acl_put(&r.acl, rules, n + 1), -E2BIG);
		assert_int_equal(zs_acl_put(&r.acl, rules, n), 0);
		assert_int_equal(zs_acl_check(&r.acl), 0);
		for (uint32_t i = 0; i < n; i++) {
			compare(&r, rules, n, &rules[i].prefix.addr);
			a = rules[i].prefix.addr;
			a.ip[15]++;
			compare(&r, rules, n, &a);
		}
	}
	free(rules);
	free(r.region);
}

static void test_refused(void **state)
{
	static const struct {
		const char *prefix[2];
		uint8_t deny[2], allow[2];
		int rc;
	} rows[] = {
		{ { "10.0.0.0/8", "10.0.0.0/8" }, { 1, 2 }, { 0, 0 }, -EINVAL },
		{ { "10.0.0.0/8", "10.0.0.0/9" }, { 1, 1 }, { 0, 0 }, 0 },
		{ { "10.0.0.0/8", "11.0.0.0/8" }, { 1, 1 }, { 1, 0 }, -EINVAL },
		{ { "10.0.0.0/8", "11.0.0.0/8" }, { 1, 0 }, { 0, 0 }, -EINVAL },
		{ { "10.0.0.0/8", "11.0.0.0/8" }, { 1, 4 }, { 0, 0 }, -EINVAL },
		{ { "0.0.0.0/0", "::/0" }, { 3, 3 }, { 0, 0 }, 0 },
	};
	struct rig r;

	make(&r, 64);
	for (size_t i = 0; i < ZS_ARRAY_LEN(rows); i++) {
		struct zs_acl_rule rules[2] = { 0 };
		uint32_t before = zs_acl_rules(&r.acl);

		for (int k = 0; k < 2; k++) {
			assert_int_equal(zs_prefix_parse(&rules[k].prefix, rows[i].prefix[k]), 0);
			rules[k].deny = rows[i].deny[k];
			rules[k].allow = rows[i].allow[k];
		}
		assert_int_equal(zs_acl_put(&r.acl, rules, 2), rows[i].rc);
		assert_int_equal(zs_acl_rules(&r.acl), rows[i].rc ? before : 2);
	}
	free(r.region);
}

/* A view that a worker took stays what it was while the other half is filled. */
static void test_turns(void **state)
{
	struct zs_acl_rule deny = { .prefix = { zs_addr_from4(0), 96 }, .deny = ZS_ACL_IN };
	struct zs_addr a = zs_addr_from4(7);
	zs_acl_view old;
	struct rig r;

	make(&r, 64);
	assert_null(zs_acl_look(&r.acl));
	assert_int_equal(zs_acl_put(&r.acl, &deny, 1), 0);
	old = zs_acl_look(&r.acl);
	assert_int_equal(zs_acl_denied(old, &a), ZS_ACL_IN);
	deny.deny = ZS_ACL_OUT;
	assert_int_equal(zs_acl_put(&r.acl, &deny, 1), 0);
	assert_int_equal(zs_acl_denied(old, &a), ZS_ACL_IN);
	assert_int_equal(zs_acl_denied(zs_acl_look(&r.acl), &a), ZS_ACL_OUT);
	assert_int_equal(zs_acl_put(&r.acl, NULL, 0), 0);
	assert_null(zs_acl_look(&r.acl)); /* nothing listed costs nothing */
	free(r.region);
}

/* Nothing in the region is believed: its bytes are a heap block's, ASan sees one too far. */
static void test_garbage(void **state)
{
	struct scratch *sc = *state;
	struct zs_acl_rule *rules = calloc(MOST, sizeof(*rules));
	struct rig r;

	make(&r, 64);
	for (uint32_t round = 0; round < ROUNDS(3000); round++) {
		if (round % 100 == 0)
			assert_int_equal(zs_acl_put(&r.acl, rules, draw_rules(rules, 60, &sc->rng)), 0);
		for (int i = 0; i < 64; i++) {
			uint32_t at = (uint32_t)(draw(&sc->rng) % (r.size / 4)),
				 bad = (uint32_t)draw(&sc->rng);

			((uint32_t *)r.region)[at] = draw(&sc->rng) % 2 ? bad : bad % 4096;
		}
		((struct zs_acl_head *)r.region)->format = draw(&sc->rng) % 16 ? 1 : 2;
		zs_acl_rules(&r.acl);
		for (int i = 0; i < 50; i++) {
			struct zs_addr a = some(&sc->rng);
			zs_acl_view v = zs_acl_look(&r.acl);

			if (!v)
				continue;
			zs_acl_prefetch(v, &a);
			assert_true(zs_acl_denied(v, &a) <= (ZS_ACL_IN | ZS_ACL_OUT));
		}
	}
	free(rules);
	free(r.region);
}

static void test_sizes(void **state)
{
	struct zs_acl acl;
	size_t good = zs_acl_footprint(5000);
	void *region = aligned_alloc(64, good);

	for (size_t size = good - 200; size < good; size++)
		assert_int_equal(zs_acl_bind(&acl, region, size), -EPROTO);
	assert_int_equal(zs_acl_bind(&acl, region, good), 0);
	assert_int_equal(zs_acl_bind(&acl, region, 0), -EPROTO);
	assert_int_equal(zs_acl_bind(&acl, NULL, good), -EPROTO);
	free(region);
}

/* --- the tables segment ------------------------------------------------------------------- */

static uint32_t fields_before(struct zs_segment_field *out, const void *shape)
{
	return zs_tables_kind.fields(out, shape) - 1; /* @acl is the last */
}

static void test_file_before(void **state)
{
	struct scratch *sc = *state;
	struct zs_tables_shape shape = { .routes = 64, .nexthops = 64, .rules = 64 };
	struct zs_segment_kind before = zs_tables_kind;
	struct zs_acl_rule deny = { .prefix = { zs_addr_from4(0), 96 }, .deny = ZS_ACL_IN };
	struct zs_published p = { .used = 1, .target = zs_addr_from4(9), .target_port = 53 };
	struct zs_tables t = { 0 }, reader;
	struct zs_error err = { 0 };
	uint64_t epoch, change;
	bool fresh;

	before.fields = fields_before;
	assert_int_equal(zs_segment_new(&t.seg, sc->dir, &before, &shape, &err), 0);
	assert_int_equal(zs_tables_bind(&t), 0);
	assert_null(t.acl.head);
	zs_tables_set_stop(&t, false);
	assert_int_equal(zs_tables_set_published(&t, 443, &p), 0);
	assert_int_equal(zs_segment_publish(&t.seg, &err), 0);
	/* A worker of this build reads it, and nothing is denied. */
	assert_int_equal(zs_tables_open_reader(&reader, sc->dir, &err), 0);
	assert_null(zs_acl_look(&reader.acl));
	zs_segment_leave(&t.seg);
	assert_int_equal(zs_tables_open_writer(&t, sc->dir, &shape, true, &fresh, &err), 0);
	assert_false(fresh);
	assert_false(zs_tables_stopped(&t));
	assert_true(zs_segment_replaced(&reader.seg));
	zs_tables_close(&reader);
	assert_true(zs_tables_published(&t, 443, &p));
	assert_int_equal(p.target_port, 53);
	change = atomic_load(t.change);
	assert_int_equal(zs_tables_put_rules(&t, &deny, 1, &epoch), 0);
	assert_true(atomic_load(t.change) > change);
	assert_int_equal(zs_tables_open_reader(&reader, sc->dir, &err), 0);
	assert_int_equal(zs_acl_denied(zs_acl_look(&reader.acl), &p.target), ZS_ACL_IN);
	zs_tables_close(&reader);
	zs_tables_close(&t);
	/* And stays as it is from now on. */
	assert_int_equal(zs_tables_open_writer(&t, sc->dir, &shape, true, &fresh, &err), 0);
	assert_int_equal(zs_acl_rules(&t.acl), 1);
	zs_tables_close(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_model, scratch_setup, scratch_teardown),
		cmocka_unit_test(test_full),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_turns),
		cmocka_unit_test_setup_teardown(test_garbage, scratch_setup, scratch_teardown),
		cmocka_unit_test(test_sizes),
		cmocka_unit_test_setup_teardown(test_file_before, scratch_setup, scratch_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
