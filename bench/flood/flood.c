/* zs-bench flood: what it costs to refuse a packet of each class beside forwarding one, and whether the good get through.
 *
 *   alone     good packets alone, in the calm: what forwarding one costs (forward_cycles), which refusals are held against, and the
 *             highest rate at which none is lost
 *   twice     twice that rate: bound peers and answered flows
 *   forward   good packets alone, in the flood mode that bogus ones have begun (forward_flood_cycles)
 *   flood     5 % of it good, ten times it bogus, one class after the other and then all: from the calm on, when no flood mode is yet
 *   reject    bogus alone at ten times the rate, in flood mode (reject_cycles) and before it begins (calm_cycles)
 *
 * Rates are offered by the clock of load.h: of ten times the rate nine tenths are lost before the worker. A row says what was
 * offered, what of it was received, and what of that left. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <rte_cycles.h>
#include <rte_mempool.h>
#include "base/clock.h"
#include "bench.h"
#include "flood/load.h"

#define GOOD	 0.05 /* of the lossless rate */
#define BOGUS	 10.0
#define TWICE	 2.0
#define FAST	 4.0		     /* … of what a worker can do, to see what it can */
#define FIRST_NS (80 * ZS_NS_PER_MS) /* flood mode begins after 100 ms */
#define FIRSTS	 6
#define PAUSE_NS (150 * ZS_NS_PER_MS) /* … and forgets as much when it is calm */
#define AMONG_NS (600 * ZS_NS_PER_MS)
#define ROUND_NS (300 * ZS_NS_PER_MS)
#define TRY_NS	 (60 * ZS_NS_PER_MS)
#define TRIES	 3    /* of a rate: one without a loss is enough, the machine may have been busy in others */
#define STEP	 0.96 /* from a rate that loses to the next that is tried */
#define CALM_NS	 (1150 * ZS_NS_PER_MS) /* flood mode ends a second after the flood */
#define SLACK_KB 1024		       /* the report itself */
#define ENOUGH	 0.99

enum { MIXED = FLOOD_CLASSES };

static void calm(struct flood_world *w, uint64_t ns)
{
	uint64_t until = zs_clock_ns() + ns;

	while (zs_clock_ns() < until)
		flood_turn(w);
}

static void good_at(struct flood_load *l, double rate)
{
	flood_load_good(l, FLOOD_BOUND, rate / 2);
	flood_load_good(l, FLOOD_ANSWERED, rate / 2);
}

/* Bogus packets alone, as in a flood. */
static struct flood_load bogus_alone(struct flood_world *w, uint32_t class, double lossless, uint64_t ns)
{
	struct flood_load l = { 0 };

	flood_load_bogus(&l, class, BOGUS * lossless);
	flood_load_run(w, &l, ns);
	return l;
}

static bool loses_none(struct flood_world *w, double rate)
{
	struct flood_load l = { 0 };
	bool none = true;

	good_at(&l, rate);
	flood_load_run(w, &l, TRY_NS);
	for (uint32_t i = 0; i < l.streams; i++)
		none &= l.stream[i].left == l.stream[i].offered;
	return none;
}

/* The highest rate at which every packet that is offered leaves, from one down that is too high; packets a cycle. 0: there is none. */
static double find_lossless(struct flood_world *w, double rate)
{
	for (double least = rate / 8; rate > least; rate *= STEP)
		for (int i = 0; i < TRIES; i++)
			if (loses_none(w, rate))
				return rate;
	return 0;
}

/* --- the report --- */

static double share(const struct flood_stream *s)
{
	return s->received ? (double)s->left / (double)s->received : 1;
}

static bool enough(const struct flood_load *l)
{
	bool yes = true;

	for (uint32_t i = 0; i < l->streams; i++)
		yes &= !l->stream[i].good || (share(&l->stream[i]) >= ENOUGH && l->stream[i].received);
	return yes;
}

static const char *name_of(uint32_t class)
{
	return class == MIXED ? "mixed" : flood_class_name((enum flood_class) class);
}

static json_t *stream_json(const struct flood_stream *s)
{
	if (!s->good)
		return json_pack("{s:I,s:I}", "offered", (json_int_t)s->offered, "received",
				 (json_int_t)s->received);
	return json_pack("{s:I,s:I,s:I,s:f}", "offered", (json_int_t)s->offered, "received",
			 (json_int_t)s->received, "left", (json_int_t)s->left, "share", share(s));
}

/* {"bound", "answered", "bogus", …} */
static json_t *load_json(const struct flood_load *l)
{
	static const char *const good[] = { [FLOOD_BOUND] = "bound", [FLOOD_ANSWERED] = "answered" };
	json_t *out = json_pack("{s:b,s:b}", "flood_mode", l->flood_mode, "good", enough(l));

	for (uint32_t i = 0; i < l->streams; i++)
		json_object_set_new(out, l->stream[i].good ? good[l->stream[i].kind] : "bogus",
				    stream_json(&l->stream[i]));
	return out;
}

/* The least of many windows; one of a run, so nothing is claimed of two. */
static void tell(json_t *report, const char *what, double cycles)
{
	struct zs_samples one = { .count = 1, .value = { cycles } };

	zs_report_metric(report, what, "cycles", ZS_LESS, &one);
}

/* What a packet costs before flood mode begins. Where that is the whole cost, by some looks more: each is short. */
static double first_cost(struct flood_world *w, uint32_t class, double lossless)
{
	double least = 0;

	for (int i = 0; i < (class == FLOOD_full_ports ? FIRSTS : 1); i++) {
		struct flood_load l = bogus_alone(w, class, lossless, FIRST_NS);

		least = !least || (l.least && l.least < least) ? l.least : least;
		calm(w, PAUSE_NS);
	}
	return least;
}

/* What a packet of the class costs before flood mode begins and in it; and who gets through from the calm into it. */
static bool run_class(struct flood_world *w, uint32_t class, double lossless, json_t *report)
{
	struct flood_load among = { 0 }, alone;
	double first = first_cost(w, class, lossless);
	json_t *row;

	good_at(&among, GOOD * lossless);
	flood_load_bogus(&among, class, BOGUS * lossless);
	flood_load_run(w, &among, AMONG_NS);
	alone = bogus_alone(w, class, lossless, ROUND_NS);
	json_object_set_new(json_object_get(report, "reject_cycles"), name_of(class), json_real(alone.least));
	tell(report, name_of(class), alone.least);
	json_object_set_new(json_object_get(report, "calm_cycles"), name_of(class), json_real(first));
	row = load_json(&among);
	json_object_set_new(row, "class", json_string(name_of(class)));
	json_array_append_new(json_object_get(report, "flood"), row);
	calm(w, CALM_NS);
	return enough(&among);
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
	const struct zs_worker *me = w->bed->w;
	uint64_t drops = 0;

	for (int i = 0; i < ZS_DROPS; i++)
		drops += me->drop[i];
	return me->count[ZS_COUNTER_rx] + me->count[ZS_COUNTER_originated] ==
	       me->count[ZS_COUNTER_tx] + me->count[ZS_COUNTER_consumed] + me->count[ZS_COUNTER_punted] +
		   drops;
}

static json_t *strangers(const struct flood_world *w, bool *good)
{
	*good &= !w->amplified;
	return json_pack("{s:I,s:I,s:I,s:b}", "bytes_from", (json_int_t)w->heard, "bytes_to",
			 (json_int_t)w->told, "amplified", (json_int_t)w->amplified, "none_got_more",
			 !w->amplified);
}

static void report_memory(const struct flood_world *w, uint64_t before, uint64_t after, json_t *report)
{
	json_object_set_new(report, "memory",
			    json_pack("{s:I,s:I,s:I,s:I}", "resident_kb_before", (json_int_t)before,
				      "resident_kb_after", (json_int_t)after, "packets_held",
				      (json_int_t)rte_mempool_in_use_count(w->bed->dp.pool), "flows",
				      (json_int_t)atomic_load(&w->bed->dp.partition[0].head->used)));
}

/* What forwarding costs while flood mode lasts. 0: it did not last. */
static double forward_in_flood(struct flood_world *w, double lossless)
{
	struct flood_load l = { 0 };

	bogus_alone(w, MIXED, lossless, ROUND_NS);
	good_at(&l, FAST * lossless);
	flood_load_run(w, &l, ROUND_NS);
	calm(w, CALM_NS);
	return l.flood_mode ? l.least : 0;
}

/* Forwarding: its cost, the lossless rate, twice that. Returns the lossless rate. */
static double run_good(struct flood_world *w, json_t *report, bool *good)
{
	struct flood_load warm = { 0 }, full = { 0 }, twice = { 0 };
	double lossless, hz = (double)rte_get_tsc_hz();

	good_at(&warm, 1);
	flood_load_run(w, &warm, ROUND_NS);
	good_at(&full, FAST / warm.least);
	flood_load_run(w, &full, ROUND_NS);
	lossless = find_lossless(w, 1.1 / full.least);
	tell(report, "forward", full.least);
	json_object_set_new(report, "forward_cycles", json_real(full.least));
	json_object_set_new(report, "lossless_pps", json_real(lossless * hz));
	if (!lossless)
		return 0;
	good_at(&twice, TWICE * lossless);
	flood_load_run(w, &twice, 2 * ROUND_NS);
	json_object_set_new(report, "twice", load_json(&twice));
	json_object_set_new(report, "offered",
			    json_pack("{s:f,s:f,s:f}", "twice_pps", TWICE * lossless * hz, "good_pps",
				      GOOD * lossless * hz, "bogus_pps", BOGUS * lossless * hz));
	*good &= enough(&twice);
	return lossless;
}

static int report_on(struct flood_world *w, json_t *report, struct zs_error *err)
{
	uint64_t before = 0;
	double lossless;
	bool good = true;
	double forward;

	json_object_set_new(report, "reject_cycles", json_object());
	json_object_set_new(report, "calm_cycles", json_object());
	json_object_set_new(report, "flood", json_array());
	lossless = run_good(w, report, &good);
	if (!lossless)
		return zs_error_set(err, -EAGAIN, ZS_EXIT_FAILED,
				    "no rate without a loss: the machine is too busy to measure");
	forward = forward_in_flood(w, lossless);
	tell(report, "forward in a flood", forward);
	json_object_set_new(report, "forward_flood_cycles", json_real(forward));
	for (uint32_t class = 0; class <= MIXED; class ++) {
		before = resident_kb(); /* the last one's counts: by then each class has touched its memory */
		good &= run_class(w, class, lossless, report);
	}
	report_memory(w, before, resident_kb(), report);
	good &= forward > 0 && resident_kb() <= before + SLACK_KB;
	json_object_set_new(report, "strangers", strangers(w, &good));
	json_object_set_new(report, "conserved", json_boolean(conserved(w)));
	json_object_set_new(report, "cut_in_upon", json_integer((json_int_t)w->cut));
	json_object_set_new(report, "good",
			    json_boolean(good && conserved(w) && !rte_mempool_in_use_count(w->bed->dp.pool)));
	return 0;
}

static int run_bench(const struct zs_bench_options *opt, json_t *report, struct zs_error *err)
{
	struct flood_world *w = aligned_alloc(64, ZS_ALIGN_UP(sizeof(*w), 64));
	int rc;

	if (!w)
		return zs_error_set(err, -ENOMEM, ZS_EXIT_RESOURCE, "out of memory");
	rc = flood_open(w, err);
	if (!rc)
		rc = report_on(w, report, err);
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
