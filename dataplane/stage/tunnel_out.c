/* Toward attachments: the session's path and this worker's lane, the header before the payload and the tag behind
 * it, the whole burst sealed at once, then the outer headers. A flow's opener hears who is behind it beforehand.
 *
 * A payload in clear keeps the sender's word for it: its checksum becomes the datagram's by difference. One that is
 * encrypted is summed before, since a tag would make good what was damaged on the way here. */
#include <rte_mbuf.h>
#include "net/checksum.h"
#include "stage.h"
#include "tunnels.h"

#define OPEN_MS 100 /* between two OPENs of a flow that nobody answered yet */

struct departure {
	struct zs_item *it;
	struct zs_tunnel_way *way;
	struct zs_aim aim;
	struct zs_tunnel_head head;
	struct zs_endpoint src;
	const struct zs_gcm_key *key;
	uint8_t *datagram;
	uint16_t len;
	uint8_t aad[ZS_TUNNEL_AAD];
};

enum zs_drop zs_tunnel_hop(struct zs_worker *w, struct zs_tunnel_way *way, const struct zs_tunnel_path *path,
			   struct zs_hop *hop, struct zs_endpoint *src)
{
	if (path->local >= ZS_LOCALS_MAX || !w->locals.entry[path->local].used)
		return ZS_DROP_no_route;
	*src = (struct zs_endpoint){ w->locals.entry[path->local].addr, w->dp->tunnel_port };
	if (zs_addr_is4(&src->addr) != zs_addr_is4(&path->to.addr))
		return ZS_DROP_no_route;
	if (!zs_addr_eq(&way->hop_to, &path->to.addr))
		way->hop.stamp = ZS_TABLES_STOPPED;
	way->hop_to = path->to.addr;
	return zs_hop_toward(w, &path->to.addr, &way->hop, way->slot, hop);
}

/* --- headers --- */

/* Whom it is for, and by which flow; none when its connection ID led it here. */
static struct zs_attached name_flow(struct departure *d)
{
	const struct zs_item *it = d->it;
	const struct zs_flow *f;
	struct zs_attached to;

	if (it->class == ZS_CLASS_CID)
		return (struct zs_attached){ it->cid.attachment, it->cid.generation, 0 };
	f = &it->table->flow[it->flow];
	to = zs_attached_of(it->side == ZS_SIDE_CLIENT ? &f->target.addr : &f->client.addr);
	if (it->side == ZS_SIDE_CLIENT)
		d->head.flow = (struct zs_tunnel_flow){ f->source_port, to.service, ZS_TUNNEL_RELAY };
	else
		d->head.flow = (struct zs_tunnel_flow){ f->client.port, 0, ZS_TUNNEL_EDGE };
	return to;
}

/* Longest payload that path and receiver take. */
static uint32_t longest(const struct departure *d)
{
	uint32_t most = d->aim.path.size > ZS_TUNNEL_OVERHEAD ? d->aim.path.size - ZS_TUNNEL_OVERHEAD : 0;

	return d->way->max_payload && d->way->max_payload < most ? d->way->max_payload : most;
}

/* What the sender's checksum says of the payload's sum. */
static uint32_t claimed(const struct zs_item *it)
{
	uint32_t header;

	if (it->inner)
		return zs_inner_sum(it);
	header = zs_header_sum(&it->p.src, &it->p.dst, it->l4_len);
	return (uint32_t)(uint16_t)~it->p.l4_csum + (uint16_t)~zs_csum_fold(header);
}

static bool same_sum(uint32_t a, uint32_t b)
{
	return zs_csum_fold(a) % 0xffff == zs_csum_fold(b) % 0xffff;
}

/* Is it as the sender sent it? Where it goes in clear nobody has to know. */
static bool is_intact(struct zs_item *it, bool clear)
{
	bool has = it->inner ? it->summed : it->p.l4_csum != 0;
	uint32_t sum;

	if (clear && has) {
		it->payload_sum = claimed(it);
		return true;
	}
	if (!has && !clear)
		return true;
	sum = zs_csum_add(0, it->payload, it->payload_len);
	if (has && !same_sum(sum, claimed(it)))
		return false;
	it->payload_sum = sum;
	return true;
}

/* --- one packet --- */

static enum zs_drop aim(struct zs_worker *w, struct departure *d)
{
	struct zs_item *it = d->it;
	struct zs_attached a = name_flow(d);

	if (!it->inner) {
		it->payload = it->l4 + ZS_UDP_LEN;
		it->payload_len = (uint16_t)(it->l4_len - ZS_UDP_LEN);
	}
	if (!zs_tunnel_aim(w, a.attachment, a.generation, &d->aim))
		return ZS_DROP_no_endpoint;
	d->way = zs_tunnel_way(w, d->aim.slot, d->aim.tag);
	if (!d->way)
		return ZS_DROP_tunnel_lane;
	return zs_tunnel_hop(w, d->way, &d->aim.path, &it->hop, &d->src);
}

static enum zs_drop judge(struct zs_worker *w, struct departure *d)
{
	struct zs_item *it = d->it;
	uint32_t most = longest(d);
	uint8_t *end = it->payload + it->payload_len;

	if (it->payload_len > most) {
		if (!it->inner && it->class == ZS_CLASS_FLOW)
			zs_icmp_too_big(w, it, most);
		return ZS_DROP_tunnel_mtu;
	}
	d->datagram = it->payload - ZS_TUNNEL_HEADER;
	d->len = it->payload_len + ZS_TUNNEL_OVERHEAD;
	if (d->datagram - ZS_IP6_LEN - ZS_UDP_LEN - ZS_ETH_LEN - ZS_VLAN_LEN < (uint8_t *)it->m->buf_addr ||
	    end + ZS_GCM_TAG > (uint8_t *)it->m->buf_addr + it->m->buf_len)
		return ZS_DROP_no_mbuf;
	d->head.auth = it->class == ZS_CLASS_FLOW && it->side == ZS_SIDE_CLIENT && it->published.protection;
	return is_intact(it, d->head.auth) ? ZS_DROPS : ZS_DROP_udp_checksum;
}

/* The next counter is taken last: a packet that ends before spends none. */
static enum zs_drop stamp(struct departure *d)
{
	struct zs_lane_stamp s;
	enum zs_drop why = zs_lane_next(&d->way->lane, d->len, &s);

	if (why != ZS_DROPS)
		return why;
	d->key = s.key;
	d->head.type = ZS_TUNNEL_DATA;
	d->head.receiver = d->way->peer;
	d->head.lane = d->way->lane.number;
	d->head.counter = s.counter;
	d->head.epoch = s.epoch;
	d->head.ecn = d->it->p.ecn;
	zs_tunnel_write(&d->head, d->datagram);
	return ZS_DROPS;
}

/* --- OPEN --- */

/* Has anything gone to the target yet? */
static bool has_sent(const struct zs_item *it)
{
	return zs_flow_counts(&it->table->flow[it->flow], &it->table->rest[it->flow])
		   .packets[ZS_FLOW_TO_TARGET] != 0;
}

static bool is_due(struct zs_worker *w, const struct zs_item *it)
{
	const struct zs_flow *f = &it->table->flow[it->flow];
	uint32_t mark = (uint32_t)(it->table - w->dp->partition) << 24 ^ it->flow;
	__auto_type o = &w->tunnels->opened[(mark * 0x9e3779b1u) >> 22];
	bool mine = o->flow == mark, lately = w->now_ms - o->ms < OPEN_MS;

	_Static_assert(ZS_TUNNEL_OPENED == 1u << 10, "what the shift leaves");
	if (f->answered != ZS_FLOW_ASKING || (lately && (mine || has_sent(it))))
		return false;
	o->flow = mark;
	o->ms = w->now_ms;
	return true;
}

static void tell_client(struct zs_worker *w, const struct departure *d)
{
	const struct zs_flow *f = &d->it->table->flow[d->it->flow];
	uint8_t payload[ZS_TUNNEL_OPEN];
	struct zs_endpoint who = zs_is_attached(&f->client.addr) ? (struct zs_endpoint){ 0 } : f->client;

	if (d->head.flow.opener != ZS_TUNNEL_RELAY || !is_due(w, d->it))
		return;
	zs_tunnel_write_open(payload, &who, f->port);
	zs_tunnel_send(w, &d->aim,
		       &(struct zs_control_out){ .flow = d->head.flow,
						 .type = ZS_TUNNEL_TYPE_OPEN,
						 .payload = payload,
						 .len = sizeof(payload) });
}

/* --- the burst --- */

static enum zs_drop prepare(struct zs_worker *w, struct departure *d)
{
	enum zs_drop why = aim(w, d);

	if (why == ZS_DROPS)
		why = judge(w, d);
	if (why != ZS_DROPS)
		return why;
	if (d->it->class == ZS_CLASS_FLOW)
		tell_client(w, d);
	return stamp(d);
}

/* The outer headers of a sealed datagram. */
static bool finish(struct departure *d)
{
	struct zs_header h = { d->src, d->aim.path.to, 0, d->it->p.ecn };
	uint32_t rest;
	uint16_t tag;

	if (!d->head.auth) {
		h.payload_sum = zs_csum_add(0, d->datagram, d->len);
		return zs_header_put(d->it, &h, d->datagram, d->len);
	}
	tag = zs_csum_fold(zs_csum_add(0, d->datagram + d->len - ZS_GCM_TAG, ZS_GCM_TAG));
	rest = zs_csum_fold(zs_csum_add(0, d->datagram, ZS_TUNNEL_HEADER));
	rest += d->len & 1 ? (uint16_t)(tag << 8 | tag >> 8) : tag;
	h.payload_sum = rest + zs_csum_fold(d->it->payload_sum);
	return zs_header_put(d->it, &h, d->datagram, d->len);
}

static uint32_t seal_burst(struct zs_worker *w, struct zs_item **at, uint32_t n, struct zs_item **on)
{
	struct departure all[ZS_BURST];
	struct zs_gcm_job job[ZS_BURST];
	struct zs_gcm_fetch keys = { 0 };
	uint32_t count = 0, out = 0;

	for (uint32_t i = 0; i < n; i++) {
		struct departure *d = &all[count];
		enum zs_drop why;

		*d = (struct departure){ .it = at[i] };
		if ((why = prepare(w, d)) != ZS_DROPS) {
			zs_stage_drop(w, at[i]->m, why);
			continue;
		}
		zs_tunnel_job(&job[count], &d->head, d->datagram, d->len, d->key, d->aad);
		zs_gcm_fetch(&w->tunnels->engine, d->key, job[count++].len, &keys);
	}
	zs_gcm_seal_burst(&w->tunnels->engine, job, count, &keys);
	for (uint32_t i = 0; i < count; i++) {
		zs_tunnel_sent(w, all[i].way);
		if (finish(&all[i])) {
			w->count[ZS_COUNTER_tunnel_out]++;
			on[out++] = all[i].it;
		} else {
			zs_stage_drop(w, all[i].it->m, ZS_DROP_no_mbuf);
		}
	}
	return out;
}

uint32_t zs_stage_tunnel_out(struct zs_worker *w, struct zs_item **at, uint32_t n)
{
	struct zs_item *tunnel[ZS_BURST];
	uint32_t on = 0, count = 0;

	for (uint32_t i = 0; i < n; i++)
		if (at[i]->sealed)
			tunnel[count++] = at[i];
		else
			at[on++] = at[i];
	return count ? on + seal_burst(w, tunnel, count, at + on) : on;
}
