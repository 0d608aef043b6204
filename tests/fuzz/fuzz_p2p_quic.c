/* Arbitrary datagrams into a listening endpoint, alone and beside a dialler whose handshake and streams
 * are alive. The input is a list of operations: {op, argument, 16-bit length, bytes}:
 *   0 raw datagram      1 Initial with these frames, properly sealed (its keys are public); both with
 *     argument ≥ 128: to the dialler, as from the listener
 *   2 next datagram of the dialler, one byte changed    3 … untouched, but the answer with
 *     its byte `argument` changed     4 … dropped
 *   5 time passes       6 datagram whose ID is one of the listener's (short header, garbage behind)
 *   7 the dialler opens a stream and writes the bytes
 * Must hold: no crash, connections within the limit, at most three times as much out as in to
 * an address that has not proven itself, everything gone in the end. */
#include <ngtcp2/ngtcp2.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/cursor.h"
#include "p2p/quic.h"
#include "p2p/quic/crypto.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define WALL	  1790000000
#define MAX_CONNS 8
#define OPS	  64

struct world {
	struct zs_quic *listener, *dialler;
	struct zs_quic_conn *dialled;
	struct zs_endpoint at[2], stranger;
	uint64_t now, seed, in, out; /* in, out: bytes with the stranger */
	uint32_t streams;
	uint8_t last_id[8];
	uint8_t first[64]; /* of the dialler's first datagram: whose IDs give the keys of Initials */
	uint8_t spoil;	   /* byte of the listener's next datagram to change; 0: none */
};

static void fill(void *ctx, void *out, size_t len)
{
	uint64_t *seed = ctx;

	for (size_t i = 0; i < len; i++) {
		*seed = *seed * 6364136223846793005ull + 1442695040888963407ull;
		((uint8_t *)out)[i] = (uint8_t)(*seed >> 56);
	}
}

static enum zs_quic_verdict incoming(void *ctx, const struct zs_quic_incoming *in)
{
	ZS_CHECK(in->connections < MAX_CONNS);
	return in->peer->port & 1 ? ZS_QUIC_RETRY : ZS_QUIC_ACCEPT;
}
static void established(void *ctx, struct zs_quic_conn *conn)
{
	ZS_CHECK(zs_quic_peer(conn)->len);
}
static void closed(void *ctx, struct zs_quic_conn *conn, const struct zs_quic_close *why)
{
	struct world *w = ctx;
	ZS_CHECK(strnlen(why->reason, ZS_QUIC_REASON) < ZS_QUIC_REASON);
	if (w->dialled == conn)
		w->dialled = NULL;
}
static void opened(void *ctx, struct zs_quic_stream *s)
{
	ZS_CHECK(!zs_quic_stream_is_ours(s));
	((struct world *)ctx)->streams++;
}
static void take(void *ctx, struct zs_quic_stream *s, const uint8_t *bytes, size_t len, bool fin)
{
	ZS_CHECK(len || fin);
	zs_quic_write(s, bytes, len);
	zs_quic_consume(s, len / 2);
	if (fin)
		zs_quic_fin(s);
}
static void nothing(void *ctx, struct zs_quic_stream *s) {}
static void reset(void *ctx, struct zs_quic_stream *s, uint64_t code)
{
	zs_quic_reset(s, code);
}
static int64_t wall(void *ctx)
{
	return WALL;
}

static struct zs_quic *make(struct world *w, uint8_t who)
{
	static const struct zs_quic_ops ops = { .incoming = incoming,
						.established = established,
						.closed = closed,
						.opened = opened,
						.data = take,
						.writable = nothing,
						.reset = reset,
						.stopped = nothing,
						.stream_closed = nothing,
						.wall = wall };
	static struct zs_tls *tls[2]; /* one each for all runs: they cost more than a run */
	struct zs_quic_config config;
	struct zs_quic *q;

	if (!tls[who]) {
		uint8_t seed[32] = { who };
		struct zs_identity id;
		struct zs_cert cert;
		zs_identity_from_seed(&id, seed);
		ZS_CHECK(zs_cert_new(&cert, &id, WALL) == 0 && zs_tls_new(&tls[who], &cert, 1, 16) == 0);
		zs_cert_free(&cert);
	}
	zs_quic_config_default(&config);
	config.max_connections = MAX_CONNS;
	config.retry_above = 4;
	config.tombstones = 4;
	ZS_CHECK(zs_quic_new(&q, &config, tls[who], (struct zs_random){ fill, &w->seed }, &ops, w) == 0);
	return q;
}

static void deliver(struct world *w, struct zs_quic *to, const struct zs_endpoint *from, const uint8_t *bytes,
		    size_t len)
{
	uint8_t *exact = malloc(len ? len : 1);
	struct zs_udp_datagram d = {
		.peer = *from, .local = w->at[to == w->dialler], .data = exact, .len = len
	};

	memcpy(exact, bytes, len);
	zs_quic_receive(to, &d, 1, w->now);
	free(exact);
}

/* What the listener says to the dialler arrives; what it says to the stranger is counted. */
static void drain(struct world *w)
{
	struct zs_udp_datagram d;
	uint8_t buf[ZS_QUIC_DATAGRAM];
	size_t bound = 0;

	while (bound++ < 4096 && zs_quic_pull(w->listener, &d, 1, buf, sizeof(buf), w->now)) {
		if (d.peer.port == w->at[1].port) {
			buf[w->spoil * 3u % d.len] ^= w->spoil;
			w->spoil = 0;
			deliver(w, w->dialler, &w->at[0], d.data, d.len);
		} else
			w->out += d.len;
	}
	ZS_CHECK(w->out <= 3 * w->in, "%lu out for %lu in", (unsigned long)w->out, (unsigned long)w->in);
}

static void stranger(struct world *w, const uint8_t *bytes, size_t len)
{
	w->in += len;
	deliver(w, w->listener, &w->stranger, bytes, len);
}

/* Seals `frames` and PADDING behind a header of `at` bytes; the length of the packet, 0 without memory. */
static size_t seal_initial(uint8_t packet[1500], size_t at, const ngtcp2_cid *dcid, bool server,
			   uint8_t number, const uint8_t *frames, size_t len)
{
	size_t body = 1200 - at - 2 - 4 - 16;
	struct zs_quic_keys tx, rx;
	uint8_t nonce[12], mask[5];
	ngtcp2_crypto_ctx ctx;

	if (!zs_quic_initial_keys(dcid, server, &rx, &tx))
		return 0;
	zs_quic_initial_ctx(&ctx);
	packet[at++] = (uint8_t)(0x40 | (body + 20) >> 8);
	packet[at++] = (uint8_t)(body + 20);
	packet[at + 3] = number;
	memcpy(nonce, tx.iv, sizeof(nonce));
	nonce[11] ^= number;
	memcpy(packet + at + 4, frames, len > body ? body : len);
	zs_quic_seal(packet + at + 4, &ctx.aead, &tx.aead, packet + at + 4, body, nonce, sizeof(nonce),
		     packet, at + 4);
	zs_quic_mask(mask, &ctx.hp, &tx.hp, packet + at + 4);
	packet[0] ^= mask[0] & 0x0f;
	for (int i = 0; i < 4; i++)
		packet[at + (size_t)i] ^= mask[1 + i];
	zs_quic_keys_free(&rx);
	zs_quic_keys_free(&tx);
	return 1200;
}

/* A first flight as a client would send it. */
static void sealed_initial(struct world *w, uint8_t id, const uint8_t *frames, size_t len)
{
	uint8_t packet[1500] = { 0xc3, 0, 0, 0, 1, 8, id, 1, 2, 3, 4, 5, 6, 7, 4, id, 8, 8, 8, 0 };
	ngtcp2_cid dcid;

	ngtcp2_cid_init(&dcid, packet + 6, 8);
	stranger(w, packet, seal_initial(packet, 20, &dcid, false, (uint8_t)(w->in / 1200), frames, len));
}

/* An answer as a listener would send it, before it has a certificate to show. */
static void sealed_answer(struct world *w, uint8_t number, const uint8_t *frames, size_t len)
{
	uint8_t packet[1500] = { 0xc3, 0, 0, 0, 1, 8, 0, 0, 0, 0, 0, 0, 0, 0, 4, 9, 9, 9, 9, 0 };
	ngtcp2_cid dcid;

	if (w->first[5] != 8)
		return;
	ngtcp2_cid_init(&dcid, w->first + 6, 8);
	memcpy(packet + 6, w->first + 15, 8);
	deliver(w, w->dialler, &w->at[0], packet, seal_initial(packet, 20, &dcid, true, number, frames, len));
}

static void from_dialler(struct world *w, uint8_t op, uint8_t argument, const uint8_t *bytes, size_t len)
{
	struct zs_udp_datagram d;
	uint8_t buf[ZS_QUIC_DATAGRAM];

	if (!zs_quic_pull(w->dialler, &d, 1, buf, sizeof(buf), w->now))
		return;
	if (!w->first[0])
		memcpy(w->first, buf, sizeof(w->first));
	if (op == 4)
		return;
	if (op == 3)
		w->spoil = argument;
	if (op == 2)
		buf[(argument * 7u + (len ? bytes[0] : 0)) % d.len] ^= (uint8_t)(1u << (argument & 7));
	if (!(buf[0] & 0x80) && d.len > 9)
		memcpy(w->last_id, buf + 1, 8);
	deliver(w, w->listener, &w->at[1], buf, d.len);
}

static void operate(struct world *w, uint8_t op, uint8_t argument, const uint8_t *bytes, size_t len)
{
	uint8_t packet[2048] = { 0x40 };
	struct zs_quic_stream *s;

	switch (op & 7) {
	case 0:
		if (argument & 0x80)
			deliver(w, w->dialler, &w->at[0], bytes, len);
		else
			stranger(w, bytes, len);
		break;
	case 1:
		if (argument & 0x80) {
			sealed_answer(w, argument & 0x7f, bytes, len);
			break;
		}
		w->stranger.port = (uint16_t)(7000 + (argument & 3));
		sealed_initial(w, argument, bytes, len);
		break;
	case 5:
		w->now += (uint64_t)argument * argument * ZS_NS_PER_MS;
		zs_quic_advance(w->listener, w->now);
		zs_quic_advance(w->dialler, w->now);
		break;
	case 6:
		len = len > sizeof(packet) - 9 ? sizeof(packet) - 9 : len;
		memcpy(packet + 1, w->last_id, 8);
		memcpy(packet + 9, bytes, len);
		stranger(w, packet, 9 + len);
		break;
	case 7:
		if (w->dialled && zs_quic_is_established(w->dialled) &&
		    zs_quic_open(w->dialled, NULL, &s) == 0) {
			zs_quic_write(s, bytes, len);
			if (argument & 1)
				zs_quic_fin(s);
			if (argument & 2)
				zs_quic_reset(s, argument);
		}
		break;
	default:
		from_dialler(w, op & 7, argument, bytes, len);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct world w = { .now = ZS_NS_PER_S, .seed = 1 };
	struct zs_reader r = zs_reader_of(data, size);
	struct zs_quic_stats stats;

	zs_endpoint_parse(&w.at[0], "192.0.2.1:4001");
	zs_endpoint_parse(&w.at[1], "192.0.2.2:5000");
	zs_endpoint_parse(&w.stranger, "192.0.2.3:7000");
	w.listener = make(&w, 0);
	w.dialler = make(&w, 1);
	zs_quic_dial(w.dialler, &(struct zs_quic_dial){ .remote = w.at[0] }, w.now, &w.dialled);
	for (int i = 0; i < OPS && zs_reader_left(&r) >= 4; i++) {
		uint8_t op = zs_read_u8(&r), argument = zs_read_u8(&r);
		size_t len = zs_read_u16(&r), left = zs_reader_left(&r);
		len = len > left ? left : len;
		operate(&w, op, argument, zs_read_span(&r, len), len);
		drain(&w);
		zs_quic_stats(w.listener, &stats);
		ZS_CHECK(stats.connections <= MAX_CONNS && stats.tombstones <= 4 &&
			 stats.cids <= 16 * MAX_CONNS);
	}
	zs_quic_delete(w.dialler);
	w.dialled = NULL;
	w.now += 100 * ZS_NS_PER_S;
	for (int i = 0; i < 4; i++) {
		zs_quic_advance(w.listener, w.now += 40 * ZS_NS_PER_S);
		uint8_t buf[ZS_QUIC_DATAGRAM];
		struct zs_udp_datagram d;
		while (zs_quic_pull(w.listener, &d, 1, buf, sizeof(buf), w.now))
			;
	}
	zs_quic_stats(w.listener, &stats);
	ZS_CHECK(!stats.connections && !stats.handshakes && !stats.tombstones && !stats.cids);
	zs_quic_delete(w.listener);
	return 0;
}
