/* io_uring: one one-shot poll per watch, armed again after its report, which makes it level-
 * triggered. Arming is queued and goes in with the wait, so a turn is one system call.
 *
 * The kernel holds a poll (and a reference to the file) from arming to its completion, so a
 * watch outlives its deletion until that completion came. Completions of removals carry 0. */
#include <errno.h>
#include <liburing.h>
#include <poll.h>
#include <stdlib.h>
#include "base/check.h"
#include "base/clock.h"
#include "loop/engine.h"

#define ENTRIES	    256
#define COMPLETIONS 4096
#define DRAIN_TRIES 20
#define DRAIN_NS    (50 * ZS_NS_PER_MS)

struct uring_state {
	struct io_uring ring;
	struct zs_watch *to_arm;
	uint32_t inflight;
};

/* What the ring may ever be told: the engine's own operations. A system call filter does not see what goes
 * through a ring, so this is its counterpart. */
static int restrict_ring(struct io_uring *ring)
{
	static const uint8_t operations[] = { IORING_OP_POLL_ADD, IORING_OP_POLL_REMOVE };
	struct io_uring_restriction r[ZS_ARRAY_LEN(operations)] = { 0 };
	int rc;

	for (size_t i = 0; i < ZS_ARRAY_LEN(operations); i++) {
		r[i].opcode = IORING_RESTRICTION_SQE_OP;
		r[i].sqe_op = operations[i];
	}
	/* liburing 2.3 declares functions for these two and forgot to export them. */
	rc = io_uring_register((unsigned int)ring->ring_fd, IORING_REGISTER_RESTRICTIONS, r, ZS_ARRAY_LEN(r));
	return rc ? rc
		  : io_uring_register((unsigned int)ring->ring_fd, IORING_REGISTER_ENABLE_RINGS, NULL, 0);
}

static int open_uring(struct zs_loop *loop)
{
	struct uring_state *s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	struct io_uring_params p = { .flags = IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP |
					      IORING_SETUP_R_DISABLED,
				     .cq_entries = COMPLETIONS };
	int ret = io_uring_queue_init_params(ENTRIES, &s->ring, &p);
	if (ret)
		goto undo_state;
	/* NODROP: overflow must not lose a completion. EXT_ARG: time-outs without requests of their own. */
	ret = -EOPNOTSUPP;
	if (!(p.features & IORING_FEAT_NODROP) || !(p.features & IORING_FEAT_EXT_ARG))
		goto undo_ring;
	ret = restrict_ring(&s->ring);
	if (ret)
		goto undo_ring;
	io_uring_ring_dontfork(&s->ring);
	loop->engine_state = s;
	return 0;
undo_ring:
	io_uring_queue_exit(&s->ring);
undo_state:
	free(s);
	return ret;
}

static struct io_uring_sqe *get_sqe(struct uring_state *s)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&s->ring);
	if (!sqe && io_uring_submit(&s->ring) >= 0)
		sqe = io_uring_get_sqe(&s->ring);
	return sqe;
}

static void queue_arm(struct uring_state *s, struct zs_watch *w)
{
	if (w->arming || w->inflight || w->dead || !w->events)
		return;
	w->arming = true;
	w->arm_next = s->to_arm;
	s->to_arm = w;
}

static int arm(struct uring_state *s, struct zs_watch *w)
{
	struct io_uring_sqe *sqe = get_sqe(s);
	if (!sqe)
		return -EBUSY;
	io_uring_prep_poll_add(sqe, w->fd, zs_loop_poll_bits(w->events));
	io_uring_sqe_set_data(sqe, w);
	w->armed = w->events;
	w->inflight = true;
	s->inflight++;
	return 0;
}

static int arm_queued(struct uring_state *s)
{
	while (s->to_arm) {
		struct zs_watch *w = s->to_arm;
		int ret = w->dead || w->inflight || !w->events ? 0 : arm(s, w);
		if (ret)
			return ret;
		s->to_arm = w->arm_next;
		w->arming = false;
	}
	return 0;
}

static void take_back(struct uring_state *s, struct zs_watch *w)
{
	if (!w->inflight || w->cancelling)
		return;
	struct io_uring_sqe *sqe = get_sqe(s);
	if (!sqe)
		return;
	io_uring_prep_poll_remove(sqe, (uint64_t)(uintptr_t)w);
	io_uring_sqe_set_data(sqe, NULL);
	w->cancelling = true;
	/* Now, not with the wait: the caller may close the descriptor next and expects it to be closed. */
	io_uring_submit(&s->ring);
}

static int set_watch(struct zs_loop *loop, struct zs_watch *w)
{
	struct uring_state *s = loop->engine_state;
	if (w->inflight && w->armed != w->events)
		take_back(s, w);
	queue_arm(s, w);
	return 0;
}

static void unqueue(struct uring_state *s, struct zs_watch *w)
{
	struct zs_watch **at = &s->to_arm;
	while (*at && *at != w)
		at = &(*at)->arm_next;
	if (*at)
		*at = w->arm_next;
	w->arming = false;
}

static void remove_watch(struct zs_loop *loop, struct zs_watch *w)
{
	struct uring_state *s = loop->engine_state;
	if (w->arming)
		unqueue(s, w);
	take_back(s, w);
}

static void complete(struct zs_loop *loop, struct uring_state *s, const struct io_uring_cqe *cqe)
{
	struct zs_watch *w = io_uring_cqe_get_data(cqe);
	if (!w || cqe->user_data == LIBURING_UDATA_TIMEOUT)
		return;
	w->inflight = w->cancelling = false;
	w->armed = 0;
	s->inflight--;
	if (cqe->res > 0)
		zs_loop_ready(loop, w, (uint32_t)cqe->res);
	else if (cqe->res < 0 && cqe->res != -ECANCELED)
		zs_loop_ready(loop, w, POLLERR);
	queue_arm(s, w);
}

static int wait_uring(struct zs_loop *loop, uint64_t wait_ns)
{
	struct uring_state *s = loop->engine_state;
	struct __kernel_timespec ts = { (long long)(wait_ns / ZS_NS_PER_S),
					(long long)(wait_ns % ZS_NS_PER_S) };
	struct io_uring_cqe *cqe;
	int ret = arm_queued(s);
	if (!ret)
		ret = io_uring_submit_and_wait_timeout(&s->ring, &cqe, 1,
						       wait_ns == ZS_LOOP_FOREVER ? NULL : &ts, NULL);
	if (ret < 0 && ret != -ETIME && ret != -EINTR && ret != -EBUSY && ret != -EAGAIN)
		return ret;
	while (loop->ready_count < ZS_LOOP_READY && io_uring_peek_cqe(&s->ring, &cqe) == 0) {
		complete(loop, s, cqe);
		io_uring_cqe_seen(&s->ring, cqe);
	}
	return 0;
}

/* Takes every poll back and waits for it: the kernel would else keep files open a while
 * after the ring is gone, and their ports taken. */
static void close_uring(struct zs_loop *loop)
{
	struct uring_state *s = loop->engine_state;
	s->to_arm = NULL;
	for (struct zs_watch *w = loop->watches; w; w = w->next) {
		w->dead = true;
		take_back(s, w);
	}
	for (int i = 0; i < DRAIN_TRIES && s->inflight; i++) {
		loop->ready_count = 0;
		wait_uring(loop, DRAIN_NS);
	}
	io_uring_queue_exit(&s->ring);
	free(s);
}

const struct zs_engine zs_engine_uring = {
	.name = "io_uring",
	.open = open_uring,
	.close = close_uring,
	.add = set_watch,
	.set = set_watch,
	.remove = remove_watch,
	.wait = wait_uring,
};
