/* zs-bench forward: rounds of the relay, of `io` and of the memory probe take turns; the median of rounds is reported.
 What a packet costs is told by cost.c. */
#include "forward/forward.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROUNDS_MIN  5
#define ENOUGH_NS   (28 * ZS_NS_PER_S) /* ten million flows take most of it to be made: fewer rounds then */
#define ROUNDS	    3		       /* for each of --repeats */
#define SLICES	    16		       /* of a round: batches of the relay, then of io */
#define RELAY_SLICE 64
#define IO_SLICE    16

struct result {
	struct zs_samples all, path, io, over, mpps, house, stage[ZS_STAGES];
	struct zs_histogram batches;
	struct zs_probe probe;
	double hz;
	struct zs_forward_cost cost; /* of the round under way */
};

/* --- measuring --- */

static double io_batch(struct zs_forward *f)
{
	double cycles;

	zs_forward_fill(f, ZS_FORWARD_BATCH);
	cycles = (double)zs_forward_io(f, ZS_FORWARD_BATCH) / ZS_FORWARD_BATCH;
	zs_forward_sink(f, ZS_FORWARD_BATCH, NULL);
	return cycles;
}

static void one_round(struct zs_forward *f, struct result *r)
{
	struct zs_forward_cost *c = &r->cost;
	double each[SLICES * IO_SLICE], io;
	uint32_t ios = 0;

	zs_forward_cost_begin(c);
	for (int s = 0; s < SLICES; s++) {
		for (int i = 0; i < RELAY_SLICE; i++)
			zs_histogram_add(&r->batches, zs_forward_cost_batch(f, c));
		for (int i = 0; i < IO_SLICE; i++)
			each[ios++] = io_batch(f);
	}
	zs_forward_cost_end(c, r->hz);
	zs_probe_round(&r->probe);
	io = zs_bed_median(each, ios);
	for (int i = 0; i < ZS_STAGES; i++)
		zs_samples_add(&r->stage[i], c->stage[i]);
	zs_samples_add(&r->path, c->path);
	zs_samples_add(&r->house, c->house);
	zs_samples_add(&r->all, c->all);
	zs_samples_add(&r->io, io);
	zs_samples_add(&r->over, c->all - io);
	zs_samples_add(&r->mpps, r->hz / c->all / 1e6);
}

static int measure(struct zs_forward *f, struct result *r, uint32_t rounds, struct zs_error *err)
{
	int rc = zs_probe_open(&r->probe, ZS_PROBE_BYTES, err);

	if (rc)
		return rc;
	r->hz = zs_tsc_hz();
	zs_forward_warm_up(f);
	for (uint32_t i = 0; i < rounds && (i < ROUNDS_MIN || zs_clock_ns() - f->began_ns < ENOUGH_NS); i++)
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
