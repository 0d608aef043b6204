/* Answers without state (RFC 9000 §6, §8.1.2, §10.2.1, §10.3) that wait for a pull. No clock, fixed memory.
 * Private to lib/p2p/quic. */
#ifndef ZS_P2P_QUIC_REPLY_H
#define ZS_P2P_QUIC_REPLY_H

#include "base/gcra.h"
#include "p2p/prefix.h"
#include "p2p/quic.h"

#define ZS_REPLIES	 64   /* waiting at once; the second half is Retry's */
#define ZS_REPLY	 544  /* version negotiation with two connection IDs of 255 bytes is 525 */
#define ZS_RESET_SOURCES 4096 /* whose resets are counted at once */

struct zs_reply {
	struct zs_endpoint peer, local;
	uint32_t ifindex;
	uint16_t len;
	uint8_t bytes[ZS_REPLY];
};

struct zs_replies {
	struct zs_gcra bucket[ZS_REPLY_KINDS];
	struct zs_gcra_rate rate[ZS_REPLY_KINDS];
	struct zs_prefix_rates resets;
	uint64_t held[ZS_REPLY_KINDS];
	uint32_t head, count;
	struct zs_reply queue[ZS_REPLIES];
};

/* `key`: random per start. -ENOMEM */
int zs_replies_init(struct zs_replies *r, const struct zs_quic_config *config, const uint64_t key[2]);
void zs_replies_free(struct zs_replies *r); /* all-zero is fine */
/* Room of ZS_REPLY bytes, to be filled and committed before the next call; NULL: held back, and counted. */
uint8_t *zs_reply_room(struct zs_replies *r, enum zs_reply_kind kind, const struct zs_addr *to, uint64_t now);
/* `to`: the datagram it answers. */
void zs_reply_commit(struct zs_replies *r, const struct zs_udp_datagram *to, size_t len);
/* The oldest, its bytes in buf (≥ ZS_REPLY); its length, 0: there is none. */
size_t zs_reply_take(struct zs_replies *r, struct zs_udp_datagram *out, uint8_t *buf);

#endif
