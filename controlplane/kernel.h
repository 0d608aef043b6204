/* What the kernel knows about the networks of our ports, as far as we want it: links, routes
 * of the main table and neighbours on devices that the configuration names. No sockets here:
 * netlink.c feeds messages, tests feed made-up ones. */
#ifndef ZS_CONTROLPLANE_KERNEL_H
#define ZS_CONTROLPLANE_KERNEL_H

#include "control.h"
#include "keyset.h"
#include "nlparse.h"

#define ZS_KERNEL_DEVICES (ZS_IFACES_MAX * (ZS_CONF_VLANS + 1))

struct zs_kernel_device {
	char name[16];
	uint32_t index; /* 0: there is none of that name */
	uint8_t mac[6];
	bool has_mac, up;
	uint32_t mtu;
};

struct zs_kernel_route { /* the key ends before `seen` */
	struct zs_addr dest, gateway;
	uint32_t index, metric;
	uint32_t len, has_gateway;
	uint32_t seen; /* dump round */
};

struct zs_kernel_neigh { /* the key ends before `mac` */
	struct zs_addr addr;
	uint32_t index;
	uint8_t mac[6];
	uint8_t valid; /* resolved */
	uint16_t state;
	uint32_t seen;
	uint64_t gone_ns; /* the kernel dropped it then: kept a while, see ZS_KERNEL_LINGER_NS */
};

/* A resolved entry that the kernel's garbage collector took is still right: it is used while
 * the kernel is asked again. */
#define ZS_KERNEL_LINGER_NS (5 * 1000000000ull)

struct zs_kernel {
	uint32_t devices;
	struct zs_kernel_device device[ZS_KERNEL_DEVICES];
	struct zs_keyset routes, neighs;
	uint32_t round;
	uint32_t refused; /* entries that found no room since the last dump began */
};

/* What a message changed. RESYNC: read all again (a device came, went or changed its index). */
enum zs_kernel_change { ZS_KERNEL_SAME, ZS_KERNEL_CHANGED, ZS_KERNEL_RESYNC };

int zs_kernel_new(struct zs_kernel *k, const struct zs_conf *conf, uint32_t max_routes, uint32_t max_neighs);
void zs_kernel_delete(struct zs_kernel *k);
enum zs_kernel_change zs_kernel_feed(struct zs_kernel *k, const struct zs_nl_message *m, uint64_t now_ns);
/* Around a dump: entries that it did not bring are dropped by sweep. */
void zs_kernel_mark(struct zs_kernel *k);
void zs_kernel_sweep(struct zs_kernel *k);
/* Drops what lingered long enough; true when there was any. */
bool zs_kernel_expire(struct zs_kernel *k, uint64_t now_ns);

const struct zs_kernel_device *zs_kernel_named(const struct zs_kernel *k, const char *name);
const struct zs_kernel_neigh *zs_kernel_find(const struct zs_kernel *k, const struct zs_addr *addr,
					     uint32_t index);

/* The routes and next hops that the tables should hold: the configuration's static ones and those of connected
 * networks, then the kernel's. `state` (may be NULL) tells addresses of ports the kernel does not have. The arrays
 * are malloc'd. -ENOMEM. */
struct zs_kernel_want {
	struct zs_route *route;
	struct zs_nexthop *nexthop;
	uint32_t routes, nexthops;
};
int zs_kernel_want(const struct zs_kernel *k, const struct zs_conf *conf, const struct zs_state *state,
		   struct zs_kernel_want *out);
void zs_kernel_want_free(struct zs_kernel_want *w);

/* Kernel device whose neighbours hold on this port and VLAN; NULL: none. */
const struct zs_kernel_device *zs_kernel_device_of(const struct zs_kernel *k, const struct zs_conf *conf,
						   uint32_t iface, uint16_t vlan);

#endif
