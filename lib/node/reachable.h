/* Makes a program's QUIC socket reachable by connection ID, behind whatever NAT: attaches to a relay in mode socket
 * (node/edge.h), keeps the socket bound there (relay/binder.h), hands out connection IDs. Socket and QUIC stack are the
 * program's. One thread, the loop's.
 *
 *	zs_reachable_new(&r, &config, &ops, program, &err);	config.edge: loop, identity, the relay, a token; ops.send sends from the socket
 *	zs_reachable_start(r);
 *
 *	for each datagram that came in:
 *		if (!zs_reachable_receive(r, bytes, len, &from))
 *			the QUIC stack reads it
 *	for each datagram that goes out:	zs_reachable_sent(r, bytes, len);
 *	each source connection ID of the stack, a Retry's too:
 *		zs_reachable_own(r, cid, &expires_s), 17 bytes; until then accept nobody, dial nobody
 *	to dial another peer of the relay:
 *		zs_reachable_ask(r, &peer), and when ops.dial brings the connection ID: dial zs_reachable_relay(r) with it as first DCID
 *	when the socket's own address changed:	zs_reachable_moved(r);
 *	at the end:	zs_reachable_detach(r); the event `disconnected` tells when it is done; zs_reachable_delete(r);
 *
 * To be dialled, tell others your peer id: they ask the relay as above. All peers have one remote address, the relay's: exempt
 * it from limits an address (docs/PROTOCOL.md). tests/unit/edge/test_reachable.c is a program in small, zs-edge --cid-socket a whole one. */
#ifndef ZS_NODE_REACHABLE_H
#define ZS_NODE_REACHABLE_H

#include "node/edge.h"
#include "relay/binder.h"

struct zs_reachable;

struct zs_reachable_ops {
	/* From the QUIC stack's socket. */
	void (*send)(void *ctx, const struct zs_endpoint *to, const void *bytes, size_t len);
	/* Relay address, bound or not: one of them is another. */
	void (*changed)(void *ctx);
	/* The answer to zs_reachable_ask(), in the order of the questions; cid NULL: none, `why` in one line. */
	void (*dial)(void *ctx, const uint8_t *cid, const char *why);
	/* The attach client's, for whoever reports them; may be NULL. */
	void (*event)(void *ctx, const struct zs_attach_event *event);
};

struct zs_reachable_config {
	struct zs_edge_config edge; /* attach.mode and .cids, event and ctx are filled in */
	uint32_t service;	    /* which of the relay's service addresses, by its place in the Grant */
	bool any;		    /* no such one: the first */
};

/* `ops` outlives it. As zs_edge_new(). */
int zs_reachable_new(struct zs_reachable **out, const struct zs_reachable_config *config,
		     const struct zs_reachable_ops *ops, void *ctx, struct zs_error *err);
void zs_reachable_delete(struct zs_reachable *r);
/* To restore before start, to ask for state and session. */
struct zs_edge *zs_reachable_edge(struct zs_reachable *r);
void zs_reachable_start(struct zs_reachable *r);
/* Unbinds and detaches. */
void zs_reachable_detach(struct zs_reachable *r);

/* true: it was the relay's own, and is dealt with. */
bool zs_reachable_receive(struct zs_reachable *r, const void *bytes, size_t len,
			  const struct zs_endpoint *from);
void zs_reachable_sent(struct zs_reachable *r, const void *bytes, size_t len);
void zs_reachable_moved(struct zs_reachable *r);
/* One of our own, each once; false: none is left now. */
bool zs_reachable_own(struct zs_reachable *r, uint8_t cid[ZS_BIND_CID], uint64_t *expires_s);
/* 0: ops.dial will be called; -ENOTCONN, -EBUSY: too many questions are open, -EINVAL. */
int zs_reachable_ask(struct zs_reachable *r, const struct zs_peer_id *callee);
/* Where to send; NULL: not known yet. */
const struct zs_endpoint *zs_reachable_relay(const struct zs_reachable *r);
/* Is the socket bound, and as what is it seen there? */
bool zs_reachable_bound(const struct zs_reachable *r, struct zs_endpoint *seen);

#endif
