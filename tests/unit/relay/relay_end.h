/* A relay's end of a tunnel for tests, composed of lib/relay's pieces as the dataplane composes them: sessions by receiver
 * id, several sending lanes, windows, roaming, path MTU, flows of the edge by OPEN. It tells what it was given and
 * counts its drops; what it may not do is checked where it would do it. */
#ifndef ZS_TEST_RELAY_END_H
#define ZS_TEST_RELAY_END_H

#include "relay/lane.h"
#include "relay/pmtu.h"
#include "relay/roam.h"
#include "relay/window.h"

#define RELAY_SESSIONS 2
#define RELAY_LANES    3
#define RELAY_RATCHET  (ZS_LANE_BLOCK + 200)
#define RELAY_FLOWS    64 /* of the edge, by number modulo this */
#define RELAY_MOST     1472
#define RELAY_IDLE_NS  (10 * 1000000000ull)

struct relay_session {
	struct zs_lane lane[RELAY_LANES];
	struct zs_lane_store store[RELAY_LANES]; /* this and the windows outlive relay_restart */
	struct zs_window window[ZS_TUNNEL_LANES];
	struct zs_window_room keys[ZS_TUNNEL_LANES];
	struct zs_roam roam;
	struct zs_pmtu pmtu;
	uint8_t root[32];
	uint32_t receiver, peer;
	bool used;
};

struct relay_place_count { /* bytes, of a place that no ECHO came from yet */
	struct zs_roam_place place;
	uint64_t in, out;
};

struct relay_end {
	struct zs_gcm_engine engine;
	struct zs_random random;
	struct relay_session *session[RELAY_SESSIONS]; /* newest first */
	struct zs_tunnel_grants grants;
	struct zs_endpoint target[RELAY_FLOWS]; /* of the edge's flows that are open; port 0: not */
	uint64_t used_ns[RELAY_FLOWS];		/* idle ones end by themselves */
	struct relay_place_count unproven[64];
	uint64_t drop[ZS_DROPS + 1], moves, opens, keepalives;
	uint16_t session_closed;
	void (*data)(void *ctx, const struct zs_tunnel_flow *flow, uint8_t ecn, const uint8_t *payload,
		     size_t len);
	void (*closed)(void *ctx, const struct zs_tunnel_flow *flow, uint16_t reason);
	void (*send)(void *ctx, const struct zs_endpoint *to, const uint8_t *datagram, size_t len);
	void *ctx;
};

static const uint8_t relay_lanes[RELAY_LANES] = { 0, 5, 15 };

static inline void relay_load(struct relay_end *r, struct relay_session *s)
{
	for (int n = 0; n < RELAY_LANES; n++)
		assert_int_equal(zs_lane_init(&s->lane[n], &r->engine, &s->store[n], s->root,
					      ZS_ATTACH_DIR_RELAY, relay_lanes[n], RELAY_RATCHET),
				 0);
	for (uint8_t n = 0; n < ZS_TUNNEL_LANES; n++)
		assert_int_equal(zs_window_load(zs_window_room_keys(&s->keys[n]), &r->engine, &s->window[n],
						s->root, ZS_ATTACH_DIR_EDGE, n),
				 0);
}

/* A Grant: the session before becomes the second. */
static inline void relay_grant(struct relay_end *r, const uint8_t root[32], uint32_t receiver, uint32_t peer)
{
	struct relay_session *s = aligned_alloc(64, ZS_ALIGN_UP(sizeof(*s), 64));

	memset(s, 0, sizeof(*s));
	memcpy(s->root, root, 32);
	s->receiver = receiver;
	s->peer = peer;
	relay_load(r, s);
	free(r->session[1]);
	r->session[1] = r->session[0];
	r->session[0] = s;
}

/* kill -9 and a new process: what was derived or counted in private memory is gone. */
static inline void relay_restart(struct relay_end *r)
{
	for (int n = 0; n < RELAY_SESSIONS; n++)
		if (r->session[n]) {
			memset(r->session[n]->lane, 0xaa, sizeof(r->session[n]->lane));
			memset(r->session[n]->keys, 0xaa, sizeof(r->session[n]->keys));
			relay_load(r, r->session[n]);
		}
}

static inline void relay_delete(struct relay_end *r)
{
	for (int n = 0; n < RELAY_SESSIONS; n++)
		free(r->session[n]);
	zs_gcm_engine_fini(&r->engine);
}

static inline struct relay_place_count *relay_unproven(struct relay_end *r, const struct zs_roam_place *p)
{
	size_t n = 0;

	while (n < ZS_ARRAY_LEN(r->unproven) - 1 && r->unproven[n].in &&
	       !zs_roam_at(&r->unproven[n].place, p))
		n++;
	r->unproven[n].place = *p;
	return &r->unproven[n];
}

/* Payload is in place behind the header. */
static inline enum zs_drop relay_say(struct relay_end *r, struct relay_session *s,
				     struct zs_tunnel_head *head, uint8_t *d, size_t len,
				     const struct zs_roam_place *to)
{
	struct zs_lane *lane = &s->lane[zs_random_below(&r->random, RELAY_LANES)];
	uint8_t aad[ZS_TUNNEL_AAD];
	struct zs_lane_stamp stamp;
	struct zs_gcm_job job;
	enum zs_drop why = zs_lane_next(lane, len, &stamp);

	if (why != ZS_DROPS)
		return why;
	head->receiver = s->peer;
	head->lane = lane->number;
	head->epoch = stamp.epoch;
	head->counter = stamp.counter;
	zs_tunnel_write(head, d);
	zs_tunnel_job(&job, head, d, len, stamp.key, aad);
	zs_gcm_seal_burst(&r->engine, &job, 1, &(struct zs_gcm_fetch){ 0 });
	if (!s->roam.has_current || !zs_roam_at(&s->roam.current, to)) {
		struct relay_place_count *c = relay_unproven(r, to);
		c->out += len;
		assert_true(c->out <= c->in);
	}
	r->send(r->ctx, &to->remote, d, len);
	return ZS_DROPS;
}

static inline void relay_nonce(struct relay_end *r, struct relay_session *s, enum zs_tunnel_type type,
			       const uint8_t *nonce, size_t size, const struct zs_roam_place *to)
{
	struct zs_tunnel_head head = { .type = (uint8_t)type };
	uint8_t d[2048] = { 0 };

	memcpy(d + ZS_TUNNEL_HEADER, nonce, ZS_TUNNEL_PROBE);
	assert_int_equal(relay_say(r, s, &head, d, size, to), ZS_DROPS);
}

static inline struct relay_session *relay_in_use(struct relay_end *r)
{
	for (int n = 0; n < RELAY_SESSIONS; n++)
		if (r->session[n] && r->session[n]->roam.has_current)
			return r->session[n];
	return NULL;
}

static inline enum zs_drop relay_send(struct relay_end *r, enum zs_tunnel_type type,
				      const struct zs_tunnel_flow *flow, uint8_t ecn, const uint8_t *payload,
				      size_t len)
{
	struct relay_session *s = relay_in_use(r);
	struct zs_tunnel_head head = { .type = (uint8_t)type, .flow = *flow, .ecn = ecn };
	uint8_t d[4096];

	if (!s)
		return ZS_DROP_no_endpoint;
	head.auth = type == ZS_TUNNEL_DATA && flow->service &&
		    (r->grants.service[flow->service / 64] >> flow->service % 64 & 1);
	memcpy(d + ZS_TUNNEL_HEADER, payload, len);
	return relay_say(r, s, &head, d, len + ZS_TUNNEL_OVERHEAD, &s->roam.current);
}

static inline enum zs_drop relay_act(struct relay_end *r, struct relay_session *s,
				     const struct zs_tunnel_head *head, const struct zs_roam_place *from,
				     const uint8_t *payload, size_t len, uint64_t now)
{
	struct zs_endpoint *target = &r->target[head->flow.number % RELAY_FLOWS];
	uint64_t *used = &r->used_ns[head->flow.number % RELAY_FLOWS];
	uint16_t port;

	if (head->flow.opener == ZS_TUNNEL_EDGE) {
		if (now - *used > RELAY_IDLE_NS)
			target->port = 0;
		*used = now;
	}
	switch (head->type) {
	case ZS_TUNNEL_DATA:
		if (head->flow.opener == ZS_TUNNEL_EDGE && !target->port)
			return ZS_DROP_no_flow;
		r->data(r->ctx, &head->flow, head->ecn, payload, len);
		break;
	case ZS_TUNNEL_TYPE_OPEN:
		*target = zs_tunnel_read_open(payload, &port);
		r->opens++;
		break;
	case ZS_TUNNEL_KEEPALIVE:
		r->keepalives++;
		break;
	case ZS_TUNNEL_TYPE_PROBE:
		if (s->roam.has_current && zs_roam_at(&s->roam.current, from))
			relay_nonce(r, s, ZS_TUNNEL_ECHO, payload, ZS_ROAM_PROBE, from);
		break;
	case ZS_TUNNEL_ECHO:
		if (s->roam.has_current && zs_roam_at(&s->roam.current, from))
			zs_pmtu_echo(&s->pmtu, payload, now);
		break;
	case ZS_TUNNEL_TYPE_CLOSE:
		if (!zs_tunnel_flow_id(&head->flow)) {
			r->session_closed = zs_tunnel_read_close(payload);
			break;
		}
		if (head->flow.opener == ZS_TUNNEL_EDGE)
			target->port = 0;
		r->closed(r->ctx, &head->flow, zs_tunnel_read_close(payload));
		break;
	}
	return ZS_DROPS;
}

/* Where it came from, after the tag: an ECHO may move the endpoint, else a PROBE may be due. */
static inline void relay_place(struct relay_end *r, struct relay_session *s,
			       const struct zs_tunnel_head *head, const struct zs_roam_place *from,
			       const uint8_t *payload, size_t len, bool newest, uint64_t now)
{
	relay_unproven(r, from)->in += len;
	if (head->type == ZS_TUNNEL_ECHO && zs_roam_echo(&s->roam, from, payload, now)) {
		r->moves++;
		zs_pmtu_start(&s->pmtu, RELAY_MOST, now);
		if (s == r->session[0] && r->session[1]) { /* a packet each way: the one before ends */
			free(r->session[1]);
			r->session[1] = NULL;
		}
	} else if (zs_roam_heard(&s->roam, from, len, newest, now, &r->random)) {
		relay_nonce(r, s, ZS_TUNNEL_TYPE_PROBE, s->roam.nonce, ZS_ROAM_PROBE, &s->roam.pending);
	}
}

static inline enum zs_drop relay_take(struct relay_end *r, const struct zs_endpoint *from, uint8_t *d,
				      size_t len, uint64_t now)
{
	const struct zs_roam_place place = { *from, 1 };
	const uint8_t *payload = d + ZS_TUNNEL_HEADER;
	struct relay_session *s = NULL;
	struct zs_tunnel_head head;
	uint8_t aad[ZS_TUNNEL_AAD];
	struct zs_window_pick pick;
	struct zs_gcm_job job;
	bool newest;
	enum zs_drop why = zs_tunnel_read(&head, d, len);

	if (why != ZS_DROPS)
		return why;
	for (int n = 0; n < RELAY_SESSIONS; n++)
		if (r->session[n] && r->session[n]->receiver == head.receiver)
			s = r->session[n];
	if (!s)
		return ZS_DROP_tunnel_receiver;
	struct zs_window *w = &s->window[head.lane];
	struct zs_window_keys k = zs_window_room_keys(&s->keys[head.lane]);
	if ((why = zs_tunnel_granted(&r->grants, &head)) != ZS_DROPS ||
	    (why = zs_window_judge(w, k, &head, now, &pick)) != ZS_DROPS)
		return why;
	zs_tunnel_job(&job, &head, d, len, pick.key, aad);
	zs_gcm_open_burst(&r->engine, &job, 1, &(struct zs_gcm_fetch){ 0 });
	if (!job.ok) {
		zs_window_failed(w);
		return ZS_DROP_tunnel_tag;
	}
	if ((why = zs_window_accept(w, head.counter, pick.epoch, now, &newest)) != ZS_DROPS ||
	    (why = zs_tunnel_form(&head, ZS_TUNNEL_EDGE, payload, len - ZS_TUNNEL_OVERHEAD)) != ZS_DROPS)
		return why;
	relay_place(r, s, &head, &place, payload, len, newest, now);
	return relay_act(r, s, &head, &place, payload, len - ZS_TUNNEL_OVERHEAD, now);
}

/* What housekeeping does every so often. */
static inline void relay_housekeeping(struct relay_end *r, uint64_t now)
{
	for (int n = 0; n < RELAY_SESSIONS; n++) {
		struct relay_session *s = r->session[n];
		for (int k = 0; s && k < RELAY_LANES; k++)
			zs_lane_prepare(&s->lane[k], &r->engine);
		for (int k = 0; s && k < ZS_TUNNEL_LANES; k++)
			zs_window_prepare(zs_window_room_keys(&s->keys[k]), &r->engine, &s->window[k]);
		uint32_t size = s && s->roam.has_current ? zs_pmtu_due(&s->pmtu, now, &r->random) : 0;
		if (size)
			relay_nonce(r, s, ZS_TUNNEL_TYPE_PROBE, s->pmtu.nonce, size, &s->roam.current);
	}
}

#endif
