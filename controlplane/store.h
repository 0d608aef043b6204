/* The durable store: RocksDB behind verbs. Every committed write is on disk (synced). */
#ifndef ZS_CONTROLPLANE_STORE_H
#define ZS_CONTROLPLANE_STORE_H

#include <stddef.h>
#include <stdint.h>
#include "base/error.h"

struct zs_store;

int zs_store_open(struct zs_store **out, const char *dir, struct zs_error *err);
/* For a disk that takes no writes, -EIO or -ENOSPC of the one above: what can be read is served, and each operation that writes tries
 * to open it in full first. A store has to be there. */
int zs_store_open_reading(struct zs_store **out, const char *dir, struct zs_error *err);
void zs_store_close(struct zs_store *s);

/* Bytes that its tables, buffers and cache take now, and what bounds them. */
void zs_store_memory(const struct zs_store *s, uint64_t *used, uint64_t *bound);

/* One atomic, synced batch. begin/put/del build it, commit writes it. -EIO, -ENOSPC, -ENOMEM: nothing of it holds. Without memory
 * begin returns NULL, which the others take as a batch, and commit says so. */
struct zs_store_batch;
struct zs_store_batch *zs_store_begin(struct zs_store *s);
void zs_store_put(struct zs_store_batch *b, const void *key, size_t key_len, const void *value,
		  size_t value_len);
void zs_store_del(struct zs_store_batch *b, const void *key, size_t key_len);
int zs_store_commit(struct zs_store_batch *b, struct zs_error *err); /* frees b either way */
/* The same without waiting for the disk: a crash of the machine may take it. For what is learnt again. */
int zs_store_write(struct zs_store_batch *b, struct zs_error *err);
void zs_store_abort(struct zs_store_batch *b);

/* Copies at most cap bytes of the value; *len is its full length. -ENOENT, -EIO. */
int zs_store_get(struct zs_store *s, const void *key, size_t key_len, void *value, size_t cap, size_t *len);
/* Calls fn for each key with the prefix, in order; a nonzero return stops and is returned. */
typedef int zs_store_fn(void *ctx, const void *key, size_t key_len, const void *value, size_t value_len);
int zs_store_each(struct zs_store *s, const void *prefix, size_t prefix_len, zs_store_fn *fn, void *ctx);

#endif
