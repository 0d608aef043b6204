/* Of test_relay_model.c: what the control plane writes, in its order, and what is left when either plane dies. */
#ifndef ZS_TESTS_MODEL_TABLES_H
#define ZS_TESTS_MODEL_TABLES_H

#include "model.h"

static inline void show(struct model *m, int id)
{
	const struct holder *h = &m->holder[id];
	uint32_t mask = SLOTS - 1;
	struct zs_attachment a = { .used = 1,
				   .strangers = h->strangers,
				   .generation = h->generation,
				   .session = ZS_SESSION_NONE,
				   .previous = ZS_SESSION_NONE };

	if (h->newest != NOBODY && m->session[h->newest].live)
		a.session = m->session[h->newest].receiver & mask;
	if (h->previous != NOBODY && m->session[h->previous].live)
		a.previous = m->session[h->previous].receiver & mask;
	assert_int_equal(zs_sessions_set_attachment(&m->w->wanted, (uint32_t)id, h->has ? &a : NULL), 0);
}

static inline void end_session(struct model *m, int *which)
{
	int i = *which;

	if (i == NOBODY)
		return;
	*which = NOBODY;
	if (!m->session[i].live)
		return;
	m->session[i].live = false;
	show(m, m->session[i].id);
	assert_int_equal(zs_sessions_set_session(&m->w->wanted, m->session[i].receiver & (SLOTS - 1), NULL),
			 0);
}

static inline void publish(struct model *m, int id)
{
	const struct holder *h = &m->holder[id];
	struct zs_published p = { .used = 1,
				  .kind = ZS_PUBLISHED_ATTACHED,
				  .service = 1,
				  .attachment = (uint32_t)id,
				  .attachment_generation = h->generation,
				  .generation = h->generation };

	if (id >= TUNNELED)
		assert_int_equal(zs_tables_set_published(&m->w->r->writer, PORT_OF(id), h->has ? &p : NULL),
				 0);
}

static inline uint32_t free_slot(struct model *m)
{
	uint32_t slot = dice(m, SLOTS);

	while (m->w->wanted.session[slot].used)
		slot = (slot + 1) % SLOTS;
	return slot;
}

static inline int new_session(struct model *m, int id)
{
	struct holder *h = &m->holder[id];
	struct session *s = &m->session[m->sessions];
	struct zs_session v = { .used = 1,
				.mode = id < TUNNELED ? ZS_SESSION_SOCKET : ZS_SESSION_TUNNEL,
				.attachment = (uint32_t)id,
				.generation = h->generation,
				.incarnation = m->w->r->dp.state.seg.base->incarnation,
				.created_s = m->w->unix_s };

	assert_true(m->sessions < SESSIONS);
	*s = (struct session){
		.id = id, .generation = h->generation, .current = NOWHERE, .pending = NOWHERE
	};
	s->live = s->usable = true;
	s->receiver = v.receiver = ((uint32_t)m->sessions + 1) * SLOTS | free_slot(m);
	s->peer = v.peer = 0x80000000u | (uint32_t)m->sessions;
	s->lane[0].next = s->lane[1].next = 1;
	if (id < TUNNELED) {
		do
			s->bind_id = (uint8_t)(1 + dice(m, 4));
		while ((h->newest != NOBODY && m->session[h->newest].bind_id == s->bind_id) ||
		       (h->previous != NOBODY && m->session[h->previous].bind_id == s->bind_id));
		v.bind_id = s->bind_id;
	}
	random_bytes(&m->rng, s->root, sizeof(s->root));
	memcpy(v.root, s->root, sizeof(s->root));
	assert_int_equal(zs_sessions_set_session(&m->w->wanted, v.receiver & (SLOTS - 1), &v), 0);
	return m->sessions++;
}

static inline void attach(struct model *m, int id)
{
	struct holder *h = &m->holder[id];
	int made;

	if (!h->has) {
		h->has = true;
		h->generation = h->generation == 65535 ? 1 : (uint16_t)(h->generation + 1);
		h->strangers = dice(m, 3) == 0;
		h->told = NOBODY;
		if (h->now.number)
			h->flow = h->now;
		h->now = no_flow;
	}
	made = new_session(m, id);
	end_session(m, &h->previous);
	if (h->newest != NOBODY && m->session[h->newest].usable && dice(m, 3))
		h->previous = h->newest;
	else
		end_session(m, &h->newest);
	h->newest = made;
	show(m, id);
	publish(m, id);
}

/* Detached, or its lease ran out: the next one here is somebody else. */
static inline void detach(struct model *m, int id)
{
	struct holder *h = &m->holder[id];

	end_session(m, &h->previous);
	end_session(m, &h->newest);
	h->has = false;
	publish(m, id);
	show(m, id);
}

static inline void put_key(struct model *m, int i)
{
	struct zs_cid_config c = { .used = 1,
				   .keyed = 1,
				   .server_id_len = 12,
				   .nonce_len = 4,
				   .created_s = m->w->unix_s,
				   .withdrawn_s = m->key[i].withdrawn_s };

	memcpy(c.key, m->key_bytes[i], sizeof(c.key));
	assert_int_equal(
	    zs_sessions_set_cid_config(&m->w->wanted, (uint32_t)i, m->key[i].version ? &c : NULL), 0);
}

/* A new key in a place that is free, or one that is over soon. */
static inline void rotate(struct model *m)
{
	int i = (int)dice(m, ZS_CID_ROTATIONS);
	struct key *k = &m->key[i];
	bool over = !k->version || (k->withdrawn_s && k->withdrawn_s <= m->w->unix_s);

	if (over) {
		*k = (struct key){ .version = ++m->versions };
		random_bytes(&m->rng, m->key_bytes[i], 16);
	} else if (!k->withdrawn_s) {
		k->withdrawn_s = m->w->unix_s + dice(m, 30);
	}
	put_key(m, i);
}

static inline void draw_cookies(struct model *m)
{
	memcpy(m->cookie.previous, m->cookie.now, 16);
	random_bytes(&m->rng, m->cookie.now, 16);
	m->cookie.step = 1;
	m->secrets++;
	assert_int_equal(zs_sessions_set_cookie_secret(&m->w->wanted, &m->cookie), 0);
}

/* Killed, perhaps while it wrote of one attachment, or its segment is gone. */
static inline void control_dies(struct model *m)
{
	bool lost = dice(m, 6) == 0;
	int torn = dice(m, 3) ? 0 : (int)(1 + dice(m, IDS - 1));

	if (torn && !lost)
		atomic_fetch_or(&m->w->wanted.attachment[torn].seq, 1u);
	world_control(m->w, lost);
	for (int id = 1; id < IDS; id++)
		if (m->holder[id].has && (lost || id == torn))
			detach(m, id);
	if (!lost)
		return;
	for (int i = 0; i < ZS_CID_ROTATIONS; i++) {
		if (m->key[i].version && dice(m, 2)) { /* as if its store were lost too */
			m->key[i].version = ++m->versions;
			random_bytes(&m->rng, m->key_bytes[i], 16);
		}
		put_key(m, i);
	}
	assert_int_equal(zs_sessions_set_cookie_secret(&m->w->wanted, &m->cookie), 0);
}

static inline void dataplane_dies(struct model *m)
{
	bool lost = dice(m, 10) == 0;

	world_dataplane(m->w, 1 + dice(m, 2), lost);
	for (int i = 0; lost && i < m->sessions; i++)
		m->session[i].usable = false;
	for (int id = 1; lost && id < IDS; id++) {
		m->holder[id].bound = (struct bound){ .place = NOWHERE };
		m->holder[id].now = m->holder[id].flow = no_flow;
	}
	looked(m);
}

#endif
