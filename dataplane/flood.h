/* A worker under a flood: knows when it falls behind while what it gets is not worth it, and then does without what it
 * can do without.
 *
 * Behind: nearly each time round some queue gives a whole burst, and a good part of what came was dropped or asked for a new flow; or unanswered
 * flows make room for others so fast that none could live to its answer. After 100 ms of that, give and take, it is flood
 * mode, until it was not so for a second. In flood mode
 *
 *   no flow is made, no stranger gets through, no NUDGE is sent;
 *   of addresses that have proven nothing, few datagrams a ms have their tag checked;
 *   what is dropped is counted by source prefix, a sample of it: the worst are told to main (offenders.h).
 *
 * Bound peers, sessions at their endpoints and flows that are there go on as ever. Beside that, flood mode or not: a
 * prefix whose tags failed too often has no further ones checked for a while, but for such known addresses.
 *
 * All of it is the worker's own; `told` is a ring that main reads. */
#ifndef ZS_DATAPLANE_FLOOD_H
#define ZS_DATAPLANE_FLOOD_H

#include <stdatomic.h>
#include <stdbool.h>
#include "net/addr.h"
#include "net/drop.h"

#define ZS_FLOOD_BUCKETS 1024 /* of suspects: 4,096 prefixes, 32 KiB */
#define ZS_FLOOD_WAYS	 4
#define ZS_FLOOD_TOLD	 64
#define ZS_FLOOD_SAMPLE	 8 /* of so many refusals one is counted, for so many */

struct zs_worker;

struct zs_flood {
	_Atomic bool on;      /* main looks too */
	uint8_t nudges;	      /* that may be sent until the next look */
	uint8_t dear;	      /* tags of unproven addresses that may be checked until the next look */
	uint32_t full, turns; /* times round since the last look, and those with a whole burst */
	uint64_t rx, dropped, made, evicted;		      /* counters as of the last look */
	uint64_t look_ns, seen_ns;			      /* last look; when it last was behind */
	uint64_t behind_ns;				      /* how long in all, give and take */
	uint64_t clear_ns;				      /* when the suspects' counts begin anew */
	uint32_t suspect[ZS_FLOOD_BUCKETS][ZS_FLOOD_WAYS][2]; /* tag, packets */
	_Atomic uint32_t head, tail;			      /* of `told`: the worker's, main's */
	struct zs_addr told[ZS_FLOOD_TOLD];
};

/* Worker, in housekeeping. */
void zs_flood_look(struct zs_worker *w);
/* Worker: once round its queues something came. `full`: one of them gave a whole burst, however little the others have. */
void zs_flood_turn(struct zs_worker *w, bool full);
/* May a tag from there be checked? ZS_DROPS: yes. `known`: the address has proven that it is the peer's. */
enum zs_drop zs_flood_may_check(struct zs_worker *w, const struct zs_addr *src, bool known);
/* … and it was wrong. */
void zs_flood_failed(struct zs_worker *w, const struct zs_addr *src);
/* Flood mode: one packet of nobody known that was refused, a sample of ZS_FLOOD_SAMPLE (stage/refuse.h). */
void zs_flood_suspect(struct zs_worker *w, const struct zs_addr *src);
/* Main: the next prefix that a worker told of. false: none. */
bool zs_flood_told(struct zs_flood *f, struct zs_addr *site);

#endif
