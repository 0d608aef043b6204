#include "report/html.h"

#include <errno.h>
#include <string.h>
#include "report/sections.h"

/* --- the head --- */

static void fact(FILE *f, const char *what, const char *value)
{
	if (!*value)
		return;
	fputs("<div><span>", f);
	zs_text(f, what);
	fputs("</span>", f);
	zs_text(f, value);
	fputs("</div>\n", f);
}

static void bytes(char out[32], double v)
{
	snprintf(out, 32, v >= 1 << 20 ? "%.0f MiB" : "%.0f KiB", v >= 1 << 20 ? v / (1 << 20) : v / 1024);
}

static void caches(FILE *f, const json_t *machine)
{
	char l1[32], l2[32], l3[32], text[128];

	bytes(l1, zs_number_of(machine, "l1d"));
	bytes(l2, zs_number_of(machine, "l2"));
	bytes(l3, zs_number_of(machine, "l3"));
	snprintf(text, sizeof(text), "%s, %s, %s", l1, l2, l3);
	fact(f, "caches: L1d, L2, L3", text);
}

static void machine(FILE *f, const json_t *runs)
{
	const json_t *m = zs_quiet_machine(runs);
	char text[160];

	fputs("<div class=\"machine\">\n", f);
	fact(f, "processor", zs_text_of(m, "cpu"));
	snprintf(text, sizeof(text), "%.0f", zs_number_of(m, "cpus"));
	fact(f, "cores", text);
	fact(f, "kernel", zs_text_of(m, "kernel"));
	caches(f, m);
	snprintf(text, sizeof(text), "%.1f batched by 32, %.0f one after another",
		 zs_number_of(json_object_get(m, "line_cycles"), "median"),
		 zs_number_of(json_object_get(m, "line_dependent_cycles"), "median"));
	fact(f, "cycles of a random line, 64 MiB", text);
	snprintf(text, sizeof(text), "%.2f cycles", zs_number_of(json_object_get(m, "add_cycles"), "median"));
	fact(f, "an addition that waits for the last", text);
	fputs("</div>\n", f);
}

static void disturbed(FILE *f, const json_t *runs)
{
	uint32_t n = 0;
	const json_t *run;
	size_t i;

	json_array_foreach(runs, i, run) n += json_is_true(json_object_get(run, "disturbed"));
	if (n)
		fprintf(f,
			"<p class=\"warn\" style=\"margin-top:18px\">In %u of %zu runs the cost of an "
			"addition changed: "
			"somebody else used the machine. Figures of those runs claim little.</p>\n",
			n, json_array_size(runs));
}

/* --- what to know at once --- */

static void tile(FILE *f, double v, const char *unit, const char *what)
{
	char number[32];

	zs_number(number, v);
	fputs("<div class=\"tile\"><b>", f);
	zs_text(f, number);
	fprintf(f, "</b><small>%s<br>", unit);
	zs_text(f, what);
	fputs("</small></div>\n", f);
}

static void tiles(FILE *f, const json_t *runs)
{
	const json_t *run;
	size_t i;

	fputs("<div class=\"tiles\">\n", f);
	json_array_foreach(runs, i, run)
	{
		char name[96];

		if (zs_is_run(run, "forward") && zs_goal_of(run) > 0) {
			zs_traffic_name(run, name);
			tile(f, zs_number_of(run, "cycles_over_io"), "cycles above io", name);
		} else if (zs_is_run(run, "rate")) {
			zs_traffic_name(run, name);
			tile(f, zs_number_of(run, "ndr_mpps"), "Mpps a worker, nothing lost", name);
		}
	}
	fputs("</div>\n", f);
}

/* --- everything --- */

static void table_row(FILE *f, const json_t *run, const json_t *m)
{
	const json_t *samples = json_object_get(m, "samples");
	char number[32];

	fputs("<tr><td>", f);
	zs_text(f, zs_text_of(run, "bench"));
	fputs(" <span class=\"soft\">", f);
	zs_text(f, zs_text_of(run, "variant"));
	fputs("</span></td><td>", f);
	zs_text(f, zs_text_of(m, "name"));
	zs_number(number, zs_number_of(m, "median"));
	fprintf(f, "</td><td class=\"n\">%s</td><td class=\"soft\">%s</td>", number, zs_text_of(m, "unit"));
	if (json_array_size(samples) > 1)
		fprintf(f, "<td class=\"n%s\">%.1f %%</td><td>",
			json_is_true(json_object_get(run, "disturbed")) ? " warn" : "",
			100 * zs_number_of(m, "spread"));
	else
		fputs("<td></td><td>", f);
	zs_draw_strip(f, samples);
	fputs("</td></tr>\n", f);
}

static void table(FILE *f, const json_t *runs)
{
	const json_t *run, *m;
	size_t i, k;

	zs_heading(
	    f, "Every figure",
	    "Medians; the spread is from the tenth to the ninetieth of a hundred over the median, each dot a "
	    "measurement.");
	fputs("<table><tr><th>bench</th><th>figure</th><th class=\"n\">median</th><th></th><th "
	      "class=\"n\">spread</th><th></th></tr>\n",
	      f);
	json_array_foreach(runs, i, run) json_array_foreach(json_object_get(run, "metrics"), k, m)
	    table_row(f, run, m);
	fputs("</table>\n", f);
}

static void absent_row(FILE *f, const json_t *run, const char *why)
{
	fputs("<li>", f);
	zs_text(f, zs_text_of(run, "bench"));
	fputs(" <span class=\"soft\">", f);
	zs_text(f, zs_text_of(run, "variant"));
	fputs("</span>: ", f);
	zs_text(f, why);
	fputs("</li>\n", f);
}

static void absent(FILE *f, const json_t *runs)
{
	const json_t *run, *why;
	uint32_t n = 0;
	size_t i, k;

	json_array_foreach(runs, i, run)
	{
		bool failed = json_object_get(run, "failed") != NULL;
		const json_t *list = json_object_get(run, "absent");

		if (!failed && !json_array_size(list))
			continue;
		if (!n++) {
			zs_heading(f, "Absent", "What could not be measured here, and why.");
			fputs("<ul>\n", f);
		}
		if (failed)
			absent_row(f, run, zs_text_of(run, "failed"));
		json_array_foreach(list, k, why)
		    absent_row(f, run, json_string_value(why) ? json_string_value(why) : "");
	}
	if (n)
		fputs("</ul>\n", f);
}

static void page(FILE *f, const json_t *set, const json_t *runs)
{
	fputs("<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" "
	      "content=\"width=device-width,initial-scale=1\"><title>ZeroState Relay: figures</title><style>",
	      f);
	fputs(zs_report_style, f);
	fputs("</style></head><body><main>\n<header><h1>ZeroState Relay, in figures</h1>\n<p class=\"soft\">",
	      f);
	zs_text(f, zs_text_of(set, "time"));
	fputs(" \xc2\xb7 medians of runs that took turns, in cycles of the time stamp counter</p>\n", f);
	machine(f, runs);
	disturbed(f, runs);
	fputs("</header>\n", f);
	tiles(f, runs);
	zs_section_stages(f, runs);
	zs_section_growth(f, runs);
	zs_section_rates(f, runs);
	zs_section_tunnels(f, runs);
	zs_section_floods(f, runs);
	zs_section_plain(f, runs);
	absent(f, runs);
	table(f, runs);
	fputs("<footer>Made by <code>zs-bench suite</code>. <code>zs-bench compare A.json B.json</code> says "
	      "what of "
	      "two such runs differs.</footer>\n</main></body></html>\n",
	      f);
}

int zs_html_write(const json_t *set, const char *path)
{
	json_t *runs = json_object_get(set, "runs");
	FILE *f = fopen(path, "we");

	if (!f)
		return -errno;
	runs = runs ? json_incref(runs) : json_pack("[O]", (json_t *)set);
	page(f, set, runs);
	json_decref(runs);
	return fclose(f) ? -errno : 0;
}
