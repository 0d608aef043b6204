/* Hosts in the simulator's network and virtual time: each node is one host on one endpoint. */
#ifndef ZS_TEST_HOST_NET_H
#define ZS_TEST_HOST_NET_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/clock.h"
#include "p2p/envelope.h"
#include "p2p/host.h"
#include "p2p/request.h"
#include "sim/prng.h"
#include "sim/sim.h"

#define WALL  1790000000
#define MS    ZS_NS_PER_MS
#define NODES 64
#define PULL  16
#define SINK  "/zerostate/test/sink/1.0.0"
#define HOLD  "/zerostate/test/hold/1.0.0"
#define ECHO  "/zerostate/test/echo/1.0.0"

struct node {
	struct zs_sim *sim;
	uint32_t number;
	struct zs_endpoint at, outside; /* outside: as others see it */
	struct zs_identity identity;
	struct zs_peer_id id;
	struct zs_prng prng;
	struct zs_host_config config;
	struct zs_host *host;
	struct zs_responder responder;
	uint32_t connected, disconnected, identified, pushed, unreached, refused, responses, pings;
	uint32_t streams, finished, closed; /* of the sink and the hold */
	uint64_t sunk;
	bool turn_away, silent;
	struct zs_refusal why;
	struct zs_host_close close;
	char refused_text[ZS_HOST_TEXT], unreached_text[ZS_HOST_TEXT], close_text[ZS_HOST_TEXT],
	    response[ZS_HOST_TEXT], ping_text[ZS_HOST_TEXT];
	uint64_t rtt_ns, raws;
	int adopt; /* what identified said about a signed record: its addresses */
};
struct net {
	struct zs_sim *sim;
	struct node node[NODES];
	uint32_t count;
};

static inline void node_random(void *ctx, void *out, size_t len)
{
	struct node *n = ctx;
	uint8_t *at = out;

	while (len--)
		*at++ = (uint8_t)zs_prng_u64(&n->prng);
}

static inline uint64_t node_now(const struct node *n)
{
	return zs_sim_node_now(n->sim, n->number);
}

static inline void node_pump(struct node *n)
{
	struct zs_udp_datagram out[PULL];
	static uint8_t buf[PULL * ZS_QUIC_DATAGRAM];
	size_t count;

	while (n->host && (count = zs_host_pull(n->host, out, PULL, buf, sizeof(buf), node_now(n))))
		for (size_t i = 0; i < count; i++)
			assert_int_equal(
			    zs_sim_send(n->sim, n->number, &n->at, &out[i].peer, out[i].data, out[i].len), 0);
	if (n->host)
		zs_sim_set_timer(n->sim, n->number, zs_host_deadline(n->host));
}

static inline void node_receive(void *ctx, uint64_t now_ns, const struct zs_endpoint *from,
				const struct zs_endpoint *to, const uint8_t *bytes, size_t len)
{
	struct node *n = ctx;
	const struct zs_udp_datagram d = { .peer = *from, .local = *to, .data = bytes, .len = len };

	if (!n->host)
		return;
	n->raws += len == 64 && !(bytes[0] & 0xc0);
	zs_host_receive(n->host, &d, 1, now_ns);
	node_pump(n);
}

static inline void node_timer(void *ctx, uint64_t now_ns)
{
	struct node *n = ctx;

	if (!n->host)
		return;
	zs_host_advance(n->host, now_ns);
	node_pump(n);
}
static const struct zs_sim_ops node_sim_ops = { .receive = node_receive, .timer = node_timer };

/* --- upcalls -------------------------------------------------------------------------------- */

static inline bool on_admit(void *ctx, const struct zs_host_conn *conn)
{
	return !((struct node *)ctx)->turn_away;
}
static inline void on_connected(void *ctx, struct zs_host_conn *conn)
{
	((struct node *)ctx)->connected++;
}
static inline void on_disconnected(void *ctx, struct zs_host_conn *conn, const struct zs_host_close *why)
{
	struct node *n = ctx;

	n->disconnected++;
	n->close = *why;
	snprintf(n->close_text, sizeof(n->close_text), "%s", why->text);
}
static inline void on_identified(void *ctx, struct zs_host_conn *conn, const struct zs_identify *id,
				 bool push)
{
	struct node *n = ctx;

	*(push ? &n->pushed : &n->identified) += 1;
}
static inline void on_unreached(void *ctx, const struct zs_peer_id *peer, const char *text)
{
	struct node *n = ctx;

	n->unreached++;
	snprintf(n->unreached_text, sizeof(n->unreached_text), "%s", text);
}
static inline void on_refused(void *ctx, const struct zs_refusal *why, const char *text, uint64_t since)
{
	struct node *n = ctx;

	n->refused += (uint32_t)since;
	n->why = *why;
	snprintf(n->refused_text, sizeof(n->refused_text), "%s", text);
}
static inline int64_t on_wall(void *ctx)
{
	return WALL;
}
static const struct zs_host_ops node_ops = {
	.admit = on_admit,
	.connected = on_connected,
	.disconnected = on_disconnected,
	.identified = on_identified,
	.unreached = on_unreached,
	.refused = on_refused,
	.wall = on_wall,
};

/* --- protocols: a sink that consumes and answers FIN, one that never consumes, an echo by request ---- */

static inline void sink_ready(void *user, struct zs_host_stream *s)
{
	((struct node *)user)->streams++;
}
static inline void sink_data(void *user, struct zs_host_stream *s, const uint8_t *bytes, size_t len, bool fin)
{
	struct node *n = user;

	n->sunk += len;
	n->finished += fin;
	zs_host_stream_consume(s, len);
	if (fin)
		zs_host_stream_fin(s);
}
static inline void hold_data(void *user, struct zs_host_stream *s, const uint8_t *bytes, size_t len, bool fin)
{
	((struct node *)user)->sunk += len;
}
static inline void sink_closed(void *user, struct zs_host_stream *s, const struct zs_stream_end *why)
{
	((struct node *)user)->closed++;
}
static const struct zs_stream_ops sink_ops = { .ready = sink_ready,
					       .data = sink_data,
					       .closed = sink_closed };
static const struct zs_stream_ops hold_ops = { .ready = sink_ready,
					       .data = hold_data,
					       .closed = sink_closed };

static inline void echo_request(void *user, struct zs_host_stream *s, const uint8_t *bytes, size_t len)
{
	struct node *n = user;

	if (!n->silent)
		zs_respond(s, bytes, (uint32_t)len);
}

/* --- nodes ---------------------------------------------------------------------------------- */

static inline void node_start(struct node *n)
{
	struct zs_random random = { node_random, n };

	assert_int_equal(zs_host_new(&n->host, &n->config, &n->identity, random, &node_ops, n), 0);
	n->responder = (struct zs_responder){ .protocol = { .id = ECHO, .service = "echo" },
					      .max_request = 1000,
					      .max_response = 1000,
					      .timeout_ns = 5000 * MS,
					      .request = echo_request,
					      .user = n };
	assert_int_equal(zs_responder_register(n->host, &n->responder), 0);
	assert_int_equal(
	    zs_host_register(n->host, &(struct zs_host_protocol){ .id = SINK, .ops = &sink_ops, .user = n }),
	    0);
	assert_int_equal(zs_host_register(n->host,
					  &(struct zs_host_protocol){
					      .id = HOLD, .service = "hold", .ops = &hold_ops, .user = n }),
			 0);
	assert_int_equal(zs_host_listen(n->host, &n->outside, 1), 0);
}

/* Configures and does not start. Public addresses: the gater is the strict one. */
static inline struct node *net_node(struct net *net)
{
	struct node *n = &net->node[net->count];
	uint8_t seed[32];
	char text[ZS_ENDPOINT_TEXT];

	ZS_CHECK(net->count < NODES);
	*n = (struct node){ .sim = net->sim, .prng = { net->count * 7919ull + 17 } };
	memset(seed, (int)net->count + 1, sizeof(seed));
	zs_identity_from_seed(&n->identity, seed);
	struct zs_public_key key = zs_identity_public(&n->identity);
	zs_peer_id_of(&n->id, &key);
	zs_host_defaults(&n->config);
	memset(n->config.quic.secret, (int)net->count, sizeof(n->config.quic.secret));
	n->config.quic.max_connections = 256;
	n->config.connmgr.conns = 256;
	n->config.connmgr.peers = 512;
	n->config.peerstore.peers = 256;
	n->config.limits.peers = 256;
	n->config.dial.remembered = 256;
	n->config.cert_cache = 64;
	snprintf(text, sizeof(text), "9.%u.7.1:4001", net->count + 1);
	assert_int_equal(zs_endpoint_parse(&n->at, text), 0);
	n->outside = n->at;
	n->number = zs_sim_node(net->sim, &node_sim_ops, n);
	net->count++;
	return n;
}

static inline void node_bind(struct node *n)
{
	struct zs_sim_link link = { .delay_ns = 5 * MS };

	zs_sim_set_links(n->sim, n->number, &link, &link);
	assert_int_equal(zs_sim_bind(n->sim, n->number, &n->at), 0);
	node_start(n);
	node_pump(n);
}

static inline struct net *net_new(uint64_t seed)
{
	struct net *net = calloc(1, sizeof(*net));

	net->sim = zs_sim_new(seed);
	return net;
}

static inline void net_free(struct net *net)
{
	for (uint32_t i = 0; i < net->count; i++) {
		struct node *n = &net->node[i];
		if (n->host && !zs_host_check(n->host))
			fail_msg("node %u is not sound", i);
		zs_host_delete(n->host);
	}
	zs_sim_delete(net->sim);
	free(net);
}

static inline void net_run(struct net *net, uint64_t ns)
{
	for (uint32_t i = 0; i < net->count; i++)
		node_pump(&net->node[i]);
	zs_sim_run(net->sim, zs_sim_now(net->sim) + ns);
}

static inline void node_learn(struct node *n, const struct node *of)
{
	struct zs_multiaddr addr;
	struct zs_error err = { 0 };

	zs_multiaddr_quic(&addr, &of->outside, &of->id);
	if (zs_host_learn(n->host, &of->id, &addr, ZS_GATER_CONFIGURED, node_now(n), &err) < 0)
		fail_msg("%s", err.text);
}

static inline void node_dial(struct node *n, const struct node *to)
{
	struct zs_error err = { 0 };

	node_learn(n, to);
	if (zs_host_connect(n->host, &to->id, true, node_now(n), &err) < 0)
		fail_msg("%s", err.text);
	node_pump(n);
}

/* Two nodes that know each other. */
static inline struct net *net_pair(void)
{
	struct net *net = net_new(1);

	for (int i = 0; i < 2; i++)
		node_bind(net_node(net));
	node_dial(&net->node[0], &net->node[1]);
	net_run(net, 1000 * MS);
	assert_int_equal(net->node[0].connected, 1);
	assert_int_equal(net->node[1].connected, 1);
	return net;
}

#endif
