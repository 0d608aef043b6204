/* Peers of cid_rig.h that ask the worker to bind them. */
#ifndef ZS_TESTS_BIND_RIG_H
#define ZS_TESTS_BIND_RIG_H

#include "unit/dataplane/cid_rig.h"

/* A peer: what it asks, under the session that cid_attach made. */
struct asker {
	uint32_t id;
	uint64_t counter;
	struct zs_bind_keys keys;
};

/* Attaches it, and it knows its keys. */
static inline void asker_attach(struct cid_rig *c, struct asker *a, uint32_t id)
{
	uint8_t root[ZS_SESSION_ROOT];

	cid_attach(c, id, CID_GENERATION, ZS_STRANGERS_NOTHING);
	*a = (struct asker){ .id = id };
	cid_root(id, root);
	zs_bind_keys_make(&c->r->dp.binds->engine, root, &a->keys);
}

static inline void bind_write(struct cid_rig *c, struct asker *a, uint8_t kind, uint16_t lifetime_s,
			      const uint8_t *cookie, uint8_t out[ZS_BIND_BYTES])
{
	struct zs_bind m = { .kind = kind, .bind_id = 1, .lifetime_s = lifetime_s, .counter = ++a->counter };

	cid_mint(c, CID_POP, a->id, CID_GENERATION, m.cid);
	if (cookie)
		memcpy(m.cookie, cookie, sizeof(m.cookie));
	zs_bind_write(&c->r->dp.binds->engine, &m, &a->keys.request, out);
}

static inline struct zs_bind bind_sent(struct cid_rig *c)
{
	struct zs_bind m = { 0 };

	assert_int_equal(c->sent_len, ZS_BIND_BYTES);
	assert_int_equal(zs_bind_read_answer(c->sent, c->sent_len, &m), ZS_BIND_OK);
	return m;
}

static inline void bind_put(struct cid_rig *c, uint32_t worker, const void *bytes, uint16_t len,
			    struct zs_endpoint from, uint8_t local)
{
	struct cid_packet p;

	cid_packet(&p, from, local, bytes, len);
	assert_false(cid_run(c, worker, &p)); /* it ends here, whatever it is */
	cid_refresh(c);
}

/* One request, without a cookie. */
static inline void bind_ask(struct cid_rig *c, struct asker *a, struct zs_endpoint from, uint8_t local)
{
	uint8_t bytes[ZS_BIND_BYTES];

	bind_write(c, a, ZS_BIND_KIND_bind, 75, NULL, bytes);
	bind_put(c, 0, bytes, sizeof(bytes), from, local);
}

/* The whole handshake from an address. */
static inline void bind_from(struct cid_rig *c, struct asker *a, struct zs_endpoint from, uint8_t local)
{
	uint8_t bytes[ZS_BIND_BYTES];
	struct zs_bind m;

	bind_ask(c, a, from, local);
	m = bind_sent(c);
	assert_int_equal(m.kind, ZS_BIND_KIND_challenge);
	assert_true(zs_addr_eq(&c->to.dst.addr, &from.addr) && c->to.dst.port == from.port);
	bind_write(c, a, ZS_BIND_KIND_bind, 75, m.cookie, bytes);
	bind_put(c, 0, bytes, sizeof(bytes), from, local);
	m = bind_sent(c);
	assert_int_equal(m.kind, ZS_BIND_KIND_bound);
	assert_int_equal(m.status, ZS_BIND_STATUS_ok);
	assert_true(zs_addr_eq(&m.seen.addr, &from.addr) && m.seen.port == from.port);
}

/* Attachments 1 and 2, bound at x, an address of port 0, and y, one of port 1. */
static inline void bind_both(struct cid_rig *c, struct asker *a, struct asker *b, struct zs_endpoint x,
			     struct zs_endpoint y)
{
	asker_attach(c, a, 1);
	asker_attach(c, b, 2);
	bind_from(c, a, x, 0);
	bind_from(c, b, y, 1);
}

static inline bool bind_reaches(struct cid_rig *c, struct zs_endpoint from, uint8_t local, uint32_t id,
				uint16_t port)
{
	struct cid_packet p;

	return cid_send(c, &p, from, local, id, CID_GENERATION) && p.it.ends.dst.port == port;
}

#endif
