/* A binary heap: heap[i] is before heap[2i+1] and heap[2i+2]. */
#include "sim/queue.h"

#include <errno.h>
#include <stdlib.h>

static bool before(const struct zs_sim_event *a, const struct zs_sim_event *b)
{
	return a->at_ns != b->at_ns ? a->at_ns < b->at_ns : a->order < b->order;
}

int zs_sim_queue_put(struct zs_sim_queue *q, struct zs_sim_event event)
{
	size_t i = q->count;

	if (q->count == q->capacity) {
		size_t more = q->capacity ? q->capacity * 2 : 256;
		struct zs_sim_event *heap = realloc(q->heap, more * sizeof(*heap));
		if (!heap)
			return -ENOMEM;
		q->heap = heap;
		q->capacity = more;
	}
	event.order = q->order++;
	for (q->count++; i && before(&event, &q->heap[(i - 1) / 2]); i = (i - 1) / 2)
		q->heap[i] = q->heap[(i - 1) / 2];
	q->heap[i] = event;
	return 0;
}

const struct zs_sim_event *zs_sim_queue_peek(const struct zs_sim_queue *q)
{
	return q->count ? q->heap : NULL;
}

bool zs_sim_queue_take(struct zs_sim_queue *q, struct zs_sim_event *out)
{
	struct zs_sim_event last;
	size_t i = 0, child;

	if (!q->count)
		return false;
	*out = q->heap[0];
	last = q->heap[--q->count];
	for (; (child = 2 * i + 1) < q->count; i = child) {
		if (child + 1 < q->count && before(&q->heap[child + 1], &q->heap[child]))
			child++;
		if (!before(&q->heap[child], &last))
			break;
		q->heap[i] = q->heap[child];
	}
	q->heap[i] = last;
	return true;
}

void zs_sim_queue_delete(struct zs_sim_queue *q)
{
	free(q->heap);
	*q = (struct zs_sim_queue){ 0 };
}
