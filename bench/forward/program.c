/* zs-bench program: the control plane's writer on a core of its own inserts and deletes attachments with their sessions, with
 * publication, as fast as it can, while a worker routes by connection ID among a million others. In turns with it: no writer, and a
 * control that does the same to a table nobody reads, so that what two cores take from each other is not charged to the tables. */
#include "forward/forward.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/clock.h"
#include "core/cases.h"
#include "core/tsc.h"

#define ENTRIES 1000000
#define ROUNDS	3	/* for each of --repeats */
#define BATCHES 256	/* of a round, of each mode */
#define PACE	2200000 /* writes a second beside the reader, of the control too */
#define FREE_US 20000	/* without a pace */

enum mode { ALONE, CONTROL, REAL, FREE, MODES };
#define READS FREE /* modes that the reader is measured in */

struct writer {
	pthread_t thread;
	struct zs_sessions *real, other;
	uint32_t first, last;	      /* ids that it writes: nobody's */
	_Atomic uint32_t mode, doing; /* wanted, and what it does */
	_Atomic bool stop;
	_Atomic uint64_t writes; /* inserts and deletes */
	double hz;
};

/* One attachment comes with its session, or goes. */
static void write_one(struct zs_sessions *s, uint32_t id, bool insert)
{
	struct zs_session v = { .used = 1,
				.mode = ZS_SESSION_SOCKET,
				.bind_id = 1,
				.attachment = id,
				.generation = 2,
				.receiver = id,
				.incarnation = 1 };
	struct zs_attachment a = { .used = 1, .generation = 2, .session = id, .previous = ZS_SESSION_NONE };

	ZS_CHECK(zs_sessions_set_session(s, id, insert ? &v : NULL) == 0, "a session is taken");
	ZS_CHECK(zs_sessions_set_attachment(s, id, insert ? &a : NULL) == 0, "an attachment is taken");
}

/* Who falls behind does not hurry after it. */
static uint64_t wait_for(uint64_t due, double gap)
{
	uint64_t now;

	while ((now = zs_tsc()) < due)
		;
	return (now - due < (uint64_t)gap ? due : now) + (uint64_t)gap;
}

static void *write_all(void *arg)
{
	struct writer *w = arg;
	uint64_t n = 0, due = 0, range = w->last - w->first; /* all come, then all go */

	zs_pin(0);
	while (!atomic_load(&w->stop)) {
		uint32_t mode = atomic_load(&w->mode);

		atomic_store(&w->doing, mode);
		if (mode == ALONE) {
			usleep(50);
			continue;
		}
		if (mode != FREE)
			due = wait_for(due, w->hz / PACE);
		write_one(mode == CONTROL ? &w->other : w->real, w->first + (uint32_t)(n % range),
			  n / range % 2 == 0);
		n++;
		atomic_store_explicit(&w->writes, n, memory_order_relaxed);
	}
	return NULL;
}

static int start(struct writer *w, struct zs_forward *f, struct zs_error *err)
{
	struct zs_sessions_shape shape = { f->bed->sessions.attachments, f->bed->sessions.sessions };
	char dir[] = "/dev/shm/control-XXXXXX"; /* in a tmpfs of this process's own */
	bool fresh;
	int rc;

	w->hz = zs_tsc_hz();
	w->real = &f->bed->sessions;
	w->first = f->entries;
	w->last = f->bed->sessions.attachments;
	if (!mkdtemp(dir))
		return zs_error_set(err, -errno, ZS_EXIT_RESOURCE, "no folder for a table");
	if ((rc = zs_sessions_open_writer(&w->other, dir, &shape, &fresh, err)))
		return rc;
	if (pthread_create(&w->thread, NULL, write_all, w))
		return zs_error_set(err, -EAGAIN, ZS_EXIT_RESOURCE, "no thread for a writer");
	return 0;
}

static void stop(struct writer *w)
{
	atomic_store(&w->stop, true);
	pthread_join(w->thread, NULL);
}

struct result {
	struct zs_samples cycles[MODES], writes[MODES], slower, floor;
	struct zs_forward_cost cost;
	struct zs_probe probe;
	double hz;
};

static void turn_to(struct writer *w, enum mode mode)
{
	atomic_store(&w->mode, mode);
	while (atomic_load(&w->doing) != mode)
		usleep(50);
}

static void measure_free(struct writer *w, struct result *r)
{
	uint64_t ns, writes;

	turn_to(w, FREE);
	ns = zs_clock_ns();
	writes = atomic_load(&w->writes);
	usleep(FREE_US);
	zs_samples_add(&r->writes[FREE],
		       (double)(atomic_load(&w->writes) - writes) * 1e3 / (double)(zs_clock_ns() - ns));
	turn_to(w, ALONE);
}

static double measure_mode(struct zs_forward *f, struct writer *w, struct result *r, enum mode mode)
{
	uint64_t ns, writes;

	turn_to(w, mode);
	zs_forward_cost_begin(&r->cost);
	ns = zs_clock_ns();
	writes = atomic_load(&w->writes);
	for (int i = 0; i < BATCHES; i++)
		zs_forward_cost_batch(f, &r->cost);
	zs_samples_add(&r->writes[mode],
		       (double)(atomic_load(&w->writes) - writes) * 1e3 / (double)(zs_clock_ns() - ns));
	zs_forward_cost_end(&r->cost, r->hz);
	zs_samples_add(&r->cycles[mode], r->cost.all);
	return r->cost.all;
}

/* The control's own noise: how far two of its neighbours lie apart. */
static void measure(struct zs_forward *f, struct writer *w, struct result *r, uint32_t rounds)
{
	zs_forward_warm_up(f);
	for (uint32_t i = 0; i < rounds; i++) {
		double before, real, after;

		measure_mode(f, w, r, ALONE);
		before = measure_mode(f, w, r, CONTROL);
		real = measure_mode(f, w, r, REAL);
		after = measure_mode(f, w, r, CONTROL);
		zs_samples_add(&r->slower, 100 * (real / ((before + after) / 2) - 1));
		zs_samples_add(&r->floor, 100 * (after > before ? after / before - 1 : before / after - 1));
		measure_free(w, r);
		zs_probe_round(&r->probe);
	}
}

static void report_on(const struct result *r, json_t *report)
{
	static const char *const names[READS] = { "reader alone", "reader beside the control",
						  "reader beside the writer" };

	for (int m = 0; m < READS; m++) {
		zs_report_metric(report, names[m], "cycles", ZS_LESS, &r->cycles[m]);
		fprintf(stderr, "  %-28s %7.1f cycles a packet (%.1f-%.1f)   %.2f M writes a second\n",
			names[m], zs_samples_median(&r->cycles[m]), zs_samples_quantile(&r->cycles[m], 0.1),
			zs_samples_quantile(&r->cycles[m], 0.9), zs_samples_median(&r->writes[m]));
	}
	fprintf(stderr, "  %.2f M writes a second without a pace\n", zs_samples_median(&r->writes[FREE]));
	fprintf(stderr,
		"  slower than beside the control by %.2f %%; two runs of the control differ by %.2f %%\n",
		zs_samples_median(&r->slower), zs_samples_median(&r->floor));
	zs_report_metric(report, "inserts and deletes", "M/s", ZS_MORE, &r->writes[FREE]);
	zs_report_metric(report, "inserts and deletes beside the reader", "M/s", ZS_MORE, &r->writes[REAL]);
	json_object_set_new(report, "writes_per_second",
			    json_real(1e6 * zs_samples_median(&r->writes[FREE])));
	json_object_set_new(report, "reader_slower_percent", json_real(zs_samples_median(&r->slower)));
	json_object_set_new(report, "control_spread_percent", json_real(zs_samples_median(&r->floor)));
	zs_probe_report(&r->probe, report);
}

static int measured(struct zs_forward *f, struct result *r, uint32_t rounds, struct zs_error *err)
{
	struct writer *w = calloc(1, sizeof(*w));
	int rc = w ? zs_probe_open(&r->probe, ZS_PROBE_BYTES, err) : -ENOMEM;

	r->hz = zs_tsc_hz();
	if (!rc && !(rc = start(w, f, err))) {
		measure(f, w, r, rounds);
		stop(w);
		rc = zs_forward_check(f, err);
	}
	zs_probe_close(&r->probe);
	free(w);
	return rc;
}

static int bench(const struct zs_bench_options *opt, json_t *report, struct zs_error *err)
{
	struct zs_bench_options own = *opt;
	struct zs_forward *f;
	struct result *r;
	int rc;

	if (sysconf(_SC_NPROCESSORS_ONLN) < 2) {
		json_object_set_new(report, "absent", json_pack("[s]", "reader and writer need two cores"));
		return 0;
	}
	own.entries = opt->entries ? opt->entries : ENTRIES;
	snprintf(own.kind, sizeof(own.kind), "cid");
	f = zs_forward_open(&own, err);
	r = calloc(1, sizeof(*r));
	rc = !f ? err->code : !r ? -ENOMEM : measured(f, r, opt->repeats * ROUNDS, err);
	if (!rc)
		report_on(r, report);
	zs_forward_close(f);
	free(r);
	return rc;
}

const struct zs_bench zs_bench_program = {
	.name = "program",
	.help =
	    "attachments inserted and deleted beside a worker that reads a million, against a control table",
	.run = bench,
};
