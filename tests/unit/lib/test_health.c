/* Health boards: raise, refresh, clear, count; a board full of garbage. */
#include "unit/lib/shm_test.h"

#include "base/check.h"
#include "shm/health.h"

static void test_raise_and_clear(void **state)
{
	struct zs_health_cell board[ZS_HEALTHS], cell;

	(void)state;
	memset(board, 0, sizeof(board));
	zs_health_read(board, ZS_HEALTH_stopped, &cell);
	assert_int_equal(cell.raised + cell.count, 0);
	zs_health_raise(board, ZS_HEALTH_stopped, "by %s", "owner");
	zs_health_read(board, ZS_HEALTH_stopped, &cell);
	assert_int_equal(cell.raised, 1);
	assert_int_equal(cell.count, 1);
	assert_string_equal(cell.detail, "by owner");
	uint64_t since = cell.since_ns;
	assert_true(since > 0);
	zs_health_raise(board, ZS_HEALTH_stopped, "%0500d", 7); /* longer than a cell: it says so */
	zs_health_read(board, ZS_HEALTH_stopped, &cell);
	assert_int_equal(cell.count, 1);
	assert_int_equal(cell.since_ns, since);
	assert_int_equal(strlen(cell.detail), 103);
	assert_string_equal(cell.detail + 98, "00...");
	zs_health_clear(board, ZS_HEALTH_stopped);
	zs_health_clear(board, ZS_HEALTH_stopped);
	zs_health_read(board, ZS_HEALTH_stopped, &cell);
	assert_int_equal(cell.raised, 0);
	assert_int_equal(cell.count, 1);
	zs_health_raise(board, ZS_HEALTH_stopped, "again");
	zs_health_read(board, ZS_HEALTH_stopped, &cell);
	assert_int_equal(cell.count, 2);
	zs_health_read(board, ZS_HEALTH_table_full, &cell);
	assert_int_equal(cell.raised, 0);
}

static void test_garbage(void **state)
{
	struct zs_health_cell board[ZS_HEALTHS], cell;

	(void)state;
	memset(board, 'x', sizeof(board)); /* even lock, endless detail */
	zs_health_read(board, ZS_HEALTH_stopped, &cell);
	assert_int_equal(strlen(cell.detail), 103);
	atomic_store(&board[ZS_HEALTH_stopped].seq, 7);
	zs_health_read(board, ZS_HEALTH_stopped, &cell);
	assert_int_equal(cell.raised, 0);
	zs_health_read(board, ZS_HEALTHS, &cell);
	assert_int_equal(cell.raised, 0);
}

static void test_info(void **state)
{
	(void)state;
	assert_string_equal(zs_health_info(ZS_HEALTH_stopped)->name, "stopped");
	assert_string_equal(zs_health_info(ZS_HEALTH_stopped)->code, "ZH004");
	assert_int_equal(zs_health_info(ZS_HEALTH_stopped)->severity, ZS_HEALTH_WARN);
	assert_string_equal(zs_health_info(ZS_HEALTHS)->name, "?");
	for (int a = 0; a < ZS_HEALTHS; a++)
		for (int b = 0; b < a; b++)
			assert_string_not_equal(zs_health_info(a)->code, zs_health_info(b)->code);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_raise_and_clear),
		cmocka_unit_test(test_garbage),
		cmocka_unit_test(test_info),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
