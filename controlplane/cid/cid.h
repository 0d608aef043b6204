/* The relay's connection IDs (docs/PROTOCOL.md, Connection IDs): which QUIC-LB configurations live, and what is minted
 * under them. Durable in the store; the configurations are published in the sessions segment, from which workers decode.
 * Loop thread alone; nothing here reads a clock: the time is what zs_cids_advance said last, Unix time.
 *
 * A configuration is named by its rotation bits. It decodes from the moment it is here, is minted from once it has been
 * here (and at the other PoPs) for cids.stage_s, and is withdrawn cids.live_s after one that replaces it began; its number
 * rests for cids.rest_s then. Nonces never repeat for an attachment under a configuration, whoever owns it: they are
 * reserved durably in blocks before the first of a block is given out. */
#ifndef ZS_CONTROLPLANE_CID_CID_H
#define ZS_CONTROLPLANE_CID_CID_H

#include "control.h"
#include "base/random.h"
#include "relay/cidset.h"
#include "shm/sessions.h"

#define ZS_CIDS_BATCH  64
#define ZS_CIDS_BLOCK  4096 /* nonces a synced write reserves */
#define ZS_CIDS_EXPORT 2048 /* most bytes of an export */

struct zs_cids;

/* Adopts what the store has, else makes the first configuration; then configurations that the segment alone still knows (the
 * store was lost) are withdrawn. `shm` is written to as long as this lives. */
int zs_cids_new(struct zs_cids **out, struct zs_control *c, struct zs_random random, struct zs_sessions *shm,
		uint64_t wall_s, struct zs_error *err);
void zs_cids_delete(struct zs_cids *s);
/* Each second or so. true: a configuration was withdrawn, which the edges should hear (zs_cids_retired). */
bool zs_cids_advance(struct zs_cids *s, uint64_t wall_s);

struct zs_cids_batch {
	uint32_t count;
	uint8_t rotation;
	uint64_t expires_s;
	uint8_t cid[ZS_CIDS_BATCH][ZS_CID];
};
/* `count` up to ZS_CIDS_BATCH, all or nothing. -ENOSPC: the configuration's nonces for this attachment are spent; else the
 * store's error. What was reserved and not given out is lost. */
int zs_cids_mint(struct zs_cids *s, uint32_t attachment, uint16_t generation, uint32_t count,
		 struct zs_cids_batch *out);
/* Bit n: configuration n was withdrawn and its number rests; who has connection IDs of it throws them away. */
uint8_t zs_cids_retired(const struct zs_cids *s);
void zs_cids_decode(const struct zs_cids *s, const uint8_t cid[ZS_CID], struct zs_cid *out);

/* --- by command --- */

enum zs_cids_state { ZS_CIDS_STAGED, ZS_CIDS_MINTING, ZS_CIDS_DECODING, ZS_CIDS_RESTING };
struct zs_cids_info {
	uint8_t rotation;
	enum zs_cids_state state;
	char name[17];		     /* of its key, for people: it tells nothing of it */
	bool mints;		     /* false: imported, and too old for this relay to mint from */
	uint64_t created_s, start_s; /* start: of minting */
	uint64_t end_s;		     /* when it is withdrawn, or its number is free again; 0: not foreseen */
};
const char *zs_cids_state_name(enum zs_cids_state state);
/* false: this number was never used, or is free again. */
bool zs_cids_info(const struct zs_cids *s, uint8_t rotation, struct zs_cids_info *out);

/* A new configuration, durable and decoded at once. -EBUSY: no number is free; err says until when. */
int zs_cids_rotate(struct zs_cids *s, uint8_t *rotation, struct zs_error *err);
/* All live configurations with their keys as text; its length. The caller wipes it. */
size_t zs_cids_export(const struct zs_cids *s, char out[ZS_CIDS_EXPORT]);
struct zs_cids_imported {
	uint8_t added, known; /* bit masks of rotations */
};
/* What another PoP exported: all of it or nothing. -EINVAL: no export, or damaged; -EEXIST: a number means another key here;
 * -EPERM: the file is of a PoP with our own number, or from the future. */
int zs_cids_import(struct zs_cids *s, const char *text, size_t len, struct zs_cids_imported *out,
		   struct zs_error *err);

/* Walker for tests: 0, or -EUCLEAN and *where set. */
int zs_cids_walk(const struct zs_cids *s, const char **where);

#endif
