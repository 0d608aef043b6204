/* What the packet path reads and counts of an attachment: one line of each worker's own, made by it in housekeeping from what the
 * control plane wants (sessions segment) and where the binder bound it (binding region). It lies in the state
 * segment so that a restarted dataplane forwards from the first packet on. */
#ifndef ZS_SHM_HOT_H
#define ZS_SHM_HOT_H

#include <stddef.h>
#include "net/addr.h"
#include "shm/police.h"

/* Flags of a line. */
#define ZS_HOT_STRANGERS 1 /* senders without a binding reach it, rate-limited */
#define ZS_HOT_POLICED	 2 /* it has limits: the policer is to be asked */

struct zs_hot {
	/* Never reset while the segment lives, whoever has the attachment: readers keep what they saw last. They read racily, word
	 * by word. */
	struct zs_meter meter[ZS_DIRECTIONS];
	struct zs_addr addr;
	uint16_t generation; /* 0: not in use */
	uint16_t port;	     /* of the bound address; 0: nothing is bound */
	uint32_t expires;    /* zs_hot_tick */
	uint32_t stamp;	     /* of the tables that nexthop was found in; 0: it is to be found */
	uint16_t nexthop;    /* index into tables, as in struct zs_flow, its low half: zs_hot_keeps */
	uint8_t local;	     /* index of the own address that the binding keeps */
	uint8_t flags;
};
_Static_assert(sizeof(struct zs_hot) == 64,
	       "one line: what is sent to an attachment touches no other of its own");

/* What says by which way: stamp, nexthop and local as one word, below 1 << 56. */
static inline uint64_t zs_hot_way(const struct zs_hot *h)
{
	uint64_t word;

	_Static_assert(offsetof(struct zs_hot, stamp) == 56 && offsetof(struct zs_hot, flags) == 63 &&
			   __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
		       "the last word, flags on top");
	memcpy(&word, &h->stamp, sizeof(word));
	return word & UINT64_MAX >> 8;
}

/* Times in steps of 17 ms, rounded down: two that lie less than a year apart can be compared. */
static inline uint32_t zs_hot_tick(uint64_t ns)
{
	return (uint32_t)(ns >> 24);
}

/* Steps since the binding expired: negative while it lives; 0: in this very step, ask the binding itself. */
static inline int32_t zs_hot_expired(const struct zs_hot *h, uint64_t now_ns)
{
	return (int32_t)(zs_hot_tick(now_ns) - h->expires);
}

/* The highest indices share their low halves with those that mean no next hop: a line does not keep them. */
#define ZS_HOT_KEPT 0xff00u
static inline bool zs_hot_keeps(uint32_t nexthop)
{
	return nexthop < ZS_HOT_KEPT || nexthop >= UINT32_MAX - (UINT16_MAX - ZS_HOT_KEPT);
}

/* The index that was kept. */
static inline uint32_t zs_hot_index(uint16_t kept)
{
	return kept < ZS_HOT_KEPT ? kept : kept | 0xffff0000u;
}

static inline uint32_t zs_hot_nexthop(const struct zs_hot *h)
{
	return zs_hot_index(h->nexthop);
}

#endif
