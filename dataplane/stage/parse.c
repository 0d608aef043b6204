/* Frame and headers, by lib/net/packet.h: what no receiver could read is dropped with its
 * reason, what cannot be relay traffic is the kernel's, the rest is described in the item. */
#include <rte_ether.h>
#include <rte_mbuf.h>
#include "net/packet_plain.h"
#include "stage.h"

static inline bool is_flat(const struct rte_mbuf *m)
{
	return ZS_LIKELY(m->nb_segs == 1 && !(m->ol_flags & RTE_MBUF_F_RX_VLAN_STRIPPED));
}

/* One way to parse for all drivers: one segment, the VLAN tag in the frame. */
static ZS_COLD bool flatten(struct zs_item *it)
{
	if (it->m->nb_segs > 1 && rte_pktmbuf_linearize(it->m))
		return false;
	if (it->m->ol_flags & RTE_MBUF_F_RX_VLAN_STRIPPED) {
		it->m->ol_flags &= ~RTE_MBUF_F_RX_VLAN_STRIPPED;
		return !rte_vlan_insert(&it->m);
	}
	return true;
}

/* Ports in promiscuous mode or shared with the kernel see frames of others. */
static inline bool is_ours(const struct zs_worker *w, const struct zs_item *it)
{
	const struct zs_port *p = &w->dp->port[it->iface];

	if (memcmp(it->frame, p->mac, sizeof(p->mac)))
		return false;
	for (uint16_t i = 0; i < p->vlans; i++)
		if (p->vlan[i] == it->p.vlan)
			return true;
	return false;
}

/* Whatever is not plain. false: it has ended. */
static ZS_COLD bool walk(struct zs_worker *w, struct zs_item *it)
{
	enum zs_parse rc = zs_packet_parse(it->frame, it->m->data_len, &it->p);

	if (rc == ZS_PARSE_DROP)
		zs_stage_drop(w, it->m, (enum zs_drop)it->p.drop);
	else if (rc == ZS_PARSE_KERNEL)
		zs_stage_punt(w, it);
	return rc == ZS_PARSE_OK;
}

static inline bool parse(struct zs_worker *w, struct zs_item *it)
{
	if (ZS_UNLIKELY(it->handed) && zs_stage_resume(it))
		return true;
	if (!is_flat(it->m) && !flatten(it)) {
		zs_stage_drop(w, it->m, ZS_DROP_no_mbuf);
		return false;
	}
	it->frame = rte_pktmbuf_mtod(it->m, uint8_t *);
	if (ZS_UNLIKELY(!zs_packet_plain(it->frame, it->m->data_len, &it->p)) && !walk(w, it))
		return false;
	if (ZS_UNLIKELY(!is_ours(w, it))) {
		zs_stage_punt(w, it);
		return false;
	}
	it->ip = it->frame + it->p.l3_off;
	it->l4 = it->frame + it->p.l4_off;
	it->ip_len = it->p.ip_len;
	it->l4_len = (uint16_t)(it->p.ip_len - (it->p.l4_off - it->p.l3_off));
	return true;
}

uint32_t zs_stage_parse(struct zs_worker *w, struct zs_item **at, uint32_t n)
{
	uint64_t bytes = 0;
	uint32_t on = 0;

	for (uint32_t i = 0; i < n; i++)
		rte_prefetch0(rte_pktmbuf_mtod(at[i]->m, void *));
	for (uint32_t i = 0; i < n; i++) {
		struct zs_item *it = at[i];

		if (!parse(w, it))
			continue;
		bytes += it->handed ? 0 : it->ip_len;
		at[on++] = it;
	}
	w->count[ZS_COUNTER_rx_bytes] += bytes;
	return on;
}
