/* Version 1 → 2 of the tables. Carried over: stop word, settings, own addresses, published
 * ports (their new limits become 0, unlimited). Not carried: routes and next hops, which
 * netlink tells again within a second of the start.
 *
 * The old writer was killed or ended: an entry with an odd sequence word is half written and
 * is left out. Numbers are checked, the old file is as hostile as any. */
#include "shm/tables_v1.h"

#include <errno.h>
#include <string.h>
#include "base/check.h"
#include "shm/tables.h"

const struct zs_segment_field zs_tables_v1_members[] = {
	ZS_SEGMENT_MEMBER("set", struct zs_settings_v1, flow_idle_answered_ms),
	ZS_SEGMENT_MEMBER("set", struct zs_settings_v1, flow_idle_unanswered_ms),
	ZS_SEGMENT_MEMBER("set", struct zs_settings_v1, new_flows_per_prefix_s),
	ZS_SEGMENT_MEMBER("set", struct zs_settings_v1, new_flows_prefix_burst),
	ZS_SEGMENT_MEMBER("set", struct zs_settings_v1, busy_poll_us),
	ZS_SEGMENT_MEMBER("set", struct zs_settings_v1, sleep_max_us),
	ZS_SEGMENT_MEMBER("set", struct zs_settings_v1, flow_port_first),
	ZS_SEGMENT_MEMBER("set", struct zs_settings_v1, flow_port_last),
	ZS_SEGMENT_MEMBER("set", struct zs_settings_v1, generation),
	ZS_SEGMENT_MEMBER("set", struct zs_settings_v1, allowed_count),
	ZS_SEGMENT_MEMBER("set", struct zs_settings_v1, allowed),
	ZS_SEGMENT_MEMBER("set", struct zs_settings_v1, hash_key),
	ZS_SEGMENT_MEMBER("local", struct zs_local_v1, used),
	ZS_SEGMENT_MEMBER("local", struct zs_local_v1, iface),
	ZS_SEGMENT_MEMBER("local", struct zs_local_v1, vlan),
	ZS_SEGMENT_MEMBER("local", struct zs_local_v1, addr),
	ZS_SEGMENT_MEMBER("local", struct zs_local_v1, prefix_len),
	ZS_SEGMENT_MEMBER("published", struct zs_published_v1, generation),
	ZS_SEGMENT_MEMBER("published", struct zs_published_v1, target),
	ZS_SEGMENT_MEMBER("published", struct zs_published_v1, target_port),
	ZS_SEGMENT_MEMBER("published", struct zs_published_v1, used),
};
const uint32_t zs_tables_v1_member_count = ZS_ARRAY_LEN(zs_tables_v1_members);

struct old_regions {
	const struct zs_stop *stop;
	const struct zs_settings_v1 *settings;
	const struct zs_local_v1 *local;
	const struct zs_published_v1 *published;
};

static const void *want(const void *base, size_t limit, const char *name, size_t size)
{
	size_t have = 0;
	const void *p = zs_segment_region_in(base, limit, name, &have);
	return have >= size ? p : NULL;
}

static bool find(struct old_regions *r, const void *old, size_t size)
{
	r->stop = want(old, size, "@stop", sizeof(*r->stop));
	r->settings = want(old, size, "@settings", sizeof(*r->settings));
	r->local = want(old, size, "@local", ZS_TABLES_V1_LOCALS * sizeof(*r->local));
	r->published = want(old, size, "@published", ZS_TABLES_V1_PUBLISHED * sizeof(*r->published));
	return r->stop && r->settings && r->local && r->published;
}

static bool odd(const _Atomic uint32_t *seq)
{
	return atomic_load_explicit(seq, memory_order_relaxed) & 1;
}

static void carry_settings(const struct zs_settings_v1 *o, struct zs_tables *t)
{
	struct zs_settings s;

	memcpy(t->settings->hash_key, o->hash_key, sizeof(o->hash_key));
	if (odd(&o->seq) || !zs_seqlock_get(t->settings, &s, sizeof(s)))
		return; /* the defaults stay */
	s.flow_idle_answered_ms = o->flow_idle_answered_ms;
	s.flow_idle_unanswered_ms = o->flow_idle_unanswered_ms;
	s.new_flows_per_prefix_s = o->new_flows_per_prefix_s;
	s.new_flows_prefix_burst = o->new_flows_prefix_burst;
	s.busy_poll_us = o->busy_poll_us;
	s.sleep_max_us = o->sleep_max_us;
	s.flow_port_first = o->flow_port_first;
	s.flow_port_last = o->flow_port_last;
	s.generation = o->generation + 1;
	memset(&s.deny, 0, sizeof(s.deny));
	for (uint32_t i = 0; i < o->allowed_count && i < ZS_ARRAY_LEN(o->allowed); i++) {
		struct zs_prefix p = { .len = o->allowed[i].len };
		memcpy(p.addr.ip, o->allowed[i].addr, 16);
		zs_deny_allow(&s.deny, &p); /* what may not be allowed today is dropped */
	}
	zs_tables_set_settings(t, &s);
}

static void carry_locals(const struct zs_local_v1 *o, struct zs_tables *t)
{
	for (uint32_t i = 0; i < ZS_TABLES_V1_LOCALS; i++) {
		struct zs_local l = {
			.used = 1, .iface = o[i].iface, .vlan = o[i].vlan, .prefix_len = o[i].prefix_len
		};
		if (!o[i].used || odd(&o[i].seq))
			continue;
		memcpy(l.addr.ip, o[i].addr, 16);
		zs_tables_set_local(t, i, &l); /* out of range: refused there, left out here */
	}
}

static void carry_published(const struct zs_published_v1 *o, struct zs_tables *t)
{
	for (uint32_t port = 1; port < ZS_TABLES_V1_PUBLISHED; port++) {
		struct zs_published p = { .used = 1,
					  .target_port = o[port].target_port,
					  .generation = o[port].generation };
		if (!o[port].used || odd(&o[port].seq))
			continue;
		memcpy(p.target.ip, o[port].target, 16);
		zs_tables_set_published(t, (uint16_t)port, &p);
	}
}

int zs_tables_migrate_v1(const void *old, size_t old_size, void *fresh, struct zs_error *err)
{
	struct zs_tables t = { .seg = { .base = fresh, .writer = true } };
	struct old_regions r;
	char name[ZS_SEGMENT_FIELD_NAME];

	if (!zs_segment_same_members(old, zs_tables_v1_members, zs_tables_v1_member_count, name))
		return zs_error_set(
		    err, -EPROTO, ZS_EXIT_LAYOUT,
		    "tables: version 1, but the layout differs at field '%s'; remove the file", name);
	t.seg.size = t.seg.base->size;
	if (!find(&r, old, old_size) || zs_tables_bind(&t) < 0)
		return zs_error_set(err, -EPROTO, ZS_EXIT_LAYOUT,
				    "tables: a region of version 1 is missing; remove the file");
	zs_tables_fill(&t, atomic_load(&r.stop->word) != 0);
	carry_settings(r.settings, &t);
	carry_locals(r.local, &t);
	carry_published(r.published, &t);
	return 0;
}
