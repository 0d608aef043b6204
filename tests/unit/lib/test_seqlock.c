/* The sequence lock: whole copies, bounded tries, repair by the next put. */
#include "unit/lib/shm_test.h"

#include <pthread.h>
#include "shm/seqlock.h"

struct entry {
	_Atomic uint32_t seq;
	uint32_t word[15];
};

static void test_put_and_get(void **state)
{
	struct entry e = { 0 }, v = { 0 }, got;

	(void)state;
	for (uint32_t i = 0; i < 15; i++)
		v.word[i] = i + 1;
	atomic_store(&v.seq, 12345); /* a value's own word is ignored */
	zs_seqlock_put(&e, &v, sizeof(e));
	assert_int_equal(atomic_load(&e.seq), 2);
	assert_true(zs_seqlock_get(&e, &got, sizeof(got)));
	assert_memory_equal(got.word, v.word, sizeof(v.word));
}

static void test_writer_inside(void **state)
{
	struct entry e = { 0 }, v = { 0 }, got;
	uint32_t before = zs_seqlock_read(&e.seq);

	(void)state;
	zs_seqlock_write_begin(&e.seq);
	assert_false(zs_seqlock_get(&e, &got, sizeof(got)));
	assert_false(zs_seqlock_good(&e.seq, before));
	assert_false(zs_seqlock_good(&e.seq, zs_seqlock_read(&e.seq)));
	zs_seqlock_write_begin(&e.seq); /* the next writer, after a kill */
	assert_int_equal(atomic_load(&e.seq) & 1, 1);
	zs_seqlock_write_end(&e.seq);
	assert_true(zs_seqlock_get(&e, &got, sizeof(got)));
	assert_false(zs_seqlock_good(&e.seq, before));
	atomic_store(&e.seq, UINT32_MAX - 1); /* it wraps */
	before = zs_seqlock_read(&e.seq);
	zs_seqlock_put(&e, &v, sizeof(e));
	assert_int_equal(atomic_load(&e.seq), 0);
	assert_false(zs_seqlock_good(&e.seq, before));
}

struct duo {
	struct entry e;
	_Atomic bool done;
	_Atomic uint64_t seen;
	uint64_t torn;
};

static void *reader(void *arg)
{
	struct duo *d = arg;
	struct entry got;

	while (!atomic_load(&d->done)) {
		if (!zs_seqlock_get(&d->e, &got, sizeof(got)))
			continue;
		atomic_fetch_add_explicit(&d->seen, 1, memory_order_relaxed);
		for (uint32_t i = 1; i < 15; i++)
			d->torn += got.word[i] != got.word[0];
	}
	return NULL;
}

static void test_two_threads(void **state)
{
	struct duo d = { 0 };
	struct entry v;
	pthread_t thread;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, reader, &d), 0);
	for (uint32_t n = 0; n < ROUNDS(5000000) || atomic_load(&d.seen) < 100; n++) {
		for (uint32_t i = 0; i < 15; i++)
			v.word[i] = n;
		zs_seqlock_put(&d.e, &v, sizeof(v));
	}
	atomic_store(&d.done, true);
	pthread_join(thread, NULL);
	assert_int_equal(d.torn, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_put_and_get),
		cmocka_unit_test(test_writer_inside),
		cmocka_unit_test(test_two_threads),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
