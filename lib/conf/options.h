/* The command line of the two planes. */
#ifndef ZS_CONF_OPTIONS_H
#define ZS_CONF_OPTIONS_H

#include <stdbool.h>

struct zs_options {
	const char *instance; /* NULL: not told */
	char config[256];     /* --config, or /etc/zerostate/INSTANCE.yaml */
	bool check;	      /* end after the configuration was read */
	bool preflight;	      /* … and the running process's segments were judged; check is set too */
};

/* What a plane says of itself. */
struct zs_plane {
	const char *name, *version;
	const char *purpose; /* a line of its manual's head */
	const char *more;    /* below the options, lines: what signals do, … */
};

/* Returns -1: go on; else the exit status to end with, after a line on stdout or stderr. */
int zs_options_read(struct zs_options *o, const struct zs_plane *plane, int argc, char **argv);

#endif
