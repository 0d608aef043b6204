/* Path MTU of a tunnel by padded PROBEs toward a validated peer (DPLPMTUD, RFC 8899). Sizes are bytes of the UDP
 * payload: header, tag and padding included. Sans-I/O; one a session and place: a new place starts anew. */
#ifndef ZS_RELAY_PMTU_H
#define ZS_RELAY_PMTU_H

#include "base/random.h"
#include "relay/tunnel.h"

#define ZS_PMTU_BASE                                                                                         \
	(1200 + ZS_TUNNEL_OVERHEAD) /* a QUIC datagram (RFC 9000 §14): 1,280 with IPv6, 1,260 with IPv4 */
#define ZS_PMTU_TRIES	   3
#define ZS_PMTU_GRAIN	   8 /* the search ends when it knows the path this well */
#define ZS_PMTU_TIMEOUT_NS 1000000000ull
#define ZS_PMTU_CONFIRM_NS                                                                                   \
	(30 * 1000000000ull) /* a path that shrank without a word is found within this and 3 tries */
#define ZS_PMTU_RAISE_NS (600 * 1000000000ull) /* RFC 8899 §5.1.1 */
#define ZS_PMTU_AGAIN_NS                                                                                     \
	(60 * 1000000000ull) /* the base is tried again on a path that was too small for it */

enum zs_pmtu_state {
	ZS_PMTU_BASING, /* is the base carried? */
	ZS_PMTU_SEARCHING,
	ZS_PMTU_DONE,
	ZS_PMTU_SMALL, /* not even the base, or the path is dead: the caller knows whether it hears the peer */
};

struct zs_pmtu {
	uint64_t due_ns;   /* what zs_pmtu_due waits for */
	uint64_t raise_ns; /* DONE: search anew then */
	uint32_t size;	   /* confirmed; before: the base */
	uint32_t above;	   /* smallest size that is known, or taken, not to pass */
	uint32_t most;	   /* what our own interface carries */
	uint32_t probing;  /* size of the PROBE that is out; 0 = none */
	uint8_t state;	   /* enum zs_pmtu_state */
	uint8_t tries;
	uint8_t nonce[ZS_TUNNEL_PROBE];
	uint8_t pad[6];
};

/* `most`: longest UDP payload of our own interface; below the base it ends in ZS_PMTU_SMALL. */
void zs_pmtu_start(struct zs_pmtu *p, uint32_t most, uint64_t now_ns);
/* Size of the PROBE to send now, p->nonce its 8 bytes, zeros up to the size; 0 = none. Ask at p->due_ns. */
uint32_t zs_pmtu_due(struct zs_pmtu *p, uint64_t now_ns, const struct zs_random *random);
/* An authentic ECHO from the peer. True: it was of this one's PROBE. */
bool zs_pmtu_echo(struct zs_pmtu *p, const uint8_t nonce[ZS_TUNNEL_PROBE], uint64_t now_ns);
/* Our own stack refused a datagram of `size` (EMSGSIZE): no need to wait for three losses. */
void zs_pmtu_refused(struct zs_pmtu *p, uint32_t size, uint64_t now_ns);

#endif
