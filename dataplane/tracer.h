/* Tracing in a worker: what is asked for, and taking samples where packets end. While nothing is asked for a packet costs the
 * branch on w->trace, no more. Taking is the worker's alone; nothing here waits for anybody. */
#ifndef ZS_DATAPLANE_TRACER_H
#define ZS_DATAPLANE_TRACER_H

#include "base/gcra.h"
#include "shm/trace.h"

struct zs_worker;
struct zs_burst;
struct zs_item;
struct rte_mbuf;

struct zs_tracer {
	struct zs_trace_want want; /* its serial is 0: nothing */
	struct zs_gcra_rate rate;
	struct zs_gcra bucket;
	uint32_t looks;		      /* left until the next housekeeping */
	uint32_t passed;	      /* packets that fit since the last sample */
	const struct zs_burst *burst; /* that is on its way; NULL: none */
	uint32_t count;
};

/* Housekeeping: takes up what the control plane wants by now; sets or clears w->trace. */
void zs_tracer_look(struct zs_worker *w);

/* --- stage/trace.c; with w->trace set --- */

/* A burst begins, its items are made; or it has ended (NULL). */
void zs_trace_burst(struct zs_worker *w, struct zs_burst *b, uint32_t n);
/* A packet ends here; `reason` for ZS_TRACE_DROPPED alone. The packet stays the caller's. */
void zs_trace_end(struct zs_worker *w, const struct rte_mbuf *m, enum zs_trace_verdict verdict,
		  uint8_t reason);
/* These go to the port. What it then has no room for is traced once more, as dropped. */
void zs_trace_sent(struct zs_worker *w, struct zs_item *const *at, uint32_t n);

#endif
