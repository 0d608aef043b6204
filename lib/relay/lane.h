/* The sender's half of a tunnel's lane: counters, epochs, the ratchet. One lane is one worker's; two never share a
 * counter. What must outlive the process is struct zs_lane_store, in the caller's shared memory; keys are derived
 * again from R. Counters run on across epochs and a stored block is never used twice, so no (key, nonce) repeats
 * wherever the process is killed. */
#ifndef ZS_RELAY_LANE_H
#define ZS_RELAY_LANE_H

#include "relay/keys.h"
#include "relay/tunnel.h"

#define ZS_LANE_BLOCK	65536	     /* counters a store; at most that many are lost by a restart */
#define ZS_LANE_RATCHET (1ull << 26) /* packets a key; RFC 9001 §6.6 allows 2^28 at 2^11 bytes each */
#define ZS_LANE_LONG	2048	     /* with datagrams longer than this … */
#define ZS_LANE_LONG_BY 4	     /* … 2^4 times fewer */
#define ZS_LANE_EPOCHS	65536	     /* then the lane is spent: a session lives an hour, this lasts days */

/* All zero is a new lane. Written by the lane's worker alone, in the order that any kill may cut. */
struct zs_lane_store {
	uint64_t end;	/* no counter from here on was ever used */
	uint64_t first; /* first counter of the epoch; 0 = 1 */
	uint32_t epoch;
	uint32_t longs; /* the epoch carried a datagram above ZS_LANE_LONG */
	uint64_t pad;
};
_Static_assert(sizeof(struct zs_lane_store) == 32, "two in a line");

/* Worker-private; the first line is what a packet touches, besides its key. Secrets: zs_lane_wipe. */
struct zs_lane {
	_Alignas(64) struct zs_lane_store *store;
	uint64_t next; /* the next packet's counter */
	uint64_t end;  /* stored: below it needs no store */
	uint64_t turn; /* at this counter the next epoch starts */
	uint64_t ratchet;
	uint32_t epoch;
	uint8_t ready; /* the next epoch's key is there */
	uint8_t number;
	uint8_t pad[18];
	struct zs_gcm_key key[2];	  /* of the epoch's lowest bit */
	uint8_t secret[ZS_ATTACH_SECRET]; /* of the newest key */
};

/* What a packet goes out with. */
struct zs_lane_stamp {
	uint64_t counter;
	const struct zs_gcm_key *key; /* good until zs_lane_prepare */
	uint8_t epoch;		      /* low 3 bits */
};

/* Takes up lane `number` where `store` has it; both keys are made. `ratchet`: packets a key, 0 = ZS_LANE_RATCHET.
 * `store` and memory are the caller's. -ERANGE: the lane is spent, only a new session helps. */
int zs_lane_init(struct zs_lane *l, const struct zs_gcm_engine *e, struct zs_lane_store *store,
		 const uint8_t r[ZS_ATTACH_SECRET], enum zs_attach_dir dir, uint8_t number, uint64_t ratchet);
void zs_lane_wipe(struct zs_lane *l);

/* Burst path: the stamp of a datagram of `len` bytes, header and tag included. tunnel_lane: the key to ratchet to
 * is not prepared, or the lane is spent. */
enum zs_drop zs_lane_next(struct zs_lane *l, size_t len, struct zs_lane_stamp *stamp);

/* Housekeeping, some µs once an epoch: makes the next key when it is missing. Not while a stamp is in use. */
static inline bool zs_lane_wants(const struct zs_lane *l)
{
	return !l->ready;
}
void zs_lane_prepare(struct zs_lane *l, const struct zs_gcm_engine *e);

#endif
