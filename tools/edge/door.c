/* The door to the service port for a program on this machine whose QUIC stack has the relay's connection IDs: it sends to a
 * UDP port of ours on loopback as it would to the relay, which goes through the tunnel without a flow, and back.
 *
 * Whose datagrams those are is found as the relay finds a peer: the program is given random bytes over the UNIX socket, which
 * is its user's alone, to be sent from its UDP socket; they come from its address. Until then, and from anywhere else, nothing
 * passes. Who moved without a word is heard from an unknown address, and asked again. */
#include <endian.h>
#include <errno.h>
#include <netinet/in.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "cid_socket.h"
#include "data_internal.h"

#define AGAIN_NS (1 * ZS_NS_PER_S)
#define TOKEN	 21 /* a long header of the relay's own version, 16 random bytes */

struct edge_door {
	struct zs_edge_data *data;
	struct zs_cid_socket *socket;
	struct zs_udp *udp;
	struct zs_timer *timer;
	struct zs_endpoint at, program; /* program.port 0: not found yet */
	uint8_t token[TOKEN];
	bool present, asking; /* a program is there; it was given the token */
	uint64_t asked_ns;
	struct zs_endpoint told; /* as was told outside */
};

static const struct zs_tunnel_flow no_flow;

/* --- where the program is --------------------------------------------------------------------- */

static void tell(struct edge_door *g)
{
	const struct zs_edge_data_config *c = &g->data->config;
	struct zs_uplink_state up;
	const struct zs_endpoint *bound = NULL;
	static const struct zs_endpoint nobody;

	zs_uplink_state(g->data->uplink, &up);
	if (up.way.relay.port && g->program.port)
		bound = &g->program;
	zs_cid_socket_state(g->socket, &g->at, bound);
	if (zs_endpoint_eq(bound ? bound : &nobody, &g->told))
		return;
	g->told = bound ? *bound : nobody;
	c->bound(c->ctx, &g->at, bound);
}

static void ask(struct edge_door *g)
{
	g->asked_ns = data_now(g->data);
	g->asking = true;
	zs_cid_socket_out(g->socket, g->token, sizeof(g->token));
	zs_timer_after(g->timer, AGAIN_NS);
}

static void draw(struct edge_door *g)
{
	const struct zs_random *r = g->data->config.random;

	memcpy(g->token, (uint8_t[]){ 0xc0, 0x5a, 0x53, 0, 1 }, 5);
	r->fill(r->ctx, g->token + 5, TOKEN - 5);
	ask(g);
}

static void on_timer(void *ctx)
{
	struct edge_door *g = ctx;

	if (g->present && g->asking)
		ask(g);
}

static void found(struct edge_door *g, const struct zs_endpoint *from)
{
	g->program = *from;
	g->asking = false;
	tell(g);
}

/* --- datagrams -------------------------------------------------------------------------------- */

static void take(struct edge_door *g, const struct zs_udp_datagram *in)
{
	struct zs_edge_data *d = g->data;

	if (g->present && in->len == TOKEN && !sodium_memcmp(in->data, g->token, TOKEN)) {
		found(g, &in->peer);
	} else if (g->program.port && zs_endpoint_eq(&in->peer, &g->program)) {
		zs_uplink_send(d->uplink, &no_flow, in->ecn, in->data, in->len);
	} else {
		d->strays++;
		if (g->present && !g->asking && data_now(d) - g->asked_ns >= AGAIN_NS)
			draw(g);
	}
}

static void on_datagrams(void *ctx, struct zs_udp *udp, const struct zs_udp_datagram *in, size_t count)
{
	struct edge_door *g = ctx;

	for (size_t i = 0; i < count; i++)
		take(g, &in[i]);
	edge_data_turn(g->data);
}

bool edge_door_data(struct edge_door *g, uint8_t ecn, const uint8_t *payload, size_t len)
{
	if (!g || !g->program.port)
		return false;
	edge_reply(g->data->replies, g->udp,
		   &(struct zs_udp_datagram){
		       .peer = g->program, .local = g->at, .ecn = ecn, .data = payload, .len = len });
	return true;
}

/* --- what the program says -------------------------------------------------------------------- */

static bool on_own(void *ctx, uint8_t cid[ZS_BIND_CID])
{
	const struct zs_edge_data_config *c = &((struct edge_door *)ctx)->data->config;

	return c->own(c->ctx, cid);
}

static void on_dial(void *ctx, const struct zs_peer_id *callee)
{
	struct edge_door *g = ctx;
	const struct zs_edge_data_config *c = &g->data->config;
	int rc = callee ? c->ask(c->ctx, callee) : -EINVAL;

	if (rc)
		zs_cid_socket_refuse(g->socket, rc);
}

/* The relay says nothing in a tunnel that a binding's keeper would have to hear. */
static void on_bytes(void *ctx, const void *bytes, size_t len) {}

static void on_moved(void *ctx)
{
	draw(ctx);
}

static void on_turn(void *ctx)
{
	struct edge_door *g = ctx;

	if (!g->present) {
		g->present = true;
		tell(g);
		draw(g);
	}
	tell(g);
}

static void on_gone(void *ctx)
{
	struct edge_door *g = ctx;

	g->present = g->asking = false;
	g->program.port = 0;
	tell(g);
}

static const struct zs_cid_socket_ops ops = { .own = on_own,
					      .dial = on_dial,
					      .in = on_bytes,
					      .sent = on_bytes,
					      .moved = on_moved,
					      .turn = on_turn,
					      .gone = on_gone };

/* --- life ------------------------------------------------------------------------------------- */

void edge_door_tell(struct edge_door *g)
{
	if (g)
		tell(g);
}

void edge_door_dial(struct edge_door *g, const uint8_t *cid, const char *why)
{
	if (g)
		zs_cid_socket_dial(g->socket, cid, why);
}

int edge_door_new(struct edge_door **out, struct zs_edge_data *d, struct zs_error *err)
{
	const struct zs_endpoint any = { .addr = zs_addr_from4(htobe32(INADDR_LOOPBACK)) };
	struct edge_door *g = calloc(1, sizeof(*g));
	int rc;

	if (!g)
		return zs_error_set(err, -ENOMEM, ZS_EXIT_RESOURCE, "out of memory");
	*out = g;
	g->data = d;
	if (zs_timer_new(&g->timer, d->config.loop, on_timer, g))
		return zs_error_set(err, -ENOMEM, ZS_EXIT_RESOURCE, "out of memory");
	rc = zs_udp_open(&g->udp, d->config.loop, &any, 0, on_datagrams, g, err);
	if (rc)
		return rc;
	g->at = zs_udp_local(g->udp);
	return zs_cid_socket_new(&g->socket, d->config.loop, d->config.cid_socket, &ops, g, err);
}

void edge_door_delete(struct edge_door *g)
{
	if (!g)
		return;
	zs_cid_socket_delete(g->socket);
	zs_udp_close(g->udp);
	if (g->timer)
		zs_timer_delete(g->timer);
	free(g);
}
