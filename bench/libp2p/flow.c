/* Streams of the bench: bytes one way, and pings one after another. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "base/clock.h"
#include "libp2p/p2p.h"

#define CHUNK	    65536
#define PING	    32
#define PATIENCE_NS (60 * ZS_NS_PER_S)
#define TURN_NS	    (20 * ZS_NS_PER_MS)

static const char *const discard[] = { ZS_P2P_DISCARD }, *const source[] = { ZS_P2P_SOURCE },
			 *const echo[] = { ZS_P2P_PING };

struct flow {
	struct zs_host_stream *stream;
	uint64_t left, got, want; /* to send; came; to come */
	uint64_t until_ns, rounds;
	bool over, good;
	char why[ZS_HOST_TEXT];
};

static void on_closed(void *user, struct zs_host_stream *s, const struct zs_stream_end *why)
{
	struct flow *f = user;

	f->over = true;
	snprintf(f->why, sizeof(f->why), "%s", why->text);
}

static void count(void *user, struct zs_host_stream *s, const uint8_t *bytes, size_t len, bool fin)
{
	struct flow *f = user;

	zs_host_stream_consume(s, len);
	f->got += len;
	f->good = fin && f->got == f->want;
}

static void pour(void *user, struct zs_host_stream *s)
{
	static const uint8_t chunk[CHUNK];
	struct flow *f = user;

	while (f->left) {
		ssize_t n = zs_host_stream_write(s, chunk, f->left < CHUNK ? f->left : CHUNK);
		if (n <= 0)
			return;
		f->left -= (uint64_t)n;
	}
	zs_host_stream_fin(s);
}

static void ask(void *user, struct zs_host_stream *s)
{
	const struct flow *f = user;
	uint64_t length = htobe64(f->want);

	zs_host_stream_write(s, &length, sizeof(length));
	zs_host_stream_fin(s);
}

static void ping(void *user, struct zs_host_stream *s)
{
	static const uint8_t bytes[PING];

	zs_host_stream_write(s, bytes, PING);
}

static void pong(void *user, struct zs_host_stream *s, const uint8_t *bytes, size_t len, bool fin)
{
	struct flow *f = user;

	zs_host_stream_consume(s, len);
	f->got += len;
	if (f->got % PING || !len)
		return;
	f->rounds++;
	f->good = zs_clock_ns() >= f->until_ns;
	if (f->good)
		zs_host_stream_fin(s);
	else
		ping(f, s);
}

static const struct zs_stream_ops upload_ops = {
	.ready = pour, .data = count, .writable = pour, .closed = on_closed
};
static const struct zs_stream_ops download_ops = { .ready = ask, .data = count, .closed = on_closed };
static const struct zs_stream_ops ping_ops = { .ready = ping, .data = pong, .closed = on_closed };

static int begin(struct zs_p2p_caller *c, const char *const *protocol, const struct zs_stream_ops *ops,
		 struct flow *f, struct zs_error *err)
{
	const struct zs_host_open open = {
		.conn = c->conn, .protocols = protocol, .count = 1, .ops = ops, .user = f
	};
	int rc;

	if (c->state != ZS_P2P_CALL_READY)
		return zs_error_set(err, -ENOTCONN, ZS_EXIT_FAILED, "a connection was lost: %s", c->why);
	rc = zs_host_open(c->node.host, &open, zs_clock_ns(), &f->stream, err);
	if (rc == 0)
		zs_shell_turn(c->node.shell);
	return rc;
}

/* Turns the loop until the flow, which began, is over. */
static int finish(struct flow *f, struct zs_loop *loop, const char *const *protocol, struct zs_error *err)
{
	uint64_t until = zs_clock_ns() + PATIENCE_NS;

	while (!f->over && zs_clock_ns() < until)
		zs_loop_turn(loop, TURN_NS);
	if (!f->over) {
		zs_host_stream_reset(f->stream, 0);
		return zs_error_set(err, -ETIMEDOUT, ZS_EXIT_FAILED, "%s takes more than %llu s", *protocol,
				    PATIENCE_NS / ZS_NS_PER_S);
	}
	return f->good ? 0 : zs_error_set(err, -EPROTO, ZS_EXIT_FAILED, "%s: %s", *protocol, f->why);
}

static int run(struct zs_p2p_caller *c, struct zs_loop *loop, const char *const *protocol,
	       const struct zs_stream_ops *ops, struct flow *f, struct zs_error *err)
{
	int rc = begin(c, protocol, ops, f, err);

	return rc ? rc : finish(f, loop, protocol, err);
}

int zs_p2p_upload(struct zs_p2p_caller *c, struct zs_loop *loop, uint64_t bytes, struct zs_error *err)
{
	return run(c, loop, discard, &upload_ops, &(struct flow){ .left = bytes, .want = 8 }, err);
}

int zs_p2p_download(struct zs_p2p_caller *c, struct zs_loop *loop, uint64_t bytes, struct zs_error *err)
{
	return run(c, loop, source, &download_ops, &(struct flow){ .want = bytes }, err);
}

int zs_p2p_pings(struct zs_p2p_caller *const c[ZS_P2P_PINGERS], struct zs_loop *loop, uint64_t ns,
		 uint64_t *rounds, struct zs_error *err)
{
	struct flow f[ZS_P2P_PINGERS] = { 0 };
	uint32_t begun = 0;
	int rc = 0, end;

	for (*rounds = 0; rc == 0 && begun < ZS_P2P_PINGERS; begun += rc == 0) {
		f[begun].until_ns = zs_clock_ns() + ns;
		rc = begin(c[begun], echo, &ping_ops, &f[begun], err);
	}
	for (uint32_t i = 0; i < begun; i++) { /* also after a failure: the flows lie on this stack */
		end = finish(&f[i], loop, echo, err);
		rc = rc ? rc : end;
		*rounds += f[i].rounds;
	}
	return rc;
}
