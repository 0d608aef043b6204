/* From an address to a next hop: longest prefix by a scan of the used routes, then the
 * neighbour by a keyed hash and 16 probes. The scan runs when a flow is made or the tables
 * changed, never per packet: 1,000 routes take some 10 µs. A kernel with more routes than that on
 * relay interfaces would want a trie here. */
#include "shm/tables.h"

#include <string.h>
#include "base/hash.h"

struct nexthop_key {
	struct zs_addr addr;
	uint8_t iface;
	uint8_t zero[5];
	uint16_t vlan;
};
_Static_assert(sizeof(struct nexthop_key) == 24, "hashed as bytes: no holes");

uint32_t zs_nexthop_hash(const struct zs_tables *t, const struct zs_addr *addr, uint8_t iface, uint16_t vlan)
{
	struct nexthop_key key = { .addr = *addr, .iface = iface, .vlan = vlan };
	return (uint32_t)zs_hash24(t->nexthop_key, &key);
}

uint32_t zs_tables_find_nexthop(const struct zs_tables *t, const struct zs_addr *addr, uint8_t iface,
				uint16_t vlan)
{
	uint32_t at = zs_nexthop_hash(t, addr, iface, vlan);
	struct zs_nexthop n;

	for (uint32_t i = 0; i < ZS_NEXTHOP_PROBE; i++) {
		uint32_t index = (at + i) & (t->nexthops - 1);
		if (zs_tables_nexthop(t, index, &n) && n.iface == iface && n.vlan == vlan &&
		    zs_addr_eq(&n.addr, addr))
			return index;
	}
	return ZS_NEXTHOP_NONE;
}

static bool covers(const struct zs_route *r, const struct zs_addr *addr)
{
	uint32_t bytes = r->len / 8, bits = r->len % 8; /* len ≤ 128: judged with the copy */

	if (memcmp(r->dest.ip, addr->ip, bytes) != 0)
		return false;
	return bits == 0 || ((r->dest.ip[bytes] ^ addr->ip[bytes]) >> (8 - bits)) == 0;
}

static bool longest(const struct zs_tables *t, const struct zs_addr *addr, struct zs_route *best)
{
	uint32_t high = atomic_load_explicit(&t->meta->route_high, memory_order_acquire);
	bool found = false;
	struct zs_route r;

	if (high > t->routes)
		high = t->routes;
	for (uint32_t i = 0; i < high; i++) {
		if (!zs_tables_route(t, i, &r) || !covers(&r, addr))
			continue;
		if (found && (r.len < best->len || (r.len == best->len && r.metric >= best->metric)))
			continue;
		*best = r;
		found = true;
	}
	return found;
}

uint32_t zs_tables_resolve(const struct zs_tables *t, const struct zs_addr *addr, struct zs_nexthop *missing)
{
	struct zs_route best;
	uint32_t index;

	memset(missing, 0, sizeof(*missing));
	if (!longest(t, addr, &best))
		return ZS_NEXTHOP_NONE;
	const struct zs_addr *via = best.onlink ? addr : &best.gateway;
	index = zs_tables_find_nexthop(t, via, best.iface, best.vlan);
	if (index == ZS_NEXTHOP_NONE) {
		missing->used = 1;
		missing->iface = best.iface;
		missing->vlan = best.vlan;
		missing->addr = *via;
	}
	return index;
}
