#include <stdlib.h>
#include <string.h>

#include "bench.h"

void zs_samples_add(struct zs_samples *s, double value)
{
	if (s->count < ZS_BENCH_REPEATS_MAX)
		s->value[s->count++] = value;
}

static int ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

static void sorted(const struct zs_samples *s, double out[ZS_BENCH_REPEATS_MAX])
{
	memcpy(out, s->value, s->count * sizeof(double));
	qsort(out, s->count, sizeof(double), ascending);
}

double zs_samples_median(const struct zs_samples *s)
{
	double v[ZS_BENCH_REPEATS_MAX];
	if (!s->count)
		return 0;
	sorted(s, v);
	uint32_t mid = s->count / 2;
	return s->count & 1 ? v[mid] : (v[mid - 1] + v[mid]) / 2;
}

double zs_samples_quantile(const struct zs_samples *s, double q)
{
	double v[ZS_BENCH_REPEATS_MAX];
	if (!s->count)
		return 0;
	sorted(s, v);
	return v[(uint32_t)(q * (s->count - 1) + 0.5)];
}

double zs_samples_spread(const struct zs_samples *s)
{
	double median = zs_samples_median(s);

	return median > 0 ? (zs_samples_quantile(s, 0.9) - zs_samples_quantile(s, 0.1)) / median : 0;
}

json_t *zs_samples_json(const struct zs_samples *s)
{
	double v[ZS_BENCH_REPEATS_MAX] = { 0 };
	sorted(s, v);
	json_t *list = json_array();
	for (uint32_t i = 0; i < s->count; i++)
		json_array_append_new(list, json_real(s->value[i]));
	return json_pack("{s:f,s:f,s:f,s:f,s:f,s:f,s:o}", "median", zs_samples_median(s), "spread",
			 zs_samples_spread(s), "p10", zs_samples_quantile(s, 0.1), "p90",
			 zs_samples_quantile(s, 0.9), "min", v[0], "max", s->count ? v[s->count - 1] : 0.0,
			 "samples", list);
}

static json_t *put(json_t *report, const char *name, const char *unit, enum zs_better better,
		   const struct zs_samples *s)
{
	json_t *metrics = json_object_get(report, "metrics"), *m = zs_samples_json(s);

	if (!metrics) {
		metrics = json_array();
		json_object_set_new(report, "metrics", metrics);
	}
	json_object_set_new(m, "name", json_string(name));
	json_object_set_new(m, "unit", json_string(unit));
	json_object_set_new(m, "better", json_string(better == ZS_MORE ? "more" : "less"));
	json_array_append_new(metrics, m);
	return m;
}

void zs_report_metric(json_t *report, const char *name, const char *unit, enum zs_better better,
		      const struct zs_samples *s)
{
	put(report, name, unit, better, s);
}

void zs_report_value(json_t *report, const char *name, const char *unit, enum zs_better better, double value)
{
	struct zs_samples one = { .count = 1, .value = { value } };

	json_object_set_new(put(report, name, unit, better, &one), "exact", json_true());
}
