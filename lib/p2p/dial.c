/* A dial lives in the slot of its peer; its number is slot and generation, so that a late result finds nothing.
 *
 * Rank: what worked recently, then public addresses, then special-purpose ones (private, loopback). Among
 * equals by transport, then IPv6 and IPv4 in turn, IPv6 first.
 * in_flight is a subset of the first `begun` candidates; a dial ends when nothing is in flight or to come. */
#include "p2p/dial.h"

#include <errno.h>
#include <stdlib.h>
#include "base/check.h"
#include "base/clock.h"
#include "net/deny.h"
#include "p2p/backoff.h"
#include "p2p/peertable.h"

struct dial {
	struct zs_dial_candidate candidate[ZS_DIAL_CANDIDATES]; /* in the order they are tried */
	uint32_t count, begun, in_flight, wanted;
	uint64_t next_ns;
	uint16_t generation;
};
struct zs_dialer {
	struct zs_dial_config config;
	struct zs_peertable table;
	struct dial *dial;
	struct zs_backoff addresses, peers;
};
struct address_key {
	struct zs_peer_id peer;
	uint8_t ip[16], port[2];
};

void zs_dial_defaults(struct zs_dial_config *config)
{
	*config = (struct zs_dial_config){
		.dials = 256,
		.parallel = 8,
		.stagger_ns = 250 * ZS_NS_PER_MS,
		.recent_ns = 3600 * ZS_NS_PER_S,
		.address_base_ns = 5 * ZS_NS_PER_S,
		.address_max_ns = 600 * ZS_NS_PER_S,
		.peer_base_ns = ZS_NS_PER_S,
		.peer_max_ns = 300 * ZS_NS_PER_S,
		.remembered = 8192,
	};
}

struct zs_dialer *zs_dialer_new(const struct zs_dial_config *config)
{
	struct zs_backoff_config address = { config->address_base_ns,
					     config->address_max_ns,
					     config->remembered,
					     { config->key[0], config->key[1] },
					     config->random },
				 peer = address;
	struct zs_dialer *d = calloc(1, sizeof(*d));

	ZS_CHECK(config->dials <= UINT16_MAX, "%u dials", config->dials);
	if (!d)
		return NULL;
	d->config = *config;
	peer.base_ns = config->peer_base_ns;
	peer.max_ns = config->peer_max_ns;
	d->dial = calloc(config->dials, sizeof(*d->dial));
	if (!d->dial || zs_peertable_new(&d->table, config->dials, config->key) ||
	    zs_backoff_new(&d->addresses, &address) || zs_backoff_new(&d->peers, &peer)) {
		zs_dialer_delete(d);
		return NULL;
	}
	return d;
}

void zs_dialer_delete(struct zs_dialer *d)
{
	if (!d)
		return;
	zs_backoff_delete(&d->addresses);
	zs_backoff_delete(&d->peers);
	zs_peertable_delete(&d->table);
	free(d->dial);
	free(d);
}

static struct address_key key_of(const struct zs_peer_id *peer, const struct zs_endpoint *e)
{
	struct address_key k;

	memset(&k, 0, sizeof(k));
	k.peer.len = peer->len;
	memcpy(k.peer.bytes, peer->bytes, peer->len);
	memcpy(k.ip, e->addr.ip, sizeof(k.ip));
	k.port[0] = (uint8_t)(e->port >> 8);
	k.port[1] = (uint8_t)e->port;
	return k;
}

/* Less is tried earlier; the family's turn comes after. */
static uint32_t rank_of(const struct zs_dialer *d, const struct zs_dial_candidate *c, uint64_t now_ns)
{
	bool recent = c->succeeded_ns &&
		      (c->succeeded_ns >= now_ns || now_ns - c->succeeded_ns < d->config.recent_ns);
	uint32_t class = recent ? 0 : zs_special_of(&c->endpoint.addr) == ZS_SPECIAL_NONE ? 1 : 2;

	return class << 8 | c->transport;
}

/* Where candidate `i` stands among those of its rank and family. */
static uint32_t turn_of(const struct zs_dialer *d, const struct dial *dial, uint32_t i, uint64_t now_ns)
{
	const struct zs_dial_candidate *c = &dial->candidate[i];
	uint32_t turn = 0;

	for (uint32_t j = 0; j < i; j++)
		turn += rank_of(d, &dial->candidate[j], now_ns) == rank_of(d, c, now_ns) &&
			zs_addr_is4(&dial->candidate[j].endpoint.addr) == zs_addr_is4(&c->endpoint.addr);
	return turn;
}

static void rank(const struct zs_dialer *d, struct dial *dial, uint64_t now_ns)
{
	struct zs_dial_candidate sorted[ZS_DIAL_CANDIDATES];
	uint32_t weight[ZS_DIAL_CANDIDATES];

	for (uint32_t i = 0; i < dial->count; i++) {
		const struct zs_dial_candidate *c = &dial->candidate[i];
		uint32_t w = rank_of(d, c, now_ns) << 8 | turn_of(d, dial, i, now_ns) << 1 |
			     zs_addr_is4(&c->endpoint.addr),
			 at = i;
		for (; at && weight[at - 1] > w; at--) {
			weight[at] = weight[at - 1];
			sorted[at] = sorted[at - 1];
		}
		weight[at] = w;
		sorted[at] = *c;
	}
	memcpy(dial->candidate, sorted, dial->count * sizeof(*sorted));
}

static bool known(const struct dial *dial, const struct zs_dial_candidate *c)
{
	for (uint32_t i = 0; i < dial->count; i++)
		if (dial->candidate[i].transport == c->transport &&
		    dial->candidate[i].endpoint.port == c->endpoint.port &&
		    zs_addr_eq(&dial->candidate[i].endpoint.addr, &c->endpoint.addr))
			return true;
	return false;
}

/* Takes the candidates that may be tried now. *retry_ns: when the first of the others may. */
static void choose(struct zs_dialer *d, struct dial *dial, const struct zs_peer_id *peer,
		   const struct zs_dial_candidate *c, uint32_t count, bool insist, uint64_t now_ns,
		   uint64_t *retry_ns)
{
	for (uint32_t i = 0; i < count && dial->count < ZS_DIAL_CANDIDATES; i++) {
		struct address_key key = key_of(peer, &c[i].endpoint);
		uint64_t until = zs_backoff_until(&d->addresses, &key, sizeof(key), now_ns);
		if (until > now_ns && !insist)
			*retry_ns = until < *retry_ns ? until : *retry_ns;
		else if (!known(dial, &c[i]))
			dial->candidate[dial->count++] = c[i];
	}
}

static uint32_t number_of(const struct zs_dialer *d, uint32_t slot)
{
	return (uint32_t)d->dial[slot].generation << 16 | slot;
}

static uint32_t slot_of(const struct zs_dialer *d, uint32_t dial)
{
	uint32_t slot = dial & 0xffff;

	return zs_pool_is_taken(&d->table.pool, slot) && number_of(d, slot) == dial ? slot : ZS_PEER_NONE;
}

int zs_dial_start(struct zs_dialer *d, const struct zs_peer_id *peer,
		  const struct zs_dial_candidate *candidates, uint32_t count, bool insist, uint64_t now_ns,
		  uint32_t *dial, uint64_t *retry_ns)
{
	uint32_t slot = zs_peertable_find(&d->table, peer);
	struct dial plan = { .wanted = 1, .next_ns = now_ns };

	*retry_ns = ZS_DIAL_NEVER;
	if (slot != ZS_PEER_NONE) {
		d->dial[slot].wanted++;
		*dial = number_of(d, slot);
		return 1;
	}
	if (!count)
		return -EADDRNOTAVAIL;
	*retry_ns = zs_backoff_until(&d->peers, peer->bytes, peer->len, now_ns);
	if (*retry_ns > now_ns && !insist)
		return -EAGAIN;
	*retry_ns = ZS_DIAL_NEVER;
	choose(d, &plan, peer, candidates, count, insist, now_ns, retry_ns);
	if (!plan.count)
		return -EAGAIN;
	slot = zs_peertable_add(&d->table, peer);
	if (slot == ZS_PEER_NONE)
		return -EBUSY;
	rank(d, &plan, now_ns);
	plan.generation = (uint16_t)(d->dial[slot].generation + 1);
	d->dial[slot] = plan;
	*dial = number_of(d, slot);
	return 0;
}

/* When this dial's next attempt is due; a clock that stepped back makes it no later than a stagger from now. */
static uint64_t due(const struct zs_dialer *d, const struct dial *p, uint64_t now_ns)
{
	uint64_t latest = now_ns + d->config.stagger_ns;
	bool full = (uint32_t)__builtin_popcount(p->in_flight) >= d->config.parallel;

	return p->begun == p->count || full ? ZS_DIAL_NEVER : p->next_ns < latest ? p->next_ns : latest;
}

static bool ready(const struct zs_dialer *d, struct dial *p, uint64_t now_ns)
{
	uint64_t at = due(d, p, now_ns);

	if (at < p->next_ns)
		p->next_ns = at;
	return at <= now_ns;
}

bool zs_dial_next(struct zs_dialer *d, uint64_t now_ns, struct zs_dial_attempt *out)
{
	uint32_t s = zs_peertable_next(&d->table, ZS_PEER_NONE);
	struct dial *p;

	while (s != ZS_PEER_NONE && !ready(d, &d->dial[s], now_ns))
		s = zs_peertable_next(&d->table, s);
	if (s == ZS_PEER_NONE)
		return false;
	p = &d->dial[s];
	*out = (struct zs_dial_attempt){ number_of(d, s), p->begun, d->table.id[s], p->candidate[p->begun] };
	p->in_flight |= 1u << p->begun++;
	p->next_ns = now_ns + d->config.stagger_ns;
	return true;
}

uint64_t zs_dial_deadline(const struct zs_dialer *d, uint64_t now_ns)
{
	uint64_t least = ZS_DIAL_NEVER;

	for (uint32_t s = zs_peertable_next(&d->table, ZS_PEER_NONE); s != ZS_PEER_NONE;
	     s = zs_peertable_next(&d->table, s)) {
		uint64_t at = due(d, &d->dial[s], now_ns);
		least = at < least ? at : least;
	}
	return least;
}

static void end(struct zs_dialer *d, uint32_t slot, uint32_t *others)
{
	*others = d->dial[slot].in_flight;
	zs_peertable_remove(&d->table, slot);
}

static enum zs_dial_state failed(struct zs_dialer *d, uint32_t slot, uint64_t now_ns, uint32_t *others)
{
	struct dial *p = &d->dial[slot];
	struct zs_peer_id *peer = &d->table.id[slot];

	if (p->in_flight || p->begun < p->count) {
		p->next_ns = now_ns;
		return ZS_DIAL_GOING;
	}
	zs_backoff_failed(&d->peers, peer->bytes, peer->len, now_ns);
	end(d, slot, others);
	return ZS_DIAL_LOST;
}

enum zs_dial_state zs_dial_result(struct zs_dialer *d, uint32_t dial, uint32_t attempt, bool succeeded,
				  uint64_t now_ns, uint32_t *others)
{
	uint32_t slot = slot_of(d, dial);
	struct zs_peer_id *peer;
	struct address_key key;
	struct dial *p;

	*others = 0;
	if (slot == ZS_PEER_NONE || attempt >= ZS_DIAL_CANDIDATES ||
	    !(d->dial[slot].in_flight >> attempt & 1))
		return ZS_DIAL_STALE;
	p = &d->dial[slot];
	peer = &d->table.id[slot];
	p->in_flight &= ~(1u << attempt);
	key = key_of(peer, &p->candidate[attempt].endpoint);
	if (!succeeded) {
		zs_backoff_failed(&d->addresses, &key, sizeof(key), now_ns);
		return failed(d, slot, now_ns, others);
	}
	zs_backoff_succeeded(&d->addresses, &key, sizeof(key));
	zs_backoff_succeeded(&d->peers, peer->bytes, peer->len);
	end(d, slot, others);
	return ZS_DIAL_WON;
}

bool zs_dial_cancel(struct zs_dialer *d, uint32_t dial, uint32_t *others)
{
	uint32_t slot = slot_of(d, dial);

	*others = 0;
	if (slot == ZS_PEER_NONE || --d->dial[slot].wanted)
		return false;
	end(d, slot, others);
	return true;
}

bool zs_dial_settle(struct zs_dialer *d, const struct zs_peer_id *peer, uint32_t *dial, uint32_t *others)
{
	uint32_t slot = zs_peertable_find(&d->table, peer);

	*others = 0;
	if (slot == ZS_PEER_NONE)
		return false;
	*dial = number_of(d, slot);
	end(d, slot, others);
	return true;
}

uint32_t zs_dial_count(const struct zs_dialer *d)
{
	return d->table.pool.used;
}
