/* Next hops of flows and of bound addresses. A flow keeps two indices into the tables and what they were found
 * as of; when the tables have changed since, both are found again.
 *
 * A neighbour that is missing is asked for by an event, once each ZS_MISSING_MS; when it is
 * found the tables change, so nothing has to be tried again before that. */
#include "stage.h"

#define ZS_MISSING_MS 100 /* as often as a kernel asks for a neighbour with patience */

static void ask(struct zs_worker *w, const struct zs_nexthop *hop)
{
	struct zs_event e = { .kind = ZS_EVENT_NEIGHBOUR_MISSING,
			      .iface = hop->iface,
			      .vlan = hop->vlan,
			      .time_ns = w->now_ns,
			      .client = { hop->addr, 0 } };
	uint32_t slot = 0;

	for (int i = 0; i < 16; i++)
		slot = slot * 31 + hop->addr.ip[i];
	slot = (slot + hop->iface) % ZS_MISSING_SLOTS;
	if (w->now_ms - w->missing_ms[slot] < ZS_MISSING_MS)
		return;
	w->missing_ms[slot] = w->now_ms;
	zs_worker_event(w, &e);
}

uint32_t zs_hop_resolve(struct zs_worker *w, const struct zs_addr *addr, struct zs_nexthop *hop)
{
	uint32_t index;

	memset(hop, 0, sizeof(*hop));
	if (w->acl && zs_acl_denied(w->acl, addr) & ZS_ACL_OUT)
		return ZS_HOP_DENIED;
	index = zs_tables_resolve(w->tables, addr, hop);
	if (index != ZS_NEXTHOP_NONE)
		return zs_tables_nexthop(w->tables, index, hop) ? index : ZS_HOP_UNREACHABLE;
	if (zs_addr_eq(&hop->addr, &(struct zs_addr){ 0 }))
		return ZS_HOP_UNREACHABLE;
	ask(w, hop);
	return ZS_NEXTHOP_NONE;
}

void zs_hop_keep(struct zs_worker *w, struct zs_flow_table *t, uint32_t flow, uint32_t to_target,
		 uint32_t to_client)
{
	uint32_t as_of = zs_flow_as_of(w->stamp, t->rest[flow].published_generation);
	struct zs_flow *f = &t->flow[flow];

	f->nexthop[ZS_FLOW_TO_TARGET] = (uint16_t)to_target;
	f->nexthop[ZS_FLOW_TO_CLIENT] = (uint16_t)to_client;
	f->as_of = zs_hot_keeps(to_target) && zs_hot_keeps(to_client) ? as_of : 0;
}

/* Finds both ways again; the one that was asked for. */
static uint32_t refresh(struct zs_worker *w, const struct zs_item *it)
{
	const struct zs_flow *f = &it->table->flow[it->flow];
	uint32_t to_client = ZS_NEXTHOP_NONE, to_target = ZS_NEXTHOP_NONE;
	struct zs_nexthop hop;

	if (!zs_is_attached(&f->client.addr))
		to_client = zs_hop_resolve(w, &f->client.addr, &hop);
	if (!zs_is_attached(&f->target.addr))
		to_target = zs_hop_resolve(w, &f->target.addr, &hop);
	zs_hop_keep(w, it->table, it->flow, to_target, to_client);
	return it->side == ZS_SIDE_CLIENT ? to_target : to_client;
}

/* Is it time to look again for a neighbour that was missing? Only to ask again: the answer changes the tables. */
static bool again(struct zs_worker *w, uint64_t hash)
{
	uint32_t *asked = &w->retry_ms[hash % ZS_MISSING_SLOTS];

	if (w->now_ms - *asked < ZS_MISSING_MS)
		return false;
	*asked = w->now_ms;
	return true;
}

struct zs_hop zs_hop_of(const struct zs_nexthop *n)
{
	struct zs_hop hop = { .vlan = n->vlan, .mtu = n->mtu, .iface = n->iface };

	memcpy(hop.dmac, n->dmac, sizeof(hop.dmac));
	memcpy(hop.smac, n->smac, sizeof(hop.smac));
	return hop;
}

static ZS_COLD enum zs_drop fetch(struct zs_worker *w, uint32_t index, uint32_t stamp, struct zs_hop *hop)
{
	struct zs_nexthop n;

	if (index == ZS_HOP_UNREACHABLE)
		return ZS_DROP_no_route;
	if (index == ZS_HOP_DENIED)
		return ZS_DROP_deny_out;
	if (index == ZS_NEXTHOP_NONE || !zs_tables_nexthop(w->tables, index, &n) || n.iface >= w->dp->ports)
		return ZS_DROP_no_neighbour;
	if (!n.valid) {
		ask(w, &n);
		return ZS_DROP_no_neighbour;
	}
	*hop = zs_hop_of(&n);
	w->hop[index % ZS_HOPS] = (struct zs_hop_line){ index + 1, stamp, *hop };
	return ZS_DROPS;
}

/* The frame header for an index that was resolved. */
static enum zs_drop take(struct zs_worker *w, uint32_t index, struct zs_hop *hop)
{
	const struct zs_hop_line *l = &w->hop[index % ZS_HOPS];
	uint32_t stamp = zs_hop_stamp(w);

	if (ZS_UNLIKELY(l->index != index + 1 || l->stamp != stamp || index == ZS_NEXTHOP_NONE))
		return fetch(w, index, stamp, hop);
	*hop = l->hop;
	return ZS_DROPS;
}

enum zs_drop zs_hop_find(struct zs_worker *w, struct zs_item *it)
{
	const struct zs_flow *f = &it->table->flow[it->flow];
	uint32_t index = zs_hot_index(f->nexthop[it->side]);

	_Static_assert((int)ZS_SIDE_CLIENT == ZS_FLOW_TO_TARGET && (int)ZS_SIDE_TARGET == ZS_FLOW_TO_CLIENT,
		       "a client's packet goes to the target");
	if (f->as_of != zs_flow_as_of(w->stamp, it->published.generation) ||
	    (index == ZS_NEXTHOP_NONE && again(w, it->hash)))
		index = refresh(w, it);
	return take(w, index, &it->hop);
}

enum zs_drop zs_hop_toward(struct zs_worker *w, const struct zs_addr *addr, struct zs_hop_memo *memo,
			   uint64_t hash, struct zs_hop *hop)
{
	struct zs_nexthop n;

	if (memo->stamp != w->stamp || (memo->index == ZS_NEXTHOP_NONE && again(w, hash))) {
		memo->index = zs_hop_resolve(w, addr, &n);
		memo->stamp = w->stamp;
	}
	return take(w, memo->index, hop);
}

static void keep(struct zs_hot *line, const struct zs_hop_memo *memo)
{
	line->nexthop = (uint16_t)memo->index;
	line->stamp = zs_hot_keeps(memo->index) ? memo->stamp : ZS_TABLES_STOPPED;
}

enum zs_drop zs_hop_bound(struct zs_worker *w, struct zs_item *it, struct zs_hot *line)
{
	struct zs_hop_memo memo = { zs_hot_nexthop(line), line->stamp };
	enum zs_drop why;

	if (ZS_LIKELY(memo.stamp == w->stamp && memo.index < ZS_HOT_KEPT))
		return take(w, memo.index, &it->hop);
	why = zs_hop_toward(w, &line->addr, &memo, it->hash, &it->hop);
	keep(line, &memo);
	return why;
}

void zs_hop_refresh(struct zs_worker *w, struct zs_hot *line)
{
	struct zs_hop_memo memo = { ZS_NEXTHOP_NONE, w->stamp };
	struct zs_nexthop n;

	if (line->stamp == w->stamp)
		return;
	memo.index = zs_hop_resolve(w, &line->addr, &n);
	keep(line, &memo);
}
