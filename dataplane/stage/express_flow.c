/* The short way of a packet of a flow, to a target or to a client of its own family:
 *
 *   open   which way it goes, by the port it came to; its bucket is on its way
 *   aim    the line of the flow that it probably is is on its way; where the bucket knows of none, its other one
 *   know   of what lies there, that line too
 *   send   is it that flow, confirmed, of the entry that is published now? turned around and left with tx; or refused, where there
 *          is none and none may be
 *
 * The life of a flow is the long way's: what makes, answers, confirms or ends one. Ports of the range of source ports are taken for a
 * target's side: the configuration keeps published ones out of it. */
#include "express.h"
#include "shm/flow_find.h"
#include "turn.h"

bool zs_express_flow_is_open(const struct zs_worker *w)
{
	return w->dp->partition_owner[w->dp->home[w->index]] == w->index;
}

/* false: it is not to be found here. */
static inline bool open_one(const struct zs_express *x, struct zs_express_packet *e)
{
	const struct zs_worker *w = x->w;
	int named = zs_flow_partition_of(w->dp, e->port);
	uint32_t at = named < 0 ? w->dp->home[w->index] : (uint32_t)named;

	if (ZS_UNLIKELY(w->dp->partition_owner[at] != w->index || !zs_express_is_source(x, e)))
		return false;
	e->way = named < 0 ? ZS_FLOW_TO_TARGET : ZS_FLOW_TO_CLIENT;
	e->table = &w->dp->partition[at];
	e->hash = zs_flow_hash_inline(e->table, &e->src, e->port, e->local);
	zs_flow_prefetch(e->table, e->way, e->hash);
	return true;
}

static inline void open(struct zs_express *x, struct zs_express_packet *e)
{
	if (ZS_UNLIKELY(!open_one(x, e)))
		zs_express_leave(x, e);
}

static inline void aim(struct zs_express_packet *e)
{
	if (ZS_LIKELY(e->m != NULL))
		e->to = zs_flow_guess(e->table, e->way, e->hash, false);
}

static inline void know(const struct zs_express *x, struct zs_express_packet *e)
{
	if (ZS_LIKELY(!e->m || e->to != ZS_FLOW_NONE))
		return;
	zs_prefetch(&x->w->tables->published[e->port]);
	e->to = zs_flow_guess(e->table, e->way, e->hash, true);
}

/* The guess was wrong: it shares its tag with others, or is not there. */
static ZS_COLD struct zs_flow *search(const struct zs_express_packet *e)
{
	const struct zs_flow_table *t = e->table;
	uint32_t id = e->way == ZS_FLOW_TO_TARGET
			  ? zs_flow_find_client(t, e->hash, &e->src, e->port, e->local)
			  : zs_flow_find_target(t, e->hash, &e->src, e->port, e->local);

	return id == ZS_FLOW_NONE ? NULL : &t->flow[id];
}

static inline struct zs_flow *find(const struct zs_express_packet *e)
{
	struct zs_flow *f = &e->table->flow[e->to];

	if (ZS_UNLIKELY(e->to == ZS_FLOW_NONE))
		return NULL; /* in neither of its buckets is its tag */
	return ZS_LIKELY(zs_flow_is(f, e->way, &e->src, e->port, e->local)) ? f : search(e);
}

/* Is it what is published now, by ways that were found since the tables changed? */
static inline bool is_current(const struct zs_worker *w, const struct zs_flow *f)
{
	uint32_t generation;

	return f->answered == ZS_FLOW_CONFIRMED && zs_tables_generation(w->tables, f->port, &generation) &&
	       f->as_of == zs_flow_as_of(w->stamp, generation);
}

/* Another way than the last one's. */
static __attribute__((noinline)) bool find_way(struct zs_express *x, const struct zs_flow *f, uint8_t way)
{
	uint64_t word = zs_flow_leads(f, way);

	return zs_express_keep(x, &x->flow_way[way], word, (uint8_t)(word >> 16),
			       zs_hop_kept(x->w, f->nexthop[way]));
}

static inline bool turn(struct zs_express *x, const struct zs_express_packet *e, struct zs_flow *f)
{
	struct zs_worker *w = x->w;
	const struct zs_express_way *way = &x->flow_way[e->way];
	const struct zs_endpoint *to = e->way == ZS_FLOW_TO_TARGET ? &f->target : &f->client;
	uint32_t ports = zs_turn_ports(e->way == ZS_FLOW_TO_TARGET ? f->source_port : f->port, to->port);

	if (ZS_UNLIKELY(!is_current(w, f)) ||
	    (ZS_UNLIKELY(zs_flow_leads(f, e->way) != way->word) && !find_way(x, f, e->way)) ||
	    ZS_UNLIKELY(!zs_express_may(e, way, &to->addr)))
		return false;
	if (e->is4)
		zs_turn4(e->ip, e->ip + ZS_IP4_MIN, way->own, &to->addr, ports);
	else
		zs_turn6(e->ip, e->ip + ZS_IP6_LEN, way->own, &to->addr, ports);
	f->last_ms = w->now_ms; /* written anyway: whether it differs cannot be foretold */
	*zs_express_send(x, e, way->hop) = (struct zs_sent){
		.flow = f, .way = e->way, .payload = e->payload_len, .ip_len = e->ip_len
	};
	return true;
}

/* There is no flow of it here. Is it certain that there shall be none? */
static inline enum zs_drop judge(const struct zs_express *x, const struct zs_express_packet *e)
{
	const struct zs_worker *w = x->w;
	bool published, drain;

	if (!zs_tables_door(w->tables, e->port, &published, &drain))
		return ZS_DROPS;
	if (e->way == ZS_FLOW_TO_CLIENT)
		return published ? ZS_DROPS : ZS_DROP_stranger;
	if (!published || (w->dp->partitions > 1 &&
			   zs_flow_elsewhere(w, e->table, e->hash, &e->src, e->port, e->local) >= 0))
		return ZS_DROPS;
	return zs_refuse_flow(w, e->table, e->port, drain);
}

static __attribute__((noinline)) void end(struct zs_express *x, struct zs_express_packet *e)
{
	enum zs_drop why = judge(x, e);

	if (why == ZS_DROPS)
		zs_express_leave(x, e);
	else
		zs_express_refuse(x, e, why);
}

static inline void send(struct zs_express *x, struct zs_express_packet *e)
{
	struct zs_flow *f;

	if (ZS_UNLIKELY(!e->m))
		return;
	f = find(e);
	if (ZS_UNLIKELY(!f))
		end(x, e);
	else if (ZS_UNLIKELY(!turn(x, e, f)))
		zs_express_leave(x, e);
}

void zs_express_flow_step(struct zs_express *x, struct zs_express_lane *lane)
{
	struct zs_express_packet *done = &lane->at[lane->done], *known = &lane->at[lane->known];
	struct zs_express_packet *aimed = &lane->at[lane->aimed], *decoded = &lane->at[lane->decoded];
	struct zs_express_packet *taken = &lane->at[lane->taken];

	for (struct zs_express_packet *e = done; e < known; e++)
		send(x, e);
	for (struct zs_express_packet *e = known; e < aimed; e++)
		know(x, e);
	for (struct zs_express_packet *e = aimed; e < decoded; e++)
		aim(e);
	for (struct zs_express_packet *e = decoded; e < taken; e++)
		open(x, e);
	lane->done = lane->known;
	lane->known = lane->aimed;
	lane->aimed = lane->decoded;
	lane->decoded = lane->taken;
}
