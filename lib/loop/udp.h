/* UDP sockets in batches on a loop: recvmmsg and sendmmsg, GSO and GRO where the kernel has them.
 * A datagram comes with the local address it was sent to, and a reply that names that
 * address leaves from it: on a host with several addresses, from the one that was asked. */
#ifndef ZS_LOOP_UDP_H
#define ZS_LOOP_UDP_H

#include "loop/loop.h"
#include "net/datagram.h"

#define ZS_UDP_BATCH	32    /* datagrams a system call: beyond it the gain is lost in noise */
#define ZS_UDP_DATAGRAM 65535 /* the largest read, a GRO train included */

enum zs_udp_flags {
	ZS_UDP_REUSEPORT = 1,  /* several processes on one port */
	ZS_UDP_NO_OFFLOAD = 2, /* neither GRO nor GSO: for tests, and for kernels that get it wrong */
	ZS_UDP_ONE_FAMILY = 4, /* an all-zero address is IPv6's alone: 0.0.0.0 has a socket of its own */
	ZS_UDP_PROBE =
	    8 /* never fragmented, and whatever the kernel believes of the path: for who finds its MTU */
};

struct zs_udp_stats {
	uint64_t rx, rx_bytes, tx, tx_bytes;
	uint64_t rx_truncated; /* larger than asked for, dropped */
	uint64_t tx_blocked;   /* the socket's buffer was full, dropped */
	uint64_t tx_failed;    /* refused by the kernel (no route, too large …), dropped */
	uint64_t rx_calls, tx_calls;
};

struct zs_udp;
/* One call per batch, 1 ≤ count ≤ ZS_UDP_BATCH × 64 (a GRO train is cut apart). May close its socket. */
typedef void zs_udp_fn(void *ctx, struct zs_udp *udp, const struct zs_udp_datagram *in, size_t count);

/* Binds `local`; its address all zero: both families on one socket; port 0: any. The loop closes what is
 * left open. -EADDRINUSE, -EADDRNOTAVAIL, -EACCES … with a line in err. */
int zs_udp_open(struct zs_udp **out, struct zs_loop *loop, const struct zs_endpoint *local, unsigned flags,
		zs_udp_fn *fn, void *ctx, struct zs_error *err);
/* The same with a bound socket that another process opened: a service manager's. `fd` is taken over, also on failure.
 * -EINVAL: no UDP socket of IPv4 or IPv6. */
int zs_udp_adopt(struct zs_udp **out, struct zs_loop *loop, int fd, unsigned flags, zs_udp_fn *fn, void *ctx,
		 struct zs_error *err);
void zs_udp_close(struct zs_udp *udp);
int zs_udp_fd(const struct zs_udp *udp); /* to hand out a copy; stays the loop's */
/* The bound endpoint, its port filled in. */
struct zs_endpoint zs_udp_local(const struct zs_udp *udp);
/* Sends now, in order; runs of equal length to one peer leave as one GSO train. Returns how many the
 * kernel took; the rest is dropped and counted, as a network would. Never blocks. */
size_t zs_udp_send(struct zs_udp *udp, const struct zs_udp_datagram *out, size_t count);
const struct zs_udp_stats *zs_udp_stats(const struct zs_udp *udp);
/* Whether the kernel granted them. */
bool zs_udp_has_gro(const struct zs_udp *udp);
bool zs_udp_has_gso(const struct zs_udp *udp);

#endif
