/* Connection IDs that a load balancer can read: QUIC-LB (draft-ietf-quic-load-balancers), one configuration of any lengths.
 *
 *   first octet: rotation 3 bits ‖ length of the rest, or random, 5 bits       then server id ‖ nonce
 *
 * Without a key both stand in clear; with one they are one AES block if they fill it, else four passes over their halves.
 * Pure; any thread. The relay's own layout, in bursts: relay/cidset.h. */
#ifndef ZS_RELAY_QUICLB_H
#define ZS_RELAY_QUICLB_H

#include "crypto/aes.h"

#define ZS_QUICLB_ROTATIONS 7 /* 0–6; 7 is for connection IDs that no balancer can route */
#define ZS_QUICLB_ID_MIN    1
#define ZS_QUICLB_NONCE_MIN 4
#define ZS_QUICLB_MAX	    19 /* server id and nonce */

struct zs_quiclb_config {
	uint8_t rotation, id_len, nonce_len;
	bool length_bits;   /* the low 5 bits of the first octet say how many follow; else they are random */
	const uint8_t *key; /* ZS_AES_KEY bytes; NULL: in clear */
};

struct zs_quiclb {
	uint8_t rotation, id_len, nonce_len;
	bool length_bits, keyed;
	const struct zs_aes_engine *engine;
	struct zs_aes aes;
};

enum zs_quiclb_verdict {
	ZS_QUICLB_OK,
	ZS_QUICLB_SHORT,    /* fewer bytes than the configuration's */
	ZS_QUICLB_ROTATION, /* of another configuration, or of none */
	ZS_QUICLB_LENGTH,   /* the length bits contradict the configuration */
};

/* -EINVAL: lengths or rotation that no configuration may have. `engine`: zs_aes_best(), or a test's choice. The key is the
 * caller's to wipe, in `config` and in `q`. */
int zs_quiclb_init(struct zs_quiclb *q, const struct zs_quiclb_config *config,
		   const struct zs_aes_engine *engine);
static inline size_t zs_quiclb_len(const struct zs_quiclb *q)
{
	return 1u + q->id_len + q->nonce_len;
}

/* Writes zs_quiclb_len() bytes. No (id, nonce) may come twice under a key. `noise`: its low 5 bits stand where the length
 * would. */
void zs_quiclb_encode(const struct zs_quiclb *q, const uint8_t *id, const uint8_t *nonce, uint8_t noise,
		      uint8_t *cid);
/* `len` bytes are there, more may follow the connection ID. nonce NULL: the id alone is wanted, which is one pass less where
 * it ends in the left half. */
enum zs_quiclb_verdict zs_quiclb_decode(const struct zs_quiclb *q, const uint8_t *cid, size_t len,
					uint8_t *id, uint8_t *nonce);

#endif
