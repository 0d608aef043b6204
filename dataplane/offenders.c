#include "offenders.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>
#include "worker.h"

#define JUDGE_NS ZS_NS_PER_S /* a look at a million bindings takes main tens of ms */
#define NOBODY	 UINT16_MAX

struct zs_offenders *zs_offenders_new(struct zs_dp *dp)
{
	struct zs_offenders *o = calloc(1, sizeof(*o));

	if (o && getrandom(&o->key, sizeof(o->key), 0) != sizeof(o->key)) {
		free(o);
		return NULL;
	}
	for (uint32_t i = 0; i < dp->ports; i++)
		if (dp->port[i].steered)
			zs_steer_unblock_all(&dp->port[i].steer);
	return o;
}

/* --- who was told of --- */

static uint32_t slot_of(const struct zs_offenders *o, const struct zs_addr *site)
{
	uint64_t x;

	memcpy(&x, site->ip + (zs_addr_is4(site) ? 8 : 0), sizeof(x));
	x = (x ^ o->key) * 0xff51afd7ed558ccdu;
	return (uint32_t)(x >> 40) % ZS_OFFENDERS_INDEX;
}

/* Its number among those asked about, or NOBODY; *free: where it would stand. */
static uint16_t find(const struct zs_offenders *o, const struct zs_addr *site, uint32_t *free_slot)
{
	uint32_t at = slot_of(o, site);

	while (o->index[at]) {
		uint16_t i = (uint16_t)(o->index[at] - 1);

		if (zs_addr_eq(&o->asked[i], site))
			return i;
		at = (at + 1) % ZS_OFFENDERS_INDEX;
	}
	*free_slot = at;
	return NOBODY;
}

static void ask(struct zs_offenders *o, const struct zs_addr *site)
{
	uint32_t at;

	if (o->asked_count == ZS_OFFENDERS_ASKED || find(o, site, &at) != NOBODY)
		return;
	o->known[o->asked_count] = false;
	o->asked[o->asked_count] = *site;
	o->index[at] = (uint16_t)++o->asked_count;
}

static void forget(struct zs_offenders *o)
{
	o->asked_count = 0;
	memset(o->index, 0, sizeof(o->index));
}

/* --- whom the relay knows --- */

static void spare(struct zs_offenders *o, const struct zs_addr *a)
{
	struct zs_addr site = zs_addr_site(a);
	uint32_t at;
	uint16_t i = find(o, &site, &at);

	if (i != NOBODY)
		o->known[i] = true;
}

/* Others write while this looks: an address read in halves spares nobody or somebody else. */
static void spare_all(struct zs_offenders *o, const struct zs_state *s)
{
	for (uint32_t i = 0; i < s->attachments; i++)
		if (s->binding[i].port)
			spare(o, &s->binding[i].addr);
	for (uint32_t i = 0; i < s->sessions; i++)
		if (s->tunnel_session[i].roam.has_current)
			spare(o, &s->tunnel_session[i].roam.current.remote.addr);
	for (uint64_t i = 0; i < (uint64_t)s->partitions * s->flow_capacity; i++) {
		const struct zs_flow *f = &s->flow[i];

		if (f->used != ZS_FLOW_LIVE || f->answered == ZS_FLOW_ASKING)
			continue;
		spare(o, &f->client.addr);
		spare(o, &f->target.addr);
	}
}

/* --- into the steering programs --- */

static void block(struct zs_dp *dp, const struct zs_addr *site, uint64_t until_ns)
{
	struct zs_offenders *o = dp->offenders;
	struct zs_steer_site s = zs_steer_site_of(site);
	bool done = false;

	if (o->count == ZS_STEER_BLOCKS_MAX)
		return;
	for (uint32_t i = 0; i < o->count; i++)
		if (zs_addr_eq(&o->blocked[i].site, site))
			return;
	for (uint32_t i = 0; i < dp->ports; i++)
		if (dp->port[i].steered)
			done |= !zs_steer_block(&dp->port[i].steer, &s, until_ns);
	if (done)
		o->blocked[o->count++] = (struct zs_offender){ *site, until_ns };
}

static void let_in(struct zs_dp *dp, uint64_t now)
{
	struct zs_offenders *o = dp->offenders;

	for (uint32_t i = 0; i < o->count;) {
		struct zs_steer_site s = zs_steer_site_of(&o->blocked[i].site);
		uint64_t dropped = 0;

		if (o->blocked[i].until_ns > now) {
			i++;
			continue;
		}
		for (uint32_t p = 0; p < dp->ports; p++)
			if (dp->port[p].steered)
				zs_steer_unblock(&dp->port[p].steer, &s, &dropped);
		o->blocked[i] = o->blocked[--o->count];
	}
}

static void listen_to_workers(struct zs_dp *dp)
{
	struct zs_addr site;

	for (uint32_t i = 0; i < dp->workers; i++)
		while (zs_flood_told(&dp->worker[i]->flood, &site))
			ask(dp->offenders, &site);
}

void zs_offenders_tick(struct zs_dp *dp, uint64_t now)
{
	struct zs_offenders *o = dp->offenders;

	let_in(dp, now);
	listen_to_workers(dp);
	if (o->asked_count && now - o->judged_ns >= JUDGE_NS) {
		o->judged_ns = now;
		spare_all(o, &dp->state);
		for (uint32_t i = 0; i < o->asked_count; i++)
			if (!o->known[i])
				block(dp, &o->asked[i], now + dp->conf->flood.block_s * ZS_NS_PER_S);
		forget(o);
	}
	dp->blocked = o->count;
}
