/* Datagrams on their way: endpoints, links, delivery. A packet is one allocation that belongs to the event
 * that carries it. */
#include <errno.h>
#include <stdlib.h>
#include "base/check.h"
#include "base/clock.h"
#include "base/hash.h"
#include "sim/sim_internal.h"

static uint32_t bucket_of(const struct zs_endpoint *e)
{
	static const uint64_t key[2] = { 1,
					 2 }; /* no stranger chooses endpoints here, and runs must repeat */
	uint8_t flat[18];

	memcpy(flat, e->addr.ip, 16);
	memcpy(flat + 16, &e->port, 2);
	return (uint32_t)zs_hash(key, flat, sizeof(flat)) % ZS_SIM_BUCKETS;
}

static struct zs_sim_bound *find(const struct zs_sim *sim, uint32_t nat, const struct zs_endpoint *e)
{
	for (uint32_t i = sim->bucket[bucket_of(e)]; i; i = sim->bound[i - 1].next) {
		struct zs_sim_bound *b = &sim->bound[i - 1];
		if (b->used && b->nat == nat && b->endpoint.port == e->port &&
		    zs_addr_eq(&b->endpoint.addr, &e->addr))
			return b;
	}
	return NULL;
}

/* Who owns this endpoint, seen from inside `nat` (or from the net); UINT32_MAX: nobody. */
static uint32_t owner_of(const struct zs_sim *sim, uint32_t nat, const struct zs_endpoint *endpoint)
{
	struct zs_sim_bound *b = find(sim, nat, endpoint);

	return b ? b->node : UINT32_MAX;
}

int zs_sim_bind(struct zs_sim *sim, uint32_t node, const struct zs_endpoint *endpoint)
{
	uint32_t *bucket = &sim->bucket[bucket_of(endpoint)], nat = sim->host[node].nat;

	if (find(sim, nat, endpoint))
		return -EADDRINUSE;
	sim->bound = zs_sim_grow(sim->bound, sim->bounds, sizeof(*sim->bound));
	sim->bound[sim->bounds] = (struct zs_sim_bound){ *endpoint, nat, node, *bucket, true };
	*bucket = ++sim->bounds; /* 0 ends a chain */
	return 0;
}

void zs_sim_unbind(struct zs_sim *sim, uint32_t node, const struct zs_endpoint *endpoint)
{
	struct zs_sim_bound *b = find(sim, sim->host[node].nat, endpoint);

	if (b && b->node == node)
		b->used = false;
}

void zs_sim_lose(struct zs_sim *sim, struct zs_sim_packet *p, enum zs_sim_loss loss)
{
	zs_sim_note(sim, 'L' ^ (uint64_t)loss << 8, p->bytes, p->len);
	sim->stats.lost[loss]++;
	sim->stats.in_flight--;
	free(p);
}

/* When a packet that enters the link now comes out of it in order; ZS_SIM_NEVER: no room in its queue. */
static uint64_t through(struct zs_sim *sim, struct zs_sim_way *w, size_t len)
{
	const struct zs_sim_link *l = &w->link;
	uint64_t start = w->busy_ns > sim->now_ns ? w->busy_ns : sim->now_ns,
		 jitter = zs_prng_below(&sim->prng, l->jitter_ns), waiting;

	if (!l->rate_bps)
		return sim->now_ns + l->delay_ns + jitter;
	waiting = (uint64_t)((unsigned __int128)(start - sim->now_ns) * l->rate_bps / 8 / ZS_NS_PER_S);
	if (waiting && waiting + len > l->queue_bytes)
		return ZS_SIM_NEVER;
	w->busy_ns = start + len * 8 * ZS_NS_PER_S / l->rate_bps;
	return w->busy_ns + l->delay_ns + jitter;
}

/* Sends a packet over one link and puts the event at its other end. */
static void pass(struct zs_sim *sim, struct zs_sim_way *w, struct zs_sim_packet *p,
		 enum zs_sim_event_kind kind)
{
	bool lost = zs_prng_chance(&sim->prng, w->link.loss_ppm),
	     late = zs_prng_chance(&sim->prng, w->link.reorder_ppm);
	uint64_t at;

	if (w->link.mtu && p->len > w->link.mtu) {
		zs_sim_lose(sim, p, ZS_SIM_LOST_MTU);
		return;
	}
	at = through(sim, w, p->len);
	if (lost || at == ZS_SIM_NEVER) {
		zs_sim_lose(sim, p, lost ? ZS_SIM_LOST_LINK : ZS_SIM_LOST_QUEUE);
		return;
	}
	if (late) {
		at += w->link.reorder_ns;
		sim->stats.reordered++;
	} else {
		at = at > w->last_ns ? at : w->last_ns;
		w->last_ns = at;
	}
	zs_sim_put(sim, (struct zs_sim_event){ .at_ns = at, .kind = kind, .packet = p });
}

static struct zs_sim_packet *copy(const struct zs_sim_packet *p)
{
	struct zs_sim_packet *q = malloc(sizeof(*q) + p->len);

	ZS_CHECK(q, "out of memory");
	memcpy(q, p, sizeof(*q) + p->len);
	return q;
}

static void enter(struct zs_sim *sim, struct zs_sim_way *w, struct zs_sim_packet *p,
		  enum zs_sim_event_kind kind)
{
	struct zs_sim_packet *twin = zs_prng_chance(&sim->prng, w->link.duplicate_ppm) ? copy(p) : NULL;

	pass(sim, w, p, kind);
	if (!twin)
		return;
	sim->stats.duplicated++;
	sim->stats.in_flight++;
	pass(sim, w, twin, kind);
}

int zs_sim_send(struct zs_sim *sim, uint32_t node, const struct zs_endpoint *from,
		const struct zs_endpoint *to, const void *bytes, size_t len)
{
	struct zs_sim_host *h = &sim->host[node];
	struct zs_sim_packet *p;

	if (owner_of(sim, h->nat, from) != node)
		return -EADDRNOTAVAIL;
	p = malloc(sizeof(*p) + len);
	ZS_CHECK(p, "out of memory");
	*p = (struct zs_sim_packet){
		.from = *from, .to = *to, .group = h->group, .node = node, .nat = h->nat, .len = len
	};
	if (len)
		memcpy(p->bytes, bytes, len);
	zs_sim_note(sim, 'S' ^ (uint64_t)node << 8, bytes, len);
	sim->stats.sent++;
	sim->stats.in_flight++;
	if (h->crashed)
		zs_sim_lose(sim, p, ZS_SIM_LOST_CRASHED);
	else
		enter(sim, &h->up, p, ZS_SIM_ARRIVE);
	return 0;
}

/* The receiving node, with the packet's endpoints as it will see them. */
static uint32_t route(struct zs_sim *sim, struct zs_sim_packet *p, enum zs_sim_loss *why)
{
	struct zs_endpoint inside;
	bool mapped = false;
	uint32_t nat, node;

	*why = ZS_SIM_LOST_NOBODY;
	if (p->nat != ZS_SIM_NO_NAT) {
		node = owner_of(sim, p->nat, &p->to); /* a neighbour inside */
		if (node != UINT32_MAX)
			return node;
		p->from = zs_sim_nat_out(sim, p->nat, &p->from, &p->to);
	}
	nat = zs_sim_nat_in(sim, &p->from, &p->to, &inside, &mapped);
	if (nat == ZS_SIM_NO_NAT)
		return owner_of(sim, ZS_SIM_NO_NAT, &p->to);
	*why = ZS_SIM_LOST_NAT;
	if (!mapped)
		return UINT32_MAX;
	p->to = inside;
	return owner_of(sim, nat, &inside);
}

void zs_sim_arrive(struct zs_sim *sim, struct zs_sim_packet *p)
{
	enum zs_sim_loss why;
	uint32_t node = route(sim, p, &why);

	if (node == UINT32_MAX) {
		zs_sim_lose(sim, p, why);
		return;
	}
	if (sim->host[node].group != p->group) {
		zs_sim_lose(sim, p, ZS_SIM_LOST_PARTITION);
		return;
	}
	p->node = node;
	enter(sim, &sim->host[node].down, p, ZS_SIM_DELIVER);
}
