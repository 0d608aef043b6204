/* What one module of a process takes from the heap, counted as the allocator sees it, and refused beyond its limit. One thread. */
#ifndef ZS_BASE_BUDGET_H
#define ZS_BASE_BUDGET_H

#include <stddef.h>
#include <stdint.h>

struct zs_budget {
	uint64_t limit; /* bytes; 0: none. What is taken already stays when it is lowered */
	uint64_t used, most;
	uint64_t refused; /* how often: beyond the limit, or no memory at all */
};

/* Zeroed; NULL: refused. */
void *zs_budget_calloc(struct zs_budget *b, size_t n, size_t size);
/* As realloc: what is added is not zeroed. NULL: refused, `p` is as it was. */
void *zs_budget_realloc(struct zs_budget *b, void *p, size_t size);
/* Counts what was allocated without asking: at a start, what is there has to be there. Returns p, which may be NULL. */
void *zs_budget_own(struct zs_budget *b, void *p);
void zs_budget_free(struct zs_budget *b, void *p); /* NULL too */

#endif
