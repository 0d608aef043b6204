/* A worker's own QUIC-LB configurations, made ready for decoding. */
#ifndef ZS_DATAPLANE_CIDS_H
#define ZS_DATAPLANE_CIDS_H

#include "relay/cidset.h"
#include "shm/sessions.h"
#include "writer.h"

struct zs_cids {
	struct zs_cidset set;
	uint64_t incarnation;		/* of the sessions segment they are from */
	uint32_t seq[ZS_CID_ROTATIONS]; /* of the entries when they were read */
	struct zs_fast *fast;		/* that has them too; NULL: another engine */
};

/* Worker, at its start. */
void zs_cids_open(struct zs_cids *c, struct zs_fast *fast);
/* Worker, in housekeeping: follows the segment's configurations; one that was withdrawn, or that is laid out in another way
 * than ours, decodes nothing. */
void zs_cids_refresh(struct zs_cids *c, const struct zs_sessions *s, uint64_t unix_s);

#endif
