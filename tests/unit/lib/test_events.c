/* Event segments: both orders of start, both restarts, replaced files. */
#include "unit/lib/shm_test.h"

#include "base/check.h"
#include "shm/events.h"

static const struct zs_events_shape shape = { .capacity = 64 };

static bool push(struct zs_events *e, uint32_t ring, uint16_t port)
{
	struct zs_event event = { .kind = ZS_EVENT_FLOW_NEW, .port = port };
	return zs_ring_push(&e->ring[ring], &event);
}

static int pop(struct zs_events *e, uint32_t ring)
{
	struct zs_event event;
	return zs_ring_pop(&e->ring[ring], &event) ? event.port : -1;
}

static void test_producer_first(void **state)
{
	struct scratch *s = *state;
	struct zs_events p, c, other;
	struct zs_error err;

	assert_int_equal(zs_events_open_producer(&p, s->dir, &shape, &err), 0);
	assert_int_equal(zs_events_link(&p, s->dir), -ENOENT);
	assert_false(push(&p, 0, 1)); /* nobody to read it */
	assert_int_equal(zs_events_open_consumer(&c, s->dir, &err), 0);
	assert_int_equal(zs_events_open_consumer(&other, s->dir, &err), -EBUSY);
	assert_int_equal(zs_events_open_producer(&other, s->dir, &shape, &err), -EBUSY);
	assert_int_equal(pop(&c, 0), -1);
	assert_int_equal(zs_events_link(&p, s->dir), 0);
	assert_true(push(&p, 3, 7));
	assert_true(push(&p, 15, 8));
	assert_int_equal(pop(&c, 3), 7);
	assert_int_equal(pop(&c, 15), 8);
	assert_int_equal(pop(&c, 0), -1);
	zs_events_close(&p);
	zs_events_close(&c);
}

static void test_consumer_first_and_restarts(void **state)
{
	struct scratch *s = *state;
	struct zs_events p, c;
	struct zs_error err;

	assert_int_equal(zs_events_open_consumer(&c, s->dir, &err), 0);
	assert_int_equal(pop(&c, 0), -1);
	assert_int_equal(zs_events_link(&c, s->dir), -ENOENT);
	assert_int_equal(zs_events_open_producer(&p, s->dir, &shape, &err), 0);
	assert_int_equal(zs_events_link(&c, s->dir), 0);
	assert_true(push(&p, 0, 1) && push(&p, 0, 2) && push(&p, 0, 3));
	assert_int_equal(pop(&c, 0), 1);
	zs_events_close(&c); /* the control plane restarts: it goes on where it was */
	assert_int_equal(zs_events_open_consumer(&c, s->dir, &err), 0);
	assert_int_equal(pop(&c, 0), 2);
	zs_events_close(&p); /* the dataplane restarts */
	assert_int_equal(zs_events_open_producer(&p, s->dir, &shape, &err), 0);
	assert_true(push(&p, 0, 4));
	assert_int_equal(pop(&c, 0), 3);
	assert_int_equal(pop(&c, 0), 4);
	zs_events_close(&p);
	zs_events_close(&c);
}

static void test_replaced_files(void **state)
{
	struct scratch *s = *state;
	struct zs_events p, c;
	struct zs_error err;

	assert_int_equal(zs_events_open_consumer(&c, s->dir, &err), 0);
	assert_int_equal(zs_events_open_producer(&p, s->dir, &shape, &err), 0);
	assert_int_equal(zs_events_link(&c, s->dir), 0);
	for (uint16_t round = 1; round < 5; round++) {
		zs_events_close(&c);
		assert_int_equal(zs_segment_delete(s->dir, &zs_eventack_kind), 0);
		assert_int_equal(zs_events_open_consumer(&c, s->dir, &err), 0);
		assert_int_equal(zs_events_link(&p, s->dir), 0);
		pop(&c, 0); /* a reset, when the producer is ahead */
		assert_true(push(&p, 0, round));
		int got;
		do
			got = pop(&c, 0);
		while (got != -1 && got != round);
		assert_int_equal(got, round);
		zs_events_close(&p);
		assert_int_equal(zs_segment_delete(s->dir, &zs_events_kind), 0);
		assert_int_equal(
		    zs_events_open_producer(&p, s->dir, &(struct zs_events_shape){ 64u << round }, &err), 0);
		assert_int_equal(zs_events_link(&c, s->dir), 0);
		assert_int_equal(c.ring[0].capacity, 64u << round);
		pop(&c, 0);
		assert_true(push(&p, 0, (uint16_t)(round + 100)));
		assert_int_equal(pop(&c, 0), round + 100);
	}
	zs_events_close(&p);
	zs_events_close(&c);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, scratch_setup, scratch_teardown)
	const struct CMUnitTest tests[] = {
		T(test_producer_first),
		T(test_consumer_first_and_restarts),
		T(test_replaced_files),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
