/* The data side of an edge: the tunnel (uplink.h), the local services that it publishes, the local listeners that it
 * forwards, and a program that is reached by connection ID. The control side brings what Grants said by zs_edge_data_event(); everything else goes on without it. One thread,
 * the loop's. */
#ifndef ZS_EDGE_DATA_H
#define ZS_EDGE_DATA_H

#include "flow_table.h"
#include "loop/connected.h"
#include "loop/resolve.h"
#include "relay/bind.h"
#include "uplink.h"

#define ZS_EDGE_FORWARDS 16

struct zs_edge_data;

struct zs_edge_forward {
	struct zs_endpoint local;     /* our listener */
	struct zs_dial_target target; /* a published port of the relay's */
};

enum zs_edge_data_kind { ZS_EDGE_TUNNEL, ZS_EDGE_SERVICE, ZS_EDGE_FORWARD };

/* By reference, until the call returns. */
struct zs_edge_news {
	enum zs_edge_data_kind kind;
	const char *name; /* of the service; the listener's address */
	const char *what; /* one word, for programs */
	const char *text; /* one line, for people: what it is and what to do */
};

/* Where a name's datagrams go. */
struct zs_edge_target {
	struct zs_endpoint at;
	bool follow; /* a client that moved keeps its socket there (rebound.c) */
};

struct zs_edge_data_config {
	struct zs_loop *loop;
	struct zs_resolver *resolver; /* NULL: forwards to names are refused */
	const struct zs_random *random;
	const struct zs_attach_publish *publish; /* outlives it, as the next */
	const struct zs_edge_target *target;
	uint32_t publishes;
	const struct zs_edge_forward *forward;
	uint32_t forwards;
	uint32_t flows;	  /* at once, both kinds together, a descriptor each */
	uint64_t idle_ns; /* of a flow that both sides have used */
	void (*news)(void *ctx, const struct zs_edge_news *news);
	/* The session of that link carries; it has ended, or never did (why: one line). */
	void (*proved)(void *ctx, uint32_t link);
	void (*lost)(void *ctx, uint32_t link, const char *why);
	/* A program's connection IDs, over a UNIX socket (cid_socket.h); NULL: nobody is to have any, nor are the next three
	 * called. own: false: none now. ask: 0, zs_edge_data_dial() answers, or as zs_cidpool_ask(). */
	const char *cid_socket;
	bool (*own)(void *ctx, uint8_t cid[ZS_BIND_CID]);
	int (*ask)(void *ctx, const struct zs_peer_id *callee);
	/* The program at that address is reachable, which sends to `door`; NULL: not any more. */
	void (*bound)(void *ctx, const struct zs_endpoint *door, const struct zs_endpoint *program);
	void *ctx;
};

struct zs_edge_data_state {
	struct zs_uplink_state uplink;
	const struct zs_connected_stats *local; /* toward services */
	uint32_t flows, most;
	uint64_t begun;	  /* flows so far */
	uint64_t rebound; /* that took the socket of the one that their client had before */
	uint64_t refused, full,
	    unknown;	 /* flows whose service is not there; for want of room; of no service of ours */
	uint64_t strays; /* datagrams to the door that were not the program's */
};

/* Opens the tunnel's socket and all listeners. -EADDRINUSE, -EMFILE … with a line in err. */
int zs_edge_data_new(struct zs_edge_data **out, const struct zs_edge_data_config *config,
		     struct zs_error *err);
void zs_edge_data_delete(struct zs_edge_data *d);
/* Of the attach client: GRANTED and PORT are of interest. */
void zs_edge_data_event(struct zs_edge_data *d, const struct zs_attach_event *event);
/* The answer to config.ask, in order; cid NULL: none, `why` in one line. */
void zs_edge_data_dial(struct zs_edge_data *d, const uint8_t *cid, const char *why);
/* The machine's addresses changed. */
void zs_edge_data_moved(struct zs_edge_data *d);
/* On purpose: the relay and all flows are told. */
void zs_edge_data_shutdown(struct zs_edge_data *d);
void zs_edge_data_state(const struct zs_edge_data *d, struct zs_edge_data_state *out);

#endif
