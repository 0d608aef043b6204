/* An edge whose service is inside: attaches as zs-edge does, publishes one name, and sends what comes through the tunnel back
 * to where it came from. Or it opens a flow to a published port at SIGUSR1 and sends at a rate, by the millisecond. A JSON
 * object a line on stdout: the granted port, the tunnel's path, and what there was at the end and at each SIGUSR2.
 *
 *   tunnelecho RELAY:PORT/PEERID [seal|auth [PACKETS]]                    until SIGTERM; PACKETS a key
 *   tunnelecho RELAY:PORT/PEERID send HOST:PORT PACKETS_S SIZE SECONDS    the same */
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include "base/check.h"
#include "base/clock.h"
#include "node/edge.h"
#include "node/node.h"
#include "options.h"
#include "relay/edge_tunnel.h"

#define PAYLOAD_MAX 2048
#define STEP	    64	      /* packets sent in one go */
#define BUFFER	    (8 << 20) /* of the socket: nothing is lost while others have the machine */

struct echo {
	struct zs_loop *loop;
	struct zs_edge *edge;
	struct zs_edge_tunnel *tunnel;
	struct zs_udp *udp;
	struct zs_timer *timer;
	struct zs_random random;
	uint64_t opened, data, bytes, ended, drops, unsent;
	/* What it sends by itself. */
	struct zs_endpoint target;
	struct zs_tunnel_flow flow;
	uint64_t began_ns, rate, planned, sent;
	size_t size;
	bool sends;
};

static void say(json_t *line)
{
	json_dumpf(line, stdout, JSON_COMPACT);
	putchar('\n');
	fflush(stdout);
	json_decref(line);
}

/* What is due by now; one that comes late catches up in steps. */
static void send_some(struct echo *e, uint64_t now)
{
	uint8_t bytes[ZS_EDGE_HEADROOM + PAYLOAD_MAX + ZS_EDGE_TAILROOM] = { 0 };
	uint64_t due = (now - e->began_ns) / ZS_NS_PER_MS * e->rate / 1000;

	if (due > e->planned)
		due = e->planned;
	for (uint32_t i = 0; e->sent < due && i < STEP; i++) {
		if (zs_edge_tunnel_data(e->tunnel, &e->flow, 0, bytes + ZS_EDGE_HEADROOM, e->size, now) ==
		    ZS_DROPS)
			e->sent++;
		else
			e->drops++;
	}
}

static void turn(struct echo *e)
{
	uint64_t now = zs_loop_now(e->loop), due = zs_edge_tunnel_deadline(e->tunnel);

	if (due <= now)
		zs_edge_tunnel_due(e->tunnel, now);
	due = zs_edge_tunnel_deadline(e->tunnel);
	if (e->began_ns && e->sent < e->planned) {
		send_some(e, now);
		if (now + ZS_NS_PER_MS < due)
			due = now + ZS_NS_PER_MS;
	}
	zs_timer_set(e->timer, due == UINT64_MAX ? 0 : due);
}

/* --- the tunnel --- */

static void on_send(void *ctx, const struct zs_endpoint *to, uint8_t ecn, const uint8_t *datagram, size_t len)
{
	struct echo *e = ctx;
	struct zs_udp_datagram d = { .peer = *to, .ecn = ecn, .data = datagram, .len = len };

	e->unsent += zs_udp_send(e->udp, &d, 1) != 1;
}

static void on_opened(void *ctx, const struct zs_tunnel_flow *flow, const struct zs_endpoint *client,
		      uint16_t port)
{
	((struct echo *)ctx)->opened++;
}

static void on_data(void *ctx, const struct zs_tunnel_flow *flow, uint8_t ecn, const uint8_t *payload,
		    size_t len)
{
	struct echo *e = ctx;
	uint8_t bytes[ZS_EDGE_HEADROOM + PAYLOAD_MAX + ZS_EDGE_TAILROOM];

	e->data++;
	e->bytes += len;
	if (e->sends || len > PAYLOAD_MAX)
		return;
	memcpy(bytes + ZS_EDGE_HEADROOM, payload, len);
	e->drops += zs_edge_tunnel_data(e->tunnel, flow, ecn, bytes + ZS_EDGE_HEADROOM, len,
					zs_loop_now(e->loop)) != ZS_DROPS;
}

static void on_closed(void *ctx, const struct zs_tunnel_flow *flow, uint16_t reason) {}

static void on_path(void *ctx, enum zs_edge_path what, uint32_t payload)
{
	say(json_pack("{s:i, s:i}", "path", (int)what, "payload", (int)payload));
}

static void on_ended(void *ctx, uint16_t reason)
{
	((struct echo *)ctx)->ended++;
	say(json_pack("{s:i}", "ended", (int)reason));
}

static const struct zs_edge_tunnel_ops ops = { on_send, on_opened, on_data, on_closed, on_path, on_ended };

static void on_datagrams(void *ctx, struct zs_udp *udp, const struct zs_udp_datagram *in, size_t count)
{
	struct echo *e = ctx;
	uint8_t bytes[65536];

	for (size_t i = 0; i < count; i++) {
		memcpy(bytes, in[i].data, in[i].len);
		if (zs_edge_tunnel_receive(e->tunnel, &in[i].peer, in[i].ecn, bytes, in[i].len,
					   zs_loop_now(e->loop)) != ZS_DROPS)
			e->drops++;
	}
	turn(e);
}

static void on_timer(void *ctx)
{
	turn(ctx);
}

/* --- the control connection --- */

static void on_session(struct echo *e, const struct zs_attach_session *s)
{
	struct zs_edge_session v = { .receiver = s->own_receiver,
				     .peer = s->receiver,
				     .most = 1472,
				     .continues = s->continuity == ZS_ATTACH_CONTINUITY_resumed };

	memcpy(v.root, s->root, sizeof(v.root));
	for (; v.relays < s->tunnels && v.relays < ZS_EDGE_RELAYS; v.relays++)
		v.relay[v.relays] = s->tunnel[v.relays];
	if (zs_edge_tunnel_session(e->tunnel, &v, zs_loop_now(e->loop)))
		say(json_pack("{s:s}", "error", "no session"));
}

static void on_event(void *ctx, const struct zs_attach_event *event)
{
	struct echo *e = ctx;

	if (event->kind == ZS_ATTACH_EVENT_GRANTED) {
		on_session(e, event->session);
	} else if (event->kind == ZS_ATTACH_EVENT_PORT) {
		if (event->port->protection)
			zs_edge_tunnel_grant(e->tunnel, (uint8_t)event->port->service);
		say(json_pack("{s:i}", "port", (int)event->port->port));
	} else if (event->kind == ZS_ATTACH_EVENT_STATE) {
		say(json_pack("{s:i, s:s}", "state", (int)event->state, "why", event->why));
	}
	zs_timer_after(e->timer, 1);
}

static void say_counts(const struct echo *e)
{
	say(json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "opened", (json_int_t)e->opened, "data",
		      (json_int_t)e->data, "bytes", (json_int_t)e->bytes, "sent", (json_int_t)e->sent,
		      "drops", (json_int_t)e->drops, "unsent", (json_int_t)e->unsent, "ended",
		      (json_int_t)e->ended));
}

static void on_signal(void *ctx, const struct zs_signal_info *info)
{
	struct echo *e = ctx;

	if (info->signo == SIGUSR2) {
		say_counts(e);
	} else if (info->signo != SIGUSR1) {
		zs_loop_stop(e->loop);
	} else if (e->sends && !e->began_ns &&
		   !zs_edge_tunnel_open(e->tunnel, &e->target, zs_loop_now(e->loop), &e->flow)) {
		e->began_ns = zs_loop_now(e->loop);
		turn(e);
	}
}

static void say_peer(const struct zs_identity *identity)
{
	struct zs_public_key key = zs_identity_public(identity);
	char text[ZS_PEER_ID_TEXT];
	struct zs_peer_id id;

	zs_peer_id_of(&id, &key);
	say(json_pack("{s:s}", "peer", zs_peer_id_format(&id, text)));
}

static void parse_load(struct echo *e, char **argv)
{
	ZS_CHECK(!zs_endpoint_parse(&e->target, argv[0]), "HOST:PORT");
	e->sends = true;
	e->rate = strtoull(argv[1], NULL, 10);
	e->size = strtoull(argv[2], NULL, 10);
	e->planned = e->rate * strtoull(argv[3], NULL, 10);
	ZS_CHECK(e->planned && e->size && e->size <= PAYLOAD_MAX, "PACKETS_S SIZE SECONDS");
}

int main(int argc, char **argv)
{
	struct zs_edge_tunnel_config tunnel = { .flows = 64,
						.idle_ns = 120 * ZS_NS_PER_S,
						.ratchet = argc == 4 ? strtoull(argv[3], NULL, 10) : 0 };
	struct echo e = { .random = zs_node_random() };
	struct zs_attach_publish publish = { .name = "echo",
					     .protection = argc > 2 && !strcmp(argv[2], "auth") };
	struct zs_identity identity;
	struct zs_edge_config config = {
		.identity = &identity,
		.profile = ZS_GATER_TEST,
		.attach = { .mode = ZS_ATTACH_MODE_tunnel, .publish = &publish, .publishes = 1 },
		.event = on_event,
		.ctx = &e
	};
	struct zs_error err = { 0 };
	uint8_t seed[32];

	e.random.fill(e.random.ctx, seed, sizeof(seed));
	zs_identity_from_seed(&identity, seed);
	say_peer(&identity);
	ZS_CHECK(
	    (argc >= 2 && argc <= 4) || argc == 7,
	    "tunnelecho RELAY:PORT/PEERID [seal|auth [PACKETS] | send HOST:PORT PACKETS_S SIZE SECONDS]");
	if (argc == 7)
		parse_load(&e, argv + 3);
	if (zs_edge_relay_parse(&config.attach.home, argv[1], &err) ||
	    zs_loop_new(&e.loop, ZS_LOOP_AUTO, &err) ||
	    zs_udp_open(&e.udp, e.loop, &(struct zs_endpoint){ zs_addr_from4(0), 0 }, ZS_UDP_PROBE,
			on_datagrams, &e, &err))
		goto fail;
	setsockopt(zs_udp_fd(e.udp), SOL_SOCKET, SO_RCVBUFFORCE, &(int){ BUFFER }, sizeof(int));
	config.loop = e.loop;
	e.tunnel = zs_edge_tunnel_new(&tunnel, &ops, &e, &e.random);
	ZS_CHECK(e.tunnel && !zs_timer_new(&e.timer, e.loop, on_timer, &e), "out of memory");
	zs_loop_signals(e.loop, (const int[]){ SIGTERM, SIGINT, SIGUSR1, SIGUSR2 }, 4, on_signal, &e);
	if (zs_edge_new(&e.edge, &config, &err))
		goto fail;
	zs_edge_start(e.edge);
	zs_loop_run(e.loop);
	say_counts(&e);
	zs_edge_delete(e.edge);
	zs_edge_tunnel_delete(e.tunnel);
	zs_loop_delete(e.loop);
	return 0;
fail:
	fprintf(stderr, "tunnelecho: %s\n", err.text);
	return 1;
}
