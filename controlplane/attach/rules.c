/* Peers allowed and denied by command: durable, and in memory by peer. */
#include "attach/internal.h"

#include <errno.h>
#include <stdlib.h>

const struct zs_attach_rule *zs_attach_rule_of(const struct zs_attach *s, const struct zs_peer_id *peer)
{
	uint32_t at = zs_peertable_find(&s->ruled, peer);

	return at == ZS_PEER_NONE ? NULL : &s->rule[at];
}

static void put(struct zs_attach *s, const struct zs_attach_rule *rule)
{
	uint32_t at = zs_peertable_find(&s->ruled, &rule->peer);

	if (at == ZS_PEER_NONE)
		at = zs_peertable_add(&s->ruled, &rule->peer);
	if (at != ZS_PEER_NONE) /* a store with more than we ever write */
		s->rule[at] = *rule;
}

int zs_attach_rules_load(struct zs_attach *s, struct zs_error *err)
{
	uint64_t key[2] = { zs_random_u64(&s->random), zs_random_u64(&s->random) };

	s->rule = calloc(ZS_ATTACH_RULES, sizeof(*s->rule));
	if (!s->rule || zs_peertable_new(&s->ruled, ZS_ATTACH_RULES, key))
		return zs_error_set(err, -ENOMEM, ZS_EXIT_RESOURCE, "out of memory");
	return zs_attach_records_rules(s, put, err);
}

static bool is_full(const struct zs_attach *s, const struct zs_attach_rule *rule)
{
	return !zs_attach_rule_of(s, &rule->peer) && s->ruled.pool.used >= ZS_ATTACH_RULES;
}

int zs_attach_rule_set(struct zs_attach *s, const struct zs_attach_rule *rule, uint64_t now,
		       struct zs_error *err)
{
	int rc;

	if (!zs_attach_policy_exists(s->c->conf, rule->policy))
		return zs_error_set(err, -ENOENT, ZS_EXIT_REFUSED,
				    "there is no policy '%s' in attach.policies of the configuration",
				    rule->policy);
	if (!zs_attach_tenant_exists(s, rule->tenant))
		return zs_error_set(err, -ENOENT, ZS_EXIT_REFUSED,
				    "there is no tenant '%s' in attach.tenants of the configuration",
				    rule->tenant);
	if (is_full(s, rule))
		return zs_error_set(err, -ENOSPC, ZS_EXIT_REFUSED,
				    "%u peers have rules already; list them in the configuration",
				    ZS_ATTACH_RULES);
	rc = zs_attach_record_rule(s, rule, err);
	if (rc)
		return rc;
	put(s, rule);
	zs_attach_judge(s, now);
	return 0;
}

static int drop_rule(struct zs_attach *s, const struct zs_peer_id *peer, struct zs_error *err)
{
	uint32_t at = zs_peertable_find(&s->ruled, peer);
	int rc = at == ZS_PEER_NONE ? 0 : zs_attach_record_no_rule(s, peer, err);

	if (!rc && at != ZS_PEER_NONE)
		zs_peertable_remove(&s->ruled, at);
	return rc;
}

int zs_attach_forget(struct zs_attach *s, const struct zs_peer_id *peer, uint64_t now, struct zs_error *err)
{
	struct zs_attach_limits none = { .lifted = UINT32_MAX };
	struct slot *slot = zs_attach_slot_of(s, peer);
	int rc;

	zs_attach_set_now(s, now);
	if (!slot && !zs_attach_rule_of(s, peer) && !zs_attach_limited(s, peer))
		return zs_error_set(
		    err, -ENOENT, ZS_EXIT_REFUSED,
		    "nothing is kept of this peer; zsctl attach list names those it is kept of");
	rc = drop_rule(s, peer, err);
	if (!rc && slot)
		rc = zs_attach_slot_free(s, slot, err);
	if (!rc && zs_attach_limited(s, peer))
		rc = zs_attach_limit(s, peer, &none, now, err);
	return rc;
}

void zs_attach_rules(const struct zs_attach *s, zs_attach_rule_fn *fn, void *ctx)
{
	const struct zs_conf_attach *a = conf_of(s);

	for (uint32_t i = zs_peertable_next(&s->ruled, ZS_PEER_NONE); i != ZS_PEER_NONE;
	     i = zs_peertable_next(&s->ruled, i))
		fn(ctx, &s->rule[i], false);
	for (uint32_t i = zs_peertable_next(&s->listed, ZS_PEER_NONE); i != ZS_PEER_NONE;
	     i = zs_peertable_next(&s->listed, i)) {
		const struct zs_conf_allow *from = &a->allow[s->listed_at[i]];
		struct zs_attach_rule rule = { .peer = s->listed.id[i] };

		memcpy(rule.name, from->name, sizeof(rule.name));
		memcpy(rule.policy, from->policy, sizeof(rule.policy));
		memcpy(rule.tenant, from->tenant, sizeof(rule.tenant));
		fn(ctx, &rule, true);
	}
}
