/* Kind cid: attachments loaded as a control plane does and bound as the binder does; each packet from one that is drawn to
 * another that is drawn, by its connection ID, under one of several keys. No flow is made. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "binds.h"
#include "core/draw.h"
#include "forward/forward.h"

#define GENERATION 1
#define BOUND_NS   (86400 * ZS_NS_PER_S)
#define LONG_HEAD  (7 + ZS_CID) /* first byte, version, two lengths, an empty source ID */

struct own {
	struct zs_cidset mint;
};

static uint32_t smallest(const struct zs_forward *f)
{
	return (f->is4 ? 64 : 84) + (f->header == ZS_FORWARD_SHORT ? 0 : LONG_HEAD - 1 - ZS_CID);
}

static void shape(const struct zs_forward *f, struct zs_bed_shape *s)
{
	s->attachments = f->entries;
	s->tunnels = 0;
}

static void attach(struct zs_bed *bed, uint32_t id)
{
	struct zs_session v = { .used = 1,
				.mode = ZS_SESSION_SOCKET,
				.bind_id = 1,
				.attachment = id,
				.generation = GENERATION,
				.receiver = id,
				.incarnation = bed->dp.state.seg.base->incarnation };
	struct zs_attachment a = {
		.used = 1, .generation = GENERATION, .session = id, .previous = ZS_SESSION_NONE
	};

	memcpy(v.root, "a root, its id comes after this.", sizeof(v.root));
	memcpy(v.root, &id, sizeof(id));
	ZS_CHECK(zs_sessions_set_session(&bed->sessions, id, &v) == 0, "room for session %u", id);
	ZS_CHECK(zs_sessions_set_attachment(&bed->sessions, id, &a) == 0, "room for attachment %u", id);
}

/* false: the index of senders has no room for it. */
static bool bind(struct zs_forward *f, uint32_t id)
{
	struct zs_worker *w = f->w;
	struct zs_binding before = zs_binds_get(w, id), after = before;
	struct zs_endpoint at = zs_forward_near(f, id);

	after.local = f->is4 ? ZS_BED_NEAR : ZS_BED_NEAR6;
	after.receiver[0] = id;
	after.bind_id[0] = after.counter[0] = after.holder = 1;
	after.generation = GENERATION;
	after.addr = at.addr;
	after.port = at.port;
	after.expires_ns = w->now_ns + BOUND_NS;
	if (!zs_binds_room(w, &at, after.local))
		return false;
	zs_binds_put(w, id, &before, &after);
	return true;
}

static int open(struct zs_forward *f, struct zs_error *err)
{
	struct zs_cid_config config = {
		.used = 1, .keyed = 1, .server_id_len = 12, .nonce_len = 4, .key = "a key, 16 bytes"
	};
	struct own *own = f->own = calloc(1, sizeof(*own));
	int rc;

	if (!own)
		return zs_error_set(err, -ENOMEM, ZS_EXIT_RESOURCE, "no memory for keys");
	zs_cidset_init(&own->mint, zs_aes_best());
	for (uint32_t i = 0; i < f->keys; i++) {
		config.key[0] = (uint8_t)i;
		ZS_CHECK(zs_sessions_set_cid_config(&f->bed->sessions, i, &config) == 0, "a key is taken");
		zs_cidset_put(&own->mint, (uint8_t)i, config.key);
	}
	for (uint32_t id = 0; id < f->entries; id++)
		attach(f->bed, id);
	for (uint32_t id = 0; id < f->entries; id++)
		if (!bind(f, id) && (rc = zs_forward_unplace(f, id, err)))
			return rc;
	return 0;
}

static void mint(struct zs_forward *f, uint32_t to, uint8_t *at)
{
	struct own *own = f->own;
	struct zs_cid cid = { .rotation = (uint8_t)zs_draw_below(&f->random, f->keys),
			      .generation = GENERATION,
			      .pop = ZS_BED_POP,
			      .attachment = to,
			      .nonce = f->serial++ };

	zs_cidset_encode(&own->mint, &cid, at);
}

static uint8_t make(struct zs_forward *f, struct rte_mbuf *m, struct zs_made *made)
{
	bool is_long = f->header == ZS_FORWARD_LONG ||
		       (f->header == ZS_FORWARD_MIXED && zs_draw_below(&f->random, 2));
	uint32_t sender = zs_forward_draw(f);
	struct zs_endpoint src = zs_forward_near(f, sender), dst = zs_forward_relay(f, 0, ZS_BED_SERVICE);

	do
		made->entry = zs_forward_draw(f);
	while (made->entry == sender); /* nobody sends to himself */
	made->head[0] = 0x40;
	made->head_len = is_long ? LONG_HEAD : 1 + ZS_CID;
	if (is_long)
		memcpy(made->head, (uint8_t[]){ 0xc0, 0, 0, 0, 1, ZS_CID }, 6);
	mint(f, made->entry, made->head + (is_long ? 6 : 1));
	zs_forward_frame(f, m, 0, &src, &dst, made);
	return 0;
}

static void expect(const struct zs_forward *f, const struct zs_made *made, struct zs_ends *ends)
{
	ends->src = zs_forward_relay(f, 0, ZS_BED_SERVICE);
	ends->dst = zs_forward_near(f, made->entry);
}

/* Each packet stands in two accounts. */
static uint64_t metered(const struct zs_forward *f)
{
	uint64_t n = 0;

	for (uint32_t id = 0; id < f->entries; id++) {
		const struct zs_hot *a = &f->w->hot[id];

		n += a->meter[ZS_FROM_EDGE].packets + a->meter[ZS_TO_EDGE].packets;
	}
	return n / 2;
}

const struct zs_forward_kind zs_forward_cid = {
	.name = "cid",
	.smallest = smallest,
	.shape = shape,
	.open = open,
	.make = make,
	.expect = expect,
	.metered = metered,
	.io = { 0, 1 },
};
