/* What no single key can tell: things that must differ, must agree, or must not meet. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "base/check.h"
#include "conf/schema.h"

#define PORTS_PER_WORKER 64 /* fewer source ports than this and a handful of clients fills them */

struct checker {
	const struct zs_conf *conf;
	const struct zs_conf_marks *marks;
	const char *name;
	struct zs_error *err;
};

#define FAIL(c, field, ...)                                                                                  \
	zs_conf_fail((c)->err, (c)->name, zs_conf_line_of((c)->marks, (field)), __VA_ARGS__)

/* The last mark wins: an element's own address may equal that of its first field. */
uint32_t zs_conf_line_of(const struct zs_conf_marks *marks, const void *field)
{
	for (uint32_t i = marks->count; i-- > 0;) {
		if (marks->at[i].field == field)
			return marks->at[i].line;
	}
	return 0;
}

static int check_names(const struct checker *c)
{
	const struct zs_conf *conf = c->conf;
	struct zs_conf_key key = { .size = sizeof(conf->instance), .min = 1, .max = 32 };
	char why[ZS_CONF_WHY], copy[33];
	/* The name came from the file's name, or was read by the same rule. */
	if (zs_conf_value_parse(&key, ZS_CONF_INSTANCE, copy, conf->instance, true, why) != 0)
		return FAIL(c, conf->instance, "instance: '%s' (from the file's name) %s", conf->instance,
			    why);
	return 0;
}

static int check_workers(const struct checker *c)
{
	const struct zs_conf *conf = c->conf;
	uint32_t workers = conf->dataplane.workers, listed = c->marks->cpus;
	uint32_t range = (uint32_t)conf->flows.port_last - conf->flows.port_first + 1;
	if (listed && listed != workers)
		return FAIL(c, conf->dataplane.cpu, "cpus: %u for %u workers; name one per worker", listed,
			    workers);
	if (range / workers < PORTS_PER_WORKER)
		return FAIL(c, &conf->flows.port_first,
			    "flows.ports: %u ports for %u workers; give each at least %u", range, workers,
			    PORTS_PER_WORKER);
	return 0;
}

/* What the fast path in the kernel is made from is one worker's, and it runs where the kernel's drivers do. */
static int check_engine(const struct checker *c)
{
	const struct zs_conf *conf = c->conf;

	if (!zs_conf_engine_xdp(conf))
		return 0;
	if (conf->dataplane.workers != 1)
		return FAIL(c, &conf->dataplane.workers,
			    "workers: engine xdp has one; write 1, or engine: dpdk");
	for (uint32_t i = 0; i < conf->dataplane.ports; i++) {
		const struct zs_conf_port *p = &conf->dataplane.port[i];

		if (p->driver != ZS_DRIVER_AF_XDP)
			return FAIL(c, &p->driver, "port %s: engine xdp wants driver af_xdp, not %s", p->name,
				    zs_conf_driver_name(p->driver));
	}
	return 0;
}

static int check_device(const struct checker *c, uint32_t index)
{
	const struct zs_conf_port *p = &c->conf->dataplane.port[index];
	bool none = p->driver == ZS_DRIVER_NULL || p->driver == ZS_DRIVER_RING;
	bool netdev = p->driver == ZS_DRIVER_AF_XDP || p->driver == ZS_DRIVER_AF_PACKET;
	if (!none && !p->device[0])
		return FAIL(c, p->name, "port %s: driver %s without 'device'; add it", p->name,
			    zs_conf_driver_name(p->driver));
	if (netdev && (strlen(p->device) > 15 || strpbrk(p->device, "/ :,")))
		return FAIL(c, p->device, "device: '%.40s' is no interface name; write at most 15 characters",
			    p->device);
	if (p->shared && p->driver != ZS_DRIVER_AF_XDP)
		return FAIL(c, &p->shared, "port %s: driver %s shares no interface; leave out 'shared'",
			    p->name, zs_conf_driver_name(p->driver));
	for (uint32_t i = 0; i < index; i++) {
		const struct zs_conf_port *q = &c->conf->dataplane.port[i];
		if (strcmp(p->name, q->name) == 0)
			return FAIL(c, p->name, "name: '%s' is the name of two ports; rename one", p->name);
		if (p->device[0] && p->driver == q->driver && strcmp(p->device, q->device) == 0)
			return FAIL(c, p->device, "device: '%.40s' belongs to port %s already; keep one",
				    p->device, q->name);
	}
	return 0;
}

/* The kernel keeps what af_xdp takes its packets from; no two ports have one interface there. */
static int check_twin(const struct checker *c, uint32_t index)
{
	const struct zs_conf_port *p = &c->conf->dataplane.port[index];

	if (!p->twin[0])
		return 0;
	if (p->driver == ZS_DRIVER_AF_XDP)
		return FAIL(c, p->twin, "port %s: the kernel keeps %s under driver af_xdp; leave out 'twin'",
			    p->name, p->device);
	if (!strcmp(p->twin, "lo"))
		return FAIL(c, p->twin,
			    "twin: 'lo' is the loopback interface; name one that is not there yet");
	for (uint32_t i = 0; i < c->conf->dataplane.ports; i++) {
		const struct zs_conf_port *q = &c->conf->dataplane.port[i];

		if (!strcmp(p->twin, q->device) || (i < index && !strcmp(p->twin, q->twin)))
			return FAIL(c, p->twin, "twin: '%s' belongs to port %s already; name another",
				    p->twin, q->name);
	}
	return 0;
}

static int check_vlans(const struct checker *c, const struct zs_conf_port *p)
{
	for (uint32_t i = 1; i < p->vlans; i++) {
		for (uint32_t j = 1; j < i; j++) {
			if (p->vlan[i].id == p->vlan[j].id)
				return FAIL(c, &p->vlan[i].id,
					    "id: VLAN %u stands twice on port %s; keep one", p->vlan[i].id,
					    p->name);
		}
	}
	return 0;
}

/* Is the same address written before this one? */
static bool stands_before(const struct zs_conf *conf, const struct zs_conf_interface_address *a)
{
	struct zs_conf_place at = { 0 };
	const struct zs_conf_interface_address *own;

	while ((own = zs_conf_own_next(conf, &at)) && own != a)
		if (zs_addr_eq(&own->addr, &a->addr))
			return true;
	return false;
}

/* Loopback, unspecified, multicast or broadcast: what no list may allow. */
static bool unusable(const struct zs_addr *a)
{
	struct zs_deny scratch = { .allowed_count = 0 };
	struct zs_prefix host = { .addr = *a, .len = 128 };
	return zs_deny_allow(&scratch, &host) == -EPERM;
}

static bool is_loopback(const struct zs_addr *a)
{
	static const struct zs_addr one = { .ip = { [15] = 1 } };
	return zs_addr_eq(a, &one) || (zs_addr_is4(a) && a->ip[12] == 127);
}

static int check_vlan_addresses(const struct checker *c, const struct zs_conf_vlan *v, uint32_t *total)
{
	char text[ZS_ADDR_TEXT];
	for (uint32_t i = 0; i < v->addresses; i++) {
		const struct zs_conf_interface_address *a = &v->address[i];
		zs_addr_format(&a->addr, text);
		if (unusable(&a->addr))
			return FAIL(c, a, "addresses: %s is %s space; write an address of this host", text,
				    zs_special_name(zs_special_of(&a->addr)));
		if (stands_before(c->conf, a))
			return FAIL(c, a, "addresses: %s stands twice; keep one", text);
		if (++*total > ZS_LOCALS_MAX)
			return FAIL(c, a, "addresses: more than %u in all; take some out", ZS_LOCALS_MAX);
	}
	for (uint32_t i = 0; i < v->neighbours; i++) {
		for (uint32_t j = 0; j < i; j++) {
			if (zs_addr_eq(&v->neighbour[i].addr, &v->neighbour[j].addr))
				return FAIL(c, &v->neighbour[i].addr, "neighbours: %s stands twice; keep one",
					    zs_addr_format(&v->neighbour[i].addr, text));
		}
	}
	return 0;
}

static int check_routes(const struct checker *c, const struct zs_conf_vlan *v)
{
	static const struct zs_addr none;
	for (uint32_t i = 0; i < v->routes; i++) {
		const struct zs_conf_route *r = &v->route[i];
		if (!zs_addr_eq(&r->gateway, &none) && zs_addr_is4(&r->gateway) != zs_addr_is4(&r->dest.addr))
			return FAIL(c, &r->gateway, "via: a gateway of the other family; keep to one");
		for (uint32_t j = 0; j < i; j++) {
			if (memcmp(&r->dest, &v->route[j].dest, sizeof(r->dest)) == 0)
				return FAIL(c, &r->dest, "routes: the same destination twice; keep one");
		}
	}
	return 0;
}

static int check_ports(const struct checker *c)
{
	uint32_t total = 0;
	int ret = 0;
	for (uint32_t p = 0; !ret && p < c->conf->dataplane.ports; p++) {
		const struct zs_conf_port *port = &c->conf->dataplane.port[p];
		ret = check_device(c, p);
		if (!ret)
			ret = check_twin(c, p);
		if (!ret)
			ret = check_vlans(c, port);
		for (uint32_t v = 0; !ret && v < port->vlans; v++) {
			ret = check_vlan_addresses(c, &port->vlan[v], &total);
			if (!ret)
				ret = check_routes(c, &port->vlan[v]);
		}
	}
	return ret;
}

static int check_target(const struct checker *c, const struct zs_conf_publish *p)
{
	struct zs_error why;

	if (zs_conf_target_check(c->conf, &p->target, &why))
		return FAIL(c, &p->target, "%s", why.text);
	return 0;
}

static int check_publish(const struct checker *c)
{
	const struct zs_conf *conf = c->conf;
	uint8_t seen[ZS_UDP_PORTS / 8] = { 0 };
	for (uint32_t i = 0; i < conf->publishes; i++) {
		const struct zs_conf_publish *p = &conf->publish[i];
		uint8_t bit = (uint8_t)(1u << (p->port & 7));
		if (seen[p->port >> 3] & bit)
			return FAIL(c, &p->port, "port: %u is published twice; keep one", p->port);
		seen[p->port >> 3] |= bit;
		if (p->port >= conf->flows.port_first && p->port <= conf->flows.port_last)
			return FAIL(
			    c, &p->port,
			    "port: %u lies in flows.ports (%u-%u); publish another or move that range",
			    p->port, conf->flows.port_first, conf->flows.port_last);
		int ret = check_target(c, p);
		if (ret)
			return ret;
	}
	return 0;
}

static int check_metrics(const struct checker *c)
{
	const struct zs_endpoint *m = &c->conf->metrics;
	if (m->port && !is_loopback(&m->addr))
		return FAIL(c, m,
			    "listen: metrics stay on the host; write 127.0.0.1:PORT, \"[::1]:PORT\" or off");
	return 0;
}

int zs_conf_check(const struct zs_conf *conf, const struct zs_conf_marks *marks, const char *name,
		  struct zs_error *err)
{
	struct checker c = { conf, marks, name, err };
	int ret = check_names(&c);
	if (!ret)
		ret = zs_conf_check_roles(conf, marks, name, err);
	if (!ret)
		ret = check_workers(&c);
	if (!ret)
		ret = check_ports(&c);
	if (!ret)
		ret = check_engine(&c);
	if (!ret)
		ret = check_publish(&c);
	if (!ret)
		ret = check_metrics(&c);
	if (!ret)
		ret = zs_conf_check_attach(conf, marks, name, err);
	if (!ret)
		ret = zs_conf_check_lists(conf, marks, name, err);
	if (!ret)
		ret = zs_conf_check_p2p(conf, marks, name, err);
	return ret;
}
