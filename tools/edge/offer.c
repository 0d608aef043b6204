#include "offer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cid_socket.h"

struct zs_edge_offer {
	const struct zs_edge_offer_ops *ops;
	void *ctx;
	struct zs_reachable *reachable;
	struct zs_cid_socket *socket;
};

/* --- what the program says -------------------------------------------------------------------- */

static bool on_own(void *ctx, uint8_t cid[ZS_BIND_CID])
{
	struct zs_edge_offer *o = ctx;
	uint64_t expires_s;

	return zs_reachable_own(o->reachable, cid, &expires_s);
}

static void on_dial(void *ctx, const struct zs_peer_id *callee)
{
	struct zs_edge_offer *o = ctx;
	int rc = callee ? zs_reachable_ask(o->reachable, callee) : -EINVAL;

	if (rc)
		zs_cid_socket_refuse(o->socket, rc);
}

static void on_in(void *ctx, const void *bytes, size_t len)
{
	struct zs_edge_offer *o = ctx;
	const struct zs_endpoint *relay = zs_reachable_relay(o->reachable);

	if (relay)
		zs_reachable_receive(o->reachable, bytes, len, relay);
}

static void on_sent(void *ctx, const void *bytes, size_t len)
{
	struct zs_edge_offer *o = ctx;

	zs_reachable_sent(o->reachable, bytes, len);
}

static void on_moved(void *ctx)
{
	struct zs_edge_offer *o = ctx;

	zs_reachable_moved(o->reachable);
}

static void on_turn(void *ctx)
{
	struct zs_edge_offer *o = ctx;
	struct zs_endpoint seen;
	bool bound = zs_reachable_bound(o->reachable, &seen);

	zs_cid_socket_state(o->socket, zs_reachable_relay(o->reachable), bound ? &seen : NULL);
}

static const struct zs_cid_socket_ops socket_ops = {
	.own = on_own, .dial = on_dial, .in = on_in, .sent = on_sent, .moved = on_moved, .turn = on_turn
};

/* --- what the relay says ---------------------------------------------------------------------- */

static void on_send(void *ctx, const struct zs_endpoint *to, const void *bytes, size_t len)
{
	struct zs_edge_offer *o = ctx;

	zs_cid_socket_out(o->socket, bytes, len);
}

static void on_changed(void *ctx)
{
	struct zs_edge_offer *o = ctx;
	struct zs_endpoint seen;
	bool bound = zs_reachable_bound(o->reachable, &seen);

	on_turn(o);
	o->ops->bound(o->ctx, zs_reachable_relay(o->reachable), bound ? &seen : NULL);
}

static void on_dial_cid(void *ctx, const uint8_t *cid, const char *why)
{
	struct zs_edge_offer *o = ctx;

	zs_cid_socket_dial(o->socket, cid, why);
}

static void on_event(void *ctx, const struct zs_attach_event *event)
{
	struct zs_edge_offer *o = ctx;

	o->ops->event(o->ctx, event);
}

static const struct zs_reachable_ops reachable_ops = {
	.send = on_send, .changed = on_changed, .dial = on_dial_cid, .event = on_event
};

/* --- life ------------------------------------------------------------------------------------- */

int zs_edge_offer_new(struct zs_edge_offer **out, const struct zs_reachable_config *config, const char *path,
		      const struct zs_edge_offer_ops *ops, void *ctx, struct zs_error *err)
{
	struct zs_edge_offer *o = calloc(1, sizeof(*o));
	int rc;

	if (!o)
		return zs_error_set(err, -ENOMEM, ZS_EXIT_RESOURCE, "out of memory");
	o->ops = ops;
	o->ctx = ctx;
	rc = zs_reachable_new(&o->reachable, config, &reachable_ops, o, err);
	if (!rc)
		rc = zs_cid_socket_new(&o->socket, config->edge.loop, path, &socket_ops, o, err);
	if (rc) {
		zs_edge_offer_delete(o);
		return rc;
	}
	*out = o;
	return 0;
}

void zs_edge_offer_delete(struct zs_edge_offer *o)
{
	if (!o)
		return;
	zs_reachable_delete(o->reachable);
	zs_cid_socket_delete(o->socket);
	free(o);
}

struct zs_reachable *zs_edge_offer_reachable(struct zs_edge_offer *o)
{
	return o->reachable;
}
