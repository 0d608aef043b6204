/* Connection IDs and the keeping of a binding for a QUIC stack in another program, by lines over a UNIX socket (docs/PROTOCOL.md,
 * Connection IDs for other programs). One program at a time, its user the socket's owner. One thread, the loop's. */
#ifndef ZS_EDGE_CID_SOCKET_H
#define ZS_EDGE_CID_SOCKET_H

#include "loop/loop.h"
#include "net/addr.h"
#include "p2p/peerid.h"
#include "relay/bind.h"

struct zs_cid_socket;

/* What the program says. All but gone must be set. */
struct zs_cid_socket_ops {
	bool (*own)(void *ctx, uint8_t cid[ZS_BIND_CID]); /* false: none now */
	/* Answered by zs_cid_socket_dial, now or later, in order. callee NULL: it named none. */
	void (*dial)(void *ctx, const struct zs_peer_id *callee);
	void (*in)(void *ctx, const void *bytes, size_t len); /* the relay sent it to the program's socket */
	void (*sent)(void *ctx, const void *bytes, size_t len); /* the head of what leaves there */
	void (*moved)(void *ctx);
	/* All that came at once was told; or a program came. */
	void (*turn)(void *ctx);
	/* The program hung up, or was hung up on. */
	void (*gone)(void *ctx);
};

/* Makes it, 0600; a socket that nobody listens at any more is replaced. -EADDRINUSE, -ENAMETOOLONG, -EACCES … with a line
 * in err. */
int zs_cid_socket_new(struct zs_cid_socket **out, struct zs_loop *loop, const char *path,
		      const struct zs_cid_socket_ops *ops, void *ctx, struct zs_error *err);
/* And its name goes. */
void zs_cid_socket_delete(struct zs_cid_socket *s);

/* To be sent from the program's socket to the relay. */
void zs_cid_socket_out(struct zs_cid_socket *s, const void *bytes, size_t len);
/* cid NULL: none, `why` in one line. */
void zs_cid_socket_dial(struct zs_cid_socket *s, const uint8_t *cid, const char *why);
/* The answer to a dial that nobody was asked about: -EINVAL, -ENOTCONN, -EBUSY. */
void zs_cid_socket_refuse(struct zs_cid_socket *s, int rc);
/* Where to send (NULL: not known yet), and as whom the socket is bound there (NULL: not). Said when it is another. */
void zs_cid_socket_state(struct zs_cid_socket *s, const struct zs_endpoint *relay,
			 const struct zs_endpoint *bound);

#endif
