/* Who may attach, and under which limits. A rule by command stands above the configuration's list, a denial
 * above everything. */
#include "attach/internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include "p2p/multiaddr.h"

static const struct zs_conf_policy *policy_named(const struct zs_conf *conf, const char *name)
{
	for (uint32_t i = 0; name[0] && i < conf->attach.policies; i++)
		if (!strcmp(conf->attach.policies_at[i].name, name))
			return &conf->attach.policies_at[i];
	return NULL;
}

bool zs_attach_policy_exists(const struct zs_conf *conf, const char *name)
{
	return !name[0] || policy_named(conf, name);
}

static const struct zs_conf_allow *listed(const struct zs_attach *s, const struct zs_peer_id *peer)
{
	uint32_t at = zs_peertable_find(&s->listed, peer);

	return at == ZS_PEER_NONE ? NULL : &conf_of(s)->allow[s->listed_at[at]];
}

/* 1: by a list, 0: no list names it, -1: denied. */
static int on_list(const struct zs_attach *s, const struct zs_peer_id *peer, struct admission *out)
{
	const struct zs_attach_rule *rule = zs_attach_rule_of(s, peer);
	const struct zs_conf_allow *allow = listed(s, peer);

	*out = (struct admission){ "", "", "" };
	if (rule && rule->denied)
		return -1;
	if (rule)
		*out = (struct admission){ rule->name, rule->policy, rule->tenant };
	else if (allow)
		*out = (struct admission){ allow->name, allow->policy, allow->tenant };
	return rule || allow;
}

bool zs_attach_policy_keeps(const struct zs_attach *s, const struct slot *slot, struct admission *out)
{
	int by = on_list(s, &slot->kept.owner, out);

	return by > 0 || (by == 0 && strcmp(conf_of(s)->mode, "allow") != 0);
}

/* What the connection and its Hello prove, whoever it is. */
static bool proves(const struct zs_attach *s, const struct zs_attach_conn *conn, const zs_pb_Hello *h,
		   struct refusal *r)
{
	if (!strcmp(conf_of(s)->pq, "required") && !conn->peer.hybrid) {
		*r = (struct refusal){ .code = ZS_ATTACH_ERROR_pq_required, .scope = conn->group };
		return false;
	}
	if (h->psk_id.size ? !zs_secrets_psk(&s->secrets, h->psk_id.bytes, h->psk_id.size)
			   : !strcmp(conf_of(s)->psk, "required")) {
		*r = (struct refusal){ .code = ZS_ATTACH_ERROR_psk };
		return false;
	}
	return true;
}

bool zs_attach_policy_admits(const struct zs_attach *s, const struct zs_attach_conn *conn,
			     const zs_pb_Hello *h, struct admission *out, struct refusal *r)
{
	const char *mode = conf_of(s)->mode;
	int by = on_list(s, &conn->peer.id, out);

	if (by < 0 || (by == 0 && !strcmp(mode, "allow"))) {
		*r = (struct refusal){ .code = ZS_ATTACH_ERROR_denied, .scope = "peer" };
		return false;
	}
	if (by == 0 && !strcmp(mode, "token") &&
	    !zs_secrets_token(&s->secrets, h->token.bytes, h->token.size)) {
		*r = (struct refusal){ .code = ZS_ATTACH_ERROR_token };
		return false;
	}
	return proves(s, conn, h, r);
}

struct zs_police_limits zs_attach_limits_of(const struct zs_conf_policy *p)
{
	return (struct zs_police_limits){ .bit_s = (uint64_t)p->mbit_s * 1000000,
					  .pkt_s = p->pkt_s,
					  .burst = (uint64_t)p->burst_kb << 10,
					  .flows = p->flows,
					  .new_flows_s = p->new_flows_s };
}

static void from_conf(const struct zs_conf_policy *p, struct terms *out)
{
	struct zs_police_limits l = zs_attach_limits_of(p);

	out->policy.bit_s = l.bit_s;
	out->policy.pkt_s = l.pkt_s;
	out->policy.burst = l.burst;
	out->policy.flows = l.flows;
	out->policy.new_flows_s = l.new_flows_s;
	out->policy.bytes_left = (uint64_t)p->total_mb << 20;
	out->policy.strangers = !strcmp(p->strangers, "limited");
	out->mark = !strcmp(p->excess, "mark");
	out->callers = !strcmp(p->callers, "anyone")   ? CALLERS_ANYONE
		       : !strcmp(p->callers, "tenant") ? CALLERS_TENANT
						       : CALLERS_NOBODY;
}

void zs_attach_policy_terms(struct zs_attach *s, const struct zs_peer_id *peer, const struct admission *a,
			    struct terms *out)
{
	const struct zs_conf_policy *p = policy_named(s->c->conf,
						      a->policy[0] ? a->policy : conf_of(s)->policy);

	memset(out, 0, sizeof(*out)); /* compared as bytes */
	out->callers = CALLERS_ANYONE;
	if (p)
		from_conf(p, out);
	zs_attach_limits_apply(s, peer, out);
	out->name = p ? p->name : "";
	out->tenant = zs_attach_tenant_number(s, a->tenant);
}

bool zs_attach_policy_set(struct zs_attach *s, struct slot *slot, const struct admission *a)
{
	struct terms t;
	bool differs;

	zs_attach_policy_terms(s, &slot->kept.owner, a, &t);
	differs = !slot->serial || memcmp(&t.policy, &slot->policy, sizeof(t.policy)) ||
		  t.mark != slot->mark || t.tenant != slot->tenant;
	slot->callers = t.callers;
	snprintf(slot->name, sizeof(slot->name), "%s", a->name);
	snprintf(slot->policy_name, sizeof(slot->policy_name), "%s", t.name);
	slot->policy = t.policy;
	slot->mark = t.mark;
	zs_attach_tenant_join(s, slot, t.tenant);
	if (differs)
		slot->serial = slot->serial >= s->wall_s ? slot->serial + 1 : s->wall_s;
	return differs;
}

zs_pb_Policy zs_attach_policy_told(const struct slot *slot)
{
	zs_pb_Policy told = slot->policy;

	told.serial = slot->serial;
	if (told.bytes_left) /* 0 would be unlimited */
		told.bytes_left = told.bytes_left > slot->used ? told.bytes_left - slot->used : 1;
	return told;
}

static int load_list(struct zs_attach *s)
{
	const struct zs_conf_attach *a = conf_of(s);
	uint64_t key[2] = { zs_random_u64(&s->random), zs_random_u64(&s->random) };
	struct zs_peertable next = { 0 };

	if (zs_peertable_new(&next, ZS_CONF_ALLOWED, key))
		return -ENOMEM;
	for (uint32_t i = 0; i < a->allowed; i++) {
		struct zs_peer_id id;
		uint32_t at;

		if (zs_peer_id_parse(&id, a->allow[i].peer) || zs_peertable_find(&next, &id) != ZS_PEER_NONE)
			continue; /* zs_attach_conf_check let none through */
		at = zs_peertable_add(&next, &id);
		s->listed_at[at] = i;
	}
	zs_peertable_delete(&s->listed);
	s->listed = next;
	return 0;
}

int zs_attach_policy_load(struct zs_attach *s)
{
	struct zs_error why = { 0 };
	int rc = load_list(s);

	if (rc)
		return rc;
	zs_attach_tenants_load(s);
	if (zs_secrets_load(&s->secrets, conf_of(s)->token_file, conf_of(s)->psk_file, &why)) {
		zs_control_raise(s->c, ZS_HEALTH_attach_secrets, "%.80s", why.text);
		ZS_LOG(&s->c->log, ATTACH_SECRETS, "error=\"%s\"", why.text);
	} else {
		zs_control_clear(s->c, ZS_HEALTH_attach_secrets);
	}
	return 0;
}

int zs_attach_conf_check(const struct zs_conf *conf, struct zs_error *err)
{
	const struct zs_conf_attach *a = &conf->attach;
	struct zs_dial_target target;
	struct zs_multiaddr addr;
	struct zs_peer_id id;

	for (uint32_t i = 0; i < a->allowed; i++)
		if (zs_peer_id_parse(&id, a->allow[i].peer))
			return zs_error_set(err, -EINVAL, ZS_EXIT_CONFIG,
					    "attach.allow: '%.63s' is no peer id; zs-edge prints its own",
					    a->allow[i].peer);
	for (uint32_t i = 0; i < a->alternatives; i++)
		if (zs_multiaddr_parse(&addr, a->alternative[i]) || addr.len > 255 ||
		    zs_multiaddr_dial(&addr, &target) || !target.peer.len)
			return zs_error_set(err, -EINVAL, ZS_EXIT_CONFIG,
					    "attach.alternatives: '%.100s' is no address of a relay; write "
					    "/ip4/192.0.2.1/udp/4001/quic-v1/p2p/ID",
					    a->alternative[i]);
	return 0;
}
