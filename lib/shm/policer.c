/* Taking and returning leases; the arithmetic is in shm/charge.h.
 *
 * Order around a lease: a bucket is debited before the lease is written, the lease is emptied before a bucket
 * is credited. So who is killed anywhere in between has lost a lease, never doubled one. */
#include "shm/policer.h"

#include "shm/charge.h"

/* What stands above a packet. */
struct chain {
	struct zs_attachment own;
	struct zs_tenant tenant;
	struct zs_charge c;
};

/* --- all of them --- */

static void chain_of(const struct zs_policer *p, uint32_t id, enum zs_way dir, uint64_t now, struct chain *c)
{
	if (!zs_sessions_attachment(p->v.sessions, id, &c->own))
		c->own = (struct zs_attachment){
			0
		}; /* half written by one that was killed: no limits until then */
	if (!zs_sessions_tenant(p->v.sessions, c->own.tenant, &c->tenant))
		c->tenant = (struct zs_tenant){ 0 };
	c->c = (struct zs_charge){ .own = &c->own.police,
				   .tenant = &c->tenant.police,
				   .share_bytes = &c->tenant.share_bytes,
				   .share_packets = &c->tenant.share_packets,
				   .bucket = &p->v.bucket[id].to[dir],
				   .above = &p->v.tenant[c->own.tenant].to[dir],
				   .now = now,
				   .own_mark = c->own.mark,
				   .tenant_mark = c->tenant.mark };
}

/* Would a level take it if it were alone? Writes nothing, so a flood that is refused costs no atomics. */
static bool room(const struct zs_bucket *b, const struct zs_police *r, struct zs_amount n, uint32_t bursts,
		 uint64_t now)
{
	uint64_t bytes = zs_bucket_load(&b->bytes), packets = zs_bucket_load(&b->packets);

	return (!r->bytes.mult || zs_bucket_fits(zs_bucket_place(bytes, &r->bytes, now), now, &r->bytes,
						 zs_bucket_cost(&r->bytes, n.bytes), bursts, true)) &&
	       (!r->packets.mult ||
		zs_bucket_fits(zs_bucket_place(packets, &r->packets, now), now, &r->packets,
			       zs_bucket_cost(&r->packets, n.packets), bursts, true));
}

/* --- leases --- */

static uint32_t least(uint32_t a, uint32_t b)
{
	return !a || (b && b < a) ? b : a;
}

/* Of one packet, beside what the lease has left. */
static struct zs_amount lacks(const struct zs_lease *l, uint32_t bytes)
{
	return (struct zs_amount){ bytes > l->bytes ? bytes - l->bytes : 0, !l->packets };
}

/* Beside what the lease has left: what the packet lacks, and the lease that is due. */
static void amounts(const struct chain *c, const struct zs_lease *l, uint32_t bytes, struct zs_amount *packet,
		    struct zs_amount *lease)
{
	uint32_t quantum = least(c->own.police.quantum, c->tenant.police.quantum) * ZS_POLICE_STEP,
		 packets = least(c->own.police.packet_quantum, c->tenant.police.packet_quantum);

	*packet = *lease = lacks(l, bytes);
	if (packet->bytes && quantum > packet->bytes)
		lease->bytes = quantum;
	if (packet->packets && packets > 1)
		lease->packets = packets;
}

/* Does the attachment's own limit refuse it? Of most that is refused it does: no copy is made for that. */
static bool is_spent(const struct zs_policer *p, uint32_t id, enum zs_way dir, uint32_t bytes, uint64_t now)
{
	const struct zs_attachment *a = &p->v.sessions->attachment[id];
	const struct zs_lease *l = &p->v.account[id].lease[dir];
	uint32_t before;
	bool spent;

	if (id >= p->v.sessions->attachments)
		return false;
	before = zs_seqlock_read(&a->seq);
	spent = a->used && !room(&p->v.bucket[id].to[dir], &a->police, lacks(l, bytes), 1 + a->mark, now);

	return spent && zs_seqlock_good(&a->seq, before);
}

/* What nobody limits is as good as endless for one lease. */
static void fill(const struct chain *c, struct zs_lease *l, struct zs_amount n, uint32_t bytes, bool share)
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
	l->since = (uint32_t)(c->c.now >> ZS_LEASE_SHIFT);
}

static void bring_back(struct zs_policer *p, uint32_t id, enum zs_way dir, uint64_t now)
{
	struct zs_lease *l = &p->v.account[id].lease[dir];
	struct zs_amount n = { l->bytes > ZS_POLICE_LEASE ? 0 : l->bytes,
			       l->packets > ZS_POLICE_LEASE / 64 ? 0 : l->packets };
	bool share = l->share;
	struct chain c;

	l->bytes = l->packets = 0;
	if (!n.bytes && !n.packets)
		return;
	chain_of(p, id, dir, now, &c);
	zs_charge_give(c.c.bucket, c.c.own, n);
	zs_charge_give(c.c.above, c.c.tenant, n);
	if (share)
		zs_bucket_give(&c.c.bucket->share, zs_charge_share(&c.c, n));
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
	struct zs_amount packet, lease, one;
	enum zs_police_verdict verdict = ZS_POLICE_PASS;
	struct chain c;
	bool share;

	if ((l->bytes || l->packets) && !zs_lease_lives(l, now_ns))
		bring_back(p, id, dir, now_ns);
	if (is_spent(p, id, dir, bytes, now_ns))
		return ZS_POLICE_DROP;
	chain_of(p, id, dir, now_ns, &c);
	amounts(&c, l, bytes, &packet, &lease);
	one = packet;
	if (!room(c.c.above, c.c.tenant, one, zs_charge_bursts(&c.c, true, true), now_ns))
		return ZS_POLICE_DROP;
	if (zs_charge_all(&c.c, lease, false, false, &share)) {
		one = lease;
	} else if (!zs_charge_all(&c.c, packet, true, false, &share)) {
		if (!ect || !(c.own.mark || c.tenant.mark) ||
		    !zs_charge_all(&c.c, packet, true, true, &share))
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
	if (!zs_bucket_take(&c.c.bucket->new_flows, own, zs_bucket_cost(own, 1), 1, true, now_ns))
		return false;
	if (zs_bucket_take(&c.c.above->new_flows, above, zs_bucket_cost(above, 1), 1, true, now_ns))
		return true;
	zs_bucket_give(&c.c.bucket->new_flows, zs_bucket_cost(own, 1));
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
