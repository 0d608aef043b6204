/* What survives in the store, reader and writer side by side. Numbers big-endian.
 *
 *   "cid/born"             {u8 1, u64 Unix time, u32 last serial}
 *   "cid/conf/" u8 number  {u8 1, u8 flags (1 live, 2 mints, 4 used), u32 serial, u64 created, start, here, withdrawn, name, key}
 *   "cid/nonce/" be32 id   {u8 1, u8 count, each {u32 serial, u32 end of what is reserved}} */
#include <errno.h>
#include <sodium.h>
#include <string.h>
#include "base/check.h"
#include "base/cursor.h"
#include "cid/internal.h"
#include "store.h"

#define BORN	     "cid/born"
#define CONF_PREFIX  "cid/conf/"
#define NONCE_PREFIX "cid/nonce/"
#define VERSION	     1

enum { LIVE = 1, MINTS = 2, USED = 4, FLAGS = LIVE | MINTS | USED };

/* --- configurations --- */

void zs_config_write(const struct config *c, uint8_t out[CID_RECORD])
{
	struct zs_writer w = zs_writer_of(out, CID_RECORD);

	zs_write_u8(&w, VERSION);
	zs_write_u8(&w, (uint8_t)((c->live ? LIVE : 0) | (c->mints ? MINTS : 0) | (c->used ? USED : 0)));
	zs_write_u32(&w, c->serial);
	zs_write_u64(&w, c->created_s);
	zs_write_u64(&w, c->start_s);
	zs_write_u64(&w, c->here_s);
	zs_write_u64(&w, c->withdrawn_s);
	zs_write_bytes(&w, c->name, NAME);
	zs_write_bytes(&w, c->key, ZS_AES_KEY);
	ZS_CHECK(!w.failed && zs_writer_len(&w) == CID_RECORD, "a configuration's record");
}

static void put_config(struct zs_store_batch *b, uint8_t n, const struct config *c)
{
	uint8_t key[sizeof(CONF_PREFIX)] = CONF_PREFIX, value[CID_RECORD];

	key[sizeof(key) - 1] = n;
	zs_config_write(c, value);
	zs_store_put(b, key, sizeof(key), value, sizeof(value));
	sodium_memzero(value, sizeof(value));
}

bool zs_config_read(struct config *c, const void *value, size_t len)
{
	struct zs_reader r = zs_reader_of(value, len);
	uint8_t version = zs_read_u8(&r), flags = zs_read_u8(&r);

	*c = (struct config){ .live = flags & LIVE, .mints = flags & MINTS, .used = flags & USED };
	c->serial = zs_read_u32(&r);
	c->created_s = zs_read_u64(&r);
	c->start_s = zs_read_u64(&r);
	c->here_s = zs_read_u64(&r);
	c->withdrawn_s = zs_read_u64(&r);
	zs_read_bytes(&r, c->name, NAME);
	zs_read_bytes(&r, c->key, ZS_AES_KEY);
	return zs_reader_done(&r) && version == VERSION && !(flags & ~FLAGS) && c->serial &&
	       c->live == !c->withdrawn_s;
}

static int each_config(void *ctx, const void *key, size_t key_len, const void *value, size_t len)
{
	struct zs_cids *s = ctx;
	uint8_t n = key_len == sizeof(CONF_PREFIX) ? ((const uint8_t *)key)[key_len - 1] : ZS_CID_ROTATIONS;

	return n < ZS_CID_ROTATIONS && zs_config_read(&s->config[n], value, len) ? 0 : -EUCLEAN;
}

int zs_cids_load(struct zs_cids *s, struct zs_error *err)
{
	uint8_t value[16];
	size_t len = 0;
	int rc = zs_store_get(s->c->store, BORN, strlen(BORN), value, sizeof(value), &len);
	struct zs_reader r = zs_reader_of(value, len < sizeof(value) ? len : sizeof(value));

	if (rc == -ENOENT)
		return rc;
	if (!rc) {
		uint8_t version = zs_read_u8(&r);

		s->born_s = zs_read_u64(&r);
		s->last_serial = zs_read_u32(&r);
		rc = version == VERSION && zs_reader_done(&r) ? 0 : -EUCLEAN;
	}
	if (!rc)
		rc = zs_store_each(s->c->store, CONF_PREFIX, strlen(CONF_PREFIX), each_config, s);
	return rc ? zs_error_set(err, rc, ZS_EXIT_RESOURCE,
				 "the configurations of connection IDs cannot be read from the store: %s",
				 strerror(-rc))
		  : 0;
}

int zs_cids_store(struct zs_cids *s, const struct config config[ZS_CID_ROTATIONS], struct zs_error *err)
{
	struct zs_store_batch *b = zs_store_begin(s->c->store);
	uint8_t value[16];
	struct zs_writer w = zs_writer_of(value, sizeof(value));

	zs_write_u8(&w, VERSION);
	zs_write_u64(&w, s->born_s);
	zs_write_u32(&w, s->last_serial);
	zs_store_put(b, BORN, strlen(BORN), value, zs_writer_len(&w));
	for (uint8_t n = 0; n < ZS_CID_ROTATIONS; n++)
		if (config[n].serial)
			put_config(b, n, &config[n]);
	return zs_control_commit(s->c, b, err);
}

/* --- nonces --- */

static size_t nonce_key(uint8_t key[sizeof(NONCE_PREFIX) + 3], uint32_t attachment)
{
	struct zs_writer w = zs_writer_of(key, sizeof(NONCE_PREFIX) + 3);

	zs_write_bytes(&w, NONCE_PREFIX, strlen(NONCE_PREFIX));
	zs_write_u32(&w, attachment);
	return zs_writer_len(&w);
}

bool zs_reserved_read(struct reserved *out, const void *value, size_t len)
{
	struct zs_reader r = zs_reader_of(value, len);
	uint8_t version = zs_read_u8(&r), count = zs_read_u8(&r);

	*out = (struct reserved){ 0 };
	for (; out->count < count && out->count < ZS_CID_ROTATIONS; out->count++) {
		uint32_t serial = zs_read_u32(&r);

		for (uint32_t i = 0; i < out->count; i++)
			if (out->serial[i] == serial)
				return false;
		out->serial[out->count] = serial;
		out->end[out->count] = zs_read_u32(&r);
	}
	return version == VERSION && zs_reader_done(&r) && out->count == count;
}

size_t zs_reserved_write(const struct reserved *in, uint8_t out[NONCE_RECORD])
{
	struct zs_writer w = zs_writer_of(out, NONCE_RECORD);

	zs_write_u8(&w, VERSION);
	zs_write_u8(&w, (uint8_t)in->count);
	for (uint32_t i = 0; i < in->count; i++) {
		zs_write_u32(&w, in->serial[i]);
		zs_write_u32(&w, in->end[i]);
	}
	ZS_CHECK(!w.failed, "a record has room for every live configuration");
	return zs_writer_len(&w);
}

/* A record that cannot be read is an error, never none: its nonces would come again. */
static int read_reserved(struct zs_cids *s, uint32_t attachment, struct reserved *out)
{
	uint8_t key[sizeof(NONCE_PREFIX) + 3], value[NONCE_RECORD];
	size_t len = 0;
	int rc = zs_store_get(s->c->store, key, nonce_key(key, attachment), value, sizeof(value), &len);

	*out = (struct reserved){ 0 };
	if (rc)
		return rc == -ENOENT ? 0 : rc;
	return len <= sizeof(value) && zs_reserved_read(out, value, len) ? 0 : -EUCLEAN;
}

int zs_cids_nonces_load(struct zs_cids *s, uint32_t attachment, uint32_t serial, uint32_t *from)
{
	struct reserved have;
	int rc = read_reserved(s, attachment, &have);

	*from = 0;
	for (uint32_t i = 0; i < have.count; i++)
		if (have.serial[i] == serial)
			*from = have.end[i];
	return rc;
}

static bool live_serial(const struct zs_cids *s, uint32_t serial)
{
	for (unsigned n = 0; n < ZS_CID_ROTATIONS; n++)
		if (s->config[n].live && s->config[n].serial == serial)
			return true;
	return false;
}

int zs_cids_nonces_store(struct zs_cids *s, uint32_t attachment, unsigned n, uint32_t end)
{
	uint8_t key[sizeof(NONCE_PREFIX) + 3], value[NONCE_RECORD];
	struct config *c = &s->config[n], used = *c;
	struct zs_store_batch *b;
	struct reserved have, next = { 0 };
	int rc = read_reserved(s, attachment, &have);

	if (rc)
		return rc;
	b = zs_store_begin(s->c->store);
	for (uint32_t i = 0; i < have.count; i++) {
		if (have.serial[i] == c->serial || !live_serial(s, have.serial[i]))
			continue;
		next.serial[next.count] = have.serial[i];
		next.end[next.count++] = have.end[i];
	}
	ZS_CHECK(next.count < ZS_CID_ROTATIONS, "each live configuration has one serial");
	next.serial[next.count] = c->serial;
	next.end[next.count++] = end;
	zs_store_put(b, key, nonce_key(key, attachment), value, zs_reserved_write(&next, value));
	used.used = true;
	if (!c->used)
		put_config(b, (uint8_t)n, &used);
	rc = zs_control_commit(s->c, b, NULL);
	c->used |= !rc;
	sodium_memzero(&used, sizeof(used));
	return rc;
}
