#include "report/markdown.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "report/sections.h"

#define BEGIN "<!-- figures -->\n"
#define END   "<!-- /figures -->"
#define MOST  (1u << 20) /* of the file */

static void forward_rows(FILE *f, const json_t *runs)
{
	const json_t *run;
	size_t i;

	fputs("\n| a packet, port to port, one worker | cycles above the bare ports | goal | Mpps |\n| --- | "
	      "--- | --- | --- |\n",
	      f);
	json_array_foreach(runs, i, run)
	{
		const json_t *m = zs_metric_of(run, "cycles_over_io");
		double goal;
		char name[96];

		if (!zs_is_run(run, "forward"))
			continue;
		zs_traffic_name(run, name);
		goal = zs_goal_of(run);
		fprintf(f, "| %s | %.0f (%.0f-%.0f)%s | ", name, zs_number_of(m, "median"),
			zs_number_of(m, "p10"), zs_number_of(m, "p90"),
			json_is_true(json_object_get(run, "disturbed")) ? " *disturbed*" : "");
		fprintf(f, goal > 0 ? "%.0f" : "\xe2\x80\x93", goal);
		fprintf(f, " | %.2f |\n", zs_number_of(run, "mpps"));
	}
}

static void rate_rows(FILE *f, const json_t *runs)
{
	const json_t *run;
	size_t i;

	json_array_foreach(runs, i, run)
	{
		const json_t *wait = json_object_get(json_object_get(run, "wait_us"), "90%");
		char name[96];

		if (!zs_is_run(run, "rate"))
			continue;
		zs_traffic_name(run, name);
		fprintf(f,
			"- without loss (NDR), %s: %.2f Mpps; at 90 %% of it a packet waits %.1f \xc2\xb5s, "
			"one in a "
			"thousand %.0f.\n",
			name, zs_number_of(run, "ndr_mpps"), zs_number_of(wait, "p50"),
			zs_number_of(wait, "p99.9"));
	}
}

static void other_rows(FILE *f, const json_t *runs)
{
	const json_t *run;
	size_t i;

	json_array_foreach(runs, i, run)
	{
		if (zs_is_run(run, "program"))
			fprintf(f,
				"- attachments: %.2f M inserts and deletes a second; a worker that reads a "
				"million beside 2.2 M a "
				"second is %.1f %% slower than beside a control (two runs of which differ by "
				"%.1f %%).\n",
				zs_number_of(run, "writes_per_second") / 1e6,
				zs_number_of(run, "reader_slower_percent"),
				zs_number_of(run, "control_spread_percent"));
		if (zs_is_run(run, "tunnel"))
			fprintf(f,
				"- a tunnel's datagram of 1,280 bytes received, %.0f tunnels: sealed %.2f, "
				"in clear %.2f of "
				"BoringSSL's bare open.\n",
				zs_number_of(run, "tunnels"),
				zs_number_of(run, "seal_cycles") / zs_number_of(run, "boringssl_seal_cycles"),
				zs_number_of(run, "auth_cycles") /
				    zs_number_of(run, "boringssl_auth_cycles"));
	}
}

static void machine(FILE *f, const json_t *set, const json_t *runs)
{
	const json_t *m = zs_quiet_machine(runs);

	fprintf(
	    f,
	    "Measured %.10s by `make bench` on an %s, %.0f cores, L2 %.0f KiB; a random line of 64 MiB costs "
	    "%.1f cycles "
	    "batched by 32. Medians, in cycles of the time stamp counter; a disturbed run shared its core.\n",
	    zs_text_of(set, "time"), zs_text_of(m, "cpu"), zs_number_of(m, "cpus"),
	    zs_number_of(m, "l2") / 1024, zs_number_of(json_object_get(m, "line_cycles"), "median"));
}

static void figures(FILE *f, const json_t *set)
{
	const json_t *runs = json_object_get(set, "runs");

	machine(f, set, runs);
	forward_rows(f, runs);
	fputc('\n', f);
	rate_rows(f, runs);
	other_rows(f, runs);
}

int zs_markdown_write(const json_t *set, const char *path)
{
	char *text = calloc(1, MOST + 1), *begin, *end;
	FILE *f = fopen(path, "re");
	int rc = -EINVAL;

	if (!f || !text) {
		rc = -errno;
		goto out;
	}
	if (fread(text, 1, MOST, f) == 0)
		goto out;
	begin = strstr(text, BEGIN);
	end = begin ? strstr(begin, END) : NULL;
	if (!end)
		goto out;
	begin += strlen(BEGIN);
	f = freopen(path, "we", f);
	if (!f) {
		rc = -errno;
		goto out;
	}
	fwrite(text, 1, (size_t)(begin - text), f);
	figures(f, set);
	fputs(end, f);
	rc = ferror(f) ? -EIO : 0;
out:
	if (f)
		fclose(f);
	free(text);
	return rc;
}
