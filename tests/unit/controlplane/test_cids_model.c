/* A random life of two PoPs that share configurations: rotations, mints, time, restarts, lost stores and segments, imports.
 * After each step what was given out is asked for again. The model knows times alone, no code of ours. */
#include "cid_rig.h"

#include <errno.h>
#include <sodium.h>
#include "unit/random.h"

#define STAGE	5
#define LIVE	40
#define EXPIRES 20
#define REST	10
#define KEPT	4096
#define STEPS	3000

struct given {
	uint8_t cid[ZS_CID];
	uint8_t by; /* PoP */
	bool lost;  /* its store is */
	uint32_t attachment;
	uint16_t generation;
	uint64_t expires_s;
};

/* A configuration's number as the model saw it last. */
struct seen {
	char name[17];
	uint64_t gone_s;   /* when it was seen not live first */
	uint64_t minted_s; /* last */
	bool live;
};

struct model {
	struct pop *pop[2];
	struct random rnd;
	struct seen seen[2][ZS_CID_ROTATIONS];
	struct given given[KEPT];
	size_t count;
	uint64_t mints, imports, conflicts, full;
};

static void keep(struct model *m, unsigned which, uint32_t attachment, uint16_t generation,
		 const struct zs_cids_batch *b)
{
	for (uint32_t i = 0; i < b->count; i++) {
		struct given *g = &m->given[m->count++ % KEPT];

		for (size_t k = 0; k < KEPT && k < m->count - 1; k++) /* never twice, whoever minted */
			if (g != &m->given[k])
				assert_memory_not_equal(m->given[k].cid, b->cid[i], ZS_CID);
		*g = (struct given){ .by = (uint8_t)which,
				     .attachment = attachment,
				     .generation = generation,
				     .expires_s = b->expires_s };
		memcpy(g->cid, b->cid[i], ZS_CID);
	}
}

static void mint(struct model *m, unsigned which)
{
	struct pop *p = m->pop[which];
	uint32_t attachment = random_below(&m->rnd, 3);
	uint16_t generation = (uint16_t)(1 + random_below(&m->rnd, 2));
	struct zs_cids_batch b;

	assert_int_equal(zs_cids_mint(p->s, attachment, generation, 1 + random_below(&m->rnd, 16), &b), 0);
	assert_int_equal(b.expires_s, p->now + EXPIRES);
	m->seen[which][b.rotation].minted_s = p->now;
	m->mints++;
	keep(m, which, attachment, generation, &b);
}

/* What expires later than now must decode at whoever minted it. */
static void ask_again(struct model *m)
{
	for (size_t i = 0; i < KEPT && i < m->count; i++) {
		const struct given *g = &m->given[i];
		const struct pop *p = m->pop[g->by];
		struct zs_cid cid;

		if (g->lost || g->expires_s < p->now)
			continue;
		zs_cids_decode(p->s, g->cid, &cid);
		assert_int_equal(cid.verdict, ZS_CID_OK);
		assert_true(cid.pop == g->by + 1u && cid.attachment == g->attachment &&
			    cid.generation == g->generation);
	}
}

/* A number rests between two keys, and no configuration ends before it was replaced for as long as it must live. */
static void look(struct model *m, unsigned which)
{
	struct pop *p = m->pop[which];

	for (uint8_t n = 0; n < ZS_CID_ROTATIONS; n++) {
		struct seen *s = &m->seen[which][n];
		struct zs_cids_info info = { 0 };
		bool live = zs_cids_info(p->s, n, &info) && info.state != ZS_CIDS_RESTING;

		if (live && s->name[0] && strcmp(s->name, info.name))
			assert_true(!s->minted_s || p->now >= s->gone_s + REST);
		if (s->live && !live) {
			assert_true(!s->minted_s || p->now >= s->minted_s + LIVE);
			s->gone_s = p->now;
		}
		assert_int_equal(zs_cids_retired(p->s) >> n & 1,
				 info.state == ZS_CIDS_RESTING && info.name[0]);
		if (live && strcmp(s->name, info.name)) {
			snprintf(s->name, sizeof(s->name), "%s", info.name);
			s->minted_s = 0;
		}
		s->live = live;
	}
}

/* Both clocks are one. */
static void pass(struct model *m, uint64_t s)
{
	for (; s; s--)
		for (unsigned which = 0; which < 2; which++) {
			pop_pass(m->pop[which], 1);
			look(m, which);
		}
}

static void lose_store(struct model *m, unsigned which)
{
	struct pop *p = m->pop[which];

	pop_close(p);
	pop_wipe(p, "store");
	pop_open(p);
	memset(m->seen[which], 0, sizeof(m->seen[which]));
	for (size_t i = 0; i < KEPT; i++)
		if (m->given[i].by == which)
			m->given[i].lost = true;
}

static void carry(struct model *m, unsigned from)
{
	struct zs_cids_imported done;
	int rc = pop_carry(m->pop[from], m->pop[!from], &done);

	assert_true(rc == 0 || rc == -EEXIST || rc == -EBUSY);
	m->imports += rc == 0;
	m->conflicts += rc != 0;
}

static void step(struct model *m)
{
	unsigned which = random_below(&m->rnd, 2), dice = random_below(&m->rnd, 200);
	struct pop *p = m->pop[which];
	uint8_t n;

	if (dice < 80) {
		mint(m, which);
	} else if (dice < 150) {
		pass(m, 1 + random_below(&m->rnd, 12));
	} else if (dice < 165) {
		m->full += zs_cids_rotate(p->s, &n, &p->r.err) == -EBUSY;
	} else if (dice < 180) {
		carry(m, which);
	} else if (dice < 190) {
		pop_restart(p);
	} else if (dice < 195) {
		pop_close(p);
		pop_wipe(p, "shm");
		pop_open(p);
	} else if (dice < 197) {
		lose_store(m, which);
	}
	pop_walk(p);
	look(m, which);
	ask_again(m);
}

static void test_life(void **state)
{
	struct model *m = calloc(1, sizeof(*m));
	char limits[96];

	snprintf(limits, sizeof(limits), "{expires_s: %d, stage_s: %d, live_s: %d, rest_s: %d}", EXPIRES,
		 STAGE, LIVE, REST);
	m->rnd = random_new("cids");
	m->pop[0] = pop_new(1, random_u64(&m->rnd), limits);
	m->pop[1] = pop_new(2, random_u64(&m->rnd), limits);
	for (int i = 0; i < STEPS; i++)
		step(m);
	print_message("%llu mints, %llu imports, %llu refused, %llu rotations without a number\n",
		      (unsigned long long)m->mints, (unsigned long long)m->imports,
		      (unsigned long long)m->conflicts, (unsigned long long)m->full);
	assert_true(m->mints && m->imports);
	pop_delete(m->pop[0]);
	pop_delete(m->pop[1]);
	free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_life) };

	ZS_CHECK(sodium_init() >= 0, "libsodium");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
