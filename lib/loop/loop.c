/* The loop: watches, dispatch, signals. See engine.h for who does what. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>
#include "base/check.h"
#include "base/clock.h"
#include "loop/engine.h"

_Static_assert(POLLIN == EPOLLIN && POLLOUT == EPOLLOUT && POLLHUP == EPOLLHUP && POLLERR == EPOLLERR &&
		   POLLRDHUP == EPOLLRDHUP,
	       "one set of bits for both engines");

static int open_engine(struct zs_loop *loop, enum zs_loop_engine engine)
{
	int ret = -ENOSYS;
	if (engine != ZS_LOOP_EPOLL) {
		loop->engine = &zs_engine_uring;
		ret = loop->engine->open(loop);
	}
	if (engine == ZS_LOOP_EPOLL || (ret && engine == ZS_LOOP_AUTO)) {
		loop->engine = &zs_engine_epoll;
		ret = loop->engine->open(loop);
	}
	return ret;
}

int zs_loop_new(struct zs_loop **out, enum zs_loop_engine engine, struct zs_error *err)
{
	struct zs_loop *loop = calloc(1, sizeof(*loop));
	if (!loop)
		return zs_error_set(err, -ENOMEM, ZS_EXIT_RESOURCE,
				    "no memory for the event loop; free some");
	int ret = open_engine(loop, engine);
	if (ret) {
		const char *name = loop->engine->name;
		free(loop);
		return zs_error_set(err, ret, ZS_EXIT_RESOURCE,
				    "%s cannot be opened: %s; raise the descriptor and memory limits, or use "
				    "another engine",
				    name, strerror(-ret));
	}
	loop->now_ns = zs_clock_ns();
	*out = loop;
	return 0;
}

static void free_watches(struct zs_watch *w)
{
	while (w) {
		struct zs_watch *next = w->next;
		free(w);
		w = next;
	}
}

void zs_loop_delete(struct zs_loop *loop)
{
	if (!loop)
		return;
	ZS_CHECK(!loop->in_turn, "a callback must stop its loop, not delete it");
	while (loop->owned) {
		struct zs_loop_owned *owned = loop->owned;
		zs_loop_disown(loop, owned);
		owned->drop(owned);
	}
	loop->engine->close(loop);
	while (loop->signals) {
		struct zs_signal *s = loop->signals;
		loop->signals = s->next;
		close(s->fd);
		free(s);
	}
	free_watches(loop->watches);
	free_watches(loop->graves);
	zs_timers_delete(loop);
	free(loop);
}

const char *zs_loop_engine_name(const struct zs_loop *loop)
{
	return loop->engine->name;
}

uint64_t zs_loop_now(const struct zs_loop *loop)
{
	return loop->now_ns;
}

void zs_loop_stop(struct zs_loop *loop)
{
	loop->stop = true;
}

static void link_watch(struct zs_watch **list, struct zs_watch *w)
{
	w->prev = NULL;
	w->next = *list;
	if (w->next)
		w->next->prev = w;
	*list = w;
}

static void unlink_watch(struct zs_watch **list, struct zs_watch *w)
{
	if (w->next)
		w->next->prev = w->prev;
	if (w->prev)
		w->prev->next = w->next;
	else
		*list = w->next;
}

int zs_watch_new(struct zs_watch **out, struct zs_loop *loop, int fd, unsigned events, zs_watch_fn *fn,
		 void *ctx)
{
	if (fd < 0)
		return -EBADF;
	if (loop->watch_count >= ZS_LOOP_WATCHES_MAX)
		return -ENOSPC;
	struct zs_watch *w = calloc(1, sizeof(*w));
	if (!w)
		return -ENOMEM;
	*w = (struct zs_watch){ .loop = loop, .fd = fd, .events = events, .fn = fn, .ctx = ctx };
	int ret = loop->engine->add(loop, w);
	if (ret) {
		free(w);
		return ret;
	}
	link_watch(&loop->watches, w);
	loop->watch_count++;
	*out = w;
	return 0;
}

int zs_watch_set(struct zs_watch *w, unsigned events)
{
	unsigned old = w->events;
	if (events == old)
		return 0;
	w->events = events;
	int ret = w->loop->engine->set(w->loop, w);
	if (ret)
		w->events = old;
	return ret;
}

static void reap(struct zs_loop *loop)
{
	for (struct zs_watch *w = loop->graves, *next; w; w = next) {
		next = w->next;
		if (w->inflight)
			continue;
		unlink_watch(&loop->graves, w);
		free(w);
	}
}

void zs_watch_delete(struct zs_watch *w)
{
	if (!w)
		return;
	struct zs_loop *loop = w->loop;
	w->dead = true;
	loop->engine->remove(loop, w);
	unlink_watch(&loop->watches, w);
	loop->watch_count--;
	link_watch(&loop->graves, w);
	if (!loop->in_turn)
		reap(loop);
}

uint32_t zs_loop_poll_bits(unsigned events)
{
	return (events & ZS_WATCH_READ ? POLLIN : 0u) | (events & ZS_WATCH_WRITE ? POLLOUT : 0u) |
	       (events & ZS_WATCH_HUP ? POLLRDHUP : 0u);
}

/* An error or a hang-up is told as HUP and as everything the watch asked for, so that a callback
 * which only reads or only writes meets the errno in its next call. */
void zs_loop_ready(struct zs_loop *loop, struct zs_watch *w, uint32_t poll_bits)
{
	unsigned events = (poll_bits & POLLIN ? ZS_WATCH_READ : 0u) |
			  (poll_bits & POLLOUT ? ZS_WATCH_WRITE : 0u);
	if (poll_bits & (POLLHUP | POLLERR | POLLNVAL | POLLRDHUP))
		events |= ZS_WATCH_HUP;
	if (poll_bits & (POLLHUP | POLLERR | POLLNVAL))
		events |= w->events;
	ZS_CHECK(loop->ready_count < ZS_LOOP_READY, "an engine reports too much");
	loop->ready[loop->ready_count].watch = w;
	loop->ready[loop->ready_count++].events = events;
}

static void dispatch(struct zs_loop *loop)
{
	for (uint32_t i = 0; i < loop->ready_count; i++) {
		struct zs_watch *w = loop->ready[i].watch;
		unsigned events = loop->ready[i].events & (w->events | ZS_WATCH_HUP);
		/* An earlier callback of this turn may have deleted it or asked for other events. */
		if (!w->dead && w->events && events)
			w->fn(w->ctx, w->fd, events);
	}
	loop->ready_count = 0;
}

int zs_loop_turn(struct zs_loop *loop, uint64_t max_wait_ns)
{
	ZS_CHECK(!loop->in_turn, "a callback must not turn its own loop");
	loop->in_turn = true;
	uint64_t timer = zs_timers_wait_ns(loop, zs_clock_ns());
	int ret = loop->engine->wait(loop, timer < max_wait_ns ? timer : max_wait_ns);
	loop->now_ns = zs_clock_ns();
	if (!ret) {
		zs_timers_fire(loop);
		dispatch(loop);
	}
	loop->in_turn = false;
	reap(loop);
	return ret;
}

int zs_loop_run(struct zs_loop *loop)
{
	int ret = 0;
	while (!loop->stop && !ret)
		ret = zs_loop_turn(loop, ZS_LOOP_FOREVER);
	loop->stop = false;
	return ret;
}

static void read_signals(void *ctx, int fd, unsigned events)
{
	struct zs_signal *s = ctx;
	struct signalfd_siginfo info;
	/* One a turn: the callback may end the loop, and the descriptor is level-triggered. */
	if (read(fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
		s->fn(s->ctx, &(struct zs_signal_info){ .signo = (int)info.ssi_signo,
							.uid = info.ssi_uid,
							.pid = (pid_t)info.ssi_pid });
}

int zs_loop_signals(struct zs_loop *loop, const int *signos, size_t count, zs_signal_fn *fn, void *ctx)
{
	sigset_t set;
	sigemptyset(&set);
	for (size_t i = 0; i < count; i++) {
		if (sigaddset(&set, signos[i]) < 0)
			return -EINVAL;
	}
	struct zs_signal *s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	s->fn = fn;
	s->ctx = ctx;
	int ret = -pthread_sigmask(SIG_BLOCK, &set, NULL);
	if (ret)
		goto undo_alloc;
	s->fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	ret = s->fd < 0 ? -errno : 0;
	if (ret)
		goto undo_alloc;
	ret = zs_watch_new(&s->watch, loop, s->fd, ZS_WATCH_READ, read_signals, s);
	if (ret)
		goto undo_fd;
	s->next = loop->signals;
	loop->signals = s;
	return 0;
undo_fd:
	close(s->fd);
undo_alloc:
	free(s);
	return ret;
}

void zs_loop_own(struct zs_loop *loop, struct zs_loop_owned *owned)
{
	owned->prev = NULL;
	owned->next = loop->owned;
	if (owned->next)
		owned->next->prev = owned;
	loop->owned = owned;
}

void zs_loop_disown(struct zs_loop *loop, struct zs_loop_owned *owned)
{
	if (owned->next)
		owned->next->prev = owned->prev;
	if (owned->prev)
		owned->prev->next = owned->next;
	else
		loop->owned = owned->next;
}
