#include "core/compare.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define REPEATS	   3	/* a spread of fewer is none */
#define LINE_DRIFT 0.10 /* of a random line's cost: figures that hang on memory are not alike beyond it */

static const char *const names[] = {
	[ZS_VERDICT_BETTER] = "better",
	[ZS_VERDICT_WORSE] = "worse",
	[ZS_VERDICT_WITHIN] = "within the spread",
	[ZS_VERDICT_DISTURBED] = "a run was disturbed",
	[ZS_VERDICT_FEW] = "too few repeats",
	[ZS_VERDICT_GONE] = "not measured any more",
	[ZS_VERDICT_NEW] = "not measured before",
};

/* --- what is in a file --- */

/* The reports of a file, as an array of the caller's. NULL: it is no such file. */
static json_t *reports_of(const json_t *doc)
{
	const char *schema = json_string_value(json_object_get(doc, "schema"));

	if (schema && !strcmp(schema, "zs-bench-set/1") && json_is_array(json_object_get(doc, "runs")))
		return json_incref(json_object_get(doc, "runs"));
	if (schema && !strcmp(schema, "zs-bench/2"))
		return json_pack("[O]", (json_t *)doc);
	return NULL;
}

static const char *text_of(const json_t *o, const char *key)
{
	const char *v = json_string_value(json_object_get(o, key));

	return v ? v : "";
}

static const json_t *find_report(const json_t *reports, const json_t *like)
{
	const json_t *r;
	size_t i;

	json_array_foreach(reports, i,
			   r) if (!strcmp(text_of(r, "bench"), text_of(like, "bench")) &&
				  !strcmp(text_of(r, "variant"), text_of(like, "variant"))) return r;
	return NULL;
}

static const json_t *find_metric(const json_t *report, const char *name)
{
	const json_t *m;
	size_t i;

	json_array_foreach(json_object_get(report, "metrics"), i,
			   m) if (!strcmp(text_of(m, "name"), name)) return m;
	return NULL;
}

static double number_of(const json_t *o, const char *key)
{
	return json_number_value(json_object_get(o, key));
}

/* --- judging --- */

static bool disturbed(const json_t *a, const json_t *b)
{
	return json_is_true(json_object_get(a, "disturbed")) || json_is_true(json_object_get(b, "disturbed"));
}

static bool known(const json_t *m)
{
	return json_is_true(json_object_get(m, "exact")) ||
	       json_array_size(json_object_get(m, "samples")) >= REPEATS;
}

/* Are the spreads apart? A quantity that does not vary is apart from any other value. */
static bool apart(const json_t *before, const json_t *after)
{
	double a10 = number_of(before, "p10"), a90 = number_of(before, "p90");
	double b10 = number_of(after, "p10"), b90 = number_of(after, "p90");

	return a90 < b10 || b90 < a10;
}

static enum zs_verdict judge(const json_t *before, const json_t *after, bool quiet)
{
	bool more = !strcmp(text_of(after, "better"), "more");
	double d = number_of(after, "median") - number_of(before, "median");

	if (!known(before) || !known(after))
		return ZS_VERDICT_FEW;
	if (d == 0 || !apart(before, after))
		return ZS_VERDICT_WITHIN;
	if (!quiet)
		return ZS_VERDICT_DISTURBED;
	return (d > 0) == more ? ZS_VERDICT_BETTER : ZS_VERDICT_WORSE;
}

static struct zs_comparison describe(const json_t *report, const json_t *metric)
{
	return (struct zs_comparison){ .bench = text_of(report, "bench"),
				       .variant = text_of(report, "variant"),
				       .metric = text_of(metric, "name"),
				       .unit = text_of(metric, "unit") };
}

static void compare_reports(const json_t *a, const json_t *b, zs_comparison_fn *fn, void *ctx)
{
	const json_t *before;
	size_t i;

	json_array_foreach(json_object_get(a, "metrics"), i, before)
	{
		const json_t *after = b ? find_metric(b, text_of(before, "name")) : NULL;
		struct zs_comparison c = describe(a, before);

		c.before = number_of(before, "median");
		c.spread_before = number_of(before, "spread");
		c.verdict = ZS_VERDICT_GONE;
		if (after) {
			c.after = number_of(after, "median");
			c.spread_after = number_of(after, "spread");
			c.change = c.before != 0 ? c.after / c.before - 1 : 0;
			c.verdict = judge(before, after, !disturbed(a, b));
		}
		fn(ctx, &c);
	}
}

/* What B measured and A did not. */
static void new_ones(const json_t *a, const json_t *b, zs_comparison_fn *fn, void *ctx)
{
	const json_t *after;
	size_t i;

	json_array_foreach(json_object_get(b, "metrics"), i, after)
	{
		struct zs_comparison c = describe(b, after);

		if (a && find_metric(a, c.metric))
			continue;
		c.after = number_of(after, "median");
		c.spread_after = number_of(after, "spread");
		c.verdict = ZS_VERDICT_NEW;
		fn(ctx, &c);
	}
}

int zs_compare(const json_t *a, const json_t *b, zs_comparison_fn *fn, void *ctx, struct zs_error *err)
{
	json_t *before = reports_of(a), *after = reports_of(b);
	const json_t *r;
	size_t i;
	int rc = 0;

	if (!before || !after)
		rc = zs_error_set(err, -EINVAL, ZS_EXIT_USAGE, "%s is no report of zs-bench --json",
				  before ? "the second file" : "the first file");
	else {
		json_array_foreach(before, i, r) compare_reports(r, find_report(after, r), fn, ctx);
		json_array_foreach(after, i, r) new_ones(find_report(before, r), r, fn, ctx);
	}
	json_decref(before);
	json_decref(after);
	return rc;
}

/* The machine as the last report has it, which may know the most. */
static const json_t *machine_of(const json_t *doc)
{
	const json_t *runs = json_object_get(doc, "runs");
	size_t n = json_array_size(runs);

	return json_object_get(n ? json_array_get(runs, n - 1) : doc, "machine");
}

bool zs_compare_machines(const json_t *a, const json_t *b, char *out, size_t cap)
{
	const json_t *ma = machine_of(a), *mb = machine_of(b);
	double la = number_of(json_object_get(ma, "line_cycles"), "median");
	double lb = number_of(json_object_get(mb, "line_cycles"), "median");

	if (strcmp(text_of(ma, "cpu"), text_of(mb, "cpu"))) {
		snprintf(out, cap, "measured on other machines: '%s' and '%s'", text_of(ma, "cpu"),
			 text_of(mb, "cpu"));
		return true;
	}
	if (la > 0 && lb > 0 && fabs(lb / la - 1) > LINE_DRIFT) {
		snprintf(out, cap,
			 "a random line cost %.1f cycles then and %.1f now: memory was not the same", la, lb);
		return true;
	}
	return false;
}

/* --- the command --- */

static void print(void *ctx, const struct zs_comparison *c)
{
	int *worse = ctx;
	char name[96];

	snprintf(name, sizeof(name), "%s%s%s %s", c->bench, *c->variant ? " " : "", c->variant, c->metric);
	if (c->verdict == ZS_VERDICT_GONE || c->verdict == ZS_VERDICT_NEW)
		printf("%-64s %10.5g %-8s %s\n", name, c->verdict == ZS_VERDICT_NEW ? c->after : c->before,
		       c->unit, names[c->verdict]);
	else
		printf("%-64s %10.5g -> %-10.5g %-8s %+6.1f %%  spread %.1f %%, %.1f %%: %s\n", name,
		       c->before, c->after, c->unit, 100 * c->change, 100 * c->spread_before,
		       100 * c->spread_after, names[c->verdict]);
	*worse += c->verdict == ZS_VERDICT_WORSE;
}

static json_t *load(const char *path)
{
	json_error_t e;
	json_t *doc = json_load_file(path, 0, &e);

	if (!doc)
		fprintf(stderr, "zs-bench: %s: %s\n", path, e.text);
	return doc;
}

int zs_compare_files(const char *a, const char *b)
{
	json_t *before = load(a), *after = before ? load(b) : NULL;
	struct zs_error err = { 0 };
	int worse = 0, status = ZS_EXIT_USAGE;
	char doubt[256];

	if (after && zs_compare(before, after, print, &worse, &err))
		fprintf(stderr, "zs-bench: %s\n", err.text);
	else if (after) {
		if (zs_compare_machines(before, after, doubt, sizeof(doubt)))
			printf("note: %s\n", doubt);
		status = worse ? ZS_EXIT_FAILED : ZS_EXIT_OK;
	}
	json_decref(before);
	json_decref(after);
	return status;
}
