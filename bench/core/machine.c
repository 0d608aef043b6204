/* What the figures were measured on. */
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>
#include "bench.h"

static void word_of(const char *path, const char *key, char *out, size_t cap)
{
	char line[4096];
	FILE *f = fopen(path, "re");

	snprintf(out, cap, "unknown");
	while (f && fgets(line, sizeof(line), f)) {
		char *colon = strchr(line, ':');

		if (*key && (!colon || strncmp(line, key, strlen(key))))
			continue;
		line[strcspn(line, "\n")] = 0;
		snprintf(out, cap, "%.*s", (int)cap - 1, *key ? colon + 1 + strspn(colon + 1, " \t") : line);
		break;
	}
	if (f)
		fclose(f);
}

static long number_of(const char *path)
{
	long v = 0;
	FILE *f = fopen(path, "re");

	if (f && fscanf(f, "%ld", &v) != 1)
		v = 0;
	if (f)
		fclose(f);
	return v;
}

json_t *zs_machine_json(void)
{
	struct utsname u;
	char model[128], governor[32], thp[64];

	uname(&u);
	word_of("/proc/cpuinfo", "model name", model, sizeof(model));
	word_of("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "", governor, sizeof(governor));
	word_of("/sys/kernel/mm/transparent_hugepage/enabled", "", thp, sizeof(thp));
	return json_pack("{s:s,s:I,s:s,s:I,s:I,s:I,s:I,s:I,s:s,s:s}", "cpu", model, "cpus",
			 (json_int_t)sysconf(_SC_NPROCESSORS_ONLN), "kernel", u.release, "page",
			 (json_int_t)sysconf(_SC_PAGESIZE), "l1d",
			 (json_int_t)sysconf(_SC_LEVEL1_DCACHE_SIZE), "l2",
			 (json_int_t)sysconf(_SC_LEVEL2_CACHE_SIZE), "l3",
			 (json_int_t)sysconf(_SC_LEVEL3_CACHE_SIZE), "huge_pages_free",
			 (json_int_t)number_of("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages"),
			 "transparent_huge_pages", thp, "governor", governor);
}
