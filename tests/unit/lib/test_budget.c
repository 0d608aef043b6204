/* Budgets: what is counted, what is refused, what stays. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>
#include "base/budget.h"

static void test_counts_and_refuses(void **state)
{
	struct zs_budget b = { .limit = 4096 };
	char *p = zs_budget_calloc(&b, 10, 100), *q;

	assert_non_null(p);
	assert_true(b.used >= 1000 && b.used == b.most && !b.refused);
	for (int i = 0; i < 1000; i++)
		assert_int_equal(p[i], 0);
	assert_null(zs_budget_calloc(&b, 1, 4096));
	assert_int_equal(b.refused, 1);
	assert_null(zs_budget_calloc(&b, SIZE_MAX / 2, 3)); /* as a product it would be small */
	assert_int_equal(b.refused, 2);
	p[999] = 7;
	assert_null(zs_budget_realloc(&b, p, 8192));
	assert_int_equal(b.refused, 3);
	assert_int_equal(p[999], 7); /* as it was */
	q = zs_budget_realloc(&b, p, 2000);
	assert_non_null(q);
	assert_int_equal(q[999], 7);
	assert_true(b.used >= 2000 && b.used < 4096);
	zs_budget_free(&b, q);
	assert_int_equal(b.used, 0);
	assert_true(b.most >= 2000);
	zs_budget_free(&b, NULL);
	assert_int_equal(b.used, 0);
}

/* What has to be there is taken beyond the limit, and counts against what is asked for. */
static void test_own_and_lowered_limit(void **state)
{
	struct zs_budget b = { .limit = 1000 };
	void *p = zs_budget_own(&b, calloc(1, 5000));

	assert_true(b.used >= 5000 && !b.refused);
	assert_null(zs_budget_calloc(&b, 1, 1));
	b.limit = 0;
	void *q = zs_budget_calloc(&b, 1, 1 << 20);
	assert_non_null(q);
	b.limit = 1;
	assert_null(zs_budget_calloc(&b, 1, 1));
	q = zs_budget_realloc(&b, q, 100); /* less is always had */
	assert_non_null(q);
	zs_budget_free(&b, q);
	zs_budget_free(&b, p);
	assert_int_equal(b.used, 0);
	assert_null(zs_budget_own(&b, NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_counts_and_refuses),
		cmocka_unit_test(test_own_and_lowered_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
