/* When anything changes that an entry may have been made from (tables, published ports, sessions, settings), all entries are void at
 * once and come again with their next packets: nothing has to be compared, and a restart is no other case. Packets that are
 * traced, or that an emergency stop is to drop, are the worker's: nothing is forwarded in the kernel meanwhile.
 *
 * Counters are taken before they are added, so who is killed in between has lost some milliseconds of them, never doubled any. */
#include "fastpath.h"

#include <string.h>
#include <sys/random.h>
#include "stage/stage.h"

#define METERS_ROUND  512 /* ms in which the meters of all attachments are taken … */
#define METERS_SLICE  512 /* … if that is no more than so many a ms: a million in 2 s */
#define METERS_MS     16  /* ms that are made up for at once */
#define TENANTS_SLICE 32

void zs_fastpath_begin(struct zs_worker *w)
{
	struct zs_fastpath *fp = w->dp->fast;
	uint64_t key[2] = { 0 };

	ZS_CHECK(getrandom(key, sizeof(key), 0) == sizeof(key), "no random numbers");
	zs_fast_begin(&fp->maps, key);
	fp->table = &w->dp->partition[w->dp->home[w->index]];
	fp->made_from = 0;
}

/* --- what entries are made from --- */

static uint64_t mix(uint64_t h, uint64_t v)
{
	return (h ^ v) * 0x100000001b3u;
}

/* 0: nothing is forwarded in the kernel now. */
static uint64_t fingerprint(const struct zs_worker *w)
{
	uint64_t h = 0xcbf29ce484222325u;

	if (!w->tables || !w->stamp || zs_tables_stopped(w->tables) || w->trace ||
	    !w->settings.flow_idle_answered_ms)
		return 0;
	h = mix(h, w->stamp);
	h = mix(h, atomic_load_explicit(&w->tables->meta->published_change, memory_order_acquire));
	h = mix(h, w->settings.generation);
	h = mix(h, w->sessions ? w->sessions->seg.base->incarnation : 0);
	return h | 1;
}

static void renew(struct zs_worker *w, struct zs_fastpath *fp)
{
	struct zs_fast_config c = { .pop = w->dp->conf->attach.pop,
				    .service_port = w->sessions ? w->dp->service_port : 0,
				    .flow_idle_ms = w->settings.flow_idle_answered_ms,
				    .sender_key = { w->dp->senders.key[0], w->dp->senders.key[1] } };

	_Static_assert(ZS_FAST_LOCALS == ZS_LOCALS_MAX && ZS_FAST_SLOTS == ZS_LOCALS_SLOTS,
		       "the worker's own copy");
	memcpy(c.slot, w->locals.slot, sizeof(c.slot));
	for (uint32_t i = 0; i < ZS_LOCALS_MAX; i++) {
		const struct zs_local *l = &w->locals.entry[i];

		if (!l->used || l->iface >= w->dp->ports)
			continue;
		c.local[i] = (struct zs_fast_local){ .addr = l->addr,
						     .ifindex = (uint32_t)w->dp->port[l->iface].steer.ifindex,
						     .vlan = l->vlan,
						     .used = 1 };
	}
	zs_fast_renew(&fp->maps, &c);
}

static void put_tenant(struct zs_worker *w, uint32_t number)
{
	struct zs_fast_tenant *to = &w->dp->fast->maps.tenants[number];
	struct zs_tenant t;

	_Static_assert(ZS_FAST_TENANTS == ZS_TENANTS, "by number");
	if (!zs_sessions_tenant(w->sessions, number, &t))
		memset(&t, 0, sizeof(t));
	to->police = t.police;
	to->share_bytes = t.share_bytes;
	to->share_packets = t.share_packets;
	to->mark = t.mark;
}

static void follow_tenants(struct zs_worker *w, struct zs_fastpath *fp)
{
	for (uint32_t i = 0; i < TENANTS_SLICE && w->sessions; i++)
		put_tenant(w, fp->tenants++ % ZS_TENANTS);
}

/* --- what the kernel counted --- */

static void add_counts(struct zs_worker *w, struct zs_fastpath *fp)
{
	static const struct {
		enum zs_fast_count count;
		enum zs_drop drop;
	} drops[] = { { ZS_FAST_DROPPED_STALE, ZS_DROP_cid_stale },
		      { ZS_FAST_DROPPED_MALFORMED, ZS_DROP_cid_malformed },
		      { ZS_FAST_DROPPED_SELF, ZS_DROP_self },
		      { ZS_FAST_DROPPED_POLICED, ZS_DROP_policed } };
	uint64_t n[ZS_FAST_COUNTS], ended;

	zs_fast_take_counts(&fp->maps, n);
	ended = n[ZS_FAST_FORWARDED];
	for (uint32_t i = 0; i < ZS_ARRAY_LEN(drops); i++) {
		w->drop[drops[i].drop] += n[drops[i].count];
		ended += n[drops[i].count];
	}
	w->count[ZS_COUNTER_rx] += ended;
	w->count[ZS_COUNTER_in_kernel] += ended;
	w->count[ZS_COUNTER_tx] += n[ZS_FAST_FORWARDED];
	w->count[ZS_COUNTER_rx_bytes] += n[ZS_FAST_BYTES_IN];
	w->count[ZS_COUNTER_tx_bytes] += n[ZS_FAST_BYTES_OUT];
	w->count[ZS_COUNTER_cid_routed] += n[ZS_FAST_CID_ROUTED];
}

static void add_meter(struct zs_meter *m, struct zs_fast_meter got)
{
	if (!got.packets)
		return;
	__atomic_store_n(&m->bytes, m->bytes + got.bytes, __ATOMIC_RELAXED);
	__atomic_store_n(&m->packets, m->packets + got.packets, __ATOMIC_RELAXED);
}

static void add_meters(struct zs_worker *w, struct zs_fastpath *fp)
{
	uint32_t all = w->dp->state.attachments, ms = w->now_ms - fp->meters_ms;
	uint32_t each = all / METERS_ROUND < METERS_SLICE ? all / METERS_ROUND + 1 : METERS_SLICE;
	uint32_t slice = (ms < METERS_MS ? ms + 1 : METERS_MS) * each;

	fp->meters_ms = w->now_ms;
	for (uint32_t i = 0; i < slice && i < all; i++) {
		uint32_t id = fp->meters++ % all;
		struct zs_fast_attachment *a = &fp->maps.attachments[id];

		add_meter(&w->hot[id].meter[ZS_TO_EDGE], zs_fast_take(&a->to));
		add_meter(&w->hot[id].meter[ZS_FROM_EDGE], zs_fast_take(&a->from));
	}
}

void zs_fastpath_keep(struct zs_worker *w)
{
	struct zs_fastpath *fp = w->dp->fast;
	uint64_t now = fingerprint(w);

	zs_fast_alive(&fp->maps, w->now_ns);
	if (!now)
		zs_fast_hold(&fp->maps);
	else if (now != fp->made_from)
		renew(w, fp);
	fp->made_from = now;
	follow_tenants(w, fp);
	add_counts(w, fp);
	add_meters(w, fp);
}

/* --- offers --- */

static uint32_t hop_of(struct zs_worker *w, const struct zs_hop *hop)
{
	const struct zs_port *p = &w->dp->port[hop->iface];
	struct zs_fast_hop h = { .vlan = hop->vlan,
				 .mtu = hop->mtu ? hop->mtu : p->mtu,
				 .ifindex = (uint32_t)p->steer.ifindex };

	memcpy(h.macs, hop->dmac, 6);
	memcpy(h.macs + 6, hop->smac, 6);
	return p->steered ? zs_fast_hop(&w->dp->fast->maps, &h) : ZS_FAST_NO_HOP;
}

static void offer_flow(struct zs_worker *w, const struct zs_item *it)
{
	const struct zs_flow *f = &it->table->flow[it->flow];
	struct zs_fast *maps = &w->dp->fast->maps;
	enum zs_fast_side side = it->side == ZS_SIDE_CLIENT ? ZS_FAST_CLIENT : ZS_FAST_TARGET;
	struct zs_fast_flow ends = { .way = { { .from = f->client,
						.port = f->port,
						.local = f->local_client,
						.out = f->local_target },
					      { .from = f->target,
						.port = f->source_port,
						.local = f->local_target,
						.out = f->local_client } } };
	uint32_t hop;

	if (it->table != w->dp->fast->table || it->flow >= maps->shape.flows ||
	    f->answered != ZS_FLOW_CONFIRMED || zs_fast_has_way(maps, it->flow, side))
		return;
	hop = hop_of(w, &it->hop);
	if (hop != ZS_FAST_NO_HOP)
		zs_fast_put_way(maps, it->flow, side, &ends, hop, w->now_ms);
}

static uint8_t policed(const struct zs_worker *w, uint32_t id)
{
	return (w->hot[id].flags & ZS_HOT_POLICED) != 0;
}

/* false: it is not there any more. */
static bool offer_limits(struct zs_worker *w, uint32_t id)
{
	struct zs_fast_attachment limits = { .policed = policed(w, id) };
	struct zs_attachment a;

	if (!zs_sessions_attachment(w->sessions, id, &a))
		return false;
	limits.mark = a.mark;
	limits.tenant = a.tenant;
	limits.police = a.police;
	put_tenant(w, a.tenant);
	zs_fast_put_limits(&w->dp->fast->maps, id, &limits);
	return true;
}

static void offer_to(struct zs_worker *w, const struct zs_item *it)
{
	const struct zs_hot *line = &w->hot[it->to];
	struct zs_binding b;
	struct zs_fast_attachment to = { .generation = it->cid.generation,
					 .port = it->ends.dst.port,
					 .addr = it->ends.dst.addr,
					 .hop = hop_of(w, &it->hop),
					 .local = line->local,
					 .limited = policed(w, it->to) };

	if (!zs_seqlock_get(&w->dp->state.binding[it->to], &b, sizeof(b)))
		return;
	to.expires_ns = b.expires_ns;
	if (to.hop != ZS_FAST_NO_HOP && offer_limits(w, it->to))
		zs_fast_put_to(&w->dp->fast->maps, it->to, &to);
}

static void offer_cid(struct zs_worker *w, const struct zs_item *it)
{
	struct zs_fast *maps = &w->dp->fast->maps;

	if (it->from == ZS_SENDER_NONE) /* strangers are limited, each of them, by the worker */
		return;
	if (!zs_fast_has_from(maps, it->from) && offer_limits(w, it->from))
		zs_fast_put_from(maps, it->from);
	if (!zs_fast_has_to(maps, it->to))
		offer_to(w, it);
}

void zs_fastpath_offer(struct zs_worker *w, const struct zs_item *it)
{
	if (zs_fast_held(&w->dp->fast->maps) || it->inner || it->sealed || !w->dp->fast->made_from)
		return;
	if (it->class == ZS_CLASS_CID)
		offer_cid(w, it);
	else
		offer_flow(w, it);
}

void zs_fastpath_void(struct zs_worker *w, uint32_t id)
{
	zs_fast_void(&w->dp->fast->maps, id);
}

void zs_fastpath_flow(struct zs_worker *w, const struct zs_flow_table *t, uint32_t id, bool ends)
{
	struct zs_fastpath *fp = w->dp->fast;
	struct zs_flow_rest *rest;
	struct zs_flow *f;
	struct zs_fast_meter got;
	struct zs_fast_way *way;

	if (t != fp->table || id >= fp->maps.shape.flows)
		return;
	f = &t->flow[id];
	rest = &t->rest[id];
	way = fp->maps.flows[id].way;
	_Static_assert((int)ZS_FAST_CLIENT == ZS_FLOW_TO_TARGET && (int)ZS_FAST_TARGET == ZS_FLOW_TO_CLIENT,
		       "a client's packet goes to the target");
	for (int i = 0; i < ZS_FLOW_WAYS; i++) {
		got = zs_fast_take(&way[i].meter);
		rest->packets[i] += got.packets;
		rest->bytes[i] += got.bytes;
	}
	for (int i = 0; i < ZS_FLOW_WAYS; i++)
		if (way[i].stamp && (int32_t)(way[i].last_ms - f->last_ms) > 0)
			f->last_ms = way[i].last_ms;
	if (ends)
		zs_fast_void_flow(&fp->maps, id);
}
