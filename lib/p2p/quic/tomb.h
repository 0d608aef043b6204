/* What is left of a closed connection for a while (RFC 9000 §10.2): its connection IDs, so that late
 * packets start nothing, and the packet that closed it, repeated ever more rarely. Bounded: the
 * oldest goes first. Private to lib/p2p/quic. */
#ifndef ZS_P2P_QUIC_TOMB_H
#define ZS_P2P_QUIC_TOMB_H

#include <ngtcp2/ngtcp2.h>
#include "p2p/quic/cid.h"

#define ZS_TOMB_PACKET 512 /* a longer close packet is not kept */

struct zs_tomb;
struct zs_tombs {
	struct zs_tomb *oldest, *newest;
	struct zs_cids *cids;
	uint32_t count, max;
	uint64_t lifetime;
};

/* `cids` must still be the connection's in the table: their entries become the tombstone's. Packet of length 0: the
 * peer closed, nothing is ever answered. Without memory the entries are taken out. */
void zs_tombs_add(struct zs_tombs *t, const ngtcp2_cid *cids, size_t count, const void *conn,
		  const void *packet, size_t len, uint64_t now);
/* A packet for it came: the bytes to answer with, NULL for silence. */
const uint8_t *zs_tomb_knock(struct zs_tomb *tomb, size_t *len);
void zs_tombs_expire(struct zs_tombs *t, uint64_t now);
uint64_t zs_tombs_deadline(const struct zs_tombs *t);
void zs_tombs_free(struct zs_tombs *t);

#endif
