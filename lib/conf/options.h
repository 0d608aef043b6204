/* The command line of the two planes. */
#ifndef ZS_CONF_OPTIONS_H
#define ZS_CONF_OPTIONS_H

#include <stdbool.h>

struct zs_options {
	const char *instance; /* NULL: not told */
	char config[256];     /* --config, or /etc/zerostate/INSTANCE.yaml */
	bool check;	      /* end after the configuration was read */
};

/* Returns -1: go on; else the exit status to end with, after a line on stdout or stderr. `more` is printed below the
 * options by --help. */
int zs_options_read(struct zs_options *o, const char *program, const char *version, const char *more,
		    int argc, char **argv);

#endif
