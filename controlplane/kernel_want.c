/* From the configuration and the kernel to the entries of the tables. Lists are in order of
 * precedence: of two with the same key the first one is taken (zs_program_set_routes). */
#include <errno.h>
#include <stdlib.h>
#include "kernel.h"

#define MTU_DEFAULT 1500

/* One port and VLAN of the configuration: where frames of its next hops come from. */
struct place {
	uint8_t iface;
	const struct zs_conf_vlan *vlan;
	uint32_t index; /* of the kernel device, 0: none */
	uint8_t smac[6];
	bool has_smac;
	uint16_t mtu;
};

static bool is_zero(const uint8_t mac[6])
{
	static const uint8_t zero[6];

	return !memcmp(mac, zero, 6);
}

/* The link address and MTU: the device's own, else the untagged device's (a VLAN shares its
 * port's), else what the dataplane found. */
static struct place place_of(const struct zs_kernel *k, const struct zs_conf *conf,
			     const struct zs_state *state, uint32_t iface, uint32_t v)
{
	const struct zs_conf_port *port = &conf->dataplane.port[iface];
	struct place p = { .iface = (uint8_t)iface, .vlan = &port->vlan[v] };
	const struct zs_kernel_device *d = zs_kernel_named(k, port->vlan[v].device);
	uint32_t mtu = port->mtu;

	p.index = d ? d->index : 0;
	if (!p.index)
		d = zs_kernel_named(k, port->vlan[0].device);
	if (d && d->index && d->has_mac) {
		memcpy(p.smac, d->mac, 6);
		p.has_smac = true;
		mtu = mtu ? mtu : d->mtu;
	} else if (state && !is_zero(state->iface[iface].mac)) {
		memcpy(p.smac, state->iface[iface].mac, 6);
		p.has_smac = true;
		mtu = mtu ? mtu : state->iface[iface].mtu;
	}
	p.mtu = (uint16_t)(mtu && mtu <= UINT16_MAX ? mtu : MTU_DEFAULT);
	return p;
}

static void add_route(struct zs_kernel_want *w, const struct place *p, const struct zs_addr *dest,
		      uint32_t len, const struct zs_addr *gateway, uint32_t metric)
{
	struct zs_route *r = &w->route[w->routes++];

	*r = (struct zs_route){ .used = 1,
				.len = (uint8_t)len,
				.iface = p->iface,
				.vlan = p->vlan->id,
				.metric = metric,
				.dest = *dest,
				.onlink = !gateway };
	if (gateway)
		r->gateway = *gateway;
}

static void add_nexthop(struct zs_kernel_want *w, const struct place *p, const struct zs_addr *addr,
			const uint8_t mac[6], bool valid)
{
	struct zs_nexthop *n = &w->nexthop[w->nexthops++];

	*n = (struct zs_nexthop){ .used = 1,
				  .iface = p->iface,
				  .vlan = p->vlan->id,
				  .addr = *addr,
				  .valid = valid && p->has_smac,
				  .mtu = p->mtu };
	memcpy(n->dmac, mac, 6);
	memcpy(n->smac, p->smac, 6);
}

static struct zs_addr masked(const struct zs_addr *addr, uint32_t len)
{
	struct zs_addr out = *addr;

	for (uint32_t i = 0; i < 16; i++) {
		uint32_t bits = len > 8 * i ? len - 8 * i : 0;

		out.ip[i] &= bits >= 8 ? 0xff : (uint8_t)(0xff00 >> bits);
	}
	return out;
}

/* Own networks are on the link whether or not the kernel has the address. */
static void add_configured(struct zs_kernel_want *w, const struct place *p)
{
	static const struct zs_addr none;

	for (uint32_t i = 0; i < p->vlan->neighbours; i++)
		add_nexthop(w, p, &p->vlan->neighbour[i].addr, p->vlan->neighbour[i].mac, true);
	for (uint32_t i = 0; i < p->vlan->routes; i++) {
		const struct zs_conf_route *r = &p->vlan->route[i];

		add_route(w, p, &r->dest.addr, r->dest.len,
			  zs_addr_eq(&r->gateway, &none) ? NULL : &r->gateway, 0);
	}
	for (uint32_t i = 0; i < p->vlan->addresses; i++) {
		const struct zs_conf_interface_address *a = &p->vlan->address[i];
		struct zs_addr net = masked(&a->addr, a->len);

		if (a->len < 128)
			add_route(w, p, &net, a->len, NULL, 0);
	}
}

static void add_kernel(struct zs_kernel_want *w, const struct zs_kernel *k, const struct place *p)
{
	for (uint32_t i = 0; i < k->neighs.slots; i++) {
		const struct zs_kernel_neigh *n = zs_keyset_at(&k->neighs, i);

		if (n && n->index == p->index)
			add_nexthop(w, p, &n->addr, n->mac, n->valid);
	}
	for (uint32_t i = 0; i < k->routes.slots; i++) {
		const struct zs_kernel_route *r = zs_keyset_at(&k->routes, i);

		if (r && r->index == p->index)
			add_route(w, p, &r->dest, r->len, r->has_gateway ? &r->gateway : NULL, r->metric);
	}
}

static int allocate(const struct zs_kernel *k, const struct zs_conf *conf, struct zs_kernel_want *w)
{
	uint32_t places = 0;

	for (uint32_t i = 0; i < conf->dataplane.ports; i++)
		places += conf->dataplane.port[i].vlans;
	*w = (struct zs_kernel_want){ 0 };
	/* A kernel device may serve one place alone, so its entries count once. */
	w->route = calloc(k->routes.count + places * (ZS_CONF_ROUTES + ZS_CONF_ADDRESSES) + 1,
			  sizeof(*w->route));
	w->nexthop = calloc(k->neighs.count + places * ZS_CONF_NEIGHBOURS + 1, sizeof(*w->nexthop));
	if (w->route && w->nexthop)
		return 0;
	zs_kernel_want_free(w);
	return -ENOMEM;
}

/* Has an earlier place the same kernel device? The configuration check refuses it; a double
 * here must not overrun the lists. */
static bool is_taken(const uint32_t *taken, uint32_t n, uint32_t index)
{
	for (uint32_t i = 0; i < n; i++)
		if (taken[i] == index)
			return true;
	return false;
}

int zs_kernel_want(const struct zs_kernel *k, const struct zs_conf *conf, const struct zs_state *state,
		   struct zs_kernel_want *out)
{
	uint32_t taken[ZS_IFACES_MAX * ZS_CONF_VLANS], n = 0;

	if (allocate(k, conf, out))
		return -ENOMEM;
	for (uint32_t i = 0; i < conf->dataplane.ports; i++)
		for (uint32_t v = 0; v < conf->dataplane.port[i].vlans; v++) {
			struct place p = place_of(k, conf, state, i, v);

			add_configured(out, &p);
			if (!p.index || is_taken(taken, n, p.index))
				continue;
			taken[n++] = p.index;
			add_kernel(out, k, &p);
		}
	return 0;
}

void zs_kernel_want_free(struct zs_kernel_want *w)
{
	free(w->route);
	free(w->nexthop);
	*w = (struct zs_kernel_want){ 0 };
}

const struct zs_kernel_device *zs_kernel_device_of(const struct zs_kernel *k, const struct zs_conf *conf,
						   uint32_t iface, uint16_t vlan)
{
	if (iface >= conf->dataplane.ports)
		return NULL;
	for (uint32_t v = 0; v < conf->dataplane.port[iface].vlans; v++) {
		const struct zs_conf_vlan *place = &conf->dataplane.port[iface].vlan[v];
		const struct zs_kernel_device *d;

		if (place->id != vlan)
			continue;
		d = zs_kernel_named(k, place->device);
		return d && d->index ? d : NULL;
	}
	return NULL;
}
