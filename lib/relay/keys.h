/* Keys of an attachment's session (docs/PROTOCOL.md, Keys): from the TLS exporter's secret S to the key and
 * IV of a lane and epoch, and of BIND. Pure; any thread. Secrets are the caller's to wipe. */
#ifndef ZS_RELAY_KEYS_H
#define ZS_RELAY_KEYS_H

#include <stddef.h>
#include <stdint.h>

#include "crypto/gcm.h"

#define ZS_ATTACH_EXPORTER "EXPORTER-zerostate-attach" /* label of S; its context is the transcript */
#define ZS_ATTACH_HASH	   32
#define ZS_ATTACH_SECRET   32

/* Who sends: whoever received Hello (the relay), or whoever sent it (the edge). */
enum zs_attach_dir { ZS_ATTACH_DIR_RELAY = 0, ZS_ATTACH_DIR_EDGE = 1 };

struct zs_attach_key {
	uint8_t key[16];
	uint8_t iv[12];
};

/* SHA-256 of a Grant submessage, bytes as on the wire. */
void zs_attach_grant_hash(const void *grant, size_t len, uint8_t hash[ZS_ATTACH_HASH]);
/* h, the exporter's context: over the Hello submessage and the Grant's hash. */
void zs_attach_transcript(const void *hello, size_t len, const uint8_t grant_hash[ZS_ATTACH_HASH],
			  uint8_t h[ZS_ATTACH_HASH]);
/* R of S. psk: 32 bytes or NULL; -EINVAL when it is all zeros, which would mean none. */
int zs_attach_root(const uint8_t s[ZS_ATTACH_SECRET], const uint8_t *psk, uint8_t r[ZS_ATTACH_SECRET]);
/* L(0) of a lane (0–15), and L(e + 1) of L(e); `next` may be `now`. */
void zs_attach_lane(const uint8_t r[ZS_ATTACH_SECRET], enum zs_attach_dir dir, uint8_t lane,
		    uint8_t out[ZS_ATTACH_SECRET]);
void zs_attach_ratchet(const uint8_t now[ZS_ATTACH_SECRET], uint8_t next[ZS_ATTACH_SECRET]);
/* L(epoch) from the start, a ratchet a step: bounded by the caller (ZS_LANE_EPOCHS), not for the burst path. */
void zs_attach_lane_at(const uint8_t r[ZS_ATTACH_SECRET], enum zs_attach_dir dir, uint8_t lane,
		       uint32_t epoch, uint8_t out[ZS_ATTACH_SECRET]);
/* B: requests are the edge's, answers the relay's. */
void zs_attach_bind(const uint8_t r[ZS_ATTACH_SECRET], enum zs_attach_dir dir, uint8_t out[ZS_ATTACH_SECRET]);
/* AES-128-GCM key and IV of L(e) or B, as bytes and ready to use. */
void zs_attach_key(const uint8_t x[ZS_ATTACH_SECRET], struct zs_attach_key *out);
void zs_attach_gcm_key(const struct zs_gcm_engine *e, const uint8_t x[ZS_ATTACH_SECRET],
		       struct zs_gcm_key *out);

#endif
