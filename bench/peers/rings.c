/* zs-bench peers: others on ports of rings beside one worker of ours, in turns. On our own ports the bare ports and a forwarder on
 * rte_hash, with the same frames; on ports of the same kind dpdk-testpmd. Ratios are taken round by round. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/check.h"
#include "peers/exact.h"
#include "peers/testpmd.h"

#define ROUNDS 3 /* for each of --repeats */
#define SLICES 8 /* of a round: batches of each who takes part */
#define SLICE                                                                                                \
	32 /* its first ones meet caches that others have filled; the median of a round is not of them */

enum { RELAY, IO, EXACT8, EXACT16, EXACT32, EXACT64, PMD_IO, PMD_MACSWAP, PMD_5TSWAP, PEERS };

/* A bulk for rte_hash, a mode for testpmd. */
static const struct peer {
	const char *name;
	uint32_t bulk;
	const char *mode;
} peers[PEERS] = {
	[RELAY] = { "relay", 0, NULL },
	[IO] = { "io", 0, NULL },
	[EXACT8] = { "rte_hash, bulks of 8", 8, NULL },
	[EXACT16] = { "rte_hash, bulks of 16", 16, NULL },
	[EXACT32] = { "rte_hash, bulks of 32", 32, NULL },
	[EXACT64] = { "rte_hash, bulks of 64", 64, NULL },
	[PMD_IO] = { "testpmd io", 0, "io" },
	[PMD_MACSWAP] = { "testpmd macswap", 0, "macswap" },
	[PMD_5TSWAP] = { "testpmd 5tswap", 0, "5tswap" },
};

struct result {
	struct zs_samples cycles[PEERS], ratio[PEERS]; /* ratio: the relay's throughput to the peer's */
	struct zs_probe probe;
	double hz;
	struct zs_forward_cost cost; /* the relay's, of the round under way */
	double batch[PEERS][SLICES * SLICE];
	struct zs_forward *f;
	struct zs_exact *exact;
	struct zs_testpmd testpmd;
	struct zs_error no_exact, no_testpmd; /* why absent */
};

static bool present(const struct result *r, int i)
{
	return peers[i].mode ? r->testpmd.pid > 0 : peers[i].bulk ? r->exact != NULL : true;
}

/* --- measuring --- */

static double other_batch(struct result *r, int i, bool look)
{
	struct zs_forward *f = r->f;
	bool exact = peers[i].bulk != 0;
	uint64_t cycles;

	zs_forward_fill(f, ZS_FORWARD_BATCH);
	cycles = exact ? zs_exact_turns(r->exact, ZS_FORWARD_BATCH, peers[i].bulk)
		       : zs_forward_io(f, ZS_FORWARD_BATCH);
	zs_forward_sink(f, ZS_FORWARD_BATCH, look && exact ? zs_forward_flow_sent : NULL);
	return (double)cycles / ZS_FORWARD_BATCH;
}

static void slice(struct result *r, uint32_t s)
{
	for (int i = 0; i < SLICE; i++)
		zs_forward_cost_batch(r->f, &r->cost);
	for (int p = IO; p < PMD_IO; p++)
		for (int i = 0; present(r, p) && i < SLICE; i++)
			r->batch[p][s * SLICE + i] = other_batch(r, p, i == 0);
}

static int one_round(struct result *r, struct zs_error *err)
{
	double cycles[PEERS] = { 0 };

	zs_forward_cost_begin(&r->cost);
	for (uint32_t s = 0; s < SLICES; s++)
		slice(r, s);
	zs_forward_cost_end(&r->cost, r->hz);
	zs_probe_round(&r->probe);
	cycles[RELAY] = r->cost.all;
	for (int p = IO; p < PEERS; p++) {
		int rc = 0;

		if (!present(r, p))
			continue;
		if (peers[p].mode)
			rc = zs_testpmd_run(&r->testpmd, peers[p].mode, &cycles[p], err);
		else
			cycles[p] = zs_bed_median(r->batch[p], SLICES * SLICE);
		if (rc)
			return rc;
	}
	for (int p = 0; p < PEERS; p++)
		if (present(r, p)) {
			zs_samples_add(&r->cycles[p], cycles[p]);
			zs_samples_add(&r->ratio[p], cycles[p] / cycles[RELAY]);
		}
	return 0;
}

static int measure(struct result *r, uint32_t rounds, struct zs_error *err)
{
	int rc = zs_probe_open(&r->probe, ZS_PROBE_BYTES, err);

	if (rc)
		return rc;
	r->hz = zs_tsc_hz();
	zs_forward_warm_up(r->f);
	for (uint32_t i = 0; i < rounds && !rc; i++)
		rc = one_round(r, err);
	zs_probe_close(&r->probe);
	return rc ? rc : zs_forward_check(r->f, err);
}

/* --- report --- */

/* The bulk that costs least. */
static int best(const struct result *r)
{
	int at = EXACT8;

	for (int p = EXACT8; p <= EXACT64; p++)
		if (zs_samples_median(&r->cycles[p]) < zs_samples_median(&r->cycles[at]))
			at = p;
	return at;
}

static void report_peer(const struct result *r, int p, json_t *list)
{
	double cycles = zs_samples_median(&r->cycles[p]), ratio = zs_samples_median(&r->ratio[p]);

	json_array_append_new(list, json_pack("{s:s,s:f,s:f,s:f,s:f}", "name", peers[p].name, "cycles",
					      cycles, "spread", zs_samples_spread(&r->cycles[p]), "mpps",
					      r->hz / cycles / 1e6, "relay_throughput_ratio", ratio));
	fprintf(stderr, "  %-24s %6.1f cycles a packet (%.1f-%.1f), %7.2f Mpps", peers[p].name, cycles,
		zs_samples_quantile(&r->cycles[p], 0.1), zs_samples_quantile(&r->cycles[p], 0.9),
		r->hz / cycles / 1e6);
	if (p != RELAY)
		fprintf(stderr, "   relay / it = %.3f", ratio);
	fputc('\n', stderr);
}

static void report_absent(const char *name, const struct zs_error *why, json_t *list)
{
	char text[256];

	snprintf(text, sizeof(text), "%s: %.200s", name, why->text);
	json_array_append_new(list, json_string(text));
	fprintf(stderr, "  absent: %s\n", text);
}

static void report_on(const struct result *r, json_t *report)
{
	json_t *rows = json_array(), *absent = json_array();

	zs_forward_describe(r->f, report);
	for (int p = 0; p < PEERS; p++)
		if (present(r, p)) {
			report_peer(r, p, rows);
			zs_report_metric(report, peers[p].name, "cycles", ZS_LESS, &r->cycles[p]);
		}
	json_object_set_new(report, "rows", rows);
	if (r->exact) {
		json_object_set_new(report, "keys", json_integer(zs_exact_keys(r->exact)));
		json_object_set_new(report, "best_bulk", json_integer(peers[best(r)].bulk));
		zs_report_metric(report, "relay / rte_hash, bulks of 8", "", ZS_MORE, &r->ratio[EXACT8]);
		zs_report_metric(report, "relay / rte_hash, its best bulk", "", ZS_MORE, &r->ratio[best(r)]);
	} else {
		report_absent("rte_hash", &r->no_exact, absent);
	}
	if (r->testpmd.pid <= 0)
		report_absent("dpdk-testpmd", &r->no_testpmd, absent);
	json_object_set_new(report, "absent", absent);
	json_object_set_new(report, "tsc_hz", json_real(r->hz));
	zs_probe_report(&r->probe, report);
}

static int bench(const struct zs_bench_options *opt, json_t *report, struct zs_error *err)
{
	struct zs_bench_options flows = *opt;
	struct result *r = calloc(1, sizeof(*r));
	int rc;

	if (!r)
		return zs_error_set(err, -ENOMEM, ZS_EXIT_RESOURCE, "no memory for a bench");
	if ((*opt->kind && strcmp(opt->kind, "flow")) || opt->family == 6) {
		rc = zs_error_set(err, -EINVAL, ZS_EXIT_USAGE, "peers forward flows over IPv4 alone");
		goto out;
	}
	snprintf(flows.kind, sizeof(flows.kind), "flow");
	r->f = zs_forward_open(&flows, err);
	if (!r->f) {
		rc = err->code;
		goto out;
	}
	r->exact = zs_exact_open(r->f, &r->no_exact);
	zs_testpmd_open(&r->testpmd, r->f->bed->conf.dataplane.hugepages, &r->no_testpmd);
	rc = measure(r, opt->repeats * ROUNDS, err);
	if (!rc)
		report_on(r, report);
	zs_testpmd_close(&r->testpmd);
	zs_exact_close(r->exact);
	zs_forward_close(r->f);
out:
	free(r);
	return rc;
}

const struct zs_bench zs_bench_peers = {
	.name = "peers",
	.help =
	    "flows on in-memory ports beside an exact-match forwarder on rte_hash and dpdk-testpmd: cycles "
	    "a packet, ratios",
	.run = bench,
};
