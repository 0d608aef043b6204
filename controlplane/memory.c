#include "memory.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/check.h"
#include "peers/peers.h"
#include "store.h"

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

int zs_memory_process(int pid, struct zs_memory_process *out)
{
	const struct {
		const char *name;
		uint64_t *to;
	} fields[] = { { "VmSize:", &out->reserved },
		       { "VmRSS:", &out->resident },
		       { "RssAnon:", &out->own },
		       { "RssShmem:", &out->shared },
		       { "HugetlbPages:", &out->hugepages } };
	char path[32], line[128];
	FILE *f;

	memset(out, 0, sizeof(*out));
	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	f = fopen(path, "re");
	if (!f)
		return -ESRCH;
	while (fgets(line, sizeof(line), f))
		for (size_t i = 0; i < ZS_ARRAY_LEN(fields); i++)
			if (!strncmp(line, fields[i].name, strlen(fields[i].name)))
				*fields[i].to = strtoull(line + strlen(fields[i].name), NULL, 10) << 10;
	fclose(f);
	return 0;
}

static uint64_t heap(void)
{
	struct zs_memory_figure figure[ZS_MEMORY_FIGURES];
	unsigned count = allocator(figure);

	for (unsigned i = 0; i < count; i++)
		if (!strcmp(figure[i].name, "allocated"))
			return figure[i].bytes;
	return 0;
}

unsigned zs_memory_modules(const struct zs_control *c, struct zs_memory_module out[ZS_MEMORY_MODULES])
{
	uint64_t all = heap(), sum = 0;
	unsigned n = 0;

	for (int m = 0; m < ZS_MEMORIES; m++) {
		const struct zs_budget *b = &c->memory[m];
		bool off = !zs_module_on(c->conf, zs_memory_module((enum zs_memory)m));

		out[n++] = (struct zs_memory_module){ zs_memory_name(m),  off,	     b->used, b->most,
						      off ? 0 : b->limit, b->refused };
	}
	out[n] = (struct zs_memory_module){ .name = "p2p", .off = !c->peers, .most = ZS_MEMORY_UNCOUNTED };
	if (c->peers) {
		struct zs_host_stats s;

		zs_host_stats(zs_peers_host(c->peers), &s);
		out[n].used = s.system.memory_bytes;
		out[n].budget = zs_peers_memory_limit(c->conf);
	}
	n++;
	out[n] = (struct zs_memory_module){ .name = "store", .most = ZS_MEMORY_UNCOUNTED };
	zs_store_memory(c->store, &out[n].used, &out[n].budget);
	n++;
	for (unsigned i = 0; i < n; i++)
		sum += out[i].used;
	if (all > sum)
		out[n++] = (struct zs_memory_module){ .name = "rest",
						      .used = all - sum,
						      .most = ZS_MEMORY_UNCOUNTED };
	return n;
}
