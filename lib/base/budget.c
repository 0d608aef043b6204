#include "base/budget.h"

#include <malloc.h>
#include <stdbool.h>
#include <stdlib.h>

static bool fits(const struct zs_budget *b, uint64_t more)
{
	return !b->limit || (b->used <= b->limit && more <= b->limit - b->used);
}

void *zs_budget_own(struct zs_budget *b, void *p)
{
	b->used += malloc_usable_size(p);
	if (b->used > b->most)
		b->most = b->used;
	return p;
}

void *zs_budget_calloc(struct zs_budget *b, size_t n, size_t size)
{
	uint64_t bytes;
	void *p = NULL;

	if (!__builtin_mul_overflow(n, size, &bytes) && fits(b, bytes))
		p = calloc(n, size);
	b->refused += !p;
	return zs_budget_own(b, p);
}

void *zs_budget_realloc(struct zs_budget *b, void *p, size_t size)
{
	uint64_t before = malloc_usable_size(p);
	void *q = size <= before || fits(b, size - before) ? realloc(p, size) : NULL;

	b->refused += !q;
	if (!q)
		return NULL;
	b->used -= before;
	return zs_budget_own(b, q);
}

void zs_budget_free(struct zs_budget *b, void *p)
{
	b->used -= malloc_usable_size(p);
	free(p);
}
