/* Signed envelopes (libp2p RFC 0002) and peer records (RFC 0003): bytes that a peer id vouches for, apart from
 * the connection they came by. What opens points into the bytes given. Pure; any thread. */
#ifndef ZS_P2P_ENVELOPE_H
#define ZS_P2P_ENVELOPE_H

#include "p2p/multiaddr.h"
#include "p2p/pb.h"

#define ZS_ENVELOPE_TYPE     64	  /* longest payload type; those in use have 2 to 29 bytes */
#define ZS_ENVELOPE_MAX	     8192 /* longest envelope: identify's message */
#define ZS_PEER_RECORD_ADDRS 64	  /* addresses kept of a record */

/* What an envelope is for: the domain is signed and not sent, the type both. */
struct zs_envelope_kind {
	const char *domain;
	const uint8_t *type;
	uint8_t type_len;
};

/* Length written, 0 when it does not fit. */
size_t zs_envelope_seal(const struct zs_identity *id, const struct zs_envelope_kind *kind,
			const void *payload, size_t len, void *out, size_t capacity);
/* Opens an envelope of that kind. -EINVAL: malformed or too long, -EPROTOTYPE: of another type, -EBADMSG: the
 * signature does not verify. */
int zs_envelope_open(const void *bytes, size_t len, const struct zs_envelope_kind *kind,
		     struct zs_public_key *signer, struct zs_span *payload);

struct zs_peer_record {
	struct zs_peer_id peer;
	uint64_t seq;
	uint32_t addrs;
	uint32_t left_out; /* addresses beyond ZS_PEER_RECORD_ADDRS */
	struct zs_span addr[ZS_PEER_RECORD_ADDRS];
};

/* Our own record in its envelope; its length, 0 when it does not fit. */
size_t zs_peer_record_seal(const struct zs_identity *id, uint64_t seq, const struct zs_multiaddr *addrs,
			   size_t n, void *out, size_t capacity);
/* Opens a record, go's form and the older one that rust sends. Errors of zs_envelope_open, and -EKEYREJECTED: signed
 * by another key than the one it speaks of. Addresses are not judged: zs_multiaddr_decode does. */
int zs_peer_record_open(struct zs_peer_record *out, const void *bytes, size_t len);

#endif
