/* What came out of a tunnel, at its flow: data goes on, OPEN makes the flow, CLOSE ends it. An edge opens
 * flows to published ports of this PoP alone: the relay is no exit. */
#include <endian.h>
#include "net/checksum.h"
#include "relay/codes.h"
#include "stage.h"
#include "tunnels.h"

/* All that a right checksum covers, itself included, sums to nothing (0xffff): so the payload is what the rest lacks. */
uint32_t zs_inner_sum(const struct zs_item *it)
{
	const uint8_t *tag = it->payload + it->payload_len;
	uint16_t len = it->payload_len + ZS_UDP_LEN + ZS_TUNNEL_OVERHEAD;
	uint32_t sum = htobe16(ZS_PROTO_UDP) + htobe16(len), end;

	if (it->summed == ZS_SUM_KNOWN)
		return it->payload_sum;
	end = zs_csum_fold(zs_csum_add(0, tag, ZS_GCM_TAG));
	sum += len & 1 ? (uint16_t)(end << 8 | end >> 8) : end;
	sum = zs_csum_add(sum, it->ip + (it->p.is4 ? 12 : 8), it->p.is4 ? 8 : 32);
	sum = zs_csum_add(sum, it->payload - ZS_TUNNEL_HEADER - ZS_UDP_LEN, ZS_TUNNEL_HEADER + ZS_UDP_LEN);
	return (uint16_t)~zs_csum_fold(sum);
}

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
	enum zs_drop why;

	if (it->flow != ZS_FLOW_NONE && it->table->flow[it->flow].port == target.port)
		return true; /* said again */
	if (it->flow != ZS_FLOW_NONE)
		zs_flow_end(w, it->table, it->flow, ZS_FLOW_END_CLOSED);
	it->flow = ZS_FLOW_NONE;
	it->p.dst.port = target.port;
	if ((zs_locals_has(&w->locals, &target.addr) || zs_locals_announced(w->dp->conf, &target.addr)) &&
	    zs_stage_published(w, it, target.port))
		return true;
	why = zs_tunnel_refuse(w, &it->p.src, ZS_ATTACH_CLOSE_not_published);
	if (why == ZS_DROPS)
		return consume(w, it, ZS_COUNTER_tunnel_open);
	zs_stage_drop(w, it->m, why);
	return false;
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
