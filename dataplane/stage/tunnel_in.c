/* A burst of tunnel datagrams: headers, sessions, windows and keys, then all opened, then one by one what they
 * mean. What carries a flow goes on as an item whose source is the attachment's end.
 *
 * Everything of a session is its owner's: another worker's datagram crosses a ring unopened.
 *
 * Data without a flow go on as if they had come to the service port; who sends is the session's attachment. */
#include <rte_mbuf.h>
#include "net/checksum.h"
#include "stage.h"
#include "tunnels.h"

struct arrival {
	struct zs_item *it;
	struct zs_tunnel_head head;
	struct zs_window *window;
	struct zs_window_keys *keys;
	struct zs_window_pick pick;
	uint64_t tag;
	uint32_t slot;
	int64_t fresh; /* window of a lane not seen before, -1: it was */
	bool later;    /* its tag is checked when the others of the burst have left */
	uint8_t aad[ZS_TUNNEL_AAD];
};

static uint8_t *datagram(const struct arrival *a)
{
	return a->it->l4 + ZS_UDP_LEN;
}

static uint16_t length(const struct arrival *a)
{
	return (uint16_t)(a->it->l4_len - ZS_UDP_LEN);
}

/* The session and its owner. false: the item has ended. */
static bool find_session(struct zs_worker *w, struct arrival *a)
{
	uint32_t owner;

	a->tag = zs_tunnel_known(w, a->slot);
	if (!a->tag ||
	    __atomic_load_n(&w->sessions->session[a->slot].receiver, __ATOMIC_RELAXED) != a->head.receiver) {
		zs_stage_refuse(w, a->it, ZS_DROP_tunnel_receiver);
		return false;
	}
	owner = zs_tunnel_claim(&w->dp->state.tunnel_session[a->slot], w->index, w->dp->workers);
	if (owner != w->index) {
		zs_hand_over(w, a->it, owner);
		return false;
	}
	zs_tunnel_begin(w, a->slot, a->tag);
	return true;
}

/* Is it from where the session's edge has proven to be? */
static bool at_endpoint(const struct zs_tunnel_session *s, const struct zs_item *it)
{
	struct zs_roam_place from = { it->p.src, it->local };

	return s->roam.has_current && zs_roam_at(&s->roam.current, &from);
}

/* May its tag be checked? Of one that comes from where its edge has not proven to be, when the others have left. */
static enum zs_drop worth(struct zs_worker *w, struct arrival *a, const struct zs_tunnel_session *s)
{
	if (at_endpoint(s, a->it) || w->later.now)
		return ZS_DROPS;
	a->later = true;
	return zs_flood_may_check(w, &a->it->p.src.addr, false);
}

/* Window and key. ZS_DROPS: to be opened, or later. */
static enum zs_drop find_key(struct zs_worker *w, struct arrival *a)
{
	const struct zs_tunnel_session *s = &w->dp->state.tunnel_session[a->slot];
	enum zs_drop why = ZS_DROP_tunnel_receiver;

	a->fresh = -1;
	a->later = false;
	if (s->ended)
		return why;
	if (!s->window[a->head.lane]) {
		why = worth(w, a, s);
		if (why != ZS_DROPS || a->later)
			return why;
		a->fresh = zs_tunnel_window_try(w, a->slot, a->tag, a->head.lane, &why);
		if (a->fresh < 0)
			return why;
		a->window = &w->dp->state.tunnel_window[a->fresh];
		a->keys = &w->tunnels->keys[a->fresh];
	} else {
		a->window = zs_tunnel_window(w, a->slot, a->tag, a->head.lane, &a->keys);
		if (!a->window)
			return why;
	}
	why = zs_window_judge(a->window, a->keys, &a->head, w->now_ns, &a->pick);
	return why == ZS_DROPS && a->fresh < 0 ? worth(w, a, s) : why;
}

/* What the sender's own checksum says of a payload that the tag does not cover: the datagram's sum without its
 * headers and tag, so that what was damaged on the way stays wrong. */
static void sum_clear(struct zs_item *it, const uint8_t *at, uint16_t len)
{
	uint32_t rest = zs_header_sum(&it->p.src, &it->p.dst, it->l4_len);
	uint16_t tag = zs_csum_fold(zs_csum_add(0, at + len - ZS_GCM_TAG, ZS_GCM_TAG));

	it->summed = it->p.l4_csum != 0;
	rest = zs_csum_add(rest, at, ZS_TUNNEL_HEADER);
	rest += len & 1 ? (uint16_t)(tag << 8 | tag >> 8) : tag;
	it->payload_sum = (uint32_t)(uint16_t)~it->p.l4_csum +
			  (uint16_t)~zs_csum_fold((rest & 0xffff) + (rest >> 16));
}

static void fail(struct zs_worker *w, struct arrival *a)
{
	if (a->fresh >= 0)
		zs_tunnel_window_drop(w, (uint32_t)a->fresh);
	else if (zs_window_failed(a->window))
		zs_tunnel_end(&w->dp->state.tunnel_session[a->slot]);
	zs_flood_failed(w, &a->it->p.src.addr);
	zs_stage_refuse(w, a->it, ZS_DROP_tunnel_tag);
}

/* The flow's end that it comes from, and the flow's number where a port would be. From here on it may be any
 * worker's. */
static void take_flow(struct zs_worker *w, struct arrival *a)
{
	const struct zs_known *k = &w->tunnels->known[a->slot];
	const struct zs_tunnel_flow *f = &a->head.flow;
	struct zs_attached end = { k->attachment, k->generation, f->service };
	bool ours = f->opener == ZS_TUNNEL_RELAY;
	struct zs_item *it = a->it;

	it->class = ZS_CLASS_FLOW;
	it->inner = a->head.type;
	it->auth = a->head.auth;
	it->handed = 0;
	it->local = ZS_LOCAL_ATTACHED;
	it->side = ours ? ZS_SIDE_TARGET : ZS_SIDE_CLIENT;
	it->p.src = (struct zs_endpoint){ zs_attached_addr(&end), ours ? 0 : f->number };
	it->p.dst.port = ours ? f->number : 0;
}

/* The same without a flow: what is in it looks like what came to the service port. */
static void take_cid(struct zs_worker *w, struct arrival *a)
{
	const struct zs_known *k = &w->tunnels->known[a->slot];
	struct zs_item *it = a->it;

	it->class = ZS_CLASS_CID;
	it->inner = a->head.type;
	it->sender = k->attachment;
	it->hash = a->tag;
	it->local = ZS_LOCAL_ATTACHED;
	it->l4 = it->payload - ZS_UDP_LEN;
	it->l4_len = (uint16_t)(it->payload_len + ZS_UDP_LEN);
	it->p.payload_len = it->payload_len;
	it->p.src = (struct zs_endpoint){
		zs_attached_addr(&(struct zs_attached){ k->attachment, k->generation, 0 }), 0
	};
	it->p.dst.port = w->dp->service_port;
}

/* An authentic datagram. true: it goes on to its flow, or where its connection ID leads. */
static bool act(struct zs_worker *w, struct arrival *a, bool newest)
{
	struct zs_item *it = a->it;
	struct zs_tunnel_heard h = { .slot = a->slot,
				     .tag = a->tag,
				     .head = &a->head,
				     .from = { it->p.src, it->local },
				     .bytes = length(a),
				     .newest = newest };
	enum zs_drop why;

	it->payload = datagram(a) + ZS_TUNNEL_HEADER;
	it->payload_len = (uint16_t)(length(a) - ZS_TUNNEL_OVERHEAD);
	why = zs_tunnel_form(&a->head, ZS_TUNNEL_EDGE, it->payload, it->payload_len);
	zs_tunnel_heard(w, &h);
	if (why == ZS_DROPS && a->head.type == ZS_TUNNEL_DATA)
		why = zs_tunnel_ecn(a->head.ecn, it->p.ecn, &it->p.ecn);
	if (why != ZS_DROPS) {
		zs_stage_drop(w, it->m, why);
		return false;
	}
	if (zs_tunnel_flow_id(&a->head.flow)) {
		take_flow(w, a);
	} else if (a->head.type == ZS_TUNNEL_DATA) {
		take_cid(w, a);
	} else {
		zs_tunnel_control(w, &h, it->payload);
		zs_tunnel_consume(w, it->m, zs_tunnel_counter(a->head.type));
		return false;
	}
	return true;
}

/* What is not payload: all of a control message. */
static void count_bytes(struct zs_worker *w, const struct arrival *a)
{
	if (a->head.type == ZS_TUNNEL_DATA)
		w->count[ZS_COUNTER_overhead_in_bytes] += a->it->ip_len - (length(a) - ZS_TUNNEL_OVERHEAD);
	else
		w->count[ZS_COUNTER_control_in_bytes] += a->it->ip_len;
}

static bool settle(struct zs_worker *w, struct arrival *a, bool ok)
{
	enum zs_drop why;
	bool newest = false;

	if (!ok) {
		fail(w, a);
		return false;
	}
	why = zs_window_accept(a->window, a->head.counter, a->pick.epoch, w->now_ns, &newest);
	if (why != ZS_DROPS) {
		zs_stage_drop(w, a->it->m, why);
		return false;
	}
	if (a->fresh >= 0)
		zs_tunnel_window_keep(w, a->slot, a->head.lane, (uint32_t)a->fresh);
	zs_tunnel_accepted(w, w->dp->state.tunnel_session[a->slot].window[a->head.lane] - 1);
	w->count[ZS_COUNTER_tunnel_in]++;
	count_bytes(w, a);
	return act(w, a, newest);
}

/* A lane not seen before is settled at once: a burst may hold several of its datagrams. */
static bool open_alone(struct zs_worker *w, struct arrival *a)
{
	struct zs_gcm_job job;

	zs_tunnel_job(&job, &a->head, datagram(a), length(a), a->pick.key, a->aad);
	return settle(w, a, zs_gcm_open(&w->tunnels->engine, &job));
}

/* Reads headers. What is left is in `a`, in order, its sessions on their way. */
static uint32_t read_all(struct zs_worker *w, struct zs_item **at, uint32_t n, struct arrival *all,
			 struct arrival **a)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < n; i++) {
		struct arrival *one = &all[count];
		enum zs_drop why;

		one->it = at[i];
		why = zs_tunnel_read(&one->head, datagram(one), length(one));
		if (why != ZS_DROPS) {
			zs_stage_refuse(w, at[i], why);
			continue;
		}
		__builtin_prefetch(datagram(one) + length(one) - ZS_GCM_TAG); /* it may lie on two lines */
		__builtin_prefetch(datagram(one) + length(one) - 1);
		one->slot = w->sessions ? one->head.receiver & (w->sessions->sessions - 1) : UINT32_MAX;
		zs_tunnel_prefetch(w, one->slot);
		a[count++] = one;
	}
	return count;
}

/* Those that are ours; their windows are on their way. */
static uint32_t find_all(struct zs_worker *w, struct arrival **a, uint32_t n)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < n; i++) {
		if (!find_session(w, a[i]))
			continue;
		zs_tunnel_window_prefetch(w, a[i]->slot, a[i]->head.lane, a[i]->head.counter);
		a[count++] = a[i];
	}
	return count;
}

static uint32_t open_burst(struct zs_worker *w, struct zs_item **at, uint32_t n, struct zs_item **on)
{
	struct arrival all[ZS_BURST], *a[ZS_BURST];
	struct zs_gcm_job job[ZS_BURST];
	uint32_t count = find_all(w, a, read_all(w, at, n, all, a)), jobs = 0, out = 0;

	for (uint32_t i = 0; i < count; i++) {
		struct arrival *one = a[i];
		enum zs_drop why = find_key(w, one);

		if (why != ZS_DROPS) {
			if (one->fresh >= 0)
				zs_tunnel_window_drop(w, (uint32_t)one->fresh);
			zs_stage_refuse(w, one->it, why);
			continue;
		}
		if (one->later) {
			zs_stage_later(w, one->it);
			continue;
		}
		one->it->summed = 0;
		if (one->head.auth)
			sum_clear(one->it, datagram(one), length(one));
		if (one->fresh >= 0) {
			if (open_alone(w, one))
				on[out++] = one->it;
			continue;
		}
		a[jobs] = one;
		zs_tunnel_job(&job[jobs++], &one->head, datagram(one), length(one), one->pick.key, one->aad);
	}
	zs_gcm_open_burst(&w->tunnels->engine, job, jobs);
	for (uint32_t i = 0; i < jobs; i++)
		if (settle(w, a[i], job[i].ok))
			on[out++] = a[i]->it;
	return out;
}

uint32_t zs_stage_tunnel_in(struct zs_worker *w, struct zs_item **at, uint32_t n)
{
	struct zs_item *tunnel[ZS_BURST];
	uint32_t on = 0, count = 0;

	for (uint32_t i = 0; i < n; i++)
		if (at[i]->class == ZS_CLASS_TUNNEL)
			tunnel[count++] = at[i];
		else
			at[on++] = at[i];
	return count ? on + open_burst(w, tunnel, count, at + on) : on;
}
