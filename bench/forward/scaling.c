/* zs-bench scaling: one worker, two, as many as there are cores, all at once on the same tables, each with queues, a generator and
 * a sink of its own. What a worker costs is told by its own clock; what is lost with their number is what they take from each
 * other: caches, memory, lines that both write. */
#include "forward/forward.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <rte_cycles.h>
#include <rte_launch.h>
#include "housekeeping.h"
#include "hot.h"

#define ENTRIES 100000
#define BATCHES 512 /* of a round, of each worker */
#define MOST	ZS_BED_WORKERS
#define POLL_US 2000

struct lane {
	struct zs_forward *f;
	struct zs_forward_cost cost;
	double hz;
	uint32_t together; /* workers of this round */
	_Atomic uint32_t *ready;
};

struct result {
	struct zs_samples mpps[MOST], cycles[MOST];
	struct zs_probe probe;
};

/* Nobody begins before all are there. */
static int work(void *arg)
{
	struct lane *l = arg;

	atomic_fetch_add(l->ready, 1);
	while (atomic_load(l->ready) < l->together)
		;
	zs_forward_cost_begin(&l->cost);
	for (int i = 0; i < BATCHES; i++)
		zs_forward_cost_batch(l->f, &l->cost);
	zs_forward_cost_end(&l->cost, l->hz);
	return 0;
}

/* Its lines of attachments and its keys first. */
static int settle(void *arg)
{
	struct lane *l = arg;
	uint32_t turns = l->f->bed->dp.state.attachments / ZS_HOT_SLICE + 16;

	zs_worker_turn(l->f->w, &l->f->burst, false);
	for (uint32_t i = 0; i < turns; i++)
		zs_housekeeping(l->f->w);
	zs_forward_warm_up(l->f);
	return 0;
}

/* Worker i runs on the core that the configuration gave it; this thread sleeps. */
static void run_all(struct lane *lane, uint32_t count, lcore_function_t *what)
{
	for (uint32_t i = 0; i < count; i++)
		ZS_CHECK(rte_eal_remote_launch(what, &lane[i], i + 1) == 0, "a worker's thread is free");
	for (uint32_t i = 0; i < count; i++) {
		while (rte_eal_get_lcore_state(i + 1) == RUNNING)
			rte_delay_us_sleep(POLL_US);
		rte_eal_wait_lcore(i + 1);
	}
}

static void round_of(struct lane *lane, uint32_t count, struct result *r)
{
	_Atomic uint32_t ready = 0;
	double mpps = 0, cycles = 0;

	for (uint32_t i = 0; i < count; i++) {
		lane[i].together = count;
		lane[i].ready = &ready;
	}
	run_all(lane, count, work);
	for (uint32_t i = 0; i < count; i++) {
		mpps += lane[i].hz / lane[i].cost.all / 1e6;
		cycles += lane[i].cost.all / count;
	}
	zs_samples_add(&r->mpps[count - 1], mpps);
	zs_samples_add(&r->cycles[count - 1], cycles);
}

static int make_lanes(struct lane *lane, struct zs_forward *f, uint32_t count, struct zs_error *err)
{
	double hz = zs_tsc_hz();

	for (uint32_t i = 0; i < count; i++) {
		lane[i].hz = hz;
		lane[i].f = i ? zs_forward_another(f, i) : f;
		if (!lane[i].f)
			return zs_error_set(err, -ENOMEM, ZS_EXIT_RESOURCE, "no memory for a generator");
	}
	return 0;
}

static int check(const struct lane *lane, uint32_t count, struct zs_error *err)
{
	for (uint32_t i = 0; i < count; i++)
		if (lane[i].f->lost || lane[i].f->wrong)
			return zs_error_set(err, -EIO, ZS_EXIT_FAILED,
					    "worker %u: %llu packets did not leave, %llu left wrong", i,
					    (unsigned long long)lane[i].f->lost,
					    (unsigned long long)lane[i].f->wrong);
	return 0;
}

static void report_on(const struct result *r, uint32_t count, json_t *report)
{
	json_t *absent = json_array(), *rows = json_array();
	double one = zs_samples_median(&r->mpps[0]);
	char name[64];

	for (uint32_t i = 0; i < MOST; i++) {
		double mpps = zs_samples_median(&r->mpps[i]);

		snprintf(name, sizeof(name), "%u worker%s", i + 1, i ? "s" : "");
		if (i == count) {
			char why[96];

			snprintf(why, sizeof(why), "%u workers and more: there are %u cores", count + 1,
				 count);
			json_array_append_new(absent, json_string(why));
		}
		if (i >= count)
			continue;
		fprintf(stderr, "  %-10s %7.2f Mpps, %.1f cycles a packet, %.2f of so many times one\n", name,
			mpps, zs_samples_median(&r->cycles[i]), mpps / one / (i + 1));
		zs_report_metric(report, name, "Mpps", ZS_MORE, &r->mpps[i]);
		json_array_append_new(rows,
				      json_pack("{s:i,s:f,s:f,s:f}", "workers", (int)i + 1, "mpps", mpps,
						"cycles_per_packet", zs_samples_median(&r->cycles[i]),
						"efficiency", mpps / one / (i + 1)));
	}
	json_object_set_new(report, "rows", rows);
	json_object_set_new(report, "absent", absent);
	zs_probe_report(&r->probe, report);
}

static int measure(struct lane *lane, uint32_t count, struct result *r, uint32_t rounds, struct zs_error *err)
{
	int rc = zs_probe_open(&r->probe, ZS_PROBE_BYTES, err);

	if (rc)
		return rc;
	run_all(lane, count, settle);
	for (uint32_t i = 0; i < rounds; i++) {
		for (uint32_t n = 1; n <= count; n++)
			round_of(lane, n, r);
		zs_probe_round(&r->probe);
	}
	zs_probe_close(&r->probe);
	return check(lane, count, err);
}

static int bench(const struct zs_bench_options *opt, json_t *report, struct zs_error *err)
{
	uint32_t cores = (uint32_t)sysconf(_SC_NPROCESSORS_ONLN), count = cores < MOST ? cores : MOST;
	struct zs_bench_options own = *opt;
	struct lane *lane = calloc(count, sizeof(*lane));
	struct result *r = calloc(1, sizeof(*r));
	struct zs_forward *f;
	int rc;

	if (!lane || !r)
		return zs_error_set(err, -ENOMEM, ZS_EXIT_RESOURCE, "no memory for a bench");
	own.entries = opt->entries ? opt->entries : ENTRIES;
	snprintf(own.kind, sizeof(own.kind), "cid"); /* any worker takes any of these */
	f = zs_forward_open_many(&own, count, err);
	rc = f ? make_lanes(lane, f, count, err) : err->code;
	if (!rc && !(rc = measure(lane, count, r, opt->repeats * 3, err)))
		report_on(r, count, report);
	for (uint32_t i = 1; i < count; i++)
		free(lane[i].f);
	zs_forward_close(f);
	free(lane);
	free(r);
	return rc;
}

const struct zs_bench zs_bench_scaling = {
	.name = "scaling",
	.help = "connection IDs by one worker, by two, by as many as there are cores, all at once",
	.run = bench,
};
