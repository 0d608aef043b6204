/* The same services for another program's QUIC stack, by the lines that zs-edge --cid-socket speaks (tools/edge/cid_socket.h). Here
 * connection IDs for dials come from the stock, whomever the program names. */
#include "cid_socket.h"
#include "interop/cid/cidpeer.h"

static bool on_own(void *ctx, uint8_t cid[ZS_BIND_CID])
{
	return draw_own(ctx, cid);
}

static void on_dial(void *ctx, const struct zs_peer_id *callee)
{
	struct program *p = ctx;
	uint8_t cid[ZS_BIND_CID];
	bool found = stock_draw(&p->dial, cid);

	zs_cid_socket_dial(p->offer, found ? cid : NULL, "the stock is empty");
}

static void on_in(void *ctx, const void *bytes, size_t len)
{
	struct program *p = ctx;

	if (p->has_relay)
		zs_binder_receive(&p->binder, bytes, len, &p->binder.relay, zs_loop_now(p->loop));
}

static void on_sent(void *ctx, const void *bytes, size_t len)
{
	struct program *p = ctx;

	if (p->has_relay)
		zs_binder_sent(&p->binder, bytes, len, zs_loop_now(p->loop));
}

static void on_moved(void *ctx)
{
	struct program *p = ctx;

	if (p->has_relay)
		zs_binder_moved(&p->binder, zs_loop_now(p->loop));
}

static void on_turn(void *ctx)
{
	turn(ctx);
}

void offer_state(struct program *p)
{
	bool bound = p->has_relay && p->binder.state == ZS_BINDER_BOUND;

	zs_cid_socket_state(p->offer, p->has_relay ? &p->binder.relay : NULL, bound ? &p->binder.seen : NULL);
}

int offer_open(struct program *p, const char *path, struct zs_error *err)
{
	static const struct zs_cid_socket_ops ops = { .own = on_own,
						      .dial = on_dial,
						      .in = on_in,
						      .sent = on_sent,
						      .moved = on_moved,
						      .turn = on_turn };

	return zs_cid_socket_new(&p->offer, p->loop, path, &ops, p, err);
}
