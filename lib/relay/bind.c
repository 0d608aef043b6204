/* Layout, judged front to back in the order of bind.def. The lengths are fixed, so a message is looked at in place once its
 * length is right. */
#include "relay/bind.h"

#include <endian.h>
#include <openssl/mem.h>
#include <string.h>

#define FIRST	     0xc0
#define VERSION	     0x5a530001u
#define VERSION_OURS 0x5a53 /* its upper half */

/* Bytes 0–23 of all. */
struct head {
	uint8_t first;
	uint32_t version;
	uint8_t cid_len, cid[ZS_BIND_CID], scid_len;
} __attribute__((packed));

/* Everything big-endian. */
struct wire {
	struct head head;
	uint8_t kind, bind_id;
	uint16_t lifetime_s;
	uint64_t counter;
	uint8_t cookie[ZS_BIND_COOKIE];
	uint8_t addr[16];
	uint16_t port, status;
	uint8_t reserved[8];
	uint8_t tag[ZS_GCM_TAG];
} __attribute__((packed));
_Static_assert(sizeof(struct wire) == ZS_BIND_BYTES && offsetof(struct wire, tag) == ZS_BIND_SIGNED,
	       "layout");

struct nudge {
	struct head head;
	uint8_t kind, zeros[3];
} __attribute__((packed));
_Static_assert(sizeof(struct nudge) == ZS_BIND_NUDGE, "layout");

const char *zs_bind_fault_name(enum zs_bind_fault fault)
{
	static const char *const names[] = {
		"ok",
#define ZS_BIND_FAULT(name, text) #name,
#include "defs/bind.def"
#undef ZS_BIND_FAULT
	};

	return names[fault];
}

static void make_key(const struct zs_gcm_engine *e, const uint8_t root[ZS_ATTACH_SECRET],
		     enum zs_attach_dir dir, struct zs_gcm_key *out)
{
	uint8_t b[ZS_ATTACH_SECRET];

	zs_attach_bind(root, dir, b);
	zs_attach_gcm_key(e, b, out);
	OPENSSL_cleanse(b, sizeof(b));
}

void zs_bind_keys_make(const struct zs_gcm_engine *e, const uint8_t root[ZS_ATTACH_SECRET],
		       struct zs_bind_keys *out)
{
	make_key(e, root, ZS_ATTACH_DIR_EDGE, &out->request);
	make_key(e, root, ZS_ATTACH_DIR_RELAY, &out->answer);
}

void zs_bind_keys_wipe(struct zs_bind_keys *keys)
{
	zs_gcm_key_wipe(&keys->request);
	zs_gcm_key_wipe(&keys->answer);
}

bool zs_bind_is(const void *bytes, size_t len)
{
	const uint8_t *b = bytes;

	return len >= 5 && b[0] & 0x80 && (b[1] << 8 | b[2]) == VERSION_OURS;
}

static bool zero(const uint8_t *bytes, size_t len)
{
	unsigned any = 0;

	for (size_t i = 0; i < len; i++)
		any |= bytes[i];
	return !any;
}

static bool zero16(const uint8_t bytes[16])
{
	uint64_t half[2];

	memcpy(half, bytes, sizeof(half));
	return !(half[0] | half[1]);
}

static enum zs_bind_fault judge_head(const struct head *h)
{
	if (h->first != FIRST)
		return ZS_BIND_FAULT_first_byte;
	if (h->version != htobe32(VERSION))
		return ZS_BIND_FAULT_version;
	return h->cid_len == ZS_BIND_CID && !h->scid_len ? ZS_BIND_OK : ZS_BIND_FAULT_cid_lengths;
}

static void write_head(struct head *h, const uint8_t cid[ZS_BIND_CID])
{
	*h = (struct head){ .first = FIRST, .version = htobe32(VERSION), .cid_len = ZS_BIND_CID };
	memcpy(h->cid, cid, ZS_BIND_CID);
}

static void copy(const struct wire *w, struct zs_bind *out)
{
	*out = (struct zs_bind){ .kind = w->kind,
				 .bind_id = w->bind_id,
				 .lifetime_s = be16toh(w->lifetime_s),
				 .counter = be64toh(w->counter),
				 .status = be16toh(w->status) };
	out->seen.port = be16toh(w->port);
	memcpy(out->cid, w->head.cid, sizeof(out->cid));
	memcpy(out->cookie, w->cookie, sizeof(out->cookie));
	memcpy(out->seen.addr.ip, w->addr, sizeof(w->addr));
}

enum zs_bind_fault zs_bind_read_request(const void *bytes, size_t len, struct zs_bind *out)
{
	const struct wire *w = bytes;
	enum zs_bind_fault fault;

	fault = len == ZS_BIND_BYTES ? judge_head(&w->head) : ZS_BIND_FAULT_size;
	if (fault)
		return fault;
	if (w->kind != ZS_BIND_KIND_bind && w->kind != ZS_BIND_KIND_unbind)
		return ZS_BIND_FAULT_kind;
	if (!zero16(w->addr) || w->port || w->status)
		return ZS_BIND_FAULT_fields;
	copy(w, out);
	return zero(w->reserved, sizeof(w->reserved)) ? ZS_BIND_OK : ZS_BIND_FAULT_zeros;
}

bool zs_bind_unbind_ok(const struct zs_bind *m)
{
	return m->kind != ZS_BIND_KIND_unbind || (!m->lifetime_s && zero16(m->cookie));
}

static bool answer_ok(const struct zs_bind *m)
{
	if (m->kind == ZS_BIND_KIND_challenge)
		return !m->lifetime_s && !m->status;
	return zero16(m->cookie) && m->status <= ZS_BIND_STATUS_stale &&
	       m->lifetime_s <= (m->status ? 0 : ZS_BIND_LIFETIME_S);
}

enum zs_bind_fault zs_bind_read_answer(const void *bytes, size_t len, struct zs_bind *out)
{
	const struct wire *w = bytes;
	enum zs_bind_fault fault;

	fault = len == ZS_BIND_BYTES ? judge_head(&w->head) : ZS_BIND_FAULT_size;
	if (fault)
		return fault;
	if (w->kind != ZS_BIND_KIND_challenge && w->kind != ZS_BIND_KIND_bound)
		return ZS_BIND_FAULT_kind;
	copy(w, out);
	if (!answer_ok(out))
		return ZS_BIND_FAULT_fields;
	return zero(w->reserved, sizeof(w->reserved)) ? ZS_BIND_OK : ZS_BIND_FAULT_zeros;
}

void zs_bind_write(const struct zs_gcm_engine *e, const struct zs_bind *m, const struct zs_gcm_key *key,
		   uint8_t out[ZS_BIND_BYTES])
{
	struct wire *w = (struct wire *)out;

	*w = (struct wire){ .kind = m->kind,
			    .bind_id = m->bind_id,
			    .lifetime_s = htobe16(m->lifetime_s),
			    .counter = htobe64(m->counter),
			    .port = htobe16(m->seen.port),
			    .status = htobe16(m->status) };
	write_head(&w->head, m->cid);
	memcpy(w->cookie, m->cookie, sizeof(w->cookie));
	memcpy(w->addr, m->seen.addr.ip, sizeof(w->addr));
	zs_gcm_seal(
	    e, &(struct zs_gcm_job){
		   .key = key, .counter = m->counter, .aad = out, .aad_len = ZS_BIND_SIGNED, .tag = w->tag });
}

bool zs_bind_verify(const struct zs_gcm_engine *e, const void *bytes, const struct zs_bind *m,
		    const struct zs_gcm_key *key)
{
	uint8_t tag[ZS_GCM_TAG];
	struct zs_gcm_job job = {
		.key = key, .counter = m->counter, .aad = bytes, .aad_len = ZS_BIND_SIGNED, .tag = tag
	};

	memcpy(tag, (const uint8_t *)bytes + ZS_BIND_SIGNED, sizeof(tag));
	return zs_gcm_open(e, &job);
}

enum zs_bind_fault zs_bind_read_nudge(const void *bytes, size_t len, uint8_t cid[ZS_BIND_CID])
{
	const struct nudge *n = bytes;

	if (len != ZS_BIND_NUDGE)
		return ZS_BIND_FAULT_nudge_size;
	if (judge_head(&n->head) || n->kind != ZS_BIND_KIND_nudge || !zero(n->zeros, sizeof(n->zeros)))
		return ZS_BIND_FAULT_nudge_form;
	memcpy(cid, n->head.cid, ZS_BIND_CID);
	return ZS_BIND_OK;
}

void zs_bind_write_nudge(const uint8_t cid[ZS_BIND_CID], uint8_t out[ZS_BIND_NUDGE])
{
	struct nudge *n = (struct nudge *)out;

	*n = (struct nudge){ .kind = ZS_BIND_KIND_nudge };
	write_head(&n->head, cid);
}
