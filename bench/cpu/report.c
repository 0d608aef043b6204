#include "cpu/report.h"

#include <stdio.h>
#include <string.h>

const uint32_t zs_cpu_sizes[ZS_CPU_SIZES] = { 120, 1200 };

void zs_cpu_made(struct zs_cpu *b, const struct zs_bench_options *opt)
{
	char command[320];
	FILE *p;

	snprintf(command, sizeof(command), "%s/../../bench/peers/build --where 2>/dev/null", opt->bin_dir);
	p = popen(command, "r");
	if (!p)
		return;
	if (!fgets(b->made, sizeof(b->made), p))
		b->made[0] = 0;
	b->made[strcspn(b->made, "\n")] = 0;
	pclose(p);
}

static double median(const struct zs_cpu *b, int c, int i)
{
	return zs_samples_median(&b->result[c][i].cpu);
}

/* `c`'s CPU or throughput to the other's; null: one of them was not measured. */
static json_t *ratio(const struct zs_cpu *b, int c, int other, int i, bool cpu)
{
	const struct zs_cpu_result *x = &b->result[c][i], *y = &b->result[other][i];
	double of = zs_samples_median(cpu ? &x->cpu : &x->mpps),
	       to = zs_samples_median(cpu ? &y->cpu : &y->mpps);

	return b->present[c] && to > 0 ? json_real(of / to) : json_null();
}

static void report_row(const struct zs_cpu *b, int c, int i, json_t *rows, json_t *report)
{
	const struct zs_contender *who = &zs_contenders[c];
	const struct zs_cpu_result *r = &b->result[c][i];
	double process = zs_samples_median(&r->process), mpps = zs_samples_median(&r->mpps);
	char name[64];

	snprintf(name, sizeof(name), "%s, %u bytes", who->title, zs_cpu_sizes[i]);
	json_array_append_new(rows, json_pack("{s:s,s:s,s:i,s:f,s:s,s:f,s:f,s:I,s:o,s:o,s:o,s:o}", "name",
					      who->name, "title", who->title, "bytes", (int)zs_cpu_sizes[i],
					      "cpu_s_per_million", median(b, c, i), "cpu_of",
					      who->run ? "process" : "host", "process_s_per_million", process,
					      "mpps", mpps, "lost", (json_int_t)r->lost, "relay_cpu_ratio",
					      ratio(b, ZS_STAND_RELAY, c, i, true), "relay_throughput_ratio",
					      ratio(b, ZS_STAND_RELAY, c, i, false), "xdp_cpu_ratio",
					      ratio(b, ZS_STAND_XDP, c, i, true), "xdp_throughput_ratio",
					      ratio(b, ZS_STAND_XDP, c, i, false)));
	fprintf(
	    stderr,
	    "  %-32s %6.2f s of CPU a million packets (%.2f-%.2f), its processes %.2f; %llu lost; at most "
	    "%.3f Mpps\n",
	    name, median(b, c, i), zs_samples_quantile(&r->cpu, 0), zs_samples_quantile(&r->cpu, 1), process,
	    (unsigned long long)r->lost, mpps);
	if (!who->bare)
		zs_report_metric(report, name, "CPU s a million", ZS_LESS, &r->cpu);
	strncat(name, ", at most", sizeof(name) - strlen(name) - 1);
	zs_report_metric(report, name, "Mpps", ZS_MORE, &r->mpps);
}

void zs_cpu_report(const struct zs_cpu *b, json_t *report)
{
	json_t *rows = json_array(), *absent = json_array();

	for (int i = 0; i < ZS_CPU_SIZES; i++)
		for (int c = 0; c < ZS_STANDS; c++)
			if (b->present[c])
				report_row(b, c, i, rows, report);
	for (int c = 0; c < ZS_STANDS; c++)
		if (b->asked[c] && !b->present[c]) {
			json_array_append_new(absent, json_string(b->why[c]));
			fprintf(stderr, "  absent: %s\n", b->why[c]);
		}
	json_object_set_new(report, "rate_pps", json_integer(b->rate));
	json_object_set_new(report, "rows", rows);
	json_object_set_new(report, "absent", absent);
	zs_probe_report(&b->probe, report);
	if (zs_probe_disturbed(&b->probe))
		fprintf(stderr, "  disturbed: somebody else had the machine\n");
}
