/* Peers as small numbers: a bounded table from peer id to slot 0..capacity-1, over which a module keeps
 * what it knows of a peer in an array of its own. Slots do not move. Keyed hash: strangers choose the
 * ids. One thread. */
#ifndef ZS_P2P_PEERTABLE_H
#define ZS_P2P_PEERTABLE_H

#include "base/pool.h"
#include "p2p/peerid.h"

#define ZS_PEER_NONE ZS_POOL_NONE

struct zs_peertable {
	struct zs_pool pool;
	struct zs_peer_id *id; /* per slot */
	uint32_t *chain, *head, mask;
	uint64_t key[2];
};

/* -ENOMEM. `key` is random per start. */
int zs_peertable_new(struct zs_peertable *t, uint32_t capacity, const uint64_t key[2]);
void zs_peertable_delete(struct zs_peertable *t); /* a zeroed one too */
/* The peer's slot, ZS_PEER_NONE when it has none. */
uint32_t zs_peertable_find(const struct zs_peertable *t, const struct zs_peer_id *id);
/* A new slot for a peer that has none. ZS_PEER_NONE: the table is full. */
uint32_t zs_peertable_add(struct zs_peertable *t, const struct zs_peer_id *id);
void zs_peertable_remove(struct zs_peertable *t, uint32_t slot);
/* Slots in use, for loops: start with ZS_PEER_NONE, ends with it. */
uint32_t zs_peertable_next(const struct zs_peertable *t, uint32_t slot);

#endif
