/* Streams: bytes to and from whoever speaks the protocol, and the end. Buffers beyond a first
 * FREE_BYTES are counted in blocks: what the peer sent and nobody consumed, and what we wrote and the
 * peer has not acknowledged. A write that a limit refuses is a short one; the stream is hungry until the next
 * tick. Ticks also count anew what was acknowledged meanwhile. */
#include <errno.h>
#include <stdlib.h>
#include "base/check.h"
#include "p2p/host/internal.h"

#define FREE_BYTES  4096
#define BLOCK_BYTES 16384

static const char *const fate_texts[] = {
#define ZS_HOST_FATE(name, text) text,
#include "defs/p2p_host.def"
#undef ZS_HOST_FATE
};

struct zs_host_stream *zs_hstream_new(struct zs_host *h, const struct zs_stream_ops *ops, void *user)
{
	struct zs_host_stream *s = calloc(1, sizeof(*s));

	if (!s || zs_deadlines_reserve(&h->timers, h->stats.streams + 1) < 0) {
		free(s);
		return NULL;
	}
	s->host = h;
	s->ops = ops;
	s->user = user;
	s->peer = ZS_PEER_NONE;
	s->limits.protocol = ZS_LIMITS_NO_GROUP;
	h->stats.streams++;
	return s;
}

/* Of a stream that is in no list. */
void zs_hstream_free(struct zs_host_stream *s)
{
	struct zs_host *h = s->host;

	zs_deadlines_set(&h->timers, &s->timer, UINT64_MAX);
	if (s->listed)
		TAILQ_REMOVE(&h->buffering, s, buffering);
	if (!s->settled && s->link_stream)
		zs_multistream_free(&s->negotiation);
	if (s->limits.conn)
		zs_limits_stream_close(h->limits, &s->limits);
	h->stats.streams--;
	free(s);
}

/* --- memory --------------------------------------------------------------------------------- */

/* In the list while it has something counted or waits for memory. */
static void keep_listed(struct zs_host_stream *s)
{
	bool listed = s->charged || s->hungry;

	if (s->listed == listed)
		return;
	s->listed = listed;
	if (listed)
		TAILQ_INSERT_TAIL(&s->host->buffering, s, buffering);
	else
		TAILQ_REMOVE(&s->host->buffering, s, buffering);
}

/* Counts what the stream holds, and `more`. False: a limit refuses it; `text` may be NULL. */
static bool charge(struct zs_host_stream *s, uint64_t more, enum zs_priority priority, char *text)
{
	struct zs_host *h = s->host;
	struct zs_refusal why = { 0 };
	uint64_t holds, want;

	if (!s->tx_fin && !s->stopped)
		s->held = zs_link_held(s);
	holds = s->held + s->unconsumed + more;
	want = holds <= FREE_BYTES ? 0 : ZS_ALIGN_UP(holds, (uint64_t)BLOCK_BYTES);
	if (want > s->charged &&
	    zs_limits_stream_memory(h->limits, &s->limits, want - s->charged, priority, &why) < 0) {
		zs_host_refused_by(h, s->conn, &why);
		if (text)
			zs_refusal_text(&why, text);
		return false;
	}
	if (want < s->charged)
		zs_limits_stream_memory_give(h->limits, &s->limits, s->charged - want);
	s->charged = want;
	keep_listed(s);
	return true;
}

void zs_hstream_recount(struct zs_host *h)
{
	struct zs_host_stream *s;
	uint32_t count = 0;

	TAILQ_FOREACH(s, &h->buffering, buffering)
	count++;
	for (; count && (s = TAILQ_FIRST(&h->buffering)); count--) {
		bool hungry = s->hungry;
		TAILQ_REMOVE(&h->buffering, s, buffering);
		TAILQ_INSERT_TAIL(&h->buffering, s, buffering);
		s->hungry = false;
		charge(s, 0, ZS_PRIORITY_ALWAYS, NULL);
		if (hungry)
			zs_hstream_writable(s);
	}
}

/* --- the end -------------------------------------------------------------------------------- */

static void unlink_stream(struct zs_host_stream *s)
{
	struct zs_host *h = s->host;

	if (s->state == ZS_HSTREAM_WAITING) {
		if (s->conn)
			TAILQ_REMOVE(&s->conn->waiting, s, link);
		else
			TAILQ_REMOVE(&h->peer[s->peer].waiting, s, link);
		h->stats.waiting--;
		if (!s->conn)
			zs_host_peer_put(h, s->peer);
		return;
	}
	TAILQ_REMOVE(&s->conn->streams, s, link);
	*(s->ours ? &s->conn->streams_out : &s->conn->streams_in) -= 1;
	zs_connmgr_streams(h->connmgr, s->conn->manager, s->conn->streams_in + s->conn->streams_out);
}

void zs_host_stream_reset(struct zs_host_stream *s, uint64_t code)
{
	s->ops = NULL;
	s->given_up = true;
	zs_deadlines_set(&s->host->timers, &s->timer, UINT64_MAX);
	s->hungry = false;
	if (s->state == ZS_HSTREAM_WAITING) {
		unlink_stream(s);
		zs_hstream_free(s);
		return;
	}
	zs_link_reset(s, code);
	s->tx_fin = true;
	s->unconsumed = s->held = 0;
	charge(s, 0, ZS_PRIORITY_ALWAYS, NULL);
}

static void tell_end(struct zs_host_stream *s, enum zs_stream_fate fate, uint64_t code, const char *text)
{
	const struct zs_stream_ops *ops = s->ops;

	s->ops = NULL;
	if (ops)
		ops->closed(s->user, s,
			    &(struct zs_stream_end){ fate, code, text && *text ? text : fate_texts[fate] });
}

void zs_hstream_fail(struct zs_host_stream *s, enum zs_stream_fate fate, uint64_t code, const char *text)
{
	static const uint64_t codes[ZS_STREAM_FATES] = {
		[ZS_STREAM_NO_PROTOCOL] = ZS_HOST_NEGOTIATION + 1,
		[ZS_STREAM_NEGOTIATION] = ZS_HOST_NEGOTIATION + 1,
		[ZS_STREAM_LIMIT] = ZS_HOST_RESOURCES + 1,
		[ZS_STREAM_MEMORY] = ZS_HOST_RESOURCES + 1,
	};

	tell_end(s, fate, code, text);
	zs_host_stream_reset(s, codes[fate]);
}

void zs_hstream_gone(struct zs_host_stream *s)
{
	bool done = s->rx_fin && s->tx_fin;

	tell_end(s, done ? ZS_STREAM_DONE : ZS_STREAM_DISCONNECTED, 0, NULL);
	unlink_stream(s);
	zs_hstream_free(s);
}

/* What the peer's code says: its limit, told as ours are. */
static const char *text_of_reset(struct zs_host_stream *s, uint64_t code, char buf[ZS_HOST_TEXT])
{
	struct zs_refusal why = { .scope = ZS_SCOPE_protocol,
				  .resource = ZS_RESOURCE_streams,
				  .side = ZS_SIDE_PEER,
				  .peer = s->conn->id,
				  .group = s->protocol ? s->protocol->id : NULL };

	if (code == ZS_HOST_RATE + 1)
		why.resource = ZS_RESOURCE_streams_per_s;
	else if (code != ZS_HOST_RESOURCES + 1)
		return NULL;
	return zs_refusal_text(&why, buf);
}

void zs_hstream_reset_by_peer(struct zs_host_stream *s, uint64_t code)
{
	/* A lazy opener's data is no negotiation to a listener that said no: its reset may overtake its words. */
	bool refused = s->ours && !s->settled && code == ZS_HOST_NEGOTIATION + 1;
	char text[ZS_HOST_TEXT];

	s->rx_fin = false;
	zs_hstream_fail(s, refused ? ZS_STREAM_NO_PROTOCOL : ZS_STREAM_RESET, code,
			text_of_reset(s, code, text));
}

void zs_hstream_stopped(struct zs_host_stream *s)
{
	s->stopped = true;
	s->held = 0;
	if (s->ops && s->ops->stopped && s->state == ZS_HSTREAM_OPEN && !s->tx_fin)
		s->ops->stopped(s->user, s);
	s->tx_fin = true;
}

/* --- bytes ---------------------------------------------------------------------------------- */

static void deliver(struct zs_host_stream *s, const uint8_t *bytes, size_t len, bool fin)
{
	char text[ZS_HOST_TEXT];

	if (!len && !fin)
		return;
	s->unconsumed += len;
	s->ops->data(s->user, s, bytes, len, fin);
	if (s->ops && !charge(s, 0, ZS_PRIORITY_ALWAYS, text))
		zs_hstream_fail(s, ZS_STREAM_LIMIT, 0, text);
}

void zs_hstream_data(struct zs_host_stream *s, const uint8_t *bytes, size_t len, bool fin)
{
	struct zs_reader in = zs_reader_of(bytes ? bytes : (const uint8_t *)"", len);

	if (s->given_up)
		return;
	zs_connmgr_heard(s->host->connmgr, s->conn->manager, s->host->now);
	s->rx_fin |= fin;
	if (!s->settled) {
		size_t before = zs_reader_left(&in);
		bool going = zs_hstream_negotiate(s, &in);
		zs_link_consume(s, before - zs_reader_left(&in));
		if (!going)
			return;
		if (!s->settled) {
			if (fin)
				zs_hstream_fail(s, ZS_STREAM_NEGOTIATION, 0, NULL);
			return;
		}
	}
	if (s->ops)
		deliver(s, in.at, zs_reader_left(&in), fin);
}

void zs_hstream_writable(struct zs_host_stream *s)
{
	if (s->ops && s->state == ZS_HSTREAM_OPEN && s->ops->writable)
		s->ops->writable(s->user, s);
}

ssize_t zs_host_stream_write(struct zs_host_stream *s, const void *bytes, size_t len)
{
	size_t room;

	if (s->state != ZS_HSTREAM_OPEN)
		return -EAGAIN;
	if (s->tx_fin || s->stopped)
		return -EPIPE;
	room = zs_link_room(s);
	if (!charge(s, len < room ? len : room, s->protocol->priority, NULL)) {
		s->hungry = true;
		keep_listed(s);
		return 0;
	}
	return zs_link_write(s, bytes, len); /* also what does not fit: so it tells when there is room */
}

void zs_host_stream_fin(struct zs_host_stream *s)
{
	if (s->tx_fin || s->state != ZS_HSTREAM_OPEN)
		return;
	charge(s, 0, ZS_PRIORITY_ALWAYS, NULL);
	s->tx_fin = true;
	zs_link_fin(s);
}

void zs_host_stream_consume(struct zs_host_stream *s, size_t len)
{
	size_t n = len < s->unconsumed ? len : s->unconsumed;

	s->unconsumed -= n;
	zs_link_consume(s, n);
	if (s->charged)
		charge(s, 0, ZS_PRIORITY_ALWAYS, NULL);
}

void zs_host_stream_deadline(struct zs_host_stream *s, uint64_t at)
{
	zs_deadlines_set(&s->host->timers, &s->timer, at);
}

struct zs_host_conn *zs_host_stream_conn(const struct zs_host_stream *s)
{
	return s->conn;
}

const char *zs_host_stream_protocol(const struct zs_host_stream *s)
{
	return s->protocol->id;
}

void *zs_host_stream_user(const struct zs_host_stream *s)
{
	return s->user;
}

void zs_host_stream_set_user(struct zs_host_stream *s, void *user)
{
	s->user = user;
}

uint64_t zs_host_stream_now(const struct zs_host_stream *s)
{
	return s->host->now;
}
