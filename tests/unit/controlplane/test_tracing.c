/* One trace at a time: begun, read, bounded, ended; what a life before wanted is wanted no more. */
#include "rig.h"

#include <errno.h>
#include "tracing.h"

struct bench {
	struct rig *r;
	struct zs_state state;
	struct zs_trace dataplane;
};

static const struct zs_trace_want everything = {
	.every = 1, .rate = 10, .class = ZS_TRACE_ANY, .drop = ZS_TRACE_ANY
};

static void begin(struct bench *b, struct rig *r)
{
	struct zs_state_shape shape = { .flow_capacity = 64,
					.event_capacity = 64,
					.partitions = 1,
					.attachments = 64,
					.sessions = 64,
					.windows = 8 };
	bool fresh;

	*b = (struct bench){ .r = r };
	assert_int_equal(zs_state_open_writer(&b->state, r->c.shm_dir, &shape, &fresh, &r->err), 0);
	assert_int_equal(zs_trace_open_producer(&b->dataplane, r->c.shm_dir, &r->err), 0);
	r->c.state = &b->state;
	assert_int_equal(zs_tracing_new(&r->c.tracing, &r->c, &r->err), 0);
	assert_int_equal(zs_trace_link(&b->dataplane, r->c.shm_dir), 0);
}

static void end(struct bench *b)
{
	zs_tracing_delete(b->r->c.tracing);
	zs_trace_close(&b->dataplane);
	zs_state_close(&b->state);
	b->r->c.state = NULL;
	b->r->c.tracing = NULL;
}

static int ask(struct bench *b, uint32_t seconds, uint32_t packets, uint32_t *id)
{
	struct zs_trace_want want = everything;

	return zs_tracing_begin(b->r->c.tracing, &want, seconds, packets, id, &b->r->err);
}

static void sample(struct bench *b, uint32_t worker)
{
	struct zs_trace_record r = { .captured = 4,
				     .length = 60,
				     .serial = b->dataplane.wanted->serial,
				     .time_ns = zs_clock_ns() - ZS_NS_PER_S,
				     .port = (uint16_t)worker };

	assert_true(zs_trace_push(&b->dataplane, worker, &r, "abcd"));
}

static bool take(struct bench *b)
{
	uint8_t bytes[ZS_TRACE_SNAP];
	struct zs_trace_record r;
	uint64_t at, then = zs_clock_wall_ns() - ZS_NS_PER_S;

	if (!zs_tracing_take(b->r->c.tracing, &r, bytes, &at))
		return false;
	assert_memory_equal(bytes, "abcd", 4);
	assert_in_range(at, then - ZS_NS_PER_S / 2, then + ZS_NS_PER_S / 2);
	return true;
}

/* Why it is over, when the workers have had time to see it. */
static const char *over(struct bench *b)
{
	const char *why = zs_tracing_over(b->r->c.tracing);

	for (int i = 0; i < 20 && !why; i++) {
		zs_loop_turn(b->r->c.loop, 10 * ZS_NS_PER_MS);
		why = zs_tracing_over(b->r->c.tracing);
	}
	return why ? why : "";
}

static void test_one_at_a_time(void **state)
{
	uint32_t first, second;
	struct bench b;

	begin(&b, *state);
	assert_int_equal(b.dataplane.wanted->serial, 0);
	assert_int_equal(ask(&b, 60, 100, &first), 0);
	assert_int_equal(b.dataplane.wanted->serial, first);
	assert_true(zs_tracing_is(b.r->c.tracing, first) && !zs_tracing_is(b.r->c.tracing, first + 1));
	assert_int_equal(ask(&b, 60, 100, &second), -EBUSY);
	assert_null(zs_tracing_over(b.r->c.tracing));
	for (uint32_t w = 0; w < ZS_WORKERS_MAX; w++)
		sample(&b, w);
	for (uint32_t w = 0; w < ZS_WORKERS_MAX; w++)
		assert_true(take(&b));
	assert_false(take(&b));
	zs_tracing_end(b.r->c.tracing, "command");
	assert_int_equal(b.dataplane.wanted->serial, 0);
	assert_string_equal(over(&b), "command");
	assert_int_equal(ask(&b, 60, 100, &second), 0);
	assert_false(zs_tracing_is(b.r->c.tracing, first));
	end(&b);
}

static void test_bounds(void **state)
{
	uint32_t id;
	struct bench b;

	begin(&b, *state);
	assert_int_equal(ask(&b, 60, 2, &id), 0);
	for (int i = 0; i < 3; i++)
		sample(&b, 0);
	assert_true(take(&b) && take(&b) && !take(&b));
	assert_string_equal(over(&b), "packets");
	assert_int_equal(ask(&b, 0, 2, &id), 0);
	assert_string_equal(over(&b), "duration");
	assert_int_equal(b.dataplane.wanted->serial, 0);
	end(&b);
}

/* Nobody traces for a dataplane that is not there, and who died while tracing leaves no wish behind. */
static void test_deaths(void **state)
{
	struct rig *r = *state;
	struct zs_trace killed;
	uint32_t id;
	struct bench b;

	begin(&b, r);
	r->c.state = NULL;
	assert_int_equal(ask(&b, 60, 2, &id), -ENODEV);
	r->c.state = &b.state;
	assert_int_equal(ask(&b, 60, 2, &id), 0);
	r->c.state = NULL;
	assert_string_equal(over(&b), "dataplane");
	r->c.state = &b.state;
	assert_int_equal(ask(&b, 60, 2, &id), 0);
	zs_tracing_delete(r->c.tracing);
	assert_int_equal(b.dataplane.wanted->serial, 0);
	assert_int_equal(zs_trace_open_consumer(&killed, r->c.shm_dir, NULL), 0);
	zs_trace_set(&killed, &(struct zs_trace_want){ .serial = 99 });
	zs_trace_close(&killed);
	assert_int_equal(b.dataplane.wanted->serial, 99);
	assert_int_equal(zs_tracing_new(&r->c.tracing, &r->c, &r->err), 0);
	assert_int_equal(b.dataplane.wanted->serial, 0);
	assert_int_equal(ask(&b, 60, 2, &id), 0);
	end(&b);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, rig_setup_open, rig_teardown_open)
	const struct CMUnitTest tests[] = { T(test_one_at_a_time), T(test_bounds), T(test_deaths) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
