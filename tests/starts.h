/* A program's whole start with one thing going wrong, at each place where something can (faults.h). The program is linked as it is,
 * with STARTS_LINK of tests/build.mk: its main and its word to the service manager are wrapped. Each start is a process of its
 * own; one that says it is ready is told to end, as a service manager would. */
#ifndef ZS_TESTS_STARTS_H
#define ZS_TESTS_STARTS_H

#include "faults.h"

#define START_ARGS 16

struct start {
	const char *const *args; /* NULL at the end, the program's name first */
	/* Either may be NULL. Before: what it finds. After: does what is left hold? */
	void (*before)(void *ctx);
	void (*after)(void *ctx, const char *what);
	void *ctx;
};

/* What every start must keep to, whatever failed: it is ready and ends in order, or it says why not in a line and ends with
 * ZS_EXIT_RESOURCE, after which service managers try again; and it loses no memory (in flavours that look). Returns how many starts
 * there were. */
long starts_each(const char *what, const struct start *s, bool for_now);
/* … and nothing fails: it must be ready. */
void starts_well(const struct start *s);

/* In main() of the test: runs the tests once more with what sanitizers need set. */
void starts_setup(char **argv);

#endif
