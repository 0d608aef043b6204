/* The resource manager's own structures: a reservation is a chain of levels, narrowest first. For
 * limits.c and limits_chain.c alone. */
#ifndef ZS_P2P_LIMITS_INTERNAL_H
#define ZS_P2P_LIMITS_INTERNAL_H

#include "base/gcra.h"
#include "base/list.h"
#include "p2p/limits.h"

#define ZS_LIMITS_CHAIN 9

struct zs_limits_rates {
	struct zs_gcra conns, streams;
};
struct zs_limits_peer {
	struct zs_usage usage;
	struct zs_limits_rates rates;
	struct zs_usage share[ZS_LIMITS_GROUPS];
};
struct zs_limits_group {
	char name[ZS_LIMITS_NAME];
	enum zs_scope scope; /* service or protocol */
	uint32_t service;
	struct zs_limit limit, per_peer;
	struct zs_usage usage;
};
struct zs_limits_told {
	uint64_t count, told, told_ns;
};
struct zs_limits {
	struct zs_limits_config config;
	struct zs_gcra_rate conn_rate[ZS_SCOPES], stream_rate[ZS_SCOPES];
	struct zs_usage system, transient;
	struct zs_limits_rates system_rates;
	struct zs_limits_group group[ZS_LIMITS_GROUPS];
	uint32_t groups;
	struct zs_peertable table;
	struct zs_limits_peer *peer;
	struct zs_link *links;
	struct zs_list idle;
	struct zs_peertable networks; /* a network's id is its first address; none without a connection */
	struct zs_usage *network;
	struct zs_limits_told told[ZS_SCOPES][ZS_RESOURCES];
};

struct zs_limits_level {
	enum zs_scope scope;
	struct zs_usage *usage;
	const struct zs_limit *limit;
	struct zs_limits_rates *rates; /* NULL: none kept here */
	const char *group;
};
struct zs_limits_chain {
	struct zs_limits_level level[ZS_LIMITS_CHAIN];
	uint32_t n, peer, network;
};
/* What is asked for; `opened` makes it count in the rates too. */
struct zs_limits_ask {
	struct zs_usage add;
	enum zs_priority priority;
	bool opened;
	uint64_t now_ns;
};

/* All scopes of a connection, of a stream; or one by one. */
struct zs_limits_chain zs_limits_chain_conn(struct zs_limits *m, struct zs_limits_conn *conn);
struct zs_limits_chain zs_limits_chain_stream(struct zs_limits *m, struct zs_limits_stream *s);
void zs_limits_put_peer(struct zs_limits *m, struct zs_limits_chain *c, uint32_t peer);
void zs_limits_put_network(struct zs_limits *m, struct zs_limits_chain *c, uint32_t network);
void zs_limits_put_transient(struct zs_limits *m, struct zs_limits_chain *c);
/* With its service, and the peer's shares of both. */
void zs_limits_put_protocol(struct zs_limits *m, struct zs_limits_chain *c, uint32_t protocol, uint32_t peer);
/* -EDQUOT: no place is left in the tables. */
int zs_limits_refuse_table(struct zs_limits *m, const struct zs_peer_id *peer, struct zs_refusal *why);
bool zs_limits_networks_check(const struct zs_limits *m);
/* In all levels or in none: -EDQUOT with *why. */
int zs_limits_take(struct zs_limits *m, struct zs_limits_chain c, const struct zs_limits_ask *ask,
		   struct zs_refusal *why);
void zs_limits_give(struct zs_limits_chain c, struct zs_usage less);
void zs_usage_add(struct zs_usage *u, const struct zs_usage *d);

#endif
