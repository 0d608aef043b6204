#include "metrics_memory.h"
#include <stdio.h>
#include <unistd.h>
#include "base/check.h"

#ifdef CONFIG_JEMALLOC
#include <jemalloc/jemalloc.h>

static unsigned allocator(struct zs_memory_figure *out)
{
	static const char *const names[][2] = {
		{ "stats.allocated", "allocated" },    { "stats.active", "active" },
		{ "stats.resident", "heap_resident" }, { "stats.mapped", "mapped" },
		{ "stats.retained", "retained" },
	};
	uint64_t epoch = 1;
	size_t len = sizeof(epoch);
	unsigned count = 0;

	mallctl("epoch", &epoch, &len, &epoch, sizeof(epoch)); /* without it the figures stand still */
	for (size_t i = 0; i < ZS_ARRAY_LEN(names); i++) {
		size_t value = 0;

		len = sizeof(value);
		if (mallctl(names[i][0], &value, &len, NULL, 0) == 0)
			out[count++] = (struct zs_memory_figure){ names[i][1], value };
	}
	return count;
}
#else
static unsigned allocator(struct zs_memory_figure *out)
{
	return 0;
}
#endif

unsigned zs_memory_figures(struct zs_memory_figure out[ZS_MEMORY_FIGURES])
{
	unsigned long size = 0, resident = 0, page = (unsigned long)sysconf(_SC_PAGESIZE);
	unsigned count = allocator(out);
	FILE *f = fopen("/proc/self/statm", "re");

	if (!f)
		return count;
	if (fscanf(f, "%lu %lu", &size, &resident) == 2) {
		out[count++] = (struct zs_memory_figure){ "resident", resident * page };
		out[count++] = (struct zs_memory_figure){ "virtual", size * page };
	}
	fclose(f);
	return count;
}
