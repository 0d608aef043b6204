/* From a target to a connection: its name or its dnsaddr records are resolved, its addresses are dialled one after another, a little apart (RFC
 * 8305), and the first that stands is taken. */
#include <errno.h>
#include <stdio.h>
#include "base/clock.h"
#include "node/edge_internal.h"

#define STAGGER_NS (250 * ZS_NS_PER_MS)

static void add(struct edge_link *l, const struct zs_endpoint *at)
{
	const struct zs_edge *e = l->edge;
	enum zs_special class;
	char text[ZS_GATER_TEXT];
	enum zs_gate gate = ZS_GATE_OPEN;

	/* What our own user named may be anywhere. */
	if (l->target.learnt)
		gate = zs_gater_judge(&e->gater, at, ZS_GATER_LEARNT, &class);
	if (gate != ZS_GATE_OPEN)
		snprintf(l->why, sizeof(l->why), "%s", zs_gate_text(gate, class, at, text));
	else if (l->tries < EDGE_TRIES)
		l->at[l->tries++] = *at;
}

static void found(void *ctx, const struct zs_endpoint *at, uint32_t count, const char *why)
{
	struct edge_link *l = ctx;

	l->search = NULL;
	for (uint32_t i = 0; i < count; i++)
		add(l, &at[i]);
	if (count == 0)
		edge_fail(l, ZS_ATTACH_STATE_error, "%s", why);
	else if (l->tries == 0)
		edge_fail(l, ZS_ATTACH_STATE_failed, "%s", l->why);
	else
		zs_attach_client_resolved(l->edge->client, l->number, edge_now(l->edge));
	edge_turn(l->edge);
}

static void resolved(void *ctx, const struct zs_addr *addrs, uint32_t count, const char *why)
{
	struct edge_link *l = ctx;
	struct zs_endpoint at[ZS_RESOLVE_ADDRS];

	l->query = NULL;
	for (uint32_t i = 0; i < count; i++)
		at[i] = (struct zs_endpoint){ .addr = addrs[i], .port = l->target.at.port };
	found(l, at, count, why);
}

static int resolve(struct edge_link *l)
{
	const struct zs_dial_target *at = &l->target.at;
	struct zs_resolver *r = l->edge->config.resolver;

	if (at->host == ZS_DIAL_DNSADDR)
		return zs_dnsaddr_start(&l->search, r, at->name, &at->peer, found, l);
	return zs_node_resolve(&l->query, r, at, resolved, l);
}

void edge_dial(struct edge_link *l)
{
	const struct zs_dial_target *at = &l->target.at;
	int rc;

	if (at->host == ZS_DIAL_IP) {
		add(l, &(struct zs_endpoint){ .addr = at->addr, .port = at->port });
		if (l->tries == 0)
			edge_fail(l, ZS_ATTACH_STATE_failed, "%s", l->why);
		return;
	}
	if (!l->edge->config.resolver) {
		edge_fail(l, ZS_ATTACH_STATE_failed, "%s: give an address", at->name);
		return;
	}
	rc = resolve(l);
	if (rc == -EINVAL)
		edge_fail(l, ZS_ATTACH_STATE_failed, "%s: too long for a /dnsaddr", at->name);
	else if (rc)
		edge_fail(l, ZS_ATTACH_STATE_error, "out of memory");
}

static bool under_way(const struct edge_link *l)
{
	for (uint32_t i = 0; i < l->begun; i++)
		if (l->try[i])
			return true;
	return false;
}

void edge_dial_next(struct edge_link *l)
{
	struct zs_edge *e = l->edge;
	struct zs_error err = { 0 };

	while (!l->failed && !l->conn && l->begun < l->tries && l->next_ns <= edge_now(e)) {
		uint32_t i = l->begun++;

		l->next_ns = edge_now(e) + STAGGER_NS;
		if (zs_host_dial(e->node.host, &l->at[i], l->target.at.peer.len ? &l->target.at.peer : NULL,
				 l, edge_now(e), &l->try[i], &err)) {
			l->try[i] = NULL;
			l->next_ns = 0;
			if (l->begun == l->tries && !under_way(l))
				edge_fail(l, ZS_ATTACH_STATE_error, "%s", err.text);
		}
	}
}

bool edge_dial_won(struct edge_link *l, struct zs_host_conn *conn)
{
	bool ours = false;

	for (uint32_t i = 0; i < l->begun; i++)
		ours |= l->try[i] == conn;
	if (!ours || l->conn)
		return false;
	for (uint32_t i = 0; i < l->begun; i++)
		if (l->try[i] && l->try[i] != conn)
			zs_host_close(l->try[i], ZS_HOST_SUPPLANTED, NULL);
	memset(l->try, 0, sizeof(l->try));
	l->conn = conn;
	return true;
}

/* Our TLS refused the certificate: it is another peer, or no libp2p. */
static bool is_stranger(const struct zs_host_close *why)
{
	return why->by == ZS_HOST_BY_US && !why->application && why->code >= 0x100 && why->code <= 0x1ff;
}

bool edge_dial_lost(struct edge_link *l, const struct zs_host_conn *conn, const struct zs_host_close *why)
{
	char at[ZS_ENDPOINT_TEXT];

	for (uint32_t i = 0; i < l->begun; i++) {
		if (l->try[i] != conn)
			continue;
		l->try[i] = NULL;
		l->next_ns = 0;
		zs_endpoint_format(&l->at[i], at);
		if (l->begun < l->tries || under_way(l))
			return true;
		if (is_stranger(why))
			edge_fail(l, ZS_ATTACH_STATE_failed,
				  "%s: %s; see whether address and peer id belong together", at, why->text);
		else if (why->by == ZS_HOST_BY_SILENCE)
			edge_fail(l, ZS_ATTACH_STATE_timeout,
				  "%s does not answer; see whether the relay runs and UDP reaches it", at);
		else
			edge_fail(l, ZS_ATTACH_STATE_error, "%s: %s", at, why->text);
		return true;
	}
	return false;
}

void edge_dial_cancel(struct edge_link *l, const char *why)
{
	if (l->query)
		zs_resolve_cancel(l->query);
	if (l->search)
		zs_dnsaddr_cancel(l->search);
	for (uint32_t i = 0; i < l->begun; i++)
		if (l->try[i])
			zs_host_close(l->try[i], ZS_HOST_NONE, why);
	if (l->conn)
		zs_host_close(l->conn, ZS_HOST_NONE, why);
}
