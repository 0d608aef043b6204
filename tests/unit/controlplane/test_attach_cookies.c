/* Secrets of BIND's cookies: drawn each minute of the wall clock, the last one beside it, the same after a restart. The dataplane's
 * half of it is tests/unit/relay/test_bind.c. */
#include <errno.h>
#include "attach_rig.h"

#include "relay/cookie.h"

static struct zs_cookie_secret secret_of(const struct world *w)
{
	struct zs_sessions reader;
	struct zs_cookie_secret v;

	assert_int_equal(zs_sessions_open_reader(&reader, w->r.c.shm_dir, NULL), 0);
	assert_true(zs_sessions_cookie_secret(&reader, &v));
	assert_true(v.step != 0);
	zs_sessions_close(&reader);
	return v;
}

static const struct zs_cookie_of *somebody(void)
{
	static const struct zs_cookie_of of = { .from.port = 4, .attachment = 7, .generation = 1 };

	return &of;
}

static void bake(const struct zs_cookie_secret *v, uint64_t wall_s, uint8_t cookie[16])
{
	zs_cookie_make(v->now, somebody(), zs_cookie_step(wall_s), cookie);
}

static bool holds(const struct world *w, const uint8_t cookie[16])
{
	struct zs_cookie_secret v = secret_of(w);
	struct zs_cookie_secrets s;

	memcpy(s.now, v.now, sizeof(s.now));
	memcpy(s.previous, v.previous, sizeof(s.previous));
	return zs_cookie_verify(&s, somebody(), zs_cookie_step(w->wall_s), cookie);
}

static void test_drawn_at_start(void **state)
{
	static const uint8_t zeros[16];
	struct zs_cookie_secret v = secret_of(*state);

	assert_int_equal(v.step, 1700000000 / 60);
	assert_memory_not_equal(v.now, zeros, 16);
	assert_memory_equal(v.previous, zeros, 16);
}

static void test_drawn_each_minute(void **state)
{
	struct world *w = *state;
	struct zs_cookie_secret last = secret_of(w), v;

	w->wall_s = 1700000040; /* a step begins */
	pass(w, ZS_NS_PER_S);
	for (int i = 0; i < 5; i++) {
		last = secret_of(w);
		pass(w, 58 * ZS_NS_PER_S);
		v = secret_of(w);
		assert_memory_equal(&v, &last, sizeof(v));
		pass(w, 2 * ZS_NS_PER_S);
		v = secret_of(w);
		assert_int_equal(v.step, last.step + 1);
		assert_memory_equal(v.previous, last.now, 16);
		assert_memory_not_equal(v.now, last.now, 16);
	}
}

/* However a control plane ends and whenever the next one comes: what the dataplane baked last before still holds for a step. */
static void test_adopted(void **state)
{
	struct world *w = *state;
	struct zs_cookie_secret before = secret_of(w), v;
	uint8_t cookie[16];

	world_restart(w);
	v = secret_of(w);
	assert_memory_equal(&v, &before, sizeof(v));
	world_close(w);
	w->wall_s += 3600; /* nobody draws; the dataplane bakes on */
	assert_true(secret_of(w).step == before.step);
	bake(&before, w->wall_s, cookie);
	assert_true(holds(w, cookie));
	world_open(w);
	assert_int_equal(secret_of(w).step, w->wall_s / 60);
	assert_true(holds(w, cookie));
	pass(w, 120 * ZS_NS_PER_S);
	assert_false(holds(w, cookie));
}

/* A clock that is set back makes a new secret too: steps are compared, not counted. */
static void test_clock_set_back(void **state)
{
	struct world *w = *state;
	struct zs_cookie_secret before = secret_of(w), v;

	w->wall_s = 30;
	zs_attach_advance(w->s, w->now, w->wall_s);
	v = secret_of(w);
	assert_int_equal(v.step, 1);
	assert_memory_equal(v.previous, before.now, 16);
}

#define T(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = { T(test_drawn_at_start), T(test_drawn_each_minute),
					    T(test_adopted), T(test_clock_set_back) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
