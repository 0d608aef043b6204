/* The store's own structures, for peerstore.c and peerstore_record.c alone. */
#ifndef ZS_P2P_PEERSTORE_INTERNAL_H
#define ZS_P2P_PEERSTORE_INTERNAL_H

#include "base/list.h"
#include "p2p/peerstore.h"

/* Lists of peers by the best they are known by: those that may be forgotten, worst first, then the pinned. */
enum zs_peerstore_rank { ZS_RANK_LEARNT, ZS_RANK_RECENT, ZS_RANK_PINNED, ZS_RANKS };

struct zs_peerstore {
	struct zs_peerstore_config config;
	struct zs_peertable table;
	struct zs_peer_info *info;
	struct zs_link *links;
	uint8_t *rank; /* per slot */
	struct zs_list list[ZS_RANKS];
	struct zs_list changes; /* places to tell, the longest waiting first */
	struct zs_link *change_links;
	bool *is_changed;
	uint32_t sweep; /* where zs_peerstore_expire goes on */
};

/* The slot of a peer, made at need at the cost of another's; ZS_PEER_NONE: all are pinned. */
uint32_t zs_peerstore_slot(struct zs_peerstore *s, const struct zs_peer_id *peer);
/* After a change: to the end of the list it belongs in. */
void zs_peerstore_touch(struct zs_peerstore *s, uint32_t slot);
/* Removes expired addresses and mends times of a clock that stepped back. */
void zs_peerstore_refresh(struct zs_peerstore *s, uint32_t slot, uint64_t now_ns);
uint64_t zs_peerstore_life(const struct zs_peerstore *s, uint8_t known); /* UINT64_MAX: no end */

#endif
