/* An edge's data side on loopback: a relay's end (unit/relay/relay_end.h) on a socket of the same loop, a NAT between them that
 * rebinds when told, a service that echoes, and a client of a forward. */
#ifndef ZS_TEST_DATA_WORLD_H
#define ZS_TEST_DATA_WORLD_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/clock.h"
#include "data.h"
#include "relay/codes.h"
#include "unit/random.h"
#include "unit/relay/relay_end.h"

#define MS ZS_NS_PER_MS
#define S  ZS_NS_PER_S
#ifndef IDLE
#define IDLE (1200 * MS)
#endif
#define FLOWS	4
#define WEB	1 /* services: one that echoes, one that is not there */
#define DEAD	2
#define NEWS	64
#define ANSWERS 256

struct answer {
	struct zs_tunnel_flow flow;
	uint8_t ecn;
	size_t len;
	uint8_t head[16];
};

struct world {
	struct zs_loop *loop;
	struct random rnd;
	struct zs_random random;
	struct relay_end relay;
	struct zs_udp *relay_udp, *inside, *outside, *service, *client;
	struct zs_endpoint edge_at; /* as the NAT sees it */
	struct zs_endpoint relay_at, inside_at, service_at, dead_at, listener_at;
	struct zs_edge_data *data;
	struct zs_edge_data_config config;
	struct zs_edge_forward forward;
	struct zs_edge_target target[2];
	uint32_t links, proved, lost;
	char lost_why[ZS_ERROR_TEXT];
	/* What came. */
	struct answer answer[ANSWERS];
	uint32_t answers;
	struct {
		struct zs_tunnel_flow flow;
		uint16_t reason;
	} close[64];
	uint32_t closes;
	char news[NEWS][16], text[NEWS][ZS_ERROR_TEXT];
	uint32_t told;
	struct zs_endpoint seen[64]; /* sources, at the service */
	uint32_t heard, client_heard;
	uint8_t service_ecn, client_ecn;
};

static const struct zs_attach_publish publish[] = { { .name = "web" }, { .name = "dead" } };

static inline void fill(void *ctx, void *out, size_t len)
{
	random_bytes(ctx, out, len);
}

/* --- the net --- */

static inline void relay_out(void *ctx, const struct zs_endpoint *to, const uint8_t *d, size_t len)
{
	struct world *w = ctx;
	const struct zs_udp_datagram out = { .peer = *to, .data = d, .len = len };

	zs_udp_send(w->relay_udp, &out, 1);
}

static inline void relay_in(void *ctx, struct zs_udp *udp, const struct zs_udp_datagram *in, size_t count)
{
	struct world *w = ctx;
	uint8_t d[4096];

	for (size_t i = 0; i < count; i++) {
		assert_true(in[i].len <= sizeof(d));
		memcpy(d, in[i].data, in[i].len);
		w->relay.drop[relay_take(&w->relay, &in[i].peer, d, in[i].len, zs_loop_now(w->loop))]++;
	}
}

static inline void pass(struct zs_udp *udp, const struct zs_udp_datagram *in, size_t count,
			const struct zs_endpoint *to)
{
	for (size_t i = 0; i < count; i++) {
		struct zs_udp_datagram d = {
			.peer = *to, .ecn = in[i].ecn, .data = in[i].data, .len = in[i].len
		};
		zs_udp_send(udp, &d, 1);
	}
}

static inline void nat_out(void *ctx, struct zs_udp *udp, const struct zs_udp_datagram *in, size_t count)
{
	struct world *w = ctx;

	w->edge_at = in[0].peer;
	pass(w->outside, in, count, &w->relay_at);
}

static inline void nat_in(void *ctx, struct zs_udp *udp, const struct zs_udp_datagram *in, size_t count)
{
	struct world *w = ctx;

	pass(w->inside, in, count, &w->edge_at);
}

static inline struct zs_udp *open_udp(struct world *w, zs_udp_fn *fn, struct zs_endpoint *at)
{
	struct zs_endpoint local = { .addr = zs_addr_from4(htobe32(0x7f000001)) };
	struct zs_error err = { 0 };
	struct zs_udp *u;

	if (zs_udp_open(&u, w->loop, &local, ZS_UDP_NO_OFFLOAD, fn, w, &err))
		fail_msg("%s", err.text);
	if (at)
		*at = zs_udp_local(u);
	return u;
}

static inline void rebind(struct world *w)
{
	zs_udp_close(w->outside);
	w->outside = open_udp(w, nat_in, NULL);
}

/* --- both sides --- */

static inline void service_in(void *ctx, struct zs_udp *udp, const struct zs_udp_datagram *in, size_t count)
{
	struct world *w = ctx;

	for (size_t i = 0; i < count; i++)
		w->seen[w->heard++ % 64] = in[i].peer;
	w->service_ecn = in[0].ecn;
	zs_udp_send(udp, in, count);
}

static inline void client_in(void *ctx, struct zs_udp *udp, const struct zs_udp_datagram *in, size_t count)
{
	struct world *w = ctx;

	w->client_heard += (uint32_t)count;
	w->client_ecn = in[0].ecn;
}

static inline void on_relay_data(void *ctx, const struct zs_tunnel_flow *flow, uint8_t ecn,
				 const uint8_t *payload, size_t len)
{
	struct world *w = ctx;
	struct answer *a = &w->answer[w->answers++ % ANSWERS];

	*a = (struct answer){ .flow = *flow, .ecn = ecn, .len = len };
	memcpy(a->head, payload, len < sizeof(a->head) ? len : sizeof(a->head));
}

static inline void on_relay_closed(void *ctx, const struct zs_tunnel_flow *flow, uint16_t reason)
{
	struct world *w = ctx;

	w->close[w->closes % 64].flow = *flow;
	w->close[w->closes++ % 64].reason = reason;
}

static inline void on_news(void *ctx, const struct zs_edge_news *n)
{
	struct world *w = ctx;

	snprintf(w->news[w->told % NEWS], sizeof(w->news[0]), "%s", n->what);
	snprintf(w->text[w->told++ % NEWS], sizeof(w->text[0]), "%s", n->text);
}

static inline uint32_t news_of(const struct world *w, const char *what)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < w->told && i < NEWS; i++)
		n += !strcmp(w->news[i], what);
	return n;
}

static inline void on_proved(void *ctx, uint32_t link)
{
	((struct world *)ctx)->proved = link;
}

static inline void on_lost(void *ctx, uint32_t link, const char *why)
{
	struct world *w = ctx;

	w->lost = link;
	snprintf(w->lost_why, sizeof(w->lost_why), "%s", why);
}

/* --- time --- */

static inline void turn(struct world *w)
{
	zs_loop_turn(w->loop, 2 * MS);
	relay_housekeeping(&w->relay, zs_loop_now(w->loop));
}

static inline void run(struct world *w, uint64_t ns)
{
	for (uint64_t until = zs_clock_ns() + ns; zs_clock_ns() < until;)
		turn(w);
}

/* Until *what is `want`, 5 s at most. */
static inline void until_is(struct world *w, const uint32_t *what, uint32_t want)
{
	for (uint64_t end = zs_clock_ns() + 5 * S; *what < want && zs_clock_ns() < end;)
		turn(w);
	assert_int_equal(*what, want);
}

/* --- the relay --- */

static inline void attach(struct world *w, uint32_t attachment, uint32_t continuity)
{
	struct zs_attach_session s = { .link = ++w->links,
				       .own_receiver = 100 + w->links,
				       .receiver = 200 + w->links,
				       .attachment = attachment,
				       .generation = 9,
				       .continuity = continuity,
				       .tunnels = 1,
				       .tunnel = { w->inside_at } };
	struct zs_attach_event e = { .kind = ZS_ATTACH_EVENT_GRANTED, .link = s.link, .session = &s };
	zs_pb_Port port = { .port = 10000, .service = WEB };

	random_bytes(&w->rnd, s.root, sizeof(s.root));
	relay_grant(&w->relay, s.root, s.receiver, s.own_receiver);
	zs_edge_data_event(w->data, &e);
	e = (struct zs_attach_event){ .kind = ZS_ATTACH_EVENT_PORT, .link = s.link, .port = &port };
	strcpy(port.name, "web");
	zs_edge_data_event(w->data, &e);
	strcpy(port.name, "dead");
	port.service = DEAD;
	zs_edge_data_event(w->data, &e);
}

static inline void relay_says(struct world *w, uint16_t number, uint8_t service, uint8_t ecn, size_t len)
{
	const struct zs_tunnel_flow f = { number, service, ZS_TUNNEL_RELAY };
	uint8_t payload[1500] = { (uint8_t)(number >> 8), (uint8_t)number };

	assert_int_equal(relay_send(&w->relay, ZS_TUNNEL_DATA, &f, ecn, payload, len), ZS_DROPS);
}

static inline void relay_opens(struct world *w, uint16_t number, uint8_t service, uint16_t client)
{
	const struct zs_endpoint who = { .addr = zs_addr_from4(htobe32(0xc6336401)), .port = client };
	const struct zs_tunnel_flow f = { number, service, ZS_TUNNEL_RELAY };
	uint8_t open[ZS_TUNNEL_OPEN];

	zs_tunnel_write_open(open, &who, 10000);
	assert_int_equal(relay_send(&w->relay, ZS_TUNNEL_TYPE_OPEN, &f, 0, open, sizeof(open)), ZS_DROPS);
}

static inline struct zs_edge_data_state state_of(const struct world *w)
{
	struct zs_edge_data_state s;

	zs_edge_data_state(w->data, &s);
	return s;
}

/* --- life --- */

static inline int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	struct zs_error err = { 0 };
	struct zs_udp *spare;

	assert_int_equal(zs_loop_new(&w->loop, ZS_LOOP_AUTO, &err), 0);
	w->rnd = random_new("edge data");
	w->random = (struct zs_random){ fill, &w->rnd };
	w->relay_udp = open_udp(w, relay_in, &w->relay_at);
	w->inside = open_udp(w, nat_out, &w->inside_at);
	w->service = open_udp(w, service_in, &w->service_at);
	w->client = open_udp(w, client_in, NULL);
	rebind(w);
	spare = open_udp(w, service_in, &w->dead_at);
	zs_udp_close(spare);
	spare = open_udp(w, service_in, &w->listener_at);
	zs_udp_close(spare);
	w->relay = (struct relay_end){ .random = w->random,
				       .data = on_relay_data,
				       .closed = on_relay_closed,
				       .send = relay_out,
				       .ctx = w };
	zs_gcm_engine_best(&w->relay.engine);
	w->target[0] = (struct zs_edge_target){ w->service_at, false };
	w->target[1] = (struct zs_edge_target){ w->dead_at, false };
	w->forward = (struct zs_edge_forward){
		.local = w->listener_at,
		.target = { .host = ZS_DIAL_IP, .addr = zs_addr_from4(htobe32(0xcb007101)), .port = 10001 }
	};
	w->config = (struct zs_edge_data_config){ .loop = w->loop,
						  .random = &w->random,
						  .publish = publish,
						  .target = w->target,
						  .publishes = 2,
						  .forward = &w->forward,
						  .forwards = 1,
						  .flows = FLOWS,
						  .idle_ns = IDLE,
						  .news = on_news,
						  .proved = on_proved,
						  .lost = on_lost,
						  .ctx = w };
	if (zs_edge_data_new(&w->data, &w->config, &err))
		fail_msg("%s", err.text);
	*state = w;
	return 0;
}

static inline int teardown(void **state)
{
	struct world *w = *state;

	zs_edge_data_delete(w->data);
	relay_delete(&w->relay);
	zs_loop_delete(w->loop);
	free(w);
	return 0;
}

/* Attached, and the tunnel is up. */
static inline void begin(struct world *w)
{
	attach(w, 42, ZS_ATTACH_CONTINUITY_fresh);
	until_is(w, &w->proved, 1);
	turn(w);
	for (int n = 0; n < 200 && !w->relay.moves; n++)
		turn(w);
	assert_int_equal(w->relay.moves, 1);
}

#endif
