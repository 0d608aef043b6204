/* A libp2p host in a program: p2p/host.h on the sockets and the timer of a loop (loop/shell.h), with the machine's clock,
 * random bytes and names. zs-controlplane, zs-edge, zs-bench and the peers of tests share it. One thread, the loop's. */
#ifndef ZS_NODE_NODE_H
#define ZS_NODE_NODE_H

#include "loop/resolve.h"
#include "loop/shell.h"
#include "p2p/host.h"
#include "p2p/multiaddr.h"

/* The owner's own business in a turn, as in loop/shell.h; each may be NULL. */
struct zs_node_ops {
	void (*advance)(void *ctx, uint64_t now); /* after the host's */
	void (*work)(void *ctx, uint64_t now);
	uint64_t (*deadline)(void *ctx); /* beside the host's */
};

/* Stays where it is while it is open. */
struct zs_node {
	struct zs_host *host;
	struct zs_shell *shell; /* open sockets and ask for turns there */
	const struct zs_node_ops *ops;
	void *ctx;
};

/* `node_ops` may be NULL, else it outlives the node; `ctx` is that of both; host_ops->wall NULL: the machine's clock.
 * Those of zs_host_new(); zs_node_close() is right after a failure too. */
int zs_node_open(struct zs_node *n, struct zs_loop *loop, const struct zs_host_config *config,
		 const struct zs_identity *identity, const struct zs_host_ops *host_ops,
		 const struct zs_node_ops *node_ops, void *ctx);
/* Says goodbye to every peer, then closes the sockets. Nothing when it is all zero. */
void zs_node_close(struct zs_node *n);

/* Bytes that nobody can foretell; never fails. */
struct zs_random zs_node_random(void);
void zs_node_fill(void *out, size_t len);

/* The addresses of a target's name, as zs_resolve_start(). -EPROTONOSUPPORT: it is an address already, or
 * /dnsaddr (node/dnsaddr.h). */
int zs_node_resolve(struct zs_resolve **out, struct zs_resolver *r, const struct zs_dial_target *target,
		    zs_resolve_fn *fn, void *ctx);

#endif
