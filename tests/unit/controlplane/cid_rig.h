/* A PoP's connection IDs: real store and segment in a scratch folder, virtual time, a seeded random source. The walker runs
 * after whatever they are told. */
#ifndef ZS_TESTS_CONTROLPLANE_CID_RIG_H
#define ZS_TESTS_CONTROLPLANE_CID_RIG_H

#include "rig.h"

#include "cid/cid.h"
#include "sim/prng.h"

struct pop {
	struct rig r;
	struct zs_sessions shm;
	struct zs_cids *s;
	struct zs_prng prng;
	uint64_t now;
};

static const struct zs_sessions_shape pop_shape = { .attachments = 64, .sessions = 64 };

static inline void pop_fill(void *ctx, void *out, size_t len)
{
	struct pop *p = ctx;

	for (size_t i = 0; i < len; i++)
		((uint8_t *)out)[i] = (uint8_t)zs_prng_u64(&p->prng);
}

static inline void pop_walk(struct pop *p)
{
	const char *where = NULL;

	if (zs_cids_walk(p->s, &where))
		fail_msg("%s", where);
}

static inline void pop_open(struct pop *p)
{
	bool fresh;

	rig_open(&p->r);
	assert_int_equal(zs_sessions_open_writer(&p->shm, p->r.c.shm_dir, &pop_shape, &fresh, &p->r.err), 0);
	if (zs_cids_new(&p->s, &p->r.c, (struct zs_random){ pop_fill, p }, &p->shm, p->now, &p->r.err))
		fail_msg("%s", p->r.err.text);
	pop_walk(p);
}

static inline void pop_close(struct pop *p)
{
	zs_cids_delete(p->s);
	zs_sessions_close(&p->shm);
	rig_close(&p->r);
}

static inline void pop_restart(struct pop *p)
{
	pop_close(p);
	pop_open(p);
}

static inline void pop_wipe(struct pop *p, const char *what)
{
	char cmd[128];

	snprintf(cmd, sizeof(cmd), "rm -rf %s/%s/*", p->r.dir, what);
	assert_int_equal(system(cmd), 0);
}

static inline struct pop *pop_new(unsigned number, uint64_t seed, const char *cids)
{
	struct pop *p = calloc(1, sizeof(*p));
	struct rig *r = &p->r;
	char more[256];

	rig_make(r);
	snprintf(more, sizeof(more), "attach: {pop: %u}\ncids: %s\n", number, cids);
	r->c.conf = rig_conf(r, more);
	p->prng.state = seed;
	p->now = 1700000000;
	pop_open(p);
	return p;
}

static inline void pop_delete(struct pop *p)
{
	pop_close(p);
	rig_remove(&p->r);
	free(p);
}

/* true: something was withdrawn. */
static inline bool pop_pass(struct pop *p, uint64_t s)
{
	bool changed;

	p->now += s;
	changed = zs_cids_advance(p->s, p->now);
	pop_walk(p);
	return changed;
}

static inline uint8_t pop_rotate(struct pop *p)
{
	uint8_t rotation = 0xff;

	if (zs_cids_rotate(p->s, &rotation, &p->r.err))
		fail_msg("%s", p->r.err.text);
	pop_walk(p);
	return rotation;
}

static inline enum zs_cids_state pop_state(struct pop *p, uint8_t rotation)
{
	struct zs_cids_info info;

	assert_true(zs_cids_info(p->s, rotation, &info));
	return info.state;
}

/* The one that is minted from. */
static inline uint8_t pop_minting(struct pop *p)
{
	struct zs_cids_info info;

	for (uint8_t n = 0; n < ZS_CID_ROTATIONS; n++)
		if (zs_cids_info(p->s, n, &info) && info.state == ZS_CIDS_MINTING)
			return n;
	fail_msg("nothing is minted from");
	return 0xff;
}

/* From `from` to `to`. */
static inline int pop_carry(struct pop *from, struct pop *to, struct zs_cids_imported *out)
{
	char text[ZS_CIDS_EXPORT];
	size_t len = zs_cids_export(from->s, text);
	int rc;

	to->r.err = (struct zs_error){ 0 };
	rc = zs_cids_import(to->s, text, len, out, &to->r.err);
	assert_true(rc == 0 || (to->r.err.code == rc && to->r.err.text[0]));
	pop_walk(to);
	return rc;
}

#define LIMITS "{expires_s: 20, stage_s: 5, live_s: 40, rest_s: 10}"

static inline struct pop *one_pop(void)
{
	return pop_new(1, 7, LIMITS);
}

static inline struct zs_cids_batch pop_mint(struct pop *p, uint32_t attachment, uint16_t generation,
					    uint32_t count)
{
	struct zs_cids_batch b;

	assert_int_equal(zs_cids_mint(p->s, attachment, generation, count, &b), 0);
	pop_walk(p);
	assert_int_equal(b.count, count);
	return b;
}

static inline struct zs_cid pop_decoded(const struct pop *p, const uint8_t cid[ZS_CID])
{
	struct zs_cid out;

	zs_cids_decode(p->s, cid, &out);
	return out;
}

#endif
