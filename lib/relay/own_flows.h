/* The flows that an edge has opened itself: their numbers, where they lead, and whether OPEN is still to be said. They
 * belong to the attachment and outlive its sessions. Of edge_tunnel.c alone. */
#ifndef ZS_RELAY_OWN_FLOWS_H
#define ZS_RELAY_OWN_FLOWS_H

#include "base/random.h"
#include "net/addr.h"
#include "relay/flow_number.h"
#include "relay/tunnel.h"

#define ZS_OWN_FLOWS_MAX 65536

struct zs_own_flow {
	struct zs_endpoint target;
	struct zs_opening opening;
	bool used;
};

struct zs_own_flows {
	struct zs_flow_numbers numbers;
	struct zs_own_flow *flow; /* by number */
	struct zs_flow_resting *rest;
};

/* `count`: at once, 1 to ZS_OWN_FLOWS_MAX; idle_ns: the attachment's flow idle time-out. -ENOMEM: fini has nothing to free. */
int zs_own_flows_init(struct zs_own_flows *f, uint32_t count, uint64_t idle_ns,
		      const struct zs_random *random);
void zs_own_flows_fini(struct zs_own_flows *f);
/* -EAGAIN: all numbers are in use or resting. */
int zs_own_flows_open(struct zs_own_flows *f, const struct zs_endpoint *target, uint64_t now_ns,
		      struct zs_tunnel_flow *flow);
/* NULL: not one of ours, or it has ended. */
struct zs_own_flow *zs_own_flows_find(struct zs_own_flows *f, const struct zs_tunnel_flow *flow);
/* It has ended: its number rests. One that is not ours is left alone. */
void zs_own_flows_forget(struct zs_own_flows *f, const struct zs_tunnel_flow *flow, uint64_t now_ns);

#endif
