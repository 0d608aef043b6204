/* The writer's half: puts and clears, and the walker. One thread of the control plane calls
 * these. Every value is judged before it is written, so what readers refuse is never put. */
#include "shm/tables.h"

#include <errno.h>
#include <string.h>
#include "shm/qsbr.h"

#define VLANS 4096

static bool place_ok(uint8_t iface, uint16_t vlan)
{
	return iface < ZS_IFACES_MAX && vlan < VLANS;
}

static void changed(struct zs_tables *t)
{
	atomic_fetch_add_explicit(t->change, 1, memory_order_release);
}

int zs_tables_set_settings(struct zs_tables *t, const struct zs_settings *value)
{
	struct zs_settings s = *value;

	if (s.flow_port_first == 0 || s.flow_port_first > s.flow_port_last ||
	    s.deny.allowed_count > ZS_DENY_ALLOWED_MAX)
		return -EINVAL;
	for (uint32_t i = 0; i < s.deny.allowed_count; i++)
		if (s.deny.allowed[i].len > 128)
			return -EINVAL;
	memcpy(s.hash_key, t->settings->hash_key, sizeof(s.hash_key));
	zs_seqlock_put(t->settings, &s, sizeof(s));
	return 0;
}

int zs_tables_set_local(struct zs_tables *t, uint32_t index, const struct zs_local *value)
{
	static const struct zs_local none;

	if (index >= ZS_LOCALS_MAX)
		return -EINVAL;
	if (!value || !value->used)
		value = &none;
	else if (!place_ok(value->iface, value->vlan) || value->prefix_len > 128)
		return -EINVAL;
	zs_seqlock_put(&t->local[index], value, sizeof(*value));
	changed(t);
	return 0;
}

int zs_tables_set_published(struct zs_tables *t, uint16_t port, const struct zs_published *value)
{
	static const struct zs_published none;

	if (port == 0)
		return -EINVAL;
	if (!value || !value->used)
		value = &none;
	else if (!zs_published_ok(value))
		return -EINVAL;
	zs_seqlock_put(&t->published[port], value, sizeof(*value));
	atomic_fetch_add_explicit(&t->meta->published_change, 1, memory_order_release);
	return 0;
}

static bool same_route(const struct zs_route *a, const struct zs_route *b)
{
	return a->used && a->len == b->len && a->metric == b->metric && a->iface == b->iface &&
	       a->vlan == b->vlan && zs_addr_eq(&a->dest, &b->dest);
}

static uint32_t route_high(const struct zs_tables *t)
{
	uint32_t high = atomic_load_explicit(&t->meta->route_high, memory_order_relaxed);
	return high > t->routes ? t->routes : high;
}

int zs_tables_put_route(struct zs_tables *t, const struct zs_route *value)
{
	uint32_t high = route_high(t), at = high;
	struct zs_route r = *value;

	r.used = 1;
	r.onlink = r.onlink != 0;
	if (r.len > 128 || !place_ok(r.iface, r.vlan))
		return -EINVAL;
	for (uint32_t i = 0; i < high; i++) {
		if (same_route(&t->route[i], &r)) {
			at = i;
			break;
		}
		if (!t->route[i].used && at == high)
			at = i;
	}
	if (at == t->routes)
		return -ENOSPC;
	zs_seqlock_put(&t->route[at], &r, sizeof(r));
	if (at == high)
		atomic_store_explicit(&t->meta->route_high, high + 1, memory_order_release);
	changed(t);
	return 0;
}

int zs_tables_del_route(struct zs_tables *t, const struct zs_route *key)
{
	static const struct zs_route none;
	uint32_t high = route_high(t), i = 0;

	while (i < high && !same_route(&t->route[i], key))
		i++;
	if (i == high)
		return -ENOENT;
	zs_seqlock_put(&t->route[i], &none, sizeof(none));
	while (high > 0 && !t->route[high - 1].used)
		high--;
	atomic_store_explicit(&t->meta->route_high, high, memory_order_release);
	changed(t);
	return 0;
}

int zs_tables_put_nexthop(struct zs_tables *t, const struct zs_nexthop *value)
{
	struct zs_nexthop n = *value;
	uint32_t at, hash;

	n.used = 1;
	n.valid = n.valid != 0;
	if (!place_ok(n.iface, n.vlan))
		return -EINVAL;
	at = zs_tables_find_nexthop(t, &n.addr, n.iface, n.vlan);
	hash = zs_nexthop_hash(t, &n.addr, n.iface, n.vlan);
	for (uint32_t i = 0; at == ZS_NEXTHOP_NONE && i < ZS_NEXTHOP_PROBE; i++)
		if (!t->nexthop[(hash + i) & (t->nexthops - 1)].used)
			at = (hash + i) & (t->nexthops - 1);
	if (at == ZS_NEXTHOP_NONE)
		return -ENOSPC;
	zs_seqlock_put(&t->nexthop[at], &n, sizeof(n));
	changed(t);
	return 0;
}

int zs_tables_del_nexthop(struct zs_tables *t, const struct zs_nexthop *key)
{
	static const struct zs_nexthop none;
	uint32_t at = zs_tables_find_nexthop(t, &key->addr, key->iface, key->vlan);

	if (at == ZS_NEXTHOP_NONE)
		return -ENOENT;
	zs_seqlock_put(&t->nexthop[at], &none, sizeof(none));
	changed(t);
	return 0;
}

int zs_tables_put_rules(struct zs_tables *t, struct zs_acl_rule *rules, uint32_t count, uint64_t *epoch)
{
	int rc = zs_acl_put(&t->acl, rules, count);

	if (rc)
		return rc;
	changed(t);
	*epoch = zs_qsbr_start(t->epoch);
	return 0;
}

void zs_tables_set_stop(struct zs_tables *t, bool stopped)
{
	atomic_store_explicit(&t->stop->word, stopped, memory_order_release);
}

static bool odd(const _Atomic uint32_t *seq)
{
	return zs_seqlock_read(seq) & 1;
}

static const char *check_routes(const struct zs_tables *t)
{
	uint32_t high = atomic_load(&t->meta->route_high);
	struct zs_route r;

	if (high > t->routes)
		return "route_high beyond the table";
	for (uint32_t i = 0; i < t->routes; i++) {
		if (odd(&t->route[i].seq))
			return "route: odd lock";
		if (!t->route[i].used)
			continue;
		if (i >= high)
			return "route beyond route_high";
		if (!zs_tables_route(t, i, &r))
			return "route out of range";
	}
	return NULL;
}

static const char *check_nexthops(const struct zs_tables *t)
{
	struct zs_nexthop n;

	for (uint32_t i = 0; i < t->nexthops; i++) {
		if (odd(&t->nexthop[i].seq))
			return "next hop: odd lock";
		if (!t->nexthop[i].used)
			continue;
		if (!zs_tables_nexthop(t, i, &n))
			return "next hop out of range";
		if (zs_tables_find_nexthop(t, &n.addr, n.iface, n.vlan) != i)
			return "next hop not found, or there twice";
	}
	return NULL;
}

static const char *check_rest(const struct zs_tables *t)
{
	struct zs_settings s;
	struct zs_local l;
	struct zs_published p;

	if (!zs_tables_settings(t, &s))
		return "settings";
	for (uint32_t i = 0; i < ZS_LOCALS_MAX; i++)
		if (odd(&t->local[i].seq) || (t->local[i].used && !zs_tables_local(t, i, &l)))
			return "own address";
	for (uint32_t i = 0; i < ZS_UDP_PORTS; i++)
		if (odd(&t->published[i].seq) ||
		    (t->published[i].used && !zs_tables_published(t, (uint16_t)i, &p)))
			return "published port";
	return NULL;
}

int zs_tables_check(const struct zs_tables *t, const char **where)
{
	const char *bad = check_rest(t);

	if (!bad)
		bad = check_routes(t);
	if (!bad)
		bad = check_nexthops(t);
	if (!bad)
		return 0;
	*where = bad;
	return -EUCLEAN;
}
