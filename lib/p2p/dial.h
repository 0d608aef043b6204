/* Which address of which peer to dial next: a planner that opens nothing itself. A peer is dialled once,
 * whoever asks joins; its addresses are ranked and started one after another (RFC 8305, 250 ms apart, at
 * once after a failure) until one wins. What failed is left alone for a while, address and peer.
 * The caller has put every candidate through the gater. One thread, no clock; fixed memory. */
#ifndef ZS_P2P_DIAL_H
#define ZS_P2P_DIAL_H

#include <stdbool.h>
#include <stdint.h>
#include "base/random.h"
#include "net/addr.h"
#include "p2p/peerid.h"

#define ZS_DIAL_CANDIDATES 16 /* of one peer; more are not looked at */
#define ZS_DIAL_NEVER	   UINT64_MAX

struct zs_dial_candidate {
	struct zs_endpoint endpoint;
	uint8_t transport;     /* 0 is preferred (QUIC v1), then 1, … */
	uint64_t succeeded_ns; /* last success there, 0: never */
	uint32_t tag;	       /* the caller's */
};

struct zs_dial_config {
	uint32_t dials;	   /* peers dialled at once, at most 65535 */
	uint32_t parallel; /* attempts of one peer in flight */
	uint64_t stagger_ns;
	uint64_t recent_ns; /* a success counts as recent for so long */
	uint64_t address_base_ns, address_max_ns, peer_base_ns, peer_max_ns; /* back-off */
	uint32_t remembered; /* failed addresses, and as many peers */
	uint64_t key[2];     /* random per start */
	struct zs_random random;
};

struct zs_dial_attempt {
	uint32_t dial, attempt; /* attempt: 0..ZS_DIAL_CANDIDATES-1 */
	struct zs_peer_id peer;
	struct zs_dial_candidate candidate;
};

enum zs_dial_state {
	ZS_DIAL_GOING, /* others are in flight or to come */
	ZS_DIAL_WON,   /* over: drop the attempts of *others */
	ZS_DIAL_LOST,  /* over: no address is left */
	ZS_DIAL_STALE, /* this dial was over before: drop the connection */
};

struct zs_dialer;

void zs_dial_defaults(struct zs_dial_config *config);		      /* but for key and random */
struct zs_dialer *zs_dialer_new(const struct zs_dial_config *config); /* NULL: no memory */
void zs_dialer_delete(struct zs_dialer *d);

/* Asks for a connection to `peer`. 0: a new dial; 1: joined the one under way, whose candidates stay. -EAGAIN: backing off until
 * *retry_ns (`insist`, for people, skips that); -EADDRNOTAVAIL: no candidate; -EBUSY: too many dials. */
int zs_dial_start(struct zs_dialer *d, const struct zs_peer_id *peer,
		  const struct zs_dial_candidate *candidates, uint32_t count, bool insist, uint64_t now_ns,
		  uint32_t *dial, uint64_t *retry_ns);
/* The next attempt to begin now; call until it gives none. */
bool zs_dial_next(struct zs_dialer *d, uint64_t now_ns, struct zs_dial_attempt *out);
/* When to call zs_dial_next again, at most a stagger from now; ZS_DIAL_NEVER: not before something else happens. */
uint64_t zs_dial_deadline(const struct zs_dialer *d, uint64_t now_ns);
/* How an attempt ended. *others: attempts still in flight, bit n is attempt n; 0 but for ZS_DIAL_WON. */
enum zs_dial_state zs_dial_result(struct zs_dialer *d, uint32_t dial, uint32_t attempt, bool succeeded,
				  uint64_t now_ns, uint32_t *others);
/* One who asked no longer wants it. True: it was the last, the dial is over; *others as above. */
bool zs_dial_cancel(struct zs_dialer *d, uint32_t dial, uint32_t *others);
/* The peer connected by itself: its dial, if there is one, is over. */
bool zs_dial_settle(struct zs_dialer *d, const struct zs_peer_id *peer, uint32_t *dial, uint32_t *others);
uint32_t zs_dial_count(const struct zs_dialer *d);

#endif
