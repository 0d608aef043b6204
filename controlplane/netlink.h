/* netlink: the kernel's links, routes and neighbours into the tables, and questions to the
 * kernel for neighbours that the dataplane wants. All on the loop. */
#ifndef ZS_CONTROLPLANE_NETLINK_H
#define ZS_CONTROLPLANE_NETLINK_H

#include "control.h"

/* Never fails for want of a socket: it tries again each second. -ENOMEM. Tables follow once the first dump is
 * complete; nothing is taken out of them before. */
int zs_netlink_new(struct zs_netlink **out, struct zs_control *c, struct zs_error *err);
void zs_netlink_delete(struct zs_netlink *n);
/* The configuration in force changed (static neighbours and routes; ports want a restart), or the state segment came
 * or went (it knows link addresses that the kernel does not). */
void zs_netlink_refresh(struct zs_netlink *n);
/* A neighbour is wanted: asks the kernel, at most once a second an address and ZS_NETLINK_ASKS a second in all. */
#define ZS_NETLINK_ASKS 64 /* a /24 of strangers may not make an ARP storm */
void zs_netlink_ask(struct zs_netlink *n, const struct zs_addr *addr, uint32_t iface, uint16_t vlan);

#endif
