/* The event ring: order, loss, hostile indices, two threads. */
#include "unit/lib/shm_test.h"

#include <pthread.h>
#include "base/check.h"
#include "shm/ring.h"

#define CAPACITY 64

struct world {
	struct zs_ring_producer p;
	struct zs_ring_consumer c;
	uint64_t guard_before[8];
	uint64_t entries[CAPACITY][8];
	uint64_t guard_after[8];
	struct zs_ring producer, consumer;
};

static struct world *make(void)
{
	struct world *w = aligned_alloc(64, ZS_ALIGN_UP(sizeof(*w), 64));
	memset(w, 0, sizeof(*w));
	zs_ring_open(&w->producer, &w->p, &w->c, w->entries, CAPACITY);
	zs_ring_open(&w->consumer, &w->p, &w->c, w->entries, CAPACITY);
	return w;
}

static bool push(struct world *w, uint64_t n)
{
	uint64_t e[8] = { n, 1, 2, 3, 4, 5, 6, ~n };
	return zs_ring_push(&w->producer, e);
}

static bool pop(struct world *w, uint64_t *n)
{
	uint64_t e[8];
	if (!zs_ring_pop(&w->consumer, e))
		return false;
	assert_int_equal(e[7], ~e[0]);
	*n = e[0];
	return true;
}

static void test_order_and_loss(void **state)
{
	struct scratch *s = *state;
	struct world *w = make();
	uint64_t in = 0, out = 0, n, lost = 0;

	for (uint32_t i = 0; i < ROUNDS(1000000); i++) {
		assert_int_equal(zs_ring_count(&w->consumer), in - out);
		if (draw(&s->rng) % 100 < 50 + 30 * ((i / 1000) % 2)) {
			bool fits = in - out < CAPACITY;
			assert_int_equal(push(w, in), fits);
			in += fits;
			lost += !fits;
		} else {
			assert_int_equal(pop(w, &n), in != out);
			if (in != out)
				assert_int_equal(n, out++);
		}
	}
	assert_true(lost > 0);
	assert_int_equal(atomic_load(&w->p.lost), lost);
	free(w);
}

static void test_half_a_ring(void **state)
{
	struct world *w = make();
	uint64_t e[8] = { 0 };

	(void)state;
	w->producer.consumer = NULL;
	assert_false(zs_ring_push(&w->producer, e));
	assert_int_equal(atomic_load(&w->p.lost), 0);
	w->consumer.producer = NULL;
	assert_false(zs_ring_pop(&w->consumer, e));
	assert_int_equal(zs_ring_count(&w->consumer), 0);
	free(w);
}

static void test_consumer_far_behind(void **state)
{
	struct world *w = make();
	uint64_t n;

	(void)state;
	atomic_store(&w->p.head, 1000000); /* the consumer's segment was made anew */
	assert_int_equal(zs_ring_count(&w->consumer), 0);
	assert_true(push(w, 7)); /* the producer does not wait for it */
	assert_false(pop(w, &n));
	assert_int_equal(atomic_load(&w->c.resets), 1);
	assert_true(push(w, 8));
	assert_true(pop(w, &n));
	assert_int_equal(n, 8);
	atomic_store(&w->p.head, 5); /* the producer's was */
	assert_false(pop(w, &n));
	assert_true(push(w, 9));
	assert_true(pop(w, &n));
	assert_int_equal(n, 9);
	free(w);
}

static void test_hostile_indices(void **state)
{
	struct scratch *s = *state;
	struct world *w = make();
	uint64_t e[8];

	for (uint32_t i = 0; i < ROUNDS(1000000); i++) {
		if (draw(&s->rng) % 2)
			atomic_store(&w->p.head, draw(&s->rng) >> (draw(&s->rng) % 64));
		if (draw(&s->rng) % 2)
			atomic_store(&w->c.tail, draw(&s->rng) >> (draw(&s->rng) % 64));
		zs_ring_push(&w->producer, e);
		for (uint32_t k = 0; zs_ring_pop(&w->consumer, e); k++)
			assert_in_range(k, 0, CAPACITY);
		assert_in_range(zs_ring_count(&w->consumer), 0, CAPACITY);
	}
	for (int i = 0; i < 8; i++)
		assert_int_equal(w->guard_before[i] + w->guard_after[i], 0);
	free(w);
}

#define PASSED ROUNDS(5000000u)

static void *produce(void *arg)
{
	struct world *w = arg;
	for (uint64_t i = 0; i < PASSED; i++)
		while (!push(w, i))
			sched_yield();
	return NULL;
}

/* A producer that tries again: everything arrives once, whole and in order. */
static void test_two_threads(void **state)
{
	struct world *w = make();
	pthread_t thread;
	uint64_t n;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, produce, w), 0);
	for (uint64_t next = 0; next < PASSED;) {
		if (!pop(w, &n)) {
			sched_yield();
			continue;
		}
		if (n != next++)
			fail_msg("%lu where %lu was due", (unsigned long)n, (unsigned long)(next - 1));
	}
	pthread_join(thread, NULL);
	assert_int_equal(atomic_load(&w->c.resets), 0);
	assert_false(pop(w, &n));
	free(w);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, scratch_setup, scratch_teardown)
	const struct CMUnitTest tests[] = {
		T(test_order_and_loss),	 T(test_half_a_ring), T(test_consumer_far_behind),
		T(test_hostile_indices), T(test_two_threads),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
