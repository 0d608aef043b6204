/* An edge's life, and its turns of the loop. */
#include "node/edge.h"

#include <errno.h>
#include <stdlib.h>
#include "node/edge_internal.h"

#define SEND_BUFFER 65536 /* a stream's: frames of 4 KiB, a few at a time */
#define PEERS	    16	  /* an edge talks with one relay, two while it moves */

/* --- the loop --------------------------------------------------------------------------------- */

static void advance(void *ctx, uint64_t now)
{
	struct zs_edge *e = ctx;

	zs_attach_client_advance(e->client, now);
}

static void work(void *ctx, uint64_t now)
{
	struct zs_edge *e = ctx;

	for (int i = 0; i < EDGE_LINKS; i++)
		if (e->link[i].number)
			edge_dial_next(&e->link[i]);
	edge_tell_failures(e);
}

static uint64_t deadline(void *ctx)
{
	struct zs_edge *e = ctx;
	uint64_t at = zs_attach_client_deadline(e->client);

	for (int i = 0; i < EDGE_LINKS; i++) {
		const struct edge_link *l = &e->link[i];
		if (l->number && !l->conn && l->begun < l->tries && l->next_ns < at)
			at = l->next_ns;
	}
	return at;
}

static const struct zs_node_ops node_ops = { .advance = advance, .work = work, .deadline = deadline };

void edge_turn(struct zs_edge *e)
{
	zs_shell_turn(e->node.shell);
}

/* --- life ------------------------------------------------------------------------------------- */

/* A host for one relay: a thousand of them fit one process. */
static void configure(struct zs_host_config *c)
{
	zs_host_defaults(c);
	zs_node_fill(c->quic.secret, sizeof(c->quic.secret));
	c->hybrid = true;
	c->agent = "zs-edge";
	c->quic.max_connections = PEERS;
	c->quic.max_handshakes = 1;
	c->quic.tombstones = PEERS;
	c->quic.send_buffer = SEND_BUFFER;
	c->limits.peers = PEERS;
	c->connmgr.conns = c->connmgr.high = PEERS;
	c->connmgr.low = PEERS / 2;
	c->connmgr.peers = 2 * PEERS;
	c->peerstore.peers = PEERS;
	c->prefix.sources = PEERS;
	c->dial.dials = c->dial.remembered = PEERS;
	c->cert_cache = 4;
	c->waiting = PEERS;
}

static int make_node(struct zs_edge *e)
{
	const struct zs_host_protocol attach = { .id = ZS_ATTACH_PROTOCOL };
	struct zs_host_config *c = malloc(sizeof(*c)); /* its gater has kilobytes */
	int rc;

	if (!c)
		return -ENOMEM;
	configure(c);
	rc = zs_node_open(&e->node, e->config.loop, c, e->config.identity, &edge_host_ops, &node_ops, e);
	free(c);
	return rc ? rc : zs_host_register(e->node.host, &attach);
}

int zs_edge_new(struct zs_edge **out, const struct zs_edge_config *config, struct zs_error *err)
{
	struct zs_edge *e = calloc(1, sizeof(*e));
	int rc = -ENOMEM;

	if (!e)
		goto memory;
	e->config = *config;
	e->gater.profile = config->profile;
	e->config.attach.random = zs_node_random();
	zs_node_fill(e->config.attach.instance, ZS_ATTACH_INSTANCE);
	rc = zs_attach_client_new(&e->client, &e->config.attach, &edge_client_ops, e);
	if (rc == -EINVAL) {
		zs_error_set(
		    err, rc, ZS_EXIT_USAGE,
		    "token, pre-shared key or names are out of bounds: 512 bytes, 32 not all zero, 32 "
		    "characters and each once");
		goto undo;
	}
	if (rc == 0)
		rc = make_node(e);
	if (rc)
		goto memory;
	rc = zs_shell_open(e->node.shell, &config->local, 0, NULL, err);
	if (rc)
		goto undo;
	*out = e;
	return 0;
memory:
	zs_error_set(err, rc, ZS_EXIT_RESOURCE, "out of memory");
undo:
	zs_edge_delete(e);
	return rc;
}

void zs_edge_delete(struct zs_edge *e)
{
	if (!e)
		return;
	for (int i = 0; i < EDGE_LINKS; i++)
		if (e->link[i].number)
			edge_client_ops.close(e, e->link[i].number, "shutting down");
	zs_node_close(&e->node);
	zs_attach_client_delete(e->client);
	free(e);
}

struct zs_attach_client *zs_edge_client(struct zs_edge *e)
{
	return e->client;
}

void zs_edge_turn(struct zs_edge *e)
{
	edge_turn(e);
}

void zs_edge_start(struct zs_edge *e)
{
	zs_attach_client_start(e->client, edge_now(e));
	edge_turn(e);
}

void zs_edge_detach(struct zs_edge *e)
{
	zs_attach_client_detach(e->client, edge_now(e));
	edge_turn(e);
}
