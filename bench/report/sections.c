#include "report/sections.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define ROWS 32

bool zs_is_run(const json_t *run, const char *bench)
{
	return !strcmp(zs_text_of(run, "bench"), bench) && !json_object_get(run, "failed");
}

const json_t *zs_quiet_machine(const json_t *runs)
{
	const json_t *run, *found = NULL;
	double least = INFINITY;
	size_t i;

	json_array_foreach(runs, i, run)
	{
		const json_t *m = json_object_get(run, "machine"), *add = json_object_get(m, "add_cycles");

		if (!add || zs_number_of(add, "p90") >= least)
			continue;
		found = m;
		least = zs_number_of(add, "p90");
	}
	return found;
}

void zs_heading(FILE *f, const char *title, const char *why)
{
	fprintf(f, "<h2>%s</h2>\n<p class=\"why\">%s</p>\n", title, why);
}

void zs_bars(FILE *f, const struct zs_bar *bar, uint32_t n, const char *unit, const char *title,
	     const char *why)
{
	if (!n)
		return;
	zs_heading(f, title, why);
	zs_draw_bars(f, bar, n, unit);
}

void zs_traffic_name(const json_t *run, char out[96])
{
	bool cid = !strcmp(zs_text_of(run, "kind"), "cid");
	double zipf = zs_number_of(run, "zipf");
	char entries[32], size[32], extra[48] = "";

	zs_number(entries, zs_number_of(run, "entries"));
	snprintf(size, sizeof(size), "%.0f B", zs_number_of(run, "size"));
	if (cid && strcmp(zs_text_of(run, "header"), "short"))
		snprintf(extra, sizeof(extra), " \xc2\xb7 %.8s", zs_text_of(run, "header"));
	if (zipf > 0)
		snprintf(extra, sizeof(extra), " \xc2\xb7 Zipf %.2f", zipf);
	if (strstr(zs_text_of(run, "variant"), "small-pages"))
		snprintf(extra, sizeof(extra), " \xc2\xb7 4 KiB pages");
	snprintf(out, 96, "%s \xc2\xb7 %s \xc2\xb7 v%.0f \xc2\xb7 %s%s", cid ? "CID" : "flow", entries,
		 zs_number_of(run, "family"), json_is_true(json_object_get(run, "imix")) ? "IMIX" : size,
		 extra);
}

double zs_goal_of(const json_t *run)
{
	bool cid = !strcmp(zs_text_of(run, "kind"), "cid"),
	     is_short = !strcmp(zs_text_of(run, "header"), "short");
	double n = zs_number_of(run, "entries"), line = zs_number_of(run, "line_cycles");
	double dear = line > 16 ? (line < 40 ? line : 40) - 16 : 0;

	if (zs_number_of(run, "family") != 4 || zs_number_of(run, "size") != 64 || !is_short ||
	    json_is_true(json_object_get(run, "imix")) || zs_number_of(run, "zipf") > 0)
		return 0;
	if (cid)
		return n == 1000 ? 80 : n == 100000 ? 95 : n >= 1000000 ? 120 + 4 * dear : 0;
	return n == 1000 ? 75 : n == 1000000 ? 100 + 3 * dear : n == 10000000 ? 130 + 3 * dear : 0;
}

/* --- where a packet's cycles go --- */

static void add_part(struct zs_bar *b, const char *name, double value)
{
	if (value >= 0.5 && b->parts < 16)
		b->part[b->parts++] = (struct zs_segment_bar){ name, value };
}

void zs_section_stages(FILE *f, const json_t *runs)
{
	struct zs_bar *bar = calloc(ROWS, sizeof(*bar));
	const json_t *run, *cycles;
	uint32_t n = 0;
	size_t i;

	json_array_foreach(runs, i, run)
	{
		char over[32], mpps[32];
		const char *stage;

		if (!bar || n == ROWS || !zs_is_run(run, "forward"))
			continue;
		zs_traffic_name(run, bar[n].label);
		json_object_foreach((json_t *)json_object_get(run, "stages"), stage, cycles)
		    add_part(&bar[n], stage, json_number_value(cycles));
		zs_number(over, zs_number_of(run, "cycles_over_io"));
		zs_number(mpps, zs_number_of(run, "mpps"));
		snprintf(bar[n].note, sizeof(bar[n].note), "%s above io, %s Mpps", over, mpps);
		n++;
	}
	zs_bars(f, bar, n, "cycles", "Where a packet\xe2\x80\x99s cycles go",
		"One worker\xe2\x80\x99s own loop, from a port to a port, stage by stage, in cycles of the "
		"time stamp "
		"counter. \xe2\x80\x9cio\xe2\x80\x9d is the same ports, loop and burst with the packets "
		"untouched.");
	free(bar);
}

/* --- how it grows --- */

static void add_point(struct zs_curve *c, const json_t *run)
{
	const json_t *m = zs_metric_of(run, "cycles_over_io");
	uint32_t k = c->points;

	if (k == ZS_POINTS)
		return;
	c->x[k] = zs_number_of(run, "entries");
	c->y[k] = zs_number_of(run, "cycles_over_io");
	c->low[k] = zs_number_of(m, "p10");
	c->high[k] = zs_number_of(m, "p90");
	c->goal[k] = zs_goal_of(run);
	c->points++;
}

void zs_section_growth(FILE *f, const json_t *runs)
{
	static const struct zs_axes axes = { .x = "entries, each as likely as the other",
					     .y = "cycles above io",
					     .label = "cycles by the number of entries",
					     .log_x = true };
	struct zs_curve curve[2] = { { .name = "connection IDs" }, { .name = "flows" } };
	const json_t *run;
	size_t i;

	json_array_foreach(runs, i, run) if (zs_is_run(run, "forward") && zs_number_of(run, "size") == 64 &&
					     zs_number_of(run, "family") == 4 &&
					     !json_is_true(json_object_get(run, "imix")) &&
					     zs_number_of(run, "zipf") == 0 &&
					     !strstr(zs_text_of(run, "variant"), "small"))
	    add_point(&curve[strcmp(zs_text_of(run, "kind"), "cid") != 0], run);
	if (curve[0].points < 2 || curve[1].points < 2)
		return;
	zs_heading(f, "As tables grow",
		   "64-byte packets, sender and destination drawn anew for each. The strokes are the goals, "
		   "which move with "
		   "what a random line of memory costs on this machine.");
	zs_draw_curves(f, curve, 2, &axes);
}

/* --- rates and waits --- */

static const char *const shares[] = { "p50", "p90", "p99", "p99.9", "p99.99", "max" };

static void add_waits(struct zs_curve *c, const json_t *waits, const char *traffic, const char *load)
{
	snprintf(c->name, sizeof(c->name), "%.20s at %.5s", traffic, load);
	for (uint32_t k = 0; k < 6; k++) {
		double v = zs_number_of(waits, shares[k]);

		c->x[k] = k;
		c->y[k] = c->low[k] = c->high[k] = v > 0.01 ? v : 0.01;
	}
	c->points = 6;
}

void zs_section_rates(FILE *f, const json_t *runs)
{
	struct zs_axes axes = { .x = "share of the packets",
				.y = "\xc2\xb5s from arrival",
				.label = "waiting times",
				.log_y = true };
	struct zs_curve curve[ZS_CURVES] = { 0 };
	struct zs_bar bar[ROWS] = { 0 };
	uint32_t n = 0, curves = 0;
	const json_t *run, *waits;
	const char *load;
	size_t i;

	memcpy(axes.tick, shares, sizeof(shares));
	json_array_foreach(runs, i, run)
	{
		char pdr[32], ndr[32];

		if (n == ROWS || !zs_is_run(run, "rate"))
			continue;
		zs_traffic_name(run, bar[n].label);
		zs_number(ndr, zs_number_of(run, "ndr_mpps"));
		zs_number(pdr, zs_number_of(run, "pdr_mpps"));
		snprintf(bar[n].note, sizeof(bar[n].note), "%s Mpps; %s with 0.5 %% lost", ndr, pdr);
		bar[n].part[bar[n].parts++] = (struct zs_segment_bar){ "NDR", zs_number_of(run, "ndr_mpps") };
		if (n++ > 1)
			continue;
		json_object_foreach((json_t *)json_object_get(run, "wait_us"), load,
				    waits) if (curves < ZS_CURVES)
		    add_waits(&curve[curves++], waits,
			      strcmp(zs_text_of(run, "kind"), "cid") ? "flows" : "CID", load);
	}
	zs_bars(f, bar, n, "million packets a second", "Without loss, and how long packets wait",
		"The highest rate at which one worker loses no packet, searched for as RFC 2544 has it. "
		"Below: what packets "
		"wait from arrival to the end of the turn that took them, at parts of that rate.");
	if (curves)
		zs_draw_curves(f, curve, curves, &axes);
}

/* --- tunnels --- */

static void add_tunnel(struct zs_bar *ours, struct zs_bar *theirs, const json_t *row)
{
	double mine = zs_number_of(json_object_get(row, "receive"), "median");
	double other = zs_number_of(json_object_get(row, "boringssl"), "median");
	char entries[32], cycles[32];

	zs_number(entries, zs_number_of(row, "tunnels"));
	snprintf(ours->label, sizeof(ours->label), "%.8s \xc2\xb7 %.0f B \xc2\xb7 %s tunnels",
		 zs_text_of(row, "mode"), zs_number_of(row, "bytes"), entries);
	snprintf(theirs->label, sizeof(theirs->label), "BoringSSL alone");
	add_part(ours, "relay, from the frame on", mine);
	add_part(theirs, "BoringSSL\xe2\x80\x99s open", other);
	zs_number(cycles, mine);
	snprintf(ours->note, sizeof(ours->note), "%s cycles, %.2f of it", cycles,
		 other > 0 ? mine / other : 0);
	zs_number(cycles, other);
	snprintf(theirs->note, sizeof(theirs->note), "%s", cycles);
}

void zs_section_tunnels(FILE *f, const json_t *runs)
{
	struct zs_bar bar[ROWS] = { 0 };
	const json_t *run, *row;
	uint32_t n = 0;
	size_t i, k;

	json_array_foreach(runs, i, run)
	{
		if (!zs_is_run(run, "tunnel"))
			continue;
		json_array_foreach(json_object_get(run, "rows"), k, row) if (n + 2 <= ROWS)
		{
			add_tunnel(&bar[n], &bar[n + 1], row);
			n += 2;
		}
	}
	zs_bars(f, bar, n, "cycles", "Tunnels",
		"A tunnel\xe2\x80\x99s datagram received, from the frame to an authentic payload that "
		"knows its flow, beside "
		"nothing but BoringSSL\xe2\x80\x99s open of the same bytes under as many keys.");
}

/* --- floods --- */

void zs_section_floods(FILE *f, const json_t *runs)
{
	struct zs_bar bar[ROWS] = { 0 };
	const json_t *run, *cycles;
	const char *class;
	uint32_t n = 0;
	size_t i;

	json_array_foreach(runs, i, run)
	{
		if (!zs_is_run(run, "flood"))
			continue;
		snprintf(bar[n].label, sizeof(bar[n].label), "a good packet, forwarded");
		add_part(&bar[n], "forwarded", zs_number_of(run, "forward_cycles"));
		zs_number(bar[n].note, zs_number_of(run, "forward_cycles"));
		n++;
		json_object_foreach((json_t *)json_object_get(run, "reject_cycles"), class, cycles)
		{
			if (n == ROWS)
				break;
			snprintf(bar[n].label, sizeof(bar[n].label), "%s", class);
			add_part(&bar[n], "refused", json_number_value(cycles));
			zs_number(bar[n].note, json_number_value(cycles));
			n++;
		}
	}
	zs_bars(f, bar, n, "cycles", "Under a flood",
		"What it costs to refuse a bogus packet of each class, beside forwarding a good one. "
		"Refusing must be the "
		"cheaper thing.");
}
