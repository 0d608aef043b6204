/* The store on RocksDB: one database in one folder, no column families (a few thousand small
 * records), bounded files and memory.
 *
 * A write that fails leaves RocksDB refusing everything that follows, also after space came
 * back. So a failed commit marks the store, and the next operation opens the database again;
 * until that works nothing is acknowledged. Recovery stops at a torn tail of the log, which
 * can only hold writes that were never acknowledged.
 *
 * Opening it writes, and a disk that takes no writes may still be read: then it is open for reading, until an operation that
 * writes can open it in full.
 *
 * Limits: write buffers 2 x 2 MiB, block cache 2 MiB, write-ahead log 16 MiB, 64 open files,
 * two info logs of a few KiB. */
#include "store.h"

#include <errno.h>
#include <rocksdb/c.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/check.h"

#define BUFFER_BYTES (2u << 20)
#define CACHE_BYTES  (2u << 20)
#define WAL_BYTES    (16u << 20)
#define OPEN_FILES   64
#define PATH_CAP     512

enum { LOG_LEVEL_FATAL = 4, RECOVER_POINT_IN_TIME = 2 }; /* RocksDB's numbers; its C header names none */

struct zs_store {
	rocksdb_t *db;	    /* NULL after a reopening that failed */
	rocksdb_t *reading; /* … for reading alone, or NULL */
	rocksdb_options_t *options;
	rocksdb_block_based_table_options_t *table;
	rocksdb_cache_t *cache;
	rocksdb_writeoptions_t *synced, *unsynced;
	rocksdb_readoptions_t *read;
	bool failed; /* the last write failed: open again before the next operation */
	char path[PATH_CAP];
};

struct zs_store_batch {
	struct zs_store *store;
	rocksdb_writebatch_t *batch;
};

/* RocksDB's C interface has texts alone: neither its status codes nor an errno come through it. So this function, and no
 * other, knows its English and the C library's. What it does not know is -EIO,
 * which costs the right advice and nothing else. */
static int code_of(const char *text)
{
	if (strstr(text, "No space left") || strstr(text, "NoSpace") || strstr(text, "Disk quota"))
		return -ENOSPC;
	if (strstr(text, "lock ") &&
	    (strstr(text, "Resource temporarily unavailable") || strstr(text, "No locks available")))
		return -EBUSY;
	if (strstr(text, "Too many open files"))
		return -EMFILE;
	if (!strncmp(text, "Corruption", 10))
		return -EBADMSG;
	return -EIO;
}

/* Takes RocksDB's text over. */
static int fail(struct zs_error *err, char *text, const char *what)
{
	int code = code_of(text);

	zs_error_set(err, code, code == -EBUSY ? ZS_EXIT_RUNNING : ZS_EXIT_RESOURCE,
		     "store: cannot %s: %s; %s", what, text,
		     code == -ENOSPC   ? "free space on its disk"
		     : code == -EMFILE ? "raise LimitNOFILE"
				       : "look at its folder and disk");
	rocksdb_free(text);
	return code;
}

static void bound_memory(struct zs_store *s)
{
	s->cache = rocksdb_cache_create_lru(CACHE_BYTES);
	s->table = rocksdb_block_based_options_create();
	rocksdb_block_based_options_set_block_cache(s->table, s->cache);
	rocksdb_options_set_block_based_table_factory(s->options, s->table);
	rocksdb_options_set_write_buffer_size(s->options, BUFFER_BYTES);
	rocksdb_options_set_max_write_buffer_number(s->options, 2);
}

static void configure(struct zs_store *s)
{
	s->options = rocksdb_options_create();
	rocksdb_options_set_create_if_missing(s->options, 1);
	rocksdb_options_set_paranoid_checks(s->options, 1);
	rocksdb_options_set_wal_recovery_mode(s->options, RECOVER_POINT_IN_TIME);
	rocksdb_options_set_max_open_files(s->options, OPEN_FILES);
	rocksdb_options_set_max_background_jobs(s->options, 2);
	rocksdb_options_set_max_total_wal_size(s->options, WAL_BYTES);
	rocksdb_options_set_max_manifest_file_size(s->options, WAL_BYTES);
	/* Debian builds RocksDB with assertions, and one of them ends the process when its info log
	 * cannot be written: on a full disk, of all times. It will not open without one, so the log
	 * gets its head at the opening and nothing later; what matters comes back from the calls. */
	rocksdb_options_set_info_log_level(s->options, LOG_LEVEL_FATAL);
	rocksdb_options_set_keep_log_file_num(s->options, 2);
	rocksdb_options_set_stats_dump_period_sec(s->options, 0);
	rocksdb_options_set_compression(s->options, rocksdb_no_compression);
	bound_memory(s);
	s->synced = rocksdb_writeoptions_create();
	rocksdb_writeoptions_set_sync(s->synced, 1);
	s->unsynced = rocksdb_writeoptions_create();
	s->read = rocksdb_readoptions_create();
}

static void close_reading(struct zs_store *s)
{
	if (s->reading)
		rocksdb_close(s->reading);
	s->reading = NULL;
}

/* Opens the database, again after a failure. */
static int ensure_open(struct zs_store *s, struct zs_error *err)
{
	char *text = NULL;

	if (s->db && !s->failed)
		return 0;
	if (s->db)
		rocksdb_close(s->db);
	s->db = rocksdb_open(s->options, s->path, &text);
	if (text) {
		s->db = NULL;
		return fail(err, text, "open");
	}
	s->failed = false;
	close_reading(s);
	return 0;
}

/* What to read from; NULL: there is nothing. */
static rocksdb_t *readable(struct zs_store *s, int *rc)
{
	*rc = s->reading ? 0 : ensure_open(s, NULL);
	return s->reading ? s->reading : s->db;
}

static int make(struct zs_store **out, const char *dir, struct zs_error *err)
{
	struct zs_store *s = calloc(1, sizeof(*s));

	if (!s)
		return zs_error_set(err, -ENOMEM, ZS_EXIT_RESOURCE, "store: out of memory");
	if (snprintf(s->path, sizeof(s->path), "%s", dir) >= (int)sizeof(s->path)) {
		free(s);
		return zs_error_set(err, -ENAMETOOLONG, ZS_EXIT_CONFIG, "store: the path %.64s… is too long",
				    dir);
	}
	configure(s);
	*out = s;
	return 0;
}

int zs_store_open(struct zs_store **out, const char *dir, struct zs_error *err)
{
	struct zs_store *s = NULL;
	int rc = make(&s, dir, err);

	if (!rc)
		rc = ensure_open(s, err);
	if (rc)
		zs_store_close(s);
	else
		*out = s;
	return rc;
}

int zs_store_open_reading(struct zs_store **out, const char *dir, struct zs_error *err)
{
	struct zs_store *s = NULL;
	char *text = NULL;
	int rc = make(&s, dir, err);

	if (!rc)
		s->reading = rocksdb_open_for_read_only(s->options, s->path, 0, &text);
	if (text) {
		s->reading = NULL;
		rc = fail(err, text, "open for reading");
	}
	if (rc)
		zs_store_close(s);
	else
		*out = s;
	return rc;
}

void zs_store_close(struct zs_store *s)
{
	if (!s)
		return;
	if (s->db)
		rocksdb_close(s->db);
	close_reading(s);
	rocksdb_readoptions_destroy(s->read);
	rocksdb_writeoptions_destroy(s->synced);
	rocksdb_writeoptions_destroy(s->unsynced);
	rocksdb_options_destroy(s->options);
	rocksdb_block_based_options_destroy(s->table);
	rocksdb_cache_destroy(s->cache);
	free(s);
}

void zs_store_memory(const struct zs_store *s, uint64_t *used, uint64_t *bound)
{
	static const char *const parts[] = { "rocksdb.cur-size-all-mem-tables",
					     "rocksdb.estimate-table-readers-mem" };

	*used = rocksdb_cache_get_usage(s->cache);
	*bound = CACHE_BYTES + 2 * BUFFER_BYTES;
	for (size_t i = 0; s->db && i < ZS_ARRAY_LEN(parts); i++) {
		uint64_t bytes = 0;

		if (!rocksdb_property_int(s->db, parts[i], &bytes))
			*used += bytes;
	}
}

struct zs_store_batch *zs_store_begin(struct zs_store *s)
{
	struct zs_store_batch *b = calloc(1, sizeof(*b));

	if (b) {
		b->store = s;
		b->batch = rocksdb_writebatch_create();
	}
	return b;
}

void zs_store_put(struct zs_store_batch *b, const void *key, size_t key_len, const void *value,
		  size_t value_len)
{
	if (b)
		rocksdb_writebatch_put(b->batch, key, key_len, value, value_len);
}

void zs_store_del(struct zs_store_batch *b, const void *key, size_t key_len)
{
	if (b)
		rocksdb_writebatch_delete(b->batch, key, key_len);
}

static int write(struct zs_store_batch *b, bool synced, struct zs_error *err)
{
	struct zs_store *s;
	char *text = NULL;
	int rc;

	if (!b)
		return zs_error_set(err, -ENOMEM, ZS_EXIT_RESOURCE, "out of memory");
	s = b->store;
	if (!(rc = ensure_open(s, err))) {
		rocksdb_write(s->db, synced ? s->synced : s->unsynced, b->batch, &text);
		if (text) {
			s->failed = true;
			rc = fail(err, text, "write");
		}
	}
	zs_store_abort(b);
	return rc;
}

int zs_store_commit(struct zs_store_batch *b, struct zs_error *err)
{
	return write(b, true, err);
}

int zs_store_write(struct zs_store_batch *b, struct zs_error *err)
{
	return write(b, false, err);
}

void zs_store_abort(struct zs_store_batch *b)
{
	if (b)
		rocksdb_writebatch_destroy(b->batch);
	free(b);
}

int zs_store_get(struct zs_store *s, const void *key, size_t key_len, void *value, size_t cap, size_t *len)
{
	char *text = NULL, *found;
	int rc;
	rocksdb_t *db = readable(s, &rc);

	if (rc)
		return rc;
	found = rocksdb_get(db, s->read, key, key_len, len, &text);
	if (text)
		return fail(NULL, text, "read");
	if (!found)
		return -ENOENT;
	memcpy(value, found, *len < cap ? *len : cap);
	rocksdb_free(found);
	return 0;
}

int zs_store_each(struct zs_store *s, const void *prefix, size_t prefix_len, zs_store_fn *fn, void *ctx)
{
	rocksdb_iterator_t *it;
	char *text = NULL;
	int rc;
	rocksdb_t *db = readable(s, &rc);

	if (rc)
		return rc;
	it = rocksdb_create_iterator(db, s->read);
	for (rocksdb_iter_seek(it, prefix, prefix_len); !rc && rocksdb_iter_valid(it);
	     rocksdb_iter_next(it)) {
		size_t key_len, value_len;
		const char *key = rocksdb_iter_key(it, &key_len);
		const char *value = rocksdb_iter_value(it, &value_len);

		if (key_len < prefix_len || memcmp(key, prefix, prefix_len))
			break;
		rc = fn(ctx, key, key_len, value, value_len);
	}
	rocksdb_iter_get_error(it, &text);
	if (text)
		rc = fail(NULL, text, "read");
	rocksdb_iter_destroy(it);
	return rc;
}
