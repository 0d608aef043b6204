/* A program that is spoken to by lines: a side of a wire of whom something is asked while it runs. */
#ifndef ZS_BENCH_HELPER_H
#define ZS_BENCH_HELPER_H

#include "wire.h"

#define ZS_HELPER_LINE 512

struct zs_helper {
	pid_t pid; /* 0: none */
	int in, out;
	char told[ZS_HELPER_LINE]; /* what it said behind "ready " */
};

/* Starts argv in G, R or S ('g', 'r', 's') and waits until it says "ready TOLD"; what it complains of goes to /tmp/TAG-LOG.log.
 * It is killed with its parent. 0 or -errno with err. */
int zs_helper_start(struct zs_helper *h, const struct zs_wire *w, char where, const char *log,
		    char *const argv[], struct zs_error *err);
/* Sends a line and reads the number it answers with. Waits for ZS_HELPER_WAIT_MS at most. */
#define ZS_HELPER_WAIT_MS 90000
int zs_helper_ask(struct zs_helper *h, const char *line, uint64_t *answer, struct zs_error *err);
void zs_helper_stop(struct zs_helper *h);

#endif
