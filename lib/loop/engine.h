/* Inside lib/loop: the loop's state and what an engine is. Nobody else includes this.
 *
 * An engine waits for readiness and reports it by zs_loop_ready; everything a caller sees
 * (masks, timers, deletion from callbacks) is loop.c's, the same for all engines. A deleted watch
 * stays on the graveyard until the turn is over and the engine holds no reference to it. */
#ifndef ZS_LOOP_ENGINE_H
#define ZS_LOOP_ENGINE_H

#include "base/deadline.h"
#include "loop/loop.h"

#define ZS_LOOP_READY	    128	    /* reports a turn: enough to be fair, small enough for one cache way */
#define ZS_LOOP_WATCHES_MAX 65536   /* above any descriptor limit the units set */
#define ZS_LOOP_TIMERS_MAX  1048576 /* a few for each of 100,000 peers */
#define ZS_LOOP_FOREVER	    UINT64_MAX

struct zs_watch {
	struct zs_loop *loop;
	struct zs_watch *prev, *next; /* loop->watches, or the graveyard */
	struct zs_watch *arm_next;    /* uring: waits to be armed */
	int fd;
	unsigned events;
	unsigned armed;	       /* what the engine was told; 0: nothing */
	bool dead;	       /* deleted by its owner */
	bool inflight, arming; /* uring: the kernel holds a poll; queued to be armed */
	bool cancelling;       /* uring: that poll is being taken back */
	zs_watch_fn *fn;
	void *ctx;
};

struct zs_timer {
	struct zs_loop *loop;
	struct zs_deadline due;
	uint32_t member; /* in loop->timer */
	zs_timer_fn *fn;
	void *ctx;
};

struct zs_signal {
	struct zs_signal *next;
	struct zs_watch *watch;
	int fd;
	zs_signal_fn *fn;
	void *ctx;
};

/* What dies with the loop (UDP sockets). */
struct zs_loop_owned {
	struct zs_loop_owned *prev, *next;
	void (*drop)(struct zs_loop_owned *owned);
};

struct zs_engine {
	const char *name;
	int (*open)(struct zs_loop *loop);
	void (*close)(struct zs_loop *loop);
	int (*add)(struct zs_loop *loop, struct zs_watch *w);
	int (*set)(struct zs_loop *loop, struct zs_watch *w);
	void (*remove)(struct zs_loop *loop, struct zs_watch *w);
	int (*wait)(struct zs_loop *loop, uint64_t wait_ns);
};

extern const struct zs_engine zs_engine_uring, zs_engine_epoll;

struct zs_loop {
	const struct zs_engine *engine;
	void *engine_state;
	uint64_t now_ns;
	bool stop, in_turn;
	struct zs_watch *watches, *graves;
	uint32_t watch_count;
	struct {
		struct zs_watch *watch;
		unsigned events;
	} ready[ZS_LOOP_READY];
	uint32_t ready_count;
	struct zs_deadlines due; /* of set timers */
	struct zs_timer **timer; /* all timers: their loop frees them */
	uint32_t timer_count, timer_room;
	struct zs_signal *signals;
	struct zs_loop_owned *owned;
};

/* From an engine's wait: poll(2) bits of a watch. At most ZS_LOOP_READY calls a turn. */
void zs_loop_ready(struct zs_loop *loop, struct zs_watch *w, uint32_t poll_bits);
/* The poll(2) bits to ask for. */
uint32_t zs_loop_poll_bits(unsigned events);
void zs_loop_own(struct zs_loop *loop, struct zs_loop_owned *owned);
void zs_loop_disown(struct zs_loop *loop, struct zs_loop_owned *owned);
/* timer.c */
void zs_timers_fire(struct zs_loop *loop);
uint64_t zs_timers_wait_ns(const struct zs_loop *loop, uint64_t now_ns);
void zs_timers_delete(struct zs_loop *loop);

#endif
