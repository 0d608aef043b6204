/* The section p2p: its ports are nobody else's, its scopes exist. */
#include <string.h>
#include "base/check.h"
#include "conf/schema.h"

#define FAIL(field, ...) zs_conf_fail(err, name, zs_conf_line_of(marks, (field)), __VA_ARGS__)

static bool in(uint16_t port, uint16_t first, uint16_t last)
{
	return port >= first && port <= last;
}

/* Whose port it is already; NULL: nobody's. */
static const char *taken_by(const struct zs_conf *conf, uint16_t port)
{
	if (in(port, conf->flows.port_first, conf->flows.port_last))
		return "lies in flows.ports";
	if (in(port, conf->attach.port_first, conf->attach.port_last))
		return "lies in attach.ports";
	if (port == conf->attach.tunnel_port)
		return "is attach.tunnel_port";
	if (port == conf->attach.service_port)
		return "is attach.service_port";
	for (uint32_t i = 0; i < conf->publishes; i++)
		if (conf->publish[i].port == port)
			return "is published";
	return NULL;
}

static int check_listen(const struct zs_conf *conf, const struct zs_conf_marks *marks, const char *name,
			struct zs_error *err)
{
	const struct zs_conf_p2p *p = &conf->p2p;

	for (uint32_t i = 0; i < p->listens; i++) {
		const char *taken = taken_by(conf, p->listen[i].port);

		if (taken)
			return FAIL(&p->listen[i], "listen: port %u %s; take another", p->listen[i].port,
				    taken);
		for (uint32_t j = 0; j < i; j++)
			if (p->listen[j].port == p->listen[i].port &&
			    zs_addr_eq(&p->listen[j].addr, &p->listen[i].addr))
				return FAIL(&p->listen[i], "listen: stands here twice; keep one");
	}
	return 0;
}

static bool is_scope(const char *word)
{
	static const char *const scopes[] = {
#define ZS_LIMIT_SCOPE(scope, ...) #scope,
#include "defs/p2p_limits.def"
#undef ZS_LIMIT_SCOPE
	};

	for (size_t i = 0; i < ZS_ARRAY_LEN(scopes); i++)
		if (!strcmp(scopes[i], word))
			return true;
	return false;
}

static int check_limits(const struct zs_conf *conf, const struct zs_conf_marks *marks, const char *name,
			struct zs_error *err)
{
	const struct zs_conf_p2p *p = &conf->p2p;

	for (uint32_t i = 0; i < p->limits; i++) {
		if (!is_scope(p->limit[i].scope))
			return FAIL(
			    p->limit[i].scope,
			    "scope: there is no '%s'; write system, transient, network, service, protocol, "
			    "peer, service_peer, protocol_peer, connection or stream",
			    p->limit[i].scope);
		for (uint32_t j = 0; j < i; j++)
			if (!strcmp(p->limit[j].scope, p->limit[i].scope))
				return FAIL(p->limit[i].scope, "scope: '%s' stands here twice; keep one",
					    p->limit[i].scope);
	}
	return 0;
}

int zs_conf_check_p2p(const struct zs_conf *conf, const struct zs_conf_marks *marks, const char *name,
		      struct zs_error *err)
{
	const struct zs_conf_p2p *p = &conf->p2p;
	int ret = check_listen(conf, marks, name, err);

	if (!ret && p->low >= p->high)
		ret = FAIL(&p->low, "low: %u is not below high (%u); trimming needs room", p->low, p->high);
	return ret ? ret : check_limits(conf, marks, name, err);
}
