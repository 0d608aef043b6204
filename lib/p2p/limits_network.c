/* The scope of networks: who has one has many addresses, and identities cost nothing, so what stands there is counted
 * together. A network has a place while a connection counts in it. */
#include <errno.h>
#include <string.h>
#include "base/check.h"
#include "p2p/limits_internal.h"

static struct zs_peer_id id_of(const struct zs_addr *addr)
{
	struct zs_addr site = zs_addr_site(addr);
	struct zs_peer_id id = { .len = sizeof(site.ip) };

	memcpy(id.bytes, site.ip, sizeof(site.ip));
	return id;
}

static void drop_unused(struct zs_limits *m, uint32_t network)
{
	if (m->network[network].conns[0] + m->network[network].conns[1] == 0)
		zs_peertable_remove(&m->networks, network);
}

int zs_limits_conn_network(struct zs_limits *m, struct zs_limits_conn *c, const struct zs_addr *addr,
			   struct zs_refusal *why)
{
	struct zs_limits_ask ask = { .add = c->usage, .priority = ZS_PRIORITY_ALWAYS };
	struct zs_limits_chain into = { .peer = c->peer };
	struct zs_peer_id id = id_of(addr);
	uint32_t network = zs_peertable_find(&m->networks, &id);
	int rc;

	ZS_CHECK(c->peer != ZS_PEER_NONE && c->network == ZS_PEER_NONE, "a connection's network, once");
	if (network == ZS_PEER_NONE) {
		network = zs_peertable_add(&m->networks, &id);
		if (network == ZS_PEER_NONE)
			return zs_limits_refuse_table(m, &m->table.id[c->peer], why);
		m->network[network] = (struct zs_usage){ 0 };
	}
	zs_limits_put_network(m, &into, network);
	rc = zs_limits_take(m, into, &ask, why);
	if (rc == 0)
		c->network = network;
	else
		drop_unused(m, network);
	return rc;
}

void zs_limits_conn_spare(struct zs_limits *m, struct zs_limits_conn *c)
{
	struct zs_limits_chain from = { 0 };

	if (c->network == ZS_PEER_NONE)
		return;
	zs_limits_put_network(m, &from, c->network);
	zs_limits_give(from, c->usage);
	drop_unused(m, c->network);
	c->network = ZS_PEER_NONE;
}

struct zs_usage zs_limits_network_usage(const struct zs_limits *m, const struct zs_addr *addr)
{
	struct zs_peer_id id = id_of(addr);
	uint32_t network = zs_peertable_find(&m->networks, &id);

	return network == ZS_PEER_NONE ? (struct zs_usage){ 0 } : m->network[network];
}

bool zs_limits_networks_check(const struct zs_limits *m)
{
	struct zs_usage sum = { 0 };

	for (uint32_t n = zs_peertable_next(&m->networks, ZS_PEER_NONE); n != ZS_PEER_NONE;
	     n = zs_peertable_next(&m->networks, n)) {
		if (m->network[n].conns[0] + m->network[n].conns[1] == 0)
			return false;
		zs_usage_add(&sum, &m->network[n]);
	}
	for (int d = 0; d < 2; d++)
		if (sum.conns[d] > m->system.conns[d] || sum.streams[d] > m->system.streams[d])
			return false;
	return sum.memory_bytes <= m->system.memory_bytes && zs_pool_check(&m->networks.pool);
}
