/* What workers and the control plane cost each other: an event told and heard, a quiet state said by a worker and waited for by
 * the writer. Across cores where there are two. */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>
#include "base/check.h"
#include "core/cases.h"
#include "core/tsc.h"
#include "shm/events.h"
#include "shm/qsbr.h"

#define EVENTS 4096
#define LOOPS  10000
#define WAITS  200

struct own {
	struct zs_ring ring;
	struct zs_ring_producer producer;
	struct zs_ring_consumer consumer;
	uint8_t entries[EVENTS][ZS_RING_ENTRY];
	struct zs_qsbr_cell cell[ZS_WORKERS_MAX];
	_Atomic uint64_t epoch;
	_Atomic bool stop;
	pthread_t worker;
};

static uint64_t push(void *ctx, uint64_t arg)
{
	struct own *o = ctx;
	struct zs_event e = { .kind = ZS_EVENT_FLOW_NEW };
	uint64_t n = 0;

	while (n < EVENTS && zs_ring_push(&o->ring, &e))
		n++;
	return n;
}

static void drain(void *ctx, uint64_t arg)
{
	struct own *o = ctx;
	struct zs_event e;

	while (zs_ring_pop(&o->ring, &e))
		;
}

static void fill(void *ctx, uint64_t arg)
{
	push(ctx, arg);
}

static uint64_t pop(void *ctx, uint64_t arg)
{
	struct own *o = ctx;
	struct zs_event e;
	uint64_t n = 0;

	while (zs_ring_pop(&o->ring, &e))
		n++;
	return n;
}

static uint64_t quiescent(void *ctx, uint64_t arg)
{
	struct own *o = ctx;

	for (int i = 0; i < LOOPS; i++)
		zs_qsbr_quiescent(&o->cell[1], &o->epoch);
	return LOOPS;
}

static uint64_t passed(void *ctx, uint64_t arg)
{
	struct own *o = ctx;
	uint64_t n = 0;

	for (int i = 0; i < LOOPS; i++)
		n += zs_qsbr_passed(o->cell + 1, ZS_WORKERS_MAX - 1, 0);
	zs_keep(n);
	return LOOPS;
}

/* --- a worker on another core, that goes round and does nothing else --- */

static void *worker(void *arg)
{
	struct own *o = arg;

	zs_pin(0);
	while (!atomic_load_explicit(&o->stop, memory_order_relaxed))
		zs_qsbr_quiescent(&o->cell[0], &o->epoch);
	return NULL;
}

static uint64_t grace(void *ctx, uint64_t arg)
{
	struct own *o = ctx;

	for (int i = 0; i < WAITS; i++) {
		uint64_t epoch = zs_qsbr_start(&o->epoch);

		while (!zs_qsbr_passed(o->cell, 1, epoch))
			;
	}
	return WAITS;
}

static int bench(const struct zs_bench_options *opt, json_t *report, struct zs_error *err)
{
	struct own *o = zs_huge(sizeof(*o));
	struct zs_case cases[] = {
		{ .name = "event told", .prepare = drain, .run = push },
		{ .name = "event heard", .prepare = fill, .run = pop },
		{ .name = "quiet state said", .run = quiescent },
		{ .name = "15 workers asked", .run = passed },
		{ .name = "grace period across cores", .run = grace },
	};
	uint32_t n = ZS_ARRAY_LEN(cases);
	int rc;

	if (!o)
		return zs_error_set(err, -ENOMEM, ZS_EXIT_RESOURCE, "no memory for a ring");
	zs_ring_open(&o->ring, &o->producer, &o->consumer, o->entries, EVENTS);
	for (size_t i = 0; i < n; i++)
		cases[i].ctx = o;
	if (sysconf(_SC_NPROCESSORS_ONLN) < 2 || pthread_create(&o->worker, NULL, worker, o)) {
		json_object_set_new(report, "absent", json_pack("[s]", "a grace period needs two cores"));
		return zs_cases_run(cases, n - 1, opt, report, err);
	}
	rc = zs_cases_run(cases, n, opt, report, err);
	atomic_store(&o->stop, true);
	pthread_join(o->worker, NULL);
	free(o);
	return rc;
}

const struct zs_bench zs_bench_rings = {
	.name = "rings",
	.help = "cycles of an event between the planes, of a worker's quiet state, of a grace period across "
		"cores",
	.run = bench,
};
