/* Inside the control plane's libp2p host. */
#ifndef ZS_CONTROLPLANE_PEERS_INTERNAL_H
#define ZS_CONTROLPLANE_PEERS_INTERNAL_H

#include <sys/queue.h>
#include "base/clock.h"
#include "node/node.h"
#include "peers/peers.h"

#define PEERS_BOOK_TURN	    64 /* peers written in a turn: half a MiB at most */
#define PEERS_QLOGS	    16 /* connections that write one at a time */
#define PEERS_QLOG_FILES    64 /* in the folder; when they are there nothing more is written */
#define PEERS_QLOG_BYTES    (8u << 20)
#define PEERS_QLOG_UNPROVEN 8 /* of them without a finished handshake: at a time, and kept after their end */

struct peers_link; /* link.c: an attach stream */
struct peers_ask;  /* ask.c: somebody waits for an answer */

struct peers_qlog {
	const void *which; /* NULL: free */
	int fd;
	bool proven;	 /* its peer is known, and wanted */
	uint32_t number; /* grows with each file */
	size_t bytes;
	char name[64];
};

struct zs_peers {
	struct zs_control *c;
	struct zs_pulse *pulse;
	struct zs_node node;
	struct zs_gater gater; /* of what zsctl names; the host has its own copy */
	struct zs_resolver *resolver;
	struct zs_timer *again; /* sockets that could not be had */
	struct zs_timer *save;	/* the peerstore */
	bool open[ZS_CONF_P2P_LISTEN];
	LIST_HEAD(, peers_link) broken; /* they take no frames any more */
	struct peers_ask *asks;
	struct {
		bool on;
		struct zs_peer_id peer; /* len 0: all */
		int dir;
		char path[sizeof(((struct zs_conf *)NULL)->p2p.qlog_dir)]; /* of `dir` */
		uint32_t number;
		uint32_t unproven; /* ended so and kept, since it was turned on */
		struct peers_qlog file[PEERS_QLOGS];
	} qlog;
};

static inline uint64_t peers_now(const struct zs_peers *p)
{
	return zs_loop_now(p->c->loop);
}

/* settings.c */
int peers_configure(struct zs_peers *p, struct zs_host_config *out, struct zs_error *err);
void peers_announce(struct zs_peers *p); /* as the configuration says */

/* sockets.c: adopts what the service manager kept, opens the rest, tries again what failed. What is kept without need is
 * given back, also when `p` is NULL. */
void peers_listen(struct zs_peers *p);

/* link.c */
int peers_link_register(struct zs_peers *p); /* serves the attach protocol */
void peers_link_work(struct zs_peers *p);    /* tells the attach server what an op must not */

/* book.c: the peerstore and the store. Load: of so many places. Write: what changed, PEERS_BOOK_TURN peers at most; true:
 * there may be more. */
void peers_book_load(struct zs_peers *p, uint32_t places);
bool peers_book_write(struct zs_peers *p);

/* ask.c: what the host told of a peer. */
void peers_ask_connected(struct zs_peers *p, struct zs_host_conn *conn);
void peers_ask_identified(struct zs_peers *p, struct zs_host_conn *conn);
void peers_ask_disconnected(struct zs_peers *p, struct zs_host_conn *conn, const char *text);
void peers_ask_failed(struct zs_peers *p, const struct zs_peer_id *peer, const char *text);

/* qlog.c */
void peers_qlog_write(struct zs_peers *p, const void *which, const void *bytes, size_t len, bool last);
void peers_qlog_judge(struct zs_peers *p, struct zs_host_conn *conn); /* its peer is known now */
void peers_qlog_close(struct zs_peers *p);			      /* files and folder */

#endif
