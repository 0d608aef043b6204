/* Out: one buffer per port, pushed at the end of every burst. A worker without a queue of
 * a port reaches it by a ring to one that has. What neither takes is the drop tx_full. */
#include <rte_ethdev.h>
#include <rte_ring.h>
#include "fastpath.h"
#include "stage.h"

#define ID_BITS 24 /* of an attachment + 1 in a note */

/* The queue's worker counts what the port took: its own cells of whoever pays for it. */
static inline void meter(struct zs_worker *w, const struct zs_sent *s)
{
	if (s->from)
		zs_meter_add(&w->hot[s->from - 1].meter[ZS_FROM_EDGE], s->payload);
	if (s->to)
		zs_meter_add(&w->hot[s->to - 1].meter[ZS_TO_EDGE], s->payload);
	if (ZS_LIKELY(s->kind == ZS_SENT_PLAIN))
		return;
	if (s->kind == ZS_SENT_TUNNELLED)
		w->count[ZS_COUNTER_overhead_out_bytes] += s->ip_len - s->payload;
	else if (s->kind == ZS_SENT_CONTROL)
		w->count[ZS_COUNTER_control_out_bytes] += s->ip_len;
}

/* The flow's worker counts what it got rid of. */
static inline void count(const struct zs_worker *w, const struct zs_sent *s)
{
	const struct zs_state *state = &w->dp->state;

	if (s->flow && ZS_UNLIKELY(zs_flow_count(s->flow, s->way, s->payload)))
		zs_flow_settle(s->flow, &state->flow_rest[s->flow - state->flow]);
}

static uint16_t push_port(struct zs_worker *w, uint8_t iface, struct zs_txbuf *t)
{
	const struct zs_queue *out = &w->out[iface];
	uint16_t sent = rte_eth_tx_burst(out->ethdev, out->id, t->mbuf, (uint16_t)t->count);
	uint64_t bytes = 0;

	for (uint16_t i = 0; i < sent; i++) {
		meter(w, &t->sent[i]);
		count(w, &t->sent[i]);
		bytes += t->sent[i].ip_len;
	}
	w->count[ZS_COUNTER_tx] += sent;
	w->count[ZS_COUNTER_tx_bytes] += bytes;
	return sent;
}

/* What the worker that sends has to count, in the buffer between the two; no port sees it. */
static void leave_note(struct rte_mbuf *m, const struct zs_sent *s)
{
	m->hash.usr = (uint32_t)s->payload << 16 | s->ip_len;
	m->tx_offload = (uint64_t)s->kind << 2 * ID_BITS | (uint64_t)s->to << ID_BITS | s->from;
}

static struct zs_sent take_note(struct rte_mbuf *m)
{
	uint64_t note = m->tx_offload;

	m->tx_offload = 0;
	return (struct zs_sent){ .from = note & ((1u << ID_BITS) - 1),
				 .to = (note >> ID_BITS) & ((1u << ID_BITS) - 1),
				 .kind = (uint8_t)(note >> 2 * ID_BITS),
				 .payload = (uint16_t)(m->hash.usr >> 16),
				 .ip_len = (uint16_t)m->hash.usr };
}

/* The worker that sends counts the packet as sent or dropped. */
static uint16_t push_ring(struct zs_worker *w, uint8_t iface, struct zs_txbuf *t)
{
	struct zs_worker *owner = w->dp->worker[w->out[iface].worker];
	uint16_t sent;

	for (uint32_t i = 0; i < t->count; i++) {
		t->mbuf[i]->port = iface;
		leave_note(t->mbuf[i], &t->sent[i]);
	}
	sent = (uint16_t)rte_ring_sp_enqueue_burst(owner->outbox[w->index], (void **)t->mbuf, t->count, NULL);
	for (uint16_t i = 0; i < sent; i++)
		count(w, &t->sent[i]);
	return sent;
}

static void flush(struct zs_worker *w, uint8_t iface)
{
	struct zs_txbuf *t = &w->tx[iface];
	uint16_t sent;

	if (!t->count)
		return;
	sent = w->out[iface].worker == w->index ? push_port(w, iface, t) : push_ring(w, iface, t);
	for (uint32_t i = sent; i < t->count; i++)
		zs_stage_drop(w, t->mbuf[i], ZS_DROP_tx_full);
	t->count = 0;
}

void zs_tx_push(struct zs_worker *w, uint8_t iface)
{
	flush(w, iface);
}

void zs_tx_put(struct zs_worker *w, uint8_t iface, struct rte_mbuf *m, const struct zs_sent *sent)
{
	*zs_tx_add(w, iface, m) = *sent;
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
		for (uint32_t i = 0; i < n; i++) {
			struct zs_sent sent = take_note(m[i]);

			zs_tx_put(w, (uint8_t)m[i]->port, m[i], &sent);
		}
		total += n;
	}
	return total;
}

static inline struct zs_sent sent_of(struct zs_worker *w, const struct zs_item *it)
{
	struct zs_sent s = { .from = it->from + 1,
			     .to = it->to + 1,
			     .payload = (uint16_t)(it->l4_len - ZS_UDP_LEN),
			     .ip_len = it->ip_len };

	_Static_assert(ZS_SENDER_NONE + 1u == 0, "nobody is 0");
	if (it->sealed) {
		s.kind = ZS_SENT_TUNNELLED;
		s.payload = it->payload_len;
	}
	if (it->class == ZS_CLASS_CID) {
		w->count[ZS_COUNTER_cid_routed]++;
		return s;
	}
	s.flow = &it->table->flow[it->flow];
	s.way = it->side;
	return s;
}

void zs_stage_tx(struct zs_worker *w, struct zs_item **at, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		if (w->dp->fast)
			zs_fastpath_offer(w, at[i]);
		*zs_tx_add(w, at[i]->hop.iface, at[i]->m) = sent_of(w, at[i]);
	}
}
