/* Our own flows: whoever sends to a listener has one, toward the listener's target, which must be a published port of the
 * relay's. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "data_internal.h"
#include "node/node.h"

/* --- to the relay ----------------------------------------------------------------------------- */

static struct zs_edge_flow *begin(struct edge_forward *w, const struct zs_udp_datagram *in)
{
	struct zs_edge_data *d = w->data;
	struct zs_edge_flow flow = { .client = in->peer,
				     .local = in->local,
				     .of = (uint32_t)(w - d->forward),
				     .used_ns = data_now(d) };
	struct zs_edge_flow *f = NULL;

	if (!w->target.port)
		return NULL;
	if (zs_uplink_open(d->uplink, &w->target, &flow.id)) {
		d->full++;
		return NULL;
	}
	f = edge_flow_begin(d, &flow);
	if (!f)
		zs_uplink_close(d->uplink, &flow.id, ZS_ATTACH_CLOSE_shutdown);
	return f;
}

static void on_datagrams(void *ctx, struct zs_udp *udp, const struct zs_udp_datagram *in, size_t count)
{
	struct edge_forward *w = ctx;
	struct zs_edge_data *d = w->data;

	for (size_t i = 0; i < count; i++) {
		struct zs_edge_flow *f = zs_edge_flows_client(d->flows, (uint32_t)(w - d->forward),
							      &in[i].peer);

		if (!f)
			f = begin(w, &in[i]);
		if (!f || f->refused)
			continue;
		zs_edge_flows_used(d->flows, f, false, data_now(d));
		edge_data_send(d, f, in[i].ecn, in[i].data, in[i].len);
	}
	edge_data_turn(d);
}

/* --- from the relay --------------------------------------------------------------------------- */

void edge_forward_data(struct zs_edge_data *d, struct zs_edge_flow *flow, uint8_t ecn, const uint8_t *payload,
		       size_t len)
{
	struct edge_forward *w = &d->forward[flow->of];

	zs_edge_flows_used(d->flows, flow, true, data_now(d));
	w->told = false;
	edge_reply(d->replies, w->udp,
		   &(struct zs_udp_datagram){
		       .peer = flow->client, .local = flow->local, .ecn = ecn, .data = payload, .len = len });
}

static const char *advice(uint16_t reason)
{
	switch (reason) {
	case ZS_ATTACH_CLOSE_not_published:
		return "is no published port of this relay; zsctl publish list there shows them";
	case ZS_ATTACH_CLOSE_refused:
		return "takes no more flows, or its service is not there; see to the service, or try later";
	case ZS_ATTACH_CLOSE_drain:
		return "is of a relay that goes away; try another one";
	default:
		return NULL; /* the end of a flow like any other */
	}
}

/* It stays for a while as refused: the client's next datagrams must not ask again at once. */
void edge_forward_closed(struct zs_edge_data *d, struct zs_edge_flow *flow, uint16_t reason)
{
	struct edge_forward *w = &d->forward[flow->of];
	const char *what = zs_attach_name(ZS_ATTACH_TABLE_CLOSE, reason);
	char to[ZS_ENDPOINT_TEXT];

	if (!advice(reason)) {
		edge_flow_end(d, flow, 0);
		return;
	}
	flow->refused = true;
	d->refused++;
	edge_forward_resolve(d);
	if (!w->told)
		edge_data_tell(d, ZS_EDGE_FORWARD, w->name, what, "%s: %s %s", what,
			       zs_endpoint_format(&w->target, to), advice(reason));
	w->told = true;
}

/* --- names ------------------------------------------------------------------------------------ */

static void resolved(void *ctx, const struct zs_addr *addrs, uint32_t count, const char *why)
{
	struct edge_forward *w = ctx;

	w->query = NULL;
	if (count)
		w->target = (struct zs_endpoint){ addrs[0], w->is->target.port };
	else if (!w->target.port && !w->told)
		edge_data_tell(w->data, ZS_EDGE_FORWARD, w->name, "unknown",
			       "%s; name the relay's address instead", why);
	w->told |= count == 0;
}

void edge_forward_resolve(struct zs_edge_data *d)
{
	for (uint32_t i = 0; i < d->config.forwards; i++) {
		struct edge_forward *w = &d->forward[i];

		if (w->is->target.host == ZS_DIAL_IP)
			w->target = (struct zs_endpoint){ w->is->target.addr, w->is->target.port };
		else if (!w->query &&
			 zs_node_resolve(&w->query, d->config.resolver, &w->is->target, resolved, w))
			w->query = NULL;
	}
}

/* --- life ------------------------------------------------------------------------------------- */

int edge_forward_open(struct zs_edge_data *d, struct zs_error *err)
{
	int rc = 0;

	for (uint32_t i = 0; !rc && i < d->config.forwards; i++) {
		struct edge_forward *w = &d->forward[i];

		*w = (struct edge_forward){ .data = d, .is = &d->config.forward[i] };
		zs_endpoint_format(&w->is->local, w->name);
		rc = zs_udp_open(&w->udp, d->config.loop, &w->is->local, ZS_UDP_PROBE, on_datagrams, w, err);
	}
	if (!rc)
		edge_forward_resolve(d);
	return rc;
}

void edge_forward_close(struct zs_edge_data *d)
{
	for (uint32_t i = 0; i < d->config.forwards; i++) {
		if (d->forward[i].query)
			zs_resolve_cancel(d->forward[i].query);
		zs_udp_close(d->forward[i].udp);
	}
}
