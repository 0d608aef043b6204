/* QSBR: epochs, workers that are offline, and a writer that reuses memory under a reader. */
#include "unit/lib/shm_test.h"

#include <pthread.h>
#include "base/check.h"
#include "shm/qsbr.h"

static void test_epochs(void **state)
{
	struct zs_qsbr_cell cell[3] = { 0 };
	_Atomic uint64_t epoch = 0;

	(void)state;
	assert_true(zs_qsbr_passed(cell, 0, 1));
	uint64_t e = zs_qsbr_start(&epoch);
	assert_int_equal(e, 1);
	assert_true(zs_qsbr_passed(cell, 3, e)); /* nobody is online */
	zs_qsbr_online(&cell[1], &epoch);
	assert_true(zs_qsbr_passed(cell, 3, e)); /* it came after */
	e = zs_qsbr_start(&epoch);
	assert_false(zs_qsbr_passed(cell, 3, e));
	zs_qsbr_quiescent(&cell[0], &epoch);
	assert_false(zs_qsbr_passed(cell, 3, e));
	zs_qsbr_quiescent(&cell[1], &epoch);
	assert_true(zs_qsbr_passed(cell, 3, e));
	uint64_t later = zs_qsbr_start(&epoch);
	assert_true(zs_qsbr_passed(cell, 3, e)); /* passed stays passed */
	assert_false(zs_qsbr_passed(cell, 3, later));
	zs_qsbr_offline(&cell[0]);
	zs_qsbr_offline(&cell[1]);
	assert_true(zs_qsbr_passed(cell, 3, later));
}

#define SLOTS 4
struct world {
	struct zs_qsbr_cell cell;
	_Atomic uint64_t epoch;
	_Atomic uint32_t current; /* the slot a reader may follow */
	uint64_t slot[SLOTS][2];  /* plain memory: TSan sees a reuse that comes too early */
	_Atomic bool done;
	_Atomic uint64_t reads;
	uint64_t torn;
};

static void *reader(void *arg)
{
	struct world *w = arg;

	zs_qsbr_online(&w->cell, &w->epoch);
	while (!atomic_load(&w->done)) {
		uint32_t i = atomic_load_explicit(&w->current, memory_order_acquire);
		w->torn += w->slot[i][0] != w->slot[i][1];
		if (atomic_fetch_add_explicit(&w->reads, 1, memory_order_relaxed) % 1000 == 0) {
			zs_qsbr_offline(&w->cell);
			zs_qsbr_online(&w->cell, &w->epoch);
		} else {
			zs_qsbr_quiescent(&w->cell, &w->epoch);
		}
	}
	zs_qsbr_offline(&w->cell);
	return NULL;
}

static void test_reuse_under_a_reader(void **state)
{
	struct world *w = aligned_alloc(64, ZS_ALIGN_UP(sizeof(*w), 64));
	pthread_t thread;

	(void)state;
	memset(w, 0, sizeof(*w));
	assert_int_equal(pthread_create(&thread, NULL, reader, w), 0);
	while (atomic_load(&w->reads) == 0)
		sched_yield();
	for (uint64_t n = 1; n < ROUNDS(200000); n++) {
		uint32_t next = (atomic_load(&w->current) + 1) % SLOTS;
		w->slot[next][0] = n; /* free since the grace period before */
		w->slot[next][1] = n;
		atomic_store_explicit(&w->current, next, memory_order_release);
		if (n % (SLOTS - 1) == 0) {
			uint64_t target = zs_qsbr_start(&w->epoch);
			while (!zs_qsbr_passed(&w->cell, 1, target))
				sched_yield();
		}
	}
	atomic_store(&w->done, true);
	pthread_join(thread, NULL);
	assert_int_equal(w->torn, 0);
	free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_epochs),
		cmocka_unit_test(test_reuse_under_a_reader),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
