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

/* Numbers of tenants, from 1; 0: none, or more names than any configuration has. */
static uint32_t tenant_of(struct zs_attach *s, const char *name)
{
	if (!name[0])
		return 0;
	for (uint32_t i = 0; i < s->tenants; i++)
		if (!strcmp(s->tenant[i], name))
			return i + 1;
	if (s->tenants == TENANTS)
		return 0;
	snprintf(s->tenant[s->tenants], sizeof(s->tenant[0]), "%s", name);
	return ++s->tenants;
}

bool zs_attach_policy_set(struct zs_attach *s, struct slot *slot, const struct admission *a)
{
	const char *name = a->policy[0] ? a->policy : conf_of(s)->policy;
	const struct zs_conf_policy *p = policy_named(s->c->conf, name);
	uint32_t tenant = tenant_of(s, a->tenant);
	zs_pb_Policy want;
	bool differs;

	memset(&want, 0, sizeof(want)); /* compared as bytes */
	slot->callers = !p || !strcmp(p->callers, "anyone") ? CALLERS_ANYONE
			: !strcmp(p->callers, "tenant")	    ? CALLERS_TENANT
							    : CALLERS_NOBODY;
	if (p) {
		want.bit_s = (uint64_t)p->mbit_s * 1000000;
		want.pkt_s = p->pkt_s;
		want.burst = (uint64_t)p->burst_kb << 10;
		want.flows = p->flows;
		want.new_flows_s = p->new_flows_s;
		want.bytes_left = (uint64_t)p->total_mb << 20;
		want.strangers = !strcmp(p->strangers, "limited");
	}
	differs = !slot->serial || memcmp(&want, &slot->policy, sizeof(want)) || tenant != slot->tenant;
	snprintf(slot->name, sizeof(slot->name), "%s", a->name);
	snprintf(slot->policy_name, sizeof(slot->policy_name), "%s", p ? p->name : "");
	slot->policy = want;
	slot->tenant = tenant;
	if (differs)
		slot->serial = slot->serial >= s->wall_s ? slot->serial + 1 : s->wall_s;
	return differs;
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
