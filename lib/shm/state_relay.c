/* The half of the state segment that belongs to attachments: its regions, and how they outlive another number of workers.
 *
 * Carried over whole, with the incarnation: the counters that bindings and lanes must never repeat are all there, and so are
 * the meters' last values. */
#include "shm/state.h"

#include <errno.h>
#include <string.h>
#include "shm/sessions.h"

/* The region, when it holds so many entries. */
static void *region(const struct zs_state *s, const char *name, uint64_t count, size_t entry)
{
	size_t have = 0;
	void *p = zs_segment_region(&s->seg, name, &have);

	return have == count * entry ? p : NULL;
}

/* How many entries a region has: a power of two up to `max`, else 0. */
static uint32_t count_of(const struct zs_state *s, const char *name, size_t entry, uint32_t max)
{
	size_t have = 0;

	if (!zs_segment_region(&s->seg, name, &have) || have % entry || have / entry > max)
		return 0;
	have /= entry;
	return have & (have - 1) ? 0 : (uint32_t)have;
}

int zs_state_bind_relay(struct zs_state *s)
{
	uint32_t n = count_of(s, "@binding", sizeof(*s->binding), ZS_ATTACHMENTS_MAX);
	uint64_t each = (uint64_t)s->partitions * n;

	s->attachments = n;
	s->binding = region(s, "@binding", n, sizeof(*s->binding));
	s->sender = region(s, "@sender", zs_senders_for(n), sizeof(*s->sender));
	s->hot = region(s, "@hot", each, sizeof(*s->hot));
	s->account = region(s, "@account", each, sizeof(*s->account));
	s->bucket = region(s, "@bucket", n, sizeof(*s->bucket));
	s->tenant = region(s, "@tenant_bucket", ZS_TENANTS, sizeof(*s->tenant));
	s->bindings.head = region(s, "@binding_head", 1, sizeof(*s->bindings.head));
	s->bindings.capacity = count_of(s, "@binding_change", sizeof(*s->bindings.id), ZS_CHANGELOG_MAX);
	s->bindings.id = region(s, "@binding_change", s->bindings.capacity, sizeof(*s->bindings.id));
	return n && s->bindings.capacity && s->binding && s->sender && s->hot && s->account && s->bucket &&
		       s->tenant && s->bindings.head && s->bindings.id
		   ? 0
		   : -EPROTO;
}

void zs_state_carry_relay(const struct zs_state *old, struct zs_state *fresh)
{
	size_t n = old->attachments, each = n * old->partitions;

	fresh->seg.base->incarnation = old->seg.base->incarnation;
	memcpy(fresh->binding, old->binding, n * sizeof(*old->binding));
	memcpy(fresh->hot, old->hot, each * sizeof(*old->hot));
	memcpy(fresh->account, old->account, each * sizeof(*old->account));
	memcpy(fresh->bucket, old->bucket, n * sizeof(*old->bucket));
	memcpy(fresh->tenant, old->tenant, ZS_TENANTS * sizeof(*old->tenant));
}
