/* Attach, bind, rebind, rotate, roam, detach, ends of leases, restarts of either plane and losses of either segment, numbers that
 * are used again, in random order; packets of every kind in between. The model (model.h) says of each where it must go or which
 * drop it is. TEST_SEED=N repeats a run, TEST_STEPS=N makes it longer. */
#include "model_tables.h"

#define STEPS  ROUNDS(50000)
#define ENOUGH 20000 /* steps in which everything happens */

/* --- connection IDs and BIND ------------------------------------------------------------------ */

/* One of that attachment and generation, under a key that the workers know. */
static bool mint(struct model *m, int id, uint16_t generation, struct minted *out)
{
	int i = (int)dice(m, ZS_CID_ROTATIONS);

	for (int n = 0; n < ZS_CID_ROTATIONS && m->key_line[i].version != m->key[i].version; n++)
		i = (i + 1) % ZS_CID_ROTATIONS;
	if (!m->key[i].version || m->key_line[i].version != m->key[i].version)
		return false;
	*out = (struct minted){
		.rotation = (uint8_t)i, .version = m->key[i].version, .id = id, .generation = generation
	};
	zs_cidset_put(&m->mint, (uint8_t)i, m->key_bytes[i]);
	zs_cidset_encode(&m->mint,
			 &(struct zs_cid){ .rotation = (uint8_t)i,
					   .generation = generation,
					   .pop = POP,
					   .attachment = (uint32_t)id,
					   .nonce = m->nonces++ },
			 out->bytes);
	m->cid[m->cids++ % CIDS] = *out;
	return true;
}

static void check_answer(struct model *m, const struct zs_bind *b, int i, int place,
			 enum zs_bind_outcome outcome)
{
	const struct outcome *o = &m->w->got;
	struct session *s = &m->session[i];
	const struct place *p = &m->w->place[place];
	struct zs_bind_keys keys;
	struct zs_bind a;

	assert_int_equal(zs_bind_read_answer(o->answer.bytes, o->answer.len, &a), ZS_BIND_OK);
	zs_bind_keys_make(&m->engine, s->root, &keys);
	assert_true(zs_bind_verify(&m->engine, o->answer.bytes, &a, &keys.answer));
	assert_int_equal(a.counter, b->counter);
	assert_true(is_place(&o->answer.to.dst, p) && is_place(&a.seen, p));
	assert_int_equal(a.kind, outcome == ZS_BIND_CHALLENGED ? ZS_BIND_KIND_challenge : ZS_BIND_KIND_bound);
	assert_int_equal(a.status, outcome == ZS_BIND_REFUSED ? ZS_BIND_STATUS_stale : ZS_BIND_STATUS_ok);
	if (outcome == ZS_BIND_CHALLENGED) {
		struct cookie *c = &m->holder[s->id].cookie[place];

		*c = (struct cookie){ .got = true,
				      .generation = s->generation,
				      .step = zs_cookie_step(m->w->unix_s),
				      .secret = m->secrets };
		memcpy(c->bytes, a.cookie, sizeof(c->bytes));
		m->holder[s->id].challenged = place;
	}
	m->moved += outcome == ZS_BIND_MOVED;
}

static void put_bind(struct model *m, int i, const uint8_t bytes[ZS_BIND_BYTES], int place)
{
	const struct outcome *o = world_put(m->w, dice(m, 2), &m->w->place[place], SERVICE_PORT, bytes,
					    ZS_BIND_BYTES);
	enum zs_bind_outcome outcome;
	struct zs_bind b;

	assert_int_equal(zs_bind_read_request(bytes, ZS_BIND_BYTES, &b), ZS_BIND_OK);
	outcome = bind_outcome(m, i, &b, place);
	assert_int_equal(o->count, 0);
	assert_int_equal(o->drops, outcome == ZS_BIND_DROPPED);
	assert_int_equal(o->answers, outcome != ZS_BIND_DROPPED);
	if (outcome == ZS_BIND_DROPPED)
		m->seen[o->drop]++;
	else
		check_answer(m, &b, i, place, outcome);
}

/* Some session of an attachment with a socket, mostly one that lives. */
static int some_session(struct model *m, int first, int last)
{
	const struct holder *h = &m->holder[first + (int)dice(m, (uint32_t)(last - first))];
	int i = dice(m, 5) ? h->newest : h->previous;

	if (i == NOBODY && m->sessions)
		i = m->sessions - 1 - (int)dice(m, m->sessions < 40 ? (uint32_t)m->sessions : 40);
	return i != NOBODY && m->session[i].id >= first && m->session[i].id < last ? i : NOBODY;
}

/* Where it is, where it was challenged, or anywhere. */
static int place_for(struct model *m, int id)
{
	const struct holder *h = &m->holder[id];
	int place = (int)dice(m, PLACES), who;

	if (dice(m, 3) == 0 && h->bound.place != NOWHERE)
		place = h->bound.place;
	else if (dice(m, 4) && h->cookie[h->challenged].got)
		place = h->challenged;
	who = sender_at(m, place);
	return who == NOBODY || who == id ? place : NOWHERE; /* one socket, one attachment */
}

static void send_bind(struct model *m)
{
	int i = some_session(m, 1, TUNNELED), place;
	struct zs_bind b = { .kind = dice(m, 12) ? ZS_BIND_KIND_bind : ZS_BIND_KIND_unbind };
	struct zs_bind_keys keys;
	struct asked *a;
	struct minted c;

	if (i == NOBODY || (place = place_for(m, m->session[i].id)) == NOWHERE)
		return;
	if (m->asks && dice(m, 6) == 0) { /* again, from there or elsewhere */
		a = &m->asked[dice(m, m->asks < RECORDS ? m->asks : RECORDS)];
		/* What it names is decoded first; whatever comes of it, nothing must. */
		assert_int_equal(
		    world_put(m->w, dice(m, 2), &m->w->place[place], SERVICE_PORT, a->bytes, ZS_BIND_BYTES)
			->drops,
		    1);
		m->seen[m->w->got.drop]++;
		return;
	}
	struct session *s = &m->session[i];
	if (!mint(m, s->id, s->generation, &c))
		return;
	a = &m->asked[m->asks++ % RECORDS];
	memcpy(b.cid, c.bytes, ZS_BIND_CID);
	b.bind_id = s->bind_id;
	b.counter = s->bind_sent += 1 + dice(m, 3);
	if (b.kind == ZS_BIND_KIND_bind) {
		b.lifetime_s = (uint16_t)(dice(m, 20) ? 1 + dice(m, 100) : 0);
		if (m->holder[s->id].cookie[place].got)
			memcpy(b.cookie, m->holder[s->id].cookie[place].bytes, sizeof(b.cookie));
	}
	zs_bind_keys_make(&m->engine, s->root, &keys);
	zs_bind_write(&m->engine, &b, &keys.request, a->bytes);
	a->session = i;
	put_bind(m, i, a->bytes, place);
}

#include "model_tunnels.h"

static void send_cid(struct model *m)
{
	int id = (int)(1 + dice(m, dice(m, 3) ? TUNNELED - 1 : IDS - 1)), from = (int)dice(m, PLACES), to;
	int session;
	struct minted c = m->cid[dice(m, CIDS)];
	uint8_t bytes[48] = { 0x40 }, at = 1;
	const struct outcome *o;
	enum zs_drop why;

	if ((dice(m, 3) || !c.id) && !mint(m, id, m->holder[id].generation, &c))
		return;
	if (dice(m, 4))
		from = m->holder[1 + dice(m, TUNNELED - 1)].bound.place;
	if (from == NOWHERE)
		return;
	if (dice(m, 2)) { /* a long header */
		memcpy(bytes, (uint8_t[]){ 0xc0, 0, 0, 0, 1, ZS_CID }, 6);
		at = 6;
	}
	memcpy(bytes + at, c.bytes, ZS_CID);
	to = cid_leads(m, &c, sender_at(m, from), &session, &why);
	if (session != NOBODY && is_worn(&m->session[session]))
		return;
	o = world_put(m->w, dice(m, 2), &m->w->place[from], SERVICE_PORT, bytes, sizeof(bytes));
	if (o->drop != why)
		fail_msg("a connection ID: %s, not %s", zs_drop_name(o->drop), zs_drop_name(why));
	assert_int_equal(o->count, to != NOWHERE);
	m->seen[why]++;
	if (session != NOBODY)
		check_sealed(m, &o->out[0], session, bytes, sizeof(bytes));
	if (to == NOWHERE || session != NOBODY)
		return;
	assert_true(leads_to(m, &o->out[0], &m->w->place[to]) && o->out[0].src.port == SERVICE_PORT);
	assert_memory_equal(o->out[0].payload, bytes, sizeof(bytes));
	m->delivered++;
}

/* --- steps ------------------------------------------------------------------------------------ */

static void pass(struct model *m)
{
	uint64_t ms = dice(m, 40) ? dice(m, 200) : dice(m, 30000);

	m->w->now_ns += ms * ZS_NS_PER_MS;
	m->w->unix_s += ms / 1000 + (ms && dice(m, 5) == 0);
	world_keep(m->w);
	check_all_down(m);
	if (dice(m, 4) == 0) {
		world_sweep(m->w);
		swept(m);
	}
	if (dice(m, 6)) { /* else lines and keys are of before */
		world_look(m->w);
		looked(m);
	}
}

static void end_attachment(struct model *m, int id)
{
	detach(m, id);
	if (dice(m, 2))
		attach(m, id); /* somebody else has its number, before anybody looked */
}

static void step(struct model *m)
{
	int id = (int)(1 + dice(m, IDS - 1));
	uint32_t what = dice(m, 1000);

	m->steps++;
	if (what < 250)
		send_cid(m);
	else if (what < 500)
		send_bind(m);
	else if (what < 700)
		send_up(m);
	else if (what < 750)
		send_up_cid(m);
	else if (what < 880)
		send_down(m, TUNNELED + (int)dice(m, IDS - TUNNELED));
	else if (what < 940)
		attach(m, id);
	else if (what < 960 && m->holder[id].has)
		end_session(m, &m->holder[id].previous); /* the new one is proven */
	else if (what < 970 && m->holder[id].has)
		end_attachment(m, id);
	else if (what < 985)
		rotate(m);
	else if (what < 991)
		draw_cookies(m);
	else if (what < 997)
		dataplane_dies(m);
	else
		control_dies(m);
	pass(m);
}

/* Every stored binding is the model's. */
static void compare(const struct model *m)
{
	for (int id = 1; id < IDS; id++) {
		struct zs_binding b = zs_binds_get(&m->w->r->worker[ZS_BINDER], (uint32_t)id);
		const struct bound *v = &m->holder[id].bound;

		assert_int_equal(b.port != 0, v->place != NOWHERE);
		if (v->place == NOWHERE)
			continue;
		assert_true(is_place(&(struct zs_endpoint){ b.addr, b.port }, &m->w->place[v->place]));
		assert_int_equal(b.local, m->w->place[v->place].local);
		assert_int_equal(b.expires_ns, v->until_ns);
	}
}

static void said(const struct model *m)
{
	printf("%d sessions; %u routed by connection ID, %u into tunnels, %u out of them, %u bindings moved, "
	       "%u down, %u replies, %u roamed\n",
	       m->sessions, m->delivered, m->sealed, m->across, m->moved, m->downs, m->replies, m->roamed);
	for (int d = 0; d < ZS_DROPS; d++)
		if (m->seen[d])
			printf("  %s %u\n", zs_drop_name((enum zs_drop)d), m->seen[d]);
}

static void model(void **state)
{
	static const enum zs_drop some[] = {
		ZS_DROP_cid_config,   ZS_DROP_cid_malformed, ZS_DROP_cid_stale,	     ZS_DROP_self,
		ZS_DROP_cid_stranger, ZS_DROP_cid_unbound,   ZS_DROP_bind_owner,     ZS_DROP_bind_counter,
		ZS_DROP_bind_tag,     ZS_DROP_tunnel_epoch,  ZS_DROP_tunnel_replay,  ZS_DROP_tunnel_tag,
		ZS_DROP_no_endpoint,  ZS_DROP_no_flow,	     ZS_DROP_tunnel_receiver
	};
	const char *steps = getenv("TEST_STEPS");
	long count = steps ? atol(steps) : STEPS;
	struct model *m = calloc(1, sizeof(*m));

	m->rng = random_new("test_relay_model");
	m->session = calloc(SESSIONS, sizeof(*m->session));
	m->w = world_new();
	zs_gcm_engine_best(&m->engine);
	zs_cidset_init(&m->mint, zs_aes_best());
	for (int id = 0; id < IDS; id++)
		m->holder[id] = (struct holder){ .generation = (uint16_t)(65535 - dice(m, 6)),
						 .newest = NOBODY,
						 .previous = NOBODY,
						 .told = NOBODY,
						 .bound.place = NOWHERE };
	draw_cookies(m);
	rotate(m);
	for (long i = 0; i < count && m->sessions < SESSIONS; i++) {
		step(m);
		compare(m);
	}
	said(m);
	for (size_t i = 0; i < ZS_ARRAY_LEN(some) && count >= ENOUGH; i++)
		if (!m->seen[some[i]])
			fail_msg("%s was never met", zs_drop_name(some[i]));
	assert_true(count < ENOUGH || (m->delivered && m->sealed && m->across && m->moved && m->downs &&
				       m->replies && m->roamed));
	zs_gcm_engine_fini(&m->engine);
	world_delete(m->w);
	free(m->session);
	free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(model) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
