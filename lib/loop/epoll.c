/* The engine for kernels, containers and sandboxes that refuse io_uring. */
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>
#include "base/check.h"
#include "base/clock.h"
#include "loop/engine.h"

struct epoll_state {
	int fd;
	bool coarse; /* no epoll_pwait2 here: milliseconds only */
	struct epoll_event event[ZS_LOOP_READY];
};

static int open_epoll(struct zs_loop *loop)
{
	struct epoll_state *s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	s->fd = epoll_create1(EPOLL_CLOEXEC);
	if (s->fd < 0) {
		int ret = -errno;
		free(s);
		return ret;
	}
	loop->engine_state = s;
	return 0;
}

static void close_epoll(struct zs_loop *loop)
{
	struct epoll_state *s = loop->engine_state;
	close(s->fd);
	free(s);
}

/* A watch that asks for nothing leaves the set: epoll reports hang-ups regardless. */
static int set_watch(struct zs_loop *loop, struct zs_watch *w)
{
	struct epoll_state *s = loop->engine_state;
	struct epoll_event ev = { .events = zs_loop_poll_bits(w->events), .data.ptr = w };
	int op = !w->armed ? EPOLL_CTL_ADD : w->events ? EPOLL_CTL_MOD : EPOLL_CTL_DEL;
	if (w->armed == w->events)
		return 0;
	if (epoll_ctl(s->fd, op, w->fd, &ev) < 0)
		return -errno;
	w->armed = w->events;
	return 0;
}

static void remove_watch(struct zs_loop *loop, struct zs_watch *w)
{
	struct epoll_state *s = loop->engine_state;
	if (w->armed)
		epoll_ctl(s->fd, EPOLL_CTL_DEL, w->fd, NULL);
	w->armed = 0;
}

static int wait_coarse(struct epoll_state *s, uint64_t wait_ns)
{
	uint64_t ms = (wait_ns / ZS_NS_PER_MS) + (wait_ns % ZS_NS_PER_MS != 0);
	int timeout = wait_ns == ZS_LOOP_FOREVER ? -1 : ms > 60000 ? 60000 : (int)ms;
	int n = epoll_wait(s->fd, s->event, ZS_LOOP_READY, timeout);
	return n < 0 ? -errno : n;
}

static int wait_fine(struct epoll_state *s, uint64_t wait_ns)
{
	struct timespec ts = { (time_t)(wait_ns / ZS_NS_PER_S), (long)(wait_ns % ZS_NS_PER_S) };
	int n = epoll_pwait2(s->fd, s->event, ZS_LOOP_READY, wait_ns == ZS_LOOP_FOREVER ? NULL : &ts, NULL);
	return n < 0 ? -errno : n;
}

static int wait_epoll(struct zs_loop *loop, uint64_t wait_ns)
{
	struct epoll_state *s = loop->engine_state;
	int n = s->coarse ? wait_coarse(s, wait_ns) : wait_fine(s, wait_ns);
	if (n == -ENOSYS || n == -EPERM) { /* old kernel, or a filter older than the call */
		s->coarse = true;
		n = wait_coarse(s, wait_ns);
	}
	for (int i = 0; i < n; i++)
		zs_loop_ready(loop, s->event[i].data.ptr, s->event[i].events);
	return n < 0 && n != -EINTR ? n : 0;
}

const struct zs_engine zs_engine_epoll = {
	.name = "epoll",
	.open = open_epoll,
	.close = close_epoll,
	.add = set_watch,
	.set = set_watch,
	.remove = remove_watch,
	.wait = wait_epoll,
};
