/* Timers: the deadlines of those that are set, and an array of all of them. Both have the same
 * room, taken when a timer is made, so that setting one never fails. */
#include <errno.h>
#include <stdlib.h>
#include "base/check.h"
#include "base/clock.h"
#include "loop/engine.h"

#define TIMERS_FIRST 64

static int make_room(struct zs_loop *loop)
{
	if (loop->timer_count < loop->timer_room)
		return 0;
	if (loop->timer_count >= ZS_LOOP_TIMERS_MAX)
		return -ENOSPC;
	uint32_t room = loop->timer_room ? loop->timer_room * 2 : TIMERS_FIRST;
	if (zs_deadlines_reserve(&loop->due, room))
		return -ENOMEM;
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
	*t = (struct zs_timer){ .loop = loop, .member = loop->timer_count, .fn = fn, .ctx = ctx };
	loop->timer[loop->timer_count++] = t;
	*out = t;
	return 0;
}

void zs_timer_set(struct zs_timer *t, uint64_t at_ns)
{
	zs_deadlines_set(&t->loop->due, &t->due, at_ns ? at_ns : UINT64_MAX);
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
	zs_timer_set(t, 0);
	struct zs_timer *last = loop->timer[--loop->timer_count];
	loop->timer[t->member] = last;
	last->member = t->member;
	free(t);
}

static struct zs_timer *timer_of(struct zs_deadline *d)
{
	return (struct zs_timer *)((char *)d - offsetof(struct zs_timer, due));
}

/* A timer that its own callback sets into the past waits for the next turn: descriptors must
 * get their share. Hence the count taken first. */
void zs_timers_fire(struct zs_loop *loop)
{
	struct zs_deadline *d;

	for (uint32_t left = loop->due.count; left && (d = zs_deadlines_due(&loop->due, loop->now_ns));
	     left--) {
		struct zs_timer *t = timer_of(d);
		t->fn(t->ctx); /* may delete t */
	}
}

uint64_t zs_timers_wait_ns(const struct zs_loop *loop, uint64_t now_ns)
{
	uint64_t at = zs_deadlines_next(&loop->due);

	if (at == UINT64_MAX)
		return ZS_LOOP_FOREVER;
	return at > now_ns ? at - now_ns : 0;
}

void zs_timers_delete(struct zs_loop *loop)
{
	while (loop->timer_count)
		zs_timer_delete(loop->timer[loop->timer_count - 1]);
	zs_deadlines_free(&loop->due);
	free(loop->timer);
}
