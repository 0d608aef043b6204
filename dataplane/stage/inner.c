/* What came out of a tunnel, at its flow: data goes on, OPEN makes the flow, CLOSE ends it. An edge opens
 * flows to published ports of this PoP alone: the relay is no exit. */
#include "stage.h"
#include "relay/codes.h"
#include "tunnels.h"

static bool consume(struct zs_worker *w, struct zs_item *it, enum zs_counter kind)
{
	zs_tunnel_consume(w, it->m, kind);
	return false;
}

/* true: the flow is to be made. */
static bool open_flow(struct zs_worker *w, struct zs_item *it)
{
	uint16_t zero;
	struct zs_endpoint target = zs_tunnel_read_open(it->payload, &zero);

	if (it->flow != ZS_FLOW_NONE && it->table->flow[it->flow].port == target.port)
		return true; /* said again */
	if (it->flow != ZS_FLOW_NONE)
		zs_flow_end(w, it->table, it->flow, ZS_FLOW_END_CLOSED);
	it->flow = ZS_FLOW_NONE;
	it->p.dst.port = target.port;
	if ((zs_locals_has(&w->locals, &target.addr) || zs_locals_announced(w->dp->conf, &target.addr)) &&
	    zs_stage_published(w, it, target.port))
		return true;
	zs_tunnel_close(w, &it->p.src, ZS_ATTACH_CLOSE_not_published);
	return consume(w, it, ZS_COUNTER_tunnel_open);
}

/* Payloads in clear are the published port's to allow; flows that the edge opened have no port of its own. */
static bool is_granted(const struct zs_item *it)
{
	return it->side == ZS_SIDE_TARGET && it->published.protection;
}

static enum zs_drop judge_data(const struct zs_item *it)
{
	if (it->flow == ZS_FLOW_NONE)
		return ZS_DROP_no_flow;
	if (it->auth && !is_granted(it))
		return ZS_DROP_tunnel_auth;
	return ZS_DROPS;
}

bool zs_flow_inner(struct zs_worker *w, struct zs_item *it)
{
	enum zs_drop why;

	switch (it->inner) {
	case ZS_TUNNEL_TYPE_OPEN:
		return open_flow(w, it);
	case ZS_TUNNEL_TYPE_CLOSE:
		if (it->flow != ZS_FLOW_NONE)
			zs_flow_end(w, it->table, it->flow, ZS_FLOW_END_CLOSED);
		return consume(w, it, ZS_COUNTER_tunnel_close);
	default:
		why = judge_data(it);
		if (why != ZS_DROPS)
			zs_stage_drop(w, it->m, why);
		return why == ZS_DROPS;
	}
}

bool zs_flow_opened(struct zs_worker *w, struct zs_item *it)
{
	if (it->inner != ZS_TUNNEL_TYPE_OPEN)
		return true;
	it->table->flow[it->flow].last_ms = w->now_ms;
	return consume(w, it, ZS_COUNTER_tunnel_open);
}
