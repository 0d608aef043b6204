/* Layout, judged front to back in the order of bind.def. Offsets are WIRE numbers; a span that must be zero is a row below. */
#include "relay/bind.h"

#include <openssl/mem.h>
#include <string.h>
#include "base/check.h"
#include "base/cursor.h"

#define FIRST	     0xc0
#define VERSION	     0x5a530001u
#define VERSION_OURS 0x5a53 /* its upper half */
#define SEEN	     52	    /* address 18, status 2 */
#define RESERVED     72

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

const char *zs_bind_fault_text(enum zs_bind_fault fault)
{
	static const char *const texts[] = {
		"",
#define ZS_BIND_FAULT(name, text) text,
#include "defs/bind.def"
#undef ZS_BIND_FAULT
	};

	return texts[fault];
}

static void make_key(const struct zs_gcm_engine *e, const uint8_t root[ZS_ATTACH_SECRET],
		     enum zs_attach_dir dir, struct zs_gcm_key *out)
{
	uint8_t b[ZS_ATTACH_SECRET];
	struct zs_attach_key key;

	zs_attach_bind(root, dir, b);
	zs_attach_key(b, &key);
	zs_gcm_key_set(e, out, key.key, key.iv);
	OPENSSL_cleanse(b, sizeof(b));
	OPENSSL_cleanse(&key, sizeof(key));
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

/* Bytes 0–23, the same for all. */
static enum zs_bind_fault read_head(struct zs_reader *r, uint8_t cid[ZS_BIND_CID])
{
	uint8_t cid_len, scid_len;

	if (zs_read_u8(r) != FIRST)
		return ZS_BIND_FAULT_first_byte;
	if (zs_read_u32(r) != VERSION)
		return ZS_BIND_FAULT_version;
	cid_len = zs_read_u8(r);
	zs_read_bytes(r, cid, ZS_BIND_CID);
	scid_len = zs_read_u8(r);
	return cid_len == ZS_BIND_CID && !scid_len ? ZS_BIND_OK : ZS_BIND_FAULT_cid_lengths;
}

static void write_head(struct zs_writer *w, const uint8_t cid[ZS_BIND_CID])
{
	zs_write_u8(w, FIRST);
	zs_write_u32(w, VERSION);
	zs_write_u8(w, ZS_BIND_CID);
	zs_write_bytes(w, cid, ZS_BIND_CID);
	zs_write_u8(w, 0);
}

static enum zs_bind_fault parse(const void *bytes, size_t len, struct zs_bind *out)
{
	struct zs_reader r = zs_reader_of(bytes, len);
	enum zs_bind_fault fault;

	if (len != ZS_BIND_BYTES)
		return ZS_BIND_FAULT_size;
	fault = read_head(&r, out->cid);
	if (fault)
		return fault;
	out->kind = zs_read_u8(&r);
	out->bind_id = zs_read_u8(&r);
	out->lifetime_s = zs_read_u16(&r);
	out->counter = zs_read_u64(&r);
	zs_read_bytes(&r, out->cookie, ZS_BIND_COOKIE);
	zs_read_bytes(&r, out->seen.addr.ip, sizeof(out->seen.addr.ip));
	out->seen.port = zs_read_u16(&r);
	out->status = zs_read_u16(&r);
	return ZS_BIND_OK;
}

enum zs_bind_fault zs_bind_read_request(const void *bytes, size_t len, struct zs_bind *out)
{
	const uint8_t *b = bytes;
	enum zs_bind_fault fault = parse(bytes, len, out);

	if (fault)
		return fault;
	if (out->kind != ZS_BIND_KIND_bind && out->kind != ZS_BIND_KIND_unbind)
		return ZS_BIND_FAULT_kind;
	if (!zero(b + SEEN, RESERVED - SEEN))
		return ZS_BIND_FAULT_fields;
	return zero(b + RESERVED, ZS_BIND_SIGNED - RESERVED) ? ZS_BIND_OK : ZS_BIND_FAULT_zeros;
}

bool zs_bind_unbind_ok(const struct zs_bind *m)
{
	return m->kind != ZS_BIND_KIND_unbind || (!m->lifetime_s && zero(m->cookie, ZS_BIND_COOKIE));
}

static bool answer_ok(const struct zs_bind *m)
{
	if (m->kind == ZS_BIND_KIND_challenge)
		return !m->lifetime_s && !m->status;
	return zero(m->cookie, ZS_BIND_COOKIE) && m->status <= ZS_BIND_STATUS_stale &&
	       m->lifetime_s <= (m->status ? 0 : ZS_BIND_LIFETIME_S);
}

enum zs_bind_fault zs_bind_read_answer(const void *bytes, size_t len, struct zs_bind *out)
{
	const uint8_t *b = bytes;
	enum zs_bind_fault fault = parse(bytes, len, out);

	if (fault)
		return fault;
	if (out->kind != ZS_BIND_KIND_challenge && out->kind != ZS_BIND_KIND_bound)
		return ZS_BIND_FAULT_kind;
	if (!answer_ok(out))
		return ZS_BIND_FAULT_fields;
	return zero(b + RESERVED, ZS_BIND_SIGNED - RESERVED) ? ZS_BIND_OK : ZS_BIND_FAULT_zeros;
}

void zs_bind_write(const struct zs_gcm_engine *e, const struct zs_bind *m, const struct zs_gcm_key *key,
		   uint8_t out[ZS_BIND_BYTES])
{
	static const uint8_t reserved[ZS_BIND_SIGNED - RESERVED];
	struct zs_writer w = zs_writer_of(out, ZS_BIND_SIGNED);

	write_head(&w, m->cid);
	zs_write_u8(&w, m->kind);
	zs_write_u8(&w, m->bind_id);
	zs_write_u16(&w, m->lifetime_s);
	zs_write_u64(&w, m->counter);
	zs_write_bytes(&w, m->cookie, ZS_BIND_COOKIE);
	zs_write_bytes(&w, m->seen.addr.ip, sizeof(m->seen.addr.ip));
	zs_write_u16(&w, m->seen.port);
	zs_write_u16(&w, m->status);
	zs_write_bytes(&w, reserved, sizeof(reserved));
	ZS_DCHECK(!w.failed && w.at == w.end);
	zs_gcm_seal(e, &(struct zs_gcm_job){ .key = key,
					     .counter = m->counter,
					     .aad = out,
					     .aad_len = ZS_BIND_SIGNED,
					     .tag = out + ZS_BIND_SIGNED });
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
	struct zs_reader r = zs_reader_of(bytes, len);

	if (len != ZS_BIND_NUDGE)
		return ZS_BIND_FAULT_nudge_size;
	if (read_head(&r, cid) || zs_read_u32(&r) != (uint32_t)ZS_BIND_KIND_nudge << 24)
		return ZS_BIND_FAULT_nudge_form;
	return ZS_BIND_OK;
}

void zs_bind_write_nudge(const uint8_t cid[ZS_BIND_CID], uint8_t out[ZS_BIND_NUDGE])
{
	struct zs_writer w = zs_writer_of(out, ZS_BIND_NUDGE);

	write_head(&w, cid);
	zs_write_u32(&w, (uint32_t)ZS_BIND_KIND_nudge << 24);
	ZS_DCHECK(!w.failed && w.at == w.end);
}
