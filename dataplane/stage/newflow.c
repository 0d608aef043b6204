/* The slow path of a client's first packet: may this flow be, and what does it look like? The
 * cheap refusals come first, the source port last. */
#include "fastpath.h"
#include "held.h"
#include "limit.h"
#include "refuse.h"
#include "relay/codes.h"
#include "shm/flow_port.h"
#include "targets.h"
#include "tunnels.h"

/* The port's own target is looked at without the index, which is a tick behind a new port. Of a
 * target's other ports nothing is known: its host may well be a client. */
static bool from_a_target(const struct zs_worker *w, const struct zs_item *it)
{
	const struct zs_published *p = &it->published;

	return (it->p.src.port == p->target_port && zs_addr_eq(&it->p.src.addr, &p->target)) ||
	       zs_targets_have(w->dp->targets, w->tables, &it->p.src);
}

/* The target is judged again here: the tables are another process's word. */
static enum zs_drop judge_target(struct zs_worker *w, const struct zs_item *it)
{
	const struct zs_published *p = &it->published;

	struct zs_aim aim;

	if (p->kind == ZS_PUBLISHED_ATTACHED)
		return zs_tunnel_aim(w, p->attachment, p->attachment_generation, &aim) ? ZS_DROPS
										       : ZS_DROP_no_endpoint;
	if (zs_deny_target(&w->settings.deny, &p->target) != ZS_SPECIAL_NONE ||
	    zs_locals_has(&w->locals, &p->target) || !p->target_port)
		return ZS_DROP_target_denied;
	return from_a_target(w, it) ? ZS_DROP_src_target : ZS_DROPS;
}

static enum zs_drop judge(struct zs_worker *w, const struct zs_item *it)
{
	const struct zs_published *p = &it->published;
	const struct zs_settings *s = &w->settings;
	struct zs_limits *l = w->dp->limits;
	enum zs_drop why;

	if (!p->used)
		return ZS_DROP_not_published;
	if ((why = zs_refuse_flow(w, it->table, it->p.dst.port, p->drain)) != ZS_DROPS)
		return why;
	if ((why = judge_target(w, it)) != ZS_DROPS)
		return why;
	if (s->max_flows_per_prefix && zs_limit_prefix_flows(l, &it->p.src.addr) >= s->max_flows_per_prefix)
		return ZS_DROP_flow_limit_prefix;
	if (!zs_limit_prefix(l, &it->p.src.addr, s->new_flows_per_prefix_s, s->new_flows_prefix_burst,
			     w->now_ns))
		return ZS_DROP_flow_rate_prefix;
	if (!zs_limit_port(l, it->p.dst.port, p->new_flows_s, p->new_flows_burst, w->now_ns))
		return ZS_DROP_flow_rate_port;
	return ZS_DROPS;
}

/* Has the port all the flows it may have? */
static bool port_is_full(const struct zs_worker *w, const struct zs_item *it)
{
	uint64_t most = it->published.max_flows;

	if (!most && w->settings.port_share >= 100)
		return false;
	if (!most)
		most = w->dp->flow_room * w->settings.port_share / 100;
	return zs_limit_port_flows(w->dp->limits, it->p.dst.port) >= most;
}

int zs_flow_room_elsewhere(const struct zs_worker *w, uint16_t port)
{
	const struct zs_dp *dp = w->dp;

	for (uint32_t i = 0; i < dp->workers; i++)
		if (dp->partition_owner[dp->home[i]] != w->index &&
		    zs_flow_ports_oldest(&dp->partition[dp->home[i]], port) != ZS_FLOW_NONE)
			return dp->home[i];
	return -1;
}

/* What begins and ends have in common. */
static struct zs_event about(const struct zs_worker *w, const struct zs_flow *f, enum zs_event_kind kind)
{
	bool has_local = f->local_client < ZS_LOCALS_MAX;

	return (struct zs_event){ .kind = (uint8_t)kind,
				  .iface = has_local ? w->locals.entry[f->local_client].iface : 0,
				  .port = f->port,
				  .time_ns = w->now_ns,
				  .client = f->client,
				  .source_port = f->source_port };
}

void zs_flow_gone(struct zs_worker *w, const struct zs_flow_gone *gone, enum zs_flow_end why)
{
	const struct zs_flow_counts *c = &gone->counts;
	const struct zs_flow *f = &gone->flow;
	struct zs_event e = about(w, f, ZS_EVENT_FLOW_END);
	static const uint8_t counter[] = { [ZS_FLOW_END_IDLE] = ZS_COUNTER_flows_expired,
					   [ZS_FLOW_END_EVICTED] = ZS_COUNTER_flows_evicted,
					   [ZS_FLOW_END_UNPUBLISHED] = ZS_COUNTER_flows_ended,
					   [ZS_FLOW_END_CLOSED] = ZS_COUNTER_flows_closed };

	w->count[counter[why]]++;
	zs_limit_flow_gone(w->dp->limits, f->port, &f->client.addr);
	zs_held_gone(w->dp, w->index, f);
	e.reason = (uint8_t)why;
	e.packets = (uint32_t)(c->packets[ZS_FLOW_TO_TARGET] + c->packets[ZS_FLOW_TO_CLIENT]);
	e.bytes = c->bytes[ZS_FLOW_TO_TARGET] + c->bytes[ZS_FLOW_TO_CLIENT];
	zs_worker_event(w, &e);
}

/* Attached ends keep flows by the same clock, but of a port that went or leads elsewhere they cannot know. */
static void tell_ends(struct zs_worker *w, const struct zs_flow *f)
{
	struct zs_endpoint target = { f->target.addr, f->source_port };

	if (zs_is_attached(&f->client.addr))
		zs_tunnel_close(w, &f->client, ZS_ATTACH_CLOSE_not_published);
	if (zs_is_attached(&target.addr))
		zs_tunnel_close(w, &target, ZS_ATTACH_CLOSE_not_published);
}

void zs_flow_end(struct zs_worker *w, struct zs_flow_table *t, uint32_t id, enum zs_flow_end why)
{
	struct zs_flow_gone gone;

	if (w->dp->fast)
		zs_fastpath_flow(w, t, id, true);
	gone = (struct zs_flow_gone){ t->flow[id], zs_flow_counts(&t->flow[id], &t->rest[id]) };
	zs_flow_gone(w, &gone, why);
	if (why == ZS_FLOW_END_UNPUBLISHED)
		tell_ends(w, &gone.flow);
	zs_flow_finish(t, id, w->now_ms);
}

/* Which own address faces the target: of the interface its next hop is on. An attachment's end has neither:
 * the way to it is the session's, looked up for each packet. */
static enum zs_drop aim(struct zs_worker *w, struct zs_flow_new *want, uint32_t nexthop[ZS_FLOW_WAYS])
{
	struct zs_nexthop hop;
	int local;

	nexthop[ZS_FLOW_TO_CLIENT] = nexthop[ZS_FLOW_TO_TARGET] = ZS_NEXTHOP_NONE;
	if (!zs_is_attached(&want->client.addr))
		nexthop[ZS_FLOW_TO_CLIENT] = zs_hop_resolve(w, &want->client.addr, &hop);
	if (nexthop[ZS_FLOW_TO_CLIENT] == ZS_HOP_DENIED)
		return ZS_DROP_deny_out;
	if (zs_is_attached(&want->target.addr)) {
		want->local_target = ZS_LOCAL_ATTACHED;
		return ZS_DROPS;
	}
	nexthop[ZS_FLOW_TO_TARGET] = zs_hop_resolve(w, &want->target.addr, &hop);
	if (nexthop[ZS_FLOW_TO_TARGET] == ZS_HOP_DENIED)
		return ZS_DROP_deny_out;
	if (nexthop[ZS_FLOW_TO_TARGET] == ZS_HOP_UNREACHABLE)
		return ZS_DROP_no_route;
	local = zs_locals_pick(&w->locals, &want->target.addr, hop.iface, hop.vlan);
	if (local == ZS_LOCAL_NONE)
		return ZS_DROP_no_route;
	want->local_target = (uint8_t)local;
	return ZS_DROPS;
}

static struct zs_endpoint target_of(const struct zs_published *p)
{
	struct zs_attached end = { p->attachment, p->attachment_generation, p->service };

	if (p->kind == ZS_PUBLISHED_ATTACHED)
		return (struct zs_endpoint){ zs_attached_addr(&end), 0 };
	return (struct zs_endpoint){ p->target, p->target_port };
}

/* The attachments at its ends. Who has all the flows it may have gets one only in exchange for another that nobody
 * answered, as a port does, and opens none. */
static enum zs_drop judge_ends(struct zs_worker *w, struct zs_flow_new *want)
{
	if (zs_held_full(w, &want->client.addr))
		return ZS_DROP_flow_limit_attachment;
	want->in_exchange |= zs_held_full(w, &want->target.addr);
	return zs_held_may(w, &want->client.addr, ZS_FROM_EDGE) &&
		       zs_held_may(w, &want->target.addr, ZS_TO_EDGE)
		   ? ZS_DROPS
		   : ZS_DROP_flow_rate_attachment;
}

static enum zs_drop make(struct zs_worker *w, struct zs_item *it)
{
	static const uint8_t reason[] = { [ZS_FLOW_OK] = ZS_DROPS,
					  [ZS_FLOW_FULL] = ZS_DROP_flow_full,
					  [ZS_FLOW_PORTS] = ZS_DROP_flow_ports,
					  [ZS_FLOW_BUCKET] = ZS_DROP_flow_full,
					  [ZS_FLOW_PORT_FULL] = ZS_DROP_flow_limit_port };
	struct zs_flow_new want = { .client = it->p.src,
				    .target = target_of(&it->published),
				    .port = it->p.dst.port,
				    .local_client = it->local,
				    .published_generation = it->published.generation,
				    .now_ms = w->now_ms };
	bool port_full = port_is_full(w, it);
	struct zs_flow_gone evicted = { .flow.used = 0 };
	uint32_t nexthop[ZS_FLOW_WAYS];
	struct zs_event e;
	enum zs_flow_error rc;
	enum zs_drop why;

	want.in_exchange = port_full;
	if ((why = aim(w, &want, nexthop)) != ZS_DROPS || (why = judge_ends(w, &want)) != ZS_DROPS)
		return why;
	rc = zs_flow_add(it->table, &want, zs_worker_random(w), &it->flow, &evicted);
	if (evicted.flow.used)
		zs_flow_gone(w, &evicted, ZS_FLOW_END_EVICTED);
	if (rc == ZS_FLOW_PORTS &&
	    (zs_is_attached(&want.target.addr) || zs_flow_ports_oldest(it->table, want.port) == ZS_FLOW_NONE))
		zs_flow_sources_note_none(it->table, want.port, w->stamp);
	if (rc == ZS_FLOW_PORT_FULL && !port_full)
		return ZS_DROP_flow_limit_attachment;
	if (rc != ZS_FLOW_OK)
		return (enum zs_drop)reason[rc];
	zs_hop_keep(w, it->table, it->flow, nexthop[ZS_FLOW_TO_TARGET], nexthop[ZS_FLOW_TO_CLIENT]);
	zs_limit_flow_made(w->dp->limits, want.port, &want.client.addr);
	zs_held_made(w->dp, w->index, &it->table->flow[it->flow]);
	w->count[ZS_COUNTER_flows_new]++;
	e = about(w, &it->table->flow[it->flow], ZS_EVENT_FLOW_NEW);
	zs_worker_event(w, &e);
	return ZS_DROPS;
}

enum zs_drop zs_flow_make(struct zs_worker *w, struct zs_item *it)
{
	enum zs_drop why = judge(w, it);

	return why == ZS_DROPS ? make(w, it) : why;
}
