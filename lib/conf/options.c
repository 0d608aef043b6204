#include "conf/options.h"

#include <getopt.h>
#include <stdio.h>
#include "base/error.h"

static const struct option names[] = {
	{ "config", required_argument, NULL, 'c' }, { "instance", required_argument, NULL, 'i' },
	{ "check", no_argument, NULL, 'k' },	    { "version", no_argument, NULL, 'v' },
	{ "help", no_argument, NULL, 'h' },	    { 0 }
};

static int help(const char *program, const char *more)
{
	printf("usage: %s [--config FILE] [--instance NAME] [--check] [--version] [--help]\n\n"
	       "  --config FILE    configuration (default /etc/zerostate/NAME.yaml)\n"
	       "  --instance NAME  instance (default relay)\n"
	       "  --check          check the configuration and end\n"
	       "  --version        print the version and end\n\n%s",
	       program, more);
	return ZS_EXIT_OK;
}

int zs_options_read(struct zs_options *o, const char *program, const char *version, const char *more,
		    int argc, char **argv)
{
	const char *config = NULL;
	int c;

	*o = (struct zs_options){ 0 };
	while ((c = getopt_long(argc, argv, "c:i:", names, NULL)) != -1) {
		switch (c) {
		case 'c':
			config = optarg;
			break;
		case 'i':
			o->instance = optarg;
			break;
		case 'k':
			o->check = true;
			break;
		case 'v':
			printf("%s %s\n", program, version);
			return ZS_EXIT_OK;
		case 'h':
			return help(program, more);
		default:
			return ZS_EXIT_USAGE; /* getopt said why */
		}
	}
	if (optind < argc) {
		fprintf(stderr, "%s: '%s' is not an option; see --help\n", program, argv[optind]);
		return ZS_EXIT_USAGE;
	}
	if (config)
		c = snprintf(o->config, sizeof(o->config), "%s", config);
	else
		c = snprintf(o->config, sizeof(o->config), "/etc/zerostate/%s.yaml",
			     o->instance ? o->instance : "relay");
	if (c < (int)sizeof(o->config))
		return -1;
	fprintf(stderr, "%s: a path of %zu characters at most, please\n", program, sizeof(o->config) - 1);
	return ZS_EXIT_USAGE;
}
