/* The one socket shell: an endpoint without I/O (lib/p2p's host) on UDP sockets and a timer of a loop. Datagrams go in as they
 * come, what is due goes out at the end of every turn, each from the socket whose address it names. Path MTU
 * discovery is the endpoint's: no socket fragments. lib/node runs hosts on it. One thread, the loop's. */
#ifndef ZS_LOOP_SHELL_H
#define ZS_LOOP_SHELL_H

#include "loop/udp.h"

#define ZS_SHELL_SOCKETS 16

struct zs_shell;

/* `now` is zs_loop_now(). All but `work` must be set. */
struct zs_shell_ops {
	void (*receive)(void *ctx, const struct zs_udp_datagram *in, size_t count, uint64_t now);
	void (*advance)(void *ctx, uint64_t now); /* `deadline` has passed, or somebody asked for a turn */
	/* The owner's own business, before each of a turn's two rounds of sending: the second tells what the first brought. */
	void (*work)(void *ctx, uint64_t now);
	size_t (*pull)(void *ctx, struct zs_udp_datagram *out, size_t max, void *buf, size_t capacity,
		       uint64_t now);
	uint64_t (*deadline)(void *ctx); /* monotonic ns, UINT64_MAX: none */
};

/* `ops` outlives the shell. -ENOMEM. */
int zs_shell_new(struct zs_shell **out, struct zs_loop *loop, const struct zs_shell_ops *ops, void *ctx);
/* Closes its sockets; nothing is sent. Not from within an op. */
void zs_shell_delete(struct zs_shell *s);
/* One socket more, as zs_udp_open and zs_udp_adopt; -ENOSPC: there are ZS_SHELL_SOCKETS. `udp` is the shell's. */
int zs_shell_open(struct zs_shell *s, const struct zs_endpoint *local, unsigned flags, struct zs_udp **udp,
		  struct zs_error *err);
int zs_shell_adopt(struct zs_shell *s, int fd, unsigned flags, struct zs_udp **udp, struct zs_error *err);
/* NULL: there is none of that index. */
struct zs_udp *zs_shell_socket(const struct zs_shell *s, unsigned index);

/* After calls that made something due: work, send, set the timer. Nothing from within an op, whose turn goes on. */
void zs_shell_turn(struct zs_shell *s);
/* The same from the loop, later: for callers who may not be called back now. */
void zs_shell_soon(struct zs_shell *s);

#endif
