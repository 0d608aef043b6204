/* Clients of QUIC services whose NAT rebinds: their datagrams come on a new flow, from a new socket. A service that lets its
 * clients move answers there by itself. One that does not (js- and rust-libp2p) drops them in silence, and loses the
 * connection; so, where the owner asked for it (,follow), when a flow
 *   - carries a connection ID that the service gave to the client of another one,
 *   - was not answered for PATIENCE_NS, in which the other's client said nothing,
 * it gets the socket of that other one, with the next datagram of either side: the service sees no change. The other is not told: should its client speak after
 * all, it gets its socket back at once, and the flow that took it ends. Nobody has proven to be at the new place (RFC 9000 9.3 asks
 * for that, and only the service could): a client may aim what it is sent at somebody else (docs/THREAT_MODEL.md).
 *
 * A service's connection IDs have the length that its long headers tell. Those that can be guessed do not count. */
#include <string.h>

#include "base/clock.h"
#include "data_internal.h"
#include "net/quic.h"

#define PATIENCE_NS (300 * ZS_NS_PER_MS)
#define CID_LEAST   8
#define QUIC_1	    0x00000001u
#define QUIC_2	    0x6b3343cfu

/* Does its service want that? */
static bool follows(const struct zs_edge_data *d, const struct zs_edge_flow *flow)
{
	uint8_t publish = d->service[flow->of].publish;

	return publish && d->config.target[publish - 1].follow;
}

static void take(struct zs_edge_data *d, struct zs_edge_flow *to, struct zs_edge_flow *from)
{
	if (to->socket)
		zs_connected_close(to->socket);
	to->socket = from->socket;
	from->socket = NULL;
	zs_connected_give(to->socket, to);
	zs_edge_flows_used(d->flows, to, from->answered, data_now(d));
	d->rebound++;
}

static bool may_take(const struct zs_edge_flow *to, const struct zs_edge_flow *from, uint64_t now)
{
	return now - to->begun_ns >= PATIENCE_NS && now - from->asked_ns >= PATIENCE_NS;
}

void edge_rebound_asked(struct zs_edge_data *d, struct zs_edge_flow *flow, const uint8_t *payload, size_t len)
{
	struct zs_edge_flow *other;
	struct zs_quic_head head;
	uint64_t now = data_now(d);

	flow->asked_ns = now;
	flow->wanted = false;
	if (!follows(d, flow) || !zs_quic_read(payload, len, d->service[flow->of].cid_len, &head) ||
	    head.is_long || head.dcid_len < CID_LEAST)
		return;
	if (flow->socket && flow->answered) {
		zs_edge_flows_cid_is(d->flows, flow, head.dcid, head.dcid_len);
		return;
	}
	other = zs_edge_flows_cid(d->flows, flow->of, head.dcid, head.dcid_len);
	if (!other || other == flow || !other->socket)
		return;
	if (flow->socket && !may_take(flow, other, now)) {
		other->wanted = true;
		other->heir = flow->id;
		other->heir_ns = flow->begun_ns;
		return;
	}
	bool returns = !flow->socket;
	take(d, flow, other);
	zs_edge_flows_cid_is(d->flows, flow, head.dcid, head.dcid_len);
	if (returns)
		edge_flow_end(d, other, ZS_ATTACH_CLOSE_refused);
}

static void learn(struct zs_edge_data *d, const struct zs_edge_flow *flow, const uint8_t *payload, size_t len)
{
	struct zs_quic_head head;

	if (!zs_quic_read(payload, len, 0, &head) || !head.is_long)
		return;
	if ((head.version == QUIC_1 || head.version == QUIC_2) && head.scid_len <= ZS_EDGE_CID)
		d->service[flow->of].cid_len = head.scid_len;
}

struct zs_edge_flow *edge_rebound_answered(struct zs_edge_data *d, struct zs_edge_flow *flow,
					   const uint8_t *payload, size_t len)
{
	struct zs_edge_flow *heir = flow->wanted ? zs_edge_flows_find(d->flows, &flow->heir) : NULL;

	learn(d, flow, payload, len);
	if (!heir || heir->begun_ns != flow->heir_ns || heir->answered || !heir->socket || !flow->cid_len ||
	    !may_take(heir, flow, data_now(d)))
		return flow;
	flow->wanted = false;
	zs_edge_flows_cid_is(d->flows, heir, flow->cid, flow->cid_len);
	take(d, heir, flow);
	return heir;
}
