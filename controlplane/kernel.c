/* Entries live in bounded sets keyed by what makes them distinct in the kernel. A dump marks
 * with its round and sweeps what it did not see, so a missed deletion heals with the next. */
#include "kernel.h"

#include <errno.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>

#define RESOLVED (NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE | NUD_PERMANENT | NUD_NOARP)

static void add_device(struct zs_kernel *k, const char *name)
{
	if (!name[0] || strlen(name) >= sizeof(k->device[0].name) || zs_kernel_named(k, name))
		return;
	if (k->devices < ZS_KERNEL_DEVICES)
		strcpy(k->device[k->devices++].name, name); /* length checked above */
}

int zs_kernel_new(struct zs_kernel *k, const struct zs_conf *conf, uint32_t max_routes, uint32_t max_neighs)
{
	*k = (struct zs_kernel){ 0 };
	for (uint32_t i = 0; i < conf->dataplane.ports; i++) {
		const struct zs_conf_port *p = &conf->dataplane.port[i];

		for (uint32_t v = 0; v < p->vlans; v++)
			add_device(k, p->vlan[v].device);
	}
	if (zs_keyset_new(&k->routes, sizeof(struct zs_kernel_route), offsetof(struct zs_kernel_route, seen),
			  max_routes))
		return -ENOMEM;
	if (zs_keyset_new(&k->neighs, sizeof(struct zs_kernel_neigh), offsetof(struct zs_kernel_neigh, mac),
			  max_neighs)) {
		zs_keyset_delete(&k->routes);
		return -ENOMEM;
	}
	return 0;
}

void zs_kernel_delete(struct zs_kernel *k)
{
	zs_keyset_delete(&k->routes);
	zs_keyset_delete(&k->neighs);
}

const struct zs_kernel_device *zs_kernel_named(const struct zs_kernel *k, const char *name)
{
	for (uint32_t i = 0; i < k->devices; i++)
		if (!strcmp(k->device[i].name, name))
			return &k->device[i];
	return NULL;
}

static bool is_ours(const struct zs_kernel *k, uint32_t index)
{
	for (uint32_t i = 0; i < k->devices; i++)
		if (index && k->device[i].index == index)
			return true;
	return false;
}

static enum zs_kernel_change update_device(struct zs_kernel_device *d, const struct zs_nl_link *l)
{
	struct zs_kernel_device old = *d;

	d->index = l->index;
	d->up = l->up;
	d->mtu = l->mtu;
	d->has_mac = l->has_mac;
	memcpy(d->mac, l->mac, 6);
	if (old.index != d->index || old.up != d->up)
		return ZS_KERNEL_RESYNC; /* the kernel does not tell every route it drops with a link */
	return memcmp(&old, d, sizeof(old)) ? ZS_KERNEL_CHANGED : ZS_KERNEL_SAME;
}

static enum zs_kernel_change feed_link(struct zs_kernel *k, const struct zs_nl_link *l, bool gone)
{
	enum zs_kernel_change change = ZS_KERNEL_SAME;

	for (uint32_t i = 0; i < k->devices; i++) {
		struct zs_kernel_device *d = &k->device[i];

		if (!strcmp(d->name, l->name) && !gone) {
			change = update_device(d, l);
		} else if (d->index == l->index) { /* deleted or renamed */
			d->index = 0;
			d->up = false;
			change = ZS_KERNEL_RESYNC;
		}
	}
	return change;
}

static void route_key(const struct zs_nl_route *r, uint32_t hop, struct zs_kernel_route *key)
{
	*key = (struct zs_kernel_route){ .dest = r->dest,
					 .len = r->len,
					 .metric = r->metric,
					 .index = r->hop[hop].index,
					 .has_gateway = r->hop[hop].has_gateway };
	if (key->has_gateway)
		key->gateway = r->hop[hop].gateway;
}

/* `ip route replace` tells the new one alone. */
static bool drop_replaced(struct zs_kernel *k, const struct zs_nl_route *r)
{
	bool any = false;

	for (uint32_t i = 0; i < k->routes.slots; i++) {
		struct zs_kernel_route *e = zs_keyset_at(&k->routes, i);

		if (!e || !zs_addr_eq(&e->dest, &r->dest) || e->len != r->len || e->metric != r->metric)
			continue;
		struct zs_kernel_route key = *e;
		zs_keyset_del(&k->routes, &key);
		any = true;
		i--;
	}
	return any;
}

static bool put_route(struct zs_kernel *k, const struct zs_kernel_route *key)
{
	uint32_t before = k->routes.count;
	struct zs_kernel_route *e = zs_keyset_put(&k->routes, key);

	if (e)
		e->seen = k->round;
	else
		k->refused++;
	return k->routes.count != before;
}

static enum zs_kernel_change feed_route(struct zs_kernel *k, const struct zs_nl_route *r, bool gone)
{
	bool changed;

	if (r->table != RT_TABLE_MAIN || r->type != RTN_UNICAST || r->cloned)
		return ZS_KERNEL_SAME;
	changed = !gone && r->replace && drop_replaced(k, r);
	for (uint32_t h = 0; h < r->hops; h++) {
		struct zs_kernel_route key;

		if (!is_ours(k, r->hop[h].index) || (r->hop[h].dead && !gone))
			continue;
		route_key(r, h, &key);
		if (gone) {
			changed |= zs_keyset_find(&k->routes, &key) != NULL;
			zs_keyset_del(&k->routes, &key);
		} else {
			changed |= put_route(k, &key);
		}
	}
	return changed ? ZS_KERNEL_CHANGED : ZS_KERNEL_SAME;
}

static enum zs_kernel_change drop_neigh(struct zs_kernel *k, const struct zs_kernel_neigh *key,
					uint64_t now_ns)
{
	struct zs_kernel_neigh *e = zs_keyset_find(&k->neighs, key);

	if (!e)
		return ZS_KERNEL_SAME;
	if (e->valid) {
		e->gone_ns = now_ns;
		e->state = NUD_NONE;
		return ZS_KERNEL_SAME;
	}
	zs_keyset_del(&k->neighs, key);
	return ZS_KERNEL_CHANGED;
}

static enum zs_kernel_change feed_neigh(struct zs_kernel *k, const struct zs_nl_neigh *n, bool gone,
					uint64_t now_ns)
{
	struct zs_kernel_neigh key = { .addr = n->addr, .index = n->index }, old, *e;
	bool valid = (n->state & RESOLVED) && n->has_mac;

	if (!is_ours(k, n->index) || (n->flags & NTF_PROXY) || n->addr.ip[0] == 0xff)
		return ZS_KERNEL_SAME;
	if (gone)
		return drop_neigh(k, &key, now_ns);
	e = zs_keyset_find(&k->neighs, &key);
	if (!e && !valid) /* whoever asks for strangers fills no table */
		return ZS_KERNEL_SAME;
	if (!e)
		e = zs_keyset_put(&k->neighs, &key);
	if (!e) {
		k->refused++;
		return ZS_KERNEL_SAME;
	}
	old = *e;
	e->seen = k->round;
	e->state = n->state;
	/* An entry that the kernel dropped and asks for again says INCOMPLETE first. */
	if (!valid && (n->state & NUD_INCOMPLETE) && e->gone_ns)
		return ZS_KERNEL_SAME;
	e->gone_ns = 0;
	e->valid = valid;
	if (valid)
		memcpy(e->mac, n->mac, 6);
	return old.valid != e->valid || memcmp(old.mac, e->mac, 6) ? ZS_KERNEL_CHANGED : ZS_KERNEL_SAME;
}

enum zs_kernel_change zs_kernel_feed(struct zs_kernel *k, const struct zs_nl_message *m, uint64_t now_ns)
{
	if (!m->known)
		return ZS_KERNEL_SAME;
	switch (m->type) {
	case RTM_NEWLINK:
	case RTM_DELLINK:
		return feed_link(k, &m->link, m->type == RTM_DELLINK);
	case RTM_NEWROUTE:
	case RTM_DELROUTE:
		return feed_route(k, &m->route, m->type == RTM_DELROUTE);
	case RTM_NEWNEIGH:
	case RTM_DELNEIGH:
		return feed_neigh(k, &m->neigh, m->type == RTM_DELNEIGH, now_ns);
	}
	return ZS_KERNEL_SAME;
}

void zs_kernel_mark(struct zs_kernel *k)
{
	k->round++;
	k->refused = 0;
}

void zs_kernel_sweep(struct zs_kernel *k)
{
	for (uint32_t i = 0; i < k->routes.slots; i++) {
		struct zs_kernel_route key, *e = zs_keyset_at(&k->routes, i);

		if (!e || e->seen == k->round)
			continue;
		key = *e;
		zs_keyset_del(&k->routes, &key);
		i--;
	}
	for (uint32_t i = 0; i < k->neighs.slots; i++) {
		struct zs_kernel_neigh key, *e = zs_keyset_at(&k->neighs, i);

		if (!e || e->seen == k->round || (e->gone_ns && is_ours(k, e->index)))
			continue;
		key = *e;
		zs_keyset_del(&k->neighs, &key);
		i--;
	}
}

bool zs_kernel_expire(struct zs_kernel *k, uint64_t now_ns)
{
	bool any = false;

	for (uint32_t i = 0; i < k->neighs.slots; i++) {
		struct zs_kernel_neigh key, *e = zs_keyset_at(&k->neighs, i);

		if (!e || !e->gone_ns || now_ns < e->gone_ns + ZS_KERNEL_LINGER_NS)
			continue;
		key = *e;
		zs_keyset_del(&k->neighs, &key);
		any = true;
		i--;
	}
	return any;
}

const struct zs_kernel_neigh *zs_kernel_find(const struct zs_kernel *k, const struct zs_addr *addr,
					     uint32_t index)
{
	struct zs_kernel_neigh key = { .addr = *addr, .index = index };

	return zs_keyset_find(&k->neighs, &key);
}
