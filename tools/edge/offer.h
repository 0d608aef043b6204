/* zs-edge --cid-socket: a QUIC stack of another program on this machine becomes reachable by connection ID (node/reachable.h), which
 * it asks for over a UNIX socket (cid_socket.h). One thread, the loop's. */
#ifndef ZS_EDGE_OFFER_H
#define ZS_EDGE_OFFER_H

#include "node/reachable.h"

struct zs_edge_offer;

struct zs_edge_offer_ops {
	/* The attach client's. */
	void (*event)(void *ctx, const struct zs_attach_event *event);
	/* The binding is another. NULL: not known yet; not bound. */
	void (*bound)(void *ctx, const struct zs_endpoint *relay, const struct zs_endpoint *seen);
};

/* Errors of zs_reachable_new() and zs_cid_socket_new(). */
int zs_edge_offer_new(struct zs_edge_offer **out, const struct zs_reachable_config *config, const char *path,
		      const struct zs_edge_offer_ops *ops, void *ctx, struct zs_error *err);
void zs_edge_offer_delete(struct zs_edge_offer *o);
struct zs_reachable *zs_edge_offer_reachable(struct zs_edge_offer *o);

#endif
