/* Two files of figures, and what may be said of them. A file is one report (zs-bench/2) or a set of them (zs-bench-set/1).
 *
 * A metric got better or worse when its median moved and the spreads (tenth to ninetieth of a hundred) of the two do not meet;
 * else all that can be said is that the difference lies within the spread. Of a run that was disturbed nothing is claimed. */
#ifndef ZS_BENCH_COMPARE_H
#define ZS_BENCH_COMPARE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include "base/error.h"

enum zs_verdict {
	ZS_VERDICT_BETTER,
	ZS_VERDICT_WORSE,
	ZS_VERDICT_WITHIN,    /* the spreads meet: nothing is claimed */
	ZS_VERDICT_DISTURBED, /* they do not, but somebody else had the machine */
	ZS_VERDICT_FEW,	      /* too few repeats to know a spread */
	ZS_VERDICT_GONE,      /* in A alone */
	ZS_VERDICT_NEW,	      /* in B alone */
};

struct zs_comparison {
	const char *bench, *variant, *metric, *unit; /* borrowed of the documents */
	double before, after;			     /* medians */
	double change;				     /* after / before - 1; 0 without a before */
	double spread_before, spread_after;
	enum zs_verdict verdict;
};
typedef void zs_comparison_fn(void *ctx, const struct zs_comparison *c);

/* Calls fn for each metric of A in its order, then for those of B alone. -EINVAL with err: not such files. */
int zs_compare(const json_t *a, const json_t *b, zs_comparison_fn *fn, void *ctx, struct zs_error *err);
/* What else speaks against it: other machine, other memory, other clock. Writes a line; false: nothing. */
bool zs_compare_machines(const json_t *a, const json_t *b, char *out, size_t cap);

/* The command: two paths, a table to stdout. Exit code 1: something got worse for sure. */
int zs_compare_files(const char *a, const char *b);

#endif
