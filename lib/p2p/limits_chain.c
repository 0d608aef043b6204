/* Chains of scopes, and a reservation over one: two passes, may each take it, then each takes it. */
#include <errno.h>
#include "base/check.h"
#include "p2p/limits_internal.h"

static void put(struct zs_limits_chain *c, enum zs_scope scope, struct zs_usage *usage,
		const struct zs_limit *limit)
{
	c->level[c->n++] = (struct zs_limits_level){ .scope = scope, .usage = usage, .limit = limit };
}

void zs_limits_put_peer(struct zs_limits *m, struct zs_limits_chain *c, uint32_t peer)
{
	put(c, ZS_SCOPE_peer, &m->peer[peer].usage, &m->config.limit[ZS_SCOPE_peer]);
	c->level[c->n - 1].rates = &m->peer[peer].rates;
}

void zs_limits_put_network(struct zs_limits *m, struct zs_limits_chain *c, uint32_t network)
{
	if (network == ZS_PEER_NONE)
		return;
	put(c, ZS_SCOPE_network, &m->network[network], &m->config.limit[ZS_SCOPE_network]);
	c->network = network;
}

void zs_limits_put_transient(struct zs_limits *m, struct zs_limits_chain *c)
{
	put(c, ZS_SCOPE_transient, &m->transient, &m->config.limit[ZS_SCOPE_transient]);
}

static void put_system(struct zs_limits *m, struct zs_limits_chain *c)
{
	put(c, ZS_SCOPE_system, &m->system, &m->config.limit[ZS_SCOPE_system]);
	c->level[c->n - 1].rates = &m->system_rates;
}

/* A group and the peer's share of it. */
static void put_group(struct zs_limits *m, struct zs_limits_chain *c, uint32_t group, uint32_t peer)
{
	struct zs_limits_group *g = &m->group[group];
	bool protocol = g->scope == ZS_SCOPE_protocol;

	put(c, protocol ? ZS_SCOPE_protocol_peer : ZS_SCOPE_service_peer, &m->peer[peer].share[group],
	    &g->per_peer);
	c->level[c->n - 1].group = g->name;
	put(c, g->scope, &g->usage, &g->limit);
	c->level[c->n - 1].group = g->name;
}

void zs_limits_put_protocol(struct zs_limits *m, struct zs_limits_chain *c, uint32_t protocol, uint32_t peer)
{
	put_group(m, c, protocol, peer);
	if (m->group[protocol].service != ZS_LIMITS_NO_GROUP)
		put_group(m, c, m->group[protocol].service, peer);
}

struct zs_limits_chain zs_limits_chain_conn(struct zs_limits *m, struct zs_limits_conn *conn)
{
	struct zs_limits_chain c = { .peer = conn->peer };

	put(&c, ZS_SCOPE_connection, &conn->usage, &m->config.limit[ZS_SCOPE_connection]);
	if (conn->peer == ZS_PEER_NONE)
		zs_limits_put_transient(m, &c);
	else
		zs_limits_put_peer(m, &c, conn->peer);
	zs_limits_put_network(m, &c, conn->network);
	put_system(m, &c);
	return c;
}

struct zs_limits_chain zs_limits_chain_stream(struct zs_limits *m, struct zs_limits_stream *s)
{
	struct zs_limits_chain c = { .peer = s->conn->peer };

	put(&c, ZS_SCOPE_stream, &s->usage, &m->config.limit[ZS_SCOPE_stream]);
	put(&c, ZS_SCOPE_connection, &s->conn->usage, &m->config.limit[ZS_SCOPE_connection]);
	if (s->protocol == ZS_LIMITS_NO_GROUP)
		zs_limits_put_transient(m, &c);
	else
		zs_limits_put_protocol(m, &c, s->protocol, c.peer);
	zs_limits_put_peer(m, &c, c.peer);
	zs_limits_put_network(m, &c, s->conn->network);
	put_system(m, &c);
	return c;
}

/* The first resource of this level that cannot take `add`, ZS_RESOURCES when all can. */
static enum zs_resource full_count(const struct zs_limits_level *l, const struct zs_usage *add,
				   uint64_t *current, uint64_t *asked, uint64_t *limit)
{
	const struct zs_usage *u = l->usage;
	const struct {
		enum zs_resource resource;
		uint64_t add, current;
		uint32_t limit;
	} rows[] = {
		{ ZS_RESOURCE_conns_in, add->conns[ZS_IN], u->conns[ZS_IN], l->limit->conns_in },
		{ ZS_RESOURCE_conns_out, add->conns[ZS_OUT], u->conns[ZS_OUT], l->limit->conns_out },
		{ ZS_RESOURCE_conns, (uint64_t)add->conns[0] + add->conns[1],
		  (uint64_t)u->conns[0] + u->conns[1], l->limit->conns },
		{ ZS_RESOURCE_streams_in, add->streams[ZS_IN], u->streams[ZS_IN], l->limit->streams_in },
		{ ZS_RESOURCE_streams_out, add->streams[ZS_OUT], u->streams[ZS_OUT], l->limit->streams_out },
		{ ZS_RESOURCE_streams, (uint64_t)add->streams[0] + add->streams[1],
		  (uint64_t)u->streams[0] + u->streams[1], l->limit->streams },
	};

	for (size_t i = 0; i < ZS_ARRAY_LEN(rows); i++) {
		if (!rows[i].add || rows[i].limit == ZS_UNLIMITED ||
		    rows[i].current + rows[i].add <= rows[i].limit)
			continue;
		*current = rows[i].current;
		*asked = rows[i].add;
		*limit = rows[i].limit;
		return rows[i].resource;
	}
	return ZS_RESOURCES;
}

static bool memory_fits(const struct zs_limits_level *l, const struct zs_limits_ask *ask, uint64_t *limit)
{
	uint64_t used = l->usage->memory_bytes;

	*limit = (uint64_t)((unsigned __int128)l->limit->memory_bytes * ask->priority / 100);
	return !ask->add.memory_bytes || (used <= *limit && ask->add.memory_bytes <= *limit - used);
}

/* Would (or, with `take`, does) this level's rates let it pass? Only what the other side opens counts. */
static enum zs_resource rate_full(const struct zs_limits *m, const struct zs_limits_level *l,
				  const struct zs_limits_ask *ask, bool take)
{
	struct zs_limits_rates after;
	enum zs_resource full = ZS_RESOURCES;

	if (!ask->opened || !l->rates)
		return full;
	after = *l->rates;
	if (ask->add.conns[ZS_IN] && !zs_gcra_allow(&after.conns, &m->conn_rate[l->scope], ask->now_ns, 1))
		full = ZS_RESOURCE_conns_per_s;
	else if (ask->add.streams[ZS_IN] &&
		 !zs_gcra_allow(&after.streams, &m->stream_rate[l->scope], ask->now_ns, 1))
		full = ZS_RESOURCE_streams_per_s;
	if (take && full == ZS_RESOURCES)
		*l->rates = after;
	return full;
}

static int refuse(struct zs_limits *m, const struct zs_limits_chain *c, const struct zs_limits_level *l,
		  struct zs_refusal *why)
{
	why->scope = l->scope;
	why->side = ZS_SIDE_OURS;
	why->group = l->group;
	why->peer = (struct zs_peer_id){ 0 };
	if (c->peer != ZS_PEER_NONE)
		why->peer = m->table.id[c->peer];
	if (l->scope == ZS_SCOPE_network)
		memcpy(why->network.ip, m->networks.id[c->network].bytes, sizeof(why->network.ip));
	m->told[why->scope][why->resource].count++;
	return -EDQUOT;
}

static int judge(struct zs_limits *m, const struct zs_limits_chain *c, const struct zs_limits_level *l,
		 const struct zs_limits_ask *ask, struct zs_refusal *why)
{
	why->resource = full_count(l, &ask->add, &why->current, &why->asked, &why->limit);
	if (why->resource != ZS_RESOURCES)
		return refuse(m, c, l, why);
	if (!memory_fits(l, ask, &why->limit)) {
		why->resource = ZS_RESOURCE_memory_bytes;
		why->current = l->usage->memory_bytes;
		why->asked = ask->add.memory_bytes;
		return refuse(m, c, l, why);
	}
	why->resource = rate_full(m, l, ask, false);
	if (why->resource != ZS_RESOURCES) {
		why->limit = why->resource == ZS_RESOURCE_conns_per_s ? l->limit->conns_per_s
								      : l->limit->streams_per_s;
		why->current = why->limit; /* a bucket has no count to tell: it is used up */
		why->asked = 1;
		return refuse(m, c, l, why);
	}
	return 0;
}

void zs_usage_add(struct zs_usage *u, const struct zs_usage *d)
{
	for (int i = 0; i < 2; i++) {
		u->conns[i] += d->conns[i];
		u->streams[i] += d->streams[i];
	}
	u->memory_bytes += d->memory_bytes;
}

static void subtract(struct zs_usage *u, const struct zs_usage *d)
{
	for (int i = 0; i < 2; i++) {
		ZS_CHECK(u->conns[i] >= d->conns[i] && u->streams[i] >= d->streams[i],
			 "more given than taken");
		u->conns[i] -= d->conns[i];
		u->streams[i] -= d->streams[i];
	}
	ZS_CHECK(u->memory_bytes >= d->memory_bytes, "more memory given than taken");
	u->memory_bytes -= d->memory_bytes;
}

int zs_limits_take(struct zs_limits *m, struct zs_limits_chain c, const struct zs_limits_ask *ask,
		   struct zs_refusal *why)
{
	for (uint32_t i = 0; i < c.n; i++) {
		int rc = judge(m, &c, &c.level[i], ask, why);
		if (rc)
			return rc;
	}
	for (uint32_t i = 0; i < c.n; i++) {
		zs_usage_add(c.level[i].usage, &ask->add);
		rate_full(m, &c.level[i], ask, true);
	}
	return 0;
}

void zs_limits_give(struct zs_limits_chain c, struct zs_usage less)
{
	for (uint32_t i = 0; i < c.n; i++)
		subtract(c.level[i].usage, &less);
}
