/* Readers of the tables: copy once, judge the copy, use the copy. Nothing here trusts a word
 * of the segment, so arbitrary garbage costs wrong answers and never a crash or a hang: every
 * loop is bounded by a private count, every index and enum in a copy is checked. */
#include "shm/tables.h"

#include <string.h>

#define VLANS 4096

static bool place_ok(uint8_t iface, uint16_t vlan)
{
	return iface < ZS_IFACES_MAX && vlan < VLANS;
}

static bool deny_ok(const struct zs_deny *d)
{
	if (d->allowed_count > ZS_DENY_ALLOWED_MAX)
		return false;
	for (uint32_t i = 0; i < d->allowed_count; i++)
		if (d->allowed[i].len > 128)
			return false;
	return true;
}

bool zs_tables_settings(const struct zs_tables *t, struct zs_settings *out)
{
	return zs_seqlock_get(t->settings, out, sizeof(*out)) && out->flow_port_first != 0 &&
	       out->flow_port_first <= out->flow_port_last && deny_ok(&out->deny);
}

bool zs_tables_local(const struct zs_tables *t, uint32_t index, struct zs_local *out)
{
	return index < ZS_LOCALS_MAX && zs_seqlock_get(&t->local[index], out, sizeof(*out)) && out->used &&
	       place_ok(out->iface, out->vlan) && out->prefix_len <= 128;
}

bool zs_published_ok(const struct zs_published *p)
{
	if (p->kind == ZS_PUBLISHED_TARGET)
		return p->target_port != 0;
	return p->kind == ZS_PUBLISHED_ATTACHED && p->service >= 1 && p->service <= ZS_SERVICE_MAX &&
	       p->protection <= 1 && p->attachment_generation != 0;
}

bool zs_tables_published(const struct zs_tables *t, uint16_t port, struct zs_published *out)
{
	return port != 0 && zs_seqlock_get(&t->published[port], out, sizeof(*out)) && out->used &&
	       zs_published_ok(out);
}

bool zs_tables_route(const struct zs_tables *t, uint32_t index, struct zs_route *out)
{
	return index < t->routes && zs_seqlock_get(&t->route[index], out, sizeof(*out)) && out->used &&
	       place_ok(out->iface, out->vlan) && out->len <= 128;
}

bool zs_tables_nexthop(const struct zs_tables *t, uint32_t index, struct zs_nexthop *out)
{
	if (index >= t->nexthops || !zs_seqlock_get(&t->nexthop[index], out, sizeof(*out)) || !out->used ||
	    !place_ok(out->iface, out->vlan))
		return false;
	out->valid = out->valid != 0;
	return true;
}
