/* A relay's shared memory and its workers, for tests of the policer: a virtual clock, sources at an even pace. */
#ifndef ZS_TESTS_POLICER_WORLD_H
#define ZS_TESTS_POLICER_WORLD_H

#include "unit/lib/shm_test.h"

#include "base/check.h"
#include "shm/policer.h"

#define MS	(1000000ull)
#define S	(1000 * MS)
#define WORKERS 4
#define IDS	64
#define PACKET	1200

static const struct zs_sessions_shape small = { .attachments = IDS, .sessions = 64 };

/* A relay's shared memory and its workers. */
struct world {
	struct zs_sessions sessions;
	struct zs_buckets *bucket, *tenant;
	struct zs_account *account[WORKERS];
	struct zs_policer *worker[WORKERS];
};

static inline void *lines(size_t n)
{
	void *p = aligned_alloc(64, n * 64);

	memset(p, 0, n * 64);
	return p;
}

static inline struct world *world_new(struct scratch *s)
{
	struct world *w = calloc(1, sizeof(*w));
	struct zs_error err = { 0 };
	bool fresh;

	assert_int_equal(zs_sessions_open_writer(&w->sessions, s->dir, &small, &fresh, &err), 0);
	w->bucket = lines(IDS);
	w->tenant = lines(ZS_TENANTS);
	for (uint32_t i = 0; i < WORKERS; i++) {
		w->account[i] = lines(IDS);
		w->worker[i] = malloc(sizeof(*w->worker[i]));
		zs_policer_init(w->worker[i], &(struct zs_policer_view){ &w->sessions, w->bucket, w->tenant,
									 w->account[i] });
	}
	return w;
}

static inline void world_free(struct world *w)
{
	for (uint32_t i = 0; i < WORKERS; i++) {
		free(w->account[i]);
		free(w->worker[i]);
	}
	free(w->bucket);
	free(w->tenant);
	zs_sessions_close(&w->sessions);
	free(w);
}

static inline void limit(struct world *w, uint32_t id, uint16_t tenant, struct zs_police_limits limits,
			 bool mark)
{
	struct zs_attachment a = { .used = 1,
				   .generation = 1,
				   .session = ZS_SESSION_NONE,
				   .previous = ZS_SESSION_NONE,
				   .tenant = tenant,
				   .mark = mark };

	zs_police_of(&a.police, &limits);
	assert_int_equal(zs_sessions_set_attachment(&w->sessions, id, &a), 0);
}

static inline void limit_tenant(struct world *w, uint16_t number, struct zs_police_limits limits,
				uint32_t members, bool mark)
{
	struct zs_tenant t = { .used = 1, .mark = mark, .members = members };

	zs_police_of(&t.police, &limits);
	zs_police_share(&t.share_bytes, &t.share_packets, &limits, members);
	assert_int_equal(zs_sessions_set_tenant(&w->sessions, number, &t), 0);
}

/* Packets of one size at an even pace, from one attachment through one worker. */
struct source {
	uint32_t worker, id, size;
	uint64_t bit_s;
	bool ect;
	uint64_t next, offered, bytes, marked, packets; /* counted after the warm-up */
};

static inline void offer(struct world *w, struct source *f, uint64_t now, bool count)
{
	enum zs_police_verdict v = zs_policer_packet(w->worker[f->worker], f->id, ZS_TO_EDGE, f->size, f->ect,
						     now);

	f->next += f->size * 8 * S / f->bit_s;
	f->offered += count;
	f->packets += count && v != ZS_POLICE_DROP;
	f->bytes += count && v != ZS_POLICE_DROP ? f->size : 0;
	f->marked += count && v == ZS_POLICE_MARK;
}

/* From `begin`, 1 s of warm-up and 10 s that count. */
static inline void run(struct world *w, struct source *f, uint32_t sources, uint64_t begin)
{
	uint64_t end = begin + 11 * S, tick = begin;

	for (uint32_t i = 0; i < sources; i++)
		f[i].next = begin + i * 1000;
	for (;;) {
		struct source *at = f;

		for (uint32_t i = 1; i < sources; i++)
			if (f[i].next < at->next)
				at = &f[i];
		if (at->next >= end)
			return;
		for (; tick < at->next; tick += MS)
			for (uint32_t i = 0; i < WORKERS; i++)
				zs_policer_tick(w->worker[i], tick, 256);
		offer(w, at, at->next, at->next >= begin + S);
	}
}

static inline void assert_near(uint64_t bytes, uint64_t bit_s, const char *what)
{
	double error = (double)bytes * 8 / 10 / (double)bit_s - 1;

	if (error > 0.01 || error < -0.01)
		fail_msg("%s: %.3f %% off %lu bit/s", what, error * 100, (unsigned long)bit_s);
}

static inline uint32_t at_once(struct world *w, uint32_t worker, uint32_t id, uint32_t size, bool ect,
			       uint64_t now, uint32_t *marked)
{
	uint32_t passed = 0;
	enum zs_police_verdict v;

	*marked = 0;
	while (passed < 100000 &&
	       (v = zs_policer_packet(w->worker[worker], id, ZS_TO_EDGE, size, ect, now)) != ZS_POLICE_DROP) {
		passed++;
		*marked += v == ZS_POLICE_MARK;
	}
	return passed;
}

#endif
