/* Whose time is next: a binary heap of pointers to elements that stand inside what they are the time of; each knows its place.
 * One thread. */
#ifndef ZS_BASE_DEADLINE_H
#define ZS_BASE_DEADLINE_H

#include <stddef.h>
#include <stdint.h>

struct zs_deadline {
	uint64_t at;
	uint32_t place; /* in the heap, plus one; 0: not in it */
};

struct zs_deadlines {
	struct zs_deadline **heap;
	uint32_t count, capacity;
};

void zs_deadlines_free(struct zs_deadlines *h);
/* Makes room for `count` elements: zs_deadlines_set() cannot fail then. -ENOMEM. */
int zs_deadlines_reserve(struct zs_deadlines *h, uint32_t count);
/* Enters or moves it; UINT64_MAX takes it out. */
void zs_deadlines_set(struct zs_deadlines *h, struct zs_deadline *d, uint64_t at);

/* The earliest time, UINT64_MAX: there is none. */
static inline uint64_t zs_deadlines_next(const struct zs_deadlines *h)
{
	return h->count ? h->heap[0]->at : UINT64_MAX;
}

/* One whose time has come, taken out; NULL: none has. */
static inline struct zs_deadline *zs_deadlines_due(struct zs_deadlines *h, uint64_t now)
{
	struct zs_deadline *d = h->count && h->heap[0]->at <= now ? h->heap[0] : NULL;

	if (d)
		zs_deadlines_set(h, d, UINT64_MAX);
	return d;
}

#endif
