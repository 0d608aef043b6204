/* zs-bench flood: what it costs to refuse a packet of each class beside forwarding one, and whether the good get through.
 *
 *   alone     good packets alone, as many as the worker takes: the lossless rate
 *   flood     5 % of that rate good, ten times that rate bogus, one class and then all: of 201 packets one is good
 *   twice     twice the lossless rate of good packets
 *
 * Whoever sends waits for room in the receive ring, so all that is sent is received, at whatever rate the worker manages: the ratio is what
 * the row says, no packet is lost before the worker, and what is missing behind it the worker has lost. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <rte_cycles.h>
#include <rte_mempool.h>
#include "base/clock.h"
#include "bench.h"
#include "flood/world.h"

#define BOGUS_EACH 200			/* bogus packets for each good one: 10 / 0.05 */
#define WARM_NS	   (300 * ZS_NS_PER_MS) /* flood mode begins after 100 ms */
#define ROUND_NS   (400 * ZS_NS_PER_MS)
#define CALM_NS	   (1300 * ZS_NS_PER_MS) /* … and ends a second after the flood */
#define WINDOW	   1024 /* packets a sample of cycles: the least of them is the cost, others were interrupted */
#define SLACK_KB   1024 /* the report itself */
#define ENOUGH	   0.99

enum { MIXED = FLOOD_CLASSES, NO_BOGUS };

struct row {
	uint64_t good_in, good_out, bogus_in;
	double cycles; /* a packet */
	bool flood_mode;
};

/* Good packets by turns: peer to peer, client to target, target to client. */
static uint64_t put_good(struct flood_world *w, uint64_t i)
{
	struct flood_frame f;

	switch (i % 4) {
	case 0:
		flood_good_client(w, &f, (uint32_t)(i / 4 % FLOOD_FLOWS));
		break;
	case 1:
		flood_good_target(w, &f, (uint32_t)(i / 4 % FLOOD_FLOWS));
		return flood_put(w, 1, &f);
	default:
		flood_good_cid(w, &f, (uint32_t)(i / 2 % FLOOD_PEERS));
	}
	return flood_put(w, 0, &f);
}

static uint64_t put_bogus(struct flood_world *w, uint32_t class, uint64_t i)
{
	struct flood_frame f;

	flood_bogus(w, &f, (enum flood_class)(class == MIXED ? i % FLOOD_CLASSES : class));
	return flood_put(w, 0, &f);
}

static uint64_t drain(struct flood_world *w)
{
	uint64_t cycles = 0;

	while (flood_waiting(w))
		cycles += flood_turn(w);
	return cycles;
}

/* `each` bogus packets for a good one; none good when each is UINT32_MAX. */
static void run(struct flood_world *w, uint32_t class, uint32_t each, uint64_t ns, struct row *r)
{
	uint64_t until = zs_clock_ns() + ns, good = w->good_out, n = 0, cycles = 0;
	const uint64_t *rx = &w->dp.worker[0]->count[ZS_COUNTER_rx];
	uint64_t from = *rx;

	*r = (struct row){ .cycles = 1e9 };
	while (n % 256 || zs_clock_ns() < until) {
		bool is_good = class == NO_BOGUS || (each != UINT32_MAX && n % (each + 1) == 0);

		cycles += is_good ? put_good(w, r->good_in) : put_bogus(w, class, r->bogus_in);
		r->good_in += is_good;
		r->bogus_in += !is_good;
		n++;
		if (*rx - from < WINDOW)
			continue;
		if ((double)cycles / (double)(*rx - from) < r->cycles)
			r->cycles = (double)cycles / (double)(*rx - from);
		from = *rx;
		cycles = 0;
	}
	r->flood_mode = w->dp.worker[0]->flood.on;
	drain(w);
	r->good_out = w->good_out - good;
}

static void calm(struct flood_world *w)
{
	uint64_t until = zs_clock_ns() + CALM_NS;

	while (zs_clock_ns() < until)
		flood_turn(w);
}

/* --- the report --- */

static double share(const struct row *r)
{
	return r->good_in ? (double)r->good_out / (double)r->good_in : 1;
}

static const char *name_of(uint32_t class)
{
	return class == MIXED ? "mixed" : flood_class_name((enum flood_class) class);
}

/* One class: its cost alone, and the good packets among it. */
static bool run_class(struct flood_world *w, uint32_t class, json_t *reject, json_t *rows)
{
	struct row warm, alone, among;
	bool good;

	run(w, class, BOGUS_EACH, WARM_NS, &warm);
	run(w, class, BOGUS_EACH, ROUND_NS, &among);
	run(w, class, UINT32_MAX, ROUND_NS, &alone);
	good = share(&warm) >= ENOUGH && share(&among) >= ENOUGH;
	json_object_set_new(reject, name_of(class), json_real(alone.cycles));
	json_array_append_new(rows,
			      json_pack("{s:s,s:I,s:I,s:I,s:f,s:b,s:b}", "class", name_of(class), "bogus",
					(json_int_t)(warm.bogus_in + among.bogus_in), "good_received",
					(json_int_t)(warm.good_in + among.good_in), "good_left",
					(json_int_t)(warm.good_out + among.good_out), "good_share",
					share(&among) < share(&warm) ? share(&among) : share(&warm),
					"flood_mode", among.flood_mode, "good", good));
	calm(w);
	return good;
}

/* No stranger got more bytes than came from it. */
static bool no_reflector(const struct flood_world *w, uint64_t *told, uint64_t *heard)
{
	bool good = true;

	*told = *heard = 0;
	for (uint32_t i = 0; i < FLOOD_STRANGERS; i++) {
		*told += w->told[i];
		*heard += w->heard[i];
		good &= w->told[i] <= w->heard[i];
	}
	return good;
}

/* Resident memory of this process, KiB. */
static uint64_t resident_kb(void)
{
	unsigned long long size = 0, pages = 0;
	FILE *f = fopen("/proc/self/statm", "re");

	if (!f || fscanf(f, "%llu %llu", &size, &pages) != 2)
		pages = 0;
	if (f)
		fclose(f);
	return pages * (uint64_t)sysconf(_SC_PAGESIZE) / 1024;
}

/* Did every packet end in one way? Packets that the worker made are among them. */
static bool conserved(const struct flood_world *w)
{
	const struct zs_worker *me = w->dp.worker[0];
	uint64_t drops = 0;

	for (int i = 0; i < ZS_DROPS; i++)
		drops += me->drop[i];
	return me->count[ZS_COUNTER_rx] + me->count[ZS_COUNTER_originated] ==
	       me->count[ZS_COUNTER_tx] + me->count[ZS_COUNTER_consumed] + me->count[ZS_COUNTER_punted] +
		   drops;
}

static json_t *strangers(const struct flood_world *w, bool *good)
{
	uint64_t told, heard;
	bool quiet = no_reflector(w, &told, &heard);

	*good &= quiet;
	return json_pack("{s:I,s:I,s:b}", "bytes_from", (json_int_t)heard, "bytes_to", (json_int_t)told,
			 "none_got_more", quiet);
}

static void report_on(struct flood_world *w, json_t *report)
{
	struct row alone, twice;
	json_t *reject = json_object(), *rows = json_array();
	uint64_t before = 0, after;
	bool good = true;

	run(w, NO_BOGUS, 0, WARM_NS, &alone);
	run(w, NO_BOGUS, 0, ROUND_NS, &alone);
	run(w, NO_BOGUS, 0, 2 * ROUND_NS, &twice);
	for (uint32_t class = 0; class <= MIXED; class ++) {
		before = resident_kb(); /* the last one's counts: by then each class has touched its memory */
		good &= run_class(w, class, reject, rows);
	}
	after = resident_kb();
	json_object_set_new(report, "forward_cycles", json_real(alone.cycles));
	json_object_set_new(report, "lossless_pps", json_real((double)rte_get_tsc_hz() / alone.cycles));
	json_object_set_new(report, "reject_cycles", reject);
	json_object_set_new(report, "flood", rows);
	json_object_set_new(report, "twice",
			    json_pack("{s:I,s:I,s:f,s:b}", "good_received", (json_int_t)twice.good_in,
				      "good_left", (json_int_t)twice.good_out, "good_share", share(&twice),
				      "flood_mode", twice.flood_mode));
	json_object_set_new(report, "memory",
			    json_pack("{s:I,s:I,s:I,s:I}", "resident_kb_before", (json_int_t)before,
				      "resident_kb_after", (json_int_t)after, "packets_held",
				      (json_int_t)rte_mempool_in_use_count(w->dp.pool), "flows",
				      (json_int_t)atomic_load(&w->dp.partition[0].head->used)));
	json_object_set_new(report, "strangers", strangers(w, &good));
	json_object_set_new(report, "conserved", json_boolean(conserved(w)));
	json_object_set_new(report, "good",
			    json_boolean(good && share(&twice) >= ENOUGH && conserved(w) &&
					 after <= before + SLACK_KB &&
					 !rte_mempool_in_use_count(w->dp.pool)));
}

static int run_bench(const struct zs_bench_options *opt, json_t *report, struct zs_error *err)
{
	struct flood_world *w = aligned_alloc(64, ZS_ALIGN_UP(sizeof(*w), 64));
	int rc;

	if (!w)
		return zs_error_set(err, -ENOMEM, ZS_EXIT_RESOURCE, "out of memory");
	rc = flood_open(w, err);
	if (!rc)
		report_on(w, report);
	flood_close(w);
	free(w);
	return rc;
}

const struct zs_bench zs_bench_flood = {
	.name = "flood",
	.help = "one worker on in-memory ports: cycles to refuse a packet of each class, and how many good "
		"ones get through",
	.run = run_bench,
};
