/* What zs-bench says of figures: samples, percentiles, the search for a rate, draws, and comparisons of made files. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "base/check.h"
#include "bench.h"
#include "core/compare.h"
#include "core/draw.h"
#include "core/histogram.h"
#include "core/search.h"
#include "core/zipf.h"

static bool near(double a, double b, double share)
{
	return fabs(a - b) <= share * fabs(b);
}

/* --- samples and percentiles --- */

static void test_samples(void **state)
{
	struct zs_samples s = { 0 };

	assert_true(zs_samples_median(&s) == 0 && zs_samples_spread(&s) == 0);
	for (int i = 10; i >= 0; i--)
		zs_samples_add(&s, 100 + i);
	zs_samples_add(&s, 1e9); /* one that was cut in upon */
	assert_true(near(zs_samples_median(&s), 105.5, 1e-9));
	assert_true(near(zs_samples_spread(&s), (110 - 101) / 105.5, 1e-9));
	for (int i = 0; i < 2 * ZS_BENCH_REPEATS_MAX; i++)
		zs_samples_add(&s, 0);
	assert_int_equal(s.count, ZS_BENCH_REPEATS_MAX);
}

static int ascending(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* Against sorting, over many orders of magnitude. */
static void test_histogram(void **state)
{
	static const double shares[] = { 0.001, 0.5, 0.9, 0.99, 0.999, 1 };
	static uint64_t value[50000];
	struct zs_histogram *h = calloc(1, sizeof(*h));
	uint64_t random = 7;

	assert_non_null(h);
	assert_int_equal(zs_histogram_at(h, 0.5), 0);
	for (size_t i = 0; i < ZS_ARRAY_LEN(value); i++) {
		value[i] = zs_draw(&random) >> zs_draw_below(&random, 64);
		zs_histogram_add(h, value[i]);
	}
	qsort(value, ZS_ARRAY_LEN(value), sizeof(value[0]), ascending);
	for (size_t i = 0; i < ZS_ARRAY_LEN(shares); i++) {
		size_t at = (size_t)ceil(shares[i] * ZS_ARRAY_LEN(value)) - 1;
		uint64_t got = zs_histogram_at(h, shares[i]);

		assert_true(got >= value[at] && got - value[at] <= value[at] / ZS_HISTOGRAM_SUB);
	}
	assert_true(zs_histogram_at(h, 1) == value[ZS_ARRAY_LEN(value) - 1]);
	free(h);
}

/* --- draws --- */

/* The first ranks come as often as they must, the last one can come, none beyond. */
static void test_zipf(void **state)
{
	static const double exponents[] = { 0.5, 0.99, 1, 1.3, 3 };
	enum { N = 1000, DRAWS = 200000 };

	for (size_t e = 0; e < ZS_ARRAY_LEN(exponents); e++) {
		uint32_t seen[N] = { 0 };
		uint64_t random = 3;
		struct zs_zipf z;
		double all = 0;

		zs_zipf_init(&z, N, exponents[e]);
		for (int k = 1; k <= N; k++)
			all += pow(k, -exponents[e]);
		for (int i = 0; i < DRAWS; i++) {
			uint32_t k = zs_zipf_draw(&z, &random);

			assert_in_range(k, 0, N - 1);
			seen[k]++;
		}
		for (int k = 1; k <= 8; k++) {
			double want = DRAWS * pow(k, -exponents[e]) / all;

			assert_true(fabs(seen[k - 1] - want) <= 5 * sqrt(want) + 1);
		}
	}
}

/* --- the search --- */

struct device {
	double takes;  /* packets a second */
	double always; /* share lost at any rate */
	double flaky;  /* share of trials that lose a packet without a reason */
	uint64_t random;
	double highest; /* rate it was tried at */
};

static double trial(void *ctx, double rate, uint32_t packets)
{
	struct device *d = ctx;
	double lost = rate > d->takes ? 1 - d->takes / rate : 0;

	d->highest = rate > d->highest ? rate : d->highest;
	if (zs_draw_unit(&d->random) < d->flaky && lost == 0)
		lost = 1.0 / packets;
	return lost > d->always ? lost : d->always;
}

static double search(struct device *d, double loss)
{
	struct zs_search s = { .least = 1000,
			       .most = 50e6,
			       .width = 0.005,
			       .trials = 5,
			       .packets = 100000,
			       .trial = trial,
			       .ctx = d };

	return zs_search_rate(&s, loss, NULL);
}

static void test_search(void **state)
{
	struct device d = { .takes = 7.3e6 }, none = { .takes = 10 }, all = { .takes = 1e9 },
		      leaky = { .takes = 7.3e6, .always = 0.001 };

	assert_true(near(search(&d, 0), 7.3e6, 0.006) && search(&d, 0) <= 7.3e6);
	assert_true(near(search(&d, 0.005), 7.3e6 / 0.995, 0.006));
	assert_true(search(&none, 0) == 0);
	assert_true(near(search(&all, 0), 50e6, 1e-9) && all.highest <= 50e6);
	assert_true(search(&leaky, 0) == 0 && near(search(&leaky, 0.005), 7.3e6 / 0.995, 0.006));
}

/* One trial in ten loses a packet for no reason: most trials decide, so nearly every search finds the rate all the same, and none
 * asks for more than there is. */
static void test_search_flaky(void **state)
{
	static const double takes[] = { 7.3e6, 49.8e6 };
	uint32_t right = 0;

	for (uint64_t seed = 0; seed < 200; seed++) {
		struct device d = { .takes = takes[seed & 1], .flaky = 0.1, .random = seed };

		right += near(search(&d, 0), d.takes, 0.01);
		assert_true(d.highest <= 50e6);
	}
	assert_in_range(right, 170, 200);
}

/* --- compare --- */

static json_t *report(const char *bench, double value, double wobble, enum zs_better better, bool disturbed)
{
	json_t *r = json_pack("{s:s,s:s,s:s,s:b}", "schema", "zs-bench/2", "bench", bench, "variant", "",
			      "disturbed", disturbed);
	struct zs_samples s = { 0 };

	for (int i = -2; i <= 2; i++)
		zs_samples_add(&s, value + wobble * i);
	zs_report_metric(r, "x", "cycles", better, &s);
	return r;
}

struct heard {
	uint32_t count;
	struct zs_comparison c[8];
};

static void hear(void *ctx, const struct zs_comparison *c)
{
	struct heard *h = ctx;

	h->c[h->count++] = *c;
}

/* Compares and lets go of both. */
static struct heard compare(json_t *a, json_t *b)
{
	struct heard h = { 0 };
	struct zs_error err = { 0 };

	assert_int_equal(zs_compare(a, b, hear, &h, &err), 0);
	json_decref(a);
	json_decref(b);
	return h;
}

static void test_compare(void **state)
{
	static const struct {
		double before, after, wobble;
		enum zs_better better;
		bool disturbed;
		enum zs_verdict want;
	} rows[] = {
		{ 100, 90, 1, ZS_LESS, false, ZS_VERDICT_BETTER },
		{ 100, 110, 1, ZS_LESS, false, ZS_VERDICT_WORSE },
		{ 100, 110, 1, ZS_MORE, false, ZS_VERDICT_BETTER },
		{ 100, 90, 1, ZS_MORE, false, ZS_VERDICT_WORSE },
		{ 100, 90, 5, ZS_LESS, false, ZS_VERDICT_WITHIN },
		{ 100, 100, 0, ZS_LESS, false, ZS_VERDICT_WITHIN },
		{ 100, 90, 1, ZS_LESS, true, ZS_VERDICT_DISTURBED },
		{ 100, 90, 5, ZS_LESS, true, ZS_VERDICT_WITHIN },
	};

	for (size_t i = 0; i < ZS_ARRAY_LEN(rows); i++) {
		struct heard h = compare(
		    report("b", rows[i].before, rows[i].wobble, rows[i].better, false),
		    report("b", rows[i].after, rows[i].wobble, rows[i].better, rows[i].disturbed));

		assert_int_equal(h.count, 1);
		assert_int_equal(h.c[0].verdict, rows[i].want);
		assert_true(near(h.c[0].change + 1, rows[i].after / rows[i].before, 1e-9));
	}
}

/* One measurement has no spread, so nothing is claimed of it; a count needs none. */
static void test_compare_few(void **state)
{
	json_t *doc[4];
	struct zs_samples one = { .count = 1 };
	struct heard h;

	for (int i = 0; i < 4; i++) {
		doc[i] = json_pack("{s:s,s:s}", "schema", "zs-bench/2", "bench", "b");
		one.value[0] = 100 + i;
		if (i < 2)
			zs_report_metric(doc[i], "x", "cycles", ZS_LESS, &one);
		else
			zs_report_value(doc[i], "x", "bytes", ZS_LESS, 100 + i);
	}
	h = compare(doc[0], doc[1]);
	assert_int_equal(h.c[0].verdict, ZS_VERDICT_FEW);
	h = compare(doc[2], doc[3]);
	assert_int_equal(h.c[0].verdict, ZS_VERDICT_WORSE);
}

static json_t *set(json_t *one, json_t *two)
{
	return json_pack("{s:s,s:[o,o]}", "schema", "zs-bench-set/1", "runs", one, two);
}

/* Sets: benches are found by name and variant, in any order; what one of them lacks is said. */
static void test_compare_sets(void **state)
{
	struct heard h = compare(
	    set(report("a", 100, 1, ZS_LESS, false), report("gone", 1, 0, ZS_LESS, false)),
	    set(report("new", 1, 0, ZS_LESS, false), report("a", 50, 1, ZS_LESS, false)));

	assert_int_equal(h.count, 3);
	assert_int_equal(h.c[0].verdict, ZS_VERDICT_BETTER);
	assert_int_equal(h.c[1].verdict, ZS_VERDICT_GONE);
	assert_int_equal(h.c[2].verdict, ZS_VERDICT_NEW);
}

static void test_compare_foreign(void **state)
{
	json_t *good = report("a", 1, 0, ZS_LESS, false), *bad = json_pack("{s:s}", "schema", "other/1");
	struct zs_error err = { 0 };
	struct heard h = { 0 };

	assert_int_not_equal(zs_compare(good, bad, hear, &h, &err), 0);
	assert_string_equal(err.text, "the second file is no report of zs-bench --json");
	assert_int_not_equal(zs_compare(bad, good, hear, &h, &err), 0);
	json_decref(good);
	json_decref(bad);
}

static json_t *machine(const char *cpu, double line)
{
	return json_pack("{s:s,s:s,s:{s:s,s:{s:f}}}", "schema", "zs-bench/2", "bench", "b", "machine", "cpu",
			 cpu, "line_cycles", "median", line);
}

static void test_compare_machines(void **state)
{
	json_t *a = machine("x", 20), *b = machine("x", 21), *c = machine("x", 30), *d = machine("y", 20);
	char said[256];

	assert_false(zs_compare_machines(a, b, said, sizeof(said)));
	assert_true(zs_compare_machines(a, c, said, sizeof(said)));
	assert_non_null(strstr(said, "20.0 cycles then and 30.0 now"));
	assert_true(zs_compare_machines(a, d, said, sizeof(said)));
	assert_non_null(strstr(said, "'x' and 'y'"));
	json_decref(a);
	json_decref(b);
	json_decref(c);
	json_decref(d);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_samples),
		cmocka_unit_test(test_histogram),
		cmocka_unit_test(test_zipf),
		cmocka_unit_test(test_search),
		cmocka_unit_test(test_search_flaky),
		cmocka_unit_test(test_compare),
		cmocka_unit_test(test_compare_few),
		cmocka_unit_test(test_compare_sets),
		cmocka_unit_test(test_compare_foreign),
		cmocka_unit_test(test_compare_machines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
