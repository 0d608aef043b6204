/* zs-bench forward: rounds of the relay, of `io` and of the memory probe take turns; the median of rounds is reported.
 *
 * Housekeeping comes by the clock, each ms, however few packets there were between two: the generator's time counts too. So
 * its cycles are taken out of the batch they fell in, and cycles_per_packet has its share of a second put back. */
#include "forward/forward.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROUNDS	    3  /* for each of --repeats */
#define SLICES	    16 /* of a round: batches of the relay, then of io */
#define RELAY_SLICE 64
#define IO_SLICE    16
#define WARM_UP	    512	 /* batches */
#define LOOKED_AT   64	 /* one batch in so many */
#define HOUSE_S	    1000 /* times a second */

struct round {
	double relay[SLICES * RELAY_SLICE], io[SLICES * IO_SLICE];
	double stage[ZS_STAGES][SLICES * RELAY_SLICE];
	uint32_t relays, ios;
};

struct result {
	struct zs_samples all, path, io, over, mpps, house, stage[ZS_STAGES];
	struct zs_histogram batches;
	struct zs_probe probe;
	double hz;
	struct round round; /* under way */
};

/* --- measuring --- */

/* Medians of batches, as the whole is: a batch that was cut in upon counts for none of them. */
static void stages_of(const struct zs_forward *f, uint64_t out[ZS_STAGES])
{
	memcpy(out, f->bed->w->state->counters.stage_cycles, ZS_STAGES * sizeof(*out));
}

static uint64_t house_of(const struct zs_forward *f, uint64_t *calls)
{
	const struct zs_worker_counters *c = &f->bed->w->state->counters;

	*calls = c->stage_packets[ZS_STAGE_housekeeping];
	return c->stage_cycles[ZS_STAGE_housekeeping];
}

static void relay_batch(struct zs_forward *f, struct result *r, struct round *k)
{
	uint64_t calls, more, house, cycles, before[ZS_STAGES], after[ZS_STAGES];

	zs_forward_fill(f, ZS_FORWARD_BATCH);
	stages_of(f, before);
	house = house_of(f, &calls);
	cycles = zs_forward_turns(f, ZS_FORWARD_BATCH);
	house = house_of(f, &more) - house;
	stages_of(f, after);
	zs_forward_sink(f, ZS_FORWARD_BATCH, k->relays % LOOKED_AT == 0);
	for (int i = 0; i < ZS_STAGES; i++)
		k->stage[i][k->relays] = (double)(after[i] - before[i]) / ZS_FORWARD_BATCH;
	if (more - calls == 1)
		zs_samples_add(&r->house, (double)house);
	cycles -= house < cycles ? house : cycles;
	k->relay[k->relays++] = (double)cycles / ZS_FORWARD_BATCH;
	zs_histogram_add(&r->batches, cycles);
}

static void io_batch(struct zs_forward *f, struct round *k)
{
	zs_forward_fill(f, ZS_FORWARD_BATCH);
	k->io[k->ios++] = (double)zs_forward_io(f, ZS_FORWARD_BATCH) / ZS_FORWARD_BATCH;
	zs_forward_sink(f, ZS_FORWARD_BATCH, false);
}

static void one_round(struct zs_forward *f, struct result *r)
{
	struct round *k = &r->round;
	double path, io, share;

	k->relays = k->ios = 0;
	r->house.count = 0; /* of this round alone; the last round's are reported */
	for (int s = 0; s < SLICES; s++) {
		for (int i = 0; i < RELAY_SLICE; i++)
			relay_batch(f, r, k);
		for (int i = 0; i < IO_SLICE; i++)
			io_batch(f, k);
	}
	for (int i = 0; i < ZS_STAGES; i++)
		zs_samples_add(&r->stage[i], zs_bed_median(k->stage[i], k->relays));
	zs_probe_round(&r->probe);
	path = zs_bed_median(k->relay, k->relays);
	io = zs_bed_median(k->io, k->ios);
	share = zs_samples_median(&r->house) * HOUSE_S / r->hz;
	zs_samples_add(&r->path, path);
	zs_samples_add(&r->io, io);
	zs_samples_add(&r->all, path / (1 - share));
	zs_samples_add(&r->over, path / (1 - share) - io);
	zs_samples_add(&r->mpps, r->hz / (path / (1 - share)) / 1e6);
}

static void warm_up(struct zs_forward *f)
{
	for (int i = 0; i < WARM_UP; i++) {
		zs_forward_fill(f, ZS_FORWARD_BATCH);
		zs_forward_turns(f, ZS_FORWARD_BATCH);
		zs_forward_sink(f, ZS_FORWARD_BATCH, true);
	}
}

static int measure(struct zs_forward *f, struct result *r, uint32_t rounds, struct zs_error *err)
{
	int rc = zs_probe_open(&r->probe, ZS_PROBE_BYTES, err);

	if (rc)
		return rc;
	r->hz = zs_tsc_hz();
	warm_up(f);
	for (uint32_t i = 0; i < rounds; i++)
		one_round(f, r);
	zs_probe_close(&r->probe);
	return zs_forward_check(f, err);
}

/* --- report --- */

static void print(const struct zs_forward *f, const struct result *r)
{
	fprintf(
	    stderr,
	    "  %-4s IPv%d %8u entries %4u B%s %6.1f cycles a packet (%.1f-%.1f), io %.1f, over io %.1f, %.2f "
	    "Mpps; line %.1f%s\n ",
	    f->kind->name, f->is4 ? 4 : 6, f->entries, f->size[0], f->sizes > 1 ? " (IMIX)" : "",
	    zs_samples_median(&r->all), zs_samples_quantile(&r->all, 0.1), zs_samples_quantile(&r->all, 0.9),
	    zs_samples_median(&r->io), zs_samples_median(&r->over), zs_samples_median(&r->mpps),
	    zs_samples_median(&r->probe.line), zs_probe_disturbed(&r->probe) ? " (disturbed)" : "");
	for (int i = 0; i < ZS_STAGES; i++)
		if (zs_samples_median(&r->stage[i]) >= 0.5)
			fprintf(stderr, " %s %.0f", zs_stage_name((enum zs_stage)i),
				zs_samples_median(&r->stage[i]));
	fputc('\n', stderr);
}

static void report_on(const struct zs_forward *f, const struct result *r, json_t *report)
{
	json_t *stages = json_object();
	uint64_t all_kb, huge_kb;

	zs_forward_describe(f, report);
	zs_bed_memory(&all_kb, &huge_kb);
	for (int i = 0; i < ZS_STAGES; i++)
		json_object_set_new(stages, zs_stage_name((enum zs_stage)i),
				    json_real(zs_samples_median(&r->stage[i])));
	json_object_set_new(report, "cycles_per_packet", json_real(zs_samples_median(&r->all)));
	json_object_set_new(report, "io_cycles_per_packet", json_real(zs_samples_median(&r->io)));
	json_object_set_new(report, "cycles_over_io", json_real(zs_samples_median(&r->over)));
	json_object_set_new(report, "path_cycles", json_real(zs_samples_median(&r->path)));
	json_object_set_new(report, "housekeeping_cycles", json_real(zs_samples_median(&r->house)));
	json_object_set_new(report, "mpps", json_real(zs_samples_median(&r->mpps)));
	json_object_set_new(report, "spread", json_real(zs_samples_spread(&r->all)));
	json_object_set_new(report, "stages", stages);
	json_object_set_new(report, "percentiles", zs_histogram_json(&r->batches, 1.0 / ZS_FORWARD_BATCH));
	json_object_set_new(report, "shared_memory_mib", json_integer((json_int_t)(all_kb >> 10)));
	json_object_set_new(report, "huge_pages_mib", json_integer((json_int_t)(huge_kb >> 10)));
	json_object_set_new(report, "tsc_hz", json_real(r->hz));
	zs_probe_report(&r->probe, report);
	zs_report_metric(report, "cycles_per_packet", "cycles", ZS_LESS, &r->all);
	zs_report_metric(report, "io_cycles_per_packet", "cycles", ZS_LESS, &r->io);
	zs_report_metric(report, "cycles_over_io", "cycles", ZS_LESS, &r->over);
	zs_report_metric(report, "mpps", "Mpps", ZS_MORE, &r->mpps);
}

static int run(const struct zs_bench_options *opt, json_t *report, struct zs_error *err)
{
	struct zs_forward *f = zs_forward_open(opt, err);
	struct result *r = calloc(1, sizeof(*r));
	int rc = f ? 0 : err->code;

	if (!rc && !r)
		rc = zs_error_set(err, -ENOMEM, ZS_EXIT_RESOURCE, "no memory for a bench");
	if (!rc)
		rc = measure(f, r, opt->repeats * ROUNDS, err);
	if (!rc) {
		print(f, r);
		report_on(f, r, report);
	}
	zs_forward_close(f);
	free(r);
	return rc;
}

const struct zs_bench zs_bench_forward = {
	.name = "forward",
	.help = "one worker's own loop on in-memory ports: cycles a packet by connection ID or by flow, "
		"above the "
		"bare ports",
	.run = run,
};
