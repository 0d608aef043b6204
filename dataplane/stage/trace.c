/* Samples of packets where they end: does it fit, is it the n-th, is there rate and room; then headers are copied out.
 *
 * What a packet was is read again from its frame, which is as it came but for what was opened in place or rewritten; the item
 * of the burst on its way, when there is one, says what the relay found out. All of it is work for a sample alone. */
#include <rte_mbuf.h>
#include "tracer.h"
#include "stage.h"

#define BLIND	   (ZS_ETH_LEN + ZS_IP4_MIN + ZS_UDP_LEN) /* shown of a frame that cannot be read */
#define LONG_HEAD  (6 + ZS_CID) /* a QUIC long header up to its connection ID's end … */
#define SHORT_HEAD (1 + ZS_CID) /* … and a short one */

struct subject {
	const struct zs_item *it; /* NULL: none of the burst on its way */
	const struct rte_mbuf *m;
	struct zs_packet p;
	bool readable; /* p is of the frame */
	struct zs_trace_record r;
};

void zs_trace_burst(struct zs_worker *w, struct zs_burst *b, uint32_t n)
{
	w->trace->burst = b;
	w->trace->count = b ? n : 0;
	for (uint32_t i = 0; b && i < n; i++) {
		struct zs_item *it = &b->item[i];

		it->table = NULL; /* what no stage has found yet */
		it->flow = ZS_FLOW_NONE;
		it->sender = ZS_SENDER_NONE;
		it->cid = (struct zs_cid){ .verdict = ZS_CID_LENGTH };
	}
}

static const struct zs_item *item_of(const struct zs_tracer *t, const struct rte_mbuf *m)
{
	for (uint32_t i = 0; i < t->count; i++)
		if (t->burst->item[i].m == m)
			return &t->burst->item[i];
	return NULL;
}

static enum zs_trace_class class_of(const struct zs_worker *w, const struct subject *s)
{
	const struct zs_item *it = s->it;

	if (it && (it->inner || it->sealed))
		return ZS_TRACE_CLASS_tunnel;
	if (s->r.verdict == ZS_TRACE_SENT && it)
		return it->class == ZS_CLASS_CID ? ZS_TRACE_CLASS_cid : ZS_TRACE_CLASS_flow;
	if (s->r.verdict == ZS_TRACE_PUNTED || !s->readable)
		return ZS_TRACE_CLASS_other;
	if (s->p.kind == ZS_PACKET_ICMP_ERROR)
		return ZS_TRACE_CLASS_icmp;
	if (s->p.dst.port == w->dp->service_port && s->p.dst.port)
		return ZS_TRACE_CLASS_cid;
	return s->p.dst.port == w->dp->tunnel_port && s->p.dst.port ? ZS_TRACE_CLASS_tunnel
								    : ZS_TRACE_CLASS_flow;
}

static uint32_t attachment_of(const struct zs_endpoint *end)
{
	return zs_is_attached(&end->addr) ? zs_attached_of(&end->addr).attachment : 0;
}

static void describe_flow(struct subject *s, const struct zs_flow *f)
{
	bool to_client = s->it->side == ZS_SIDE_TARGET;
	uint32_t client = attachment_of(&f->client), target = attachment_of(&f->target);

	s->r.port = f->port;
	s->r.client = f->client;
	s->r.from = to_client ? target : client;
	s->r.to = to_client ? client : target;
}

/* Who, whereto and by which port of ours, as far as it is known. */
static void describe(const struct zs_worker *w, struct subject *s)
{
	const struct zs_item *it = s->it;

	if (s->readable) {
		s->r.client = s->p.src;
		s->r.port = s->p.dst.port;
	}
	s->r.class = (uint8_t)class_of(w, s);
	if (!it)
		return;
	if (it->inner)
		s->r.from = attachment_of(&it->p.src);
	if (it->class == ZS_CLASS_CID) {
		if (s->r.verdict == ZS_TRACE_SENT) { /* the frame is rewritten, the item's packet is not */
			s->r.client = it->p.src;
			s->r.port = it->p.dst.port;
		}
		s->r.to = it->cid.verdict == ZS_CID_OK ? it->cid.attachment : 0;
		s->r.from = it->sender != ZS_SENDER_NONE ? it->sender : 0;
	} else if (it->table && it->flow != ZS_FLOW_NONE) {
		describe_flow(s, &it->table->flow[it->flow]);
	}
}

static bool fits(const struct zs_trace_want *want, const struct zs_trace_record *r)
{
	return (want->class == ZS_TRACE_ANY || want->class == r->class) &&
	       (!want->port || want->port == r->port) &&
	       (!want->attachment || want->attachment == r->from || want->attachment == r->to) &&
	       (!want->has_client || zs_addr_eq(&want->client, &r->client.addr));
}

static bool ends_so(const struct zs_trace_want *want, enum zs_trace_verdict verdict, uint8_t reason)
{
	return want->drop == ZS_TRACE_ANY ||
	       (verdict == ZS_TRACE_DROPPED && (want->drop == ZS_TRACE_ANY_DROP || want->drop == reason));
}

/* Headers: IP and UDP or ICMP, and of our own protocols what routes a packet. */
static uint32_t headers(const struct subject *s, const uint8_t *frame, uint32_t len)
{
	uint32_t end = BLIND;

	if (s->readable) {
		end = s->p.payload_off;
		if (s->r.class == ZS_TRACE_CLASS_tunnel && (s->r.verdict != ZS_TRACE_SENT || s->it->sealed))
			end += ZS_TUNNEL_HEADER;
		else if (s->r.class == ZS_TRACE_CLASS_cid && end < len)
			end += frame[end] & 0x80 ? LONG_HEAD : SHORT_HEAD;
	}
	return end < len ? end : len;
}

/* What was opened and left for a ring begins at its payload: it has no headers any more. */
static bool has_frame(const struct subject *s)
{
	return !s->it || !s->it->inner || rte_pktmbuf_mtod(s->m, const uint8_t *) != s->it->payload;
}

static void take(struct zs_worker *w, struct subject *s)
{
	struct zs_tracer *t = w->trace;
	struct zs_trace_count *count = &w->dp->trace.head[w->index].count[s->r.iface];
	const uint8_t *frame = rte_pktmbuf_mtod(s->m, const uint8_t *);
	uint32_t len = s->m->data_len;

	count->matched++;
	if (!zs_gcra_allow(&t->bucket, &t->rate, w->now_ns, 1)) {
		count->over_rate++;
		return;
	}
	if (!has_frame(s))
		len = 0;
	else if (!t->want.payload)
		len = headers(s, frame, len);
	s->r.captured = (uint16_t)(len < t->want.snap ? len : t->want.snap);
	s->r.length = s->m->pkt_len;
	s->r.serial = t->want.serial;
	s->r.time_ns = w->now_ns;
	if (!zs_trace_push(&w->dp->trace, w->index, &s->r, frame))
		count->ring_full++;
}

/* Looking costs more than forwarding: it has a bound of its own. */
static bool may_look(struct zs_worker *w, uint32_t iface)
{
	if (iface >= ZS_IFACES_MAX)
		return false;
	if (w->trace->looks) {
		w->trace->looks--;
		return true;
	}
	w->dp->trace.head[w->index].count[iface].unseen++;
	return false;
}

static void look(struct zs_worker *w, struct subject *s)
{
	struct zs_tracer *t = w->trace;

	if (has_frame(s))
		s->readable = zs_packet_parse(rte_pktmbuf_mtod(s->m, const uint8_t *), s->m->data_len,
					      &s->p) == ZS_PARSE_OK;
	describe(w, s);
	if (!fits(&t->want, &s->r) || ++t->passed < t->want.every)
		return;
	t->passed = 0;
	take(w, s);
}

void zs_trace_end(struct zs_worker *w, const struct rte_mbuf *m, enum zs_trace_verdict verdict,
		  uint8_t reason)
{
	struct subject s;

	if (!ends_so(&w->trace->want, verdict, reason) || !may_look(w, m->port))
		return;
	s = (struct subject){
		.it = item_of(w->trace, m),
		.m = m,
		.r = { .iface = (uint8_t)m->port, .verdict = (uint8_t)verdict, .reason = reason }
	};
	look(w, &s);
}

void zs_trace_sent(struct zs_worker *w, struct zs_item *const *at, uint32_t n)
{
	if (w->trace->want.drop != ZS_TRACE_ANY)
		return;
	for (uint32_t i = 0; i < n; i++) {
		struct subject s;

		if (!may_look(w, at[i]->hop.iface))
			continue;
		s = (struct subject){ .it = at[i],
				      .m = at[i]->m,
				      .r = { .iface = at[i]->hop.iface, .verdict = ZS_TRACE_SENT } };
		look(w, &s);
	}
}
