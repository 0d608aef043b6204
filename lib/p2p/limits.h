/* The resource manager: what connections, streams and their buffers may cost, counted in scopes that
 * lie over each other (lib/defs/p2p_limits.def). A reservation is taken in all scopes it concerns or in
 * none. A connection counts as transient until its peer is known, a stream until its protocol is.
 *
 * One thread, no clock, no I/O; `now_ns` is monotonic. Connections and streams are structs inside the
 * caller's own, so they cost no allocation; the manager's memory is fixed when it is made: the tables of
 * peers and of networks are bounded, and a peer without connections leaves it when another needs the place. */
#ifndef ZS_P2P_LIMITS_H
#define ZS_P2P_LIMITS_H

#include <stdbool.h>
#include <stdint.h>
#include "net/addr.h"
#include "p2p/peertable.h"

#define ZS_UNLIMITED	 UINT32_MAX
#define ZS_LIMITS_GROUPS 32  /* services and protocols together */
#define ZS_LIMITS_NAME	 48  /* of a service or a protocol, with its end */
#define ZS_LIMITS_TELL	 100 /* repeats of one refusal between two log records, … */
#define ZS_LIMITS_TELL_S 10  /* … or seconds */
#define ZS_REFUSAL_TEXT	 320

enum zs_scope {
#define ZS_LIMIT_SCOPE(name, ...) ZS_SCOPE_##name,
#include "defs/p2p_limits.def"
#undef ZS_LIMIT_SCOPE
	ZS_SCOPES
};
enum zs_resource {
#define ZS_LIMIT_RESOURCE(name, text) ZS_RESOURCE_##name,
#include "defs/p2p_limits.def"
#undef ZS_LIMIT_RESOURCE
	ZS_RESOURCES
};
enum zs_direction { ZS_IN, ZS_OUT };		   /* who opened: the other side, we */
enum zs_limit_side { ZS_SIDE_OURS, ZS_SIDE_PEER }; /* whose limit */
/* An ask for memory may fill this many percent of each scope's limit. */
enum zs_priority {
	ZS_PRIORITY_LOW = 40,
	ZS_PRIORITY_MEDIUM = 60,
	ZS_PRIORITY_HIGH = 80,
	ZS_PRIORITY_ALWAYS = 100
};

struct zs_limit {
	uint32_t conns_in, conns_out, conns, streams_in, streams_out, streams;
	uint64_t memory_bytes;
	uint32_t conns_per_s, conns_burst, streams_per_s, streams_burst;
};

struct zs_usage {
	uint32_t conns[2], streams[2]; /* by enum zs_direction */
	uint64_t memory_bytes;
};

/* Why something was not taken. Filled by the manager for limits of ours; a caller who learns of the
 * other side's (a stream reset with its resource code) fills one with ZS_SIDE_PEER. */
struct zs_refusal {
	enum zs_scope scope;
	enum zs_resource resource;
	enum zs_limit_side side;
	uint64_t current, asked, limit; /* limit: with the ask's priority applied */
	struct zs_peer_id peer;		/* len 0: none concerned or known */
	struct zs_addr network;		/* of scope network: its first address */
	const char *group;		/* protocol or service, NULL: none; lives as long as the manager */
};

struct zs_limits_conn {
	struct zs_usage usage; /* its streams and their memory included */
	uint32_t peer;	       /* slot, ZS_PEER_NONE: transient */
	uint32_t network;      /* slot, ZS_PEER_NONE: counts in none */
	enum zs_direction direction;
};
struct zs_limits_stream {
	struct zs_usage usage;
	struct zs_limits_conn *conn;
	uint32_t protocol; /* ZS_LIMITS_NO_GROUP: transient */
	enum zs_direction direction;
};
#define ZS_LIMITS_NO_GROUP UINT32_MAX

struct zs_limits_config {
	struct zs_limit limit[ZS_SCOPES];
	uint32_t peers;	 /* with connections at one time; as many networks */
	uint64_t key[2]; /* random per start */
};
struct zs_limits;

/* The defaults of p2p_limits.def; the key is left to the caller. */
void zs_limits_defaults(struct zs_limits_config *config);
struct zs_limits *zs_limits_new(const struct zs_limits_config *config); /* NULL: no memory */
void zs_limits_delete(struct zs_limits *m);
/* At start: a service, or a protocol (of a service or ZS_LIMITS_NO_GROUP). `limit` and `per_peer` replace the
 * scope's defaults, NULL keeps them. Its number, or -ENOSPC, -EINVAL (name too long). */
int zs_limits_service(struct zs_limits *m, const char *name, const struct zs_limit *limit,
		      const struct zs_limit *per_peer);
int zs_limits_protocol(struct zs_limits *m, const char *name, uint32_t service, const struct zs_limit *limit,
		       const struct zs_limit *per_peer);

/* All of the following: 0, or -EDQUOT with *why filled and nothing changed. */
int zs_limits_conn_open(struct zs_limits *m, struct zs_limits_conn *c, enum zs_direction direction,
			uint64_t now_ns, struct zs_refusal *why);
/* Transient to peer, with what it holds. Once a connection, before its first stream. */
int zs_limits_conn_peer(struct zs_limits *m, struct zs_limits_conn *c, const struct zs_peer_id *peer,
			uint64_t now_ns, struct zs_refusal *why);
/* With what it holds into the network of this address, a connection whose peer is known and that is in none. */
int zs_limits_conn_network(struct zs_limits *m, struct zs_limits_conn *c, const struct zs_addr *addr,
			   struct zs_refusal *why);
int zs_limits_conn_memory(struct zs_limits *m, struct zs_limits_conn *c, uint64_t bytes,
			  enum zs_priority priority, struct zs_refusal *why);
int zs_limits_stream_open(struct zs_limits *m, struct zs_limits_stream *s, struct zs_limits_conn *c,
			  enum zs_direction direction, uint64_t now_ns, struct zs_refusal *why);
/* Transient to protocol and its service, with what it holds. Once a stream. */
int zs_limits_stream_protocol(struct zs_limits *m, struct zs_limits_stream *s, uint32_t protocol,
			      struct zs_refusal *why);
int zs_limits_stream_memory(struct zs_limits *m, struct zs_limits_stream *s, uint64_t bytes,
			    enum zs_priority priority, struct zs_refusal *why);

/* Out of its network, if it is in one: its peer is trusted. */
void zs_limits_conn_spare(struct zs_limits *m, struct zs_limits_conn *c);
void zs_limits_conn_memory_give(struct zs_limits *m, struct zs_limits_conn *c, uint64_t bytes);
void zs_limits_stream_memory_give(struct zs_limits *m, struct zs_limits_stream *s, uint64_t bytes);
/* With all they still hold. A connection's streams are closed before it. */
void zs_limits_stream_close(struct zs_limits *m, struct zs_limits_stream *s);
void zs_limits_conn_close(struct zs_limits *m, struct zs_limits_conn *c);

/* Now in use: system or transient. */
struct zs_usage zs_limits_usage(const struct zs_limits *m, enum zs_scope scope);
struct zs_usage zs_limits_group_usage(const struct zs_limits *m, uint32_t group);
struct zs_usage zs_limits_network_usage(const struct zs_limits *m, const struct zs_addr *addr);
struct zs_usage zs_limits_peer_usage(const struct zs_limits *m, const struct zs_peer_id *peer);
/* Refusals of this kind since the start: a metric. */
uint64_t zs_limits_refused(const struct zs_limits *m, enum zs_scope scope, enum zs_resource resource);
/* Shall this refusal be logged now? The first of its scope and resource is, then one of ZS_LIMITS_TELL or the
 * first after ZS_LIMITS_TELL_S seconds; *since is how many there were since the last one logged, this included. */
bool zs_limits_tell(struct zs_limits *m, const struct zs_refusal *why, uint64_t now_ns, uint64_t *since);
/* One line: whose limit, of what, how full, and what to do. */
const char *zs_refusal_text(const struct zs_refusal *why, char buf[ZS_REFUSAL_TEXT]);
const char *zs_scope_name(enum zs_scope scope);
const char *zs_resource_name(enum zs_resource resource);
/* Walks everything: do the scopes add up? For tests. */
bool zs_limits_check(const struct zs_limits *m);

#endif
