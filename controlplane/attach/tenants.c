/* Tenants: the configuration's, numbered for the segment. A number belongs to a name while the configuration has
 * it, so a reload moves nobody to another bucket. */
#include "attach/internal.h"

#include <stdio.h>

static struct tenant *named(struct zs_attach *s, const char *name)
{
	for (uint32_t i = 1; name[0] && i < ZS_TENANTS; i++)
		if (!strcmp(s->tenant[i].name, name))
			return &s->tenant[i];
	return NULL;
}

static void show(struct zs_attach *s, const struct tenant *t)
{
	struct zs_tenant v = { .used = 1, .mark = t->mark, .members = t->members };
	uint32_t number = (uint32_t)(t - s->tenant);

	zs_police_of(&v.police, &t->limits);
	zs_police_share(&v.share_bytes, &v.share_packets, &t->limits, t->members);
	ZS_CHECK(!zs_sessions_set_tenant(&s->shm, number, t->name[0] ? &v : NULL), "tenant %u", number);
}

static const struct zs_conf_policy *configured(const struct zs_attach *s, const char *name)
{
	for (uint32_t i = 0; i < conf_of(s)->tenants; i++)
		if (!strcmp(conf_of(s)->tenants_at[i].name, name))
			return &conf_of(s)->tenants_at[i];
	return NULL;
}

static struct tenant *unused(struct zs_attach *s)
{
	for (uint32_t i = 1; i < ZS_TENANTS; i++)
		if (!s->tenant[i].name[0])
			return &s->tenant[i];
	return NULL;
}

void zs_attach_tenants_load(struct zs_attach *s)
{
	_Static_assert(ZS_CONF_TENANTS < ZS_TENANTS, "a number for each");
	for (uint32_t i = 1; i < ZS_TENANTS; i++)
		if (s->tenant[i].name[0] && !configured(s, s->tenant[i].name))
			s->tenant[i].name[0] = '\0';
	for (uint32_t i = 0; i < conf_of(s)->tenants; i++) {
		const struct zs_conf_policy *p = &conf_of(s)->tenants_at[i];
		struct tenant *t = named(s, p->name);

		if (!t)
			t = unused(s);
		ZS_CHECK(t, "a number for each tenant");
		if (strcmp(t->name, p->name)) {
			t->used = 0; /* until usage says */
			snprintf(t->name, sizeof(t->name), "%s", p->name);
		}
		t->limits = zs_attach_limits_of(p);
		t->bytes = (uint64_t)p->total_mb << 20;
		t->mark = !strcmp(p->excess, "mark");
	}
	for (uint32_t i = 1; i < ZS_TENANTS; i++)
		show(s, &s->tenant[i]);
}

bool zs_attach_tenant_exists(const struct zs_attach *s, const char *name)
{
	return !name[0] || configured(s, name);
}

uint32_t zs_attach_tenant_number(struct zs_attach *s, const char *name)
{
	const struct tenant *t = named(s, name);

	return t ? (uint32_t)(t - s->tenant) : 0;
}

void zs_attach_tenant_join(struct zs_attach *s, struct slot *slot, uint32_t number)
{
	uint32_t before = slot->tenant;

	if (before == number)
		return;
	slot->tenant = number;
	if (before) {
		s->tenant[before].members--;
		show(s, &s->tenant[before]);
	}
	if (number) {
		s->tenant[number].members++;
		show(s, &s->tenant[number]);
	}
}

bool zs_attach_tenants_right(const struct zs_attach *s)
{
	uint32_t members[ZS_TENANTS] = { 0 };
	bool right = true;

	for (uint32_t id = 1; id < s->high; id++)
		members[s->slot[id]->tenant]++;
	for (uint32_t i = 1; i < ZS_TENANTS; i++)
		right &= members[i] == s->tenant[i].members && (!members[i] || s->tenant[i].name[0]);
	return right;
}

uint32_t zs_attach_tenant_of(const struct zs_attach *s, uint32_t id, const struct zs_peer_id *owner,
			     const char **name)
{
	const struct slot *slot = id < s->high ? s->slot[id] : NULL;

	if (!slot || !slot->tenant || !zs_peer_id_eq(&slot->kept.owner, owner))
		return 0;
	*name = s->tenant[slot->tenant].name;
	return slot->tenant;
}

void zs_attach_tenant_used(struct zs_attach *s, uint32_t number, const char *name, uint64_t used)
{
	bool was;

	if (!number || number >= ZS_TENANTS || strcmp(s->tenant[number].name, name))
		return;
	was = zs_attach_quota_tenant_spent(s, number);
	s->tenant[number].used = used;
	if (was || !zs_attach_quota_tenant_spent(s, number))
		return; /* who is there was ended when it became so, who comes is refused */
	for (uint32_t id = 1; id < s->high; id++)
		if (s->slot[id]->tenant == number)
			zs_attach_quota_judge(s, s->slot[id]);
}
