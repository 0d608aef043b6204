/* The relay's own connection IDs (docs/PROTOCOL.md, Connection IDs) under every configuration that is live: 17 bytes,
 *
 *   rotation 3 bits ‖ length 16 in 5 bits ‖ AES-128-ECB( PoP 4, attachment 4, generation 2, zero 2, nonce 4 )
 *
 * Decoding takes a burst: one batch of AES blocks, whatever configurations are met in it. A connection ID is an address, no proof:
 * who has seen one can send to it. Pure; a set has one writer, which is its reader too (a worker has its own). */
#ifndef ZS_RELAY_CIDSET_H
#define ZS_RELAY_CIDSET_H

#include "crypto/aes.h"
#include "net/drop.h"

#define ZS_CID		 17
#define ZS_CID_ROTATIONS 7  /* configurations at once; rotation 7 is unroutable */
#define ZS_CID_BURST	 64 /* most at once */

enum zs_cid_verdict {
	ZS_CID_OK,
	ZS_CID_SHORT,	 /* fewer than 17 bytes */
	ZS_CID_ROTATION, /* 7: made to be routed by nobody */
	ZS_CID_LENGTH,	 /* the length bits do not say 16 */
	ZS_CID_CONFIG,	 /* no such configuration is live */
	ZS_CID_ZEROS,	 /* its zero bytes are not zero: not ours, or of a key that was replaced */
};

struct zs_cid {
	uint8_t verdict; /* enum zs_cid_verdict; the other members hold for ZS_CID_OK alone */
	uint8_t rotation;
	uint16_t generation;
	uint32_t pop, attachment, nonce;
};
_Static_assert(sizeof(struct zs_cid) == 16, "four a line");

struct zs_cidset {
	const struct zs_aes_engine *engine;
	uint8_t live; /* bit n: configuration n */
	struct zs_aes key[ZS_CID_ROTATIONS];
};

/* Where a packet's connection ID starts, and how many bytes are there: of a short header all that is left of the payload. */
struct zs_cid_ref {
	const uint8_t *at;
	uint32_t len;
};

/* Empty. `engine`: zs_aes_best(), or a test's choice. */
void zs_cidset_init(struct zs_cidset *set, const struct zs_aes_engine *engine);
/* key NULL: withdraws it, and wipes the key. `rotation` below ZS_CID_ROTATIONS. */
void zs_cidset_put(struct zs_cidset *set, uint8_t rotation, const uint8_t *key);

/* n up to ZS_CID_BURST. Reads nothing at or beyond at + len. */
void zs_cidset_decode(const struct zs_cidset *set, const struct zs_cid_ref *refs, size_t n,
		      struct zs_cid *out);
/* Under cid->rotation, which must be live; verdict is not looked at. No (PoP, attachment, generation, nonce) may come twice
 * under a key. */
void zs_cidset_encode(const struct zs_cidset *set, const struct zs_cid *cid, uint8_t out[ZS_CID]);

/* The drop that a verdict is, ZS_CID_OK has none. Not for the hot path. */
enum zs_drop zs_cid_drop(enum zs_cid_verdict verdict);

#endif
