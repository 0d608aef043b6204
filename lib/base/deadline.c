#include "base/deadline.h"

#include <errno.h>
#include <stdlib.h>
#include "base/check.h"

void zs_deadlines_free(struct zs_deadlines *h)
{
	free(h->heap);
	*h = (struct zs_deadlines){ 0 };
}

int zs_deadlines_reserve(struct zs_deadlines *h, uint32_t count)
{
	uint32_t capacity = h->capacity ? h->capacity : 16;
	struct zs_deadline **heap;

	if (count <= h->capacity)
		return 0;
	while (capacity < count)
		capacity *= 2;
	heap = realloc(h->heap, capacity * sizeof(struct zs_deadline *));
	if (!heap)
		return -ENOMEM;
	h->heap = heap;
	h->capacity = capacity;
	return 0;
}

static void put(struct zs_deadlines *h, uint32_t i, struct zs_deadline *d)
{
	h->heap[i] = d;
	d->place = i + 1;
}

static void sift_up(struct zs_deadlines *h, uint32_t i, struct zs_deadline *d)
{
	for (; i && h->heap[(i - 1) / 2]->at > d->at; i = (i - 1) / 2)
		put(h, i, h->heap[(i - 1) / 2]);
	put(h, i, d);
}

static void sift_down(struct zs_deadlines *h, uint32_t i, struct zs_deadline *d)
{
	for (;;) {
		uint32_t child = 2 * i + 1;
		if (child >= h->count)
			break;
		if (child + 1 < h->count && h->heap[child + 1]->at < h->heap[child]->at)
			child++;
		if (h->heap[child]->at >= d->at)
			break;
		put(h, i, h->heap[child]);
		i = child;
	}
	put(h, i, d);
}

static void place(struct zs_deadlines *h, uint32_t i, struct zs_deadline *d)
{
	if (i && h->heap[(i - 1) / 2]->at > d->at)
		sift_up(h, i, d);
	else
		sift_down(h, i, d);
}

void zs_deadlines_set(struct zs_deadlines *h, struct zs_deadline *d, uint64_t at)
{
	uint32_t i = d->place ? d->place - 1 : h->count;

	if (at == d->at && d->place)
		return;
	d->at = at;
	if (at != UINT64_MAX) {
		ZS_CHECK(i < h->capacity);
		h->count += !d->place;
		place(h, i, d);
	} else if (d->place) {
		d->place = 0;
		if (i != --h->count)
			place(h, i, h->heap[h->count]);
	}
}
