/* Routes and next hops in the tables, brought to a wanted list by the difference alone: an
 * entry that stays equal is never written, so packets that use it notice nothing.
 *
 * Both sides are sorted by key and walked together. New and changed entries go in before
 * obsolete ones leave; only a full table turns that round. */
#include <errno.h>
#include <stdlib.h>
#include "program_internal.h"

/* A table seen through its verbs; `size` bytes an entry, the key compared by `order`. */
struct kind {
	const char *name;
	size_t size;
	int (*order)(const void *a, const void *b); /* by key */
	bool (*same)(const void *a, const void *b); /* same key given: all else */
	bool (*get)(const struct zs_tables *t, uint32_t index, void *e);
	int (*put)(struct zs_tables *t, const void *e);
	int (*del)(struct zs_tables *t, const void *e);
};

static int compare(uint64_t a, uint64_t b)
{
	return (a > b) - (a < b);
}

static uint64_t route_rank(const struct zs_route *r)
{
	return (uint64_t)r->len << 56 | (uint64_t)r->iface << 48 | (uint64_t)r->vlan << 32 | r->metric;
}

static int route_order(const void *x, const void *y)
{
	const struct zs_route *a = x, *b = y;
	int rc = memcmp(&a->dest, &b->dest, sizeof(a->dest));

	return rc ? rc : compare(route_rank(a), route_rank(b));
}

static bool route_same(const void *x, const void *y)
{
	const struct zs_route *a = x, *b = y;

	return a->onlink == b->onlink && zs_addr_eq(&a->gateway, &b->gateway);
}

static bool route_get(const struct zs_tables *t, uint32_t index, void *e)
{
	return zs_tables_route(t, index, e);
}

static int route_put(struct zs_tables *t, const void *e)
{
	return zs_tables_put_route(t, e);
}

static int route_del(struct zs_tables *t, const void *e)
{
	return zs_tables_del_route(t, e);
}

static int nexthop_order(const void *x, const void *y)
{
	const struct zs_nexthop *a = x, *b = y;
	int rc = memcmp(&a->addr, &b->addr, sizeof(a->addr));

	return rc ? rc : compare((uint64_t)a->iface << 16 | a->vlan, (uint64_t)b->iface << 16 | b->vlan);
}

static bool nexthop_same(const void *x, const void *y)
{
	const struct zs_nexthop *a = x, *b = y;

	return a->valid == b->valid && a->mtu == b->mtu && !memcmp(a->dmac, b->dmac, 6) &&
	       !memcmp(a->smac, b->smac, 6);
}

static bool nexthop_get(const struct zs_tables *t, uint32_t index, void *e)
{
	return zs_tables_nexthop(t, index, e);
}

static int nexthop_put(struct zs_tables *t, const void *e)
{
	return zs_tables_put_nexthop(t, e);
}

static int nexthop_del(struct zs_tables *t, const void *e)
{
	return zs_tables_del_nexthop(t, e);
}

static const void *at(const struct kind *k, const void *list, uint32_t i)
{
	return (const char *)list + i * k->size;
}

/* Drops all but the first of equal keys. */
static uint32_t unique(const struct kind *k, void *list, uint32_t n)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < n; i++)
		if (!kept || k->order(at(k, list, kept - 1), at(k, list, i)))
			memmove((char *)list + kept++ * k->size, at(k, list, i), k->size);
	return kept;
}

struct lists {
	const void *now, *want;
	uint32_t nows, wants;
};

/* Puts what is new or differs; counts what found no room. */
static uint32_t put_wanted(const struct kind *k, struct zs_tables *t, const struct lists *l)
{
	uint32_t i = 0, refused = 0;

	for (uint32_t w = 0; w < l->wants; w++) {
		const void *e = at(k, l->want, w);

		while (i < l->nows && k->order(at(k, l->now, i), e) < 0)
			i++;
		if (i < l->nows && !k->order(at(k, l->now, i), e) && k->same(at(k, l->now, i), e))
			continue;
		refused += k->put(t, e) != 0;
	}
	return refused;
}

static void del_obsolete(const struct kind *k, struct zs_tables *t, const struct lists *l)
{
	uint32_t w = 0;

	for (uint32_t i = 0; i < l->nows; i++) {
		const void *e = at(k, l->now, i);

		while (w < l->wants && k->order(at(k, l->want, w), e) < 0)
			w++;
		if (w == l->wants || k->order(at(k, l->want, w), e))
			k->del(t, e);
	}
}

static int reconcile(struct zs_program *p, const struct kind *k, struct lists *l)
{
	uint32_t refused = put_wanted(k, &p->tables, l);

	del_obsolete(k, &p->tables, l);
	if (refused) /* there may be room now; what is in already is only written again */
		refused = put_wanted(k, &p->tables, l);
	if (!refused)
		return 0;
	zs_control_raise(p->c, ZS_HEALTH_table_full, "%s: %u too many", k->name, refused);
	ZS_LOG(&p->c->log, TABLE_FULL, "table=%s refused=%u", k->name, refused);
	return -ENOSPC;
}

static const struct kind routes = {
	.name = "routes",
	.size = sizeof(struct zs_route),
	.order = route_order,
	.same = route_same,
	.get = route_get,
	.put = route_put,
	.del = route_del,
};
static const struct kind nexthops = {
	.name = "neighbours",
	.size = sizeof(struct zs_nexthop),
	.order = nexthop_order,
	.same = nexthop_same,
	.get = nexthop_get,
	.put = nexthop_put,
	.del = nexthop_del,
};

/* Brings the table of `slots` to the `count` entries of `want`, which is sorted on the way. */
static int set(struct zs_program *p, const struct kind *k, uint32_t slots, void *want, uint32_t count)
{
	char *now = malloc((size_t)slots * k->size);
	struct lists l = { .now = now, .want = want };
	int rc;

	if (!now)
		return -ENOMEM;
	for (uint32_t i = 0; i < slots; i++)
		l.nows += k->get(&p->tables, i, now + l.nows * k->size);
	qsort(now, l.nows, k->size, k->order);
	qsort(want, count, k->size, k->order);
	l.wants = unique(k, want, count);
	rc = reconcile(p, k, &l);
	free(now);
	return rc;
}

int zs_program_set_routes(struct zs_program *p, struct zs_route *want, uint32_t count)
{
	return set(p, &routes, p->tables.routes, want, count);
}

int zs_program_set_nexthops(struct zs_program *p, struct zs_nexthop *want, uint32_t count)
{
	return set(p, &nexthops, p->tables.nexthops, want, count);
}
