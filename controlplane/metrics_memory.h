/* What the process's memory comes to: jemalloc's figures where it is linked, and the kernel's. */
#ifndef ZS_CONTROLPLANE_METRICS_MEMORY_H
#define ZS_CONTROLPLANE_METRICS_MEMORY_H

#include <stdint.h>

#define ZS_MEMORY_FIGURES 8

struct zs_memory_figure {
	const char *name;
	uint64_t bytes;
};

/* Fills out, returns how many. */
unsigned zs_memory_figures(struct zs_memory_figure out[ZS_MEMORY_FIGURES]);

#endif
