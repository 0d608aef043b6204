/* An attach server with a shell of our own: real store, program and segments in a scratch folder, virtual time,
 * connections that are structs. The walker runs after whatever the server is told. */
#ifndef ZS_TESTS_CONTROLPLANE_ATTACH_RIG_H
#define ZS_TESTS_CONTROLPLANE_ATTACH_RIG_H

#include <errno.h>
#include <sodium.h>
#include "rig.h"

#include "attach/attach.h"
#include "p2p/tls.h"
#include "relay/keys.h"
#include "shm/sessions.h"
#include "sim/prng.h"

#define FRAMES	    40
#define INCARNATION 77

struct world;

/* One connection, as both ends see it. */
struct edge {
	struct world *w;
	struct zs_attach_conn *conn;
	uint8_t seed, number; /* of its identity; of the connection: what its exporter knows */
	bool deaf;	      /* takes no frames */
	bool gone;	      /* the server closed it */
	char why[64];
	unsigned probes;
	uint8_t hello[ZS_ATTACH_FRAME];
	size_t hello_len;
	uint8_t grant_hash[ZS_ATTACH_HASH];
	uint32_t got;
	struct zs_attach_frame *frame[FRAMES];
};

struct world {
	struct rig r;
	struct zs_attach *s;
	uint64_t now, wall_s, wall_part_ns, incarnation;
	struct zs_prng prng;
	bool highest; /* the random source gives ones */
	uint8_t numbers;
	uint32_t owners; /* the shell was told of */
};

static inline void world_fill(void *ctx, void *out, size_t len)
{
	struct world *w = ctx;

	for (size_t i = 0; i < len; i++)
		((uint8_t *)out)[i] = w->highest ? 0xff : (uint8_t)zs_prng_u64(&w->prng);
}

static inline void walk(struct world *w)
{
	const char *where = NULL;

	if (zs_attach_walk(w->s, &where))
		fail_msg("%s", where);
	assert_int_equal(w->owners, zs_attach_counts(w->s)->attachments);
}

/* --- the shell --- */

static inline int shell_send(void *ctx, void *link, const void *bytes, size_t len)
{
	struct edge *e = link;
	struct zs_attach_frame *f = calloc(1, sizeof(*f));
	struct zs_span raw;

	if (e->deaf) {
		free(f);
		return -EPIPE;
	}
	assert_false(e->gone);
	assert_in_range(e->got, 0, FRAMES - 1);
	assert_int_equal(zs_attach_decode(f, bytes, len, &raw), 0);
	if (f->kind == ZS_ATTACH_GRANT)
		zs_attach_grant_hash(raw.bytes, raw.len, e->grant_hash);
	e->frame[e->got++] = f;
	return 0;
}

/* Any function of connection and context will do. */
static inline int shell_export(void *ctx, void *link, const void *context, size_t len, uint8_t out[32])
{
	struct edge *e = link;

	assert_int_equal(len, ZS_ATTACH_HASH);
	crypto_generichash(out, 32, context, len, &e->number, crypto_generichash_KEYBYTES_MIN);
	return 0;
}

static inline void shell_probe(void *ctx, void *link)
{
	((struct edge *)link)->probes++;
}

static inline void shell_close(void *ctx, void *link, const char *why)
{
	struct edge *e = link;

	assert_false(e->gone);
	e->gone = true;
	snprintf(e->why, sizeof(e->why), "%s", why);
}

static inline void shell_own(void *ctx, const struct zs_peer_id *peer, bool owns)
{
	struct world *w = ctx;

	assert_true(peer->len > 0);
	w->owners += owns ? 1 : -1u;
}

static const struct zs_attach_ops shell_ops = { .send = shell_send,
						.export = shell_export,
						.probe = shell_probe,
						.close = shell_close,
						.own = shell_own };

/* --- life --- */

static inline void world_open(struct world *w)
{
	rig_open(&w->r);
	if (zs_attach_new(&w->s, &w->r.c, (struct zs_random){ world_fill, w }, w->now, w->wall_s, &w->r.err))
		fail_msg("%s", w->r.err.text);
	w->r.c.attach = w->s;
	w->owners = 0;
	zs_attach_serve(w->s, &shell_ops, w);
	zs_attach_state(w->s, w->incarnation, w->now);
	walk(w);
}

static inline void world_close(struct world *w)
{
	zs_attach_delete(w->s);
	w->r.c.attach = NULL;
	rig_close(&w->r);
}

/* The control plane ends and comes back; connections are lost. */
static inline void world_restart(struct world *w)
{
	world_close(w);
	world_open(w);
}

static inline void world_wipe_store(struct world *w)
{
	char cmd[128];

	snprintf(cmd, sizeof(cmd), "rm -rf %s/store", w->r.dir);
	assert_int_equal(system(cmd), 0);
}

static inline int world_setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	rig_make(&w->r);
	w->r.c.conf = rig_conf(&w->r, "attach: {mode: open}\n");
	w->now = 1000 * ZS_NS_PER_S;
	w->wall_s = 1700000000;
	w->incarnation = INCARNATION;
	w->prng.state = 5;
	world_open(w);
	*state = w;
	return 0;
}

static inline int world_teardown(void **state)
{
	struct world *w = *state;

	world_close(w);
	rig_remove(&w->r);
	free(w);
	return 0;
}

/* Another section attach, as after a reload. */
static inline void world_conf(struct world *w, const char *attach)
{
	struct zs_conf *old = w->r.c.conf;
	char text[2048];

	snprintf(text, sizeof(text), "attach: %s\n", attach);
	w->r.c.conf = rig_conf(&w->r, text);
	free(old);
	zs_attach_apply(w->s, w->now);
	walk(w);
}

/* Both clocks go on; the wall's seconds lose no part of one. */
static inline void clocks(struct world *w, uint64_t to)
{
	w->wall_part_ns += to - w->now;
	w->wall_s += w->wall_part_ns / ZS_NS_PER_S;
	w->wall_part_ns %= ZS_NS_PER_S;
	w->now = to;
}

static inline void pass(struct world *w, uint64_t ns)
{
	uint64_t end = w->now + ns, due;

	while ((due = zs_attach_deadline(w->s)) <= end) {
		clocks(w, due > w->now ? due : w->now);
		zs_attach_advance(w->s, w->now, w->wall_s);
		assert_true(zs_attach_deadline(w->s) > w->now);
	}
	clocks(w, end);
	zs_attach_advance(w->s, w->now, w->wall_s);
	walk(w);
}

/* --- connections --- */

static inline struct zs_peer_id peer_of(uint8_t seed)
{
	uint8_t bytes[32] = { seed, 1 };
	struct zs_identity id;
	struct zs_public_key key;
	struct zs_peer_id peer;

	zs_identity_from_seed(&id, bytes);
	key = zs_identity_public(&id);
	zs_peer_id_of(&peer, &key);
	return peer;
}

static inline void edge_open_as(struct world *w, struct edge *e, struct zs_peer_id id, uint32_t address,
				bool hybrid)
{
	struct zs_attach_peer peer = { .id = id,
				       .remote = { zs_addr_from4(htobe32(address)), 4000 },
				       .group = hybrid ? ZS_TLS_HYBRID : "X25519",
				       .hybrid = hybrid,
				       .link = e };

	*e = (struct edge){ .w = w, .number = ++w->numbers };
	e->conn = zs_attach_opened(w->s, &peer, w->now);
	assert_non_null(e->conn);
	walk(w);
}

static inline void edge_open(struct world *w, struct edge *e, uint8_t seed)
{
	edge_open_as(w, e, peer_of(seed), 0xc0000200u + seed, true);
	e->seed = seed;
}

static inline void edge_free(struct edge *e)
{
	for (uint32_t i = 0; i < e->got; i++)
		free(e->frame[i]);
	e->got = 0;
}

static inline void edge_close(struct edge *e)
{
	zs_attach_closed(e->w->s, e->conn, e->w->now);
	e->conn = NULL;
	edge_free(e);
	walk(e->w);
}

static inline void edge_send(struct edge *e, const struct zs_attach_frame *f)
{
	uint8_t bytes[ZS_ATTACH_FRAME], *exact;
	struct zs_span raw;
	size_t len = zs_attach_encode(f, bytes, sizeof(bytes), &raw);

	assert_true(len > 0);
	if (f->kind == ZS_ATTACH_HELLO) {
		memcpy(e->hello, raw.bytes, raw.len);
		e->hello_len = raw.len;
	}
	exact = malloc(len);
	memcpy(exact, bytes, len);
	zs_attach_receive(e->w->s, e->conn, exact, len, e->w->now);
	free(exact);
	walk(e->w);
}

static inline struct zs_attach_frame a_hello(uint8_t instance)
{
	struct zs_attach_frame f = { .id = 1, .kind = ZS_ATTACH_HELLO };

	f.hello = (zs_pb_Hello){ .version = 1, .mode = ZS_ATTACH_MODE_tunnel, .receiver = 0x1234 };
	f.hello.instance.size = ZS_ATTACH_INSTANCE;
	memset(f.hello.instance.bytes, instance, ZS_ATTACH_INSTANCE);
	return f;
}

static inline void add_publish(struct zs_attach_frame *f, const char *name, uint32_t port)
{
	zs_pb_Publish *p = &f->hello.publish[f->hello.publish_count++];

	snprintf(p->name, sizeof(p->name), "%s", name);
	p->port = port;
}

static inline void add_resume(struct zs_attach_frame *f, const zs_pb_Grant *g, const uint8_t hash[32])
{
	f->hello.has_resume = true;
	f->hello.resume.attachment = g->attachment;
	f->hello.resume.generation = g->generation;
	f->hello.resume.grant_hash.size = ZS_ATTACH_HASH;
	memcpy(f->hello.resume.grant_hash.bytes, hash, ZS_ATTACH_HASH);
}

/* The last frame that came; its kind must be this. */
static inline struct zs_attach_frame *last(struct edge *e, enum zs_attach_kind kind)
{
	struct zs_attach_frame *f;

	assert_true(e->got > 0);
	f = e->frame[e->got - 1];
	if (f->kind != kind)
		fail_msg("frame %d instead of %d (%s)", f->kind, kind,
			 f->kind == ZS_ATTACH_ERROR ? f->error.text : "");
	return f;
}

static inline zs_pb_Error *refused(struct edge *e, uint32_t code)
{
	zs_pb_Error *err = &last(e, ZS_ATTACH_ERROR)->error;

	if (err->code != code)
		fail_msg("%s instead of %s", zs_attach_name(ZS_ATTACH_TABLE_ERROR, err->code),
			 zs_attach_name(ZS_ATTACH_TABLE_ERROR, code));
	return err;
}

/* The one Grant of a connection; copied, frames move on. */
static inline zs_pb_Grant granted(struct edge *e, uint32_t continuity)
{
	for (uint32_t i = 0; i < e->got; i++)
		if (e->frame[i]->kind == ZS_ATTACH_GRANT) {
			assert_int_equal(e->frame[i]->grant.continuity, continuity);
			return e->frame[i]->grant;
		}
	last(e, ZS_ATTACH_GRANT);
	abort();
}

/* Opened, Hello said, granted. */
static inline zs_pb_Grant attach(struct world *w, struct edge *e, uint8_t seed, uint32_t continuity)
{
	struct zs_attach_frame f = a_hello(1);

	edge_open(w, e, seed);
	edge_send(e, &f);
	return granted(e, continuity);
}

static inline void alive(struct edge *e)
{
	zs_attach_alive(e->w->s, e->conn, e->w->now);
	walk(e->w);
}

/* The code that a first Hello of that peer gets, 0: granted. The connection ends. */
static inline uint32_t outcome(struct world *w, uint8_t seed, const struct zs_attach_frame *f, bool hybrid)
{
	struct zs_attach_frame *answer;
	struct edge e;
	uint32_t code;

	edge_open_as(w, &e, peer_of(seed), 0xc0000200u + seed, hybrid);
	edge_send(&e, f);
	answer = e.frame[0];
	code = answer->kind == ZS_ATTACH_ERROR ? answer->error.code : 0;
	assert_true(answer->id == f->id || answer->kind == ZS_ATTACH_GRANT);
	edge_close(&e);
	return code;
}

/* What the dataplane reads of a session. */
static inline bool session_of(struct world *w, uint32_t receiver, struct zs_session *out)
{
	struct zs_sessions r;
	bool there;

	assert_int_equal(zs_sessions_open_reader(&r, w->r.c.shm_dir, &w->r.err), 0);
	there = zs_sessions_find(&r, receiver, out);
	zs_sessions_close(&r);
	return there;
}

/* R as the edge computes it. */
static inline void edge_root(struct edge *e, const uint8_t *psk, uint8_t root[32])
{
	uint8_t context[32], secret[32];

	zs_attach_transcript(e->hello, e->hello_len, e->grant_hash, context);
	shell_export(e->w, e, context, sizeof(context), secret);
	assert_int_equal(zs_attach_root(secret, psk, root), 0);
}

/* Does the program hold the port for that attachment? 0: for nobody. */
static inline uint32_t holder(struct world *w, uint16_t port)
{
	struct zs_published p;

	return zs_tables_published(zs_program_tables(w->r.c.program), port, &p) ? p.attachment : 0;
}

#endif
