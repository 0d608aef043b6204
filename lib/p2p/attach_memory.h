/* What an edge keeps over its restarts: which relay it trusts, and its attachment at each relay it was granted one.
 * To whoever stores it, opaque bytes of at most ZS_ATTACH_MEMORY. No secrets: who lacks the identity's
 * key cannot use them. One thread an object. */
#ifndef ZS_P2P_ATTACH_MEMORY_H
#define ZS_P2P_ATTACH_MEMORY_H

#include "p2p/peerid.h"
#include "relay/keys.h"

#define ZS_ATTACH_MEMORY_RELAYS 4 /* the relay of the command line and those it sent us to */
#define ZS_ATTACH_MEMORY	512

struct zs_attach_memory {
	struct zs_peer_id home; /* trusted on first use; len 0: none yet */
	struct zs_attach_known {
		struct zs_peer_id relay; /* len 0: free */
		uint32_t attachment, generation;
		uint8_t grant_hash[ZS_ATTACH_HASH];
	} known[ZS_ATTACH_MEMORY_RELAYS]; /* the latest first */
};

/* What is known of an attachment at that relay, or NULL. */
const struct zs_attach_known *zs_attach_memory_find(const struct zs_attach_memory *m,
						    const struct zs_peer_id *relay);
/* Puts it first; the oldest goes. */
void zs_attach_memory_keep(struct zs_attach_memory *m, const struct zs_attach_known *known);
void zs_attach_memory_forget(struct zs_attach_memory *m, const struct zs_peer_id *relay);

size_t zs_attach_memory_save(const struct zs_attach_memory *m, uint8_t out[ZS_ATTACH_MEMORY]);
/* -EINVAL: not what save wrote; *m is empty then. */
int zs_attach_memory_load(struct zs_attach_memory *m, const void *bytes, size_t len);

#endif
