/* As much of a relay as peers routed by connection ID need, made of lib/relay alone: decodes connection IDs, decides on BIND, sends
 * what is for an attachment to where it is bound. One socket, a few attachments, no limits, no speed: the peers of this folder
 * prove themselves on it, and what differs behind the real one is the real one's. Commands as README.md says. */
#include <errno.h>
#include <jansson.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/check.h"
#include "base/clock.h"
#include "loop/udp.h"
#include "net/quic.h"
#include "relay/binding.h"
#include "relay/cidset.h"

#define ATTACHMENTS 16
#define POP	    7
#define LINE	    65536

struct session {
	struct zs_bind_session is;
	uint8_t root[32];
	struct zs_bind_keys keys;
};

struct attachment {
	uint16_t generation; /* 0: not attached */
	uint32_t nonce;
	uint64_t sessions;
	struct session session[2]; /* newest, previous */
	struct zs_binding binding;
};

struct relay {
	struct zs_loop *loop;
	struct zs_watch *watch;
	struct zs_udp *udp;
	struct zs_gcm_engine engine;
	struct zs_cidset cids;
	uint8_t rotation;
	struct zs_cookie_secrets secrets;
	struct attachment attachment[ATTACHMENTS];
	bool nudges;
	uint64_t outcomes[ZS_BIND_OUTCOMES], faults[ZS_BIND_FAULTS];
	uint64_t forwarded, unknown, unbound, strangers, self, nudged;
	char line[LINE];
	size_t have;
};

static void transmit(struct relay *r, const void *bytes, size_t len, const struct zs_endpoint *to)
{
	const struct zs_udp_datagram d = { .peer = *to, .data = bytes, .len = len };

	zs_udp_send(r->udp, &d, 1);
}

/* --- BIND ------------------------------------------------------------------------------------- */

static const struct zs_bind_keys *keys_of(void *ctx, const struct zs_bind_session *session)
{
	return session->user;
}

static enum zs_bind_status admit(void *ctx, const struct zs_endpoint *from, uint8_t local)
{
	return ZS_BIND_STATUS_ok;
}

static bool decode(const struct relay *r, const uint8_t *cid, size_t len, struct zs_cid *out)
{
	const struct zs_cid_ref ref = { .at = cid, .len = (uint32_t)len };

	zs_cidset_decode(&r->cids, &ref, 1, out);
	return out->verdict == ZS_CID_OK && out->pop == POP && out->attachment < ATTACHMENTS &&
	       r->attachment[out->attachment].generation;
}

static void on_bind(struct relay *r, const struct zs_udp_datagram *d)
{
	static const struct zs_bind_ops ops = { .keys = keys_of, .admit = admit };
	const uint8_t *bytes = d->data;
	struct zs_bind_verdict v;
	struct zs_cid cid;

	if (d->len < 23 || !decode(r, bytes + 6, ZS_CID, &cid)) {
		r->unknown++;
		return;
	}
	struct attachment *a = &r->attachment[cid.attachment];
	const struct zs_bind_ask ask = {
		.bytes = d->data,
		.len = d->len,
		.from = d->peer,
		.now_ns = zs_loop_now(r->loop),
		.unix_s = zs_clock_wall_ns() / ZS_NS_PER_S,
		.attachment = cid.attachment,
		.named = cid.generation,
		.generation = a->generation,
		.newest = &a->session[0].is,
		.previous = a->session[1].is.bind_id ? &a->session[1].is : NULL,
		.secrets = &r->secrets,
		.engine = &r->engine,
		.ops = &ops,
	};
	zs_binding_decide(&ask, &a->binding, &v);
	r->outcomes[v.outcome]++;
	r->faults[v.fault]++;
	if (v.outcome != ZS_BIND_DROPPED)
		transmit(r, v.answer, sizeof(v.answer), &d->peer);
}

/* --- data ------------------------------------------------------------------------------------- */

static int sender_of(const struct relay *r, const struct zs_endpoint *from)
{
	uint64_t now = zs_loop_now(r->loop);

	for (int i = 0; i < ATTACHMENTS; i++) {
		const struct zs_binding *b = &r->attachment[i].binding;

		if (zs_binding_lives(b, r->attachment[i].generation, now) && b->port == from->port &&
		    zs_addr_eq(&b->addr, &from->addr))
			return i;
	}
	return -1;
}

static void on_data(struct relay *r, const struct zs_udp_datagram *d)
{
	int from = sender_of(r, &d->peer);
	uint8_t nudge[ZS_BIND_NUDGE];
	struct zs_quic_head head;
	struct zs_cid cid;

	if (!zs_quic_read(d->data, d->len, ZS_CID, &head) || head.dcid_len != ZS_CID ||
	    !decode(r, head.dcid, ZS_CID, &cid) ||
	    cid.generation != r->attachment[cid.attachment].generation) {
		r->unknown++;
		return;
	}
	const struct zs_binding *to = &r->attachment[cid.attachment].binding;
	if (from < 0) {
		r->strangers++;
		if (r->nudges && d->len >= ZS_BIND_NUDGE) {
			zs_bind_write_nudge(head.dcid, nudge);
			transmit(r, nudge, sizeof(nudge), &d->peer);
			r->nudged++;
		}
	} else if ((uint32_t)from == cid.attachment) {
		r->self++;
	} else if (!zs_binding_lives(to, cid.generation, zs_loop_now(r->loop))) {
		r->unbound++;
	} else {
		transmit(r, d->data, d->len, &(struct zs_endpoint){ to->addr, to->port });
		r->forwarded++;
	}
}

static void on_datagrams(void *ctx, struct zs_udp *udp, const struct zs_udp_datagram *in, size_t count)
{
	struct relay *r = ctx;

	for (size_t i = 0; i < count; i++)
		if (zs_bind_is(in[i].data, in[i].len))
			on_bind(r, &in[i]);
		else
			on_data(r, &in[i]);
}

/* --- commands --------------------------------------------------------------------------------- */

static json_t *hex(const void *bytes, size_t len)
{
	char text[2 * 64 + 1];

	return json_string(sodium_bin2hex(text, sizeof(text), bytes, len));
}

/* Whoever is asked about has a generation, attached by now or not. */
static struct attachment *attachment_of(struct relay *r, uint32_t id)
{
	struct attachment *a = &r->attachment[id];

	if (!a->generation)
		a->generation = (uint16_t)(1 + randombytes_uniform(65535));
	return a;
}

static json_t *mint(struct relay *r, uint32_t id, json_int_t count)
{
	struct attachment *a = attachment_of(r, id);
	json_t *list = json_array();
	uint8_t bytes[ZS_CID];

	while (count-- > 0) {
		const struct zs_cid cid = { .rotation = r->rotation,
					    .generation = a->generation,
					    .pop = POP,
					    .attachment = id,
					    .nonce = ++a->nonce };

		zs_cidset_encode(&r->cids, &cid, bytes);
		json_array_append_new(list, hex(bytes, sizeof(bytes)));
	}
	return list;
}

static void session_put(struct relay *r, struct session *s, uint32_t receiver, uint8_t bind_id,
			const uint8_t root[32])
{
	s->is = (struct zs_bind_session){ .receiver = receiver, .bind_id = bind_id, .user = &s->keys };
	memmove(s->root, root, sizeof(s->root));
	zs_bind_keys_wipe(&s->keys);
	zs_bind_keys_make(&r->engine, s->root, &s->keys);
}

/* A session more; the one before it lives on beside it. */
static json_t *attach(struct relay *r, uint32_t id)
{
	struct attachment *a = attachment_of(r, id);
	struct session *newest = &a->session[0], *previous = &a->session[1];
	uint8_t root[32];

	if (newest->is.bind_id)
		session_put(r, previous, newest->is.receiver, newest->is.bind_id, newest->root);
	randombytes_buf(root, sizeof(root));
	session_put(r, newest, randombytes_random(), (uint8_t)(1 + a->sessions++ % 255), root);
	return json_pack("{s:o, s:i}", "root", hex(root, sizeof(root)), "bind_id", (int)newest->is.bind_id);
}

static json_t *counts(const uint64_t *n, size_t count, const char *(*name)(size_t i))
{
	json_t *out = json_object();

	for (size_t i = 0; i < count; i++)
		if (n[i])
			json_object_set_new(out, name(i), json_integer((json_int_t)n[i]));
	return out;
}

static const char *outcome_name(size_t i)
{
	static const char *const names[] = { "dropped", "challenged", "moved", "kept", "ended", "refused" };

	return names[i];
}

static const char *fault_name(size_t i)
{
	return zs_bind_fault_name((enum zs_bind_fault)i);
}

static json_t *stat(const struct relay *r)
{
	json_t *bound = json_object();

	for (int i = 0; i < ATTACHMENTS; i++) {
		const struct zs_binding *b = &r->attachment[i].binding;
		const struct zs_endpoint at = { b->addr, b->port };
		char key[8], text[ZS_ENDPOINT_TEXT];

		snprintf(key, sizeof(key), "%d", i);
		if (zs_binding_lives(b, r->attachment[i].generation, zs_loop_now(r->loop)))
			json_object_set_new(bound, key, json_string(zs_endpoint_format(&at, text)));
	}
	return json_pack("{s:i, s:o, s:o, s:o, s:I, s:I, s:I, s:I, s:I, s:I}", "port",
			 (int)zs_udp_local(r->udp).port, "bind",
			 counts(r->outcomes, ZS_BIND_OUTCOMES, outcome_name), "faults",
			 counts(r->faults, ZS_BIND_FAULTS, fault_name), "bound", bound, "forwarded",
			 (json_int_t)r->forwarded, "unknown", (json_int_t)r->unknown, "unbound",
			 (json_int_t)r->unbound, "strangers", (json_int_t)r->strangers, "self",
			 (json_int_t)r->self, "nudged", (json_int_t)r->nudged);
}

static json_t *rotate(struct relay *r, uint8_t rotation)
{
	uint8_t key[16];

	randombytes_buf(key, sizeof(key));
	zs_cidset_put(&r->cids, rotation, key);
	r->rotation = rotation;
	return json_object();
}

static json_t *run(struct relay *r, const json_t *c)
{
	const char *name = json_string_value(json_object_get(c, "do"));
	json_int_t id = json_integer_value(json_object_get(c, "id"));

	if (!name || id < 0 || id >= ATTACHMENTS)
		return NULL;
	if (!strcmp(name, "attach"))
		return attach(r, (uint32_t)id);
	if (!strcmp(name, "mint"))
		return json_pack("{s:o}", "cids",
				 mint(r, (uint32_t)id, json_integer_value(json_object_get(c, "count"))));
	if (!strcmp(name, "rotate"))
		return rotate(
		    r, (uint8_t)(json_integer_value(json_object_get(c, "rotation")) % ZS_CID_ROTATIONS));
	if (!strcmp(name, "nudge"))
		r->nudges = json_is_true(json_object_get(c, "on"));
	else if (strcmp(name, "stat") != 0)
		return NULL;
	return stat(r);
}

static void on_stdin(void *ctx, int fd, unsigned events)
{
	struct relay *r = ctx;
	ssize_t n = read(fd, r->line + r->have, LINE - r->have);
	char *end;

	if (n <= 0)
		zs_loop_stop(r->loop);
	r->have += n > 0 ? (size_t)n : 0;
	while ((end = memchr(r->line, '\n', r->have))) {
		json_t *c = json_loadb(r->line, (size_t)(end - r->line), 0, NULL), *out = run(r, c);

		if (out)
			json_object_set_new(out, "ok", json_true());
		else
			out = json_pack("{s:b, s:s}", "ok", 0, "error", "no such command");
		json_dumpf(out, stdout, JSON_COMPACT);
		putchar('\n');
		fflush(stdout);
		json_decref(out);
		json_decref(c);
		r->have -= (size_t)(end + 1 - r->line);
		memmove(r->line, end + 1, r->have);
	}
}

int main(int argc, char **argv)
{
	struct relay *r = aligned_alloc(64, ZS_ALIGN_UP(sizeof(*r), 64));
	struct zs_endpoint any = { 0 };
	struct zs_error err = { 0 };

	if (argc > 2 || !r || sodium_init() < 0)
		return fprintf(stderr, "usage: cidrelay [PORT]   commands on stdin\n"), 2;
	memset(r, 0, sizeof(*r));
	any.port = argc == 2 ? (uint16_t)atoi(argv[1]) : 0;
	zs_gcm_engine_best(&r->engine);
	zs_cidset_init(&r->cids, zs_aes_best());
	json_decref(rotate(r, 0));
	randombytes_buf(r->secrets.now, sizeof(r->secrets.now));
	if (zs_loop_new(&r->loop, ZS_LOOP_AUTO, &err) ||
	    zs_udp_open(&r->udp, r->loop, &any, 0, on_datagrams, r, &err) ||
	    zs_watch_new(&r->watch, r->loop, 0, ZS_WATCH_READ, on_stdin, r))
		return fprintf(stderr, "cidrelay: %s\n", err.text), 1;
	zs_loop_run(r->loop);
	zs_loop_delete(r->loop);
	zs_gcm_engine_fini(&r->engine);
	free(r);
	return 0;
}
