/* What we know of peers: addresses by how well they are known, their signed record, protocols and agent.
 * Bounded in peers and in bytes of each; forgotten first is who was merely learnt, longest untouched.
 * Addresses are multiaddr bytes that went through the gater; the store does not read them. The signed
 * record was verified by the caller. One thread, no clock, no files: records of bytes go out and in.
 *
 * Times are monotonic and not stored: a record holds what is left of an address's life. A clock that steps
 * back never prolongs a life beyond that of its class. */
#ifndef ZS_P2P_PEERSTORE_H
#define ZS_P2P_PEERSTORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "p2p/pb.h"
#include "p2p/peertable.h"

#define ZS_PEERSTORE_ADDRESSES 16  /* of one peer */
#define ZS_PEERSTORE_ADDRESS   128 /* bytes of one: a WebTransport address with two certificate hashes fits */
#define ZS_PEERSTORE_ENVELOPE  2048 /* signed record */
#define ZS_PEERSTORE_PROTOCOLS 2048 /* all of them, each with its end */
#define ZS_PEERSTORE_AGENT     64   /* with its end; longer is cut */
/* The longest exported record. */
#define ZS_PEERSTORE_RECORD                                                                                  \
	(64 + ZS_PEER_ID + ZS_PEERSTORE_ENVELOPE + ZS_PEERSTORE_PROTOCOLS + ZS_PEERSTORE_AGENT +             \
	 ZS_PEERSTORE_ADDRESSES * (ZS_PEERSTORE_ADDRESS + 16))

/* How an address is known; a better one replaces a worse one and lives longer. */
enum zs_known {
	ZS_KNOWN_LEARNT,    /* told by anybody */
	ZS_KNOWN_RECENT,    /* was connected there lately */
	ZS_KNOWN_CONNECTED, /* is connected: lives until that ends */
	ZS_KNOWN_PERMANENT, /* configured: lives until removed */
	ZS_KNOWN_CLASSES
};

struct zs_peer_address {
	uint8_t bytes[ZS_PEERSTORE_ADDRESS];
	uint8_t len, known;			    /* enum zs_known */
	bool certified;				    /* in the peer's signed record */
	uint16_t failures;			    /* since the last success */
	uint64_t until_ns, succeeded_ns, failed_ns; /* 0: never */
};

struct zs_peer_info {
	struct zs_peer_address address[ZS_PEERSTORE_ADDRESSES];
	uint32_t addresses;
	uint64_t seq; /* of the signed record */
	uint8_t *envelope;
	char *protocols; /* one after the other, each with its end */
	uint16_t envelope_len, protocols_len;
	char agent[ZS_PEERSTORE_AGENT];
};

struct zs_peerstore_config {
	uint32_t peers;
	uint64_t learnt_ns, recent_ns; /* lives */
	uint64_t key[2];	       /* random per start */
};
struct zs_peerstore;

void zs_peerstore_defaults(struct zs_peerstore_config *config);			 /* but for the key */
struct zs_peerstore *zs_peerstore_new(const struct zs_peerstore_config *config); /* NULL: no memory */
void zs_peerstore_delete(struct zs_peerstore *s);

/* An address, new or known again. -EINVAL: empty or too long; -ENOSPC: no room but for better known ones;
 * as from all below: nothing is changed on failure. */
int zs_peerstore_learn(struct zs_peerstore *s, const struct zs_peer_id *peer, struct zs_span address,
		       enum zs_known known, uint64_t now_ns);
/* A verified signed record and its addresses. Its older certified addresses go, unless better known.
 * -ESTALE: a newer one, or another of the same seq, is here. -EINVAL, -ENOSPC, -ENOMEM. */
int zs_peerstore_certify(struct zs_peerstore *s, const struct zs_peer_id *peer, uint64_t seq,
			 struct zs_span envelope, const struct zs_span *addresses, uint32_t count,
			 uint64_t now_ns);
/* What identify said; protocols as in zs_peer_info. -EINVAL, -ENOSPC, -ENOMEM. */
int zs_peerstore_describe(struct zs_peerstore *s, const struct zs_peer_id *peer, const char *protocols,
			  size_t len, const char *agent);
/* The last connection is gone: CONNECTED becomes RECENT. */
void zs_peerstore_disconnected(struct zs_peerstore *s, const struct zs_peer_id *peer, uint64_t now_ns);
/* How a dial to a stored address ended. */
void zs_peerstore_dialled(struct zs_peerstore *s, const struct zs_peer_id *peer, struct zs_span address,
			  bool succeeded, uint64_t now_ns);
void zs_peerstore_forget(struct zs_peerstore *s, const struct zs_peer_id *peer);
/* The peer without what has expired, NULL: unknown. Good until the next call that changes the store. */
const struct zs_peer_info *zs_peerstore_get(struct zs_peerstore *s, const struct zs_peer_id *peer,
					    uint64_t now_ns);
/* Drops expired addresses and peers left without any; looks at `budget` peers, the next call at those after. */
void zs_peerstore_expire(struct zs_peerstore *s, uint64_t now_ns, uint32_t budget);
uint32_t zs_peerstore_count(const struct zs_peerstore *s);
bool zs_peerstore_check(const struct zs_peerstore *s); /* for tests */

/* For who keeps records on a disk: a peer has a place, a number below config.peers, as long as it is known. Tells of `max`
 * places at most whose record is another than the last one told, those that wait longest first; len 0: nobody is there any
 * more. Prolonged lives alone are no change. Returns how many it told: fewer than `max` when none is left. */
typedef void zs_peerstore_put_fn(void *ctx, uint32_t place, const void *record, size_t len);
uint32_t zs_peerstore_export(struct zs_peerstore *s, uint64_t now_ns, uint32_t max, zs_peerstore_put_fn *put,
			     void *ctx);
/* The record of a place could not be kept: it is told again. Beyond the places: nothing. */
void zs_peerstore_changed(struct zs_peerstore *s, uint32_t place);
/* One record back, from this place or beyond all; before anything else is known of its peer, lowest place first. What is not in
 * its place then is told as a change, the emptied place too. -EBADMSG: damaged or of another version; -EEXIST, -ENOSPC, -ENOMEM. */
int zs_peerstore_import(struct zs_peerstore *s, uint32_t place, const void *record, size_t len,
			uint64_t now_ns);

#endif
