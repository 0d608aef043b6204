/* Connected UDP sockets by the thousand, each toward one peer, on a loop: they share the buffers of their pool, so a
 * socket costs its descriptor. GSO and GRO where the kernel has them. One thread, the loop's. */
#ifndef ZS_LOOP_CONNECTED_H
#define ZS_LOOP_CONNECTED_H

#include "loop/loop.h"
#include "net/addr.h"

struct zs_connected_pool;
struct zs_connected;

/* Any of them may close the socket that it is about, or others. */
struct zs_connected_ops {
	/* A datagram came. Bytes are good during the call. */
	void (*data)(void *ctx, void *user, uint8_t ecn, const uint8_t *data, size_t len);
	/* All that came at once was told. */
	void (*burst)(void *ctx);
	/* Its host says that nobody is there (ECONNREFUSED), or there is no way to it. Never from within a call to here. */
	void (*failed)(void *ctx, void *user, int error);
};

struct zs_connected_stats {
	uint64_t rx, tx;
	uint64_t
	    tx_lost; /* the kernel took them not: its buffer was full, they were too long, nobody is there */
};

/* `ops` outlives it. -ENOMEM. */
int zs_connected_pool_new(struct zs_connected_pool **out, struct zs_loop *loop,
			  const struct zs_connected_ops *ops, void *ctx);
/* Closes what is open. Before its loop is deleted. */
void zs_connected_pool_delete(struct zs_connected_pool *p);
const struct zs_connected_stats *zs_connected_stats(const struct zs_connected_pool *p);

/* A socket to `to` from an address and port of the kernel's choice. -EMFILE, -ENETUNREACH … */
int zs_connected_open(struct zs_connected **out, struct zs_connected_pool *p, const struct zs_endpoint *to,
		      void *user);
/* What comes from now on is another's. */
void zs_connected_give(struct zs_connected *c, void *user);
/* What is gathered for it goes out first. */
void zs_connected_close(struct zs_connected *c);
/* Copies; leaves with the next flush at the latest. Runs of equal length to one peer leave together. At most
 * ZS_CONNECTED_DATAGRAM bytes, more are lost. */
#define ZS_CONNECTED_DATAGRAM 65000
void zs_connected_send(struct zs_connected *c, uint8_t ecn, const void *data, size_t len);
void zs_connected_flush(struct zs_connected_pool *p);

#endif
