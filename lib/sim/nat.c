/* NAT boxes: an array of mappings each, searched from the start. Ports are given out in turn from 1024,
 * so that a rebinding never gives the old port at once. */
#include <stdlib.h>
#include "base/check.h"
#include "sim/sim_internal.h"

#define FIRST_PORT 1024

static bool same(const struct zs_endpoint *a, const struct zs_endpoint *b)
{
	return a->port == b->port && zs_addr_eq(&a->addr, &b->addr);
}

uint32_t zs_sim_nat(struct zs_sim *sim, const struct zs_addr *outside, enum zs_sim_nat_kind kind,
		    uint64_t idle_ns)
{
	sim->box = zs_sim_grow(sim->box, sim->boxes, sizeof(*sim->box));
	sim->box[sim->boxes] = (struct zs_sim_box){
		.outside = *outside, .kind = kind, .idle_ns = idle_ns, .port = FIRST_PORT - 1
	};
	return sim->boxes++;
}

void zs_sim_behind(struct zs_sim *sim, uint32_t node, uint32_t nat)
{
	ZS_CHECK(node < sim->hosts && nat < sim->boxes, "node %u, nat %u", node, nat);
	sim->host[node].nat = nat;
}

void zs_sim_rebind(struct zs_sim *sim, uint32_t nat)
{
	zs_sim_note(sim, 'R' ^ (uint64_t)nat << 8, NULL, 0);
	sim->box[nat].count = 0;
}

static void forget_idle(struct zs_sim_box *b, uint64_t now_ns)
{
	for (uint32_t i = 0; i < b->count;)
		if (now_ns - b->mapping[i].used_ns > b->idle_ns)
			b->mapping[i] = b->mapping[--b->count];
		else
			i++;
}

static bool port_used(const struct zs_sim_box *b, uint16_t port)
{
	for (uint32_t i = 0; i < b->count; i++)
		if (b->mapping[i].port == port)
			return true;
	return false;
}

static uint16_t next_port(struct zs_sim_box *b)
{
	ZS_CHECK(b->count < UINT16_MAX - FIRST_PORT, "a NAT has no port left");
	do
		b->port = b->port == UINT16_MAX ? FIRST_PORT : (uint16_t)(b->port + 1);
	while (port_used(b, b->port));
	return b->port;
}

struct zs_endpoint zs_sim_nat_out(struct zs_sim *sim, uint32_t nat, const struct zs_endpoint *inside,
				  const struct zs_endpoint *remote)
{
	struct zs_sim_box *b = &sim->box[nat];
	struct zs_sim_mapping *m = NULL;

	forget_idle(b, sim->now_ns);
	for (uint32_t i = 0; i < b->count && !m; i++)
		if (same(&b->mapping[i].inside, inside) &&
		    (b->kind == ZS_SIM_NAT_CONE || same(&b->mapping[i].remote, remote)))
			m = &b->mapping[i];
	if (!m) {
		uint16_t port = next_port(b);
		b->mapping = zs_sim_grow(b->mapping, b->count, sizeof(*b->mapping));
		m = &b->mapping[b->count++];
		*m = (struct zs_sim_mapping){ .inside = *inside, .remote = *remote, .port = port };
	}
	m->used_ns = sim->now_ns;
	return (struct zs_endpoint){ b->outside, m->port };
}

uint32_t zs_sim_nat_in(struct zs_sim *sim, const struct zs_endpoint *from, const struct zs_endpoint *to,
		       struct zs_endpoint *inside, bool *mapped)
{
	for (uint32_t n = 0; n < sim->boxes; n++) {
		struct zs_sim_box *b = &sim->box[n];
		if (!zs_addr_eq(&b->outside, &to->addr))
			continue;
		*mapped = false;
		forget_idle(b, sim->now_ns);
		for (uint32_t i = 0; i < b->count; i++) {
			struct zs_sim_mapping *m = &b->mapping[i];
			if (m->port != to->port ||
			    (b->kind == ZS_SIM_NAT_SYMMETRIC && !same(&m->remote, from)))
				continue;
			*inside = m->inside;
			*mapped = true;
			m->used_ns = sim->now_ns;
			break;
		}
		return n;
	}
	return ZS_SIM_NO_NAT;
}
