/* The tables segment: layout, opening, repair.
 *
 * Regions: @stop @meta @settings @local @published @route @nexthop @acl, each on pages of its own. A file of a build
 * that had no @acl is made again with it (tables_acl.c).
 * Invariant for readers: every entry is copied under its sequence lock and judged before use
 * (tables_read.c). Invariant for the writer: outside of a put every lock is even; what a
 * killed writer left odd is cleared at adoption, and the control plane programs it again.
 *
 * Version 1 → 2: see tables_v1.c. */
#include "shm/tables.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include "base/check.h"
#include "base/clock.h"
#include "shm/tables_acl.h"
#include "shm/tables_v1.h"

#define ROUTES_MAX   65536u
#define NEXTHOPS_MAX 65536u

static const struct zs_segment_field members[] = {
	ZS_SEGMENT_MEMBER("stop", struct zs_stop, word),
	ZS_SEGMENT_MEMBER("meta", struct zs_tables_meta, change),
	ZS_SEGMENT_MEMBER("meta", struct zs_tables_meta, epoch),
	ZS_SEGMENT_MEMBER("meta", struct zs_tables_meta, route_high),
	ZS_SEGMENT_MEMBER("meta", struct zs_tables_meta, nexthop_key),
	ZS_SEGMENT_MEMBER("meta", struct zs_tables_meta, published_change),
	ZS_SEGMENT_MEMBER("set", struct zs_settings, seq),
	ZS_SEGMENT_MEMBER("set", struct zs_settings, flow_idle_answered_ms),
	ZS_SEGMENT_MEMBER("set", struct zs_settings, flow_idle_unanswered_ms),
	ZS_SEGMENT_MEMBER("set", struct zs_settings, new_flows_per_prefix_s),
	ZS_SEGMENT_MEMBER("set", struct zs_settings, new_flows_prefix_burst),
	ZS_SEGMENT_MEMBER("set", struct zs_settings, max_flows_per_prefix),
	ZS_SEGMENT_MEMBER("set", struct zs_settings, port_share),
	ZS_SEGMENT_MEMBER("set", struct zs_settings, busy_poll_us),
	ZS_SEGMENT_MEMBER("set", struct zs_settings, sleep_max_us),
	ZS_SEGMENT_MEMBER("set", struct zs_settings, flow_port_first),
	ZS_SEGMENT_MEMBER("set", struct zs_settings, flow_port_last),
	ZS_SEGMENT_MEMBER("set", struct zs_settings, generation),
	ZS_SEGMENT_MEMBER("set", struct zs_settings, log_level),
	ZS_SEGMENT_MEMBER("set", struct zs_settings, deny),
	ZS_SEGMENT_MEMBER("set", struct zs_settings, hash_key),
	ZS_SEGMENT_MEMBER("deny", struct zs_deny, allowed_count),
	ZS_SEGMENT_MEMBER("deny", struct zs_deny, allowed),
	ZS_SEGMENT_MEMBER("prefix", struct zs_prefix, addr),
	ZS_SEGMENT_MEMBER("prefix", struct zs_prefix, len),
	ZS_SEGMENT_MEMBER("local", struct zs_local, seq),
	ZS_SEGMENT_MEMBER("local", struct zs_local, used),
	ZS_SEGMENT_MEMBER("local", struct zs_local, iface),
	ZS_SEGMENT_MEMBER("local", struct zs_local, vlan),
	ZS_SEGMENT_MEMBER("local", struct zs_local, addr),
	ZS_SEGMENT_MEMBER("local", struct zs_local, prefix_len),
	ZS_SEGMENT_MEMBER("published", struct zs_published, seq),
	ZS_SEGMENT_MEMBER("published", struct zs_published, used),
	ZS_SEGMENT_MEMBER("published", struct zs_published, drain),
	ZS_SEGMENT_MEMBER("published", struct zs_published, target_port),
	ZS_SEGMENT_MEMBER("published", struct zs_published, target),
	ZS_SEGMENT_MEMBER("published", struct zs_published, generation),
	ZS_SEGMENT_MEMBER("published", struct zs_published, new_flows_s),
	ZS_SEGMENT_MEMBER("published", struct zs_published, new_flows_burst),
	ZS_SEGMENT_MEMBER("published", struct zs_published, max_flows),
	ZS_SEGMENT_MEMBER("published", struct zs_published, kind),
	ZS_SEGMENT_MEMBER("published", struct zs_published, service),
	ZS_SEGMENT_MEMBER("published", struct zs_published, protection),
	ZS_SEGMENT_MEMBER("published", struct zs_published, attachment),
	ZS_SEGMENT_MEMBER("published", struct zs_published, attachment_generation),
	ZS_SEGMENT_MEMBER("route", struct zs_route, seq),
	ZS_SEGMENT_MEMBER("route", struct zs_route, used),
	ZS_SEGMENT_MEMBER("route", struct zs_route, len),
	ZS_SEGMENT_MEMBER("route", struct zs_route, iface),
	ZS_SEGMENT_MEMBER("route", struct zs_route, onlink),
	ZS_SEGMENT_MEMBER("route", struct zs_route, vlan),
	ZS_SEGMENT_MEMBER("route", struct zs_route, metric),
	ZS_SEGMENT_MEMBER("route", struct zs_route, dest),
	ZS_SEGMENT_MEMBER("route", struct zs_route, gateway),
	ZS_SEGMENT_MEMBER("nexthop", struct zs_nexthop, seq),
	ZS_SEGMENT_MEMBER("nexthop", struct zs_nexthop, used),
	ZS_SEGMENT_MEMBER("nexthop", struct zs_nexthop, iface),
	ZS_SEGMENT_MEMBER("nexthop", struct zs_nexthop, vlan),
	ZS_SEGMENT_MEMBER("nexthop", struct zs_nexthop, addr),
	ZS_SEGMENT_MEMBER("nexthop", struct zs_nexthop, dmac),
	ZS_SEGMENT_MEMBER("nexthop", struct zs_nexthop, smac),
	ZS_SEGMENT_MEMBER("nexthop", struct zs_nexthop, valid),
	ZS_SEGMENT_MEMBER("nexthop", struct zs_nexthop, mtu),
};

static struct zs_tables_shape shaped(const struct zs_tables_shape *shape)
{
	struct zs_tables_shape s = { .routes = shape && shape->routes ? shape->routes : CONFIG_ROUTES,
				     .nexthops = shape && shape->nexthops ? shape->nexthops : CONFIG_NEXTHOPS,
				     .rules = shape && shape->rules ? shape->rules : CONFIG_ACL_RULES };

	ZS_CHECK(s.routes <= ROUTES_MAX, "routes %u", s.routes);
	ZS_CHECK(s.nexthops >= ZS_NEXTHOP_PROBE && s.nexthops <= NEXTHOPS_MAX &&
		     (s.nexthops & (s.nexthops - 1)) == 0,
		 "next hops %u: not a power of two in range", s.nexthops);
	ZS_CHECK(s.rules <= ZS_ACL_RULES_MAX, "rules %u", s.rules);
	return s;
}

static uint32_t fields(struct zs_segment_field *out, const void *shape)
{
	struct zs_tables_shape s = shaped(shape);
	uint32_t n = ZS_ARRAY_LEN(members);

	_Static_assert(ZS_ARRAY_LEN(members) + 8 <= ZS_SEGMENT_FIELDS, "field table is full");
	memcpy(out, members, sizeof(members));
	n = zs_segment_put_region(out, n, "@stop", sizeof(struct zs_stop));
	n = zs_segment_put_region(out, n, "@meta", sizeof(struct zs_tables_meta));
	n = zs_segment_put_region(out, n, "@settings", sizeof(struct zs_settings));
	n = zs_segment_put_region(out, n, "@local", ZS_LOCALS_MAX * sizeof(struct zs_local));
	n = zs_segment_put_region(out, n, "@published", ZS_UDP_PORTS * sizeof(struct zs_published));
	n = zs_segment_put_region(out, n, "@route", s.routes * sizeof(struct zs_route));
	n = zs_segment_put_region(out, n, "@nexthop", s.nexthops * sizeof(struct zs_nexthop));
	return zs_segment_put_region(out, n, ZS_TABLES_ACL, zs_acl_footprint(s.rules));
}

const struct zs_segment_kind zs_tables_kind = {
	.name = "tables",
	.version = ZS_TABLES_VERSION,
	.fields = fields,
	.migrate = zs_tables_migrate_v1,
	.expendable = true, /* the store and the kernel know it all */
};

static void *exact(const struct zs_tables *t, const char *name, size_t size)
{
	size_t have = 0;
	void *p = zs_segment_region(&t->seg, name, &have);
	return have == size ? p : NULL;
}

static void *counted(const struct zs_tables *t, const char *name, size_t entry, uint32_t max, uint32_t *count)
{
	size_t have = 0;
	void *p = zs_segment_region(&t->seg, name, &have);

	if (!p || have == 0 || have % entry || have / entry > max)
		return NULL;
	*count = (uint32_t)(have / entry);
	return p;
}

int zs_tables_bind(struct zs_tables *t)
{
	t->stop = exact(t, "@stop", sizeof(*t->stop));
	t->meta = exact(t, "@meta", sizeof(*t->meta));
	t->settings = exact(t, "@settings", sizeof(*t->settings));
	t->local = exact(t, "@local", ZS_LOCALS_MAX * sizeof(*t->local));
	t->published = exact(t, "@published", ZS_UDP_PORTS * sizeof(*t->published));
	t->route = counted(t, "@route", sizeof(*t->route), ROUTES_MAX, &t->routes);
	t->nexthop = counted(t, "@nexthop", sizeof(*t->nexthop), NEXTHOPS_MAX, &t->nexthops);
	if (!t->stop || !t->meta || !t->settings || !t->local || !t->published || !t->route || !t->nexthop ||
	    t->nexthops < ZS_NEXTHOP_PROBE || (t->nexthops & (t->nexthops - 1)))
		return -EPROTO;
	if (zs_tables_bind_acl(t))
		return -EPROTO;
	t->change = &t->meta->change;
	t->epoch = &t->meta->epoch;
	memcpy(t->nexthop_key, t->meta->nexthop_key, sizeof(t->nexthop_key));
	return 0;
}

static void draw(void *out, size_t len)
{
	if (getrandom(out, len, 0) == (ssize_t)len)
		return;
	for (size_t i = 0; i < len; i++) /* only before the kernel's pool is ready */
		((uint8_t *)out)[i] = (uint8_t)(zs_clock_ns() >> (i & 7));
}

static void defaults(struct zs_settings *s)
{
	s->flow_idle_answered_ms = 120000;
	s->flow_idle_unanswered_ms = 10000;
	s->max_flows_per_prefix = 4096;
	s->port_share = 90;
	s->busy_poll_us = 50;
	s->sleep_max_us = 1000;
	s->flow_port_first = 20000;
	s->flow_port_last = 32767;
	s->generation = 1;
}

void zs_tables_fill(struct zs_tables *t, bool stopped)
{
	struct zs_settings s = { 0 };

	zs_tables_set_stop(t, stopped);
	draw(t->meta->nexthop_key, sizeof(t->meta->nexthop_key));
	memcpy(t->nexthop_key, t->meta->nexthop_key, sizeof(t->nexthop_key));
	draw(t->settings->hash_key, sizeof(t->settings->hash_key));
	defaults(&s);
	zs_tables_set_settings(t, &s);
	zs_acl_new(&t->acl);
}

/* Clears an entry whose writer was killed inside. */
static bool repair(void *entry, size_t size)
{
	static const uint8_t zero[64];

	if (!(zs_seqlock_read(entry) & 1))
		return false;
	zs_seqlock_put(entry, zero, size);
	return true;
}

static void repair_all(struct zs_tables *t)
{
	uint32_t n = 0;

	if (zs_seqlock_read(&t->settings->seq) & 1) {
		struct zs_settings s = { 0 };
		defaults(&s);
		s.generation = t->settings->generation + 1;
		zs_tables_set_settings(t, &s); /* keeps the hash key, which no put ever changes */
	}
	for (uint32_t i = 0; i < ZS_LOCALS_MAX; i++)
		n += repair(&t->local[i], sizeof(t->local[i]));
	for (uint32_t i = 0; i < ZS_UDP_PORTS; i++)
		n += repair(&t->published[i], sizeof(t->published[i]));
	for (uint32_t i = 0; i < t->routes; i++)
		n += repair(&t->route[i], sizeof(t->route[i]));
	for (uint32_t i = 0; i < t->nexthops; i++)
		n += repair(&t->nexthop[i], sizeof(t->nexthop[i]));
	if (atomic_load(&t->meta->route_high) > t->routes)
		atomic_store(&t->meta->route_high, t->routes);
	if (n)
		atomic_fetch_add(t->change, 1);
}

static int bind_or_leave(struct zs_tables *t, struct zs_error *err)
{
	if (zs_tables_bind(t) == 0)
		return 0;
	zs_segment_leave(&t->seg);
	return zs_error_set(err, -EPROTO, ZS_EXIT_LAYOUT, "%s: a region is missing or has an impossible size",
			    t->seg.path);
}

int zs_tables_open_writer(struct zs_tables *t, const char *dir, const struct zs_tables_shape *shape,
			  bool stopped, bool *fresh, struct zs_error *err)
{
	int rc;

	*t = (struct zs_tables){ 0 };
	*fresh = false;
	rc = zs_segment_adopt(&t->seg, dir, &zs_tables_kind, shape, err);
	if (rc == 0) {
		rc = bind_or_leave(t, err);
		if (rc == 0 && !t->acl.head)
			rc = zs_tables_add_acl(t, dir, shape, err);
		if (rc == 0)
			repair_all(t);
		return rc;
	}
	if (rc != -ENOENT)
		return rc;
	rc = zs_segment_new(&t->seg, dir, &zs_tables_kind, shape, err);
	if (rc == 0)
		rc = bind_or_leave(t, err);
	if (rc < 0)
		return rc;
	zs_tables_fill(t, stopped);
	rc = zs_segment_publish(&t->seg, err);
	if (rc < 0)
		zs_segment_leave(&t->seg);
	*fresh = rc == 0;
	return rc;
}

int zs_tables_open_reader(struct zs_tables *t, const char *dir, struct zs_error *err)
{
	int rc;

	*t = (struct zs_tables){ 0 };
	rc = zs_segment_join(&t->seg, dir, &zs_tables_kind, err);
	return rc < 0 ? rc : bind_or_leave(t, err);
}

void zs_tables_close(struct zs_tables *t)
{
	zs_segment_leave(&t->seg);
	*t = (struct zs_tables){ 0 };
}
