/* Connections: admission when the handshake has proved the peer, and the end. */
#include <errno.h>
#include <stdlib.h>
#include "base/check.h"
#include "p2p/host/internal.h"

const char *zs_host_code_text(uint64_t code)
{
	switch (code) {
#define ZS_HOST_CODE(name, number, text)                                                                     \
	case number:                                                                                         \
		return text;
#include "defs/p2p_host.def"
#undef ZS_HOST_CODE
	}
	return "for a reason of its own";
}

struct zs_host_conn *zs_hconn_new(struct zs_host *h, bool dialled)
{
	struct zs_host_conn *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->host = h;
	c->dialled = dialled;
	c->peer = ZS_PEER_NONE;
	TAILQ_INIT(&c->streams);
	TAILQ_INIT(&c->waiting);
	TAILQ_INSERT_TAIL(&h->conns, c, all);
	h->stats.conns++;
	return c;
}

void zs_hconn_free(struct zs_host_conn *c)
{
	struct zs_host *h = c->host;

	if (c->counted)
		zs_limits_conn_close(h->limits, &c->limits);
	TAILQ_REMOVE(&h->conns, c, all);
	h->stats.conns--;
	free(c);
}

static bool is_protected(const struct zs_host *h, const struct zs_peer_id *peer)
{
	const char *reason[ZS_CONNMGR_REASONS];

	return zs_connmgr_reasons(h->connmgr, peer, reason) > 0;
}

/* From transient to the peer and, unless that is protected, its network; with its memory. */
static int count(struct zs_host_conn *c, struct zs_refusal *why)
{
	struct zs_host *h = c->host;
	struct zs_endpoint remote = zs_host_conn_remote(c);
	int rc = zs_limits_conn_peer(h->limits, &c->limits, &c->id, h->now, why);

	if (rc == 0 && !is_protected(h, &c->id))
		rc = zs_limits_conn_network(h->limits, &c->limits, &remote.addr, why);
	if (rc == 0)
		rc = zs_limits_conn_memory(h->limits, &c->limits, h->config.connection_bytes,
					   ZS_PRIORITY_ALWAYS, why);
	return rc;
}

void zs_hconn_weigh(struct zs_host_conn *c, uint64_t bytes)
{
	struct zs_host *h = c->host;
	uint64_t free_bytes = h->config.connection_bytes + h->config.connection_free;
	uint64_t want = bytes > free_bytes ? bytes - free_bytes : 0;
	struct zs_refusal why = { 0 };
	char text[ZS_HOST_TEXT];

	if (!c->announced || c->leaving)
		return;
	if (want > c->weighed &&
	    zs_limits_conn_memory(h->limits, &c->limits, want - c->weighed, ZS_PRIORITY_MEDIUM, &why) < 0) {
		zs_host_refused_by(h, c, &why);
		zs_host_close(c, ZS_HOST_RESOURCES, zs_host_refusal_brief(&why, text));
		return;
	}
	if (want < c->weighed)
		zs_limits_conn_memory_give(h->limits, &c->limits, c->weighed - want);
	c->weighed = want;
}

/* Into the tables of peers and of the connection manager. */
static bool enlist(struct zs_host_conn *c)
{
	struct zs_host *h = c->host;
	uint32_t slot = zs_host_peer_get(h, &c->id);

	if (slot == ZS_PEER_NONE)
		return false;
	if (zs_connmgr_add(h->connmgr, &c->id, c->dialled ? ZS_OUT : ZS_IN, h->now, &c->manager) < 0) {
		zs_host_peer_put(h, slot);
		return false;
	}
	c->peer = slot;
	h->managed[c->manager] = c;
	TAILQ_INSERT_HEAD(&h->peer[slot].conns, c, same);
	return true;
}

static void refuse(struct zs_host_conn *c, const struct zs_refusal *why, char text[ZS_HOST_TEXT])
{
	bool rate = why->resource == ZS_RESOURCE_conns_per_s;

	zs_host_refused_by(c->host, c, why);
	c->leaving = true;
	zs_link_close(c, rate ? ZS_HOST_RATE : ZS_HOST_RESOURCES, zs_host_refusal_brief(why, text));
}

/* Says no by a close whose text is left in `text`. */
static bool admit(struct zs_host_conn *c, char text[ZS_HOST_TEXT])
{
	struct zs_host *h = c->host;
	enum zs_host_code code = ZS_HOST_NONE;
	struct zs_refusal why = { 0 };

	if (count(c, &why) < 0) {
		refuse(c, &why, text);
		return false;
	}
	if (h->down)
		code = ZS_HOST_SHUTDOWN;
	else if (zs_peer_id_eq(&c->id, &h->id) || (h->ops.admit && !h->ops.admit(h->ctx, c)))
		code = ZS_HOST_GATED;
	else if (!enlist(c))
		code = ZS_HOST_RESOURCES;
	if (code == ZS_HOST_NONE)
		return true;
	strcpy(text, zs_host_code_text(code));
	zs_host_close(c, code, text);
	return false;
}

static void keep_alive(struct zs_host_conn *c)
{
	struct zs_host *h = c->host;
	bool keep = zs_connmgr_keepalive(h->connmgr, c->manager, h->now) != ZS_CONNMGR_NEVER;

	zs_link_keep_alive(c, c->silence_ns ? c->silence_ns
			      : keep	    ? h->config.connmgr.silence_ns
					    : h->config.quic.keep_alive_ns);
}

void zs_hconn_up(struct zs_host_conn *c)
{
	struct zs_host *h = c->host;
	char text[ZS_HOST_TEXT] = "";
	bool admitted;

	c->state = ZS_HCONN_UP;
	c->since_ns = h->now;
	admitted = admit(c, text);
	if (c->dialled && !c->direct)
		zs_hdial_result(c, admitted, text);
	if (!admitted)
		return;
	c->announced = true;
	zs_hsurplus_mark(c);
	keep_alive(c);
	zs_hidentify_ask(c);
	if (h->ops.connected)
		h->ops.connected(h->ctx, c);
	zs_hopen_waiting(c);
}

static void delist(struct zs_host_conn *c)
{
	struct zs_host *h = c->host;

	zs_hsurplus_forget(c);
	TAILQ_REMOVE(&h->peer[c->peer].conns, c, same);
	if (TAILQ_EMPTY(&h->peer[c->peer].conns))
		zs_peerstore_disconnected(h->peerstore, &c->id, h->now);
	zs_connmgr_remove(h->connmgr, c->manager);
	h->managed[c->manager] = NULL;
	zs_host_peer_put(h, c->peer);
}

void zs_hconn_down(struct zs_host_conn *c, const struct zs_host_close *why)
{
	struct zs_host *h = c->host;

	c->leaving = true;
	while (!TAILQ_EMPTY(&c->waiting))
		zs_hstream_fail(TAILQ_FIRST(&c->waiting), ZS_STREAM_DISCONNECTED, 0, why->text);
	ZS_CHECK(TAILQ_EMPTY(&c->streams), "streams outlive their connection");
	if (c->state == ZS_HCONN_SHAKING && c->dialled && !c->direct)
		zs_hdial_result(c, false, why->text);
	if (c->announced || c->direct) {
		c->leaving = true;
		if (h->ops.disconnected)
			h->ops.disconnected(h->ctx, c, why);
	}
	if (c->peer != ZS_PEER_NONE)
		delist(c);
	zs_hconn_free(c);
}

void zs_hconn_more(struct zs_host_conn *c)
{
	struct zs_host_stream *s;

	while ((s = TAILQ_FIRST(&c->waiting))) {
		zs_hopen_on(s, c);
		if (TAILQ_FIRST(&c->waiting) == s)
			break;
	}
}

void zs_host_conn_keep_alive(struct zs_host_conn *c, uint64_t silence_ns)
{
	c->silence_ns = silence_ns;
	if (c->announced)
		keep_alive(c);
}

/* --- what the caller may ask ---------------------------------------------------------------- */

void zs_host_close(struct zs_host_conn *c, enum zs_host_code code, const char *text)
{
	c->leaving = true;
	zs_link_close(c, code, text ? text : zs_host_code_text(code));
}

static int rank(const struct zs_host_conn *c)
{
	return 2 * !c->limited + !c->surplus;
}

struct zs_host_conn *zs_host_conn_to(struct zs_host *h, const struct zs_peer_id *peer)
{
	uint32_t slot = zs_peertable_find(&h->peers, peer);
	struct zs_host_conn *c, *best = NULL;

	if (slot == ZS_PEER_NONE)
		return NULL;
	TAILQ_FOREACH(c, &h->peer[slot].conns, same)
	if (c->announced && !c->leaving && (!best || rank(c) > rank(best)))
		best = c;
	return best;
}

void zs_host_disconnect(struct zs_host *h, const struct zs_peer_id *peer, enum zs_host_code code,
			const char *text)
{
	uint32_t slot = zs_peertable_find(&h->peers, peer);
	struct zs_host_conn *c;

	if (slot == ZS_PEER_NONE)
		return;
	TAILQ_FOREACH(c, &h->peer[slot].conns, same)
	zs_host_close(c, code, text);
}

int zs_host_tag(struct zs_host *h, const struct zs_peer_id *peer, const char *name, int32_t value)
{
	return zs_connmgr_tag(h->connmgr, peer, name, value);
}

/* Who is protected no more counts in its network again, and goes when that is full. */
static void count_in_network(struct zs_host_conn *c)
{
	struct zs_host *h = c->host;
	struct zs_endpoint remote = zs_host_conn_remote(c);
	struct zs_refusal why = { 0 };
	char text[ZS_HOST_TEXT];

	if (c->limits.network == ZS_PEER_NONE && !c->leaving &&
	    zs_limits_conn_network(h->limits, &c->limits, &remote.addr, &why) < 0)
		refuse(c, &why, text);
}

/* After a change of its protection. */
static void keep_all(struct zs_host *h, const struct zs_peer_id *peer)
{
	uint32_t slot = zs_peertable_find(&h->peers, peer);
	bool spared = is_protected(h, peer);
	struct zs_host_conn *c;

	if (slot == ZS_PEER_NONE)
		return;
	TAILQ_FOREACH(c, &h->peer[slot].conns, same)
	{
		keep_alive(c);
		if (spared)
			zs_limits_conn_spare(h->limits, &c->limits);
		else
			count_in_network(c);
	}
}

int zs_host_protect(struct zs_host *h, const struct zs_peer_id *peer, const char *reason, bool keep)
{
	int rc = zs_connmgr_protect(h->connmgr, peer, reason, keep);

	keep_all(h, peer);
	return rc;
}

bool zs_host_unprotect(struct zs_host *h, const struct zs_peer_id *peer, const char *reason)
{
	bool more = zs_connmgr_unprotect(h->connmgr, peer, reason);

	keep_all(h, peer);
	return more;
}

const struct zs_peer_id *zs_host_conn_peer(const struct zs_host_conn *c)
{
	return &c->id;
}

bool zs_host_conn_is_dialled(const struct zs_host_conn *c)
{
	return c->dialled;
}

bool zs_host_conn_is_identified(const struct zs_host_conn *c)
{
	return c->identified;
}

void *zs_host_conn_user(const struct zs_host_conn *c)
{
	return c->user;
}

void zs_host_conn_set_user(struct zs_host_conn *c, void *user)
{
	c->user = user;
}

void zs_host_conn_set_limited(struct zs_host_conn *c, bool limited)
{
	c->limited = limited;
}
