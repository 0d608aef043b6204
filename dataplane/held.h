/* Flows that attachments and their tenants have, and whether they may have one more. An attachment's are counted in its
 * accounts, each by the worker that holds the flow; a tenant's over all workers, in zs_limits. A flow between two attachments
 * counts for both. */
#ifndef ZS_DATAPLANE_HELD_H
#define ZS_DATAPLANE_HELD_H

#include "worker.h"

/* A flow of that worker's was made or found at the start, and its end. Main before the workers start, then the worker. */
void zs_held_made(struct zs_dp *dp, uint32_t worker, const struct zs_flow *f);
void zs_held_gone(struct zs_dp *dp, uint32_t worker, const struct zs_flow *f);
/* Worker, in housekeeping: the attachment's tenant, whose flows it has are from now on. */
void zs_held_tenant(struct zs_worker *w, uint32_t attachment, uint16_t tenant);

/* Worker. Has the attachment at this end, or its tenant, all the flows it may have? Other ends never have. */
bool zs_held_full(const struct zs_worker *w, const struct zs_addr *end);
/* May it get another one now? Draws from its rate. */
bool zs_held_may(struct zs_worker *w, const struct zs_addr *end, enum zs_way way);

#endif
