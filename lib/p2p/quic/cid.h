/* Which connection, or tombstone of one, a datagram is for: by connection ID, or by the token at the
 * end of a stateless reset. Open addressing, keyed hash, no more than two thirds full. Private to
 * lib/p2p/quic. */
#ifndef ZS_P2P_QUIC_CID_H
#define ZS_P2P_QUIC_CID_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum zs_cid_kind { ZS_CID_FREE, ZS_CID_CONN, ZS_CID_TOMB, ZS_CID_TOKEN };

struct zs_cid_entry {
	void *owner;
	uint8_t kind, len, bytes[20];
};

struct zs_cids {
	struct zs_cid_entry *slot;
	uint32_t capacity, used; /* a power of two */
	uint64_t key[2];
};

/* -ENOMEM */
int zs_cids_init(struct zs_cids *t, const uint64_t key[2]);
void zs_cids_free(struct zs_cids *t);
/* A token and a connection ID of the same bytes are two things. NULL: not there. Invalid after the next add or remove. */
const struct zs_cid_entry *zs_cids_find(const struct zs_cids *t, bool token, const void *bytes, size_t len);
/* What was there under these bytes is replaced. len ≤ 20. -ENOMEM. */
int zs_cids_add(struct zs_cids *t, enum zs_cid_kind kind, const void *bytes, size_t len, void *owner);
/* Only if it is `owner`'s. */
void zs_cids_remove(struct zs_cids *t, bool token, const void *bytes, size_t len, const void *owner);

#endif
