/* What we say of ourselves: addresses, protocols and the signed record of them. A change makes a new version; the
 * record is sealed once for each. Addresses others see us at count by the networks that say so, in a table that
 * strangers can fill but not grow. */
#include <errno.h>
#include "p2p/host/internal.h"

static bool hidden(const struct zs_host *h, const struct zs_addr *addr)
{
	for (uint32_t i = 0; i < h->config.no_announce_count; i++)
		if (zs_prefix_has(&h->config.no_announce[i], addr))
			return true;
	return false;
}

static void add(struct zs_host *h, const struct zs_multiaddr *addr)
{
	for (uint32_t i = 0; i < h->owns; i++)
		if (h->own[i].len == addr->len && !memcmp(h->own[i].bytes, addr->bytes, addr->len))
			return;
	if (h->owns < ZS_HOST_ADDRS)
		h->own[h->owns++] = *addr;
}

static void add_endpoint(struct zs_host *h, const struct zs_endpoint *at)
{
	struct zs_multiaddr addr;

	if (hidden(h, &at->addr))
		return;
	zs_multiaddr_quic(&addr, at, NULL);
	add(h, &addr);
}

static void collect(struct zs_host *h)
{
	h->owns = 0;
	for (uint32_t i = 0; i < h->announces; i++)
		add(h, &h->announce[i]);
	for (uint32_t i = 0; !h->announces && i < h->listens; i++)
		add_endpoint(h, &h->listen[i]);
	for (uint32_t i = 0; !h->announces && h->config.observers && i < ZS_HOST_OBSERVED; i++)
		if (h->observed[i].seen_ns && h->observed[i].networks >= h->config.observers)
			add_endpoint(h, &h->observed[i].at);
}

void zs_own_changed(struct zs_host *h)
{
	uint64_t wall = (uint64_t)h->ops.wall(h->ctx) * 1000;

	collect(h);
	h->seq = wall > h->seq ? wall : h->seq + 1;
	h->record_len = (uint32_t)zs_peer_record_seal(&h->identity, h->seq, h->own, h->owns, h->record,
						      sizeof(h->record));
	h->version++;
	h->dirty = true;
}

/* Nobody may aim us at ourselves. */
static void guard(struct zs_host *h)
{
	struct zs_gater *g = &h->config.gater;
	struct zs_endpoint at;

	g->own_count = h->gater_own;
	for (uint32_t i = 0; i < h->listens; i++)
		zs_gater_own(g, &h->listen[i].addr, h->listen[i].port, h->listen[i].port);
	for (uint32_t i = 0; i < h->announces; i++)
		if (zs_host_address(&h->announce[i], &h->id, &at, NULL) == 0)
			zs_gater_own(g, &at.addr, at.port, at.port);
}

int zs_host_listen(struct zs_host *h, const struct zs_endpoint *endpoints, uint32_t n)
{
	if (n > ZS_HOST_ADDRS)
		return -ENOSPC;
	memcpy(h->listen, endpoints, n * sizeof(*endpoints));
	h->listens = n;
	guard(h);
	zs_own_changed(h);
	return 0;
}

int zs_host_announce(struct zs_host *h, const struct zs_multiaddr *addrs, uint32_t n)
{
	if (n > ZS_HOST_ADDRS)
		return -ENOSPC;
	memcpy(h->announce, addrs, n * sizeof(*addrs));
	h->announces = n;
	guard(h);
	zs_own_changed(h);
	return 0;
}

uint32_t zs_host_addrs(const struct zs_host *h, const struct zs_multiaddr **out)
{
	*out = h->own;
	return h->owns;
}

/* --- how others see us ---------------------------------------------------------------------- */

static struct zs_observed *place_of(struct zs_host *h, const struct zs_endpoint *at)
{
	struct zs_observed *worst = &h->observed[0];

	for (uint32_t i = 0; i < ZS_HOST_OBSERVED; i++) {
		struct zs_observed *o = &h->observed[i];
		if (o->seen_ns && o->at.port == at->port && zs_addr_eq(&o->at.addr, &at->addr))
			return o;
		if (o->networks < worst->networks ||
		    (o->networks == worst->networks && o->seen_ns < worst->seen_ns))
			worst = o;
	}
	*worst = (struct zs_observed){ .at = *at };
	return worst;
}

void zs_own_observe(struct zs_host_conn *c, const uint8_t *bytes, size_t len)
{
	struct zs_host *h = c->host;
	struct zs_endpoint remote = zs_host_conn_remote(c);
	struct zs_addr from = zs_addr_site(&remote.addr); /* one owner cannot speak with many voices */
	struct zs_multiaddr addr;
	struct zs_observed *o;
	struct zs_endpoint at;
	enum zs_special class;

	if (zs_multiaddr_decode(&addr, bytes, len) != 0 || zs_host_address(&addr, &h->id, &at, NULL) != 0)
		return;
	/* Our own endpoints are ours already; another special-purpose address is of no use to others. */
	if (zs_gater_judge(&h->config.gater, &at, ZS_GATER_LEARNT, &class) != ZS_GATE_OPEN)
		return;
	o = place_of(h, &at);
	o->seen_ns = h->now ? h->now : 1;
	for (uint32_t i = 0; i < o->networks; i++)
		if (zs_addr_eq(&o->network[i], &from))
			return;
	if (o->networks == ZS_HOST_OBSERVERS)
		return;
	o->network[o->networks++] = from;
	if (o->networks == h->config.observers)
		zs_own_changed(h);
}

void zs_own_expire(struct zs_host *h)
{
	bool lost = false;

	for (uint32_t i = 0; i < ZS_HOST_OBSERVED; i++) {
		struct zs_observed *o = &h->observed[i];
		if (!o->seen_ns || h->now - o->seen_ns < h->config.observed_ns)
			continue;
		lost |= h->config.observers && o->networks >= h->config.observers;
		*o = (struct zs_observed){ 0 };
	}
	if (lost)
		zs_own_changed(h);
}
