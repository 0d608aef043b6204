/* zs-bench BENCH [--json] [--repeats N] [--seconds N] [--frame BYTES]
 *                [--tunnels N] [--attachments N] [--small-pages] */
#include <getopt.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"
#include "base/check.h"
#include "libp2p/p2p.h"

static const struct zs_bench *const benches[] = {
	&zs_bench_veth,	 &zs_bench_p2p,
#ifdef CONFIG_DRIVER_BENCH
	&zs_bench_flood, &zs_bench_tunnel, &zs_bench_cid,
#endif
};

static int usage(void)
{
	printf("usage: zs-bench BENCH [--json] [--repeats N] [--seconds N] [--frame BYTES]\n"
	       "                [--tunnels N] [--attachments N] [--small-pages]\n\nbenches:\n");
	for (size_t i = 0; i < ZS_ARRAY_LEN(benches); i++)
		printf("  %-10s %s\n", benches[i]->name, benches[i]->help);
	printf(
	    "\nFigures are medians with their spread; ratios are against the peer named, in the same run.\n");
	return ZS_EXIT_OK;
}

static bool number(const char *text, uint32_t low, uint32_t high, uint32_t *out)
{
	char *end;
	unsigned long v = strtoul(text, &end, 10);
	if (*text == 0 || *end || v < low || v > high) {
		fprintf(stderr, "zs-bench: '%s' is not a number from %u to %u\n", text, low, high);
		return false;
	}
	*out = (uint32_t)v;
	return true;
}

static bool parse(int argc, char **argv, struct zs_bench_options *opt)
{
	static const struct option longs[] = {
		{ "json", 0, 0, 'j' },	      { "repeats", 1, 0, 'r' }, { "seconds", 1, 0, 's' },
		{ "frame", 1, 0, 'f' },	      { "tunnels", 1, 0, 't' }, { "attachments", 1, 0, 'a' },
		{ "small-pages", 0, 0, 'p' }, { "help", 0, 0, 'h' },	{ 0 }
	};
	int c;
	while ((c = getopt_long(argc, argv, "h", longs, NULL)) != -1) {
		if (c == 'j')
			opt->json = true;
		else if (c == 'r' && number(optarg, 1, ZS_BENCH_REPEATS_MAX - 1, &opt->repeats))
			continue;
		else if (c == 's' && number(optarg, 1, 60, &opt->seconds))
			continue;
		else if (c == 'f' && number(optarg, 64, 1518, &opt->frame))
			continue;
		else if (c == 't' && number(optarg, 1, 1u << 17, &opt->tunnels))
			continue;
		else if (c == 'a' && number(optarg, 2, 1u << 20, &opt->attachments))
			continue;
		else if (c == 'p')
			opt->small_pages = true;
		else
			return false;
	}
	return true;
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

int main(int argc, char **argv)
{
	struct zs_bench_options opt = { .repeats = 5, .seconds = 3, .frame = 64 };
	struct zs_error err = { 0 };
	if (argc == 2 && !strcmp(argv[1], ZS_P2P_LISTENER)) /* a part of the bench p2p */
		return zs_p2p_listener();
	for (int i = 1; i < argc; i++)
		if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h"))
			return usage();
	if (!parse(argc, argv, &opt))
		return ZS_EXIT_USAGE; /* it was said why */
	if (optind + 1 != argc) {
		fprintf(stderr, "zs-bench: name one bench; zs-bench --help lists them\n");
		return ZS_EXIT_USAGE;
	}
	const struct zs_bench *bench = find(argv[optind]);
	if (!bench) {
		fprintf(stderr, "zs-bench: no bench '%s'; zs-bench --help lists them\n", argv[optind]);
		return ZS_EXIT_USAGE;
	}
	own_folder(opt.bin_dir);
	json_t *report = json_pack("{s:s,s:s,s:o,s:i,s:i,s:i}", "schema", "zs-bench/1", "bench", bench->name,
				   "machine", zs_machine_json(), "repeats", (int)opt.repeats, "seconds",
				   (int)opt.seconds, "frame", (int)opt.frame);
	int rc = bench->run(&opt, report, &err);
	if (rc) {
		fprintf(stderr, "zs-bench: %s\n", err.text);
		json_decref(report);
		return err.exit ? (int)err.exit : ZS_EXIT_FAILED;
	}
	if (opt.json)
		json_dumpf(report, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(6));
	if (opt.json)
		putchar('\n');
	json_decref(report);
	return ZS_EXIT_OK;
}
