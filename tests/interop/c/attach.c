/* The attach protocol by hand: one Hello as the test wants it, or the bytes of another one again, and what the relay says to it.
 * The stream stays open. */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/check.h"
#include "base/clock.h"
#include "p2p/attach_codec.h"
#include "p2p/frame.h"
#include "interop/c/p2phost.h"
#include "relay/keys.h"

struct attach {
	struct program *program;
	struct zs_host_stream *stream; /* NULL: not ready */
	struct zs_frame frames;
	uint8_t sent[ZS_ATTACH_FRAME];
	size_t sent_len;
	struct zs_span hello; /* inside `sent`, or inside the original of the same bytes */
	uint64_t id;
};

static json_t *hex_of(const void *bytes, size_t len)
{
	char text[2 * ZS_ATTACH_FRAME + 1];

	return json_string(sodium_bin2hex(text, sizeof(text), bytes, len));
}

static size_t bytes_of(const json_t *o, const char *key, void *out, size_t max)
{
	const char *text = json_string_value(json_object_get(o, key));
	size_t len = 0;

	if (text)
		sodium_hex2bin(out, max, text, strlen(text), NULL, &len, NULL);
	return len;
}

/* --- Hello ------------------------------------------------------------------------------------ */

static void fill_resume(zs_pb_Hello *h, const json_t *resume)
{
	h->has_resume = json_is_object(resume);
	h->resume.attachment = (uint32_t)json_integer_value(json_object_get(resume, "attachment"));
	h->resume.generation = (uint32_t)json_integer_value(json_object_get(resume, "generation"));
	h->resume.grant_hash.size = (pb_size_t)bytes_of(resume, "hash", h->resume.grant_hash.bytes,
							sizeof(h->resume.grant_hash.bytes));
}

static void fill_hello(zs_pb_Hello *h, const json_t *c)
{
	const char *token = json_string_value(json_object_get(c, "token"));
	json_t *name;
	size_t i;

	h->version = ZS_ATTACH_VERSION;
	h->mode = ZS_ATTACH_MODE_tunnel;
	h->receiver = 1 + randombytes_uniform(UINT32_MAX - 1);
	h->instance.size = ZS_ATTACH_INSTANCE;
	if (bytes_of(c, "instance", h->instance.bytes, ZS_ATTACH_INSTANCE) == 0)
		randombytes_buf(h->instance.bytes, ZS_ATTACH_INSTANCE);
	fill_resume(h, json_object_get(c, "resume"));
	h->token.size = (pb_size_t)(token ? strlen(token) : 0);
	memcpy(h->token.bytes, token ? token : "", h->token.size);
	json_array_foreach(json_object_get(c, "publish"), i, name) if (i < 16) snprintf(
	    h->publish[h->publish_count++].name, sizeof(h->publish[0].name), "%s", json_string_value(name));
}

/* What will be sent. False: it cannot be. */
static bool make_hello(struct attach *a, const json_t *c)
{
	struct zs_attach_frame f = { .id = ++a->id, .kind = ZS_ATTACH_HELLO };

	a->sent_len = bytes_of(c, "raw", a->sent, sizeof(a->sent));
	if (!a->sent_len) {
		fill_hello(&f.hello, c);
		a->sent_len = zs_attach_encode(&f, a->sent, sizeof(a->sent), &a->hello);
		return a->sent_len > 0;
	}
	if (zs_attach_decode(&f, a->sent, a->sent_len, &a->hello) < 0)
		return false;
	a->id = f.id;
	return true;
}

static void send_hello(struct attach *a)
{
	uint8_t out[ZS_ATTACH_FRAME + ZS_VARINT];
	struct zs_writer w = zs_writer_of(out, sizeof(out));

	zs_frame_write(&w, a->sent, a->sent_len);
	if (zs_host_stream_write(a->stream, out, zs_writer_len(&w)) != (ssize_t)zs_writer_len(&w))
		refuse(a->program, "the relay does not read");
}

/* --- the answer ------------------------------------------------------------------------------- */

static json_t *error_of(const zs_pb_Error *e)
{
	return json_pack("{s:s, s:s, s:I, s:I, s:s}", "code", zs_attach_name(ZS_ATTACH_TABLE_ERROR, e->code),
			 "scope", e->scope, "current", (json_int_t)e->current, "limit", (json_int_t)e->limit,
			 "text", e->text);
}

static json_t *grant_of(const zs_pb_Grant *g, const uint8_t hash[ZS_ATTACH_HASH])
{
	json_t *ports = json_object();

	for (pb_size_t i = 0; i < g->ports_count; i++)
		json_object_set_new(ports, g->ports[i].name, json_integer(g->ports[i].port));
	return json_pack("{s:s, s:i, s:i, s:I, s:o, s:o, s:o}", "continuity",
			 zs_attach_name(ZS_ATTACH_TABLE_CONTINUITY, g->continuity), "attachment",
			 (int)g->attachment, "generation", (int)g->generation, "receiver",
			 (json_int_t)g->receiver, "nonce", hex_of(g->nonce.bytes, g->nonce.size), "hash",
			 hex_of(hash, ZS_ATTACH_HASH), "ports", ports);
}

static json_t *cids_of(const zs_pb_Cids *c)
{
	json_t *list = json_array();

	for (pb_size_t i = 0; i < c->cid_count; i++)
		json_array_append_new(list, hex_of(c->cid[i].bytes, c->cid[i].size));
	return json_pack("{s:i, s:I, s:i, s:o}", "rotation", (int)c->rotation, "expires",
			 (json_int_t)c->expires, "retire_mask", (int)c->retire_mask, "cid", list);
}

/* A name for the keys: equal exactly when they are. */
static json_t *keys_of(struct attach *a, const uint8_t hash[ZS_ATTACH_HASH])
{
	uint8_t h[ZS_ATTACH_HASH], s[ZS_ATTACH_SECRET], name[16];

	zs_attach_transcript(a->hello.bytes, a->hello.len, hash, h);
	zs_host_conn_export(zs_host_stream_conn(a->stream), ZS_ATTACH_EXPORTER, h, sizeof(h), s, sizeof(s));
	crypto_generichash(name, sizeof(name), s, sizeof(s), NULL, 0);
	return hex_of(name, sizeof(name));
}

static void tell(struct attach *a, const struct zs_attach_frame *f, const struct zs_span *raw)
{
	json_t *out = json_pack("{s:o}", "sent", hex_of(a->sent, a->sent_len));
	uint8_t hash[ZS_ATTACH_HASH];

	if (f->kind == ZS_ATTACH_ERROR) {
		json_object_set_new(out, "refused", error_of(&f->error));
	} else if (f->kind == ZS_ATTACH_CIDS_SENT) {
		json_object_set_new(out, "cids", cids_of(&f->cids));
	} else {
		zs_attach_grant_hash(raw->bytes, raw->len, hash);
		json_object_set_new(out, "grant", grant_of(&f->grant, hash));
		json_object_set_new(out, "keys", keys_of(a, hash));
	}
	answer(a->program, out);
}

static void on_data(void *user, struct zs_host_stream *s, const uint8_t *bytes, size_t len, bool fin)
{
	struct zs_reader in = zs_reader_of(bytes, len);
	struct attach *a = user;
	struct zs_attach_frame f;
	struct zs_span raw;
	const uint8_t *msg;
	size_t msg_len;

	zs_host_stream_consume(s, len);
	while (zs_frame_read(&a->frames, &in, &msg, &msg_len) > 0)
		if (zs_attach_decode(&f, msg, msg_len, &raw) == 0 && f.id == a->id &&
		    (f.kind == ZS_ATTACH_GRANT || f.kind == ZS_ATTACH_ERROR || f.kind == ZS_ATTACH_CIDS_SENT))
			tell(a, &f, &raw);
	if (fin)
		zs_host_stream_fin(s);
}

static void on_ready(void *user, struct zs_host_stream *s)
{
	struct attach *a = user;

	a->stream = s;
	send_hello(a);
}

static void on_closed(void *user, struct zs_host_stream *s, const struct zs_stream_end *why)
{
	struct attach *a = user;

	refuse(a->program, why->text);
	a->program->attach = NULL;
	zs_frame_free(&a->frames);
	free(a);
}

static const struct zs_stream_ops ops = { .ready = on_ready, .data = on_data, .closed = on_closed };

int attach_register(struct program *p)
{
	return zs_host_register(p->node.host, &(struct zs_host_protocol){ .id = ZS_ATTACH_PROTOCOL });
}

void begin_attach(struct program *p, const json_t *c)
{
	static const char *const protocols[] = { ZS_ATTACH_PROTOCOL };
	struct attach *a = p->attach ? p->attach : calloc(1, sizeof(*a));
	const struct zs_host_open ask = {
		.peer = p->now.peer, .protocols = protocols, .count = 1, .ops = &ops, .user = a
	};
	struct zs_host_stream *s;
	struct zs_error err;

	ZS_CHECK(a);
	a->program = p;
	if (!make_hello(a, c)) {
		refuse(p, "no Hello that can be sent");
	} else if (p->attach) {
		send_hello(a);
		return;
	} else {
		zs_frame_init(&a->frames, ZS_ATTACH_FRAME);
		if (zs_host_open(p->node.host, &ask, zs_clock_ns(), &s, &err) == 0) {
			p->attach = a;
			return;
		}
		refuse(p, err.text);
	}
	if (!p->attach)
		free(a);
}
