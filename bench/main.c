/* zs-bench BENCH [OPTIONS] | list | suite | html | compare */
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"
#include "bench.h"
#include "cli/roff.h"
#include "core/compare.h"
#include "libp2p/p2p.h"
#include "options.h"
#include "report/html.h"
#include "report/markdown.h"
#include "suite.h"
#include "version.h"

static const struct zs_bench *const benches[] = {
#define ZS_BENCH(name) &zs_bench_##name,
#include "benches.def"
#undef ZS_BENCH
};

static int list(void)
{
	for (size_t i = 0; i < ZS_ARRAY_LEN(benches); i++)
		printf("  %-10s %s\n", benches[i]->name, benches[i]->help);
	return ZS_EXIT_OK;
}

static int usage(void)
{
	printf(
	    "usage: zs-bench BENCH [OPTIONS]\n"
	    "       zs-bench list | man | --version\n"
	    "       zs-bench suite short|full PREFIX      all of them, into PREFIX.json and PREFIX.html\n"
	    "       zs-bench html A.json A.html           the page of a suite, made again\n"
	    "       zs-bench compare A.json B.json        what got better or worse, and whether the spread "
	    "allows the claim\n\nbenches:\n");
	list();
	printf("\noptions:\n");
	zs_options_print();
	printf("\nFigures are medians with their spread, in cycles of the TSC; what is compared was measured "
	       "in turns, in one run.\n");
	return ZS_EXIT_OK;
}

static int man(void)
{
	zs_roff_begin(
	    stdout, "zs-bench", 8, "measure a ZeroState relay and its parts",
	    "BENCH [OPTIONS] | list | suite short|full PREFIX | html A.json A.html | compare A.json B.json");
	zs_roff(
	    stdout,
	    "Figures are medians with their spread; what is compared was measured in turns, in one run.\n");
	printf(".SH BENCHES\n");
	for (size_t i = 0; i < ZS_ARRAY_LEN(benches); i++)
		zs_roff_entry(stdout, "", benches[i]->name, "", benches[i]->help);
	printf(".SH OPTIONS\n");
	zs_options_man();
	return ZS_EXIT_OK;
}

static void own_folder(char out[256])
{
	char self[256];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	self[n < 0 ? 0 : n] = 0;
	snprintf(out, 256, "%s", dirname(self));
}

static const struct zs_bench *find(const char *name)
{
	for (size_t i = 0; i < ZS_ARRAY_LEN(benches); i++)
		if (!strcmp(benches[i]->name, name))
			return benches[i];
	return NULL;
}

/* What was asked beside the bench: tells its runs apart in a set. */
static void variant_of(int argc, char **argv, const char *bench, char *out, size_t cap)
{
	size_t n = 0;

	*out = 0;
	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], bench) || !strcmp(argv[i], "--json"))
			continue;
		if (!strcmp(argv[i], "--repeats")) {
			i++;
			continue;
		}
		n += (size_t)snprintf(out + n, n < cap ? cap - n : 0, "%s%s", n ? " " : "",
				      argv[i] + strspn(argv[i], "-"));
	}
}

static json_t *begin(const struct zs_bench *bench, const struct zs_bench_options *opt, const char *variant)
{
	char now[32];
	time_t t = time(NULL);
	struct tm utc;

	strftime(now, sizeof(now), "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&t, &utc));
	return json_pack("{s:s,s:s,s:s,s:s,s:s,s:i,s:o}", "schema", "zs-bench/2", "bench", bench->name,
			 "variant", variant, "help", bench->help, "time", now, "repeats", (int)opt->repeats,
			 "machine", zs_machine_json());
}

static int run(const struct zs_bench *bench, const struct zs_bench_options *opt, const char *variant)
{
	struct zs_error err = { 0 };
	json_t *report = begin(bench, opt, variant);
	int rc = bench->run(opt, report, &err);

	if (rc)
		fprintf(stderr, "zs-bench: %s\n", err.text);
	else if (opt->json) {
		json_dumpf(report, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(6));
		putchar('\n');
	}
	json_decref(report);
	return !rc ? ZS_EXIT_OK : err.exit ? (int)err.exit : ZS_EXIT_FAILED;
}

int main(int argc, char **argv)
{
	struct zs_bench_options opt;
	const struct zs_bench *bench;
	char variant[128];
	int first;

	if (argc == 2 && !strcmp(argv[1], ZS_P2P_LISTENER)) /* a part of the bench p2p */
		return zs_p2p_listener();
	if (argc == 2 && !strcmp(argv[1], "list"))
		return list();
	if (argc == 2 && !strcmp(argv[1], "man"))
		return man();
	if (argc == 2 && !strcmp(argv[1], "--version")) {
		puts("zs-bench " ZS_VERSION);
		return ZS_EXIT_OK;
	}
	if (argc == 4 && !strcmp(argv[1], "compare"))
		return zs_compare_files(argv[2], argv[3]);
	own_folder(opt.bin_dir);
	if (argc == 4 && !strcmp(argv[1], "suite") && (!strcmp(argv[2], "short") || !strcmp(argv[2], "full")))
		return zs_suite(!strcmp(argv[2], "full"), argv[3], opt.bin_dir);
	if (argc == 4 && !strcmp(argv[1], "html"))
		return zs_suite_page(argv[2], argv[3], zs_html_write);
	if (argc == 4 && !strcmp(argv[1], "readme"))
		return zs_suite_page(argv[2], argv[3], zs_markdown_write);
	for (int i = 1; i < argc; i++)
		if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h"))
			return usage();
	if (!zs_options_parse(&opt, argc, argv, &first))
		return ZS_EXIT_USAGE; /* it was said why */
	if (first + 1 != argc) {
		fprintf(stderr, "zs-bench: name one bench; zs-bench list shows them\n");
		return ZS_EXIT_USAGE;
	}
	bench = find(argv[first]);
	if (!bench) {
		fprintf(stderr, "zs-bench: no bench '%s'; zs-bench list shows them\n", argv[first]);
		return ZS_EXIT_USAGE;
	}
	variant_of(argc, argv, bench->name, variant, sizeof(variant));
	own_folder(opt.bin_dir);
	return run(bench, &opt, variant);
}
