/* Where a session's edge is (docs/PROTOCOL.md, Roaming): data go to the current place; a new one is pending until the
 * ECHO of a PROBE that went there comes from there. So nobody aims an edge's downloads at a third party, and what an
 * unproven place gets is one PROBE a second at most, never more bytes than came from it. Sans-I/O; plain data that may
 * lie in shared memory; one writer. Only authentic packets come here. A PROBE of the edge is answered with ECHO only when it
 * comes from the current place, or the edge would aim ECHOs. */
#ifndef ZS_RELAY_ROAM_H
#define ZS_RELAY_ROAM_H

#include "base/random.h"
#include "relay/tunnel.h"

#define ZS_ROAM_PROBE                                                                                        \
	(ZS_TUNNEL_OVERHEAD +                                                                                \
	 ZS_TUNNEL_PROBE) /* bytes of an unpadded PROBE, and the least that asks for one */
#define ZS_ROAM_PACE_NS	 1000000000ull
#define ZS_ROAM_LAPSE_NS (3 * 1000000000ull)

/* A remote endpoint as one of our own addresses sees it; `local` is the caller's number of that one. */
struct zs_roam_place {
	struct zs_endpoint remote;
	uint16_t local;
};

/* All zero: nowhere yet. */
struct zs_roam {
	struct zs_roam_place current, pending;
	uint8_t has_current, has_pending;
	uint8_t pad[6];
	uint64_t heard_ns;		/* last packet from the pending place */
	uint64_t next_ns;		/* no PROBE before */
	uint8_t nonce[ZS_TUNNEL_PROBE]; /* of the pending place's PROBEs, as long as it is pending */
};
_Static_assert(sizeof(struct zs_roam) == 72, "no holes: it may lie in shared memory");

static inline bool zs_roam_at(const struct zs_roam_place *a, const struct zs_roam_place *b)
{
	return a->local == b->local && zs_endpoint_eq(&a->remote, &b->remote);
}

/* A packet of `len` bytes, header and tag included, came from `place`; newest: it has its lane's highest counter.
 * True: send a PROBE with r->nonce, unpadded, to r->pending now. For an ECHO ask zs_roam_echo first. */
bool zs_roam_heard(struct zs_roam *r, const struct zs_roam_place *place, size_t len, bool newest,
		   uint64_t now_ns, const struct zs_random *random);
/* An ECHO came from `place`. True: that place is the current one now, path MTU and all else of the old are void. */
bool zs_roam_echo(struct zs_roam *r, const struct zs_roam_place *place, const uint8_t nonce[ZS_TUNNEL_PROBE],
		  uint64_t now_ns);

#endif
