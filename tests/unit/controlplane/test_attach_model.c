/* Random life of a few owners against a naive model: who has which attachment, generation and ports, and until
 * when. The walker and the counts are looked at after every step. */
#include <errno.h>
#include "attach_rig.h"

#define OWNERS 5
#define STEPS  1500
#define PER    3 /* connections of an owner */

struct owner {
	bool has, denied, proven;
	uint32_t attachment, generation;
	uint64_t lease_ns; /* UINT64_MAX while attached */
	uint16_t port[4];  /* of name "0" … "3" */
	uint8_t hash[2][32];
	unsigned hashes;
	bool session; /* the newest lives */
	struct edge *edge[PER];
	struct edge *attached;
	uint8_t instance; /* of it */
};

struct model {
	struct world *w;
	struct zs_prng prng;
	struct owner owner[OWNERS];
	uint8_t last_generation[64]; /* 1: this id was used */
	uint32_t generation_of[64];
	unsigned grants, refusals;
};

static uint64_t draw(struct model *m, uint64_t n)
{
	return zs_prng_below(&m->prng, n);
}

static void forget(struct owner *o)
{
	memset(o->port, 0, sizeof(o->port));
	o->has = o->session = false;
	o->hashes = 0;
	o->attached = NULL;
}

static void drop(struct model *m, struct owner *o, struct edge **e)
{
	if (o->attached == *e) {
		o->attached = NULL;
		o->lease_ns = m->w->now + 300 * ZS_NS_PER_S;
	}
	edge_close(*e);
	free(*e);
	*e = NULL;
}

/* The server closes connections; the shell reports it a moment later. */
static void reap(struct model *m)
{
	for (int i = 0; i < OWNERS; i++)
		for (int k = 0; k < PER; k++)
			if (m->owner[i].edge[k] && m->owner[i].edge[k]->gone)
				drop(m, &m->owner[i], &m->owner[i].edge[k]);
}

static void expire(struct model *m)
{
	for (int i = 0; i < OWNERS; i++)
		if (m->owner[i].has && !m->owner[i].attached && m->w->now >= m->owner[i].lease_ns)
			forget(&m->owner[i]);
}

/* Never ends next to a lease's end: the server looks at slots ten times a second. */
static void wait(struct model *m, uint64_t ns)
{
	pass(m->w, ns);
	for (int i = 0; i < OWNERS; i++) {
		const struct owner *o = &m->owner[i];

		if (o->has && !o->attached && o->lease_ns + ZS_NS_PER_S > m->w->now &&
		    m->w->now + ZS_NS_PER_S > o->lease_ns) {
			pass(m->w, 3 * ZS_NS_PER_S);
			i = -1;
		}
	}
	reap(m);
	expire(m);
}

static void check_grant(struct model *m, struct owner *o, const zs_pb_Grant *g, uint32_t continuity)
{
	assert_int_equal(g->continuity, continuity);
	if (o->has) {
		assert_int_equal(g->attachment, o->attachment);
		assert_int_equal(g->generation, o->generation);
	} else {
		assert_in_range(g->attachment, 1, 63);
		if (m->last_generation[g->attachment])
			assert_int_not_equal(g->generation, m->generation_of[g->attachment]);
	}
	for (int i = 0; i < 4; i++)
		if (o->port[i])
			assert_int_equal(holder(m->w, o->port[i]), g->attachment);
	m->last_generation[g->attachment] = 1;
	m->generation_of[g->attachment] = g->generation;
	o->has = o->session = true;
	o->attachment = g->attachment;
	o->generation = g->generation;
}

static void say_hello(struct model *m, struct owner *o, int index)
{
	struct zs_attach_frame f = a_hello((uint8_t)(1 + draw(m, 2)));
	bool resume = draw(m, 2) && o->has && o->hashes, fits = true, rival;
	uint32_t continuity = o->has ? ZS_ATTACH_CONTINUITY_known : ZS_ATTACH_CONTINUITY_fresh;
	struct edge *e, **at = NULL;
	zs_pb_Grant g;

	for (int k = 0; k < PER; k++)
		at = o->edge[k] ? at : &o->edge[k];
	if (!at)
		return;
	e = *at = calloc(1, sizeof(*e));
	edge_open(m->w, e, (uint8_t)(index + 1));
	if (resume) {
		unsigned which = (unsigned)draw(m, o->hashes);

		fits = draw(m, 4) != 0;
		g = (zs_pb_Grant){ .attachment = o->attachment,
				   .generation = fits ? o->generation : o->generation % 65535 + 1 };
		add_resume(&f, &g, o->hash[which]);
		if (o->session)
			continuity = ZS_ATTACH_CONTINUITY_resumed;
	}
	rival = o->attached && f.hello.instance.bytes[0] != o->instance;
	edge_send(e, &f);
	if (o->denied || !fits) {
		refused(e, o->denied ? ZS_ATTACH_ERROR_denied : ZS_ATTACH_ERROR_not_owner);
		m->refusals++;
		return;
	}
	if (rival && draw(m, 2)) {
		alive(o->attached);
		refused(e, ZS_ATTACH_ERROR_instance_limit);
		m->refusals++;
		reap(m);
		return;
	}
	if (rival) {
		assert_int_equal(e->got, 0);
		wait(m, ZS_NS_PER_S);
		if (!*at) /* taken over, and the minute was over too: not this one's */
			fail_msg("the newcomer was closed");
	}
	g = granted(e, continuity);
	check_grant(m, o, &g, continuity);
	memcpy(o->hash[1], o->hash[0], 32);
	memcpy(o->hash[0], e->grant_hash, 32);
	o->hashes = o->hashes ? 2 : 1;
	o->attached = e;
	o->instance = f.hello.instance.bytes[0];
	o->lease_ns = UINT64_MAX;
	alive(e); /* unproven ones have their own test */
	reap(m);
	m->grants++;
	wait(m, 2 * ZS_NS_PER_S); /* Hellos have a rate, which has its own test */
}

static void publish_one(struct model *m, struct owner *o)
{
	struct zs_attach_frame f = { .id = 3, .kind = ZS_ATTACH_PUBLISH };
	int name = (int)draw(m, 4);
	bool withdraw = draw(m, 3) == 0;
	zs_pb_Port *p;

	if (!o->attached)
		return;
	snprintf(f.publish.name, sizeof(f.publish.name), "%d", name);
	f.publish.withdraw = withdraw;
	if (o->attached->got > FRAMES - 4)
		return;
	edge_send(o->attached, &f);
	p = &last(o->attached, ZS_ATTACH_PORT)->port;
	assert_int_equal(p->has_error, withdraw && !o->port[name]);
	if (withdraw && o->port[name])
		assert_int_equal(holder(m->w, o->port[name]), 0);
	if (!withdraw && o->port[name])
		assert_int_equal(p->port, o->port[name]);
	if (!withdraw)
		assert_int_equal(holder(m->w, (uint16_t)p->port), o->attachment);
	o->port[name] = withdraw ? 0 : (uint16_t)p->port;
	wait(m, 2 * ZS_NS_PER_S);
}

static void detach(struct model *m, struct owner *o)
{
	if (!o->attached)
		return;
	edge_send(o->attached, &(struct zs_attach_frame){ .kind = ZS_ATTACH_DETACH });
	o->session = false;
	reap(m);
}

static void restart(struct model *m)
{
	struct world *w = m->w;
	bool wiped = draw(m, 4) == 0;

	if (wiped)
		w->incarnation++;
	for (int i = 0; i < OWNERS; i++) {
		struct owner *o = &m->owner[i];

		for (int k = 0; k < PER; k++) {
			if (o->edge[k])
				edge_free(o->edge[k]);
			free(o->edge[k]);
			o->edge[k] = NULL;
		}
		o->attached = NULL;
		o->lease_ns = w->now + 310 * ZS_NS_PER_S;
		o->session = o->session && !wiped;
	}
	world_restart(w);
}

static void wipe_state(struct model *m)
{
	zs_attach_state(m->w->s, ++m->w->incarnation, m->w->now);
	for (int i = 0; i < OWNERS; i++)
		m->owner[i].session = false;
	reap(m);
}

static void judge(struct model *m, struct owner *o, int index)
{
	struct zs_attach_rule rule = { .peer = peer_of((uint8_t)(index + 1)), .denied = draw(m, 2) };

	assert_int_equal(zs_attach_rule_set(m->w->s, &rule, m->w->now, NULL), 0);
	o->denied = rule.denied;
	if (o->denied)
		forget(o);
	reap(m);
}

static void step(struct model *m)
{
	int index = (int)draw(m, OWNERS);
	struct owner *o = &m->owner[index];
	struct edge **any = &o->edge[draw(m, PER)];
	uint64_t what = draw(m, 100);

	if (what < 35)
		say_hello(m, o, index);
	else if (what < 55)
		publish_one(m, o);
	else if (what < 70 && *any)
		drop(m, o, any);
	else if (what < 75)
		detach(m, o);
	else if (what < 88)
		wait(m, draw(m, 120) * ZS_NS_PER_S);
	else if (what < 91)
		judge(m, o, index);
	else if (what < 93)
		wipe_state(m);
	else if (what < 95 && o->has) {
		assert_int_equal(zs_attach_kick(m->w->s, o->attachment, m->w->now, NULL), 0);
		forget(o);
		reap(m);
	} else if (what < 97)
		restart(m);
}

static void check(struct model *m)
{
	uint32_t has = 0, ports = 0;

	walk(m->w);
	for (int i = 0; i < OWNERS; i++) {
		const struct owner *o = &m->owner[i];
		struct zs_peer_id id = peer_of((uint8_t)(i + 1));

		has += o->has;
		for (int k = 0; k < 4; k++)
			ports += o->port[k] != 0;
		assert_int_equal(zs_attach_find(m->w->s, &id), o->has ? o->attachment : 0);
	}
	assert_int_equal(zs_attach_counts(m->w->s)->attachments, has);
	assert_int_equal(zs_attach_counts(m->w->s)->ports, ports);
}

static void test_model(void **state)
{
	const char *given = getenv("SEED");
	struct model *m = calloc(1, sizeof(*m));

	m->w = *state;
	m->prng.state = given ? strtoull(given, NULL, 0) : 20260101;
	printf("seed %llu (SEED=)\n", (unsigned long long)m->prng.state);
	for (int i = 0; i < STEPS; i++) {
		step(m);
		check(m);
	}
	assert_true(m->grants > STEPS / 10 && m->refusals > 10);
	for (int i = 0; i < OWNERS; i++)
		for (int k = 0; k < PER; k++)
			if (m->owner[i].edge[k])
				drop(m, &m->owner[i], &m->owner[i].edge[k]);
	wait(m, 400 * ZS_NS_PER_S);
	check(m);
	assert_int_equal(zs_attach_counts(m->w->s)->attachments, 0);
	free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_model, world_setup, world_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
