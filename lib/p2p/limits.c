/* Each reservation builds the chain of scopes it concerns, narrowest first, and runs over it twice: may
 * each take it, then each takes it. What moves (transient to peer, transient to protocol) is taken in the
 * new scopes, then given back in the old one; the scopes on both sides are not touched.
 *
 * Invariants (zs_limits_check): connections of system = transient + sum of peers; streams of system = sum of
 * peers = transient + sum of protocols; a group = sum of the shares of its peers. A peer is in the idle list
 * exactly when it has no connection; its rates stay with it until its place is needed. Networks: limits_network.c. */
#include "p2p/limits_internal.h"

#include <errno.h>
#include <stdlib.h>
#include "base/check.h"
#include "base/clock.h"

void zs_limits_defaults(struct zs_limits_config *config)
{
	*config = (struct zs_limits_config){
		.peers = 8192,
		.limit = {
#define ZS_LIMIT_SCOPE(name, ci, co, c, si, so, s, memory, cps, cb, sps, sb, text)                           \
	[ZS_SCOPE_##name] = { ci, co, c, si, so, s, memory, cps, cb, sps, sb },
#include "defs/p2p_limits.def"
#undef ZS_LIMIT_SCOPE
		},
	};
}

struct zs_limits *zs_limits_new(const struct zs_limits_config *config)
{
	struct zs_limits *m = calloc(1, sizeof(*m));

	if (!m)
		return NULL;
	m->config = *config;
	for (int s = 0; s < ZS_SCOPES; s++) {
		const struct zs_limit *l = &config->limit[s];
		zs_gcra_init(&m->conn_rate[s], l->conns_per_s, l->conns_burst);
		zs_gcra_init(&m->stream_rate[s], l->streams_per_s, l->streams_burst);
	}
	zs_list_init(&m->idle);
	m->peer = calloc(config->peers, sizeof(*m->peer));
	m->links = calloc(config->peers, sizeof(*m->links));
	m->network = calloc(config->peers, sizeof(*m->network));
	if (!m->peer || !m->links || !m->network || zs_peertable_new(&m->table, config->peers, config->key) ||
	    zs_peertable_new(&m->networks, config->peers, config->key)) {
		zs_limits_delete(m);
		return NULL;
	}
	return m;
}

void zs_limits_delete(struct zs_limits *m)
{
	if (!m)
		return;
	zs_peertable_delete(&m->table);
	zs_peertable_delete(&m->networks);
	free(m->network);
	free(m->peer);
	free(m->links);
	free(m);
}

static int add_group(struct zs_limits *m, enum zs_scope scope, const char *name, uint32_t service,
		     const struct zs_limit *limit, const struct zs_limit *per_peer)
{
	struct zs_limits_group *g = &m->group[m->groups];
	bool protocol = scope == ZS_SCOPE_protocol;

	if (strlen(name) >= sizeof(g->name))
		return -EINVAL;
	if (m->groups == ZS_LIMITS_GROUPS)
		return -ENOSPC;
	*g = (struct zs_limits_group){
		.scope = scope,
		.service = service,
		.limit = limit ? *limit : m->config.limit[scope],
		.per_peer = per_peer
				? *per_peer
				: m->config.limit[protocol ? ZS_SCOPE_protocol_peer : ZS_SCOPE_service_peer],
	};
	strcpy(g->name, name);
	return (int)m->groups++;
}

int zs_limits_service(struct zs_limits *m, const char *name, const struct zs_limit *limit,
		      const struct zs_limit *per_peer)
{
	return add_group(m, ZS_SCOPE_service, name, ZS_LIMITS_NO_GROUP, limit, per_peer);
}

int zs_limits_protocol(struct zs_limits *m, const char *name, uint32_t service, const struct zs_limit *limit,
		       const struct zs_limit *per_peer)
{
	ZS_CHECK(service == ZS_LIMITS_NO_GROUP ||
		     (service < m->groups && m->group[service].scope == ZS_SCOPE_service),
		 "group %u is no service", service);
	return add_group(m, ZS_SCOPE_protocol, name, service, limit, per_peer);
}

static bool idle(const struct zs_limits_peer *p)
{
	return p->usage.conns[0] + p->usage.conns[1] == 0;
}

int zs_limits_conn_open(struct zs_limits *m, struct zs_limits_conn *c, enum zs_direction direction,
			uint64_t now_ns, struct zs_refusal *why)
{
	struct zs_limits_ask ask = { .opened = true, .now_ns = now_ns, .priority = ZS_PRIORITY_ALWAYS };

	ask.add.conns[direction] = 1;
	*c = (struct zs_limits_conn){ .peer = ZS_PEER_NONE, .network = ZS_PEER_NONE, .direction = direction };
	return zs_limits_take(m, zs_limits_chain_conn(m, c), &ask, why);
}

/* The peer's slot, at need that of the peer idle for the longest time. */
static uint32_t place_of(struct zs_limits *m, const struct zs_peer_id *id)
{
	uint32_t slot = zs_peertable_find(&m->table, id);

	if (slot != ZS_PEER_NONE)
		return slot;
	if (m->table.pool.used == m->config.peers && m->idle.head != ZS_LIST_NONE) {
		uint32_t old = m->idle.head;
		zs_list_remove(&m->idle, m->links, old);
		zs_peertable_remove(&m->table, old);
	}
	slot = zs_peertable_add(&m->table, id);
	if (slot == ZS_PEER_NONE)
		return slot;
	m->peer[slot] = (struct zs_limits_peer){ 0 };
	zs_list_append(&m->idle, m->links, slot);
	return slot;
}

int zs_limits_refuse_table(struct zs_limits *m, const struct zs_peer_id *peer, struct zs_refusal *why)
{
	*why = (struct zs_refusal){ .scope = ZS_SCOPE_system,
				    .resource = ZS_RESOURCE_peers,
				    .current = m->table.pool.used,
				    .asked = 1,
				    .limit = m->config.peers,
				    .peer = *peer };
	m->told[why->scope][why->resource].count++;
	return -EDQUOT;
}

int zs_limits_conn_peer(struct zs_limits *m, struct zs_limits_conn *c, const struct zs_peer_id *peer,
			uint64_t now_ns, struct zs_refusal *why)
{
	struct zs_limits_ask ask = { c->usage, ZS_PRIORITY_ALWAYS, true, now_ns };
	struct zs_limits_chain into = { 0 }, from = { 0 };
	int rc;

	ZS_CHECK(c->peer == ZS_PEER_NONE, "a connection's peer is known once");
	into.peer = place_of(m, peer);
	if (into.peer == ZS_PEER_NONE)
		return zs_limits_refuse_table(m, peer, why);
	zs_limits_put_peer(m, &into, into.peer);
	rc = zs_limits_take(m, into, &ask, why);
	if (rc)
		return rc;
	zs_limits_put_transient(m, &from);
	zs_limits_give(from, c->usage);
	c->peer = into.peer;
	if (m->peer[c->peer].usage.conns[0] + m->peer[c->peer].usage.conns[1] == 1)
		zs_list_remove(&m->idle, m->links, c->peer);
	return 0;
}

int zs_limits_conn_memory(struct zs_limits *m, struct zs_limits_conn *c, uint64_t bytes,
			  enum zs_priority priority, struct zs_refusal *why)
{
	struct zs_limits_ask ask = { .add.memory_bytes = bytes, .priority = priority };

	return zs_limits_take(m, zs_limits_chain_conn(m, c), &ask, why);
}

void zs_limits_conn_memory_give(struct zs_limits *m, struct zs_limits_conn *c, uint64_t bytes)
{
	zs_limits_give(zs_limits_chain_conn(m, c), (struct zs_usage){ .memory_bytes = bytes });
}

void zs_limits_conn_close(struct zs_limits *m, struct zs_limits_conn *c)
{
	ZS_CHECK(c->usage.streams[0] + c->usage.streams[1] == 0, "a connection with streams is closed");
	zs_limits_conn_spare(m, c);
	zs_limits_give(zs_limits_chain_conn(m, c), c->usage);
	if (c->peer != ZS_PEER_NONE && idle(&m->peer[c->peer]))
		zs_list_append(&m->idle, m->links, c->peer);
}

int zs_limits_stream_open(struct zs_limits *m, struct zs_limits_stream *s, struct zs_limits_conn *c,
			  enum zs_direction direction, uint64_t now_ns, struct zs_refusal *why)
{
	struct zs_limits_ask ask = { .opened = true, .now_ns = now_ns, .priority = ZS_PRIORITY_ALWAYS };

	ZS_CHECK(c->peer != ZS_PEER_NONE, "a stream on a connection without a peer");
	ask.add.streams[direction] = 1;
	*s = (struct zs_limits_stream){ .conn = c, .protocol = ZS_LIMITS_NO_GROUP, .direction = direction };
	return zs_limits_take(m, zs_limits_chain_stream(m, s), &ask, why);
}

int zs_limits_stream_protocol(struct zs_limits *m, struct zs_limits_stream *s, uint32_t protocol,
			      struct zs_refusal *why)
{
	struct zs_limits_ask ask = { .add = s->usage, .priority = ZS_PRIORITY_ALWAYS };
	struct zs_limits_chain into = { .peer = s->conn->peer }, from = { 0 };
	int rc;

	ZS_CHECK(s->protocol == ZS_LIMITS_NO_GROUP, "a stream's protocol is known once");
	ZS_CHECK(protocol < m->groups && m->group[protocol].scope == ZS_SCOPE_protocol,
		 "group %u is no protocol", protocol);
	zs_limits_put_protocol(m, &into, protocol, into.peer);
	rc = zs_limits_take(m, into, &ask, why);
	if (rc)
		return rc;
	zs_limits_put_transient(m, &from);
	zs_limits_give(from, s->usage);
	s->protocol = protocol;
	return 0;
}

int zs_limits_stream_memory(struct zs_limits *m, struct zs_limits_stream *s, uint64_t bytes,
			    enum zs_priority priority, struct zs_refusal *why)
{
	struct zs_limits_ask ask = { .add.memory_bytes = bytes, .priority = priority };

	return zs_limits_take(m, zs_limits_chain_stream(m, s), &ask, why);
}

void zs_limits_stream_memory_give(struct zs_limits *m, struct zs_limits_stream *s, uint64_t bytes)
{
	zs_limits_give(zs_limits_chain_stream(m, s), (struct zs_usage){ .memory_bytes = bytes });
}

void zs_limits_stream_close(struct zs_limits *m, struct zs_limits_stream *s)
{
	zs_limits_give(zs_limits_chain_stream(m, s), s->usage);
}

struct zs_usage zs_limits_usage(const struct zs_limits *m, enum zs_scope scope)
{
	return scope == ZS_SCOPE_system ? m->system : m->transient;
}

struct zs_usage zs_limits_group_usage(const struct zs_limits *m, uint32_t group)
{
	return m->group[group].usage;
}

struct zs_usage zs_limits_peer_usage(const struct zs_limits *m, const struct zs_peer_id *peer)
{
	uint32_t slot = zs_peertable_find(&m->table, peer);

	return slot == ZS_PEER_NONE ? (struct zs_usage){ 0 } : m->peer[slot].usage;
}

uint64_t zs_limits_refused(const struct zs_limits *m, enum zs_scope scope, enum zs_resource resource)
{
	return m->told[scope][resource].count;
}

bool zs_limits_tell(struct zs_limits *m, const struct zs_refusal *why, uint64_t now_ns, uint64_t *since)
{
	struct zs_limits_told *t = &m->told[why->scope][why->resource];

	*since = t->count - t->told;
	if (t->told && *since < ZS_LIMITS_TELL && now_ns - t->told_ns < ZS_LIMITS_TELL_S * ZS_NS_PER_S)
		return false;
	t->told = t->count;
	t->told_ns = now_ns;
	return true;
}

/* Group g is the sum of its shares? */
static bool group_adds_up(const struct zs_limits *m, uint32_t g)
{
	struct zs_usage sum = { 0 };

	for (uint32_t p = zs_peertable_next(&m->table, ZS_PEER_NONE); p != ZS_PEER_NONE;
	     p = zs_peertable_next(&m->table, p))
		zs_usage_add(&sum, &m->peer[p].share[g]);
	return memcmp(&sum, &m->group[g].usage, sizeof(sum)) == 0;
}

bool zs_limits_check(const struct zs_limits *m)
{
	struct zs_usage peers = { 0 }, protocols = { 0 };
	uint32_t resting = 0, listed = 0;

	for (uint32_t p = zs_peertable_next(&m->table, ZS_PEER_NONE); p != ZS_PEER_NONE;
	     p = zs_peertable_next(&m->table, p)) {
		zs_usage_add(&peers, &m->peer[p].usage);
		resting += idle(&m->peer[p]);
	}
	for (uint32_t p = m->idle.head; p != ZS_LIST_NONE; p = m->links[p].next)
		listed++;
	for (uint32_t g = 0; g < m->groups; g++) {
		if (!group_adds_up(m, g))
			return false;
		if (m->group[g].scope == ZS_SCOPE_protocol)
			zs_usage_add(&protocols, &m->group[g].usage);
	}
	for (int d = 0; d < 2; d++)
		if (m->system.conns[d] != m->transient.conns[d] + peers.conns[d] ||
		    m->system.streams[d] != peers.streams[d] ||
		    m->system.streams[d] != m->transient.streams[d] + protocols.streams[d])
			return false;
	return resting == listed && zs_limits_networks_check(m) &&
	       peers.memory_bytes + m->transient.memory_bytes >= m->system.memory_bytes &&
	       zs_pool_check(&m->table.pool);
}
