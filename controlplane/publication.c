#include "publication.h"

#include <errno.h>
#include <stdio.h>

bool zs_publication_same_target(const struct zs_publication *a, const struct zs_publication *b)
{
	return zs_addr_eq(&a->target.addr, &b->target.addr) && a->target.port == b->target.port &&
	       a->attached.id == b->attached.id && a->attached.generation == b->attached.generation &&
	       a->attached.service == b->attached.service;
}

const char *zs_publication_format(const struct zs_publication *pub, char text[ZS_ENDPOINT_TEXT])
{
	if (!pub->attached.id)
		return zs_endpoint_format(&pub->target, text);
	snprintf(text, ZS_ENDPOINT_TEXT, "attachment %u service %u", pub->attached.id, pub->attached.service);
	return text;
}

bool zs_publication_same(const struct zs_publication *a, const struct zs_publication *b)
{
	return a->port == b->port && zs_publication_same_target(a, b) &&
	       a->attached.protection == b->attached.protection && a->new_flows_s == b->new_flows_s &&
	       a->new_flows_burst == b->new_flows_burst && a->max_flows == b->max_flows;
}

struct zs_publication zs_publication_from_conf(const struct zs_conf_publish *cp)
{
	return (struct zs_publication){ .port = cp->port,
					.target = cp->target,
					.new_flows_s = cp->new_flows_s,
					.new_flows_burst = cp->new_flows_burst,
					.max_flows = cp->max_flows,
					.from_config = true };
}

/* What the host and what it grants use, if there is a host; NULL: none of that. */
static const char *use_of(const struct zs_conf *conf, uint16_t port)
{
	if (!conf->p2p.listens)
		return NULL;
	if (port == conf->attach.tunnel_port)
		return "attach.tunnel_port";
	if (port == conf->attach.service_port)
		return "attach.service_port";
	for (uint32_t i = 0; i < conf->p2p.listens; i++)
		if (port == conf->p2p.listen[i].port)
			return "a port of p2p.listen";
	return NULL;
}

int zs_publication_check(const struct zs_conf *conf, const struct zs_publication *pub, struct zs_error *err)
{
	const char *use = use_of(conf, pub->port);
	struct zs_error why = { 0 };

	if (!pub->port || !(pub->attached.id ? pub->attached.service : pub->target.port))
		return zs_error_set(err, -EINVAL, ZS_EXIT_REFUSED, "port 0 cannot be published or aimed at");
	if (pub->port >= conf->flows.port_first && pub->port <= conf->flows.port_last)
		return zs_error_set(err, -EINVAL, ZS_EXIT_REFUSED,
				    "port %u lies in the range of flow ports %u-%u; take one outside",
				    pub->port, conf->flows.port_first, conf->flows.port_last);
	if (pub->port == conf->metrics.port)
		return zs_error_set(err, -EINVAL, ZS_EXIT_REFUSED,
				    "port %u is the metrics port; take another", pub->port);
	if (use)
		return zs_error_set(err, -EINVAL, ZS_EXIT_REFUSED, "port %u is %s; take another", pub->port,
				    use);
	if (pub->attached.id || !zs_conf_target_check(conf, &pub->target, &why))
		return 0;
	return zs_error_set(err, why.code, why.exit, "port %u: %.240s", pub->port, why.text);
}
