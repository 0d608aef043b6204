/* Nodes, their clocks and timers, and the loop over events. A node's time is the simulator's plus an offset;
 * its timer is kept in its own time and has one live event, known by its generation, which comes no later
 * than the timer is due and is put again when it came too early. */
#include "sim/sim.h"

#include <stdlib.h>
#include "base/check.h"
#include "base/clock.h"
#include "base/hash.h"
#include "sim/sim_internal.h"

void *zs_sim_grow(void *array, uint32_t count, size_t size)
{
	/* Doubles at powers of two: the count alone says how much room there is. */
	if (count && (count & (count - 1)))
		return array;
	array = realloc(array, (count ? (size_t)count * 2 : 1) * size);
	ZS_CHECK(array, "out of memory");
	return array;
}

struct zs_sim *zs_sim_new(uint64_t seed)
{
	struct zs_sim *sim = calloc(1, sizeof(*sim));

	ZS_CHECK(sim, "out of memory");
	sim->prng.state = seed;
	sim->now_ns = ZS_NS_PER_S;
	return sim;
}

void zs_sim_delete(struct zs_sim *sim)
{
	struct zs_sim_event e;

	if (!sim)
		return;
	while (zs_sim_queue_take(&sim->queue, &e))
		free(e.packet);
	zs_sim_queue_delete(&sim->queue);
	for (uint32_t i = 0; i < sim->boxes; i++)
		free(sim->box[i].mapping);
	free(sim->box);
	free(sim->bound);
	free(sim->host);
	free(sim);
}

void zs_sim_note(struct zs_sim *sim, uint64_t what, const void *bytes, size_t len)
{
	uint64_t key[2] = { sim->trace, sim->now_ns };

	sim->trace = zs_hash(key, bytes ? bytes : "", bytes ? len : 0) ^ zs_hash(key, &what, sizeof(what));
}

void zs_sim_put(struct zs_sim *sim, struct zs_sim_event event)
{
	ZS_CHECK(!zs_sim_queue_put(&sim->queue, event), "out of memory");
}

uint32_t zs_sim_node(struct zs_sim *sim, const struct zs_sim_ops *ops, void *ctx)
{
	sim->host = zs_sim_grow(sim->host, sim->hosts, sizeof(*sim->host));
	sim->host[sim->hosts] = (struct zs_sim_host){ .ops = ops,
						      .ctx = ctx,
						      .nat = ZS_SIM_NO_NAT,
						      .timer_ns = ZS_SIM_NEVER,
						      .queued_ns = ZS_SIM_NEVER };
	return sim->hosts++;
}

void zs_sim_set_links(struct zs_sim *sim, uint32_t node, const struct zs_sim_link *up,
		      const struct zs_sim_link *down)
{
	sim->host[node].up.link = *up;
	sim->host[node].down.link = *down;
}

/* The simulator's time of a node's time, not before now. */
static uint64_t due(const struct zs_sim *sim, const struct zs_sim_host *h)
{
	__int128 at = (__int128)h->timer_ns - h->offset_ns;

	if (at < (__int128)sim->now_ns)
		return sim->now_ns;
	return at > (__int128)ZS_SIM_NEVER ? ZS_SIM_NEVER : (uint64_t)at;
}

/* Puts the event of the node's timer, unless one is queued that comes no later: that one looks again. */
static void arm(struct zs_sim *sim, uint32_t node)
{
	struct zs_sim_host *h = &sim->host[node];
	uint64_t at = h->timer_ns == ZS_SIM_NEVER ? ZS_SIM_NEVER : due(sim, h);

	if (at >= h->queued_ns)
		return;
	h->queued_ns = at;
	zs_sim_put(sim, (struct zs_sim_event){
			    .at_ns = at, .kind = ZS_SIM_TIMER, .node = node, .generation = ++h->generation });
}

void zs_sim_set_timer(struct zs_sim *sim, uint32_t node, uint64_t at_ns)
{
	if (sim->host[node].crashed)
		return;
	sim->host[node].timer_ns = at_ns;
	arm(sim, node);
}

void zs_sim_partition(struct zs_sim *sim, uint32_t node, uint32_t group)
{
	sim->host[node].group = group;
}

void zs_sim_crash(struct zs_sim *sim, uint32_t node, bool crashed)
{
	zs_sim_note(sim, 'C' ^ (uint64_t)node << 8, &crashed, sizeof(crashed));
	zs_sim_set_timer(sim, node, ZS_SIM_NEVER);
	sim->host[node].crashed = crashed;
}

void zs_sim_jump(struct zs_sim *sim, uint32_t node, int64_t by_ns)
{
	struct zs_sim_host *h = &sim->host[node];

	zs_sim_note(sim, 'J' ^ (uint64_t)node << 8, &by_ns, sizeof(by_ns));
	h->offset_ns += by_ns;
	arm(sim, node);
}

uint64_t zs_sim_now(const struct zs_sim *sim)
{
	return sim->now_ns;
}

uint64_t zs_sim_node_now(const struct zs_sim *sim, uint32_t node)
{
	__int128 t = (__int128)sim->now_ns + sim->host[node].offset_ns;

	return t < 0 ? 0 : (uint64_t)t;
}

static void fire(struct zs_sim *sim, const struct zs_sim_event *e)
{
	struct zs_sim_host *h = &sim->host[e->node];

	if (h->generation != e->generation)
		return;
	h->queued_ns = ZS_SIM_NEVER;
	if (h->timer_ns == ZS_SIM_NEVER || due(sim, h) > sim->now_ns) {
		arm(sim, e->node);
		return;
	}
	h->timer_ns = ZS_SIM_NEVER;
	zs_sim_note(sim, 'T' ^ (uint64_t)e->node << 8, NULL, 0);
	if (h->ops->timer)
		h->ops->timer(h->ctx, zs_sim_node_now(sim, e->node));
}

static void deliver(struct zs_sim *sim, struct zs_sim_packet *p)
{
	struct zs_sim_host *h = &sim->host[p->node];

	if (h->crashed || h->group != p->group) {
		zs_sim_lose(sim, p, h->crashed ? ZS_SIM_LOST_CRASHED : ZS_SIM_LOST_PARTITION);
		return;
	}
	zs_sim_note(sim, 'D' ^ (uint64_t)p->node << 8 ^ (uint64_t)p->from.port << 40, p->bytes, p->len);
	sim->stats.delivered++;
	sim->stats.in_flight--;
	if (h->ops->receive)
		h->ops->receive(h->ctx, zs_sim_node_now(sim, p->node), &p->from, &p->to, p->bytes, p->len);
	free(p);
}

bool zs_sim_step(struct zs_sim *sim)
{
	struct zs_sim_event e;

	if (!zs_sim_queue_take(&sim->queue, &e))
		return false;
	sim->now_ns = e.at_ns;
	switch (e.kind) {
	case ZS_SIM_TIMER:
		fire(sim, &e);
		break;
	case ZS_SIM_ARRIVE:
		zs_sim_arrive(sim, e.packet);
		break;
	case ZS_SIM_DELIVER:
		deliver(sim, e.packet);
		break;
	}
	return true;
}

void zs_sim_run(struct zs_sim *sim, uint64_t until_ns)
{
	const struct zs_sim_event *e;

	while ((e = zs_sim_queue_peek(&sim->queue)) && e->at_ns <= until_ns)
		zs_sim_step(sim);
	if (until_ns > sim->now_ns)
		sim->now_ns = until_ns;
}

struct zs_sim_stats zs_sim_stats(const struct zs_sim *sim)
{
	return sim->stats;
}

uint64_t zs_sim_trace(const struct zs_sim *sim)
{
	return sim->trace;
}

const char *zs_sim_loss_name(enum zs_sim_loss loss)
{
	static const char *const names[] = {
		"link", "queue", "mtu", "nat", "nobody", "partition", "crashed"
	};

	return (unsigned)loss < ZS_SIM_LOSSES ? names[loss] : "unknown";
}
