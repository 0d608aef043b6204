/* A burst of tunnel datagrams: headers, then sessions, then windows and, as the header's epoch tells, keys, each fetched while the ones
 * before are looked at; then all opened, then one by one what they mean. What carries a flow goes on as an item whose source is the attachment's end.
 *
 * Everything of a session is its owner's: another worker's datagram crosses a ring unopened. */
#include <rte_mbuf.h>
#include "base/prefetch.h"
#include "net/checksum.h"
#include "stage.h"
#include "tunnels.h"

struct arrival {
	struct zs_item *it;
	uint8_t *at; /* header, payload, tag */
	struct zs_tunnel_session *session;
	struct zs_window *window; /* NULL: not ready */
	uint32_t number;	  /* of the window */
	struct zs_tunnel_head head;
	struct zs_window_pick pick;
	uint32_t slot;
	uint16_t len;
	bool proven; /* it is from where its edge has proven to be */
	bool fresh;  /* the window is of a lane not seen before, and nobody's yet */
	uint8_t aad[ZS_TUNNEL_AAD];
};

static void take_window(const struct zs_worker *w, struct arrival *a, uint32_t window)
{
	a->window = &w->dp->state.tunnel_window[window];
	a->number = window;
}

static bool at_endpoint(const struct zs_tunnel_session *s, const struct zs_item *it)
{
	return zs_tunnel_is_from(s, &it->p.src, it->local);
}

static bool refuse(struct zs_worker *w, struct arrival *a, enum zs_drop why)
{
	if (a->fresh)
		zs_tunnel_window_drop(w, a->number);
	zs_stage_refuse(w, a->it, why);
	return false;
}

/* --- which session, window and key --- */

/* Those whose window and keys are ready have them on their way; how many are not? */
static uint32_t look(struct zs_worker *w, struct arrival *a, uint32_t n, uint32_t as_of,
		     struct zs_gcm_fetch *keys)
{
	uint32_t missing = 0;

	*keys = (struct zs_gcm_fetch){ 0 };
	for (uint32_t i = 0; i < n; i++) {
		struct arrival *one = &a[i];
		uint32_t window;

		one->session = &w->dp->state.tunnel_session[one->slot];
		one->window = NULL;
		if (ZS_UNLIKELY(!zs_tunnel_is_ready(w, one->slot, &one->head, as_of))) {
			missing++;
			continue;
		}
		window = one->session->window[one->head.lane] - 1;
		if (window >= w->dp->state.windows)
			continue;
		take_window(w, one, window);
		zs_prefetch(one->window);
		zs_gcm_fetch(&w->tunnels->engine,
			     zs_window_key(zs_tunnel_keys(w->tunnels, window), one->head.epoch),
			     one->head.auth ? 0 : one->len - ZS_TUNNEL_OVERHEAD, keys);
	}
	return missing;
}

/* A session that is new here, changed, another worker's, or none. false: the item has left. */
static bool meet(struct zs_worker *w, struct arrival *a)
{
	uint64_t tag = zs_tunnel_known(w, a->slot);
	uint32_t owner;

	if (!tag || w->tunnels->known[a->slot].receiver != a->head.receiver)
		return refuse(w, a, ZS_DROP_tunnel_receiver);
	owner = zs_tunnel_claim(a->session, w->index, w->dp->workers);
	if (owner != w->index) {
		zs_hand_over(w, a->it, owner);
		return false;
	}
	zs_tunnel_begin(w, a->slot, tag);
	return true;
}

/* All sessions are met before any window is chosen: what one begins, it takes from the one before in its slot. */
ZS_COLD static uint32_t meet_all(struct zs_worker *w, struct arrival *a, uint32_t n)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < n; i++)
		if (a[i].window || meet(w, &a[i]))
			a[count++] = a[i];
	return count;
}

static uint32_t find_all(struct zs_worker *w, struct arrival *a, uint32_t n, struct zs_gcm_fetch *keys)
{
	uint32_t as_of = n ? zs_tunnel_as_of(w) : 0;

	if (ZS_LIKELY(!look(w, a, n, as_of, keys)))
		return n;
	n = meet_all(w, a, n);
	look(w, a, n, as_of, keys);
	return n;
}

/* May its tag be checked now? From where its edge has not proven to be, when the others of the burst have left. */
static bool worth(struct zs_worker *w, struct arrival *a)
{
	enum zs_drop why;

	a->proven = at_endpoint(a->session, a->it);
	if (ZS_LIKELY(a->proven) || w->later.now)
		return true;
	why = zs_flood_may_check(w, &a->it->p.src.addr, false);
	if (why != ZS_DROPS)
		return refuse(w, a, why);
	zs_stage_later(w, a->it);
	return false;
}

/* The window of a lane whose keys are not made yet: an empty one if it was not seen before. */
ZS_COLD static bool take_lane(struct zs_worker *w, struct arrival *a)
{
	const struct zs_known *k = &w->tunnels->known[a->slot];
	enum zs_drop why = ZS_DROP_tunnel_receiver;
	int64_t window = -1;

	if (k->receiver != a->head.receiver || k->tag != a->session->tag)
		return refuse(w, a, why);
	if (a->session->window[a->head.lane]) {
		window = zs_tunnel_window(w, a->slot, k->tag, a->head.lane);
	} else if (!a->session->ended) {
		if (!worth(w, a))
			return false;
		window = zs_tunnel_window_try(w, a->slot, k->tag, a->head.lane, &why);
		a->fresh = window >= 0;
	}
	if (window < 0)
		return refuse(w, a, why);
	take_window(w, a, (uint32_t)window);
	return true;
}

/* Window and key. false: the item has left. */
static bool judge(struct zs_worker *w, struct arrival *a)
{
	enum zs_drop why;

	if (ZS_UNLIKELY(!a->window) && !take_lane(w, a))
		return false;
	if (ZS_UNLIKELY(a->session->ended))
		return refuse(w, a, ZS_DROP_tunnel_receiver);
	why = zs_window_judge(a->window, zs_tunnel_keys(w->tunnels, a->number), &a->head, w->now_ns,
			      &a->pick);
	if (ZS_UNLIKELY(why != ZS_DROPS))
		return refuse(w, a, why);
	return a->fresh || worth(w, a);
}

/* --- what it says --- */

ZS_COLD static bool fail(struct zs_worker *w, struct arrival *a)
{
	if (!a->fresh && zs_window_failed(a->window))
		zs_tunnel_end(a->session);
	zs_flood_failed(w, &a->it->p.src.addr);
	return refuse(w, a, ZS_DROP_tunnel_tag);
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
	it->hash = k->tag;
	it->local = ZS_LOCAL_ATTACHED;
	it->l4 = it->payload - ZS_UDP_LEN;
	it->l4_len = (uint16_t)(it->payload_len + ZS_UDP_LEN);
	it->p.payload_len = it->payload_len;
	it->p.src = (struct zs_endpoint){
		zs_attached_addr(&(struct zs_attached){ k->attachment, k->generation, 0 }), 0
	};
	it->p.dst.port = w->dp->service_port;
}

static struct zs_tunnel_heard heard_of(const struct arrival *a, bool newest)
{
	return (struct zs_tunnel_heard){ .slot = a->slot,
					 .tag = a->session->tag,
					 .head = &a->head,
					 .from = { a->it->p.src, a->it->local },
					 .bytes = a->len,
					 .newest = newest };
}

/* Where its edge is. From where that was it says nothing new, as nearly always. */
ZS_COLD static void hear(struct zs_worker *w, const struct arrival *a, bool newest)
{
	struct zs_tunnel_heard h = heard_of(a, newest);

	zs_tunnel_heard(w, &h);
}

/* It ends here. */
ZS_COLD static void control(struct zs_worker *w, const struct arrival *a, bool newest)
{
	struct zs_tunnel_heard h = heard_of(a, newest);
	enum zs_drop why = zs_tunnel_control(w, &h, a->it->payload);

	if (why == ZS_DROPS)
		zs_tunnel_consume(w, a->it->m, zs_tunnel_counter(a->head.type));
	else
		zs_stage_drop(w, a->it->m, why);
}

/* An authentic datagram. true: it goes on to its flow, or where its connection ID leads. */
static bool act(struct zs_worker *w, struct arrival *a, bool newest)
{
	struct zs_item *it = a->it;
	enum zs_drop why;

	it->payload = a->at + ZS_TUNNEL_HEADER;
	it->payload_len = (uint16_t)(a->len - ZS_TUNNEL_OVERHEAD);
	why = zs_tunnel_form(&a->head, ZS_TUNNEL_EDGE, it->payload, it->payload_len);
	zs_tunnel_came(w, a->session);
	if (ZS_UNLIKELY(!a->proven))
		hear(w, a, newest);
	if (why == ZS_DROPS && ZS_LIKELY(a->head.type == ZS_TUNNEL_DATA))
		why = zs_tunnel_ecn(a->head.ecn, it->p.ecn, &it->p.ecn);
	if (ZS_UNLIKELY(why != ZS_DROPS)) {
		zs_stage_drop(w, it->m, why);
		return false;
	}
	if (ZS_LIKELY(zs_tunnel_flow_id(&a->head.flow))) {
		take_flow(w, a);
	} else if (a->head.type == ZS_TUNNEL_DATA) {
		take_cid(w, a);
	} else {
		control(w, a, newest);
		return false;
	}
	return true;
}

/* What is not payload: all of a control message. */
static void count_bytes(struct zs_worker *w, const struct arrival *a)
{
	if (a->head.type == ZS_TUNNEL_DATA)
		w->count[ZS_COUNTER_overhead_in_bytes] += a->it->ip_len - (a->len - ZS_TUNNEL_OVERHEAD);
	else
		w->count[ZS_COUNTER_control_in_bytes] += a->it->ip_len;
}

/* It was opened, or was not. true: it goes on to its flow. */
static bool settle(struct zs_worker *w, struct arrival *a, bool ok)
{
	bool newest = false, turned = a->pick.epoch > a->window->epoch;
	enum zs_drop why;

	if (ZS_UNLIKELY(!ok))
		return fail(w, a);
	why = zs_window_accept(a->window, a->head.counter, a->pick.epoch, w->now_ns, &newest);
	if (ZS_UNLIKELY(why != ZS_DROPS)) {
		zs_stage_drop(w, a->it->m, why);
		return false;
	}
	if (ZS_UNLIKELY(a->fresh))
		zs_tunnel_window_keep(w, a->slot, a->head.lane, a->number);
	if (ZS_UNLIKELY(turned))
		zs_tunnel_turned(w, a->number);
	w->count[ZS_COUNTER_tunnel_in]++;
	count_bytes(w, a);
	return act(w, a, newest);
}

/* --- the burst --- */

/* Reads headers. What is left is in `a`, in order, its sessions on their way. All slots are below those of the state segment. */
static uint32_t read_all(struct zs_worker *w, struct zs_item **at, uint32_t n, struct arrival *a)
{
	uint32_t count = 0, slots = w->sessions ? w->sessions->sessions : 0;

	for (uint32_t i = 0; i < n; i++) {
		struct arrival *one = &a[count];
		enum zs_drop why;

		one->it = at[i];
		one->at = at[i]->l4 + ZS_UDP_LEN;
		one->len = (uint16_t)(at[i]->l4_len - ZS_UDP_LEN);
		one->fresh = false;
		why = zs_tunnel_read(&one->head, one->at, one->len);
		if (ZS_LIKELY(why == ZS_DROPS))
			one->slot = one->head.receiver & (slots - 1);
		if (why == ZS_DROPS && ZS_UNLIKELY(!slots || one->slot >= w->tunnels->sessions))
			why = ZS_DROP_tunnel_receiver;
		if (ZS_UNLIKELY(why != ZS_DROPS)) {
			zs_stage_refuse(w, at[i], why);
			continue;
		}
		zs_tunnel_prefetch(w, one->slot);
		zs_prefetch(one->at + one->len - ZS_GCM_TAG); /* it may lie on two lines */
		zs_prefetch(one->at + one->len - 1);
		count++;
	}
	return count;
}

static uint32_t open_burst(struct zs_worker *w, struct zs_item **at, uint32_t n, struct zs_item **on)
{
	struct arrival all[ZS_BURST], *a[ZS_BURST];
	struct zs_gcm_job job[ZS_BURST];
	struct zs_gcm_fetch keys;
	uint32_t count = find_all(w, all, read_all(w, at, n, all), &keys), jobs = 0, out = 0;

	for (uint32_t i = 0; i < count; i++) {
		struct arrival *one = &all[i];

		if (!judge(w, one))
			continue;
		one->it->summed = one->head.auth && one->it->p.l4_csum ? ZS_SUM_OUTER : ZS_SUM_NONE;
		zs_tunnel_job(&job[jobs], &one->head, one->at, one->len, one->pick.key, one->aad);
		if (ZS_UNLIKELY(one->fresh)) {
			if (settle(w, one, zs_gcm_open(&w->tunnels->engine, &job[jobs])))
				on[out++] = one->it; /* at once: a burst may hold several of its lane */
			continue;
		}
		a[jobs++] = one;
	}
	zs_gcm_open_burst(&w->tunnels->engine, job, jobs, &keys);
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
