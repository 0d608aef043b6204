/* Inside an edge: its links' connections, and the calls between dialling (edge_dial.c) and the rest (edge.c). */
#ifndef ZS_NODE_EDGE_INTERNAL_H
#define ZS_NODE_EDGE_INTERNAL_H

#include "node/dnsaddr.h"
#include "node/edge.h"
#include "node/node.h"

#define EDGE_LINKS 2 /* what an attach client has at most */
#define EDGE_TRIES 4 /* addresses of a name that are tried */

struct edge_link {
	struct zs_edge *edge;
	uint32_t number; /* the client's; 0: free */
	struct zs_attach_target target;
	struct zs_resolve *query;  /* of a name */
	struct zs_dnsaddr *search; /* of a /dnsaddr */
	struct zs_endpoint at[EDGE_TRIES];
	struct zs_host_conn *try[EDGE_TRIES]; /* NULL: not begun, or failed */
	uint32_t tries, begun;
	uint64_t next_ns;	   /* when the next address is tried as well */
	struct zs_host_conn *conn; /* the one that was first */
	struct zs_host_stream *stream;
	/* Told to the client by the end of the turn, since an op must not. */
	bool failed;
	enum zs_attach_state end;
	char why[ZS_ATTACH_WHY];
};

struct zs_edge {
	struct zs_edge_config config;
	struct zs_node node;
	struct zs_attach_client *client;
	struct zs_gater gater;
	struct edge_link link[EDGE_LINKS];
};

static inline uint64_t edge_now(const struct zs_edge *e)
{
	return zs_loop_now(e->config.loop);
}

/* edge.c */
/* Sends what is due and sets the timer; every way in ends with it. */
void edge_turn(struct zs_edge *e);
/* edge_links.c: the link failed; the first reason counts. */
__attribute__((format(printf, 3, 4))) void edge_fail(struct edge_link *l, enum zs_attach_state end,
						     const char *fmt, ...);

/* edge_links.c */
extern const struct zs_attach_client_ops edge_client_ops;
extern const struct zs_host_ops edge_host_ops;
/* The client is told of links that failed since. */
void edge_tell_failures(struct zs_edge *e);

/* edge_dial.c */
void edge_dial(struct edge_link *l);
/* Tries the next address when it is time. */
void edge_dial_next(struct edge_link *l);
/* One of the link's attempts: it is first, the others are dropped. False: none of its. */
bool edge_dial_won(struct edge_link *l, struct zs_host_conn *conn);
/* It failed. False: none of its. */
bool edge_dial_lost(struct edge_link *l, const struct zs_host_conn *conn, const struct zs_host_close *why);
void edge_dial_cancel(struct edge_link *l, const char *why);

#endif
