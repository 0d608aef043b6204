/* What the store keeps of revisions, reader and writer side by side.
 *
 *   "conf/now"          {u8 1, be32 last, be32 number, be32 previous, start file's SHA-256, be32 confirm_s, be64 until_s}
 *   "conf/rev/" be32 n  {u8 1, u8 origin, u8 undone, be32 of, be64 at_s, be32 uid, be32 bytes, SHA-256, name}
 *   "conf/text/" be32 n the text as it was offered */
#include "revisions/internal.h"

#include <errno.h>
#include <stdlib.h>
#include "base/check.h"
#include "base/cursor.h"
#include "store.h"

#define NOW	 "conf/now"
#define REV	 "conf/rev/"
#define TEXT	 "conf/text/"
#define VERSION	 1
#define KEPT_MAX 256 /* admin.revisions and the two that are never dropped are fewer */

struct key {
	uint8_t bytes[16];
	size_t len;
};

static struct key key_of(const char *prefix, uint32_t number)
{
	struct key key = { .len = strlen(prefix) + 4 };
	struct zs_writer w = zs_writer_of(key.bytes, sizeof(key.bytes));

	zs_write_bytes(&w, prefix, strlen(prefix));
	zs_write_u32(&w, number);
	return key;
}

void zs_revisions_now_write(uint8_t out[ZS_REVISIONS_NOW], const struct zs_revisions_now *now)
{
	struct zs_writer w = zs_writer_of(out, ZS_REVISIONS_NOW);

	zs_write_u8(&w, VERSION);
	zs_write_u32(&w, now->last);
	zs_write_u32(&w, now->number);
	zs_write_u32(&w, now->previous);
	zs_write_bytes(&w, now->file, sizeof(now->file));
	zs_write_u32(&w, now->confirm_s);
	zs_write_u64(&w, now->until_s);
	ZS_CHECK(!w.failed && zs_writer_len(&w) == ZS_REVISIONS_NOW, "a record of what is in force");
}

bool zs_revisions_now_read(struct zs_revisions_now *now, const void *value, size_t len)
{
	struct zs_reader r = zs_reader_of(value, len);
	uint8_t version = zs_read_u8(&r);

	now->last = zs_read_u32(&r);
	now->number = zs_read_u32(&r);
	now->previous = zs_read_u32(&r);
	zs_read_bytes(&r, now->file, sizeof(now->file));
	now->confirm_s = zs_read_u32(&r);
	now->until_s = zs_read_u64(&r);
	return zs_reader_done(&r) && version == VERSION && now->number && now->number <= now->last &&
	       now->previous < now->number && now->confirm_s <= ZS_CONFIRM_MAX_S &&
	       (!now->confirm_s || now->previous);
}

size_t zs_revision_write(uint8_t out[ZS_REVISION_HEAD + ZS_REVISION_NAME], const struct zs_revision *rev)
{
	struct zs_writer w = zs_writer_of(out, ZS_REVISION_HEAD + ZS_REVISION_NAME);

	zs_write_u8(&w, VERSION);
	zs_write_u8(&w, (uint8_t)rev->origin);
	zs_write_u8(&w, rev->undone);
	zs_write_u32(&w, rev->of);
	zs_write_u64(&w, rev->at_s);
	zs_write_u32(&w, rev->uid);
	zs_write_u32(&w, rev->bytes);
	zs_write_bytes(&w, rev->digest, sizeof(rev->digest));
	zs_write_bytes(&w, rev->name, strlen(rev->name));
	ZS_CHECK(!w.failed, "a revision's record");
	return zs_writer_len(&w);
}

bool zs_revision_read(struct zs_revision *rev, uint32_t number, const void *value, size_t len)
{
	struct zs_reader r = zs_reader_of(value, len);
	uint8_t version = zs_read_u8(&r), origin = zs_read_u8(&r), undone = zs_read_u8(&r);

	*rev = (struct zs_revision){ .number = number,
				     .origin = (enum zs_revision_origin)origin,
				     .undone = undone,
				     .of = zs_read_u32(&r) };
	rev->at_s = zs_read_u64(&r);
	rev->uid = zs_read_u32(&r);
	rev->bytes = zs_read_u32(&r);
	zs_read_bytes(&r, rev->digest, sizeof(rev->digest));
	if (zs_reader_left(&r) >= sizeof(rev->name))
		return false;
	zs_read_bytes(&r, rev->name, zs_reader_left(&r));
	return zs_reader_done(&r) && version == VERSION && origin <= ZS_REVISION_ROLLBACK && undone <= 1 &&
	       rev->bytes <= ZS_CONF_SIZE_MAX;
}

int zs_revisions_load(struct zs_revisions *r)
{
	uint8_t value[ZS_REVISIONS_NOW];
	size_t len = 0;
	int rc = zs_store_get(r->c->store, NOW, strlen(NOW), value, sizeof(value), &len);

	if (rc == 0 && (len != sizeof(value) || !zs_revisions_now_read(&r->now, value, len)))
		rc = -EUCLEAN;
	if (rc != 0)
		memset(&r->now, 0, sizeof(r->now));
	return rc;
}

/* --- what is kept --- */

struct each {
	zs_revision_fn *fn;
	void *ctx;
	struct zs_control *c;
};

static int each_revision(void *ctx, const void *key, size_t key_len, const void *value, size_t value_len)
{
	struct zs_reader r = zs_reader_of(key, key_len);
	struct each *e = ctx;
	struct zs_revision rev;

	zs_read_span(&r, strlen(REV));
	if (zs_revision_read(&rev, zs_read_u32(&r), value, value_len) && zs_reader_done(&r))
		e->fn(e->ctx, &rev);
	else
		ZS_LOG(&e->c->log, STORE_FAILED, "error=\"damaged record of a revision\" bytes=%zu",
		       value_len);
	return 0;
}

int zs_revisions_each(struct zs_revisions *r, zs_revision_fn *fn, void *ctx)
{
	struct each e = { fn, ctx, r->c };

	return zs_store_each(r->c->store, REV, strlen(REV), each_revision, &e);
}

static int get_text(struct zs_revisions *r, const struct zs_revision *rev, char **text)
{
	struct key key = key_of(TEXT, rev->number);
	char *found = malloc(rev->bytes + 1);
	size_t len = 0;
	int rc = found ? zs_store_get(r->c->store, key.bytes, key.len, found, rev->bytes, &len) : -ENOMEM;

	if (rc == 0 && len != rev->bytes)
		rc = -EUCLEAN;
	if (rc != 0) {
		free(found);
		return rc;
	}
	found[len] = '\0';
	*text = found;
	return 0;
}

int zs_revisions_get(struct zs_revisions *r, uint32_t number, struct zs_revision *out, char **text,
		     struct zs_error *err)
{
	uint8_t value[ZS_REVISION_HEAD + ZS_REVISION_NAME];
	struct key key = key_of(REV, number);
	size_t len = 0;
	int rc = zs_store_get(r->c->store, key.bytes, key.len, value, sizeof(value), &len);

	if (rc == 0 && (len > sizeof(value) || !zs_revision_read(out, number, value, len)))
		rc = -EUCLEAN;
	if (rc == 0 && text)
		rc = get_text(r, out, text);
	if (rc == 0)
		return 0;
	return zs_error_set(err, rc, rc == -ENOENT ? ZS_EXIT_REFUSED : ZS_EXIT_RESOURCE, "revision %u %s",
			    number,
			    rc == -ENOENT ? "is not kept; zsctl config history lists those that are"
					  : "cannot be read from the store");
}

/* --- writing --- */

struct kept {
	uint32_t number[KEPT_MAX], count;
};

static void note_kept(void *ctx, const struct zs_revision *rev)
{
	struct kept *kept = ctx;

	if (kept->count < KEPT_MAX)
		kept->number[kept->count++] = rev->number;
}

static void drop(struct zs_store_batch *b, uint32_t number)
{
	struct key rev = key_of(REV, number), text = key_of(TEXT, number);

	zs_store_del(b, rev.bytes, rev.len);
	zs_store_del(b, text.bytes, text.len);
}

/* The oldest beyond the bound; what is in force and what was before it stay, however old. */
static void drop_oldest(struct zs_revisions *r, struct zs_store_batch *b, const struct zs_revisions_now *now,
			uint32_t undone, bool more)
{
	uint32_t bound = r->c->conf->admin.revisions;
	struct kept kept = { .count = 0 };
	uint32_t surplus;

	if (zs_revisions_each(r, note_kept, &kept) != 0)
		return;
	surplus = kept.count + more > bound ? kept.count + more - bound : 0;
	for (uint32_t i = 0; i < kept.count && surplus; i++) {
		if (kept.number[i] == now->number || kept.number[i] == now->previous ||
		    kept.number[i] == undone)
			continue;
		drop(b, kept.number[i]);
		surplus--;
	}
}

static void put_now(struct zs_store_batch *b, const struct zs_revisions_now *now)
{
	uint8_t value[ZS_REVISIONS_NOW];

	zs_revisions_now_write(value, now);
	zs_store_put(b, NOW, strlen(NOW), value, sizeof(value));
}

static void put_revision(struct zs_store_batch *b, const struct zs_revision *rev)
{
	uint8_t value[ZS_REVISION_HEAD + ZS_REVISION_NAME];
	struct key key = key_of(REV, rev->number);

	zs_store_put(b, key.bytes, key.len, value, zs_revision_write(value, rev));
}

int zs_revisions_store(struct zs_revisions *r, const struct zs_revisions_now *now,
		       const struct zs_revision *add, const char *text, uint32_t undone, struct zs_error *err)
{
	struct zs_store_batch *b = zs_store_begin(r->c->store);
	struct zs_revision marked;

	drop_oldest(r, b, now, undone, add != NULL);
	put_now(b, now);
	if (undone && zs_revisions_get(r, undone, &marked, NULL, NULL) == 0) {
		marked.undone = true;
		put_revision(b, &marked);
	}
	if (add) {
		struct key key = key_of(TEXT, add->number);

		put_revision(b, add);
		zs_store_put(b, key.bytes, key.len, text, add->bytes);
	}
	return zs_control_commit(r->c, b, err);
}

int zs_revisions_take_back(struct zs_revisions *r, const struct zs_revisions_now *now, uint32_t number,
			   struct zs_error *err)
{
	struct zs_store_batch *b = zs_store_begin(r->c->store);

	put_now(b, now);
	drop(b, number);
	return zs_control_commit(r->c, b, err);
}
