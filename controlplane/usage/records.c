/* What the store keeps of usage, reader and writer side by side. Numbers big-endian.
 *
 *   "use/last/" be32 attachment  {u8 1, u64 incarnation, u16 generation, u8 length, owner, u8 workers,
 *                                each per direction {u64 bytes, u64 packets}}
 *   "use/tens/" tenant's name    as the next
 *   "use/sums/" peer id          {u8 1, per direction {u64 bytes, u64 packets}, u64 first, u64 last (Unix time)} */
#include <errno.h>
#include <stdlib.h>
#include "base/check.h"
#include "base/cursor.h"
#include "store.h"
#include "usage/internal.h"

#define LAST_PREFIX "use/last/"
#define SUMS_PREFIX "use/sums/"
#define TENS_PREFIX "use/tens/"
#define PREFIX_LEN  9
#define VERSION	    1

static void write_meters(struct zs_writer *w, const struct zs_meter m[ZS_DIRECTIONS])
{
	for (uint32_t d = 0; d < ZS_DIRECTIONS; d++) {
		zs_write_u64(w, m[d].bytes);
		zs_write_u64(w, m[d].packets);
	}
}

static void read_meters(struct zs_reader *r, struct zs_meter m[ZS_DIRECTIONS])
{
	for (uint32_t d = 0; d < ZS_DIRECTIONS; d++) {
		m[d].bytes = zs_read_u64(r);
		m[d].packets = zs_read_u64(r);
	}
}

/* Of an owner or a tenant. */
struct sum_key {
	uint8_t bytes[PREFIX_LEN + ZS_PEER_ID];
	size_t len;
};

static struct sum_key key_of(const char *prefix, const void *id, size_t len)
{
	struct sum_key key = { .len = PREFIX_LEN + len };

	ZS_CHECK(key.len <= sizeof(key.bytes), "a key of %zu bytes", key.len);
	memcpy(key.bytes, prefix, PREFIX_LEN);
	memcpy(key.bytes + PREFIX_LEN, id, len);
	return key;
}

size_t zs_usage_write_sum(const struct zs_usage_sum *sum, uint8_t out[USAGE_SUM])
{
	struct zs_writer w = zs_writer_of(out, USAGE_SUM);

	zs_write_u8(&w, VERSION);
	write_meters(&w, sum->to);
	zs_write_u64(&w, sum->first_s);
	zs_write_u64(&w, sum->last_s);
	return zs_writer_len(&w);
}

static void put_sum(struct zs_store_batch *b, const struct sum_key *key, const struct zs_usage_sum *sum)
{
	uint8_t value[USAGE_SUM];

	zs_store_put(b, key->bytes, key->len, value, zs_usage_write_sum(sum, value));
}

size_t zs_usage_write_last(const struct last *l, uint8_t out[USAGE_LAST])
{
	struct zs_writer w = zs_writer_of(out, USAGE_LAST);

	zs_write_u8(&w, VERSION);
	zs_write_u64(&w, l->incarnation);
	zs_write_u16(&w, l->generation);
	zs_write_u8(&w, l->owner.len);
	zs_write_bytes(&w, l->owner.bytes, l->owner.len);
	zs_write_u8(&w, (uint8_t)l->workers);
	for (uint32_t i = 0; i < l->workers; i++)
		write_meters(&w, l->to[i]);
	return zs_writer_len(&w);
}

static void put_last(struct zs_store_batch *b, const struct cursor *k, const struct zs_peer_id *owner)
{
	struct last l = { .incarnation = k->incarnation,
			  .owner = *owner,
			  .generation = k->generation,
			  .workers = k->workers };
	uint8_t key[PREFIX_LEN + 4], value[USAGE_LAST];
	struct zs_writer w = zs_writer_of(key, sizeof(key));

	zs_write_bytes(&w, LAST_PREFIX, PREFIX_LEN);
	zs_write_u32(&w, k->attachment);
	memcpy(l.to, k->last, k->workers * sizeof(l.to[0]));
	zs_store_put(b, key, sizeof(key), value, zs_usage_write_last(&l, value));
}

static bool has_sum(const struct zs_usage *u, const struct owner *o)
{
	return o->sum.first_s && (o->known || u->stored_sums < ZS_USAGE_SUMS);
}

void zs_usage_record(const struct zs_usage *u, struct zs_store_batch *b, const struct cursor *k)
{
	const struct zs_peer_id *owner = &u->owners.id[k->owner];

	put_last(b, k, owner);
	if (has_sum(u, &u->owner[k->owner])) {
		struct sum_key at = key_of(SUMS_PREFIX, owner->bytes, owner->len);

		put_sum(b, &at, &u->owner[k->owner].sum);
	}
	if (k->tenant) {
		const struct tenant_sum *t = &u->tenant[k->tenant];
		struct sum_key at = key_of(TENS_PREFIX, t->name, strlen(t->name));

		put_sum(b, &at, &t->sum);
	}
}

void zs_usage_recorded(struct zs_usage *u, struct cursor *k)
{
	struct owner *o = &u->owner[k->owner];

	if (!o->known && has_sum(u, o)) {
		o->known = true;
		u->stored_sums++;
	}
	k->changed = false;
}

bool zs_usage_read_sum(struct zs_usage_sum *out, const void *value, size_t len)
{
	struct zs_reader r = zs_reader_of(value, len);
	uint8_t version = zs_read_u8(&r);

	read_meters(&r, out->to);
	out->first_s = zs_read_u64(&r);
	out->last_s = zs_read_u64(&r);
	return version == VERSION && zs_reader_done(&r);
}

static bool get_sum(const struct zs_usage *u, const struct sum_key *key, struct zs_usage_sum *out)
{
	uint8_t value[USAGE_SUM];
	size_t len;

	return !zs_store_get(u->c->store, key->bytes, key->len, value, sizeof(value), &len) &&
	       len == sizeof(value) && zs_usage_read_sum(out, value, len);
}

bool zs_usage_record_sum(const struct zs_usage *u, const struct zs_peer_id *owner, struct zs_usage_sum *out)
{
	struct sum_key key = key_of(SUMS_PREFIX, owner->bytes, owner->len);

	return get_sum(u, &key, out);
}

bool zs_usage_record_tenant(const struct zs_usage *u, const char *name, struct zs_usage_sum *out)
{
	struct sum_key key = key_of(TENS_PREFIX, name, strlen(name));

	return get_sum(u, &key, out);
}

bool zs_usage_read_last(struct last *out, const void *value, size_t len)
{
	struct zs_reader r = zs_reader_of(value, len);
	uint8_t version = zs_read_u8(&r), owner;
	const uint8_t *at;

	out->incarnation = zs_read_u64(&r);
	out->generation = zs_read_u16(&r);
	owner = zs_read_u8(&r);
	at = zs_read_span(&r, owner);
	out->workers = zs_read_u8(&r);
	if (r.failed || version != VERSION || out->workers > ZS_WORKERS_MAX ||
	    zs_peer_id_decode(&out->owner, at, owner))
		return false;
	for (uint32_t i = 0; i < out->workers; i++)
		read_meters(&r, out->to[i]);
	return zs_reader_done(&r);
}

static struct cursor *read_cursor(struct zs_usage *u, const uint8_t *key, size_t key_len, const void *value,
				  size_t len)
{
	struct zs_reader r = zs_reader_of(key + PREFIX_LEN, key_len - PREFIX_LEN);
	uint32_t attachment = zs_read_u32(&r);
	struct cursor *k;
	struct last l;

	if (!zs_reader_done(&r) || attachment >= u->attachments || !zs_usage_read_last(&l, value, len))
		return NULL;
	k = zs_usage_cursor_new(u, attachment, &l.owner, l.workers);
	if (!k)
		return NULL;
	k->incarnation = l.incarnation;
	k->generation = l.generation;
	memcpy(k->last, l.to, l.workers * sizeof(l.to[0]));
	return k;
}

/* One of a larger capacity is left out: its cells are gone, the sum stays. */
static int each_last(void *ctx, const void *key, size_t key_len, const void *value, size_t len)
{
	struct zs_usage *u = ctx;
	struct cursor *k = read_cursor(u, key, key_len, value, len);

	if (!k) {
		ZS_LOG(&u->c->log, STORE_FAILED, "error=\"damaged record of usage\"");
		return 0;
	}
	u->at[k->attachment] = k;
	if (k->attachment >= u->high)
		u->high = k->attachment + 1;
	return 0;
}

static int each_sum(void *ctx, const void *key, size_t key_len, const void *value, size_t len)
{
	struct zs_usage *u = ctx;

	u->stored_sums++;
	return 0;
}

int zs_usage_records_load(struct zs_usage *u, struct zs_error *err)
{
	int rc = zs_store_each(u->c->store, SUMS_PREFIX, PREFIX_LEN, each_sum, u);

	if (!rc)
		rc = zs_store_each(u->c->store, LAST_PREFIX, PREFIX_LEN, each_last, u);
	return rc ? zs_error_set(err, rc, ZS_EXIT_RESOURCE, "usage cannot be read from the store: %s",
				 strerror(-rc))
		  : 0;
}
