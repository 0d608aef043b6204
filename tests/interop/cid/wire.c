/* One UDP socket of both families, and the binder on it: what is the relay's is taken out before ngtcp2 sees it, what the binder
 * has to say leaves by the same socket. When another program's stack is served (offer.c) the socket is that program's. */
#include "base/clock.h"
#include "cid_socket.h"
#include "interop/cid/cidpeer.h"

static void on_datagrams(void *ctx, struct zs_udp *udp, const struct zs_udp_datagram *in, size_t count)
{
	struct program *p = ctx;

	for (size_t i = 0; i < count; i++) {
		enum zs_binder_verdict v = ZS_BINDER_NOT_OURS;

		if (p->has_relay)
			v = zs_binder_receive(&p->binder, in[i].data, in[i].len, &in[i].peer,
					      zs_loop_now(p->loop));
		if (v != ZS_BINDER_NOT_OURS)
			continue;
		p->bytes_in += in[i].len;
		conn_datagram(p, &in[i]);
	}
	turn(p);
}

int wire_open(struct program *p, struct zs_error *err)
{
	const struct zs_endpoint any = { 0 };

	return zs_udp_open(&p->udp, p->loop, &any, ZS_UDP_PROBE, on_datagrams, p, err);
}

void wire_send(struct program *p, const void *bytes, size_t len, const struct zs_endpoint *to)
{
	const struct zs_udp_datagram d = { .peer = *to, .data = bytes, .len = len };

	if (p->has_relay)
		zs_binder_sent(&p->binder, bytes, len, zs_loop_now(p->loop));
	if (zs_udp_send(p->udp, &d, 1) == 1)
		p->bytes_out += len;
}

static void pull(struct program *p, uint64_t now)
{
	uint8_t out[ZS_BIND_BYTES];
	size_t n;

	while (p->has_relay && (n = zs_binder_pull(&p->binder, out, now))) {
		const struct zs_udp_datagram d = { .peer = p->binder.relay, .data = out, .len = n };

		if (p->offer)
			zs_cid_socket_out(p->offer, out, n);
		else
			zs_udp_send(p->udp, &d, 1);
	}
	if (p->offer)
		offer_state(p);
}

static uint64_t deadline(const struct program *p)
{
	uint64_t at = p->has_relay ? zs_binder_deadline(&p->binder) : UINT64_MAX;

	if (p->now.step && p->now.give_up_ns < at)
		at = p->now.give_up_ns;
	if (p->helper.is && helper_deadline(p) < at)
		at = helper_deadline(p);
	for (uint32_t i = 0; i < p->conns; i++) {
		uint64_t due = p->conn[i] && !p->conn[i]->dead ? ngtcp2_conn_get_expiry(p->conn[i]->ng)
							       : UINT64_MAX;
		at = due < at ? due : at;
	}
	return at;
}

void turn(struct program *p)
{
	uint64_t now = zs_loop_now(p->loop), at;

	for (uint32_t i = 0; i < p->conns; i++)
		if (p->conn[i])
			conn_expire(p->conn[i], now);
	attach_turn(p);
	if (p->helper.is)
		helper_turn(p);
	pull(p, now);
	for (uint32_t i = 0; i < p->conns; i++)
		if (p->conn[i])
			conn_write(p->conn[i]);
	if (p->now.step)
		p->now.step(p);
	if (p->now.step && now >= p->now.give_up_ns)
		refuse(p, "timed out");
	/* Those that came in and are over; dialled ones stay for their commands. */
	for (uint32_t i = p->conns; i-- > 0;)
		if (i < p->conns && p->conn[i] && p->conn[i]->dead && !p->conn[i]->client)
			conn_delete(p->conn[i]);
	if (p->ended)
		zs_loop_stop(p->loop);
	at = deadline(p);
	if (at == UINT64_MAX)
		zs_timer_set(p->timer, 0);
	else
		zs_timer_set(p->timer, at > now ? at : now + 1);
}
