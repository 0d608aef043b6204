/* Tunnels in the state segment: what must outlive the dataplane's process. Index = slot of the session, which the
 * sessions segment and the receiver id share.
 *
 * A worker's lane toward a session is that worker's own. All that comes from an edge, on whatever lane, is its session's
 * owner's: the worker that claimed the slot. It alone writes struct zs_tunnel_session and the session's
 * windows; others read `path`, and hand datagrams over. A claim of a worker that does not run is free.
 *
 * Everything carries the tag of the session it was made for, so that the next one in the slot begins with nothing.
 * Secrets are not here: keys are derived again from the session's root. */
#ifndef ZS_SHM_TUNNELS_H
#define ZS_SHM_TUNNELS_H

#include "relay/lane.h"
#include "relay/pmtu.h"
#include "relay/roam.h"
#include "relay/window.h"
#include "shm/seqlock.h"
#include "shm/sessions.h"

#define ZS_WINDOWS     8192 /* unless configured: 8.5 MiB here, and 32 of keys in the process */
#define ZS_WINDOWS_MAX (1u << 24)

/* One worker's lane toward one session. */
struct zs_tunnel_lane {
	uint64_t tag;
	struct zs_lane_store store;
};

/* Where a session's datagrams go. */
struct zs_tunnel_path {
	_Atomic uint32_t seq;
	struct zs_endpoint to; /* validated; port 0: none yet */
	uint8_t local;	       /* index of the own address that the edge speaks to */
	uint8_t pad;
	uint16_t size; /* longest datagram known to pass, header and tag included */
	uint8_t pad2[6];
};
_Static_assert(sizeof(struct zs_tunnel_path) == 32, "half a line");

/* The first line is all that a datagram in its turn reads, if it came on lane 0 or 1. */
struct zs_tunnel_session {
	struct zs_tunnel_path path;
	uint64_t tag;		/* of the session that this is about */
	_Atomic uint32_t owner; /* worker + 1; 0: nobody yet */
	uint8_t ended;		/* by the edge's CLOSE or too many failed tags */
	uint8_t heard;		/* an authentic datagram came */
	uint8_t pad[2];
	uint64_t heard_ms;		  /* when, to about a second */
	uint32_t window[ZS_TUNNEL_LANES]; /* index + 1; 0: the lane is unseen */
	struct zs_roam roam;
	struct zs_pmtu pmtu;
} __attribute__((aligned(64)));
_Static_assert(offsetof(struct zs_tunnel_session, window[2]) == 64, "lanes 0 and 1 lie on the first line");

/* Tells sessions apart that follow each other in a slot; never 0. */
uint64_t zs_tunnel_tag(const struct zs_session *v);
/* The lane's store for this session, empty when the slot's last one was another. Its worker alone. */
struct zs_lane_store *zs_tunnel_lane_take(struct zs_tunnel_lane *l, uint64_t tag);
/* Any worker: who owns the slot now; the caller, when nobody running did (`workers` run). */
uint32_t zs_tunnel_claim(struct zs_tunnel_session *t, uint32_t worker, uint32_t workers);
/* Owner (or nobody running): nothing is taken from or sent to this session any more. */
void zs_tunnel_end(struct zs_tunnel_session *t);
/* A whole copy of the path. false: there is none, or it is another session's. */
bool zs_tunnel_path_get(const struct zs_tunnel_session *t, uint64_t tag, struct zs_tunnel_path *out);

#endif
