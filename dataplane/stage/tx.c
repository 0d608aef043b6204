/* Out: one buffer per port, pushed at the end of every burst. A worker without a queue of
 * a port reaches it by a ring to one that has. What neither takes is the drop tx_full. */
#include <rte_ethdev.h>
#include <rte_ring.h>
#include "stage.h"

static void count(const struct zs_sent *s)
{
	struct zs_flow *f = s->flow;

	if (s->from)
		zs_meter_add(s->from, s->payload);
	if (s->to)
		zs_meter_add(s->to, s->payload);
	if (!f)
		return;
	if (s->to_client) {
		f->to_client_packets++;
		f->to_client_bytes += s->payload;
	} else {
		f->to_target_packets++;
		f->to_target_bytes += s->payload;
	}
}

static uint16_t push_port(struct zs_worker *w, uint8_t iface, struct zs_txbuf *t)
{
	const struct zs_queue *out = &w->out[iface];
	uint16_t sent = rte_eth_tx_burst(out->ethdev, out->id, t->mbuf, (uint16_t)t->count);

	w->count[ZS_COUNTER_tx] += sent;
	for (uint16_t i = 0; i < sent; i++)
		w->count[ZS_COUNTER_tx_bytes] += t->sent[i].ip_len;
	return sent;
}

/* The worker that sends counts the packet as sent or dropped. */
static uint16_t push_ring(struct zs_worker *w, uint8_t iface, struct zs_txbuf *t)
{
	struct zs_worker *owner = w->dp->worker[w->out[iface].worker];

	for (uint32_t i = 0; i < t->count; i++) {
		t->mbuf[i]->port = iface;
		t->mbuf[i]->hash.usr = t->sent[i].ip_len;
	}
	return (uint16_t)rte_ring_sp_enqueue_burst(owner->outbox[w->index], (void **)t->mbuf, t->count, NULL);
}

static void flush(struct zs_worker *w, uint8_t iface)
{
	struct zs_txbuf *t = &w->tx[iface];
	uint16_t sent;

	if (!t->count)
		return;
	sent = w->out[iface].worker == w->index ? push_port(w, iface, t) : push_ring(w, iface, t);
	for (uint16_t i = 0; i < sent; i++)
		count(&t->sent[i]);
	for (uint32_t i = sent; i < t->count; i++)
		zs_stage_drop(w, t->mbuf[i], ZS_DROP_tx_full);
	t->count = 0;
}

void zs_tx_put(struct zs_worker *w, uint8_t iface, struct rte_mbuf *m, const struct zs_sent *sent)
{
	struct zs_txbuf *t = &w->tx[iface];

	if (t->count == ZS_BURST)
		flush(w, iface);
	t->mbuf[t->count] = m;
	t->sent[t->count++] = *sent;
}

void zs_tx_flush(struct zs_worker *w)
{
	for (uint32_t i = 0; i < w->dp->ports; i++)
		flush(w, (uint8_t)i);
}

uint32_t zs_tx_outbox(struct zs_worker *w)
{
	struct rte_mbuf *m[ZS_BURST];
	uint32_t total = 0;

	for (uint32_t from = 0; from < w->dp->workers; from++) {
		uint32_t n;

		if (!w->outbox[from])
			continue;
		n = rte_ring_sc_dequeue_burst(w->outbox[from], (void **)m, ZS_BURST, NULL);
		for (uint32_t i = 0; i < n; i++)
			zs_tx_put(w, (uint8_t)m[i]->port, m[i],
				  &(struct zs_sent){ .ip_len = (uint16_t)m[i]->hash.usr });
		total += n;
	}
	return total;
}

/* The meter of an attachment's end. */
static struct zs_meter *meter_of(struct zs_worker *w, const struct zs_addr *end, int direction)
{
	uint32_t attachment = zs_attached_of(end).attachment;

	return attachment < w->dp->state.attachments ? &w->account[attachment].meter[direction] : NULL;
}

static struct zs_sent sent_of(struct zs_worker *w, const struct zs_item *it)
{
	struct zs_sent s = { .payload = (uint16_t)(it->l4_len - 8), .ip_len = it->ip_len };

	if (it->class == ZS_CLASS_CID) {
		s.to = &w->account[it->cid.attachment].meter[ZS_TO_EDGE];
		if (it->sender != ZS_SENDER_NONE)
			s.from = &w->account[it->sender].meter[ZS_FROM_EDGE];
		w->count[ZS_COUNTER_cid_routed]++;
		return s;
	}
	s.flow = &it->table->flow[it->flow];
	s.to_client = it->side == ZS_SIDE_TARGET;
	if (it->inner)
		s.from = meter_of(w, &it->p.src.addr, ZS_FROM_EDGE);
	if (!it->sealed)
		return s;
	s.payload = it->payload_len;
	s.to = meter_of(w, s.to_client ? &s.flow->client.addr : &s.flow->target.addr, ZS_TO_EDGE);
	return s;
}

void zs_stage_tx(struct zs_worker *w, struct zs_item **at, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		struct zs_sent sent = sent_of(w, at[i]);

		zs_tx_put(w, at[i]->hop.iface, at[i]->m, &sent);
	}
}
