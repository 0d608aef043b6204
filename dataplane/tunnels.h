/* A worker's tunnels: which sessions it knows, its lanes toward them, the windows and keys of those it owns. Main
 * makes and unmakes it; all else is the worker's own thread.
 *
 * A session is found by its slot. What the worker has judged of a slot stands in `known`; it holds as long as the sessions segment's
 * change log does not grow, and beyond that while the entry's sequence number is the same, so a packet reads nothing of that
 * segment but the log's head. Keys are made at a session's first packet, a few µs, and ahead of time in housekeeping after that.
 *
 * A datagram in its turn touches, beside its key: half a line of `known`, the session's first line, its window's first. */
#ifndef ZS_DATAPLANE_TUNNELS_H
#define ZS_DATAPLANE_TUNNELS_H

#include "base/prefetch.h"
#include "shm/tunnels.h"
#include "stage/stage.h"

#define ZS_TUNNEL_WANTS	 64 /* keys asked for between two housekeepings; the sweep finds the rest */
#define ZS_TUNNEL_OPENED 1024

/* What this worker knows of a session's slot. */
struct zs_known {
	uint64_t tag;	/* 0: no tunnel of this state segment */
	uint32_t as_of; /* the change log when it was judged (low bits) */
	uint32_t seq;	/* of the entry then */
	uint32_t way;	/* index + 1 */
	uint32_t attachment;
	uint32_t receiver;
	uint16_t generation;
	uint16_t
	    ready; /* lanes of a session of ours, begun under this tag, whose window is there and its keys are made */
};
_Static_assert(sizeof(struct zs_known) == 32, "two in a line");

/* This worker's way to a session. */
struct zs_tunnel_way {
	struct zs_lane lane;
	uint64_t tag;
	uint32_t slot, peer; /* the edge's receiver id */
	uint16_t max_payload;
	struct zs_addr hop_to; /* where the memo's next hop leads */
	struct zs_hop_memo hop;
};

struct zs_tunnels {
	struct zs_gcm_engine engine;
	uint32_t sessions; /* slots of `known` */
	uint32_t ways, ways_left;
	struct zs_known *known;
	struct zs_tunnel_way *way;
	uint32_t *way_free;
	/* By window; all workers share the arrays, an entry is its session's owner's. */
	struct zs_gcm_key *key; /* see zs_tunnel_keys */
	struct zs_window_ratchet *ratchet;
	uint32_t windows;
	uint32_t want_way[ZS_TUNNEL_WANTS], want_window[ZS_TUNNEL_WANTS];
	uint32_t want_ways, want_windows;
	uint32_t sweep;
	uint64_t unseen_tat_ns;
	uint64_t *answer_tat_ns; /* by slot: of what its edge asks and this worker answers */
	struct {
		uint32_t flow, ms;
	} opened[ZS_TUNNEL_OPENED]; /* flows whose OPEN went out lately, by hash */
};

/* Where the keys of a window are. */
static inline struct zs_window_keys zs_tunnel_keys(const struct zs_tunnels *t, uint32_t window)
{
	return (struct zs_window_keys){ &t->ratchet[window], &t->key[window], t->windows };
}

/* Where to send for an attachment. */
struct zs_aim {
	struct zs_tunnel_path path;
	uint64_t tag;
	uint32_t slot;
};

/* Main: memory for all workers, before they start; windows that the run before left are given out. */
int zs_tunnels_open(struct zs_dp *dp, struct zs_error *err);
void zs_tunnels_close(struct zs_dp *dp);

/* The sessions segment is another one. */
void zs_tunnels_forget(struct zs_worker *w);
/* Housekeeping: keys that are wanted, a slice of the sweep. */
void zs_tunnels_keep(struct zs_worker *w);

/* The tag of the session in a slot, or 0. */
uint64_t zs_tunnel_known(struct zs_worker *w, uint32_t slot);
/* As of the sessions segment's change log. */
static inline uint32_t zs_tunnel_as_of(const struct zs_worker *w)
{
	return (uint32_t)zs_changelog_now(&w->sessions->changes);
}
/* What a slot's session is found and judged by is on its way. */
static inline void zs_tunnel_prefetch(const struct zs_worker *w, uint32_t slot)
{
	zs_prefetch(&w->tunnels->known[slot]);
	zs_prefetch(&w->dp->state.tunnel_session[slot]);
}
/* Is it ours, under this receiver id, the lane's window there and its keys made, all as of then? */
static inline bool zs_tunnel_is_ready(const struct zs_worker *w, uint32_t slot,
				      const struct zs_tunnel_head *head, uint32_t as_of)
{
	const struct zs_known *k = &w->tunnels->known[slot];

	return k->as_of == as_of && k->receiver == head->receiver && k->ready >> head->lane & 1;
}
/* Is it from where the session's edge has proven to be? */
static inline bool zs_tunnel_is_from(const struct zs_tunnel_session *s, const struct zs_endpoint *src,
				     uint8_t local)
{
	return zs_endpoint_eq(&s->path.to, src) && s->path.local == local;
}
/* The newest session of an attachment that has an endpoint. false: none. */
bool zs_tunnel_aim(struct zs_worker *w, uint32_t attachment, uint16_t generation, struct zs_aim *out);
/* Has the attachment a session of a tunnel, with an endpoint or without? */
bool zs_tunnel_serves(struct zs_worker *w, uint32_t attachment, uint16_t generation);
/* The way to a known session, made when it is new. NULL: no room, or the lane is spent. */
struct zs_tunnel_way *zs_tunnel_way(struct zs_worker *w, uint32_t slot, uint64_t tag);
/* After a stamp was taken: has the next key to be made? */
void zs_tunnel_sent(struct zs_worker *w, struct zs_tunnel_way *way);

/* Owner: the session of a slot, begun anew when its tag is another. */
void zs_tunnel_begin(struct zs_worker *w, uint32_t slot, uint64_t tag);
/* Owner: the window of a lane that was seen, its keys made; -1: there is none to be had. */
int64_t zs_tunnel_window(struct zs_worker *w, uint32_t slot, uint64_t tag, uint8_t lane);
/* Owner: an empty window for a lane not seen yet, which is nobody's until zs_tunnel_window_keep; -1: none is left, or
 * too many were asked for lately (*why). */
int64_t zs_tunnel_window_try(struct zs_worker *w, uint32_t slot, uint64_t tag, uint8_t lane,
			     enum zs_drop *why);
void zs_tunnel_window_keep(struct zs_worker *w, uint32_t slot, uint8_t lane, uint32_t window);
void zs_tunnel_window_drop(struct zs_worker *w, uint32_t window);
/* After a window's epoch moved on: the next key is to be made. */
void zs_tunnel_turned(struct zs_worker *w, uint32_t window);

/* Owner, now and then: path MTU, what a session needs by the clock. */
void zs_tunnel_tend(struct zs_worker *w, uint32_t slot, uint64_t tag);

/* --- stage/tunnel_control.c --- */

/* An authentic datagram, as its session's owner hears it. */
struct zs_tunnel_heard {
	const struct zs_tunnel_head *head;
	uint64_t tag;
	uint32_t slot;
	struct zs_roam_place from;
	uint16_t bytes; /* header and tag included */
	bool newest;
};
#define ZS_TUNNEL_HEARD_MS 1000 /* how exactly it is told when an edge was last heard */
/* Owner: it was heard. On the line that its datagram reads anyway, and once a second: with many tunnels that is nearly each. */
static inline void zs_tunnel_came(const struct zs_worker *w, struct zs_tunnel_session *s)
{
	if (ZS_LIKELY(s->heard && w->now_ms - (uint32_t)s->heard_ms < ZS_TUNNEL_HEARD_MS))
		return;
	s->heard_ms = w->now_ns / ZS_NS_PER_MS;
	s->heard = 1;
}
/* From elsewhere than its path: where the edge is; may send a PROBE. */
void zs_tunnel_heard(struct zs_worker *w, const struct zs_tunnel_heard *h);
/* What it says without a flow. ZS_DROPS: it was heard. */
enum zs_drop zs_tunnel_control(struct zs_worker *w, const struct zs_tunnel_heard *h, const uint8_t *payload);
/* By which counter it is consumed. */
enum zs_counter zs_tunnel_counter(uint8_t type);

struct zs_control_out {
	struct zs_tunnel_flow flow;
	uint8_t type;
	const uint8_t *payload; /* `len` bytes, then zeros up to `whole` */
	uint16_t len, whole;
};
/* Makes a control datagram toward aim->path. false: it cannot be sent now, and is not counted as made. */
bool zs_tunnel_send(struct zs_worker *w, const struct zs_aim *aim, const struct zs_control_out *c);
/* Tells the attachment's end of a flow that it ended. */
void zs_tunnel_close(struct zs_worker *w, const struct zs_endpoint *end, uint16_t reason);
/* Answers an OPEN of that end so, within the rate of a session's answers. ZS_DROPS: done, or there is no way to it. */
enum zs_drop zs_tunnel_refuse(struct zs_worker *w, const struct zs_endpoint *end, uint16_t reason);

/* --- stage/tunnel_out.c --- */

/* The next hop of a path, and our own address there. ZS_DROPS: found. */
enum zs_drop zs_tunnel_hop(struct zs_worker *w, struct zs_tunnel_way *way, const struct zs_tunnel_path *path,
			   struct zs_hop *hop, struct zs_endpoint *src);

/* It was the relay's own: counted as consumed, and by `kind`. */
static inline void zs_tunnel_consume(struct zs_worker *w, struct rte_mbuf *m, enum zs_counter kind)
{
	w->count[kind]++;
	zs_consume(w, m);
}

#endif
