/* ping 1.0.0: 32 random bytes there and the same back. The answerer echoes whatever comes, a peer that sends
 * without reading is cut off by its stream's buffer. */
#include <errno.h>
#include <stdlib.h>
#include "p2p/host/internal.h"

#define PING_PROTOCOL "/ipfs/ping/1.0.0"
#define PING	      32
#define PING_STREAMS  8 /* of one peer at once: js opens a fresh one each time */

static const char *const protocols[] = { PING_PROTOCOL };

/* --- the answer ----------------------------------------------------------------------------- */

static void echo_ready(void *user, struct zs_host_stream *s)
{
	zs_host_stream_deadline(s, s->host->now + s->host->config.ping_idle_ns);
}

static void echo_data(void *user, struct zs_host_stream *s, const uint8_t *bytes, size_t len, bool fin)
{
	echo_ready(user, s);
	zs_host_stream_consume(s, len);
	if (len && zs_host_stream_write(s, bytes, len) != (ssize_t)len)
		zs_host_stream_reset(s, ZS_HOST_RATE + 1);
	else if (fin)
		zs_host_stream_fin(s);
}

static void echo_closed(void *user, struct zs_host_stream *s, const struct zs_stream_end *why) {}
static const struct zs_stream_ops echo_ops = { .ready = echo_ready,
					       .data = echo_data,
					       .closed = echo_closed };

/* --- the question --------------------------------------------------------------------------- */

struct ping {
	uint8_t bytes[PING];
	uint32_t have;
	uint64_t sent_ns, timeout_at;
	zs_host_ping_fn *fn;
	void *user;
};

static void finish(struct ping *p, uint64_t rtt_ns, const char *text)
{
	p->fn(p->user, rtt_ns, text);
	free(p);
}

static void ask_ready(void *user, struct zs_host_stream *s)
{
	struct ping *p = user;

	p->sent_ns = s->host->now;
	zs_host_stream_deadline(s, p->timeout_at);
	zs_host_stream_write(s, p->bytes, PING);
}

static void ask_data(void *user, struct zs_host_stream *s, const uint8_t *bytes, size_t len, bool fin)
{
	struct ping *p = user;
	uint64_t rtt;

	zs_host_stream_consume(s, len);
	if (!p)
		return;
	rtt = s->host->now - p->sent_ns;
	if (len > PING - p->have || memcmp(p->bytes + p->have, bytes, len) != 0) {
		zs_host_stream_reset(s, ZS_HOST_VIOLATION + 1);
		finish(p, 0, "the peer did not send back what it was sent");
		return;
	}
	p->have += (uint32_t)len;
	if (p->have < PING && !fin)
		return;
	if (p->have == PING) {
		/* Nobody waits for the stream any more: it ends by itself. */
		zs_host_stream_fin(s);
		zs_host_stream_set_user(s, NULL);
		finish(p, rtt ? rtt : 1, NULL);
	} else {
		zs_host_stream_reset(s, ZS_HOST_VIOLATION + 1);
		finish(p, 0, "the peer ended the stream without an answer");
	}
}

static void ask_closed(void *user, struct zs_host_stream *s, const struct zs_stream_end *why)
{
	if (user)
		finish(user, 0, why->text);
}
static const struct zs_stream_ops ask_ops = { .ready = ask_ready, .data = ask_data, .closed = ask_closed };

/* conn NULL: the best one to `peer`. */
static int send_ping(struct zs_host *h, const struct zs_peer_id *peer, struct zs_host_conn *conn,
		     uint64_t timeout_ns, uint64_t now, zs_host_ping_fn *fn, void *user, struct zs_error *err)
{
	struct ping *p = malloc(sizeof(*p));
	struct zs_host_open ask = { .peer = *peer,
				    .conn = conn,
				    .protocols = protocols,
				    .count = 1,
				    .timeout_ns = timeout_ns,
				    .ops = &ask_ops,
				    .user = p };
	struct zs_host_stream *s;
	int rc;

	if (!p)
		return zs_error_set(err, -ENOMEM, ZS_EXIT_RESOURCE, "out of memory");
	*p = (struct ping){ .fn = fn, .user = user, .timeout_at = now + timeout_ns };
	h->random.fill(h->random.ctx, p->bytes, PING);
	rc = zs_host_open(h, &ask, now, &s, err);
	if (rc < 0)
		free(p);
	return rc;
}

int zs_host_ping(struct zs_host *h, const struct zs_peer_id *peer, uint64_t timeout_ns, uint64_t now,
		 zs_host_ping_fn *fn, void *user, struct zs_error *err)
{
	return send_ping(h, peer, NULL, timeout_ns, now, fn, user, err);
}

int zs_host_conn_ping(struct zs_host_conn *conn, uint64_t timeout_ns, uint64_t now, zs_host_ping_fn *fn,
		      void *user, struct zs_error *err)
{
	return send_ping(conn->host, &conn->id, conn, timeout_ns, now, fn, user, err);
}

int zs_hping_register(struct zs_host *h)
{
	struct zs_limit per_peer = h->config.limits.limit[ZS_SCOPE_protocol_peer];

	if (per_peer.streams_in > PING_STREAMS)
		per_peer.streams_in = PING_STREAMS;
	return zs_host_register(h, &(struct zs_host_protocol){ .id = PING_PROTOCOL,
							       .service = "ping",
							       .per_peer = &per_peer,
							       .limited_ok = true,
							       .ops = &echo_ops });
}
