/* Messages of identify 1.0.0 and identify/push 1.0.0: what a peer says of itself. A peer may split what it has to
 * say over several messages, read until the end of the stream and merged: lists are joined, of a single field
 * the last one holds. Everything received is bounded; what it means (is the key the connection's, may an
 * address be dialled) is the caller's to judge. Pure but for memory; one thread an object. */
#ifndef ZS_P2P_IDENTIFY_H
#define ZS_P2P_IDENTIFY_H

#include "p2p/multiaddr.h"
#include "p2p/pb.h"

#define ZS_IDENTIFY_MESSAGE   8192 /* longest message taken: what go and js take */
#define ZS_IDENTIFY_OWN	      4096 /* longest one sent: rust takes no more */
#define ZS_IDENTIFY_MESSAGES  10   /* merged at most */
#define ZS_IDENTIFY_ADDRS     64   /* kept at most, the rest is counted */
#define ZS_IDENTIFY_PROTOCOLS 256

/* What is to be said; NULL or 0 leaves a field out. All by reference. */
struct zs_identify_own {
	const struct zs_public_key *key;
	const struct zs_multiaddr *addrs;
	size_t addrs_n;
	const char *const *protocols;
	size_t protocols_n;
	const struct zs_multiaddr *observed;
	const char *protocol_version, *agent;
	struct zs_span record; /* zs_peer_record_seal */
};

/* The message without its length on the stream; 0: longer than `capacity` or ZS_IDENTIFY_OWN. */
size_t zs_identify_encode(const struct zs_identify_own *own, void *out, size_t capacity);

/* Bytes of a field in the object's store. */
struct zs_identify_field {
	uint32_t at, len;
};

struct zs_identify {
	uint8_t *store; /* the messages, one behind the other */
	uint32_t len;
	uint16_t messages, addrs, protocols;
	uint32_t left_out; /* addresses and protocols beyond the limits */
	struct zs_identify_field key, observed, protocol_version, agent, record; /* len 0: absent */
	struct zs_identify_field addr[ZS_IDENTIFY_ADDRS], protocol[ZS_IDENTIFY_PROTOCOLS];
};

void zs_identify_init(struct zs_identify *id);
void zs_identify_free(struct zs_identify *id);
/* Merges one message. -EMSGSIZE: it is too long, -E2BIG: there are too many, -EINVAL: malformed, -ENOMEM; nothing is
 * changed then. */
int zs_identify_merge(struct zs_identify *id, const void *message, size_t len);
/* Valid until the next merge or free. */
struct zs_span zs_identify_span(const struct zs_identify *id, struct zs_identify_field field);

#endif
