/* The rings of samples: in order and whole, full ones lose, another trace's samples are not taken, a scribbled ring is left. */
#include "unit/lib/shm_test.h"

#include "base/check.h"
#include "net/drop.h"
#include "shm/trace.h"

#define WORKER 3

static void both(struct zs_trace *p, struct zs_trace *c, const char *dir)
{
	struct zs_error err = { 0 };

	if (zs_trace_open_producer(p, dir, &err) || zs_trace_open_consumer(c, dir, &err))
		fail_msg("%s", err.text);
	assert_int_equal(zs_trace_link(p, dir), 0);
	zs_trace_set(c, &(struct zs_trace_want){ .serial = 7, .every = 1 });
	assert_int_equal(p->wanted->serial, 7);
}

static bool push(struct zs_trace *p, uint32_t serial, uint16_t len, uint8_t fill)
{
	struct zs_trace_record r = { .captured = len, .length = len + 100u, .serial = serial, .port = fill };
	uint8_t bytes[ZS_TRACE_SNAP + 1];

	memset(bytes, fill, sizeof(bytes));
	return zs_trace_push(p, WORKER, &r, bytes);
}

/* The next sample, checked against what it says of itself; -1: none. */
static int pop(struct zs_trace *c, uint32_t serial)
{
	uint8_t bytes[ZS_TRACE_SNAP];
	struct zs_trace_record r;

	if (!zs_trace_pop(c, WORKER, serial, &r, bytes))
		return -1;
	assert_int_equal(r.length, r.captured + 100u);
	for (uint32_t i = 0; i < r.captured; i++)
		assert_int_equal(bytes[i], r.port);
	return r.port;
}

static void test_order(void **state)
{
	static const uint16_t lengths[] = { 0, 1, 63, 64, 65, 128, 1500, ZS_TRACE_SNAP };
	struct scratch *s = *state;
	struct zs_trace p, c;

	both(&p, &c, s->dir);
	assert_int_equal(pop(&c, 7), -1);
	for (uint32_t round = 0; round < 3000; round++) { /* many times round the ring */
		for (uint8_t i = 0; i < ZS_ARRAY_LEN(lengths); i++)
			assert_true(push(&p, 7, lengths[i], (uint8_t)(round + i)));
		for (uint8_t i = 0; i < ZS_ARRAY_LEN(lengths); i++)
			assert_int_equal(pop(&c, 7), (uint8_t)(round + i));
		assert_int_equal(pop(&c, 7), -1);
	}
	assert_false(push(&p, 7, ZS_TRACE_SNAP + 1, 1));
	zs_trace_close(&p);
	zs_trace_close(&c);
}

static void test_full(void **state)
{
	struct scratch *s = *state;
	struct zs_trace p, c;
	uint32_t n = 0;

	both(&p, &c, s->dir);
	while (push(&p, 7, 128, (uint8_t)n))
		n++;
	assert_int_equal(n, ZS_TRACE_LINES / 3);
	for (uint32_t i = 0; i < n; i++)
		assert_int_equal(pop(&c, 7), (uint8_t)i);
	assert_true(push(&p, 7, 128, 9));
	/* What lies there when the next one begins is not its own, nor what comes late. */
	zs_trace_set(&c, &(struct zs_trace_want){ .serial = 8 });
	assert_int_equal(pop(&c, 8), -1);
	assert_true(push(&p, 7, 10, 1) && push(&p, 8, 10, 2));
	assert_int_equal(pop(&c, 8), 2);
	zs_trace_close(&p);
	zs_trace_close(&c);
}

static void test_counts(void **state)
{
	struct scratch *s = *state;
	struct zs_trace_count n = { 0 };
	struct zs_trace p, c;

	both(&p, &c, s->dir);
	zs_trace_start(&p, WORKER, 7);
	p.head[WORKER].count[2] = (struct zs_trace_count){ 10, 3, 1, 5 };
	zs_trace_count(&c, WORKER, 7, 2, &n);
	zs_trace_count(&c, WORKER, 8, 2, &n); /* another's */
	assert_true(n.matched == 10 && n.over_rate == 3 && n.ring_full == 1 && n.unseen == 5);
	zs_trace_start(&p, WORKER, 8);
	n = (struct zs_trace_count){ 0 };
	zs_trace_count(&c, WORKER, 8, 2, &n);
	assert_int_equal(n.matched, 0);
	zs_trace_close(&p);
	zs_trace_close(&c);
}

/* Neither index nor record is believed. */
static void test_hostile(void **state)
{
	static const struct {
		size_t at, size;
		uint64_t value;
	} wrong[] = {
#define WRONG(member, v)                                                                                     \
	{ offsetof(struct zs_trace_record, member), sizeof(((struct zs_trace_record *)0)->member), v }
		WRONG(lines, 0),
		WRONG(lines, 3),
		WRONG(lines, 60000),
		WRONG(captured, 60000),
		WRONG(length, 1),
		WRONG(iface, ZS_IFACES_MAX),
		WRONG(verdict, ZS_TRACE_VERDICTS),
		WRONG(class, ZS_TRACE_CLASSES),
	};
	struct scratch *s = *state;
	struct zs_trace_record *last;
	struct zs_trace p, c;

	both(&p, &c, s->dir);
	for (size_t i = 0; i < ZS_ARRAY_LEN(wrong); i++) {
		uint64_t at = atomic_load(&p.head[WORKER].next);

		assert_true(push(&p, 7, 100, 1));
		memcpy(p.line + WORKER * (size_t)ZS_TRACE_LINES * ZS_TRACE_LINE +
			   at % ZS_TRACE_LINES * ZS_TRACE_LINE + wrong[i].at,
		       &wrong[i].value, wrong[i].size);
		assert_int_equal(pop(&c, 7), -1);
		assert_true(push(&p, 7, 100, 2)); /* and on it goes */
		assert_int_equal(pop(&c, 7), 2);
	}
	assert_true(push(&p, 7, 10, 1)); /* one that says it is longer than what was written so far */
	last = (struct zs_trace_record *)(p.line + WORKER * (size_t)ZS_TRACE_LINES * ZS_TRACE_LINE +
					  (atomic_load(&p.head[WORKER].next) - 2) % ZS_TRACE_LINES *
					      ZS_TRACE_LINE);
	last->lines = 2;
	last->captured = 100;
	assert_int_equal(pop(&c, 7), -1);
	assert_true(push(&p, 7, 100, 1));
	atomic_fetch_add(&p.head[WORKER].next, 1ull << 40);
	assert_int_equal(pop(&c, 7), -1);
	assert_true(push(&p, 7, 100, 4));
	assert_int_equal(pop(&c, 7), 4);
	atomic_fetch_sub(&c.tail[WORKER].next, 1ull << 30); /* a consumer that was scribbled on */
	assert_false(push(&p, 7, 100, 5));
	zs_trace_close(&p);
	zs_trace_close(&c);
}

/* Each half may come first, and be made anew. */
static void test_link(void **state)
{
	struct scratch *s = *state;
	struct zs_trace p, c;

	assert_int_equal(zs_trace_open_consumer(&c, s->dir, NULL), 0);
	assert_null(c.head);
	assert_int_equal(pop(&c, 7), -1);
	zs_trace_set(&c, &(struct zs_trace_want){ .serial = 7 });
	assert_int_equal(zs_trace_open_producer(&p, s->dir, NULL), 0);
	assert_int_equal(zs_trace_link(&c, s->dir), 0);
	assert_true(push(&p, 7, 10, 3));
	assert_int_equal(pop(&c, 7), 3);
	zs_trace_close(&c);
	zs_segment_delete(s->dir, &zs_tracewant_kind);
	assert_int_equal(zs_trace_open_consumer(&c, s->dir, NULL), 0);
	assert_int_equal(zs_trace_link(&p, s->dir), 0);
	zs_trace_set(&c, &(struct zs_trace_want){ .serial = 9 });
	assert_int_equal(p.wanted->serial, 9);
	assert_true(push(&p, 9, 10, 4));
	assert_int_equal(pop(&c, 9), 4);
	zs_trace_close(&p);
	assert_false(push(&p, 9, 10, 4));
	zs_trace_close(&c);
}

int main(void)
{
#define ROW(test) cmocka_unit_test_setup_teardown(test, scratch_setup, scratch_teardown)
	const struct CMUnitTest tests[] = {
		ROW(test_order), ROW(test_full), ROW(test_counts), ROW(test_hostile), ROW(test_link),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
