/* An attach client's events turned into a binder's calls. An event must not call its client, so connection IDs are taken in a
 * turn of our own, right after. */
#include "node/reachable.h"

#include <errno.h>
#include <stdlib.h>

#include "base/clock.h"
#include "node/cidpool.h"
#include "node/node.h"
#include "relay/codes.h"

#define RENEW_S	   600 /* the binder's connection ID is changed so long before it expires */
#define UNBOUND_NS (1 * ZS_NS_PER_S)

struct zs_reachable {
	struct zs_reachable_config config;
	const struct zs_reachable_ops *ops;
	void *ctx;
	struct zs_edge *edge;
	struct zs_cidpool pool;
	struct zs_timer *timer;
	struct zs_gcm_engine engine;
	struct zs_binder binder;
	bool has_relay, was_bound, detaching;
	uint32_t link, attachment, generation; /* of the session that binds */
	struct zs_endpoint relay, was_seen;
	uint64_t expires_s; /* of the binder's connection ID; 0: it has none */
	uint64_t detach_ns; /* unbinding takes no longer */
};

static uint64_t now_of(const struct zs_reachable *r)
{
	return zs_loop_now(r->config.edge.loop);
}

/* --- turns ------------------------------------------------------------------------------------ */

static void soon(struct zs_reachable *r)
{
	zs_timer_after(r->timer, 1);
}

static void keep_cid(struct zs_reachable *r)
{
	uint8_t cid[ZS_BIND_CID];

	if (!r->has_relay || r->detaching ||
	    (r->expires_s && zs_clock_wall_ns() / ZS_NS_PER_S + RENEW_S < r->expires_s))
		return;
	if (zs_reachable_own(r, cid, &r->expires_s))
		zs_binder_cid(&r->binder, cid, now_of(r));
}

static void tell(struct zs_reachable *r)
{
	struct zs_endpoint seen = { 0 };
	bool bound = zs_reachable_bound(r, &seen);

	if (bound == r->was_bound && zs_endpoint_eq(&seen, &r->was_seen))
		return;
	r->was_bound = bound;
	r->was_seen = seen;
	r->ops->changed(r->ctx);
}

static void turn(struct zs_reachable *r)
{
	uint64_t now = now_of(r), at = UINT64_MAX;
	uint8_t out[ZS_BIND_BYTES];
	size_t n;

	keep_cid(r);
	while (r->has_relay && (n = zs_binder_pull(&r->binder, out, now)))
		r->ops->send(r->ctx, &r->binder.relay, out, n);
	tell(r);
	if (r->detaching && (r->binder.state == ZS_BINDER_IDLE || now >= r->detach_ns)) {
		zs_edge_detach(r->edge);
		zs_timer_set(r->timer, 0);
		return;
	}
	if (r->has_relay)
		at = zs_binder_deadline(&r->binder);
	if (r->detaching && r->detach_ns < at)
		at = r->detach_ns;
	if (r->has_relay && !r->expires_s && now + ZS_NS_PER_S < at)
		at = now + ZS_NS_PER_S; /* the pool is empty: again */
	zs_timer_set(r->timer, at == UINT64_MAX ? 0 : at > now ? at : now + 1);
}

static void on_timer(void *ctx)
{
	turn(ctx);
}

/* --- the attach client's events --------------------------------------------------------------- */

static void on_session(struct zs_reachable *r, const struct zs_attach_session *s)
{
	uint32_t which = r->config.service < s->services || !r->config.any ? r->config.service : 0;

	if (which >= s->services)
		return;
	if (!r->has_relay || r->attachment != s->attachment || r->generation != s->generation ||
	    !zs_endpoint_eq(&r->relay, &s->service[which])) {
		if (r->has_relay)
			zs_binder_wipe(&r->binder);
		zs_binder_init(&r->binder, &s->service[which], &r->engine);
		r->expires_s = 0;
		r->relay = s->service[which];
		r->has_relay = true;
		r->ops->changed(r->ctx);
	}
	r->link = s->link;
	r->attachment = s->attachment;
	r->generation = s->generation;
	zs_binder_session(&r->binder, s->root, (uint8_t)s->bind_id, now_of(r));
}

/* The one that we bind under may be over. */
static void on_cids(struct zs_reachable *r, const zs_pb_Cids *cids)
{
	if (r->binder.has_cid && cids->retire_mask >> (r->binder.cid[0] >> 5) & 1)
		r->expires_s = 0;
}

static void on_dial(void *ctx, const uint8_t *cid, const char *why)
{
	struct zs_reachable *r = ctx;

	r->ops->dial(r->ctx, cid, why);
}

static void on_event(void *ctx, const struct zs_attach_event *event)
{
	struct zs_reachable *r = ctx;

	if (event->kind == ZS_ATTACH_EVENT_GRANTED)
		on_session(r, event->session);
	else if (event->kind == ZS_ATTACH_EVENT_CIDS)
		on_cids(r, event->cids);
	zs_cidpool_event(&r->pool, event);
	if (r->ops->event)
		r->ops->event(r->ctx, event);
	soon(r);
}

/* --- calls ------------------------------------------------------------------------------------ */

bool zs_reachable_receive(struct zs_reachable *r, const void *bytes, size_t len,
			  const struct zs_endpoint *from)
{
	if (!r->has_relay || zs_binder_receive(&r->binder, bytes, len, from, now_of(r)) == ZS_BINDER_NOT_OURS)
		return false;
	turn(r);
	return true;
}

void zs_reachable_sent(struct zs_reachable *r, const void *bytes, size_t len)
{
	if (r->has_relay)
		zs_binder_sent(&r->binder, bytes, len, now_of(r));
}

void zs_reachable_moved(struct zs_reachable *r)
{
	if (r->has_relay)
		zs_binder_moved(&r->binder, now_of(r));
	turn(r);
}

bool zs_reachable_own(struct zs_reachable *r, uint8_t cid[ZS_BIND_CID], uint64_t *expires_s)
{
	return zs_cidpool_own(&r->pool, cid, expires_s, now_of(r));
}

int zs_reachable_ask(struct zs_reachable *r, const struct zs_peer_id *callee)
{
	return zs_cidpool_ask(&r->pool, callee, now_of(r));
}

const struct zs_endpoint *zs_reachable_relay(const struct zs_reachable *r)
{
	return r->has_relay ? &r->binder.relay : NULL;
}

bool zs_reachable_bound(const struct zs_reachable *r, struct zs_endpoint *seen)
{
	if (!r->has_relay || r->binder.state != ZS_BINDER_BOUND)
		return false;
	*seen = r->binder.seen;
	return true;
}

/* --- life ------------------------------------------------------------------------------------- */

int zs_reachable_new(struct zs_reachable **out, const struct zs_reachable_config *config,
		     const struct zs_reachable_ops *ops, void *ctx, struct zs_error *err)
{
	struct zs_reachable *r = calloc(1, sizeof(*r));
	int rc;

	if (!r)
		return zs_error_set(err, -ENOMEM, ZS_EXIT_RESOURCE, "out of memory");
	r->config = *config;
	r->config.edge.attach.mode = ZS_ATTACH_MODE_socket;
	r->config.edge.attach.cids = true;
	r->config.edge.event = on_event;
	r->config.edge.ctx = r;
	r->ops = ops;
	r->ctx = ctx;
	r->pool = (struct zs_cidpool){ .dial = on_dial, .ctx = r };
	zs_gcm_engine_best(&r->engine);
	rc = zs_timer_new(&r->timer, config->edge.loop, on_timer, r)
		 ? zs_error_set(err, -ENOMEM, ZS_EXIT_RESOURCE, "out of memory")
		 : zs_edge_new(&r->edge, &r->config.edge, err);
	if (rc) {
		zs_reachable_delete(r);
		return rc;
	}
	r->pool.edge = r->edge;
	*out = r;
	return 0;
}

void zs_reachable_delete(struct zs_reachable *r)
{
	if (!r)
		return;
	zs_edge_delete(r->edge);
	if (r->has_relay)
		zs_binder_wipe(&r->binder);
	zs_gcm_engine_fini(&r->engine);
	if (r->timer)
		zs_timer_delete(r->timer);
	free(r);
}

struct zs_edge *zs_reachable_edge(struct zs_reachable *r)
{
	return r->edge;
}

void zs_reachable_start(struct zs_reachable *r)
{
	zs_edge_start(r->edge);
}

void zs_reachable_detach(struct zs_reachable *r)
{
	if (r->detaching)
		return;
	r->detaching = true;
	r->detach_ns = now_of(r) + UNBOUND_NS;
	if (r->has_relay)
		zs_binder_unbind(&r->binder, now_of(r));
	turn(r);
}
