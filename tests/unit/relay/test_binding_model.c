/* Binding, rebinding, spoofing, replays, flipped bits, sessions that are replaced, relays that restart, in random order, against a
 * naive model: who is bound where, which counters were spent, which cookies are good. Beside it what holds whatever comes: no
 * nonce seals two answers, what was altered changes nothing, an unproven address gets one answer a request at most. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "base/check.h"
#include "unit/random.h"
#include "unit/relay/bind_relay.h"

#define RUNS  40
#define STEPS 2000
#define PLACES                                                                                               \
	8 /* two addresses, two ports, two of the relay's addresses: each differs from another in one alone */
#define RECORDED 64
#define SESSIONS 200

struct place {
	struct zs_endpoint at;
	uint8_t local;
};

struct cookie { /* the last CHALLENGE a place got */
	bool got;
	uint8_t bytes[16];
	uint32_t step, secret;
};

struct session {
	uint8_t root[32];
	uint32_t receiver;
	uint8_t bind_id;
	uint64_t sent, spent; /* highest counter: of the peer, of the relay */
	bool bound;	      /* was told BOUND */
};

struct recorded {
	uint8_t bytes[96];
	int session;
	uint64_t counter;
};

struct world {
	struct random rng;
	struct zs_gcm_engine engine;
	struct bind_relay relay;
	struct place place[PLACES];
	struct cookie cookie[PLACES];
	struct session session[SESSIONS];
	int newest, previous; /* -1: none */
	uint32_t secret;      /* how often it was drawn */
	struct recorded recorded[RECORDED];
	uint32_t records;
	int bound;  /* place, -1: none */
	int holder; /* the session that was told so last */
	uint64_t until_ns;
	unsigned outcomes[ZS_BIND_OUTCOMES], replays, flips;
};

static void draw(struct world *w)
{
	memcpy(w->relay.secrets.previous, w->relay.secrets.now, 16);
	random_bytes(&w->rng, w->relay.secrets.now, 16);
	w->secret++;
}

static void attach(struct world *w)
{
	struct session *s;

	if (w->newest + 1 == SESSIONS)
		return;
	s = &w->session[w->newest + 1];
	random_bytes(&w->rng, s->root, sizeof(s->root));
	s->receiver = random_below(&w->rng, 8); /* so that numbers do come again */
	s->bind_id = (uint8_t)((w->newest + 1) % 255 + 1);
	bind_relay_replace(&w->relay, s->receiver, s->bind_id, s->root);
	w->previous = w->newest++;
}

static void world_new(struct world *w, uint64_t seed)
{
	*w = (struct world){ .rng = { seed }, .newest = -1, .previous = -1, .bound = -1 };
	zs_gcm_engine_best(&w->engine);
	w->relay = (struct bind_relay){ .attachment = 5,
					.generation = 1,
					.now_ns = 1 + random_u64(&w->rng) / 4,
					.unix_s = random_below(&w->rng, UINT32_MAX),
					.engine = &w->engine };
	for (int i = 0; i < PLACES; i++) {
		w->place[i].at.addr = zs_addr_from4(htobe32(0xc0000200 + (i >> 2)));
		w->place[i].at.port = (uint16_t)(5000 + (i >> 1 & 1));
		w->place[i].local = i % 2;
	}
	draw(w);
	attach(w);
}

static int place_random(struct world *w)
{
	return (int)random_below(&w->rng, PLACES);
}

static bool bound_lives(const struct world *w)
{
	return w->bound >= 0 && w->relay.now_ns < w->until_ns &&
	       (w->holder == w->newest || w->holder == w->previous);
}

/* --- the model's word --- */

static bool cookie_good(const struct world *w, int place, const uint8_t bytes[16])
{
	const struct cookie *c = &w->cookie[place];
	uint32_t step = zs_cookie_step(w->relay.unix_s);

	return c->got && !memcmp(c->bytes, bytes, 16) && (c->step == step || c->step + 1 == step) &&
	       w->secret - c->secret <= 1;
}

static enum zs_bind_outcome expected(struct world *w, int i, uint64_t counter, uint8_t kind, int place,
				     const uint8_t cookie[16])
{
	struct session *s = &w->session[i];
	bool here = bound_lives(w) && w->bound == place;

	if ((i != w->newest && i != w->previous) || counter <= s->spent)
		return ZS_BIND_DROPPED;
	s->spent = counter;
	if (i == w->previous && w->session[w->newest].bound)
		return ZS_BIND_REFUSED;
	if (kind == ZS_BIND_KIND_bind && !here && !cookie_good(w, place, cookie))
		return ZS_BIND_CHALLENGED;
	w->session[i].bound = true;
	if (kind == ZS_BIND_KIND_unbind) {
		w->bound = -1;
		return ZS_BIND_ENDED;
	}
	w->bound = place;
	w->holder = i;
	w->until_ns = w->relay.now_ns + 75 * ZS_NS_PER_S;
	return here ? ZS_BIND_KEPT : ZS_BIND_MOVED;
}

static void assert_as_modelled(const struct world *w)
{
	const struct zs_binding *b = &w->relay.entry;

	bool held = false;

	for (int i = 0; i < 2; i++)
		held |= zs_binding_held(b, w->relay.session[i].receiver, w->relay.session[i].bind_id);
	assert_int_equal(zs_binding_lives(b, 1, w->relay.now_ns) && held, bound_lives(w));
	if (!bound_lives(w))
		return;
	assert_int_equal(b->port, w->place[w->bound].at.port);
	assert_int_equal(b->local, w->place[w->bound].local);
	assert_memory_equal(&b->addr, &w->place[w->bound].at.addr, 16);
	assert_int_equal(b->expires_ns, w->until_ns);
}

/* --- steps --- */

static void deliver(struct world *w, const struct recorded *r, int place)
{
	const struct place *p = &w->place[place];
	struct zs_bind q, a;
	enum zs_bind_outcome want;
	struct zs_bind_verdict v;
	struct zs_bind_keys keys;

	assert_int_equal(zs_bind_read_request(r->bytes, 96, &q), ZS_BIND_OK);
	want = expected(w, r->session, r->counter, q.kind, place, q.cookie);
	v = bind_relay_take(&w->relay, r->bytes, 96, 1, &p->at, p->local);
	assert_int_equal(v.outcome, want);
	w->outcomes[want]++;
	assert_as_modelled(w);
	if (want == ZS_BIND_DROPPED)
		return;
	/* expected() let each counter of a session by once: this answer's nonce is new. */
	zs_bind_keys_make(&w->engine, w->session[r->session].root, &keys);
	assert_int_equal(zs_bind_read_answer(v.answer, 96, &a), ZS_BIND_OK);
	assert_true(zs_bind_verify(&w->engine, v.answer, &a, &keys.answer));
	assert_int_equal(a.counter, r->counter);
	assert_int_equal(a.status, want == ZS_BIND_REFUSED ? ZS_BIND_STATUS_stale : 0);
	assert_int_equal(a.kind, want == ZS_BIND_CHALLENGED ? ZS_BIND_KIND_challenge : ZS_BIND_KIND_bound);
	if (want == ZS_BIND_CHALLENGED) {
		w->cookie[place] = (struct cookie){ .got = true,
						    .step = zs_cookie_step(w->relay.unix_s),
						    .secret = w->secret };
		memcpy(w->cookie[place].bytes, a.cookie, 16);
	}
}

static struct recorded *request(struct world *w, uint8_t kind, int cookie_of)
{
	int i = w->previous >= 0 && random_below(&w->rng, 4) == 0 ? w->previous : w->newest;
	struct recorded *r = &w->recorded[w->records++ % RECORDED];
	struct session *s = &w->session[i];
	struct zs_bind_keys keys;
	struct zs_bind m = { .kind = kind,
			     .bind_id = s->bind_id,
			     .counter = s->sent += 1 + random_below(&w->rng, 3) };

	m.lifetime_s = kind == ZS_BIND_KIND_bind ? 75 + random_below(&w->rng, 2) : 0;
	random_bytes(&w->rng, m.cid, sizeof(m.cid));
	if (kind == ZS_BIND_KIND_bind && cookie_of >= 0)
		memcpy(m.cookie, w->cookie[cookie_of].bytes, 16);
	zs_bind_keys_make(&w->engine, s->root, &keys);
	zs_bind_write(&w->engine, &m, &keys.request, r->bytes);
	r->session = i;
	r->counter = m.counter;
	return r;
}

static void step_bind(struct world *w)
{
	int place = place_random(w), cookie = random_below(&w->rng, 3) ? place : place_random(w);

	deliver(w, request(w, ZS_BIND_KIND_bind, random_below(&w->rng, 4) ? cookie : -1), place);
}

static void step_unbind(struct world *w)
{
	deliver(w, request(w, ZS_BIND_KIND_unbind, -1), place_random(w));
}

static void step_replay(struct world *w)
{
	uint32_t have = w->records < RECORDED ? w->records : RECORDED;

	w->replays++;
	if (have)
		deliver(w, &w->recorded[random_below(&w->rng, have)], place_random(w));
}

/* One bit of a fresh request, anywhere. Its counter stays unspent, so the true one passes afterwards. */
static void step_flip(struct world *w)
{
	struct recorded *r = request(w, random_below(&w->rng, 2) ? ZS_BIND_KIND_bind : ZS_BIND_KIND_unbind,
				     -1);
	uint32_t bit = random_below(&w->rng, 96 * 8);
	const struct place *p = &w->place[place_random(w)];
	struct zs_binding before = w->relay.entry;
	struct zs_bind_verdict v;

	r->bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
	v = bind_relay_take(&w->relay, r->bytes, 96, 1, &p->at, p->local);
	assert_int_equal(v.outcome, ZS_BIND_DROPPED);
	assert_memory_equal(&before, &w->relay.entry, sizeof(before));
	r->bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
	w->flips++;
	deliver(w, r, place_random(w));
}

/* The entry is all that a relay keeps; one that was torn loses its binding. */
static void step_restart(struct world *w)
{
	struct zs_binding kept = w->relay.entry;

	memset(&w->relay.entry, 0xff, sizeof(kept));
	w->relay.entry = kept;
	if (random_below(&w->rng, 3) == 0) {
		zs_binding_drop(&w->relay.entry);
		w->bound = -1;
	}
}

static void step_time(struct world *w)
{
	uint32_t s = random_below(&w->rng, 3) ? random_below(&w->rng, 20) : random_below(&w->rng, 120);

	w->relay.now_ns += s * ZS_NS_PER_S + random_below(&w->rng, 1000);
	w->relay.unix_s += s;
	if (random_below(&w->rng, 3) == 0)
		draw(w);
}

static void run(uint64_t seed, unsigned outcomes[ZS_BIND_OUTCOMES])
{
	static void (*const steps[])(struct world *) = {
		step_bind,   step_bind,	  step_bind, step_bind,	  step_bind,	step_bind, step_bind,
		step_replay, step_replay, step_flip, step_unbind, step_restart, step_time,
	};
	struct world *w = aligned_alloc(64, ZS_ALIGN_UP(sizeof(*w), 64));

	world_new(w, seed);
	for (int i = 0; i < STEPS; i++) {
		if (random_below(&w->rng, 40) == 0)
			attach(w);
		steps[random_below(&w->rng, ZS_ARRAY_LEN(steps))](w);
		assert_as_modelled(w);
	}
	for (int i = 0; i < ZS_BIND_OUTCOMES; i++)
		outcomes[i] += w->outcomes[i];
	assert_true(w->flips > 50 && w->replays > 100);
	zs_gcm_engine_fini(&w->engine);
	free(w);
}

static void test_model(void **state)
{
	struct random rng = random_new("binding model");
	unsigned outcomes[ZS_BIND_OUTCOMES] = { 0 };

	for (int i = 0; i < RUNS; i++)
		run(random_u64(&rng), outcomes);
	for (int i = 0; i < ZS_BIND_OUTCOMES; i++)
		assert_true(outcomes[i] > RUNS); /* every end was met often */
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_model) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
