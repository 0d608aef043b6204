/* A worker's private copy of the relay's own addresses, made again whenever the tables
 * change. At most ZS_LOCALS_MAX of them; looked up several times per packet. */
#ifndef ZS_DATAPLANE_LOCALS_H
#define ZS_DATAPLANE_LOCALS_H

#include "conf/conf.h"

#define ZS_LOCALS_SLOTS 256 /* power of two, a quarter full at most */
#define ZS_LOCAL_NONE	(-1)

struct zs_locals {
	uint32_t count;
	uint8_t slot[ZS_LOCALS_SLOTS]; /* index + 1 by address, 0: empty */
	uint8_t near[ZS_LOCALS_SLOTS]; /* 0: no own, announced, network or broadcast address has this hash */
	uint8_t first4[ZS_IFACES_MAX]; /* index + 1 of an IPv4 one there without a tag, 0: none */
	struct zs_local entry[ZS_LOCALS_MAX];
};

/* NULL for what there is none of. */
void zs_locals_load(struct zs_locals *l, const struct zs_tables *t, const struct zs_conf *conf);
/* May it be an own address, an announced one, or a broadcast or network address of ours? false: zs_locals_has, _announced and
 * _broadcast are. */
static inline bool zs_locals_near(const struct zs_locals *l, const struct zs_addr *addr)
{
	return l->near[zs_addr_spread(addr)];
}
/* Index of addr as an own address of this interface and VLAN, or ZS_LOCAL_NONE. */
int zs_locals_find(const struct zs_locals *l, const struct zs_addr *addr, uint8_t iface, uint16_t vlan);
/* Is it one of the public addresses that the world knows us by, behind 1:1 NAT? They count as own. */
bool zs_locals_announced(const struct zs_conf *conf, const struct zs_addr *addr);
/* Is it an own address anywhere? */
bool zs_locals_has(const struct zs_locals *l, const struct zs_addr *addr);
/* Is it the broadcast or network address of a prefix we have on this interface? */
bool zs_locals_broadcast(const struct zs_locals *l, const struct zs_addr *addr, uint8_t iface, uint16_t vlan);
/* The own address to speak from toward `addr` behind iface and vlan: the one whose prefix holds
 * addr, else the first of its family. ZS_LOCAL_NONE: no address of that family there. */
int zs_locals_pick(const struct zs_locals *l, const struct zs_addr *addr, uint8_t iface, uint16_t vlan);

#endif
