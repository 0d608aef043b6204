/* The kernel's twin of a port that DPDK owns: a TAP with the port's link address and MTU. What is not the relay's (ARP, ND, ICMP, SSH,
 * BGP) goes to the kernel through it and comes back; the kernel's neighbours and routes of it are the port's. It is made
 * persistent and outlives this process, with whatever the operator configured on it.
 *
 *     port ──► worker ── what is the kernel's, rate-capped ──► queue of the worker ═ TAP ═ kernel
 *     port ◄── tx ◄───────────────────────────────────────────       "
 *
 * punt.h is the cap; each worker has its part of twin_pps. */
#ifndef ZS_DATAPLANE_TWIN_H
#define ZS_DATAPLANE_TWIN_H

#include "worker.h"

#define ZS_TWIN_BUFFERS 64 /* of a worker's queue, both ways */

/* Main thread: makes or finds port i's TAP and starts a queue for each worker. RESOURCE in err. */
int zs_twin_open(struct zs_dp *dp, uint32_t i, struct zs_error *err);
/* In the worker's thread: the kernel says by SIGIO that there is something to read. */
void zs_twin_listen(void);

/* Ends a packet: punted, or the drop twin_rate or twin_full. The worker alone. */
void zs_twin_give(struct zs_worker *w, uint8_t iface, struct rte_mbuf *m);
/* What the kernel has sent leaves by the ports. How many. */
uint32_t zs_twin_take(struct zs_worker *w);

#endif
