/* A heap of deadlines against a scan of all there are. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>

#include "base/check.h"
#include "base/deadline.h"
#include "unit/random.h"

static void deadlines_against_a_scan(void **state)
{
	struct random seed = random_new("deadlines");
	struct zs_deadline d[100] = { 0 };
	struct zs_deadlines h = { 0 };

	assert_int_equal(zs_deadlines_reserve(&h, 100), 0);
	for (int i = 0; i < 30000; i++) {
		uint64_t at = random_u64(&seed) % 4 ? random_u64(&seed) % 1000 : UINT64_MAX,
			 first = UINT64_MAX;
		uint32_t count = 0;
		zs_deadlines_set(&h, &d[random_u64(&seed) % 100], at);
		for (int k = 0; k < 100; k++) {
			if (!d[k].place)
				continue;
			count++;
			first = d[k].at < first ? d[k].at : first;
			assert_ptr_equal(h.heap[d[k].place - 1], &d[k]);
		}
		assert_int_equal(h.count, count);
		assert_int_equal(zs_deadlines_next(&h), first);
	}
	zs_deadlines_free(&h);
}

static void due_ones_leave_in_order(void **state)
{
	static const uint64_t at[] = { 30, 10, 20, 20, UINT64_MAX, 40 };
	struct zs_deadline d[ZS_ARRAY_LEN(at)] = { 0 }, *next;
	struct zs_deadlines h = { 0 };
	uint64_t last = 0;

	assert_int_equal(zs_deadlines_next(&h), UINT64_MAX);
	assert_null(zs_deadlines_due(&h, UINT64_MAX - 1));
	assert_int_equal(zs_deadlines_reserve(&h, ZS_ARRAY_LEN(at)), 0);
	for (size_t i = 0; i < ZS_ARRAY_LEN(at); i++)
		zs_deadlines_set(&h, &d[i], at[i]);
	assert_null(zs_deadlines_due(&h, 9));
	for (int i = 0; i < 4; i++) {
		uint64_t when = zs_deadlines_next(&h);

		assert_true(when >= last);
		last = when;
		next = zs_deadlines_due(&h, 30);
		assert_non_null(next);
		assert_int_equal(next->place, 0);
	}
	assert_null(zs_deadlines_due(&h, 39));
	assert_ptr_equal(zs_deadlines_due(&h, 40), &d[5]);
	assert_int_equal(h.count, 0);
	zs_deadlines_free(&h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(deadlines_against_a_scan),
		cmocka_unit_test(due_ones_leave_in_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
