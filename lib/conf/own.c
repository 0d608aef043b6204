/* The relay's own addresses, of all ports and VLANs. */
#include <arpa/inet.h>
#include "conf/conf.h"

const struct zs_conf_interface_address *zs_conf_own_next(const struct zs_conf *conf, struct zs_conf_place *at)
{
	for (; at->port < conf->dataplane.ports; at->port++, at->vlan = 0) {
		const struct zs_conf_port *port = &conf->dataplane.port[at->port];
		for (; at->vlan < port->vlans; at->vlan++, at->next = 0) {
			if (at->next < port->vlan[at->vlan].addresses)
				return &port->vlan[at->vlan].address[at->next++];
		}
	}
	return NULL;
}

bool zs_conf_is_own(const struct zs_conf *conf, const struct zs_addr *addr)
{
	struct zs_conf_place at = { 0 };
	const struct zs_conf_interface_address *own;

	while ((own = zs_conf_own_next(conf, &at)))
		if (zs_addr_eq(&own->addr, addr))
			return true;
	return false;
}

static bool is_subnet_end(const struct zs_conf_interface_address *own, const struct zs_addr *addr)
{
	if (!zs_addr_is4(&own->addr) || !zs_addr_is4(addr) || own->len < 96 || own->len > 126)
		return false;
	uint32_t host = UINT32_MAX >> (own->len - 96);
	uint32_t bits = ntohl(zs_addr_get4(addr));
	uint32_t net = ntohl(zs_addr_get4(&own->addr)) & ~host;
	return bits == net || bits == (net | host);
}

bool zs_conf_is_broadcast(const struct zs_conf *conf, const struct zs_addr *addr)
{
	struct zs_conf_place at = { 0 };
	const struct zs_conf_interface_address *own;

	while ((own = zs_conf_own_next(conf, &at)))
		if (is_subnet_end(own, addr))
			return true;
	return false;
}
