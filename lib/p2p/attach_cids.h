/* The connection IDs that an edge has and did not give to anybody yet (docs/PROTOCOL.md, Connection IDs): each is taken once,
 * none after its expiry or after its configuration was withdrawn. They belong to one attachment's generation: another Grant
 * empties the pool. Pure; one thread; Unix time comes from the caller. */
#ifndef ZS_P2P_ATTACH_CIDS_H
#define ZS_P2P_ATTACH_CIDS_H

#include "p2p/attach_codec.h"
#include "p2p/peerid.h"

#define ZS_ATTACH_CID	   17
#define ZS_ATTACH_POOL	   128
#define ZS_ATTACH_POOL_LOW 32 /* so many or fewer: a batch is asked for */

struct zs_attach_cids {
	struct zs_peer_id relay;
	uint32_t attachment, generation;
	uint32_t count; /* in the order they came */
	struct {
		uint8_t cid[ZS_ATTACH_CID];
		uint64_t expires_s;
	} at[ZS_ATTACH_POOL];
};

/* The attachment that holds now. */
void zs_attach_cids_owner(struct zs_attach_cids *pool, const struct zs_peer_id *relay, uint32_t attachment,
			  uint32_t generation);
/* Own ones that came: first what is withdrawn goes, then they come in, as far as there is room. */
void zs_attach_cids_add(struct zs_attach_cids *pool, const zs_pb_Cids *cids);
/* The oldest good one; those that are over go. false: none. */
bool zs_attach_cids_take(struct zs_attach_cids *pool, uint64_t wall_s, uint8_t cid[ZS_ATTACH_CID],
			 uint64_t *expires_s);
/* How many to ask for now, 0: there are enough. */
uint32_t zs_attach_cids_want(const struct zs_attach_cids *pool);

#endif
