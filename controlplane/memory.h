/* What the memory of both planes comes to: jemalloc's figures where it is linked, the kernel's, and the modules' own. Loop thread. */
#ifndef ZS_CONTROLPLANE_MEMORY_H
#define ZS_CONTROLPLANE_MEMORY_H

#include "control.h"

#define ZS_MEMORY_FIGURES   8
#define ZS_MEMORY_UNCOUNTED UINT64_MAX /* as `most`: nobody counts it there */

struct zs_memory_figure {
	const char *name;
	uint64_t bytes;
};

/* Fills out, returns how many. */
unsigned zs_memory_figures(struct zs_memory_figure out[ZS_MEMORY_FIGURES]);

/* A process as the kernel counts it. Hugepages are not resident by its reckoning. */
struct zs_memory_process {
	uint64_t resident, own, shared, hugepages, reserved;
};
/* -ESRCH: there is none, or it is not to be seen. */
int zs_memory_process(int pid, struct zs_memory_process *out);

/* Modules with a budget, then those with bounds of their own (p2p, store), then the rest of the heap. */
#define ZS_MEMORY_MODULES (ZS_MEMORIES + 3)
struct zs_memory_module {
	const char *name;
	bool off;			      /* it takes nothing */
	uint64_t used, most, budget, refused; /* budget 0: none */
};
unsigned zs_memory_modules(const struct zs_control *c, struct zs_memory_module out[ZS_MEMORY_MODULES]);

#endif
