/* The stages in order, the ends that are not tx, and what else needs DPDK for a single packet. */
#include <rte_mbuf.h>
#include <rte_ring.h>
#include "mark.h"
#include "stage.h"
#include "twin.h"

ZS_COLD void zs_stage_drop(struct zs_worker *w, struct rte_mbuf *m, enum zs_drop reason)
{
	w->drop[reason]++;
	if (w->trace)
		zs_trace_end(w, m, ZS_TRACE_DROPPED, (uint8_t)reason);
	rte_pktmbuf_free(m);
}

void zs_stage_free(struct rte_mbuf **m, uint32_t n)
{
	rte_pktmbuf_free_bulk(m, n);
}

ZS_COLD void zs_stage_punt(struct zs_worker *w, struct zs_item *it)
{
	const struct zs_port *p = &w->dp->port[it->iface];

	if (p->twinned) {
		zs_twin_give(w, it->iface, it->m);
		return;
	}
	if (!p->kernel_shares) {
		zs_stage_drop(w, it->m, ZS_DROP_no_twin);
		return;
	}
	w->count[ZS_COUNTER_punted]++;
	if (w->trace)
		zs_trace_end(w, it->m, ZS_TRACE_PUNTED, 0);
	rte_pktmbuf_free(it->m);
}

void zs_stage_push(struct zs_worker *w, struct rte_mbuf *m, uint32_t worker)
{
	if (rte_ring_sp_enqueue(w->dp->worker[worker]->inbox[w->index], m) == 0)
		w->count[ZS_COUNTER_handed_over]++;
	else
		zs_stage_drop(w, m, ZS_DROP_hand_over);
}

/* From a packet's flow to the wire. */
static void send(struct zs_worker *w, struct zs_item **at, uint32_t n)
{
	uint32_t on = zs_stage_flow(w, at, n);

	ZS_STAGE_MARK(w, flow, n);
	n = on;
	on = zs_stage_police(w, at, on);
	ZS_STAGE_MARK(w, police, n);
	n = on;
	on = zs_stage_tunnel_out(w, at, on);
	ZS_STAGE_MARK(w, tunnel_out, n);
	n = on;
	on = zs_stage_rewrite(w, at, on);
	ZS_STAGE_MARK(w, rewrite, n);
	if (w->trace)
		zs_trace_sent(w, at, on);
	zs_stage_tx(w, at, on);
	zs_tx_flush(w);
	ZS_STAGE_MARK(w, tx, on);
}

/* What was put off, now that the others have left. */
static ZS_COLD void send_late(struct zs_worker *w, struct zs_burst *b)
{
	uint32_t n = w->later.count, on = zs_stage_late(w, b->at);

	ZS_STAGE_MARK(w, tunnel_in, n);
	send(w, b->at, on);
}

void zs_stage_run(struct zs_worker *w, struct zs_burst *b, struct rte_mbuf **mbuf, uint32_t n, bool handed)
{
	uint32_t on = n;

	if (!handed)
		n = on = zs_stage_express(w, mbuf, n);
	ZS_STAGE_MARK(w, express, on);
	if (!n) {
		zs_tx_flush(w);
		ZS_STAGE_MARK(w, tx, 0);
		return;
	}
	for (uint32_t i = 0; i < n; i++) {
		b->item[i].m = mbuf[i];
		b->item[i].handed = handed;
		b->item[i].class = ZS_CLASS_FLOW;
		b->item[i].inner = b->item[i].sealed = 0;
		b->item[i].iface = (uint8_t)mbuf[i]->port;
		b->at[i] = &b->item[i];
	}
	if (w->trace)
		zs_trace_burst(w, b, n);
	on = zs_stage_parse(w, b->at, on);
	ZS_STAGE_MARK(w, parse, n);
	n = on;
	on = zs_stage_classify(w, b->at, on);
	ZS_STAGE_MARK(w, classify, n);
	n = on;
	on = zs_stage_tunnel_in(w, b->at, on);
	ZS_STAGE_MARK(w, tunnel_in, n);
	n = on;
	on = zs_stage_cid(w, b->at, on);
	ZS_STAGE_MARK(w, cid, n);
	send(w, b->at, on);
	if (w->later.count)
		send_late(w, b);
	if (w->trace)
		zs_trace_burst(w, NULL, 0);
}
