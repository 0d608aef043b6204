/* The engine `xdp`: the worker's hand on the fast path in the kernel (bpf/fast.h). What the worker forwarded it offers, what it
 * ends it voids, what the kernel counted it adds to its own counters, meters and flows: so each is counted once, and everything that
 * reads them knows of one engine. There is one worker with this engine, which owns all that the maps are made from. */
#ifndef ZS_DATAPLANE_FASTPATH_H
#define ZS_DATAPLANE_FASTPATH_H

#include "worker.h"

struct zs_item;

struct zs_fastpath {
	struct zs_fast maps;
	uint64_t made_from;	     /* fingerprint of what the entries in force were made from */
	uint32_t meters, meters_ms;  /* where the slice of attachments goes on */
	uint32_t tenants;	     /* … and that of tenants */
	struct zs_flow_table *table; /* whose flows may be offered: the worker's home */
};

/* Capacities of the maps; the programs are loaded with them. */
struct zs_fast_shape zs_fastpath_shape(const struct zs_conf *conf);
/* Main, after the ports, before the workers: dp->fast. Nothing with another engine, but what one left is forgotten. */
int zs_fastpath_open(struct zs_dp *dp, struct zs_error *err);
void zs_fastpath_close(struct zs_dp *dp);

/* Worker, with this engine alone; all of them cheap. */

/* Main, before it runs; flows and senders are open. */
void zs_fastpath_begin(struct zs_worker *w);
/* In housekeeping. */
void zs_fastpath_keep(struct zs_worker *w);
/* It was forwarded: the next like it need not come here. */
void zs_fastpath_offer(struct zs_worker *w, const struct zs_item *it);
/* An attachment's line is made anew. */
void zs_fastpath_void(struct zs_worker *w, uint32_t id);
/* What the kernel saw of a flow, before it is judged or told of; `ends`: it ends now. */
void zs_fastpath_flow(struct zs_worker *w, const struct zs_flow_table *t, uint32_t id, bool ends);

#endif
