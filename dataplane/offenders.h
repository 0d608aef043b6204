/* Source prefixes that the steering program drops before the worker: those that workers in flood mode told of, unless somebody is
 * there whom the relay knows. Main's alone.
 *
 * A prefix stays out for flood.block_s and comes back in by itself; a peer that comes from there for the first time waits so long. Ports
 * without a steering program have none of this. */
#ifndef ZS_DATAPLANE_OFFENDERS_H
#define ZS_DATAPLANE_OFFENDERS_H

#include "dataplane.h"

#define ZS_OFFENDERS_ASKED 256	/* told of and not judged yet */
#define ZS_OFFENDERS_INDEX 1024 /* by hash, more than twice as many */

struct zs_offender {
	struct zs_addr site;
	uint64_t until_ns;
};

struct zs_offenders {
	uint64_t key;
	uint64_t judged_ns;
	uint32_t asked_count, count;
	struct zs_addr asked[ZS_OFFENDERS_ASKED];
	bool known[ZS_OFFENDERS_ASKED]; /* a peer or an answered flow is there */
	uint16_t index[ZS_OFFENDERS_INDEX];
	struct zs_offender blocked[ZS_STEER_BLOCKS_MAX];
};

/* What the process before left blocked is let in. NULL: out of memory. */
struct zs_offenders *zs_offenders_new(struct zs_dp *dp);
/* Each tick: lets in whose time is over; judges who was told of, once a second, by a look at all bindings, sessions and flows. */
void zs_offenders_tick(struct zs_dp *dp, uint64_t now_ns);

#endif
