#include "conf/options.h"

#include <getopt.h>
#include <stdio.h>
#include "base/check.h"
#include "base/error.h"
#include "cli/roff.h"

static const struct {
	const char *name, *value, *text;
	int letter;
} rows[] = {
	{ "config", "FILE", "configuration (default /etc/zerostate/NAME.yaml)", 'c' },
	{ "instance", "NAME", "instance (default relay)", 'i' },
	{ "check", "", "check the configuration, on this machine, and end", 'k' },
	{ "preflight", "",
	  "check, read-only, whether this program can take over from the one that runs, and end", 'p' },
	{ "version", "", "print the version and end", 'v' },
	{ "help", "", "print this and end", 'h' },
	{ "man", "", "print the manual page and end", 'm' },
};

static const char synopsis[] =
    "[--config FILE] [--instance NAME] [--check | --preflight] [--version] [--help] [--man]";

static int help(const struct zs_plane *p)
{
	printf("usage: %s %s\n\n", p->name, synopsis);
	for (size_t i = 0; i < ZS_ARRAY_LEN(rows); i++) {
		char left[32];

		snprintf(left, sizeof(left), "--%s %s", rows[i].name, rows[i].value);
		printf("  %-16s %s\n", left, rows[i].text);
	}
	printf("\n%s", p->more);
	return ZS_EXIT_OK;
}

static int man(const struct zs_plane *p)
{
	zs_roff_begin(stdout, p->name, 8, p->purpose, synopsis);
	zs_roff(stdout, p->more);
	printf(".SH OPTIONS\n");
	for (size_t i = 0; i < ZS_ARRAY_LEN(rows); i++)
		zs_roff_entry(stdout, "--", rows[i].name, rows[i].value, rows[i].text);
	zs_roff_exits(stdout, NULL, 0);
	printf(
	    ".SH FILES\n.I /etc/zerostate/NAME.yaml\n.SH SEE ALSO\n.BR zerostate.yaml (5),\n.BR zsctl (8)\n");
	return ZS_EXIT_OK;
}

static int take(struct zs_options *o, const struct zs_plane *p, int c, const char **config)
{
	switch (c) {
	case 'c':
		*config = optarg;
		return -1;
	case 'i':
		o->instance = optarg;
		return -1;
	case 'p':
		o->preflight = true;
		/* fall through */
	case 'k':
		o->check = true;
		return -1;
	case 'v':
		printf("%s %s\n", p->name, p->version);
		return ZS_EXIT_OK;
	case 'h':
		return help(p);
	case 'm':
		return man(p);
	}
	return ZS_EXIT_USAGE; /* getopt said why */
}

int zs_options_read(struct zs_options *o, const struct zs_plane *p, int argc, char **argv)
{
	struct option names[ZS_ARRAY_LEN(rows) + 1] = { { 0 } };
	const char *config = NULL;
	int c, status;

	for (size_t i = 0; i < ZS_ARRAY_LEN(rows); i++)
		names[i] = (struct option){ rows[i].name, rows[i].value[0] ? required_argument : no_argument,
					    NULL, rows[i].letter };
	*o = (struct zs_options){ 0 };
	while ((c = getopt_long(argc, argv, "c:i:", names, NULL)) != -1)
		if ((status = take(o, p, c, &config)) >= 0)
			return status;
	if (optind < argc) {
		fprintf(stderr, "%s: '%s' is not an option; see --help\n", p->name, argv[optind]);
		return ZS_EXIT_USAGE;
	}
	if (config)
		c = snprintf(o->config, sizeof(o->config), "%s", config);
	else
		c = snprintf(o->config, sizeof(o->config), "/etc/zerostate/%s.yaml",
			     o->instance ? o->instance : "relay");
	if (c < (int)sizeof(o->config))
		return -1;
	fprintf(stderr, "%s: a path of %zu characters at most, please\n", p->name, sizeof(o->config) - 1);
	return ZS_EXIT_USAGE;
}
