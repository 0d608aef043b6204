/* A scripted relay for tests of the attach client: virtual time, every op recorded, frames decoded, an exporter that
 * both ends share. The relay never judges; a test says what it answers. */
#ifndef ZS_TEST_ATTACH_RELAY_H
#define ZS_TEST_ATTACH_RELAY_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <openssl/sha.h>
#include <stdio.h>

#include "base/check.h"
#include "base/clock.h"
#include "p2p/attach_client.h"
#include "p2p/frame.h"
#include "sim/prng.h"
#include "unit/p2p/hex.h"

#define LOG    8192
#define FRAMES 128

struct scripted {
	struct zs_attach_client *client;
	uint64_t now;
	struct zs_prng prng;
	bool proves; /* each session carries packets at once */
	char log[LOG];
	struct zs_attach_target target;	     /* of the last dial */
	struct zs_attach_frame sent[FRAMES]; /* by the client */
	size_t frames;
	uint8_t hello[ZS_ATTACH_FRAME]; /* the last one's submessage */
	size_t hello_len;
	uint8_t exporter; /* of the connection: differs from link to link */
	uint64_t retry_ns;
	uint32_t refusal;
	char why[ZS_ATTACH_WHY];
	struct zs_attach_session session; /* the last granted */
	uint8_t saved[ZS_ATTACH_MEMORY];
	size_t saved_len;
	uint64_t silence_ns;
};

__attribute__((format(printf, 2, 3))) static inline void note(struct scripted *s, const char *fmt, ...)
{
	size_t at = strlen(s->log);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(s->log + at, LOG - at, fmt, ap);
	va_end(ap);
	ZS_CHECK(strlen(s->log) < LOG - 1);
}

/* What happened since the last look, words apart by spaces. */
static inline void assert_log(struct scripted *s, const char *want)
{
	assert_string_equal(s->log, want);
	s->log[0] = '\0';
	zs_attach_client_check(s->client);
}

static inline void op_dial(void *ctx, uint32_t link, const struct zs_attach_target *target)
{
	struct scripted *s = ctx;

	s->target = *target;
	note(s, "dial%u ", link);
}

static inline void op_open(void *ctx, uint32_t link)
{
	note(ctx, "open%u ", link);
}

static inline void op_send(void *ctx, uint32_t link, const void *bytes, size_t len)
{
	static const char *const names[] = { "",       "", "Hello", "", "Publish", "",
					     "CidAsk", "", "",	    "", "",	   "Detach" };
	struct scripted *s = ctx;
	struct zs_frame frame;
	struct zs_reader in = zs_reader_of(bytes, len);
	struct zs_attach_frame *f = &s->sent[s->frames++ % FRAMES];
	struct zs_span raw;
	const uint8_t *msg;
	size_t msg_len;

	zs_frame_init(&frame, ZS_ATTACH_FRAME);
	assert_int_equal(zs_frame_read(&frame, &in, &msg, &msg_len), 1);
	assert_true(zs_reader_done(&in));
	assert_int_equal(zs_attach_decode(f, msg, msg_len, &raw), 0);
	zs_frame_free(&frame);
	if (f->kind == ZS_ATTACH_HELLO) {
		memcpy(s->hello, raw.bytes, raw.len);
		s->hello_len = raw.len;
	}
	note(s, "%s%u ", names[f->kind], link);
}

static inline void op_close(void *ctx, uint32_t link, const char *why)
{
	assert_true(why[0]);
	note(ctx, "close%u ", link);
}

static inline void op_keep_alive(void *ctx, uint32_t link, uint64_t silence_ns)
{
	((struct scripted *)ctx)->silence_ns = silence_ns;
}

/* Any function of connection, label and context will do. */
static inline void exported(uint8_t connection, const char *label, const void *context, size_t context_len,
			    uint8_t out[32])
{
	SHA256_CTX sha;

	SHA256_Init(&sha);
	SHA256_Update(&sha, &connection, 1);
	SHA256_Update(&sha, label, strlen(label) + 1);
	SHA256_Update(&sha, context, context_len);
	SHA256_Final(out, &sha);
}

static inline void op_export(void *ctx, uint32_t link, const char *label, const void *context,
			     size_t context_len, uint8_t *out, size_t out_len)
{
	assert_int_equal(out_len, 32);
	exported((uint8_t)link, label, context, context_len, out);
}

static inline void op_event(void *ctx, const struct zs_attach_event *e)
{
	struct scripted *s = ctx;

	switch (e->kind) {
	case ZS_ATTACH_EVENT_STATE:
		s->retry_ns = e->retry_ns;
		s->refusal = e->refusal;
		snprintf(s->why, sizeof(s->why), "%s", e->why);
		note(s, "%s ", zs_attach_retry(e->state)->name);
		break;
	case ZS_ATTACH_EVENT_GRANTED:
		s->session = *e->session;
		note(s, "granted%u ", e->link);
		if (s->proves)
			zs_attach_client_proved(s->client, e->link, s->now);
		break;
	case ZS_ATTACH_EVENT_PORT:
		note(s, "port:%s=%u%s ", e->port->name, e->port->port, e->port->has_error ? "!" : "");
		break;
	case ZS_ATTACH_EVENT_POLICY:
		note(s, "policy:%llu ", (unsigned long long)e->policy->serial);
		break;
	case ZS_ATTACH_EVENT_CIDS:
		note(s, "cids:%u ", e->cids->cid_count);
		break;
	case ZS_ATTACH_EVENT_NOTICE:
		note(s, "notice:%s ", zs_attach_name(ZS_ATTACH_TABLE_NOTICE, e->notice->code));
		break;
	case ZS_ATTACH_EVENT_REFUSED:
		note(s, "refused:%s ", zs_attach_name(ZS_ATTACH_TABLE_ERROR, e->error->code));
		break;
	case ZS_ATTACH_EVENT_ENDED:
		note(s, "ended%u ", e->link);
		break;
	case ZS_ATTACH_EVENT_SAVE:
		s->saved_len = zs_attach_client_memory(s->client, s->saved);
		note(s, "save ");
		break;
	}
}

static inline void prng_fill(void *ctx, void *out, size_t len)
{
	for (size_t i = 0; i < len; i++)
		((uint8_t *)out)[i] = (uint8_t)zs_prng_u64(ctx);
}

static const struct zs_attach_client_ops scripted_ops = { .dial = op_dial,
							  .open = op_open,
							  .send = op_send,
							  .close = op_close,
							  .keep_alive = op_keep_alive,
							  .export = op_export,
							  .event = op_event };

static inline struct zs_peer_id peer_of(uint8_t seed)
{
	uint8_t bytes[32] = { seed };
	struct zs_identity id;
	struct zs_public_key key;
	struct zs_peer_id peer;

	zs_identity_from_seed(&id, bytes);
	key = zs_identity_public(&id);
	zs_peer_id_of(&peer, &key);
	return peer;
}

#define HOME 1 /* the home relay's seed */

static inline struct zs_attach_client_config scripted_config(struct scripted *s)
{
	struct zs_attach_client_config config = {
		.home.at = { .host = ZS_DIAL_IP,
			     .port = 4001,
			     .addr = zs_addr_from4(htobe32(0x0a4d0101)),
			     .peer = peer_of(HOME) },
		.mode = ZS_ATTACH_MODE_tunnel,
		.instance = "one run of many",
		.random = { .fill = prng_fill, .ctx = &s->prng },
	};
	return config;
}

static inline void script(struct scripted *s, const struct zs_attach_client_config *config)
{
	s->now = 1000 * ZS_NS_PER_S;
	assert_int_equal(zs_attach_client_new(&s->client, config, &scripted_ops, s), 0);
}

static inline int scripted_setup(void **state)
{
	struct scripted *s = calloc(1, sizeof(*s));
	struct zs_attach_client_config config = scripted_config(s);

	script(s, &config);
	*state = s;
	return 0;
}

static inline int scripted_teardown(void **state)
{
	struct scripted *s = *state;

	zs_attach_client_delete(s->client);
	free(s);
	return 0;
}

/* Lets the time pass up to `at`, deadline by deadline. */
static inline void pass_until(struct scripted *s, uint64_t at)
{
	uint64_t deadline;

	while ((deadline = zs_attach_client_deadline(s->client)) <= at) {
		if (deadline > s->now)
			s->now = deadline;
		zs_attach_client_advance(s->client, s->now);
		ZS_CHECK(zs_attach_client_deadline(s->client) > s->now, "a deadline that stays due");
	}
	s->now = at;
	zs_attach_client_advance(s->client, s->now);
}

static inline void pass_ms(struct scripted *s, uint64_t ms)
{
	pass_until(s, s->now + ms * ZS_NS_PER_MS);
}

/* A frame of the relay's, in pieces of `piece` bytes; *raw_len of its submessage in raw. */
static inline void answer_in(struct scripted *s, uint32_t link, const struct zs_attach_frame *f, size_t piece,
			     uint8_t *raw, size_t *raw_len)
{
	uint8_t buf[ZS_ATTACH_FRAME], out[ZS_ATTACH_FRAME + ZS_VARINT];
	struct zs_writer w = zs_writer_of(out, sizeof(out));
	struct zs_span span;
	size_t len = zs_attach_encode(f, buf, sizeof(buf), &span);

	ZS_CHECK(len > 0);
	if (raw) {
		memcpy(raw, span.bytes, span.len);
		*raw_len = span.len;
	}
	zs_frame_write(&w, buf, len);
	for (size_t at = 0; at < zs_writer_len(&w); at += piece) {
		size_t left = zs_writer_len(&w) - at, n = left < piece ? left : piece;
		uint8_t *copy = exact_copy(out + at, n);
		zs_attach_client_bytes(s->client, link, copy, n, s->now);
		free(copy);
	}
}

static inline void answer(struct scripted *s, uint32_t link, const struct zs_attach_frame *f)
{
	answer_in(s, link, f, SIZE_MAX / 2, NULL, NULL);
}

static inline void refuse(struct scripted *s, uint32_t link, uint32_t code, uint32_t retry_ms)
{
	answer(s, link,
	       &(struct zs_attach_frame){
		   .id = 1, .kind = ZS_ATTACH_ERROR, .error = { .code = code, .retry_ms = retry_ms } });
}

static inline struct zs_attach_frame a_grant(uint32_t continuity)
{
	struct zs_attach_frame f = { .id = 1, .kind = ZS_ATTACH_GRANT };

	f.grant = (zs_pb_Grant){ .continuity = continuity,
				 .pop = 3,
				 .attachment = 42,
				 .generation = 7,
				 .receiver = 0x1234,
				 .lease_s = 300,
				 .spread_ms = 30000 };
	f.grant.nonce.size = 32;
	return f;
}

/* Up to Hello; the relay of `seed` answers. */
static inline void connect_as(struct scripted *s, uint32_t link, uint8_t seed)
{
	struct zs_peer_id peer = peer_of(seed);

	zs_attach_client_connected(s->client, link, &peer, "X25519Kyber768Draft00", s->now);
	zs_attach_client_opened(s->client, link, s->now);
}

/* A session of link 1 that serves; nothing of it is left in the log. */
static inline void serve(struct scripted *s)
{
	struct zs_attach_frame grant = a_grant(ZS_ATTACH_CONTINUITY_fresh);

	s->proves = true;
	zs_attach_client_start(s->client, s->now);
	connect_as(s, 1, HOME);
	answer(s, 1, &grant);
	assert_int_equal(zs_attach_client_state(s->client), ZS_ATTACH_STATE_active);
	s->log[0] = '\0';
}

static inline void lose(struct scripted *s, uint32_t link)
{
	zs_attach_client_closed(s->client, link, ZS_ATTACH_STATE_error, "gone", s->now);
}

#endif
