/* The event loop: every test runs on both engines. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/io_uring.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "base/clock.h"
#include "loop/loop.h"
#include "unit/child.h"

#define MS ZS_NS_PER_MS

static enum zs_loop_engine engine_of(void **state)
{
	return *(const enum zs_loop_engine *)*state;
}

static struct zs_loop *loop_new(void **state)
{
	struct zs_error err = { 0 };
	struct zs_loop *loop;
	int ret = zs_loop_new(&loop, engine_of(state), &err);
	if (ret && engine_of(state) == ZS_LOOP_URING) {
		print_message("io_uring refused here: %s\n", err.text);
		skip();
	}
	assert_int_equal(ret, 0);
	assert_string_equal(zs_loop_engine_name(loop),
			    engine_of(state) == ZS_LOOP_URING ? "io_uring" : "epoll");
	return loop;
}

struct probe {
	struct zs_loop *loop;
	struct zs_watch *watch, *other;
	struct zs_timer *timer;
	int calls, reads;
	unsigned events;
	bool delete_self, delete_other, stop;
	int order[64], orders, id;
	struct probe *shared;
};

static void on_ready(void *ctx, int fd, unsigned events)
{
	struct probe *p = ctx;
	char buf[8];
	p->calls++;
	p->events |= events;
	if (p->reads && read(fd, buf, 1) == 1)
		p->reads--;
	if (p->delete_self) {
		zs_watch_delete(p->watch);
		p->watch = NULL;
	}
	if (p->delete_other) {
		zs_watch_delete(p->other);
		p->other = NULL;
		p->delete_other = false;
	}
	if (p->stop)
		zs_loop_stop(p->loop);
}

static void turns(struct zs_loop *loop, int n)
{
	for (int i = 0; i < n; i++)
		assert_int_equal(zs_loop_turn(loop, 2 * MS), 0);
}

static void watch_is_level_triggered(void **state)
{
	struct zs_loop *loop = loop_new(state);
	struct probe p = { .loop = loop };
	int fd[2];
	assert_int_equal(pipe(fd), 0);
	assert_int_equal(zs_watch_new(&p.watch, loop, fd[0], ZS_WATCH_READ, on_ready, &p), 0);
	turns(loop, 2);
	assert_int_equal(p.calls, 0);
	assert_int_equal(write(fd[1], "ab", 2), 2);
	turns(loop, 5);
	assert_int_equal(p.calls, 5); /* nobody read: told each turn */
	assert_int_equal(p.events, ZS_WATCH_READ);
	p.reads = 2;
	turns(loop, 5);
	assert_int_equal(p.calls, 7);
	zs_loop_delete(loop);
	assert_int_equal(close(fd[0]), 0); /* the loop left it open */
	close(fd[1]);
}

static void watch_changes_its_mind(void **state)
{
	struct zs_loop *loop = loop_new(state);
	struct probe p = { .loop = loop };
	int sv[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, sv), 0);
	assert_int_equal(zs_watch_new(&p.watch, loop, sv[0], ZS_WATCH_READ, on_ready, &p), 0);
	turns(loop, 2);
	assert_int_equal(p.calls, 0);
	assert_int_equal(zs_watch_set(p.watch, ZS_WATCH_READ | ZS_WATCH_WRITE), 0);
	turns(loop, 3);
	assert_true(p.calls >= 2);
	assert_int_equal(p.events, ZS_WATCH_WRITE);
	assert_int_equal(zs_watch_set(p.watch, 0), 0);
	turns(loop, 2);
	p.calls = 0;
	assert_int_equal(write(sv[1], "x", 1), 1);
	turns(loop, 3);
	assert_int_equal(p.calls, 0); /* asks for nothing, gets nothing */
	assert_int_equal(zs_watch_set(p.watch, ZS_WATCH_READ), 0);
	p.events = 0;
	turns(loop, 3);
	assert_true(p.calls >= 2);
	assert_int_equal(p.events, ZS_WATCH_READ);
	zs_loop_delete(loop);
	close(sv[0]);
	close(sv[1]);
}

static void hang_up_is_told(void **state)
{
	struct zs_loop *loop = loop_new(state);
	struct probe p = { .loop = loop };
	int sv[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, sv), 0);
	assert_int_equal(zs_watch_new(&p.watch, loop, sv[0], ZS_WATCH_READ, on_ready, &p), 0);
	p.delete_self = true;
	close(sv[1]);
	turns(loop, 3);
	assert_int_equal(p.calls, 1);
	assert_int_equal(p.events, ZS_WATCH_READ | ZS_WATCH_HUP); /* reading would tell the end */
	zs_loop_delete(loop);
	close(sv[0]);
}

static void half_close_is_told_when_asked(void **state)
{
	struct zs_loop *loop = loop_new(state);
	struct probe p = { .loop = loop };
	int sv[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, sv), 0);
	assert_int_equal(zs_watch_new(&p.watch, loop, sv[0], ZS_WATCH_HUP, on_ready, &p), 0);
	turns(loop, 2);
	assert_int_equal(p.calls, 0);
	assert_int_equal(shutdown(sv[1], SHUT_WR), 0);
	turns(loop, 2);
	assert_true(p.calls >= 1);
	assert_int_equal(p.events, ZS_WATCH_HUP);
	zs_loop_delete(loop);
	close(sv[0]);
	close(sv[1]);
}

/* Two ready watches, each deletes both: exactly one callback, no use after free. */
static void callback_deletes_watches(void **state)
{
	struct zs_loop *loop = loop_new(state);
	struct probe a = { .loop = loop, .delete_self = true, .delete_other = true }, b = a;
	int fa[2], fb[2];
	assert_int_equal(pipe(fa), 0);
	assert_int_equal(pipe(fb), 0);
	assert_int_equal(write(fa[1], "x", 1) + write(fb[1], "x", 1), 2);
	assert_int_equal(zs_watch_new(&a.watch, loop, fa[0], ZS_WATCH_READ, on_ready, &a), 0);
	assert_int_equal(zs_watch_new(&b.watch, loop, fb[0], ZS_WATCH_READ, on_ready, &b), 0);
	a.other = b.watch;
	b.other = a.watch;
	turns(loop, 4);
	assert_int_equal(a.calls + b.calls, 1);
	zs_loop_delete(loop);
	for (int i = 0; i < 2; i++) {
		close(fa[i]);
		close(fb[i]);
	}
}

/* A deleted watch holds its file no longer: its port can be bound again at once. */
static void deleted_watch_frees_the_file(void **state)
{
	struct zs_loop *loop = loop_new(state);
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(sa);
	for (int i = 0; i < 50; i++) {
		struct probe p = { .loop = loop };
		int fd = socket(AF_INET, SOCK_DGRAM, 0);
		assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
		assert_int_equal(getsockname(fd, (struct sockaddr *)&sa, &len), 0);
		assert_int_equal(zs_watch_new(&p.watch, loop, fd, ZS_WATCH_READ, on_ready, &p), 0);
		turns(loop, 1);
		zs_watch_delete(p.watch);
		close(fd);
	}
	zs_loop_delete(loop);
}

static void deleted_loop_frees_the_file(void **state)
{
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(sa);
	for (int i = 0; i < 20; i++) {
		struct zs_loop *loop = loop_new(state);
		struct probe p = { .loop = loop };
		int fd = socket(AF_INET, SOCK_DGRAM, 0);
		assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
		assert_int_equal(getsockname(fd, (struct sockaddr *)&sa, &len), 0);
		assert_int_equal(zs_watch_new(&p.watch, loop, fd, ZS_WATCH_READ, on_ready, &p), 0);
		turns(loop, 1);
		zs_loop_delete(loop);
		close(fd);
	}
}

/* More ready descriptors than one turn reports: all get their turn, in a few. */
static void many_watches(void **state)
{
	enum { N = 400 };
	struct zs_loop *loop = loop_new(state);
	struct probe *p = calloc(N, sizeof(*p));
	int fd[N][2];
	for (int i = 0; i < N; i++) {
		p[i] = (struct probe){ .loop = loop, .reads = 1 };
		assert_int_equal(pipe(fd[i]), 0);
		assert_int_equal(write(fd[i][1], "x", 1), 1);
		assert_int_equal(zs_watch_new(&p[i].watch, loop, fd[i][0], ZS_WATCH_READ, on_ready, &p[i]),
				 0);
	}
	turns(loop, 12);
	for (int i = 0; i < N; i++) {
		assert_int_equal(p[i].calls, 1);
		if (i % 2)
			zs_watch_delete(p[i].watch);
	}
	zs_loop_delete(loop);
	for (int i = 0; i < N; i++) {
		close(fd[i][0]);
		close(fd[i][1]);
	}
	free(p);
}

static void bad_descriptor_is_refused_or_told(void **state)
{
	struct zs_loop *loop = loop_new(state);
	struct probe p = { .loop = loop, .delete_self = true };
	assert_int_equal(zs_watch_new(&p.watch, loop, -1, ZS_WATCH_READ, on_ready, &p), -EBADF);
	int ret = zs_watch_new(&p.watch, loop, 999, ZS_WATCH_READ, on_ready, &p);
	if (ret == 0) {
		turns(loop, 2);
		assert_int_equal(p.calls, 1);
		assert_true(p.events & ZS_WATCH_HUP);
	} else {
		assert_int_equal(ret, -EBADF);
	}
	zs_loop_delete(loop);
}

static void on_timer(void *ctx)
{
	struct probe *p = ctx;
	p->calls++;
	if (p->shared && p->shared->orders < 64)
		p->shared->order[p->shared->orders++] = p->id;
	if (p->stop)
		zs_loop_stop(p->loop);
	if (p->reads && p->reads--)
		zs_timer_after(p->timer, 1);
	if (p->delete_self)
		zs_timer_delete(p->timer);
}

static void timer_fires_once_in_time(void **state)
{
	struct zs_loop *loop = loop_new(state);
	struct probe p = { .loop = loop, .stop = true };
	assert_int_equal(zs_timer_new(&p.timer, loop, on_timer, &p), 0);
	uint64_t start = zs_clock_ns();
	zs_timer_after(p.timer, 20 * MS);
	assert_int_equal(zs_loop_run(loop), 0);
	uint64_t took = zs_loop_now(loop) - start;
	assert_int_equal(p.calls, 1);
	assert_true(took >= 20 * MS && took < 2000 * MS);
	turns(loop, 3);
	assert_int_equal(p.calls, 1);
	zs_timer_after(p.timer, 1 * MS);
	zs_timer_set(p.timer, 0); /* disarmed */
	usleep(2000);
	turns(loop, 2);
	assert_int_equal(p.calls, 1);
	zs_loop_delete(loop);
}

static void timer_sets_itself_again(void **state)
{
	struct zs_loop *loop = loop_new(state);
	struct probe p = { .loop = loop, .reads = 5 };
	assert_int_equal(zs_timer_new(&p.timer, loop, on_timer, &p), 0);
	zs_timer_set(p.timer, 1); /* long past */
	turns(loop, 1);
	assert_int_equal(p.calls, 1); /* not five times in one turn */
	turns(loop, 9);
	assert_int_equal(p.calls, 6);
	zs_loop_delete(loop);
}

/* Random sets, moves and deletions against what a sorted list would do. */
static void timers_keep_their_order(void **state)
{
	enum { N = 60 };
	struct zs_loop *loop = loop_new(state);
	struct probe all = { 0 }, p[N];
	uint64_t at[N], base = zs_clock_ns() - 1000 * MS;
	srand(4711);
	for (int i = 0; i < N; i++) {
		p[i] = (struct probe){ .loop = loop, .id = i, .shared = &all, .delete_self = i % 3 == 0 };
		assert_int_equal(zs_timer_new(&p[i].timer, loop, on_timer, &p[i]), 0);
	}
	for (int i = 0; i < 10 * N; i++) {
		int k = i < N ? i : rand() % N;
		at[k] = base + (uint64_t)(rand() % 1000000);
		zs_timer_set(p[k].timer, at[k]);
	}
	for (int k = 1; k < N; k += 7) {
		zs_timer_delete(p[k].timer);
		at[k] = 0;
	}
	turns(loop, 1);
	int expected = 0;
	for (int k = 0; k < N; k++)
		expected += at[k] != 0;
	assert_int_equal(all.orders, expected);
	for (int i = 0; i < all.orders; i++) {
		assert_true(at[all.order[i]] != 0);
		assert_true(i == 0 || at[all.order[i - 1]] <= at[all.order[i]]);
	}
	zs_loop_delete(loop);
}

static void on_signal(void *ctx, const struct zs_signal_info *info)
{
	struct probe *p = ctx;
	p->calls++;
	assert_int_equal(info->uid, getuid());
	assert_int_equal(info->pid, getpid());
	p->order[p->orders++] = info->signo;
	zs_loop_stop(p->loop);
}

static void signals_are_callbacks(void **state)
{
	struct zs_loop *loop = loop_new(state);
	struct probe p = { .loop = loop };
	int signos[] = { SIGTERM, SIGHUP };
	assert_int_equal(zs_loop_signals(loop, signos, 2, on_signal, &p), 0);
	kill(getpid(), SIGTERM);
	assert_int_equal(zs_loop_run(loop), 0);
	kill(getpid(), SIGHUP);
	assert_int_equal(zs_loop_run(loop), 0);
	assert_int_equal(p.orders, 2);
	assert_int_equal(p.order[0], SIGTERM);
	assert_int_equal(p.order[1], SIGHUP);
	assert_int_equal(zs_loop_signals(loop, (int[]){ 4242 }, 1, on_signal, &p), -EINVAL);
	zs_loop_delete(loop);
}

static void turn_waits_no_longer_than_told(void **state)
{
	struct zs_loop *loop = loop_new(state);
	uint64_t start = zs_clock_ns(), took = 0;
	uint32_t turns = 0;
	/* Work that an earlier ring left to this thread may interrupt a wait (EINTR): a turn may
	 * end early, but it does not spin (that would be tens of thousands). */
	for (; took < 14 * MS; took = zs_clock_ns() - start, turns++)
		assert_int_equal(zs_loop_turn(loop, 15 * MS), 0);
	assert_true(turns <= 200 && took < 2000 * MS);
	zs_loop_stop(loop);
	assert_int_equal(zs_loop_run(loop), 0); /* stopped before it ran */
	zs_loop_delete(loop);
}

/* A kernel, container or unit that refuses io_uring: AUTO works all the same. */
static void auto_falls_back(void **state)
{
	pid_t pid = fork();
	if (pid == 0) {
		struct sock_filter code[] = {
			BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
			BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_io_uring_setup, 0, 1),
			BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
			BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		};
		struct sock_fprog prog = { sizeof(code) / sizeof(code[0]), code };
		struct zs_error err = { 0 };
		struct zs_loop *loop = NULL;
		if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
		    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog))
			_exit(CHILD_SKIPS);
		if (zs_loop_new(&loop, ZS_LOOP_URING, &err) != -EPERM || !strstr(err.text, "io_uring"))
			_exit(1);
		if (zs_loop_new(&loop, ZS_LOOP_AUTO, &err) || strcmp(zs_loop_engine_name(loop), "epoll") != 0)
			_exit(2);
		_exit(zs_loop_turn(loop, 1) ? 3 : 0);
	}
	child_judges(pid);
}

/* A system call filter does not see what goes through a ring: the ring itself takes nothing else than polls. */
static void ring_is_restricted(void **state)
{
	struct zs_error err = { 0 };
	struct zs_loop *loop = NULL;
	char path[32], target[64];
	int rings = 0;

	if (zs_loop_new(&loop, ZS_LOOP_URING, &err) == -EPERM)
		skip();
	assert_non_null(loop);
	for (int fd = 0; fd < 64; fd++) {
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		memset(target, 0, sizeof(target));
		if (readlink(path, target, sizeof(target) - 1) < 0 || !strstr(target, "io_uring"))
			continue;
		rings++;
		assert_int_equal(syscall(SYS_io_uring_register, fd, IORING_REGISTER_PERSONALITY, NULL, 0),
				 -1);
		assert_int_equal(errno, EACCES); /* what a restricted ring says, whoever asks */
	}
	assert_int_equal(rings, 1);
	zs_loop_delete(loop);
}

static enum zs_loop_engine uring = ZS_LOOP_URING, epoll = ZS_LOOP_EPOLL;
#define BOTH(f)                                                                                              \
	{ #f "/io_uring", f, NULL, NULL, &uring },                                                           \
	{                                                                                                    \
#f "/epoll", f, NULL, NULL, &epoll                                                           \
	}

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(watch_is_level_triggered),
		BOTH(watch_changes_its_mind),
		BOTH(hang_up_is_told),
		BOTH(half_close_is_told_when_asked),
		BOTH(callback_deletes_watches),
		BOTH(deleted_watch_frees_the_file),
		BOTH(deleted_loop_frees_the_file),
		BOTH(many_watches),
		BOTH(bad_descriptor_is_refused_or_told),
		BOTH(timer_fires_once_in_time),
		BOTH(timer_sets_itself_again),
		BOTH(timers_keep_their_order),
		BOTH(signals_are_callbacks),
		BOTH(turn_waits_no_longer_than_told),
		cmocka_unit_test(auto_falls_back),
		cmocka_unit_test(ring_is_restricted),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
