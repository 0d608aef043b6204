/* zs-bench rate: the highest rate without loss (NDR) and with 0.5 % (PDR), and how long packets wait at parts of it.
 *
 * Packets come by a clock that runs while the worker works: the generator's own time does not count. What comes when a port's
 * ring is full is lost. A packet's time is from its arrival to the end of the worker's turn that took it. A turn that the
 * kernel cut in upon counts as a usual one: another process is nothing that the relay does. */
#include "forward/forward.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <rte_ring.h>
#include "core/search.h"
#include "core/tsc.h"

#define WIDTH	 0.005
#define TRIALS	 3
#define PACKETS	 200000	 /* of a trial: several rings full */
#define LEAST	 50000.0 /* packets a second */
#define MOST	 200e6
#define PDR	 0.005
#define LONG_S	 100e-6 /* a turn that may have been cut in upon */
#define USUAL	 0.01	/* weight of a turn in what is usual */
#define LOADS	 3
#define SEARCHES 3 /* at most: each is long */

static const uint32_t loads[LOADS] = { 50, 90, 99 }; /* percent of the NDR */

/* Packets that wait in a port's ring, by their arrival. */
struct queue {
	double came[ZS_BED_RING];
	uint32_t head, tail;
};

struct clock {
	struct zs_forward *f;
	double hz, now, gap, usual; /* cycles */
	long cuts;		    /* times that the kernel took the core from us, as last looked */
	uint32_t cut;		    /* turns that were cut in upon */
	uint32_t sent, packets, lost;
	struct queue queue[2];
	struct zs_histogram *wait; /* NULL: nobody asked */
};

static uint32_t waiting(const struct clock *c, int port)
{
	return rte_ring_count(c->f->queues.in[port]);
}

static uint32_t room(const struct clock *c)
{
	uint32_t a = rte_ring_free_count(c->f->queues.in[0]), b = rte_ring_free_count(c->f->queues.in[1]);

	return a < b ? a : b;
}

/* One packet into its ring, with its time. */
static void arrive(struct clock *c)
{
	uint32_t before = waiting(c, 0);
	struct queue *q;

	zs_forward_fill(c->f, 1);
	q = &c->queue[waiting(c, 0) == before];
	q->came[q->head++ % ZS_BED_RING] = c->sent * c->gap;
}

static void arrivals(struct clock *c)
{
	while (c->sent < c->packets && c->sent * c->gap <= c->now) {
		if (room(c))
			arrive(c);
		else
			c->lost++;
		c->sent++;
	}
}

static void leave(struct clock *c, int port, uint32_t n)
{
	struct queue *q = &c->queue[port];

	for (uint32_t i = 0; i < n; i++, q->tail++)
		if (c->wait)
			zs_histogram_add(c->wait, (uint64_t)(c->now - q->came[q->tail % ZS_BED_RING]));
}

static long cuts(void)
{
	struct rusage u;

	getrusage(RUSAGE_THREAD, &u);
	return u.ru_nivcsw;
}

/* What the turn cost, or what one usually does. */
static double judge(struct clock *c, double cycles)
{
	if (cycles > LONG_S * c->hz && cuts() != c->cuts) {
		c->cuts = cuts();
		c->cut++;
		return c->usual;
	}
	c->usual += USUAL * (cycles - c->usual);
	return cycles;
}

static void turn(struct clock *c)
{
	uint32_t near = waiting(c, 0), far = waiting(c, 1);
	uint64_t start = zs_tsc();

	c->f->packets += zs_worker_turn(c->f->w, &c->f->bed->burst, true);
	c->now += judge(c, (double)(zs_tsc() - start));
	leave(c, 0, near - waiting(c, 0));
	leave(c, 1, far - waiting(c, 1));
	zs_forward_take(c->f);
}

static void run(struct clock *c, double rate, uint32_t packets)
{
	c->now = c->sent = c->lost = 0;
	c->packets = packets;
	c->gap = c->hz / rate;
	c->queue[0].head = c->queue[0].tail = c->queue[1].head = c->queue[1].tail = 0;
	while (c->sent < packets || waiting(c, 0) + waiting(c, 1)) {
		if (!(waiting(c, 0) + waiting(c, 1)) && c->sent * c->gap > c->now)
			c->now = c->sent * c->gap; /* nothing to do until the next one */
		arrivals(c);
		turn(c);
	}
}

static double trial(void *ctx, double rate, uint32_t packets)
{
	struct clock *c = ctx;

	run(c, rate, packets);
	return (double)c->lost / packets;
}

/* --- */

struct result {
	struct zs_samples ndr, pdr;
	struct zs_histogram wait[LOADS];
	uint32_t trials;
};

static int search(struct clock *c, struct result *r, uint32_t times, struct zs_error *err)
{
	struct zs_search s = { .least = LEAST,
			       .most = MOST,
			       .width = WIDTH,
			       .trials = TRIALS,
			       .packets = PACKETS,
			       .trial = trial,
			       .ctx = c };

	for (uint32_t i = 0; i < times; i++) {
		uint32_t n, more;

		zs_samples_add(&r->ndr, zs_search_rate(&s, 0, &n) / 1e6);
		zs_samples_add(&r->pdr, zs_search_rate(&s, PDR, &more) / 1e6);
		r->trials += n + more;
	}
	if (zs_samples_median(&r->ndr) > 0)
		return 0;
	return zs_error_set(
	    err, -EIO, ZS_EXIT_FAILED,
	    "packets are lost at %.0f a second already: the machine is busy with something else", LEAST);
}

static void measure_waits(struct clock *c, struct result *r)
{
	for (int i = 0; i < LOADS; i++) {
		c->wait = &r->wait[i];
		run(c, zs_samples_median(&r->ndr) * 1e6 * loads[i] / 100, PACKETS);
	}
	c->wait = NULL;
}

static void report_on(const struct clock *c, const struct result *r, json_t *report)
{
	json_t *waits = json_object();
	double us = 1e6 / c->hz;

	fprintf(stderr, "  %-4s %u entries %u B%s  NDR %.3f Mpps (%.3f-%.3f), PDR %.3f (%u trials)\n",
		c->f->kind->name, c->f->entries, c->f->size[0], c->f->sizes > 1 ? " IMIX" : "",
		zs_samples_median(&r->ndr), zs_samples_quantile(&r->ndr, 0), zs_samples_quantile(&r->ndr, 1),
		zs_samples_median(&r->pdr), r->trials);
	for (int i = 0; i < LOADS; i++) {
		char name[16];

		snprintf(name, sizeof(name), "%u%%", loads[i]);
		json_object_set_new(waits, name, zs_histogram_json(&r->wait[i], us));
		fprintf(stderr, "    at %s of it a packet waits %.1f us (p50), %.1f (p99), %.1f (p99.9)\n",
			name, us * (double)zs_histogram_at(&r->wait[i], 0.5),
			us * (double)zs_histogram_at(&r->wait[i], 0.99),
			us * (double)zs_histogram_at(&r->wait[i], 0.999));
	}
	zs_forward_describe(c->f, report);
	json_object_set_new(report, "ndr_mpps", json_real(zs_samples_median(&r->ndr)));
	json_object_set_new(report, "pdr_mpps", json_real(zs_samples_median(&r->pdr)));
	json_object_set_new(report, "pdr_loss", json_real(PDR));
	json_object_set_new(report, "turns_cut_in_upon", json_integer(c->cut));
	json_object_set_new(report, "trials", json_integer(r->trials));
	json_object_set_new(report, "wait_us", waits);
	zs_report_metric(report, "NDR", "Mpps", ZS_MORE, &r->ndr);
	zs_report_metric(report, "PDR", "Mpps", ZS_MORE, &r->pdr);
}

static int bench(const struct zs_bench_options *opt, json_t *report, struct zs_error *err)
{
	struct zs_forward *f = zs_forward_open(opt, err);
	struct clock *c = calloc(1, sizeof(*c));
	struct result *r = calloc(1, sizeof(*r));
	int rc = f ? 0 : err->code;

	if (!rc && (!c || !r))
		rc = zs_error_set(err, -ENOMEM, ZS_EXIT_RESOURCE, "no memory for a bench");
	if (!rc) {
		c->f = f;
		c->hz = zs_tsc_hz();
		rc = search(c, r, opt->repeats < SEARCHES ? opt->repeats : SEARCHES, err);
	}
	if (!rc) {
		measure_waits(c, r);
		rc = zs_forward_check(f, err);
	}
	if (!rc)
		report_on(c, r, report);
	zs_forward_close(f);
	free(c);
	free(r);
	return rc;
}

const struct zs_bench zs_bench_rate = {
	.name = "rate",
	.help = "one worker on in-memory ports: the highest rate without loss and with 0.5 %, and how long "
		"packets "
		"wait below it",
	.run = bench,
};
