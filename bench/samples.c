/* Samples and the machine's description. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

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

json_t *zs_samples_json(const struct zs_samples *s)
{
	double v[ZS_BENCH_REPEATS_MAX] = { 0 };
	sorted(s, v);
	json_t *list = json_array();
	for (uint32_t i = 0; i < s->count; i++)
		json_array_append_new(list, json_real(s->value[i]));
	return json_pack("{s:f,s:f,s:f,s:o}", "median", zs_samples_median(s), "min", v[0], "max",
			 s->count ? v[s->count - 1] : 0.0, "samples", list);
}

static void cpu_model(char *out, size_t cap)
{
	char line[256];
	snprintf(out, cap, "unknown");
	FILE *f = fopen("/proc/cpuinfo", "re");
	while (f && fgets(line, sizeof(line), f)) {
		char *colon = strchr(line, ':');
		if (colon && !strncmp(line, "model name", 10)) {
			colon[strcspn(colon, "\n")] = 0;
			snprintf(out, cap, "%s", colon + 2);
			break;
		}
	}
	if (f)
		fclose(f);
}

json_t *zs_machine_json(void)
{
	struct utsname u;
	char model[128];
	uname(&u);
	cpu_model(model, sizeof(model));
	return json_pack("{s:s,s:I,s:s,s:I,s:I,s:I}", "cpu", model, "cpus",
			 (json_int_t)sysconf(_SC_NPROCESSORS_ONLN), "kernel", u.release, "page",
			 (json_int_t)sysconf(_SC_PAGESIZE), "l2", (json_int_t)sysconf(_SC_LEVEL2_CACHE_SIZE),
			 "l3", (json_int_t)sysconf(_SC_LEVEL3_CACHE_SIZE));
}
