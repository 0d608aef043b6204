/* The sections attach and cids: names that are meant exist, ports do not meet, no connection ID outlives its configuration. */
#include <string.h>
#include "conf/schema.h"
#include "shm/police.h"

struct checker {
	const struct zs_conf *conf;
	const struct zs_conf_marks *marks;
	const char *name;
	struct zs_error *err;
};

#define FAIL(c, field, ...)                                                                                  \
	zs_conf_fail((c)->err, (c)->name, zs_conf_line_of((c)->marks, (field)), __VA_ARGS__)

static int check_policy(const struct checker *c, const char *policy)
{
	const struct zs_conf_attach *a = &c->conf->attach;

	for (uint32_t i = 0; i < a->policies; i++)
		if (!strcmp(a->policies_at[i].name, policy))
			return 0;
	return policy[0] ? FAIL(c, policy, "policy: there is no '%s' in attach.policies; add it", policy) : 0;
}

static int check_tenant(const struct checker *c, const char *tenant)
{
	const struct zs_conf_attach *a = &c->conf->attach;

	for (uint32_t i = 0; i < a->tenants; i++)
		if (!strcmp(a->tenants_at[i].name, tenant))
			return 0;
	return tenant[0] ? FAIL(c, tenant, "tenant: there is no '%s' in attach.tenants; add it", tenant) : 0;
}

static int check_names(const struct checker *c, const struct zs_conf_policy *at, uint32_t count,
		       const char *what)
{
	for (uint32_t i = 0; i < count; i++)
		for (uint32_t j = 0; j < i; j++)
			if (!strcmp(at[i].name, at[j].name))
				return FAIL(c, at[i].name, "name: '%s' is the name of two %s; rename one",
					    at[i].name, what);
	return 0;
}

static int check_bursts(const struct checker *c, const struct zs_conf_policy *at, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		uint64_t most_kb = zs_police_burst_max((uint64_t)at[i].mbit_s * 1000000) >> 10;

		if (at[i].mbit_s && at[i].burst_kb > most_kb)
			return FAIL(c, &at[i].burst_kb,
				    "burst_kb: %u is more than %u s of mbit_s (%u); take %llu at most, or "
				    "raise mbit_s",
				    at[i].burst_kb, ZS_POLICE_DEPTH_S, at[i].mbit_s,
				    (unsigned long long)most_kb);
	}
	return 0;
}

static int check_policies(const struct checker *c)
{
	const struct zs_conf_attach *a = &c->conf->attach;
	int ret = check_names(c, a->policies_at, a->policies, "policies");

	if (!ret)
		ret = check_names(c, a->tenants_at, a->tenants, "tenants");
	if (!ret)
		ret = check_bursts(c, a->policies_at, a->policies);
	if (!ret)
		ret = check_bursts(c, a->tenants_at, a->tenants);
	return ret ? ret : check_policy(c, a->policy);
}

static int check_allow(const struct checker *c)
{
	const struct zs_conf_attach *a = &c->conf->attach;
	int ret = 0;

	for (uint32_t i = 0; !ret && i < a->allowed; i++) {
		ret = check_policy(c, a->allow[i].policy);
		if (!ret)
			ret = check_tenant(c, a->allow[i].tenant);
		for (uint32_t j = 0; !ret && j < i; j++)
			if (!strcmp(a->allow[i].peer, a->allow[j].peer))
				ret = FAIL(c, a->allow[i].peer, "peer: '%.40s' is allowed twice; keep one",
					   a->allow[i].peer);
	}
	return ret;
}

static bool in(uint16_t port, uint16_t first, uint16_t last)
{
	return port >= first && port <= last;
}

/* A port of the relay itself: nobody else's. */
static int check_own_port(const struct checker *c, const char *key, const uint16_t *port)
{
	const struct zs_conf *conf = c->conf;

	if (in(*port, conf->flows.port_first, conf->flows.port_last))
		return FAIL(c, port, "%s: %u lies in flows.ports; take another", key, *port);
	if (in(*port, conf->attach.port_first, conf->attach.port_last))
		return FAIL(c, port, "%s: %u lies in attach.ports; take another", key, *port);
	return 0;
}

static int check_ports(const struct checker *c)
{
	const struct zs_conf *conf = c->conf;
	const struct zs_conf_attach *a = &conf->attach;
	int ret = check_own_port(c, "tunnel_port", &a->tunnel_port);

	if (a->port_first <= conf->flows.port_last && conf->flows.port_first <= a->port_last)
		return FAIL(c, &a->port_first, "ports: %u-%u meets flows.ports (%u-%u); move one of them",
			    a->port_first, a->port_last, conf->flows.port_first, conf->flows.port_last);
	if (!ret)
		ret = check_own_port(c, "service_port", &a->service_port);
	if (!ret && a->tunnel_port == a->service_port)
		ret = FAIL(c, &a->service_port, "service_port: %u is the tunnel's port; take another",
			   a->service_port);
	return ret;
}

static int check_mode(const struct checker *c)
{
	const struct zs_conf_attach *a = &c->conf->attach;

	if (!strcmp(a->mode, "token") && !a->token_file[0])
		return FAIL(c, a->mode, "mode: token without attach.token_file; name the file");
	if (!strcmp(a->psk, "required") && !a->psk_file[0])
		return FAIL(c, a->psk, "psk: required without attach.psk_file; name the file");
	return 0;
}

static int check_cids(const struct checker *c)
{
	const struct zs_conf *conf = c->conf;

	if (conf->cids.expires_s > conf->cids.live_s)
		return FAIL(c, &conf->cids.expires_s,
			    "expires_s: %u is longer than cids.live_s (%u); a connection ID would outlive "
			    "its configuration",
			    conf->cids.expires_s, conf->cids.live_s);
	return 0;
}

int zs_conf_check_attach(const struct zs_conf *conf, const struct zs_conf_marks *marks, const char *name,
			 struct zs_error *err)
{
	struct checker c = { conf, marks, name, err };
	int ret = check_mode(&c);

	if (!ret)
		ret = check_policies(&c);
	if (!ret)
		ret = check_allow(&c);
	if (!ret)
		ret = check_ports(&c);
	return ret ? ret : check_cids(&c);
}
