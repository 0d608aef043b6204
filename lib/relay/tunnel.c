/* byte 0: type, auth, epoch; 1–3: opener, service, number; 4–7: receiver; 8: lane, ECN, zero; 9–15: counter. */
#include "relay/tunnel.h"

#define TYPES 16
#define ANY   UINT16_MAX

/* What a type asks for. Types without a row are not in use. */
static const struct {
	uint8_t used, auth, ecn; /* it may be auth; it may carry ECN */
	uint8_t flow;		 /* flow 0, a flow, or (3) either */
	uint8_t from;		 /* bit of the side that may send it */
	uint16_t least, most;	 /* payload */
} rules[TYPES] = {
	[ZS_TUNNEL_DATA] = { 1, 1, 1, 3, 3, 0, ANY },
	[ZS_TUNNEL_TYPE_OPEN] = { 1, 0, 0, 2, 3, ZS_TUNNEL_OPEN, ZS_TUNNEL_OPEN },
	[ZS_TUNNEL_KEEPALIVE] = { 1, 0, 0, 1, 1 << ZS_TUNNEL_EDGE, ZS_TUNNEL_PROBE, ZS_TUNNEL_PROBE },
	[ZS_TUNNEL_TYPE_PROBE] = { 1, 0, 0, 1, 3, ZS_TUNNEL_PROBE, ANY },
	[ZS_TUNNEL_ECHO] = { 1, 0, 0, 1, 3, ZS_TUNNEL_PROBE, ZS_TUNNEL_PROBE },
	[ZS_TUNNEL_TYPE_CLOSE] = { 1, 0, 0, 3, 3, ZS_TUNNEL_CLOSE, ZS_TUNNEL_CLOSE },
};
#define FLOW_NONE 1
#define FLOW_SOME 2

enum zs_drop zs_tunnel_read_any(const struct zs_tunnel_head *head, uint64_t last, size_t len)
{
	if (len > UINT16_MAX)
		return ZS_DROP_tunnel_mtu;
	if (!rules[head->type].used)
		return ZS_DROP_tunnel_type;
	if (last >> 56 & 3)
		return ZS_DROP_tunnel_reserved;
	if (head->auth && (!rules[head->type].auth || !zs_tunnel_flow_id(&head->flow)))
		return ZS_DROP_tunnel_auth_type;
	return ZS_DROPS;
}

static bool zeros(const uint8_t *p, size_t len)
{
	uint8_t sum = 0;

	while (len--)
		sum |= *p++;
	return !sum;
}

static bool flow_ok(const struct zs_tunnel_flow *f, uint8_t allowed)
{
	if (!zs_tunnel_flow_id(f))
		return allowed & FLOW_NONE;
	return (allowed & FLOW_SOME) && zs_tunnel_flow_fits(f);
}

enum zs_drop zs_tunnel_form_any(const struct zs_tunnel_head *head, enum zs_tunnel_side from,
				const uint8_t *payload, size_t len)
{
	__auto_type rule = &rules[head->type];
	bool ok = len >= rule->least && len <= rule->most && (rule->from >> from & 1) &&
		  flow_ok(&head->flow, rule->flow) && (rule->ecn || !head->ecn);

	if (ok && head->type != ZS_TUNNEL_DATA) {
		if (head->type == ZS_TUNNEL_KEEPALIVE)
			ok = zeros(payload, len);
		else if (head->type == ZS_TUNNEL_TYPE_PROBE)
			ok = zeros(payload + ZS_TUNNEL_PROBE, len - ZS_TUNNEL_PROBE);
		else if (head->type == ZS_TUNNEL_TYPE_OPEN) /* each side opens its own flows */
			ok = head->flow.opener == from &&
			     (from == ZS_TUNNEL_RELAY || zeros(payload + ZS_ENDPOINT_WIRE, 2));
	}
	return ok ? ZS_DROPS : ZS_DROP_tunnel_form;
}

void zs_tunnel_write(const struct zs_tunnel_head *h, uint8_t *d)
{
	ZS_DCHECK(rules[h->type].used && h->auth <= 1 && h->epoch < 8 && h->lane < ZS_TUNNEL_LANES &&
		  h->ecn < 4 && h->flow.service < 128 && h->flow.opener <= 1 &&
		  h->counter < ZS_TUNNEL_COUNTER);
	d[0] = (uint8_t)(h->type << 4 | h->auth << 3 | h->epoch);
	d[1] = (uint8_t)(h->flow.opener << 7 | h->flow.service);
	d[2] = (uint8_t)(h->flow.number >> 8);
	d[3] = (uint8_t)h->flow.number;
	for (int i = 0; i < 4; i++)
		d[4 + i] = (uint8_t)(h->receiver >> (24 - 8 * i));
	d[8] = (uint8_t)(h->lane << 4 | h->ecn << 2);
	for (int i = 0; i < 7; i++)
		d[9 + i] = (uint8_t)(h->counter >> (48 - 8 * i));
}

void zs_tunnel_write_open(uint8_t payload[ZS_TUNNEL_OPEN], const struct zs_endpoint *who, uint16_t port)
{
	zs_endpoint_put(payload, who);
	payload[ZS_ENDPOINT_WIRE] = (uint8_t)(port >> 8);
	payload[ZS_ENDPOINT_WIRE + 1] = (uint8_t)port;
}

struct zs_endpoint zs_tunnel_read_open(const uint8_t payload[ZS_TUNNEL_OPEN], uint16_t *port)
{
	*port = (uint16_t)(payload[ZS_ENDPOINT_WIRE] << 8 | payload[ZS_ENDPOINT_WIRE + 1]);
	return zs_endpoint_get(payload);
}

void zs_tunnel_write_close(uint8_t payload[ZS_TUNNEL_CLOSE], uint16_t reason)
{
	payload[0] = (uint8_t)(reason >> 8);
	payload[1] = (uint8_t)reason;
}

uint16_t zs_tunnel_read_close(const uint8_t payload[ZS_TUNNEL_CLOSE])
{
	return (uint16_t)(payload[0] << 8 | payload[1]);
}
