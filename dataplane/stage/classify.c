/* What a packet is to us: for the service port, a tunnel's datagram, the client's side of a published port, the
 * target's side of a flow, an ICMP error about any of them, or the kernel's. */
#include <rte_mbuf.h>
#include "stage.h"

static inline bool denied(const struct zs_worker *w, const struct zs_item *it)
{
	return w->acl && zs_acl_denied(w->acl, &it->p.src.addr) & ZS_ACL_IN;
}

/* By an address that the world knows us by, behind 1:1 NAT: what we sent comes back. */
static enum zs_drop back_by(const struct zs_worker *w, const struct zs_item *it)
{
	uint16_t port = it->p.src.port;

	return port == w->dp->service_port || port == w->dp->tunnel_port ? ZS_DROP_loop : ZS_DROP_src_own;
}

/* Only now: the kernel judges its own packets by itself. */
static ZS_COLD enum zs_drop judge_all(const struct zs_worker *w, const struct zs_item *it)
{
	int bad = zs_packet_hygiene(&it->p);

	if (bad >= 0)
		return (enum zs_drop)bad;
	if (it->m->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_BAD && it->p.l4_csum)
		return ZS_DROP_udp_checksum;
	if (zs_locals_has(&w->locals, &it->p.src.addr))
		return ZS_DROP_src_own;
	if (ZS_UNLIKELY(zs_locals_announced(w->dp->conf, &it->p.src.addr)))
		return back_by(w, it);
	if (zs_locals_broadcast(&w->locals, &it->p.src.addr, it->iface, it->p.vlan))
		return ZS_DROP_src_broadcast;
	return denied(w, it) ? ZS_DROP_deny_in : ZS_DROPS;
}

/* Of most packets parse knows already, and a hash tells the rest. */
static inline enum zs_drop judge(const struct zs_worker *w, const struct zs_item *it)
{
	if (ZS_UNLIKELY(!it->p.clean || it->m->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_BAD ||
			zs_locals_near(&w->locals, &it->p.src.addr)))
		return judge_all(w, it);
	return denied(w, it) ? ZS_DROP_deny_in : ZS_DROPS;
}

/* The service port comes first, and the published port wins over the source-port range; the configuration keeps them apart. */
static inline bool choose_side(const struct zs_worker *w, struct zs_item *it)
{
	if (it->p.dst.port == w->dp->service_port) {
		it->class = ZS_CLASS_CID;
		return it->p.dst.port != 0;
	}
	if (it->p.dst.port == w->dp->tunnel_port && it->p.dst.port) {
		it->class = ZS_CLASS_TUNNEL;
		return true;
	}
	if (zs_stage_published(w, it, it->p.dst.port)) {
		it->side = ZS_SIDE_CLIENT;
		return true;
	}
	it->side = ZS_SIDE_TARGET;
	return zs_flow_partition_of(w->dp, it->p.dst.port) >= 0;
}

/* Returns true when the packet goes on to the flow stage. */
static inline bool classify(struct zs_worker *w, struct zs_item *it)
{
	enum zs_drop why;
	int local;

	if (it->inner) /* judged where it was opened */
		return true;
	local = zs_locals_find(&w->locals, &it->p.dst.addr, it->iface, it->p.vlan);
	if (local == ZS_LOCAL_NONE) {
		zs_stage_punt(w, it);
		return false;
	}
	it->local = (uint8_t)local;
	if (it->p.kind == ZS_PACKET_ICMP_ERROR) {
		if (denied(w, it))
			zs_stage_drop(w, it->m, ZS_DROP_deny_in);
		else
			zs_icmp_take(w, it);
		return false;
	}
	if (!choose_side(w, it)) {
		zs_stage_punt(w, it);
		return false;
	}
	if ((why = judge(w, it)) != ZS_DROPS) {
		zs_stage_drop(w, it->m, why);
		return false;
	}
	return true;
}

uint32_t zs_stage_classify(struct zs_worker *w, struct zs_item **at, uint32_t n)
{
	uint32_t on = 0;

	if (ZS_UNLIKELY(!w->tables || zs_tables_stopped(w->tables))) {
		for (uint32_t i = 0; i < n; i++)
			zs_stage_drop(w, at[i]->m, ZS_DROP_stopped);
		return 0;
	}
	for (uint32_t i = 0; w->acl && i < n; i++)
		zs_acl_prefetch(w->acl, &at[i]->p.src.addr);
	for (uint32_t i = 0; i < n; i++)
		if (classify(w, at[i]))
			at[on++] = at[i];
	return on;
}
