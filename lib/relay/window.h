/* The receiver's half of a tunnel's lane: the replay window and the epoch that goes with it. One (receiver id, lane)
 * is one worker's. struct zs_window is plain data in the caller's shared memory and outlives the process; its stores
 * are ordered so that no kill lets a counter be accepted twice. Keys are the process's own.
 *
 * In a burst: zs_window_judge for all, open for all, then zs_window_accept or zs_window_failed one by one; a counter
 * that is twice in a burst passes the judge twice and accept once. */
#ifndef ZS_RELAY_WINDOW_H
#define ZS_RELAY_WINDOW_H

#include <stdatomic.h>

#include "base/check.h"
#include "relay/keys.h"
#include "relay/tunnel.h"

#define ZS_WINDOW_BITS	 8192 /* a counter ≤ highest − this is too old: 1 ms of reordering at 8 M packets/s */
#define ZS_WINDOW_OLD_NS (5 * 1000000000ull) /* how long the previous epoch's key is taken */
/* Failed tags that end a session: 2^52 (RFC 9001 §6.6), an equal share of them a lane. */
#define ZS_WINDOW_FAILED ((1ull << 52) / ZS_TUNNEL_LANES)

/* All zero: an unseen lane, in epoch 0. A datagram in its turn touches the first line alone. */
struct zs_window {
	uint64_t highest; /* accepted; 0 = none */
	uint64_t last;	  /* bits of the 64 counters that `highest` is among */
	uint64_t failed;
	uint64_t old_until_ns; /* monotonic: until then the previous epoch is taken */
	uint32_t epoch;
	uint32_t pad;
	uint64_t pad2[3];
	uint64_t seen[ZS_WINDOW_BITS / 64]; /* those before: bit of counter modulo ZS_WINDOW_BITS */
};
_Static_assert(sizeof(struct zs_window) == 64 + ZS_WINDOW_BITS / 8, "a line and the bits: 17 lines");

/* Of epochs e − 1, e, e + 1, at epoch modulo 4, which the epoch in a header tells before its window is read. */
#define ZS_WINDOW_KEYS 4

/* What the next key is made of. */
struct zs_window_ratchet {
	uint8_t secret[ZS_ATTACH_SECRET]; /* of epoch `newest` */
	uint32_t newest;
	uint32_t loaded; /* 0: there are no keys */
};
/* Where a window's keys are, in the caller's memory. Those of many windows lie together by epoch, so that
 * the ones in use are close to each other: nearly all are of the same epoch or of two. */
struct zs_window_keys {
	struct zs_window_ratchet *ratchet;
	struct zs_gcm_key *key; /* of epoch e: key[e modulo 4 × apart] */
	size_t apart;
};
/* One window's, in one piece. */
struct zs_window_room {
	struct zs_gcm_key key[ZS_WINDOW_KEYS];
	struct zs_window_ratchet ratchet;
};
static inline struct zs_window_keys zs_window_room_keys(struct zs_window_room *r)
{
	return (struct zs_window_keys){ &r->ratchet, r->key, 1 };
}
static inline struct zs_gcm_key *zs_window_key(struct zs_window_keys k, uint32_t epoch)
{
	return &k.key[epoch % ZS_WINDOW_KEYS * k.apart];
}

struct zs_window_pick {
	const struct zs_gcm_key *key; /* good until zs_window_prepare */
	uint32_t epoch;
};

/* Derives the keys for the window's epoch and its neighbours: for a lane that is seen first, or after a restart.
 * -ERANGE: the epoch is none that a sender reaches (ZS_LANE_EPOCHS). */
int zs_window_load(struct zs_window_keys k, const struct zs_gcm_engine *e, const struct zs_window *w,
		   const uint8_t r[ZS_ATTACH_SECRET], enum zs_attach_dir dir, uint8_t lane);
void zs_window_wipe(struct zs_window_keys k);
/* Housekeeping, some µs once an epoch: makes the next epoch's key when the window has moved on. Not while a pick is in use. */
static inline bool zs_window_wants(struct zs_window_keys k, const struct zs_window *w)
{
	return k.ratchet->loaded && k.ratchet->newest <= w->epoch;
}
void zs_window_prepare(struct zs_window_keys k, const struct zs_gcm_engine *e, const struct zs_window *w);

/* Burst path. May this counter still come, and which key opens it? Changes nothing. tunnel_epoch, tunnel_replay;
 * tunnel_receiver when the lane's failed tags have ended the session. */
enum zs_drop zs_window_judge_any(const struct zs_window *w, struct zs_window_keys k,
				 const struct zs_tunnel_head *head, uint64_t now_ns,
				 struct zs_window_pick *pick);
/* Of a counter that is not above `highest`, nor below the window: has it come? */
static inline bool zs_window_is_seen(const struct zs_window *w, uint64_t counter)
{
	uint64_t word = counter / 64;

	return (word == w->highest / 64 ? w->last : w->seen[word % ZS_ARRAY_LEN(w->seen)]) >> (counter & 63) &
	       1;
}
static inline enum zs_drop zs_window_judge(const struct zs_window *w, struct zs_window_keys k,
					   const struct zs_tunnel_head *head, uint64_t now_ns,
					   struct zs_window_pick *pick)
{
	bool now = head->epoch == (w->epoch & 7) && w->failed < ZS_WINDOW_FAILED;

	/* The next one, as nearly always; or one that came before, as in a flood. */
	if (ZS_UNLIKELY(!now || head->counter <= w->highest))
		return now && (head->counter + ZS_WINDOW_BITS <= w->highest ||
			       zs_window_is_seen(w, head->counter))
			   ? ZS_DROP_tunnel_replay
			   : zs_window_judge_any(w, k, head, now_ns, pick);
	*pick = (struct zs_window_pick){ zs_window_key(k, w->epoch), w->epoch };
	return ZS_DROPS;
}

/* The tag was right: stores counter and epoch; act on the packet after it. tunnel_replay: another copy was faster.
 * *newest: no packet of this lane had a higher counter. */
enum zs_drop zs_window_accept_any(struct zs_window *w, uint64_t counter, uint32_t epoch, uint64_t now_ns,
				  bool *newest);
static inline enum zs_drop zs_window_accept(struct zs_window *w, uint64_t counter, uint32_t epoch,
					    uint64_t now_ns, bool *newest)
{
	if (ZS_UNLIKELY(counter <= w->highest || counter / 64 != w->highest / 64 || epoch > w->epoch))
		return zs_window_accept_any(w, counter, epoch, now_ns, newest);
	w->highest = counter;
	atomic_signal_fence(memory_order_seq_cst);
	w->last |= 1ull << (counter & 63);
	atomic_signal_fence(memory_order_seq_cst);
	*newest = true;
	return ZS_DROPS;
}
/* The tag was wrong. True: that was the last one allowed, end the session. */
bool zs_window_failed(struct zs_window *w);

#endif
