/* A worker's lines of attachments (shm/hot.h), kept up with what the control plane wants and where the binder bound. */
#ifndef ZS_DATAPLANE_HOT_H
#define ZS_DATAPLANE_HOT_H

#include <stdint.h>
#include "shm/sessions.h"

struct zs_worker;

#define ZS_HOT_SLICE                                                                                         \
	512 /* lines made again in one housekeeping, of each kind: a million in 2 s, none for long */

#define ZS_HOT_ROUTES                                                                                        \
	4096 /* routes looked at for lines in one housekeeping, some 50 µs; beyond that a line finds its way with its first packet */

/* How far a worker has come. All zero: nothing was looked at. */
struct zs_hot_view {
	const struct zs_sessions *of; /* the segment that the lines were made from … */
	uint64_t incarnation;	      /* … and its own */
	uint64_t wanted, bound;	      /* cursors into the change logs */
	uint32_t scan;	 /* where a look at all attachments goes on; beyond the last: none is under way */
	uint32_t routes; /* left of ZS_HOT_ROUTES */
};

/* Before the worker runs: its lines, account and policer. */
void zs_hot_open(struct zs_worker *w);
/* Worker, in housekeeping. Without a sessions segment the lines stay as they are. */
void zs_hot_refresh(struct zs_worker *w);
/* Attachments that both segments have room for. */
uint32_t zs_hot_attachments(const struct zs_worker *w);

#endif
