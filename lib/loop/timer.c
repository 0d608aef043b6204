/* Timers: a binary heap of set timers and an array of all of them. Both arrays have the same
 * room, taken when a timer is made, so that setting one never fails. */
#include <errno.h>
#include <stdlib.h>
#include "base/check.h"
#include "base/clock.h"
#include "loop/engine.h"

#define TIMERS_FIRST 64
#define UNSET	     UINT32_MAX

static void place(struct zs_loop *loop, uint32_t pos, struct zs_timer *t)
{
	loop->heap[pos] = t;
	t->pos = pos;
}

static void sift_up(struct zs_loop *loop, uint32_t pos, struct zs_timer *t)
{
	while (pos && loop->heap[(pos - 1) / 2]->at_ns > t->at_ns) {
		place(loop, pos, loop->heap[(pos - 1) / 2]);
		pos = (pos - 1) / 2;
	}
	place(loop, pos, t);
}

static void sift_down(struct zs_loop *loop, uint32_t pos, struct zs_timer *t)
{
	for (;;) {
		uint32_t child = 2 * pos + 1;
		if (child >= loop->heap_count)
			break;
		if (child + 1 < loop->heap_count && loop->heap[child + 1]->at_ns < loop->heap[child]->at_ns)
			child++;
		if (loop->heap[child]->at_ns >= t->at_ns)
			break;
		place(loop, pos, loop->heap[child]);
		pos = child;
	}
	place(loop, pos, t);
}

static void unset(struct zs_timer *t)
{
	struct zs_loop *loop = t->loop;
	if (t->pos == UNSET)
		return;
	uint32_t pos = t->pos;
	struct zs_timer *last = loop->heap[--loop->heap_count];
	t->pos = UNSET;
	if (last == t)
		return;
	if (pos && loop->heap[(pos - 1) / 2]->at_ns > last->at_ns)
		sift_up(loop, pos, last);
	else
		sift_down(loop, pos, last);
}

static int make_room(struct zs_loop *loop)
{
	if (loop->timer_count < loop->timer_room)
		return 0;
	if (loop->timer_count >= ZS_LOOP_TIMERS_MAX)
		return -ENOSPC;
	uint32_t room = loop->timer_room ? loop->timer_room * 2 : TIMERS_FIRST;
	struct zs_timer **heap = realloc(loop->heap, room * sizeof(struct zs_timer *));
	if (!heap)
		return -ENOMEM;
	loop->heap = heap;
	struct zs_timer **timer = realloc(loop->timer, room * sizeof(struct zs_timer *));
	if (!timer)
		return -ENOMEM;
	loop->timer = timer;
	loop->timer_room = room;
	return 0;
}

int zs_timer_new(struct zs_timer **out, struct zs_loop *loop, zs_timer_fn *fn, void *ctx)
{
	int ret = make_room(loop);
	if (ret)
		return ret;
	struct zs_timer *t = calloc(1, sizeof(*t));
	if (!t)
		return -ENOMEM;
	*t = (struct zs_timer){
		.loop = loop, .pos = UNSET, .member = loop->timer_count, .fn = fn, .ctx = ctx
	};
	loop->timer[loop->timer_count++] = t;
	*out = t;
	return 0;
}

void zs_timer_set(struct zs_timer *t, uint64_t at_ns)
{
	unset(t);
	if (!at_ns)
		return;
	t->at_ns = at_ns;
	sift_up(t->loop, t->loop->heap_count++, t);
}

void zs_timer_after(struct zs_timer *t, uint64_t in_ns)
{
	uint64_t now = zs_clock_ns();
	zs_timer_set(t, in_ns > UINT64_MAX - now ? UINT64_MAX : now + in_ns);
}

void zs_timer_delete(struct zs_timer *t)
{
	if (!t)
		return;
	struct zs_loop *loop = t->loop;
	unset(t);
	struct zs_timer *last = loop->timer[--loop->timer_count];
	loop->timer[t->member] = last;
	last->member = t->member;
	free(t);
}

/* A timer that its own callback sets into the past waits for the next turn: descriptors must
 * get their share. Hence the count taken first. */
void zs_timers_fire(struct zs_loop *loop)
{
	for (uint32_t left = loop->heap_count; left && loop->heap_count; left--) {
		struct zs_timer *t = loop->heap[0];
		if (t->at_ns > loop->now_ns)
			break;
		unset(t);
		t->fn(t->ctx); /* may delete t */
	}
}

uint64_t zs_timers_wait_ns(const struct zs_loop *loop, uint64_t now_ns)
{
	if (!loop->heap_count)
		return ZS_LOOP_FOREVER;
	uint64_t at = loop->heap[0]->at_ns;
	return at > now_ns ? at - now_ns : 0;
}

void zs_timers_delete(struct zs_loop *loop)
{
	while (loop->timer_count)
		zs_timer_delete(loop->timer[loop->timer_count - 1]);
	free(loop->heap);
	free(loop->timer);
}
