/* A relay of a test's own: a libp2p host on a loopback socket that speaks attach as it is told, on the loop of the edge under
 * test. It makes the keys of each session as a relay does. */
#ifndef ZS_TEST_EDGE_RELAY_H
#define ZS_TEST_EDGE_RELAY_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/clock.h"
#include "node/edge.h"
#include "p2p/frame.h"
#include "sim/prng.h"

struct relay {
	struct zs_loop *loop;
	struct zs_udp *udp;
	struct zs_timer *timer;
	struct zs_host *host;
	struct zs_endpoint at;
	struct zs_peer_id id;
	struct zs_prng prng;
	uint8_t seed;
	bool speaks;	 /* attach */
	uint32_t refuse; /* answer Hello with this code; 0: grant */
	uint32_t generation, hellos, resumed, detached, conns;
	uint8_t root[ZS_ATTACH_SECRET]; /* of the last session, by the relay's end */
	char group[ZS_ATTACH_GROUP];
	/* Of edges in mode socket. */
	struct zs_endpoint service; /* where they bind */
	struct zs_peer_id callable; /* whom alone they may dial */
	uint32_t cids;		    /* given so far: its number is the last four bytes of each */
	struct zs_frame frame;
	struct zs_host_stream *stream; /* the last */
};

static inline void relay_fill(void *ctx, void *out, size_t len)
{
	struct relay *r = ctx;

	for (size_t i = 0; i < len; i++)
		((uint8_t *)out)[i] = (uint8_t)zs_prng_u64(&r->prng);
}

static inline void relay_turn(struct relay *r)
{
	struct zs_udp_datagram out[32];
	static uint8_t buf[32 * ZS_QUIC_DATAGRAM];
	uint64_t now = zs_loop_now(r->loop), at;
	size_t n;

	while ((n = zs_host_pull(r->host, out, 32, buf, sizeof(buf), now)))
		zs_udp_send(r->udp, out, n);
	at = zs_host_deadline(r->host);
	zs_timer_set(r->timer, at == UINT64_MAX ? 0 : at ? at : 1);
}

static inline void relay_timer(void *ctx)
{
	struct relay *r = ctx;

	zs_host_advance(r->host, zs_loop_now(r->loop));
	relay_turn(r);
}

static inline void relay_datagrams(void *ctx, struct zs_udp *udp, const struct zs_udp_datagram *in,
				   size_t count)
{
	struct relay *r = ctx;

	if (!r->host)
		return;
	zs_host_receive(r->host, in, count, zs_loop_now(r->loop));
	relay_turn(r);
}

static inline void relay_send(struct relay *r, const struct zs_attach_frame *f, struct zs_span *raw,
			      uint8_t buf[ZS_ATTACH_FRAME])
{
	uint8_t out[ZS_ATTACH_FRAME + ZS_VARINT];
	struct zs_writer w = zs_writer_of(out, sizeof(out));
	size_t len = zs_attach_encode(f, buf, ZS_ATTACH_FRAME, raw);

	assert_true(len > 0);
	zs_frame_write(&w, buf, len);
	assert_int_equal(zs_host_stream_write(r->stream, out, zs_writer_len(&w)), zs_writer_len(&w));
}

static inline void relay_mint(struct relay *r, zs_pb_Cids *cids, uint32_t count)
{
	cids->expires = zs_clock_wall_ns() / ZS_NS_PER_S + 3600;
	for (; count; count--) {
		zs_pb_Cids_cid_t *c = &cids->cid[cids->cid_count++];

		c->size = 17;
		c->bytes[0] = 0x10; /* rotation 0, 16 bytes follow */
		r->cids++;
		memcpy(c->bytes + 13, &r->cids, sizeof(r->cids));
	}
}

static inline void relay_cids(struct relay *r, uint64_t id, const zs_pb_CidAsk *ask)
{
	struct zs_attach_frame f = { .id = id, .kind = ZS_ATTACH_CIDS_SENT };
	bool may = !ask->peer.size || (ask->peer.size == r->callable.len &&
				       !memcmp(ask->peer.bytes, r->callable.bytes, r->callable.len));
	uint8_t buf[ZS_ATTACH_FRAME];
	struct zs_span raw;

	f.cids.peer.size = ask->peer.size;
	memcpy(f.cids.peer.bytes, ask->peer.bytes, ask->peer.size);
	if (may) {
		relay_mint(r, &f.cids, ask->count);
	} else {
		f.kind = ZS_ATTACH_ERROR;
		f.error = (zs_pb_Error){ .code = ZS_ATTACH_ERROR_no_cid };
	}
	relay_send(r, &f, &raw, buf);
}

/* In place of a tunnel and ports. */
static inline void relay_grant_socket(struct relay *r, zs_pb_Grant *g)
{
	g->receiver = 0;
	g->bind_id = 1;
	g->service_addrs_count = 1;
	g->service_addrs[0].size = ZS_ENDPOINT_WIRE;
	zs_endpoint_put(g->service_addrs[0].bytes, &r->service);
	g->has_cids = true;
	relay_mint(r, &g->cids, 32);
}

static inline void relay_grant(struct relay *r, const zs_pb_Hello *hello, const struct zs_span *hello_raw)
{
	struct zs_attach_frame f = { .id = 1, .kind = ZS_ATTACH_GRANT };
	uint8_t buf[ZS_ATTACH_FRAME], hash[32], h[32], secret[32];
	struct zs_span raw;

	f.grant = (zs_pb_Grant){ .continuity = hello->has_resume ? ZS_ATTACH_CONTINUITY_resumed
								 : ZS_ATTACH_CONTINUITY_fresh,
				 .attachment = 42,
				 .generation = r->generation,
				 .receiver = 99,
				 .lease_s = 300,
				 .spread_ms = 400 };
	f.grant.nonce.size = 32;
	if (hello->mode == ZS_ATTACH_MODE_socket)
		relay_grant_socket(r, &f.grant);
	for (pb_size_t i = 0; i < hello->publish_count; i++) {
		zs_pb_Port *p = &f.grant.ports[f.grant.ports_count++];
		strcpy(p->name, hello->publish[i].name);
		p->port = 20000u + i;
		p->service = 1u + i;
		if (hello->publish[i].port == 1) {
			p->port = p->service = 0;
			p->has_error = true;
			p->error.code = ZS_ATTACH_ERROR_port_taken;
		}
	}
	relay_send(r, &f, &raw, buf);
	zs_attach_grant_hash(raw.bytes, raw.len, hash);
	zs_attach_transcript(hello_raw->bytes, hello_raw->len, hash, h);
	zs_host_conn_export(zs_host_stream_conn(r->stream), ZS_ATTACH_EXPORTER, h, 32, secret, 32);
	zs_attach_root(secret, NULL, r->root);
	snprintf(r->group, sizeof(r->group), "%s", zs_host_conn_group(zs_host_stream_conn(r->stream)));
}

static inline void relay_frame(struct relay *r, const uint8_t *msg, size_t len)
{
	struct zs_attach_frame f, error = { .id = 1, .kind = ZS_ATTACH_ERROR };
	uint8_t buf[ZS_ATTACH_FRAME];
	struct zs_span raw;

	assert_int_equal(zs_attach_decode(&f, msg, len, &raw), 0);
	if (f.kind == ZS_ATTACH_DETACH) {
		r->detached++;
		zs_host_close(zs_host_stream_conn(r->stream), ZS_HOST_NONE, "good-bye");
	}
	if (f.kind == ZS_ATTACH_CID_ASK)
		relay_cids(r, f.id, &f.cid_ask);
	if (f.kind != ZS_ATTACH_HELLO)
		return;
	r->hellos++;
	r->resumed += f.hello.has_resume;
	error.error.code = r->refuse;
	if (r->refuse)
		relay_send(r, &error, &raw, buf);
	else
		relay_grant(r, &f.hello, &raw);
}

static inline void relay_data(void *user, struct zs_host_stream *s, const uint8_t *bytes, size_t len,
			      bool fin)
{
	struct relay *r = user;
	struct zs_reader in = zs_reader_of(bytes, len);
	const uint8_t *msg;
	size_t msg_len;

	r->stream = s;
	zs_host_stream_consume(s, len);
	while (zs_frame_read(&r->frame, &in, &msg, &msg_len) == 1)
		relay_frame(r, msg, msg_len);
}

static inline void relay_closed(void *user, struct zs_host_stream *s, const struct zs_stream_end *why)
{
	struct relay *r = user;

	if (r->stream == s)
		r->stream = NULL;
	zs_frame_free(&r->frame);
}

static inline void relay_connected(void *ctx, struct zs_host_conn *conn)
{
	((struct relay *)ctx)->conns++;
}
static inline void relay_disconnected(void *ctx, struct zs_host_conn *conn, const struct zs_host_close *why)
{
	((struct relay *)ctx)->conns--;
}
static inline int64_t relay_wall(void *ctx)
{
	return (int64_t)(zs_clock_wall_ns() / ZS_NS_PER_S);
}

/* Again after relay_kill: the same identity and reset secret, everything else forgotten. */
static inline void relay_start(struct relay *r)
{
	static const struct zs_stream_ops stream_ops = { .data = relay_data, .closed = relay_closed };
	static const struct zs_host_ops ops = { .connected = relay_connected,
						.disconnected = relay_disconnected,
						.wall = relay_wall };
	struct zs_host_config *c = malloc(sizeof(*c));
	struct zs_random random = { relay_fill, r };
	struct zs_host_protocol attach = { .id = ZS_ATTACH_PROTOCOL, .ops = &stream_ops, .user = r };
	uint8_t seed[32] = { r->seed };
	struct zs_identity id;

	zs_host_defaults(c);
	memset(c->quic.secret, 7, sizeof(c->quic.secret));
	zs_identity_from_seed(&id, seed);
	assert_int_equal(zs_host_new(&r->host, c, &id, random, &ops, r), 0);
	free(c);
	if (r->speaks)
		assert_int_equal(zs_host_register(r->host, &attach), 0);
	r->id = *zs_host_id(r->host);
}

/* Without a word to anybody, as kill -9. */
static inline void relay_kill(struct relay *r)
{
	zs_host_delete(r->host);
	r->host = NULL;
	r->conns = 0;
	zs_timer_set(r->timer, 0);
}

static inline struct relay *relay_new(struct zs_loop *loop, uint8_t seed)
{
	struct relay *r = calloc(1, sizeof(*r));
	struct zs_endpoint local = { .addr = zs_addr_from4(htobe32(0x7f000001)) };
	struct zs_error err = { 0 };

	*r = (struct relay){ .loop = loop, .seed = seed, .prng = { seed }, .generation = 7, .speaks = true };
	zs_frame_init(&r->frame, ZS_ATTACH_FRAME);
	assert_int_equal(zs_udp_open(&r->udp, loop, &local, 0, relay_datagrams, r, &err), 0);
	assert_int_equal(zs_timer_new(&r->timer, loop, relay_timer, r), 0);
	r->at = zs_udp_local(r->udp);
	relay_start(r);
	return r;
}

static inline void relay_delete(struct relay *r)
{
	if (r->host)
		relay_kill(r);
	zs_frame_free(&r->frame);
	zs_timer_delete(r->timer);
	zs_udp_close(r->udp);
	free(r);
}

#endif
