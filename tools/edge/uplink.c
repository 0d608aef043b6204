/* What the tunnel says is sealed in slots of one buffer and leaves in batches, which GSO joins: slots are taken in turn and
 * are free again after a flush. A payload gets its slot first, so that it is sealed where it lies; what the tunnel says
 * meanwhile (OPEN) takes the next one. */
#include "uplink.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "relay/codes.h"
#include "relay/pmtu.h"
#include "way.h"

#define SLOTS	   64
#define SLOT	   2048
#define MOST	   (SLOT - 64) /* of a tunnel datagram: no path across the internet carries more */
#define SILENCE_NS (5 * ZS_NS_PER_S)
#define SETTLE_NS  (2 * ZS_NS_PER_S) /* a way that changes more is told once */

struct zs_uplink {
	struct zs_uplink_config config;
	const struct zs_uplink_ops *ops;
	void *ctx;
	struct zs_edge_tunnel *tunnel;
	struct zs_udp *udp;
	struct zs_timer *timer;
	/* What was granted last. */
	uint32_t link, attachment, generation;
	struct zs_peer_id peer;
	struct zs_endpoint relay[ZS_EDGE_RELAYS];
	uint32_t relays;
	struct zs_addr source;		/* ours, toward the relay */
	uint64_t silent_ns, settled_ns; /* when to tell; UINT64_MAX: not */
	uint64_t sent_ns, in, out, in_bytes, out_bytes, sessions;
	uint64_t drops[ZS_DROPS];
	/* Datagrams that wait for a flush. */
	struct zs_udp_datagram queue[SLOTS];
	uint32_t queued, slot; /* slots taken */
	uint8_t *slots, *scratch;
};

static uint64_t now_of(const struct zs_uplink *u)
{
	return zs_loop_now(u->config.loop);
}

static void tell(struct zs_uplink *u, enum zs_uplink_news news, uint16_t reason)
{
	struct zs_uplink_event event = { news, u->link, reason, u->relay[0] };
	struct zs_edge_way way;

	if (zs_edge_tunnel_way(u->tunnel, &way) && news != ZS_UPLINK_SILENT)
		event.relay = way.relay;
	u->ops->news(u->ctx, &event);
}

/* --- sending ---------------------------------------------------------------------------------- */

static void push(struct zs_uplink *u)
{
	if (u->queued)
		zs_udp_send(u->udp, u->queue, u->queued);
	u->queued = u->slot = 0;
}

static uint8_t *take_slot(struct zs_uplink *u)
{
	return u->slots + (size_t)u->slot++ * SLOT;
}

static void op_send(void *ctx, const struct zs_endpoint *to, uint8_t ecn, const uint8_t *datagram, size_t len)
{
	struct zs_uplink *u = ctx;
	bool ours = datagram >= u->slots && datagram < u->slots + SLOTS * SLOT;

	if (len > SLOT)
		return;
	if (!ours) {
		if (u->slot == SLOTS)
			push(u);
		datagram = memcpy(take_slot(u), datagram, len);
	}
	u->queue[u->queued++] = (struct zs_udp_datagram){
		.peer = *to, .ecn = ecn, .data = datagram, .len = len
	};
	u->sent_ns = now_of(u);
}

enum zs_drop zs_uplink_send(struct zs_uplink *u, const struct zs_tunnel_flow *flow, uint8_t ecn,
			    const void *payload, size_t len)
{
	enum zs_drop why = ZS_DROP_tunnel_mtu;
	uint8_t *slot;

	if (len <= MOST) {
		if (u->slot + 2 > SLOTS) /* an OPEN may come with it */
			push(u);
		slot = take_slot(u) + ZS_EDGE_HEADROOM;
		memcpy(slot, payload, len);
		why = zs_edge_tunnel_data(u->tunnel, flow, ecn, slot, len, now_of(u));
	}
	if (why == ZS_DROPS) {
		u->out++;
		u->out_bytes += len;
	} else {
		u->drops[why]++;
	}
	return why;
}

void zs_uplink_flush(struct zs_uplink *u)
{
	uint64_t at = zs_edge_tunnel_deadline(u->tunnel);

	push(u);
	at = u->silent_ns < at ? u->silent_ns : at;
	at = u->settled_ns < at ? u->settled_ns : at;
	zs_timer_set(u->timer, at == UINT64_MAX ? 0 : at ? at : 1);
}

/* --- the way ---------------------------------------------------------------------------------- */

/* Of the relay's addresses that there is a way to; at least what QUIC needs, since the kernel may have believed a lie. */
static uint32_t longest(const struct zs_uplink *u)
{
	uint32_t most = ZS_PMTU_BASE;
	struct zs_addr source;

	for (uint32_t i = 0; i < u->relays; i++) {
		uint32_t one = zs_way_out(&u->relay[i], &source);
		most = one > most ? one : most;
	}
	return most < MOST ? most : MOST;
}

/* --- the tunnel's upcalls --------------------------------------------------------------------- */

static void op_opened(void *ctx, const struct zs_tunnel_flow *flow, const struct zs_endpoint *client,
		      uint16_t port)
{
	struct zs_uplink *u = ctx;

	u->ops->opened(u->ctx, flow, client);
}

static void op_data(void *ctx, const struct zs_tunnel_flow *flow, uint8_t ecn, const uint8_t *payload,
		    size_t len)
{
	struct zs_uplink *u = ctx;

	u->in++;
	u->in_bytes += len;
	u->ops->data(u->ctx, flow, ecn, payload, len);
}

static void op_closed(void *ctx, const struct zs_tunnel_flow *flow, uint16_t reason)
{
	struct zs_uplink *u = ctx;

	u->ops->closed(u->ctx, flow, reason);
}

static void op_path(void *ctx, enum zs_edge_path what, uint32_t payload)
{
	struct zs_uplink *u = ctx;
	struct zs_edge_way way;

	if (what == ZS_EDGE_PATH_SMALL || what == ZS_EDGE_PATH_SILENT) {
		tell(u, what == ZS_EDGE_PATH_SMALL ? ZS_UPLINK_SMALL : ZS_UPLINK_LOST, 0);
		return;
	}
	u->settled_ns = now_of(u) + SETTLE_NS;
	if (what != ZS_EDGE_PATH_UP)
		return;
	if (zs_edge_tunnel_way(u->tunnel, &way))
		zs_way_out(&way.relay, &u->source);
	u->silent_ns = UINT64_MAX;
	u->sessions++;
	tell(u, ZS_UPLINK_UP, 0);
}

static void op_ended(void *ctx, uint16_t reason)
{
	struct zs_uplink *u = ctx;

	u->silent_ns = u->settled_ns = UINT64_MAX;
	tell(u, ZS_UPLINK_ENDED, reason);
}

static const struct zs_edge_tunnel_ops tunnel_ops = { .send = op_send,
						      .opened = op_opened,
						      .data = op_data,
						      .closed = op_closed,
						      .path = op_path,
						      .ended = op_ended };

/* --- socket and timer ------------------------------------------------------------------------- */

static void on_datagrams(void *ctx, struct zs_udp *udp, const struct zs_udp_datagram *in, size_t count)
{
	struct zs_uplink *u = ctx;

	for (size_t i = 0; i < count; i++) {
		enum zs_drop why = ZS_DROP_tunnel_mtu;

		if (in[i].len <= SLOT) {
			memcpy(u->scratch, in[i].data, in[i].len);
			why = zs_edge_tunnel_receive(u->tunnel, &in[i].peer, in[i].ecn, u->scratch, in[i].len,
						     now_of(u));
		}
		if (why != ZS_DROPS)
			u->drops[why]++;
	}
	u->ops->burst(u->ctx);
	zs_uplink_flush(u);
}

static void on_timer(void *ctx)
{
	struct zs_uplink *u = ctx;
	uint64_t now = now_of(u);

	zs_edge_tunnel_due(u->tunnel, now);
	if (now >= u->silent_ns) {
		u->silent_ns = UINT64_MAX;
		tell(u, ZS_UPLINK_SILENT, 0);
	}
	if (now >= u->settled_ns) {
		u->settled_ns = UINT64_MAX;
		tell(u, ZS_UPLINK_WAY, 0);
	}
	zs_uplink_flush(u);
}

/* --- sessions --------------------------------------------------------------------------------- */

static int make_tunnel(struct zs_uplink *u)
{
	const struct zs_edge_tunnel_config config = { .flows = u->config.flows,
						      .idle_ns = u->config.idle_ns };

	u->tunnel = zs_edge_tunnel_new(&config, &tunnel_ops, u, u->config.random);
	return u->tunnel ? 0 : -ENOMEM;
}

static bool is_same(const struct zs_uplink *u, const struct zs_attach_session *s)
{
	return u->attachment == s->attachment && u->generation == s->generation &&
	       zs_peer_id_eq(&u->peer, &s->relay);
}

/* Flows, their numbers and what may go in clear are an attachment's. */
static int renew(struct zs_uplink *u, const struct zs_attach_session *s)
{
	struct zs_edge_tunnel *old = u->tunnel;
	int rc;

	if (is_same(u, s))
		return 0;
	rc = make_tunnel(u);
	if (rc) {
		u->tunnel = old;
		return rc;
	}
	push(u);
	zs_edge_tunnel_delete(old);
	u->attachment = s->attachment;
	u->generation = s->generation;
	u->peer = s->relay;
	u->ops->renewed(u->ctx);
	return 0;
}

void zs_uplink_granted(struct zs_uplink *u, const struct zs_attach_session *s)
{
	struct zs_edge_session e = { .receiver = s->own_receiver,
				     .peer = s->receiver,
				     .relays = s->tunnels,
				     .continues = s->continuity == ZS_ATTACH_CONTINUITY_resumed };

	u->link = s->link;
	u->relays = s->tunnels;
	memcpy(u->relay, s->tunnel, sizeof(u->relay));
	memcpy(e.relay, s->tunnel, sizeof(e.relay));
	memcpy(e.root, s->root, sizeof(e.root));
	e.most = longest(u);
	if (renew(u, s) || zs_edge_tunnel_session(u->tunnel, &e, now_of(u))) {
		tell(u, ZS_UPLINK_ENDED, ZS_ATTACH_CLOSE_refused);
	} else {
		u->silent_ns = now_of(u) + SILENCE_NS;
		zs_edge_tunnel_due(u->tunnel, now_of(u));
	}
	explicit_bzero(&e, sizeof(e));
	zs_uplink_flush(u);
}

void zs_uplink_clear(struct zs_uplink *u, uint8_t service)
{
	zs_edge_tunnel_grant(u->tunnel, service);
}

void zs_uplink_moved(struct zs_uplink *u)
{
	struct zs_edge_way way;
	struct zs_addr source;
	const struct zs_endpoint *to = zs_edge_tunnel_way(u->tunnel, &way) ? &way.relay : &u->relay[0];

	if (!to->port || !zs_way_out(to, &source) || zs_addr_eq(&source, &u->source))
		return;
	u->source = source;
	zs_edge_tunnel_moved(u->tunnel, longest(u), now_of(u));
	zs_edge_tunnel_due(u->tunnel, now_of(u));
	zs_uplink_flush(u);
}

void zs_uplink_shutdown(struct zs_uplink *u)
{
	zs_edge_tunnel_shutdown(u->tunnel, ZS_ATTACH_CLOSE_shutdown, now_of(u));
	u->silent_ns = u->settled_ns = UINT64_MAX;
	zs_uplink_flush(u);
}

int zs_uplink_open(struct zs_uplink *u, const struct zs_endpoint *target, struct zs_tunnel_flow *flow)
{
	return zs_edge_tunnel_open(u->tunnel, target, now_of(u), flow);
}

void zs_uplink_close(struct zs_uplink *u, const struct zs_tunnel_flow *flow, uint16_t reason)
{
	zs_edge_tunnel_close(u->tunnel, flow, reason, now_of(u));
}

void zs_uplink_state(const struct zs_uplink *u, struct zs_uplink_state *out)
{
	*out = (struct zs_uplink_state){ .sent_ns = u->sent_ns,
					 .local = { u->source, zs_udp_local(u->udp).port },
					 .in = u->in,
					 .out = u->out,
					 .in_bytes = u->in_bytes,
					 .out_bytes = u->out_bytes,
					 .sessions = u->sessions,
					 .drops = u->drops,
					 .socket = zs_udp_stats(u->udp) };
	if (zs_edge_tunnel_way(u->tunnel, &out->way))
		out->mtu = out->way.size + zs_way_headers(&out->way.relay);
}

/* --- life ------------------------------------------------------------------------------------- */

int zs_uplink_new(struct zs_uplink **out, const struct zs_uplink_config *config,
		  const struct zs_uplink_ops *ops, void *ctx, struct zs_error *err)
{
	const struct zs_endpoint any = { 0 };
	struct zs_uplink *u = calloc(1, sizeof(*u));
	int rc = -ENOMEM;

	if (!u)
		goto memory;
	u->config = *config;
	u->ops = ops;
	u->ctx = ctx;
	u->silent_ns = u->settled_ns = UINT64_MAX;
	u->slots = malloc(SLOTS * SLOT);
	u->scratch = malloc(SLOT);
	if (!u->slots || !u->scratch || make_tunnel(u) || zs_timer_new(&u->timer, config->loop, on_timer, u))
		goto memory;
	rc = zs_udp_open(&u->udp, config->loop, &any, ZS_UDP_PROBE, on_datagrams, u, err);
	if (rc) {
		zs_uplink_delete(u);
		return rc;
	}
	*out = u;
	return 0;
memory:
	zs_uplink_delete(u);
	return zs_error_set(err, -ENOMEM, ZS_EXIT_RESOURCE, "out of memory");
}

void zs_uplink_delete(struct zs_uplink *u)
{
	if (!u)
		return;
	zs_udp_close(u->udp);
	if (u->timer)
		zs_timer_delete(u->timer);
	zs_edge_tunnel_delete(u->tunnel);
	free(u->scratch);
	free(u->slots);
	free(u);
}
