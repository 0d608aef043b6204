/* Of test_relay_model.c: the edges' datagrams, and those toward them. */
#ifndef ZS_TESTS_MODEL_TUNNELS_H
#define ZS_TESTS_MODEL_TUNNELS_H

#include "model.h"

static const uint8_t lane_of[2] = { 0, 5 };

static inline void job_of(struct model *m, const struct session *s, const struct zs_tunnel_head *head,
			  enum zs_attach_dir dir, uint32_t epoch, uint8_t *datagram, uint16_t len,
			  struct zs_gcm_key *key, struct zs_gcm_job *job, uint8_t aad[ZS_TUNNEL_AAD])
{
	uint8_t secret[ZS_ATTACH_SECRET];

	zs_attach_lane_at(s->root, dir, head->lane, epoch, secret);
	zs_attach_gcm_key(&m->engine, secret, key);
	zs_tunnel_job(job, head, datagram, len, key, aad);
}

/* --- toward edges ----------------------------------------------------------------------------- */

struct down {
	int session;
	struct zs_tunnel_head head;
	uint8_t payload[RIG_FRAME];
	uint16_t len;
};

/* A datagram of the relay's: whose it is, and what it says. Its nonce is new. */
static inline void open_down(struct model *m, const struct sent *out, struct down *d)
{
	uint8_t bytes[RIG_FRAME], aad[ZS_TUNNEL_AAD];
	struct zs_gcm_key key;
	struct zs_gcm_job job;
	struct session *s;
	uint64_t nonce;

	memcpy(bytes, out->payload, out->len);
	assert_int_equal(zs_tunnel_read(&d->head, bytes, out->len), ZS_DROPS);
	d->session = (int)(d->head.receiver & 0x7fffffff);
	assert_true(d->session < m->sessions && d->head.lane < 2);
	s = &m->session[d->session];
	assert_true(s->live && s->usable && !s->ended);
	s->down_epoch[d->head.lane] += (d->head.epoch - s->down_epoch[d->head.lane]) & 7;
	job_of(m, s, &d->head, ZS_ATTACH_DIR_RELAY, s->down_epoch[d->head.lane], bytes, out->len, &key, &job,
	       aad);
	assert_true(zs_gcm_open(&m->engine, &job));
	d->len = (uint16_t)(out->len - ZS_TUNNEL_OVERHEAD);
	memcpy(d->payload, bytes + ZS_TUNNEL_HEADER, d->len);
	nonce = d->head.counter << 4 | d->head.lane;
	for (uint32_t i = 0; i < s->downs; i++)
		assert_true(s->down[i] != nonce);
	assert_true(s->downs < ZS_ARRAY_LEN(s->down));
	s->down[s->downs++] = nonce;
}

static inline bool goes_to(const struct model *m, const struct sent *out, int place)
{
	return place != NOWHERE && out->src.port == TUNNEL_PORT && leads_to(m, out, &m->w->place[place]);
}

/* A padded PROBE asks how long the path is, and goes nowhere else. */
static inline bool is_length_probe(const struct model *m, const struct sent *out, const struct down *d)
{
	return d->head.type == ZS_TUNNEL_TYPE_PROBE && d->len > ZS_TUNNEL_PROBE &&
	       goes_to(m, out, m->session[d->session].current);
}

/* Did that leave for an attachment's edge without a flow? */
static inline void check_sealed(struct model *m, const struct sent *out, int session, const uint8_t *payload,
				uint16_t len)
{
	struct down d;

	open_down(m, out, &d);
	assert_true(d.session == session && goes_to(m, out, m->session[session].current));
	assert_true(d.head.type == ZS_TUNNEL_DATA && !zs_tunnel_flow_id(&d.head.flow) && !d.head.auth);
	assert_int_equal(d.len, len);
	assert_memory_equal(d.payload, payload, len);
	m->sealed++;
}

/* Of what left just now only PROBEs for the path's length were unasked for. */
static inline void check_all_down(struct model *m)
{
	struct down d;

	for (uint32_t i = 0; i < m->w->got.count; i++) {
		open_down(m, &m->w->got.out[i], &d);
		assert_true(is_length_probe(m, &m->w->got.out[i], &d));
	}
}

/* --- from edges ------------------------------------------------------------------------------- */

static inline void write_up(struct model *m, struct record *r, const uint8_t *payload, uint16_t len)
{
	const struct session *s = &m->session[r->session];
	struct zs_tunnel_head head = { .counter = r->counter,
				       .receiver = s->receiver,
				       .flow = r->flow,
				       .type = r->type,
				       .epoch = r->epoch & 7,
				       .lane = lane_of[r->lane] };
	uint8_t aad[ZS_TUNNEL_AAD];
	struct zs_gcm_key key;
	struct zs_gcm_job job;

	r->len = len + ZS_TUNNEL_OVERHEAD;
	assert_true(r->len <= sizeof(r->bytes));
	zs_tunnel_write(&head, r->bytes);
	memcpy(r->bytes + ZS_TUNNEL_HEADER, payload, len);
	job_of(m, s, &head, ZS_ATTACH_DIR_EDGE, r->epoch, r->bytes, r->len, &key, &job, aad);
	zs_gcm_seal(&m->engine, &job);
}

/* What may come of a datagram that was taken: a PROBE where it came from, an ECHO there, the ends of a client's reply. */
static inline void check_control(struct model *m, const struct record *r, int place, bool probe)
{
	struct session *s = &m->session[r->session];
	bool echo = r->type == ZS_TUNNEL_TYPE_PROBE && place == s->current; /* nowhere else */
	struct down d;

	for (uint32_t i = 0; i < m->w->got.count; i++) {
		const struct sent *out = &m->w->got.out[i];

		if (out->src.port != TUNNEL_PORT || out == m->routed)
			continue; /* a client's: send_down looks at it; or another edge's */
		open_down(m, out, &d);
		if (is_length_probe(m, out, &d))
			continue;
		assert_true(d.session == r->session && d.len == ZS_TUNNEL_PROBE && goes_to(m, out, place));
		if (d.head.type == ZS_TUNNEL_TYPE_PROBE) {
			assert_true(probe);
			probe = false;
			assert_true(!s->knows_nonce || !memcmp(s->nonce, d.payload, sizeof(s->nonce)));
			memcpy(s->nonce, d.payload, sizeof(s->nonce));
			s->knows_nonce = true;
		} else {
			assert_true(echo && d.head.type == ZS_TUNNEL_ECHO);
			echo = false;
		}
	}
	assert_false(probe || echo);
}

static inline void take_up(struct model *m, const struct record *r, int place, const uint8_t *payload)
{
	struct session *s = &m->session[r->session];
	bool newest = taken(m, r), probe = false;

	if (r->type != ZS_TUNNEL_ECHO) {
		probe = heard(m, s, place, r->len, newest);
	} else {
		lapse(m, s);
		if (s->pending == place && s->knows_nonce && !memcmp(payload, s->nonce, sizeof(s->nonce))) {
			s->current = place;
			s->pending = NOWHERE;
			m->roamed++;
		}
	}
	if (r->type == ZS_TUNNEL_TYPE_CLOSE) {
		s->ended = true;
		s->current = s->pending = NOWHERE;
	}
	check_control(m, r, place, probe && !s->ended);
}

/* `payload`: what is in it, for an ECHO. */
static inline enum zs_drop put_up(struct model *m, const struct record *r, int place, const uint8_t *payload)
{
	enum zs_drop why = judge(m, r);
	const struct outcome *o = world_put(m->w, dice(m, 2), &m->w->place[place], TUNNEL_PORT, r->bytes,
					    r->len);
	bool data = r->type == ZS_TUNNEL_DATA && why == ZS_DROPS;

	if (o->drop != why && !(data && o->drop == ZS_DROP_no_flow))
		fail_msg("a datagram of an edge: %s, not %s", zs_drop_name(o->drop), zs_drop_name(why));
	m->seen[o->drop]++;
	if (why == ZS_DROPS)
		take_up(m, r, place, payload);
	else
		assert_int_equal(o->count, 0);
	return o->drop;
}

static inline void flipped(struct model *m, const struct record *r, int place)
{
	struct record bad = *r;
	enum zs_drop why = judge(m, r);

	bad.bytes[ZS_TUNNEL_HEADER + dice(m, bad.len - ZS_TUNNEL_HEADER)] ^= (uint8_t)(1 << dice(m, 8));
	world_put(m->w, dice(m, 2), &m->w->place[place], TUNNEL_PORT, bad.bytes, bad.len);
	assert_int_equal(m->w->got.drop, why == ZS_DROPS ? ZS_DROP_tunnel_tag : why);
	assert_int_equal(m->w->got.count, 0);
	m->seen[m->w->got.drop]++;
}

/* The next one of a session: its number is the lane's next, or far ahead; now and then under a new key. */
static inline struct record *next_up(struct model *m, int i, uint8_t type, struct zs_tunnel_flow flow,
				     const uint8_t *payload, uint16_t len)
{
	struct record *r = &m->record[m->records++ % RECORDS];
	struct session *s = &m->session[i];
	int n = (int)dice(m, 2);
	struct lane *l = &s->lane[n];

	if (l->window_epoch == l->epoch && l->count && l->raised != m->steps && dice(m, 8) == 0)
		l->epoch++;
	l->next += dice(m, 20) ? 0 : ZS_WINDOW_BITS - 2 + dice(m, 4);
	*r = (struct record){
		.session = i, .lane = n, .epoch = l->epoch, .counter = l->next++, .flow = flow, .type = type
	};
	write_up(m, r, payload, len);
	return r;
}

static inline bool is_worn(const struct session *s)
{
	return s->lane[0].count > TAKEN - 8 || s->lane[1].count > TAKEN - 8 || s->downs > 2 * TAKEN - 16;
}

static inline void send_up(struct model *m)
{
	static const uint8_t types[] = { ZS_TUNNEL_KEEPALIVE, ZS_TUNNEL_TYPE_PROBE, ZS_TUNNEL_ECHO,
					 ZS_TUNNEL_ECHO };
	int i = some_session(m, TUNNELED, IDS), place = (int)dice(m, PLACES);
	uint8_t type = types[dice(m, 4)], payload[16] = { 0 };
	const struct record *old = &m->record[dice(m, RECORDS)];
	struct session *s;

	if (i == NOBODY || is_worn(&m->session[i]))
		return;
	s = &m->session[i];
	if (dice(m, 4) && s->current != NOWHERE)
		place = s->current;
	if (old->len && old->type != ZS_TUNNEL_ECHO && dice(m, 3) == 0 &&
	    !is_worn(&m->session[old->session])) {
		if (old->type != ZS_TUNNEL_DATA || judge(m, old) != ZS_DROPS)
			put_up(m, old, place, payload);
		return;
	}
	if (s->pending != NOWHERE && s->knows_nonce && dice(m, 2))
		type = ZS_TUNNEL_ECHO;
	if (type == ZS_TUNNEL_ECHO) {
		memcpy(payload, s->nonce, sizeof(s->nonce));
		if (s->pending != NOWHERE && dice(m, 4))
			place = s->pending;
		payload[0] ^= dice(m, 8) == 0;
	} else if (dice(m, 100) == 0) {
		type = ZS_TUNNEL_TYPE_CLOSE;
		payload[1] = 5;
	}
	old = next_up(m, i, type, no_flow, payload, type == ZS_TUNNEL_TYPE_CLOSE ? ZS_TUNNEL_CLOSE : 8);
	if (dice(m, 6) == 0)
		flipped(m, old, place);
	if (dice(m, 8)) /* else it is late */
		put_up(m, old, place, payload);
}

/* Without a flow, to whom a connection ID leads. `to`: where it must go, NOWHERE with why. */
static inline void put_up_cid(struct model *m, const struct record *r, int place, int to, int session,
			      enum zs_drop why, const uint8_t *payload, uint16_t len)
{
	enum zs_drop refused = judge(m, r);
	const struct outcome *o = world_put(m->w, dice(m, 2), &m->w->place[place], TUNNEL_PORT, r->bytes,
					    r->len);
	const struct sent *out = o->count ? &o->out[o->count - 1] : NULL; /* PROBEs are sent at once */

	why = refused == ZS_DROPS ? why : refused;
	if (o->drop != why)
		fail_msg("from an edge by connection ID: %s, not %s", zs_drop_name(o->drop),
			 zs_drop_name(why));
	m->seen[why]++;
	if (why != ZS_DROPS)
		to = NOWHERE;
	m->routed = to != NOWHERE ? out : NULL;
	if (refused == ZS_DROPS)
		take_up(m, r, place, payload);
	m->routed = NULL;
	if (to == NOWHERE)
		return;
	assert_non_null(out);
	m->across++;
	if (session != NOBODY) {
		check_sealed(m, out, session, payload, len);
		return;
	}
	assert_true(leads_to(m, out, &m->w->place[to]) && out->src.port == SERVICE_PORT);
	assert_int_equal(out->len, len);
	assert_memory_equal(out->payload, payload, len);
}

static inline void send_up_cid(struct model *m)
{
	int i = some_session(m, TUNNELED, IDS), id = (int)(1 + dice(m, IDS - 1)), to, session;
	struct minted c = m->cid[dice(m, CIDS)];
	uint8_t bytes[48] = { 0x40 };
	int place = (int)dice(m, PLACES);
	enum zs_drop why;

	if (i == NOBODY || is_worn(&m->session[i]))
		return;
	if ((dice(m, 3) || !c.id) && !mint(m, id, m->holder[id].generation, &c))
		return;
	to = cid_leads(m, &c, m->session[i].id, &session, &why);
	if (session != NOBODY && is_worn(&m->session[session]))
		return;
	if (dice(m, 4) && m->session[i].current != NOWHERE)
		place = m->session[i].current;
	memcpy(bytes + 1, c.bytes, ZS_CID);
	put_up_cid(m, next_up(m, i, ZS_TUNNEL_DATA, no_flow, bytes, sizeof(bytes)), place, to, session, why,
		   bytes, sizeof(bytes));
}

/* --- a client and back ------------------------------------------------------------------------ */

static inline void reply(struct model *m, int i, const struct place *client, int id)
{
	const struct outcome *o = &m->w->got;
	struct session *s = &m->session[i];
	const uint8_t payload[] = "back to the client";
	struct record *r = next_up(m, i, ZS_TUNNEL_DATA, m->holder[id].now, payload, sizeof(payload));
	const struct sent *out = NULL;

	assert_int_equal(put_up(m, r, s->current, payload), ZS_DROPS);
	for (uint32_t n = 0; n < o->count; n++)
		if (o->out[n].src.port == PORT_OF(id))
			out = &o->out[n];
	assert_true(out && leads_to(m, out, client));
	assert_int_equal(out->len, sizeof(payload));
	assert_memory_equal(out->payload, payload, sizeof(payload));
	m->replies++;
}

/* On a flow of whoever had the number before: nobody's. */
static inline void reply_of_before(struct model *m, int i, int id)
{
	const uint8_t payload[] = "not for you";
	struct record *r = next_up(m, i, ZS_TUNNEL_DATA, m->holder[id].flow, payload, sizeof(payload));

	assert_int_equal(put_up(m, r, m->session[i].current, payload), ZS_DROP_no_flow);
	assert_int_equal(m->w->got.drops, 1);
}

static inline void send_down(struct model *m, int id)
{
	struct place client = { { rig_addr("10.2.0.2"), (uint16_t)(9000 + id) }, 1, 1, 3 };
	struct holder *h = &m->holder[id];
	int i = serves(m, id);
	const struct outcome *o = &m->w->got;
	const uint8_t payload[] = "to the service";
	bool came = false;
	struct down d;

	if (!h->has || (i != NOBODY && is_worn(&m->session[i])))
		return;
	if (i != NOBODY && h->flow.number && dice(m, 3) == 0)
		reply_of_before(m, i, id);
	world_put(m->w, dice(m, 2), &client, PORT_OF(id), payload, sizeof(payload));
	assert_int_equal(o->drop, i == NOBODY ? ZS_DROP_no_endpoint : ZS_DROPS);
	m->seen[o->drop]++;
	for (uint32_t n = 0; n < o->count; n++) {
		open_down(m, &o->out[n], &d);
		assert_true(d.session == i && goes_to(m, &o->out[n], m->session[i].current));
		if (d.head.type == ZS_TUNNEL_TYPE_OPEN && !came)
			continue;
		assert_true(d.head.type == ZS_TUNNEL_DATA && d.len == sizeof(payload));
		assert_memory_equal(d.payload, payload, sizeof(payload));
		came = true;
		h->now = d.head.flow;
		if (h->now.number == h->flow.number)
			h->flow = no_flow; /* it rested long enough */
	}
	assert_int_equal(came, i != NOBODY);
	if (!came)
		return;
	m->downs++;
	if (dice(m, 2))
		reply(m, i, &client, id);
}

#endif
