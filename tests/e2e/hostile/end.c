/* The endpoint of an attack and its socket. */
#include <arpa/inet.h>
#include <poll.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "base/check.h"
#include "base/clock.h"
#include "hostile.h"

#define PULL 16

void random_bytes(void *ctx, void *out, size_t len)
{
	randombytes_buf(out, len);
}

static enum zs_quic_verdict on_incoming(void *ctx, const struct zs_quic_incoming *in)
{
	return ZS_QUIC_DROP;
}
static void on_established(void *ctx, struct zs_quic_conn *conn)
{
	struct end *e = ctx;

	e->established++;
	e->conn = conn;
}
static void on_closed(void *ctx, struct zs_quic_conn *conn, const struct zs_quic_close *why)
{
	struct end *e = ctx;

	e->closed++;
	e->why = *why;
	if (e->conn == conn)
		e->conn = NULL;
}
static void on_stream(void *ctx, struct zs_quic_stream *s) {}
static void on_data(void *ctx, struct zs_quic_stream *s, const uint8_t *bytes, size_t len, bool fin)
{
	zs_quic_consume(s, len);
}
static void on_reset(void *ctx, struct zs_quic_stream *s, uint64_t code)
{
	struct end *e = ctx;

	e->resets++;
	e->reset_code = code;
	zs_quic_reset(s, 0);
}
static int64_t on_wall(void *ctx)
{
	return (int64_t)(zs_clock_wall_ns() / ZS_NS_PER_S);
}
static const struct zs_quic_ops ops = { .incoming = on_incoming,
					.established = on_established,
					.closed = on_closed,
					.opened = on_stream,
					.data = on_data,
					.writable = on_stream,
					.reset = on_reset,
					.stopped = on_stream,
					.stream_closed = on_stream,
					.wall = on_wall };

static void sockaddr_of(struct sockaddr_in *out, const struct zs_endpoint *at)
{
	char text[ZS_ADDR_TEXT];

	*out = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons(at->port) };
	ZS_CHECK(inet_pton(AF_INET, zs_addr_format(&at->addr, text), &out->sin_addr) == 1, "IPv4 alone");
}

void end_open(struct end *e, const struct zs_endpoint *remote)
{
	struct zs_random random = { .fill = random_bytes };
	struct zs_quic_config config;
	struct sockaddr_in at;
	socklen_t len = sizeof(at);
	uint8_t seed[32];

	*e = (struct end){ .remote = *remote };
	randombytes_buf(seed, sizeof(seed));
	zs_identity_from_seed(&e->identity, seed);
	zs_quic_config_default(&config);
	config.keep_alive_ns = 5 * ZS_NS_PER_S;
	for (int kind = 0; kind < ZS_REPLY_KINDS; kind++)
		config.replies_per_s[kind] = 1;
	ZS_CHECK(zs_cert_new(&e->cert, &e->identity, on_wall(NULL)) == 0);
	ZS_CHECK(zs_tls_new(&e->tls, &e->cert, 1, 4) == 0);
	ZS_CHECK(zs_quic_new(&e->quic, &config, e->tls, random, &ops, e) == 0);
	e->fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	sockaddr_of(&at, remote);
	ZS_CHECK(e->fd >= 0 && connect(e->fd, (struct sockaddr *)&at, sizeof(at)) == 0);
	ZS_CHECK(getsockname(e->fd, (struct sockaddr *)&at, &len) == 0);
	ZS_CHECK(zs_endpoint_from_sockaddr(&e->local, (struct sockaddr *)&at) == 0);
}

void end_close(struct end *e)
{
	zs_quic_delete(e->quic);
	zs_tls_delete(e->tls);
	zs_cert_free(&e->cert);
	close(e->fd);
}

void end_dial(struct end *e)
{
	const struct zs_quic_dial dial = { .remote = e->remote, .local = e->local };
	struct zs_quic_conn *conn;

	ZS_CHECK(zs_quic_dial(e->quic, &dial, zs_clock_ns(), &conn) == 0);
}

static void pump(struct end *e)
{
	static uint8_t buf[PULL * ZS_QUIC_DATAGRAM];
	struct zs_udp_datagram out[PULL];
	size_t count;

	while ((count = zs_quic_pull(e->quic, out, PULL, buf, sizeof(buf), zs_clock_ns())))
		for (size_t i = 0; i < count; i++)
			if (send(e->fd, out[i].data, out[i].len, 0) > 0)
				e->tx_bytes += out[i].len;
}

static void receive(struct end *e)
{
	uint8_t bytes[2048];
	ssize_t n;

	while ((n = recv(e->fd, bytes, sizeof(bytes), 0)) > 0) {
		const struct zs_udp_datagram d = {
			.peer = e->remote, .local = e->local, .data = bytes, .len = (size_t)n
		};
		e->rx_bytes += d.len;
		zs_quic_receive(e->quic, &d, 1, zs_clock_ns());
	}
}

void end_run(struct end *e, uint64_t ms, bool (*done)(const struct end *e))
{
	uint64_t end = zs_clock_ns() + ms * ZS_NS_PER_MS;

	for (pump(e); zs_clock_ns() < end && !(done && done(e)); pump(e)) {
		struct pollfd p = { .fd = e->fd, .events = POLLIN };
		poll(&p, 1, 1);
		receive(e);
		if (zs_quic_deadline(e->quic) <= zs_clock_ns())
			zs_quic_advance(e->quic, zs_clock_ns());
	}
}

static bool is_settled(const struct end *e)
{
	return e->established || e->closed;
}

bool end_connect(struct end *e)
{
	end_dial(e);
	end_run(e, 3000, is_settled);
	return e->conn;
}
