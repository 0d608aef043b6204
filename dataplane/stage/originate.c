/* Datagrams of the relay's own, each in a buffer of its own: what asked for one ends by itself. */
#include <rte_mbuf.h>
#include "net/checksum.h"
#include "stage.h"

#define HEADERS (ZS_ETH_LEN + ZS_VLAN_LEN + ZS_IP6_LEN + ZS_UDP_LEN)

void zs_consume(struct zs_worker *w, struct rte_mbuf *m)
{
	w->count[ZS_COUNTER_consumed]++;
	if (w->trace)
		zs_trace_end(w, m, ZS_TRACE_CONSUMED, 0);
	rte_pktmbuf_free(m);
}

struct rte_mbuf *zs_stage_new(struct zs_worker *w)
{
	return rte_pktmbuf_alloc(w->dp->pool);
}

bool zs_originate(struct zs_worker *w, const struct zs_ends *ends, const void *payload, uint16_t len)
{
	struct zs_header h = { .src = ends->src,
			       .dst = ends->dst,
			       .payload_sum = zs_csum_add(0, payload, len) };
	struct zs_item it = { 0 };
	struct zs_sent sent = { .kind = ZS_SENT_CONTROL };
	struct zs_hop_memo memo = { 0 };
	uint8_t *at;

	if (zs_hop_toward(w, &ends->dst.addr, &memo, 0, &it.hop) != ZS_DROPS)
		return false;
	it.m = zs_stage_new(w);
	if (!it.m)
		return false;
	at = (uint8_t *)it.m->buf_addr + HEADERS;
	memcpy(at, payload, len);
	if (!zs_header_put(&it, &h, at, len)) {
		rte_pktmbuf_free(it.m);
		return false;
	}
	w->count[ZS_COUNTER_originated]++;
	sent.ip_len = it.ip_len;
	zs_tx_put(w, it.hop.iface, it.m, &sent);
	return true;
}
