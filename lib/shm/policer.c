/* Taking and returning leases. Nothing here waits: a compare-and-swap that loses tries again with what the winner left.
 *
 * Order of a take: own bytes, own packets, share, tenant's bytes, tenant's packets; what fails undoes what it took
 * before. Order around a lease: a bucket is debited before the lease is written, the lease is emptied before a bucket
 * is credited. So who is killed anywhere in between has lost a lease, never doubled one. */
#include "shm/policer.h"

#include "base/clock.h"

#define FAR   5		  /* bursts ahead that no use reaches, see bursts_of … */
#define STALL ZS_NS_PER_S /* … as one sees it who stood still for so long with the time in hand */

/* What stands above a packet. */
struct chain {
	struct zs_attachment own;
	struct zs_tenant tenant;
	struct zs_bucket *bucket, *above;
	uint64_t now;
};

struct amount {
	uint32_t bytes, packets;
};

/* --- one bucket --- */

static uint64_t cost_of(const struct zs_rate *r, uint32_t units)
{
	return ((uint64_t)r->mult * units + ((UINT64_C(1) << r->shift) >> 1)) >> r->shift;
}

static uint64_t depth_of(const struct zs_rate *r)
{
	return (uint64_t)r->depth_us * 1000;
}

/* Where the next unit stands now. */
static uint64_t place(uint64_t word, const struct zs_rate *r, uint64_t now)
{
	uint64_t far = FAR * depth_of(r) + cost_of(r, UINT16_MAX) + STALL;

	return word > now && word - now <= far ? word : now;
}

/* `bursts` that the word may be ahead; a packet by itself passes a full bucket however long it is. */
static bool fits(uint64_t from, uint64_t now, const struct zs_rate *r, uint64_t cost, uint32_t bursts,
		 bool single)
{
	return from - now + cost <= bursts * depth_of(r) || (single && from == now);
}

static bool take(_Atomic uint64_t *word, const struct zs_rate *r, uint64_t cost, uint32_t bursts, bool single,
		 uint64_t now)
{
	uint64_t t = atomic_load_explicit(word, memory_order_relaxed), from;

	if (!cost)
		return true;
	do {
		from = place(t, r, now);
		if (!fits(from, now, r, cost, bursts, single))
			return false;
	} while (!atomic_compare_exchange_weak_explicit(word, &t, from + cost, memory_order_relaxed,
							memory_order_relaxed));
	return true;
}

static void give(_Atomic uint64_t *word, uint64_t cost)
{
	uint64_t t = atomic_load_explicit(word, memory_order_relaxed);

	while (cost && !atomic_compare_exchange_weak_explicit(word, &t, t > cost ? t - cost : 0,
							      memory_order_relaxed, memory_order_relaxed))
		;
}

/* --- all of them --- */

static void chain_of(const struct zs_policer *p, uint32_t id, enum zs_way dir, uint64_t now, struct chain *c)
{
	c->now = now;
	c->bucket = &p->v.bucket[id].to[dir];
	if (!zs_sessions_attachment(p->v.sessions, id, &c->own))
		c->own = (struct zs_attachment){
			0
		}; /* half written by one that was killed: no limits until then */
	c->above = &p->v.tenant[c->own.tenant].to[dir];
	if (!zs_sessions_tenant(p->v.sessions, c->own.tenant, &c->tenant))
		c->tenant = (struct zs_tenant){ 0 };
}

/* The share is one word for both of its rates: what costs more counts. */
static uint64_t share_cost(const struct chain *c, struct amount n)
{
	uint64_t bytes = cost_of(&c->tenant.share_bytes, n.bytes),
		 packets = cost_of(&c->tenant.share_packets, n.packets);

	return bytes > packets ? bytes : packets;
}

static void give_own(const struct chain *c, struct amount n)
{
	give(&c->bucket->bytes, cost_of(&c->own.police.bytes, n.bytes));
	give(&c->bucket->packets, cost_of(&c->own.police.packets, n.packets));
}

static void give_tenant(const struct chain *c, struct amount n)
{
	give(&c->above->bytes, cost_of(&c->tenant.police.bytes, n.bytes));
	give(&c->above->packets, cost_of(&c->tenant.police.packets, n.packets));
}

/* One level: bytes and packets, or neither. */
static bool take_level(struct zs_bucket *b, const struct zs_police *r, struct amount n, uint32_t bursts,
		       bool single, uint64_t now)
{
	uint64_t bytes = cost_of(&r->bytes, n.bytes);

	if (!take(&b->bytes, &r->bytes, bytes, bursts, single, now))
		return false;
	if (take(&b->packets, &r->packets, cost_of(&r->packets, n.packets), bursts, single, now))
		return true;
	give(&b->bytes, bytes);
	return false;
}

/* Would a level take it if it were alone? Writes nothing, so a flood that is refused costs no atomics. */
static bool room(const struct zs_bucket *b, const struct zs_police *r, struct amount n, uint32_t bursts,
		 uint64_t now)
{
	uint64_t bytes = atomic_load_explicit(&b->bytes, memory_order_relaxed),
		 packets = atomic_load_explicit(&b->packets, memory_order_relaxed);

	return (!r->bytes.mult || fits(place(bytes, &r->bytes, now), now, &r->bytes,
				       cost_of(&r->bytes, n.bytes), bursts, true)) &&
	       (!r->packets.mult || fits(place(packets, &r->packets, now), now, &r->packets,
					 cost_of(&r->packets, n.packets), bursts, true));
}

/* Of the tenant: what is marked may go a burst deeper, what is within the share always one deeper than that. */
static uint32_t bursts_of(const struct zs_tenant *t, bool share, bool mark)
{
	return 1 + (mark && t->mark) + (share ? 1 + t->mark : 0);
}

static bool take_all(const struct chain *c, struct amount n, bool single, bool mark, bool *share)
{
	uint64_t cost = share_cost(c, n);
	/* The share is in step by its own rate alone, so its burst counts as that of bytes. */
	const struct zs_rate *r = c->tenant.share_bytes.mult ? &c->tenant.share_bytes
							     : &c->tenant.share_packets;

	*share = false;
	if (!take_level(c->bucket, &c->own.police, n, 1 + (mark && c->own.mark), single, c->now))
		return false;
	*share = cost && take(&c->bucket->share, r, cost, 1, single, c->now);
	if (take_level(c->above, &c->tenant.police, n, bursts_of(&c->tenant, *share, mark), single, c->now))
		return true;
	if (*share)
		give(&c->bucket->share, cost);
	give_own(c, n);
	return false;
}

/* --- leases --- */

static uint32_t least(uint32_t a, uint32_t b)
{
	return !a || (b && b < a) ? b : a;
}

/* Beside what the lease has left: what the packet lacks, and the lease that is due. */
static void amounts(const struct chain *c, const struct zs_lease *l, uint32_t bytes, struct amount *packet,
		    struct amount *lease)
{
	uint32_t quantum = least(c->own.police.quantum, c->tenant.police.quantum) * ZS_POLICE_STEP,
		 packets = least(c->own.police.packet_quantum, c->tenant.police.packet_quantum);

	*packet = *lease = (struct amount){ bytes > l->bytes ? bytes - l->bytes : 0, !l->packets };
	if (packet->bytes && quantum > packet->bytes)
		lease->bytes = quantum;
	if (packet->packets && packets > 1)
		lease->packets = packets;
}

/* What nobody limits is as good as endless for one lease. */
static void fill(const struct chain *c, struct zs_lease *l, struct amount n, uint32_t bytes, bool share)
{
	l->share = share && (l->share || !l->bytes);
	l->bytes += n.bytes;
	l->packets = (uint16_t)(l->packets + n.packets);
	l->bytes -= bytes;
	l->packets--;
	if (!c->own.police.quantum && !c->tenant.police.quantum)
		l->bytes = UINT32_MAX;
	if (!c->own.police.packet_quantum && !c->tenant.police.packet_quantum)
		l->packets = UINT16_MAX;
	l->since = (uint32_t)(c->now >> ZS_LEASE_SHIFT);
}

static void bring_back(struct zs_policer *p, uint32_t id, enum zs_way dir, uint64_t now)
{
	struct zs_lease *l = &p->v.account[id].lease[dir];
	struct amount n = { l->bytes > ZS_POLICE_LEASE ? 0 : l->bytes,
			    l->packets > ZS_POLICE_LEASE / 64 ? 0 : l->packets };
	bool share = l->share;
	struct chain c;

	l->bytes = l->packets = 0;
	if (!n.bytes && !n.packets)
		return;
	chain_of(p, id, dir, now, &c);
	give_own(&c, n);
	give_tenant(&c, n);
	if (share)
		give(&c.bucket->share, share_cost(&c, n));
}

static void return_oldest(struct zs_policer *p, uint64_t now, bool early)
{
	struct zs_listed_lease e = p->listed[p->head];
	struct zs_lease *l = &p->v.account[e.attachment].lease[e.dir];

	p->head = (p->head + 1) % ZS_LEASES;
	p->count--;
	if (!early && zs_lease_lives(l, now)) { /* renewed since */
		p->listed[(p->head + p->count++) % ZS_LEASES] = (struct zs_listed_lease){ e.attachment, e.dir,
											  l->since };
		return;
	}
	l->listed = 0;
	bring_back(p, e.attachment, e.dir, now);
}

static void list(struct zs_policer *p, uint32_t id, enum zs_way dir, struct zs_lease *l, uint64_t now)
{
	if (l->listed)
		return;
	if (p->count == ZS_LEASES)
		return_oldest(p, now, true);
	p->listed[(p->head + p->count++) % ZS_LEASES] = (struct zs_listed_lease){ id, dir, l->since };
	l->listed = 1;
}

void zs_policer_tick(struct zs_policer *p, uint64_t now_ns, uint32_t max)
{
	uint32_t now = (uint32_t)(now_ns >> ZS_LEASE_SHIFT);

	for (uint32_t i = p->count < max ? p->count : max; i; i--) {
		if (now - p->listed[p->head].since < ZS_LEASE_LIFE)
			return;
		return_oldest(p, now_ns, false);
	}
}

enum zs_police_verdict zs_policer_lease(struct zs_policer *p, uint32_t id, enum zs_way dir, uint32_t bytes,
					bool ect, uint64_t now_ns)
{
	struct zs_lease *l = &p->v.account[id].lease[dir];
	struct amount packet, lease, one;
	enum zs_police_verdict verdict = ZS_POLICE_PASS;
	struct chain c;
	bool share;

	if (!zs_lease_lives(l, now_ns))
		bring_back(p, id, dir, now_ns);
	chain_of(p, id, dir, now_ns, &c);
	amounts(&c, l, bytes, &packet, &lease);
	one = packet;
	if (!room(c.bucket, &c.own.police, one, 1 + c.own.mark, now_ns) ||
	    !room(c.above, &c.tenant.police, one, bursts_of(&c.tenant, true, true), now_ns))
		return ZS_POLICE_DROP;
	if (take_all(&c, lease, false, false, &share)) {
		one = lease;
	} else if (!take_all(&c, packet, true, false, &share)) {
		if (!ect || !(c.own.mark || c.tenant.mark) || !take_all(&c, packet, true, true, &share))
			return ZS_POLICE_DROP;
		verdict = ZS_POLICE_MARK;
	}
	fill(&c, l, one, bytes, share);
	list(p, id, dir, l, now_ns);
	return verdict;
}

/* --- the rest --- */

bool zs_policer_flows_full(const struct zs_policer *p, uint32_t id, uint64_t held, uint64_t tenant_held)
{
	struct chain c;

	chain_of(p, id, ZS_TO_EDGE, 0, &c);
	return (c.own.police.flows && held >= c.own.police.flows) ||
	       (c.tenant.police.flows && tenant_held >= c.tenant.police.flows);
}

bool zs_policer_new_flow(struct zs_policer *p, uint32_t id, enum zs_way dir, uint64_t now_ns)
{
	const struct zs_rate *own, *above;
	struct chain c;

	chain_of(p, id, dir, now_ns, &c);
	own = &c.own.police.new_flows;
	above = &c.tenant.police.new_flows;
	if (!take(&c.bucket->new_flows, own, cost_of(own, 1), 1, true, now_ns))
		return false;
	if (take(&c.above->new_flows, above, cost_of(above, 1), 1, true, now_ns))
		return true;
	give(&c.bucket->new_flows, cost_of(own, 1));
	return false;
}

void zs_policer_init(struct zs_policer *p, const struct zs_policer_view *v)
{
	p->v = *v;
	p->head = p->count = 0;
}

void zs_policer_forget(struct zs_account *account)
{
	for (uint32_t i = 0; i < ZS_DIRECTIONS; i++)
		account->lease[i] = (struct zs_lease){ 0 };
	account->flows = 0;
}
