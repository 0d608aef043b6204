/* A relay of a test: one attachment with two sessions at most, its binding, and the decision on what comes in. */
#ifndef ZS_TEST_BIND_RELAY_H
#define ZS_TEST_BIND_RELAY_H

#include "base/clock.h"
#include "relay/binding.h"

struct bind_relay {
	uint32_t attachment;
	uint16_t generation;
	uint8_t root[2][ZS_ATTACH_SECRET]; /* newest, previous */
	struct zs_bind_session session[2]; /* bind id 0: there is none */
	struct zs_cookie_secrets secrets;
	struct zs_binding entry;
	struct zs_endpoint denied, full; /* port 0: none */
	uint64_t now_ns, unix_s;
	const struct zs_gcm_engine *engine;
	struct zs_bind_keys keys;
	unsigned keys_asked;
};

static inline const struct zs_bind_keys *bind_relay_keys(void *ctx, const struct zs_bind_session *s)
{
	struct bind_relay *r = ctx;

	r->keys_asked++;
	zs_bind_keys_make(r->engine, s->user, &r->keys);
	return &r->keys;
}

static inline enum zs_bind_status bind_relay_admit(void *ctx, const struct zs_endpoint *from, uint8_t local)
{
	const struct bind_relay *r = ctx;

	if (from->port == r->denied.port && zs_addr_eq(&from->addr, &r->denied.addr))
		return ZS_BIND_STATUS_denied;
	if (from->port == r->full.port && zs_addr_eq(&from->addr, &r->full.addr))
		return ZS_BIND_STATUS_limit;
	return ZS_BIND_STATUS_ok;
}

static inline void bind_relay_session(struct bind_relay *r, int i, uint32_t receiver, uint8_t bind_id,
				      const uint8_t root[ZS_ATTACH_SECRET])
{
	memcpy(r->root[i], root, ZS_ATTACH_SECRET);
	r->session[i] = (struct zs_bind_session){ receiver, bind_id, r->root[i] };
}

/* A new session; the one that was newest becomes the previous. */
static inline void bind_relay_replace(struct bind_relay *r, uint32_t receiver, uint8_t bind_id,
				      const uint8_t root[ZS_ATTACH_SECRET])
{
	bind_relay_session(r, 1, r->session[0].receiver, r->session[0].bind_id, r->root[0]);
	bind_relay_session(r, 0, receiver, bind_id, root);
}

static inline struct zs_bind_verdict bind_relay_take(struct bind_relay *r, const void *bytes, size_t len,
						     uint16_t named, const struct zs_endpoint *from,
						     uint8_t local)
{
	static const struct zs_bind_ops ops = { .keys = bind_relay_keys, .admit = bind_relay_admit };
	const struct zs_bind_ask ask = {
		.bytes = bytes,
		.len = len,
		.from = *from,
		.local = local,
		.now_ns = r->now_ns,
		.unix_s = r->unix_s,
		.attachment = r->attachment,
		.named = named,
		.generation = r->generation,
		.newest = r->session[0].bind_id ? &r->session[0] : NULL,
		.previous = r->session[1].bind_id ? &r->session[1] : NULL,
		.secrets = &r->secrets,
		.engine = r->engine,
		.ops = &ops,
		.ctx = r,
	};
	struct zs_bind_verdict v;

	memset(&v, 0xa5, sizeof(v));
	zs_binding_decide(&ask, &r->entry, &v);
	return v;
}

#endif
