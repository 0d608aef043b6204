/* Who is there before the flood: bound peers, confirmed flows, a target without a free source port, a tunnel in use. */
#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include "base/clock.h"
#include "binds.h"
#include "flood/world.h"
#include "hot.h"
#include "relay/edge_tunnel.h"

#define STEPS 20000 /* turns until something that must come has come */

/* An edge's datagram, kept for whoever puts it into the ring. */
static void edge_send(void *ctx, const struct zs_endpoint *to, uint8_t ecn, const uint8_t *datagram,
		      size_t len)
{
	struct flood_world *w = ctx;

	if (len > FLOOD_FRAME - 64) /* a PROBE of the path's MTU: lost */
		return;
	flood_udp(&w->from_edge, &flood_edge, to, datagram, (uint16_t)len);
	w->edge_spoke = true;
}

static void bind_peers(struct flood_world *w)
{
	struct zs_worker *me = w->bed->dp.worker[ZS_BINDER];

	for (uint32_t i = 0; i < FLOOD_PEERS + FLOOD_GREEDY; i++) {
		struct zs_binding before = zs_binds_get(me, i + 1), after = before;
		struct zs_endpoint at = flood_peer(i);

		after.receiver[0] = i + 1;
		after.bind_id[0] = after.counter[0] = after.holder = 1;
		after.generation = FLOOD_GENERATION;
		after.addr = at.addr;
		after.port = at.port;
		after.expires_ns = zs_clock_ns() + 3600 * ZS_NS_PER_S;
		zs_binds_put(me, i + 1, &before, &after);
	}
}

static void say(struct flood_world *w, uint32_t port, const struct zs_endpoint *from, uint16_t to)
{
	struct zs_endpoint relay = flood_relay(port, to);
	struct flood_frame f;

	flood_udp(&f, from, &relay, "hello", 5);
	flood_put(w, port, &f);
	flood_drain(w);
}

/* Asked, answered, asked again. Returns the flow's source port, 0: there was none. */
static uint16_t confirm(struct flood_world *w, struct zs_endpoint client, uint16_t published,
			const struct zs_endpoint *target)
{
	w->last_port = 0;
	say(w, 0, &client, published);
	if (!w->last_port)
		return 0;
	say(w, 1, target, w->last_port);
	say(w, 0, &client, published);
	return w->last_port;
}

/* Flows of clients that know the target, and of as many others as another target has source ports for. */
static void confirm_flows(struct flood_world *w)
{
	uint32_t full = 0;

	for (uint32_t i = 0; i < FLOOD_FLOWS; i++)
		w->flow_port[i] = confirm(w, flood_client(i), FLOOD_PUBLISHED, &flood_target);
	while (confirm(w, flood_client(FLOOD_FLOWS + full), FLOOD_FULL, &flood_full_target))
		full++;
	ZS_CHECK(full > 1000 && w->bed->w->drop[ZS_DROP_flow_ports] == 1, "%u flows fill a target's ports",
		 full);
}

static void nothing_opened(void *ctx, const struct zs_tunnel_flow *flow, const struct zs_endpoint *client,
			   uint16_t port)
{
}

static void nothing_came(void *ctx, const struct zs_tunnel_flow *flow, uint8_t ecn, const uint8_t *payload,
			 size_t len)
{
}

static void nothing_closed(void *ctx, const struct zs_tunnel_flow *flow, uint16_t reason) {}

static void path(void *ctx, enum zs_edge_path what, uint32_t payload)
{
	((struct flood_world *)ctx)->edge_up |= what == ZS_EDGE_PATH_UP;
}

static void nothing_ended(void *ctx, uint16_t reason) {}

static void fill(void *ctx, void *out, size_t len)
{
	ZS_CHECK(getrandom(out, len, 0) == (ssize_t)len, "the kernel's random numbers");
}

static const struct zs_edge_tunnel_ops edge_ops = { .send = edge_send,
						    .opened = nothing_opened,
						    .data = nothing_came,
						    .closed = nothing_closed,
						    .path = path,
						    .ended = nothing_ended };

/* A tunnel in use, its edge at its endpoint. Its last datagram that the worker took is kept. */
static int raise_tunnel(struct flood_world *w, struct zs_error *err)
{
	static const struct zs_random random = { .fill = fill };
	static const struct zs_edge_tunnel_config config = { .flows = 16, .idle_ns = 10 * ZS_NS_PER_S };
	struct zs_edge_session s = { .receiver = 0x11223344,
				     .peer = FLOOD_RECEIVER,
				     .relay = { flood_relay(0, ZS_BED_TUNNEL) },
				     .relays = 1,
				     .most = 1472 };

	memset(s.root, FLOOD_EDGE % 200 + 1, sizeof(s.root));
	w->edge = zs_edge_tunnel_new(&config, &edge_ops, w, &random);
	if (!w->edge || zs_edge_tunnel_session(w->edge, &s, zs_clock_ns()))
		return zs_error_set(err, -ENOMEM, ZS_EXIT_RESOURCE, "no memory for an edge");
	for (int i = 0; i < STEPS && !w->edge_up; i++) {
		if (zs_edge_tunnel_deadline(w->edge) <= zs_clock_ns())
			zs_edge_tunnel_due(w->edge, zs_clock_ns());
		if (w->edge_spoke) {
			w->edge_spoke = false;
			w->recorded = w->from_edge;
			flood_put(w, 0, &w->recorded);
		}
		flood_turn(w);
	}
	return w->edge_up ? 0 : zs_error_set(err, -ETIMEDOUT, ZS_EXIT_FAILED, "the tunnel does not come up");
}

int flood_settle(struct flood_world *w, struct zs_error *err)
{
	uint64_t until = zs_clock_ns() + ZS_NS_PER_S;
	int rc;

	flood_drain(w);
	bind_peers(w);
	while (w->bed->w->hot[FLOOD_PEERS + FLOOD_GREEDY].port == 0 && zs_clock_ns() < until)
		flood_turn(w);
	confirm_flows(w);
	rc = raise_tunnel(w, err);
	memset(w->left, 0, sizeof(w->left));
	return rc;
}
