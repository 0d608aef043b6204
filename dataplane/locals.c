/* The index of own addresses, and what says at once that an address has nothing to do with them. */
#include "locals.h"

/* What zs_locals_has and zs_locals_broadcast would say yes to, of one of the own addresses. */
static void mark_near(struct zs_locals *l, const struct zs_local *e)
{
	struct zs_addr first, last;
	uint32_t have, mask;

	l->near[zs_addr_spread(&e->addr)] = 1;
	if (!zs_addr_is4(&e->addr) || e->prefix_len <= 96 || e->prefix_len > 126)
		return;
	have = __builtin_bswap32(zs_addr_get4(&e->addr));
	mask = UINT32_MAX << (128 - e->prefix_len);
	first = zs_addr_from4(__builtin_bswap32(have & mask));
	last = zs_addr_from4(__builtin_bswap32(have | ~mask));
	l->near[zs_addr_spread(&first)] = l->near[zs_addr_spread(&last)] = 1;
}

static void mark_first(struct zs_locals *l, uint32_t i)
{
	const struct zs_local *e = &l->entry[i];

	if (e->iface < ZS_IFACES_MAX && !e->vlan && zs_addr_is4(&e->addr) && !l->first4[e->iface])
		l->first4[e->iface] = (uint8_t)(i + 1);
}

void zs_locals_load(struct zs_locals *l, const struct zs_tables *t, const struct zs_conf *conf)
{
	memset(l, 0, sizeof(*l));
	for (uint32_t i = 0; conf && i < conf->attach.announces; i++)
		l->near[zs_addr_spread(&conf->attach.announce[i])] = 1;
	for (uint32_t i = 0; t && i < ZS_LOCALS_MAX; i++) {
		uint32_t s;

		if (!zs_tables_local(t, i, &l->entry[i]) || !l->entry[i].used) {
			l->entry[i].used = 0;
			continue;
		}
		s = zs_addr_spread(&l->entry[i].addr);
		while (l->slot[s])
			s = (s + 1) % ZS_LOCALS_SLOTS;
		l->slot[s] = (uint8_t)(i + 1);
		mark_first(l, i);
		mark_near(l, &l->entry[i]);
		l->count++;
	}
}

int zs_locals_find(const struct zs_locals *l, const struct zs_addr *addr, uint8_t iface, uint16_t vlan)
{
	for (uint32_t s = zs_addr_spread(addr); l->slot[s]; s = (s + 1) % ZS_LOCALS_SLOTS) {
		const struct zs_local *e = &l->entry[l->slot[s] - 1];

		if (zs_addr_eq(&e->addr, addr) && e->iface == iface && e->vlan == vlan)
			return l->slot[s] - 1;
	}
	return ZS_LOCAL_NONE;
}

bool zs_locals_has(const struct zs_locals *l, const struct zs_addr *addr)
{
	for (uint32_t s = zs_addr_spread(addr); l->slot[s]; s = (s + 1) % ZS_LOCALS_SLOTS)
		if (zs_addr_eq(&l->entry[l->slot[s] - 1].addr, addr))
			return true;
	return false;
}

bool zs_locals_announced(const struct zs_conf *conf, const struct zs_addr *addr)
{
	for (uint32_t i = 0; i < conf->attach.announces; i++)
		if (zs_addr_eq(&conf->attach.announce[i], addr))
			return true;
	return false;
}

bool zs_locals_broadcast(const struct zs_locals *l, const struct zs_addr *addr, uint8_t iface, uint16_t vlan)
{
	if (!zs_addr_is4(addr))
		return false;
	for (uint32_t i = 0, met = 0; met < l->count; i++) {
		const struct zs_local *e = &l->entry[i];
		uint32_t mask, net, have = __builtin_bswap32(zs_addr_get4(addr));

		/* A /31 or /32 has no broadcast address. */
		met += e->used != 0;
		if (!e->used || e->iface != iface || e->vlan != vlan || !zs_addr_is4(&e->addr) ||
		    e->prefix_len <= 96 || e->prefix_len > 126)
			continue;
		mask = UINT32_MAX << (128 - e->prefix_len);
		net = __builtin_bswap32(zs_addr_get4(&e->addr)) & mask;
		if (have == net || have == (net | ~mask))
			return true;
	}
	return false;
}

/* Does the network of an own address hold this one? */
static bool holds(const struct zs_local *e, const struct zs_addr *addr)
{
	struct zs_prefix p = { e->addr, e->prefix_len };

	for (uint32_t bit = e->prefix_len; bit < 128; bit++) /* zs_prefix wants its host bits zero */
		p.addr.ip[bit / 8] &= (uint8_t) ~(0x80 >> bit % 8);
	return zs_prefix_has(&p, addr);
}

int zs_locals_pick(const struct zs_locals *l, const struct zs_addr *addr, uint8_t iface, uint16_t vlan)
{
	int first = ZS_LOCAL_NONE;

	for (int i = 0; i < ZS_LOCALS_MAX; i++) {
		const struct zs_local *e = &l->entry[i];

		if (!e->used || e->iface != iface || e->vlan != vlan ||
		    zs_addr_is4(&e->addr) != zs_addr_is4(addr))
			continue;
		if (holds(e, addr))
			return i;
		if (first == ZS_LOCAL_NONE)
			first = i;
	}
	return first;
}
