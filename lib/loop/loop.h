/* The one socket shell: an event loop for timers, readable and writable descriptors, signals and
 * UDP sockets in batches. io_uring where the kernel has it, epoll and recvmmsg otherwise; callers cannot
 * tell. One thread; callbacks run from zs_loop_run. zs-controlplane and zs-edge share it. */
#ifndef ZS_LOOP_LOOP_H
#define ZS_LOOP_LOOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include "base/error.h"

struct zs_loop;
struct zs_watch;
struct zs_timer;

enum zs_loop_engine { ZS_LOOP_AUTO, ZS_LOOP_URING, ZS_LOOP_EPOLL };
enum zs_watch_events { ZS_WATCH_READ = 1, ZS_WATCH_WRITE = 2, ZS_WATCH_HUP = 4 };

int zs_loop_new(struct zs_loop **out, enum zs_loop_engine engine, struct zs_error *err);
void zs_loop_delete(
    struct zs_loop
	*loop); /* every watch, timer and UDP socket is gone with it; descriptors are the caller's */
const char *zs_loop_engine_name(const struct zs_loop *loop);
/* Monotonic ns, read once per turn. */
uint64_t zs_loop_now(const struct zs_loop *loop);
/* Runs until zs_loop_stop; 0 or -errno of the engine. */
int zs_loop_run(struct zs_loop *loop);
/* One turn: waits at most max_wait_ns for something. For tests. */
int zs_loop_turn(struct zs_loop *loop, uint64_t max_wait_ns);
void zs_loop_stop(struct zs_loop *loop);

/* Level-triggered. The callback may delete its own watch. */
typedef void zs_watch_fn(void *ctx, int fd, unsigned events);
int zs_watch_new(struct zs_watch **out, struct zs_loop *loop, int fd, unsigned events, zs_watch_fn *fn,
		 void *ctx);
int zs_watch_set(struct zs_watch *w, unsigned events);
void zs_watch_delete(struct zs_watch *w);

/* One-shot; set again from the callback for a period. */
typedef void zs_timer_fn(void *ctx);
int zs_timer_new(struct zs_timer **out, struct zs_loop *loop, zs_timer_fn *fn, void *ctx);
void zs_timer_set(struct zs_timer *t, uint64_t at_ns); /* monotonic; 0 disarms, UINT64_MAX too */
void zs_timer_after(struct zs_timer *t, uint64_t in_ns);
void zs_timer_delete(struct zs_timer *t);

/* Signals as callbacks (signalfd), with their sender by the kernel's word; blocks them in the thread. */
struct zs_signal_info {
	int signo;
	uid_t uid;
	pid_t pid;
};
typedef void zs_signal_fn(void *ctx, const struct zs_signal_info *info);
int zs_loop_signals(struct zs_loop *loop, const int *signos, size_t count, zs_signal_fn *fn, void *ctx);

/* UDP in batches: lib/loop/udp.h. */
#endif
