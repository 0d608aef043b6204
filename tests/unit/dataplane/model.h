/* What ought to be, told naively: who is attached and bound, which sessions live, where each edge is, which counters were taken.
 * For test_relay_model.c; nothing of the relay's own code is asked, save to seal and open. */
#ifndef ZS_TESTS_MODEL_H
#define ZS_TESTS_MODEL_H

#include "model_rig.h"
#include "relay/cookie.h"
#include "unit/random.h"

#define IDS	 10 /* attachments 1 to 9 */
#define TUNNELED 6  /* from here on they have tunnels, below a socket */
#define SESSIONS 4000
#define TAKEN	 256 /* datagrams of a lane that a test makes at most */
#define RECORDS	 96
#define CIDS	 64
#define NOWHERE	 (-1)
#define NOBODY	 (-1)

struct lane {
	uint64_t next, highest, old_until_ns;
	uint32_t epoch, window_epoch; /* the edge's, and what the relay last saw */
	uint32_t raised; /* step of the window's last epoch: the next key comes with housekeeping */
	uint32_t count;
	uint64_t taken[TAKEN];
};

struct session {
	int id; /* attachment */
	uint16_t generation;
	uint32_t receiver, peer;
	uint8_t root[32], bind_id;
	bool live;   /* in the tables */
	bool usable; /* … and made for this state segment */
	bool ended;  /* by the edge's CLOSE */
	uint64_t bind_sent, bind_spent;
	struct lane lane[2];
	int current, pending; /* places */
	bool knows_nonce;
	uint8_t nonce[ZS_TUNNEL_PROBE];
	uint64_t heard_ns, next_ns;
	uint32_t down_epoch[2], downs;
	uint64_t down[2 * TAKEN]; /* lane and counter of what the relay sent */
};

struct bound { /* the entry as it is stored; it may be over */
	int place;
	uint16_t generation;
	uint64_t until_ns;
};

struct cookie {
	bool got;
	uint8_t bytes[16];
	uint16_t generation;
	uint32_t step, secret;
};

struct holder {
	bool has, strangers;
	uint16_t generation;
	int newest, previous, told; /* sessions; told: who heard BOUND last */
	struct bound bound;
	struct cookie cookie[PLACES];
	int challenged;		    /* where, last */
	struct zs_tunnel_flow flow; /* the last one of an earlier generation; number 0: none */
	struct zs_tunnel_flow now;
};

struct line { /* what the workers' lines say since the last refresh */
	uint16_t generation;
	bool strangers;
	int place;
	uint64_t until_ns;
};

struct key {
	uint32_t version; /* 0: none */
	uint64_t withdrawn_s;
};

struct minted {
	uint8_t bytes[ZS_CID];
	uint8_t rotation;
	uint32_t version;
	int id;
	uint16_t generation;
};

struct record { /* a datagram of an edge */
	int session, lane;
	uint32_t epoch;
	uint64_t counter;
	struct zs_tunnel_flow flow;
	uint8_t type;
	uint16_t len;
	uint8_t bytes[160];
};

struct asked { /* a BIND */
	int session;
	uint8_t bytes[ZS_BIND_BYTES];
};

struct model {
	struct random rng;
	struct world *w;
	struct zs_gcm_engine engine;
	struct holder holder[IDS];
	struct session *session;
	int sessions;
	struct line line[IDS];
	struct key key[ZS_CID_ROTATIONS], key_line[ZS_CID_ROTATIONS];
	uint32_t versions, secrets;
	uint8_t key_bytes[ZS_CID_ROTATIONS][16];
	struct zs_cookie_secret cookie;
	struct zs_cidset mint;
	struct minted cid[CIDS];
	uint32_t cids, nonces;
	struct record record[RECORDS];
	uint32_t records;
	const struct sent *routed; /* of what came of a packet: what its connection ID led on */
	struct asked asked[RECORDS];
	uint32_t asks;
	uint32_t steps;
	uint32_t seen[ZS_DROPS + 1], delivered, moved, roamed, downs, replies, sealed, across;
};

static inline uint32_t dice(struct model *m, uint32_t n)
{
	return random_below(&m->rng, n);
}

static inline uint64_t now(const struct model *m)
{
	return m->w->now_ns;
}

static const struct zs_tunnel_flow no_flow;

static inline bool is_place(const struct zs_endpoint *at, const struct place *p)
{
	return at->port == p->at.port && zs_addr_eq(&at->addr, &p->at.addr);
}

/* Does it leave for that place, by its interface and neighbour, from our address there? */
static inline bool leads_to(const struct model *m, const struct sent *out, const struct place *p)
{
	return is_place(&out->dst, p) && out->iface == p->iface && out->host == p->host &&
	       zs_addr_eq(&out->src.addr, &m->w->own[p->local].addr);
}

/* --- bindings --- */

/* By the very session that was told BOUND. */
static inline bool is_held(const struct model *m, int id)
{
	const struct holder *h = &m->holder[id];

	return h->bound.place != NOWHERE && h->has && h->bound.generation == h->generation &&
	       m->session[h->told].live && m->session[h->told].usable;
}

static inline bool binds(const struct model *m, int id)
{
	return is_held(m, id) && now(m) < m->holder[id].bound.until_ns;
}

/* Who is known to send from there: also one whose binding ran out, until somebody looks. */
static inline int sender_at(const struct model *m, int place)
{
	for (int id = 1; id < IDS; id++)
		if (m->holder[id].bound.place == place)
			return id;
	return NOBODY;
}

static inline void swept(struct model *m)
{
	for (int id = 1; id < IDS; id++)
		if (!binds(m, id))
			m->holder[id].bound.place = NOWHERE;
}

static inline void looked(struct model *m)
{
	for (int id = 1; id < IDS; id++) {
		struct holder *h = &m->holder[id];

		if (!is_held(m, id))
			h->bound.place = NOWHERE;
		m->line[id] = (struct line){ h->has ? h->generation : 0, h->strangers,
					     binds(m, id) ? h->bound.place : NOWHERE, h->bound.until_ns };
	}
	for (int i = 0; i < ZS_CID_ROTATIONS; i++) {
		m->key_line[i] = m->key[i];
		if (m->key[i].withdrawn_s && m->key[i].withdrawn_s <= m->w->unix_s)
			m->key_line[i].version = 0;
	}
}

static inline bool good_cookie(const struct model *m, int id, int place, const uint8_t bytes[16])
{
	const struct cookie *c = &m->holder[id].cookie[place];
	uint32_t step = zs_cookie_step(m->w->unix_s);

	return c->got && !memcmp(c->bytes, bytes, 16) && c->generation == m->holder[id].generation &&
	       (c->step == step || c->step + 1 == step) && m->secrets - c->secret <= 1;
}

/* What a BIND of that session is to lead to. */
static inline enum zs_bind_outcome bind_outcome(struct model *m, int i, const struct zs_bind *b, int place)
{
	struct session *s = &m->session[i];
	struct holder *h = &m->holder[s->id];
	bool here = binds(m, s->id) && h->bound.place == place;

	if (!s->live || !s->usable || b->counter <= s->bind_spent)
		return ZS_BIND_DROPPED;
	s->bind_spent = b->counter;
	if (h->bound.generation != h->generation)
		h->bound.place = NOWHERE;
	h->bound.generation = h->generation;
	if (i == h->previous && h->told == h->newest)
		return ZS_BIND_REFUSED;
	if (b->kind == ZS_BIND_KIND_bind && !here && !good_cookie(m, s->id, place, b->cookie))
		return ZS_BIND_CHALLENGED;
	h->told = i;
	h->bound.place = NOWHERE;
	if (!b->lifetime_s) /* every UNBIND */
		return ZS_BIND_ENDED;
	h->bound.place = place;
	h->bound.until_ns = now(m) + (b->lifetime_s < 75 ? b->lifetime_s : 75) * ZS_NS_PER_S;
	return here ? ZS_BIND_KEPT : ZS_BIND_MOVED;
}

/* --- connection IDs --- */

/* The session that serves an attachment now, or NOBODY. */
static inline int serves(const struct model *m, int id)
{
	const int both[] = { m->holder[id].newest, m->holder[id].previous };

	for (int i = 0; i < 2; i++) {
		const struct session *s = both[i] == NOBODY ? NULL : &m->session[both[i]];

		if (s && s->live && s->usable && !s->ended && s->current != NOWHERE)
			return both[i];
	}
	return NOBODY;
}

/* With an endpoint or without. */
static inline bool has_tunnel(const struct model *m, int id, uint16_t generation)
{
	const struct holder *h = &m->holder[id];
	const int both[] = { h->newest, h->previous };
	bool has = false;

	for (int i = 0; i < 2; i++)
		has |= both[i] != NOBODY && m->session[both[i]].live && m->session[both[i]].usable;
	return has && h->has && h->generation == generation && id >= TUNNELED;
}

/* Where a packet of a sender is to go: a place, by its tunnel when *session is one; or NOWHERE and why. */
static inline int cid_leads(const struct model *m, const struct minted *c, int sender, int *session,
			    enum zs_drop *why)
{
	uint32_t version = m->key_line[c->rotation].version;
	const struct line *to = &m->line[c->id];

	*session = NOBODY;
	*why = !version						? ZS_DROP_cid_config
	       : version != c->version				? ZS_DROP_cid_malformed
	       : to->generation != c->generation		? ZS_DROP_cid_stale
	       : sender == c->id				? ZS_DROP_self
	       : sender == NOBODY && !to->strangers		? ZS_DROP_cid_stranger
	       : to->place == NOWHERE || to->until_ns <= now(m) ? ZS_DROP_cid_unbound
								: ZS_DROPS;
	if (*why == ZS_DROP_cid_unbound && has_tunnel(m, c->id, c->generation)) {
		*session = serves(m, c->id);
		*why = *session == NOBODY ? ZS_DROP_no_endpoint : ZS_DROPS;
		return *session == NOBODY ? NOWHERE : m->session[*session].current;
	}
	return *why == ZS_DROPS ? to->place : NOWHERE;
}

/* --- tunnels --- */

static inline bool was_taken(const struct lane *l, uint64_t counter)
{
	for (uint32_t i = 0; i < l->count; i++)
		if (l->taken[i] == counter)
			return true;
	return false;
}

/* ZS_DROPS: to be taken. */
static inline enum zs_drop judge(const struct model *m, const struct record *r)
{
	const struct session *s = &m->session[r->session];
	const struct lane *l = &s->lane[r->lane];
	uint32_t ahead = (r->epoch - l->window_epoch) & 7;

	if (!s->live || !s->usable || s->ended || s->id < TUNNELED)
		return ZS_DROP_tunnel_receiver;
	if (ahead > 1 && (ahead < 7 || !l->window_epoch || now(m) >= l->old_until_ns))
		return ZS_DROP_tunnel_epoch;
	if (r->counter + ZS_WINDOW_BITS <= l->highest || was_taken(l, r->counter))
		return ZS_DROP_tunnel_replay;
	if (r->epoch - l->window_epoch + 1 > 2)
		return ZS_DROP_tunnel_tag; /* the same bits, eight epochs apart */
	return ZS_DROPS;
}

/* It was taken. true: it has its lane's highest counter. */
static inline bool taken(struct model *m, const struct record *r)
{
	struct lane *l = &m->session[r->session].lane[r->lane];
	bool newest = r->counter > l->highest;

	assert_true(l->count < TAKEN);
	l->taken[l->count++] = r->counter;
	if (newest)
		l->highest = r->counter;
	if (r->epoch > l->window_epoch) {
		l->window_epoch = r->epoch;
		l->raised = m->steps;
		l->old_until_ns = now(m) + 5 * ZS_NS_PER_S;
	}
	return newest;
}

static inline void lapse(struct model *m, struct session *s)
{
	if (s->pending != NOWHERE && now(m) > s->heard_ns + 3 * ZS_NS_PER_S)
		s->pending = NOWHERE;
}

/* An authentic one came from there. true: a PROBE goes there. */
static inline bool heard(struct model *m, struct session *s, int place, uint16_t len, bool newest)
{
	if (s->current == place)
		return false;
	lapse(m, s);
	if (s->pending != place) {
		if (!newest)
			return false;
		s->pending = place;
		s->knows_nonce = false;
	}
	s->heard_ns = now(m);
	if (len < 40 || now(m) < s->next_ns)
		return false;
	s->next_ns = now(m) + ZS_NS_PER_S;
	return true;
}

#endif
