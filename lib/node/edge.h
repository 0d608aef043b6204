/* An edge: the attach client (p2p/attach_client.h) over a libp2p host of its own on one UDP socket. It resolves,
 * dials, opens the attach stream, keeps the time, and proves sessions. One loop may run many. */
#ifndef ZS_NODE_EDGE_H
#define ZS_NODE_EDGE_H

#include "loop/resolve.h"
#include "loop/udp.h"
#include "p2p/attach_client.h"
#include "p2p/gater.h"
#include "p2p/host.h"

struct zs_edge;

struct zs_edge_config {
	struct zs_loop *loop;
	struct zs_resolver *resolver; /* NULL: names are refused */
	const struct zs_identity *identity;
	struct zs_endpoint local;	       /* all zero: any */
	enum zs_gater_profile profile;	       /* for relays that a drain notice names */
	struct zs_attach_client_config attach; /* `instance` and `random` are filled by zs_edge_new */
	bool carries; /* a data side tells zs_edge_proved() when a session carries; else a ping proves it */
	void (*event)(void *ctx, const struct zs_attach_event *event);
	void *ctx;
};

/* -EADDRINUSE … of the socket, -EINVAL: the attach configuration, -ENOMEM, with a line in err. */
int zs_edge_new(struct zs_edge **out, const struct zs_edge_config *config, struct zs_error *err);
/* Closes what is open, with a packet each. */
void zs_edge_delete(struct zs_edge *e);
/* To restore before start, to ask for state and session, to check. Start and detach go through the edge. */
struct zs_attach_client *zs_edge_client(struct zs_edge *e);
void zs_edge_start(struct zs_edge *e);
/* After a call to the client itself: sends what it said. */
void zs_edge_turn(struct zs_edge *e);
/* The session of that link carried a packet each way. */
void zs_edge_proved(struct zs_edge *e, uint32_t link);
/* It does not, or not any more: the link is made anew. `why`: one line. */
void zs_edge_lost(struct zs_edge *e, uint32_t link, const char *why);
/* The event `disconnected` tells when it is done. */
void zs_edge_detach(struct zs_edge *e);

#endif
