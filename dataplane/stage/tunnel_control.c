/* Control messages of tunnels: where an edge is, how long its path is, and what the relay itself says. Each is a
 * datagram of its own on this worker's lane; what cannot be sent is tried again by whoever wanted it. */
#include <rte_mbuf.h>
#include "entropy.h"
#include "limit.h"
#include "net/checksum.h"
#include "stage.h"
#include "tunnels.h"

#define ROOM 128 /* before a control datagram's payload, for all headers */

static struct zs_tunnel_session *session_at(struct zs_worker *w, uint32_t slot)
{
	return &w->dp->state.tunnel_session[slot];
}

enum zs_counter zs_tunnel_counter(uint8_t type)
{
	switch (type) {
	case ZS_TUNNEL_TYPE_OPEN:
		return ZS_COUNTER_tunnel_open;
	case ZS_TUNNEL_KEEPALIVE:
		return ZS_COUNTER_tunnel_keepalive;
	case ZS_TUNNEL_TYPE_PROBE:
		return ZS_COUNTER_tunnel_probe;
	case ZS_TUNNEL_ECHO:
		return ZS_COUNTER_tunnel_echo;
	default:
		return ZS_COUNTER_tunnel_close;
	}
}

static enum zs_counter made_counter(uint8_t type)
{
	switch (type) {
	case ZS_TUNNEL_TYPE_OPEN:
		return ZS_COUNTER_made_open;
	case ZS_TUNNEL_TYPE_PROBE:
		return ZS_COUNTER_made_probe;
	case ZS_TUNNEL_ECHO:
		return ZS_COUNTER_made_echo;
	default:
		return ZS_COUNTER_made_close;
	}
}

/* --- sending --- */

/* Writes and seals the datagram around the payload at `at`. ZS_DROPS: done. */
static enum zs_drop seal(struct zs_worker *w, struct zs_tunnel_way *way, const struct zs_control_out *c,
			 uint8_t *at)
{
	uint16_t whole = c->whole > c->len ? c->whole : c->len, len = whole + ZS_TUNNEL_OVERHEAD;
	struct zs_tunnel_head head = {
		.receiver = way->peer, .flow = c->flow, .type = c->type, .lane = way->lane.number
	};
	uint8_t *datagram = at - ZS_TUNNEL_HEADER, aad[ZS_TUNNEL_AAD];
	struct zs_lane_stamp stamp;
	struct zs_gcm_job job;
	enum zs_drop why = zs_lane_next(&way->lane, len, &stamp);

	if (why != ZS_DROPS)
		return why;
	memcpy(at, c->payload, c->len);
	memset(at + c->len, 0, whole - c->len);
	head.counter = stamp.counter;
	head.epoch = stamp.epoch;
	zs_tunnel_write(&head, datagram);
	zs_tunnel_job(&job, &head, datagram, len, stamp.key, aad);
	zs_gcm_seal(&w->tunnels->engine, &job);
	zs_tunnel_sent(w, way);
	return ZS_DROPS;
}

/* ZS_DROPS: the item is a whole packet. */
static enum zs_drop make(struct zs_worker *w, struct zs_item *it, const struct zs_aim *aim,
			 const struct zs_control_out *c)
{
	uint16_t len = (uint16_t)((c->whole > c->len ? c->whole : c->len) + ZS_TUNNEL_OVERHEAD);
	struct zs_tunnel_way *way = zs_tunnel_way(w, aim->slot, aim->tag);
	uint8_t *at = (uint8_t *)it->m->buf_addr + ROOM;
	struct zs_header h = { .dst = aim->path.to };
	enum zs_drop why;

	if (!way)
		return ZS_DROP_tunnel_lane;
	if (ROOM + len > it->m->buf_len)
		return ZS_DROP_no_mbuf;
	if ((why = zs_tunnel_hop(w, way, &aim->path, &it->hop, &h.src)) != ZS_DROPS ||
	    (why = seal(w, way, c, at)) != ZS_DROPS)
		return why;
	h.payload_sum = zs_csum_add(0, at - ZS_TUNNEL_HEADER, len);
	return zs_header_put(it, &h, at - ZS_TUNNEL_HEADER, len) ? ZS_DROPS : ZS_DROP_no_mbuf;
}

bool zs_tunnel_send(struct zs_worker *w, const struct zs_aim *aim, const struct zs_control_out *c)
{
	struct zs_item it = { .m = zs_stage_new(w) };
	struct zs_sent sent = { .kind = ZS_SENT_CONTROL };
	enum zs_drop why;

	if (!it.m)
		return false;
	w->count[ZS_COUNTER_originated]++;
	w->count[made_counter(c->type)]++;
	why = make(w, &it, aim, c);
	if (why != ZS_DROPS) {
		zs_stage_drop(w, it.m, why);
		return false;
	}
	w->count[ZS_COUNTER_tunnel_out]++;
	sent.ip_len = it.ip_len;
	zs_tx_put(w, it.hop.iface, it.m, &sent);
	return true;
}

/* What an edge is answered costs it a datagram and us two and a tag: so many a second, whatever its policy says of payload. */
static bool may_answer(struct zs_worker *w, uint32_t slot)
{
	return zs_limit_take(&w->tunnels->answer_tat_ns[slot], w->dp->conf->attach.answers_s, 0, w->now_ns);
}

static void close_at(struct zs_worker *w, const struct zs_aim *aim, const struct zs_endpoint *end,
		     uint16_t reason)
{
	struct zs_attached a = zs_attached_of(&end->addr);
	uint8_t payload[ZS_TUNNEL_CLOSE];
	struct zs_control_out c = { .flow = { end->port, a.service,
					      a.service ? ZS_TUNNEL_RELAY : ZS_TUNNEL_EDGE },
				    .type = ZS_TUNNEL_TYPE_CLOSE,
				    .payload = payload,
				    .len = sizeof(payload) };

	zs_tunnel_write_close(payload, reason);
	zs_tunnel_send(w, aim, &c);
}

static bool aim_at(struct zs_worker *w, const struct zs_endpoint *end, struct zs_aim *aim)
{
	struct zs_attached a = zs_attached_of(&end->addr);

	return zs_tunnel_aim(w, a.attachment, a.generation, aim);
}

void zs_tunnel_close(struct zs_worker *w, const struct zs_endpoint *end, uint16_t reason)
{
	struct zs_aim aim;

	if (aim_at(w, end, &aim))
		close_at(w, &aim, end, reason);
}

enum zs_drop zs_tunnel_refuse(struct zs_worker *w, const struct zs_endpoint *end, uint16_t reason)
{
	struct zs_aim aim;

	if (!aim_at(w, end, &aim))
		return ZS_DROPS;
	if (!may_answer(w, aim.slot))
		return ZS_DROP_tunnel_answers;
	close_at(w, &aim, end, reason);
	return ZS_DROPS;
}

/* --- where the edge is --- */

static void say(struct zs_worker *w, uint32_t slot, uint64_t tag, const struct zs_roam_place *to,
		const struct zs_control_out *c)
{
	struct zs_aim aim = { .slot = slot, .tag = tag };

	aim.path.to = to->remote;
	aim.path.local = (uint8_t)to->local;
	zs_tunnel_send(w, &aim, c);
}

static bool at_endpoint(const struct zs_tunnel_session *s, const struct zs_roam_place *from)
{
	return s->roam.has_current && zs_roam_at(&s->roam.current, from);
}

/* An edge may be wherever a target may. What is authentic counts from anywhere, but nothing is sent elsewhere. */
static bool may_be_at(const struct zs_worker *w, const struct zs_addr *a)
{
	return zs_deny_target(&w->settings.deny, a) == ZS_SPECIAL_NONE && !zs_locals_has(&w->locals, a) &&
	       !zs_locals_announced(w->dp->conf, a);
}

void zs_tunnel_heard(struct zs_worker *w, const struct zs_tunnel_heard *h)
{
	struct zs_tunnel_session *s = session_at(w, h->slot);
	struct zs_random random = zs_entropy_random(&w->entropy);

	if (at_endpoint(s, &h->from))
		return;
	if (h->head->type == ZS_TUNNEL_ECHO || !may_be_at(w, &h->from.remote.addr))
		return; /* an ECHO is asked by zs_tunnel_control first */
	if (zs_roam_heard(&s->roam, &h->from, h->bytes, h->newest, w->now_ns, &random))
		say(w, h->slot, h->tag, &s->roam.pending,
		    &(struct zs_control_out){
			.type = ZS_TUNNEL_TYPE_PROBE, .payload = s->roam.nonce, .len = ZS_TUNNEL_PROBE });
}

/* All workers send there from now on. */
static void publish(struct zs_tunnel_session *s)
{
	struct zs_tunnel_path path = { .to = s->roam.current.remote,
				       .local = (uint8_t)s->roam.current.local,
				       .size = (uint16_t)s->pmtu.size };

	zs_seqlock_put(&s->path, &path, sizeof(path));
}

/* The longest datagram that our own interface carries there. */
static uint32_t longest(struct zs_worker *w, const struct zs_roam_place *to)
{
	const struct zs_local *l = &w->locals.entry[to->local % ZS_LOCALS_MAX];
	uint32_t headers = (zs_addr_is4(&to->remote.addr) ? ZS_IP4_MIN : ZS_IP6_LEN) + ZS_UDP_LEN;
	uint32_t mtu = l->iface < w->dp->ports ? w->dp->port[l->iface].mtu : 0;

	return mtu > headers ? mtu - headers : 0;
}

static void probe_size(struct zs_worker *w, uint32_t slot, uint64_t tag)
{
	struct zs_tunnel_session *s = session_at(w, slot);
	struct zs_random random = zs_entropy_random(&w->entropy);
	uint32_t size = zs_pmtu_due(&s->pmtu, w->now_ns, &random);

	if (size)
		say(w, slot, tag, &s->roam.current,
		    &(struct zs_control_out){ .type = ZS_TUNNEL_TYPE_PROBE,
					      .payload = s->pmtu.nonce,
					      .len = ZS_TUNNEL_PROBE,
					      .whole = (uint16_t)(size - ZS_TUNNEL_OVERHEAD) });
	if (s->path.size != s->pmtu.size)
		publish(s);
}

static void take_echo(struct zs_worker *w, const struct zs_tunnel_heard *h, const uint8_t *nonce)
{
	struct zs_tunnel_session *s = session_at(w, h->slot);

	if (zs_roam_echo(&s->roam, &h->from, nonce, w->now_ns)) {
		zs_pmtu_start(&s->pmtu, longest(w, &s->roam.current), w->now_ns);
		publish(s);
	} else if (!at_endpoint(s, &h->from) || !zs_pmtu_echo(&s->pmtu, nonce, w->now_ns)) {
		return;
	}
	probe_size(w, h->slot, h->tag);
}

enum zs_drop zs_tunnel_control(struct zs_worker *w, const struct zs_tunnel_heard *h, const uint8_t *payload)
{
	switch (h->head->type) {
	case ZS_TUNNEL_TYPE_PROBE:
		if (!at_endpoint(session_at(w, h->slot), &h->from))
			break; /* nobody is sent ECHOs because an edge says it is there */
		if (!may_answer(w, h->slot))
			return ZS_DROP_tunnel_answers;
		say(w, h->slot, h->tag, &h->from,
		    &(struct zs_control_out){
			.type = ZS_TUNNEL_ECHO, .payload = payload, .len = ZS_TUNNEL_PROBE });
		break;
	case ZS_TUNNEL_ECHO:
		take_echo(w, h, payload);
		break;
	case ZS_TUNNEL_TYPE_CLOSE:
		zs_tunnel_end(session_at(w, h->slot));
		break;
	default: /* KEEPALIVE: that it came is all it says */
		break;
	}
	return ZS_DROPS;
}

void zs_tunnel_tend(struct zs_worker *w, uint32_t slot, uint64_t tag)
{
	struct zs_tunnel_session *s = session_at(w, slot);

	if (s->path.to.port && !s->ended && w->tables && !zs_tables_stopped(w->tables))
		probe_size(w, slot, tag);
}
