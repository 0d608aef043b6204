/* What people and metrics see. */
#include "p2p/host/internal.h"

static const char *state_of(const struct zs_host_conn *c)
{
	if (c->state == ZS_HCONN_SHAKING)
		return c->dialled ? "dialling" : "handshake";
	if (c->leaving || !c->announced)
		return "closing";
	return c->identified ? "identified" : "connected";
}

static void view(struct zs_host_conn *c, struct zs_host_conn_view *v)
{
	struct zs_host *h = c->host;
	const struct zs_peer_info *info = zs_peerstore_get(h->peerstore, &c->id, h->now);

	*v = (struct zs_host_conn_view){
		.peer = c->id,
		.state = state_of(c),
		.dialled = c->dialled,
		.limited = c->limited,
		.identified = c->identified,
		.kept = c->announced &&
			zs_connmgr_keepalive(h->connmgr, c->manager, h->now) != ZS_CONNMGR_NEVER,
		.protocols = c->protocols,
		.streams_in = c->streams_in,
		.streams_out = c->streams_out,
		.since_ns = c->since_ns,
		.memory_bytes = c->limits.usage.memory_bytes,
		.refusals = c->refusals,
		.score = zs_connmgr_score(h->connmgr, &c->id),
	};
	if (info)
		memcpy(v->agent, info->agent, sizeof(v->agent));
	zs_link_view(c, v);
}

void zs_host_each(struct zs_host *h, void (*fn)(void *user, const struct zs_host_conn_view *view), void *user)
{
	struct zs_host_conn_view v;
	struct zs_host_conn *c;

	/* Closing one leaves it in the list until a later pull. */
	TAILQ_FOREACH(c, &h->conns, all)
	{
		view(c, &v);
		fn(user, &v);
	}
}

void zs_host_stats(const struct zs_host *h, struct zs_host_stats *out)
{
	*out = h->stats;
	zs_quic_stats(h->quic, &out->quic);
	out->system = zs_limits_usage(h->limits, ZS_SCOPE_system);
	out->transient = zs_limits_usage(h->limits, ZS_SCOPE_transient);
}

uint64_t zs_host_refused(const struct zs_host *h, enum zs_scope scope, enum zs_resource resource)
{
	return zs_limits_refused(h->limits, scope, resource);
}

static bool conn_is_sound(const struct zs_host *h, const struct zs_host_conn *c)
{
	const struct zs_host_stream *s;
	uint32_t in = 0, out = 0;

	TAILQ_FOREACH(s, &c->streams, link)
	{
		if (s->conn != c || s->state == ZS_HSTREAM_WAITING)
			return false;
		in += !s->ours;
		out += s->ours;
	}
	return in == c->streams_in && out == c->streams_out &&
	       (!c->announced || (c->peer != ZS_PEER_NONE && h->managed[c->manager] == c));
}

bool zs_host_check(const struct zs_host *h)
{
	const struct zs_host_conn *c;
	const struct zs_host_stream *s;
	uint32_t conns = 0, waiting = 0, streams = 0;

	TAILQ_FOREACH(c, &h->conns, all)
	{
		conns++;
		streams += c->streams_in + c->streams_out;
		if (!conn_is_sound(h, c))
			return false;
		TAILQ_FOREACH(s, &c->waiting, link)
		waiting++;
	}
	for (uint32_t p = zs_peertable_next(&h->peers, ZS_PEER_NONE); p != ZS_PEER_NONE;
	     p = zs_peertable_next(&h->peers, p))
		TAILQ_FOREACH(s, &h->peer[p].waiting, link)
	waiting++;
	return conns == h->stats.conns && waiting == h->stats.waiting &&
	       streams + waiting == h->stats.streams && h->peers.pool.used == h->stats.peers &&
	       zs_limits_check(h->limits) && zs_connmgr_check(h->connmgr) && zs_peerstore_check(h->peerstore);
}
