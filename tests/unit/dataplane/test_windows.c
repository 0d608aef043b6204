/* The pool of replay windows: all of it is for any worker, half of it for who holds few, and two threads never hold one twice. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/check.h"
#include "windows.h"

#define WINDOWS	    64
#define ATTACHMENTS 40

static void make(struct zs_windows *p)
{
	assert_int_equal(zs_windows_new(p, WINDOWS, ATTACHMENTS), 0);
	for (uint32_t i = 0; i < WINDOWS; i++)
		zs_windows_put(p, i);
}

/* How many an attachment gets in a row. */
static uint32_t takes(struct zs_windows *p, uint32_t attachment)
{
	uint32_t n = 0;

	while (zs_windows_take(p, attachment) >= 0)
		n++;
	return n;
}

static void shares(void **state)
{
	struct zs_windows p;
	uint32_t others = 0;

	make(&p);
	assert_int_equal(takes(&p, 7), WINDOWS / 2);
	assert_int_equal(zs_windows_take(&p, ATTACHMENTS), -1);
	for (uint32_t a = 8; a < ATTACHMENTS; a++)
		others += takes(&p, a);
	assert_int_equal(others, WINDOWS / 2); /* two each, until none is left */
	assert_int_equal(atomic_load(&p.held[8]), ZS_WINDOWS_SURE);
	assert_int_equal(atomic_load(&p.left), 0);
	for (uint32_t i = 0; i < WINDOWS; i++)
		zs_windows_put(&p, i);
	for (uint32_t a = 0; a < ATTACHMENTS; a++)
		assert_int_equal(atomic_load(&p.held[a]), 0);
	assert_int_equal(takes(&p, ATTACHMENTS + 3), WINDOWS / 2); /* nobody counts them */
	assert_int_equal(takes(&p, 9), ZS_WINDOWS_SURE);
	zs_windows_delete(&p);
}

/* Those of the run before count for whom they turn out to be, once. */
static void known_ones(void **state)
{
	struct zs_windows p;

	assert_int_equal(zs_windows_new(&p, WINDOWS, ATTACHMENTS), 0);
	for (uint32_t i = 4; i < WINDOWS / 2; i++)
		zs_windows_put(&p, i);
	for (int again = 0; again < 2; again++)
		for (uint32_t i = 0; i < 4; i++)
			zs_windows_known(&p, i, 3);
	assert_int_equal(atomic_load(&p.held[3]), 4);
	assert_int_equal(zs_windows_take(&p, 3), -1);
	zs_windows_put(&p, 0);
	assert_int_equal(atomic_load(&p.held[3]), 3);
	zs_windows_delete(&p);
}

struct two {
	struct zs_windows p;
	_Atomic int mine[WINDOWS];
	_Atomic int twice;
};

static void *worker(void *ctx)
{
	struct two *t = ctx;
	int64_t have[8];

	for (uint32_t round = 0; round < 20000; round++) {
		uint32_t n = 1 + round % ZS_ARRAY_LEN(have);

		for (uint32_t i = 0; i < n; i++) {
			have[i] = zs_windows_take(&t->p, round % ATTACHMENTS);
			if (have[i] >= 0 && atomic_fetch_add(&t->mine[have[i]], 1))
				atomic_store(&t->twice, 1);
		}
		for (uint32_t i = 0; i < n; i++)
			if (have[i] >= 0) {
				atomic_fetch_sub(&t->mine[have[i]], 1);
				zs_windows_put(&t->p, (uint32_t)have[i]);
			}
	}
	return NULL;
}

static void two_workers(void **state)
{
	struct two *t = calloc(1, sizeof(*t));
	pthread_t other;

	make(&t->p);
	assert_int_equal(pthread_create(&other, NULL, worker, t), 0);
	worker(t);
	assert_int_equal(pthread_join(other, NULL), 0);
	assert_int_equal(atomic_load(&t->twice), 0);
	assert_int_equal(atomic_load(&t->p.left), WINDOWS);
	for (uint32_t a = 0; a < ATTACHMENTS; a++)
		assert_int_equal(atomic_load(&t->p.held[a]), 0);
	zs_windows_delete(&t->p);
	free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(shares), cmocka_unit_test(known_ones),
					    cmocka_unit_test(two_workers) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
