/* A wire for one measurement: generator namespace - relay namespace - sink namespace, joined by
 * single-queue veth pairs, made new for each contender and removed after it.
 *
 *     G: g0 ══ r0 :R: r1 ══ s0 :S      g0 10.78.1.2, r0 10.78.1.1, r1 10.78.2.1, s0 10.78.2.2
 *
 * Children die with this process, and a watcher in a session of its own removes the rest when it ends without
 * having done so: after Ctrl-C, TERM or KILL nothing is left. */
#ifndef ZS_BENCH_WIRE_H
#define ZS_BENCH_WIRE_H

#include <sys/types.h>
#include "bench.h"

struct zs_wire {
	char tag[16]; /* prefix of the three namespaces */
	uint8_t r0_mac[6];
	pid_t child[4]; /* contenders running in R; killed by close */
	uint32_t children;
	pid_t watcher; /* 0: none */
	int watch_fd;
};

/* A link address of nobody: frames for it s0 counts, and its host drops them as early as can be. */
#define ZS_WIRE_NOBODY                                                                                       \
	{                                                                                                    \
		2, 0, 0, 0, 0, 0x99                                                                          \
	}

/* `bare`: without a relay, one pair from g0 to s0. */
int zs_wire_open(struct zs_wire *w, bool bare, struct zs_error *err);
/* Ends the children and removes all but the logs in /tmp; those too when `logs`. */
void zs_wire_close(struct zs_wire *w, bool logs);
/* What the tag's namespaces hold, and everything under the tag's name. */
void zs_wire_remove(const struct zs_wire *w, bool logs);
/* watcher.c. */
int zs_wire_watch(struct zs_wire *w);
void zs_wire_unwatch(struct zs_wire *w);
/* fork(2); the child is killed with its parent. */
pid_t zs_wire_fork(const struct zs_wire *w);
/* Starts argv in R's network namespace, output to log_path. */
int zs_wire_spawn(struct zs_wire *w, const char *log_path, char *const argv[], struct zs_error *err);
/* This process's network becomes G's, R's or S's: 'g', 'r', 's'. */
int zs_wire_enter(const struct zs_wire *w, char which);
/* Frames that arrived at s0 so far. */
uint64_t zs_wire_received(const struct zs_wire *w);
/* Sends frames as fast as it goes from g0 on CPU 0 for `seconds` after a warm-up of half a second, and
 * returns frames a second that arrived at s0. */
int zs_wire_blast(struct zs_wire *w, const struct zs_bench_options *opt, double *sent_pps, double *got_pps,
		  struct zs_error *err);
/* Runs a shell command, its output dropped. Returns its status. */
__attribute__((format(printf, 1, 2))) int zs_sh(const char *fmt, ...);

#endif
