/* The policer on a virtual clock: rates with several workers, shares of a tenant, bursts, marks, leases that come
 * back or die with their worker, clocks that jump, a naive model; then real threads. */
#include <pthread.h>
#include "unit/lib/policer_world.h"

/* --- rates --- */

static void rate_row(struct scratch *s, uint64_t bit_s, uint32_t workers, bool above, uint64_t times)
{
	struct world *w = world_new(s);
	struct source f[WORKERS] = { 0 };
	struct zs_police_limits limits = { .bit_s = bit_s };
	uint64_t sum = 0;
	char what[64];

	if (above)
		limit_tenant(w, 7, limits, 1, false);
	limit(w, 5, above ? 7 : 0, above ? (struct zs_police_limits){ 0 } : limits, false);
	for (uint32_t i = 0; i < workers; i++) /* unequal: 1, 2, 3, 4 parts */
		f[i] = (struct source){ .worker = i,
					.id = 5,
					.size = i & 1 ? 300 : PACKET,
					.bit_s = bit_s * times * (i + 1) * 2 / (workers * (workers + 1)) };
	run(w, f, workers, 100 * S);
	for (uint32_t i = 0; i < workers; i++)
		sum += f[i].bytes;
	snprintf(what, sizeof(what), "%u workers, %s, %lu times", workers, above ? "tenant" : "own",
		 (unsigned long)times);
	assert_near(sum, bit_s, what);
	world_free(w);
}

static void test_rates(void **state)
{
	static const uint64_t rates[] = { 1000000, 10000000, 100000000 };
	static const uint32_t workers[] = { 1, 2, 4 };

	for (uint32_t i = 0; i < ZS_ARRAY_LEN(rates); i++)
		for (uint32_t k = 0; k < ZS_ARRAY_LEN(workers); k++)
			for (uint64_t times = 1; times <= 2; times++) {
				rate_row(*state, rates[i], workers[k], false, times == 1 ? 2 : 10);
				rate_row(*state, rates[i], workers[k], true, times == 1 ? 2 : 10);
			}
}

static void test_packet_rate(void **state)
{
	struct world *w = world_new(*state);
	struct source f[2] = { { .worker = 0, .id = 5, .size = 100, .bit_s = 8000000 },
			       { .worker = 1, .id = 5, .size = 100, .bit_s = 16000000 } };

	limit(w, 5, 0, (struct zs_police_limits){ .pkt_s = 5000 }, false);
	run(w, f, 2, 0); /* a machine that just started: the clock is at 0 */
	assert_in_range(f[0].packets + f[1].packets, 49500, 50500);
	world_free(w);
}

/* Below the rate nothing is lost. */
static void test_below(void **state)
{
	struct world *w = world_new(*state);
	struct source f[2] = { { .worker = 0, .id = 5, .size = PACKET, .bit_s = 4500000 },
			       { .worker = 1, .id = 5, .size = 200, .bit_s = 4500000 } };

	limit(w, 5, 0, (struct zs_police_limits){ .bit_s = 10000000, .pkt_s = 4000 }, false);
	run(w, f, 2, 5 * S);
	for (uint32_t i = 0; i < 2; i++)
		assert_int_equal(f[i].packets, f[i].offered);
	world_free(w);
}

/* --- shares --- */

static void share_row(struct scratch *s, struct zs_police_limits limits, uint32_t greedy_size,
		      uint64_t polite_bit_s, bool mark)
{
	struct world *w = world_new(s);
	struct source f[4];

	limit_tenant(w, 3, limits, 4, mark);
	for (uint32_t i = 0; i < 4; i++) {
		limit(w, 10 + i, 3, (struct zs_police_limits){ 0 }, false);
		f[i] = (struct source){
			.worker = i % 3, .id = 10 + i, .size = PACKET, .bit_s = polite_bit_s
		};
	}
	f[0].size = greedy_size;
	f[0].bit_s = 100000000;
	f[0].ect = mark;
	run(w, f, 4, 50 * S);
	for (uint32_t i = 1; i < 4; i++)
		if (f[i].packets < f[i].offered)
			fail_msg("%lu bit/s, %u: %lu of %lu packets within the share passed",
				 (unsigned long)limits.bit_s, greedy_size, (unsigned long)f[i].packets,
				 (unsigned long)f[i].offered);
	if (limits.bit_s) /* what others leave is used */
		assert_near(f[0].bytes + f[1].bytes + f[2].bytes + f[3].bytes, limits.bit_s, "tenant");
	else
		assert_in_range(f[0].packets + f[1].packets + f[2].packets + f[3].packets,
				limits.pkt_s * 99 / 10, limits.pkt_s * 101 / 10);
	world_free(w);
}

static void test_shares(void **state)
{
	share_row(*state, (struct zs_police_limits){ .bit_s = 20000000 }, PACKET, 4500000, false);
	share_row(*state, (struct zs_police_limits){ .bit_s = 20000000 }, PACKET, 4500000, true);
	share_row(*state, (struct zs_police_limits){ .bit_s = 20000000 }, 100, 2000000, false);
	share_row(*state, (struct zs_police_limits){ .pkt_s = 4000 }, 100, 9000000,
		  false); /* 937 of 1000 packets/s */
}

/* Own limits come first: who has used up its own takes nothing from the tenant. */
static void test_own_first(void **state)
{
	struct world *w = world_new(*state);
	struct source f[2] = { { .worker = 0, .id = 1, .size = PACKET, .bit_s = 100000000 },
			       { .worker = 1, .id = 2, .size = PACKET, .bit_s = 100000000 } };

	limit_tenant(w, 3, (struct zs_police_limits){ .bit_s = 10000000 }, 2, false);
	limit(w, 1, 3, (struct zs_police_limits){ .bit_s = 2000000 }, false);
	limit(w, 2, 3, (struct zs_police_limits){ 0 }, false);
	run(w, f, 2, 50 * S);
	assert_near(f[0].bytes, 2000000, "own");
	assert_near(f[1].bytes, 8000000, "the rest");
	world_free(w);
}

/* What the tenant refuses costs nobody anything of its own. */
static void test_undone(void **state)
{
	struct world *w = world_new(*state);
	_Atomic uint64_t *own = &w->bucket[1].to[ZS_TO_EDGE].bytes,
			 *share = &w->bucket[1].to[ZS_TO_EDGE].share;
	_Atomic uint64_t *tenant = &w->tenant[3].to[ZS_TO_EDGE].bytes;

	limit_tenant(w, 3, (struct zs_police_limits){ .bit_s = 1000000, .burst = 1000 }, 1, true); /* 8 ms */
	limit(w, 1, 3, (struct zs_police_limits){ .bit_s = 8000000, .pkt_s = 1000 }, false);
	*own = *share = 9 * S;
	*tenant = 9 * S + 17 * MS; /* more than two bursts ahead: even within the share there is no room … */
	assert_int_equal(zs_policer_packet(w->worker[0], 1, ZS_TO_EDGE, 1000, false, 9 * S), ZS_POLICE_DROP);
	assert_true(*own == 9 * S && *share == 9 * S);
	assert_true(w->bucket[1].to[ZS_TO_EDGE].packets <= 9 * S);
	assert_int_equal(zs_policer_packet(w->worker[0], 1, ZS_TO_EDGE, 1000, true, 9 * S), ZS_POLICE_MARK);
	*share = 9 * S + 10 * MS; /* … and beyond the share not where there was some */
	*tenant = 9 * S + 9 * MS;
	*own = 9 * S;
	assert_int_equal(zs_policer_packet(w->worker[0], 1, ZS_TO_EDGE, 1000, false, 9 * S), ZS_POLICE_DROP);
	assert_true(*own == 9 * S && *share == 9 * S + 10 * MS && *tenant == 9 * S + 9 * MS);
	world_free(w);
}

/* --- bursts, marks --- */

static void test_bursts(void **state)
{
	static const struct {
		struct zs_police_limits limits;
		uint32_t size, passed;
	} rows[] = {
		{ { .bit_s = 100000000 }, 1000, 125 },		     /* 10 ms */
		{ { .bit_s = 1000000 }, 1500, 2 },		     /* two packets */
		{ { .bit_s = 1000000, .burst = 9000 }, 1000, 9 },    /* as the policy says */
		{ { .bit_s = 1000000000, .burst = 9000 }, 1000, 9 }, /* less than a lease of that rate */
		{ { .bit_s = 1000000, .burst = 1000 }, 1200, 1 },    /* longer than the burst */
		{ { .bit_s = 1000, .burst = 1u << 30 }, 1000, 8 },   /* 67 s at most */
		{ { .pkt_s = 10 }, 100, 2 },
		{ { .pkt_s = 1000 }, 100, 10 },
	};
	uint32_t marked;

	for (uint32_t i = 0; i < ZS_ARRAY_LEN(rows); i++) {
		struct world *w = world_new(*state);

		limit(w, 1, 0, rows[i].limits, false);
		assert_int_equal(at_once(w, 0, 1, rows[i].size, true, 9 * S, &marked), rows[i].passed);
		assert_int_equal(marked, 0);
		/* the other direction has buckets of its own */
		assert_int_equal(zs_policer_packet(w->worker[0], 1, ZS_FROM_EDGE, 100, false, 9 * S),
				 ZS_POLICE_PASS);
		world_free(w);
	}
}

static void test_marks(void **state)
{
	struct world *w = world_new(*state);
	struct source f = { .worker = 0, .id = 1, .size = PACKET, .bit_s = 20000000, .ect = true };
	uint32_t marked;

	limit(w, 1, 0, (struct zs_police_limits){ .bit_s = 8000000 }, true);
	assert_int_equal(at_once(w, 0, 1, 1000, false, 9 * S, &marked), 10); /* not ECT: nothing more */
	assert_int_equal(at_once(w, 0, 1, 1000, true, 9 * S, &marked), 10);
	assert_int_equal(marked, 10);
	run(w, &f, 1, 20 * S);
	assert_near(f.bytes, 8000000, "marked");
	assert_true(f.marked > f.packets * 9 / 10);
	world_free(w);
}

/* --- leases --- */

/* What a worker took and does not use is another's after 5 ms. */
static void test_return(void **state)
{
	struct world *w = world_new(*state);
	uint32_t marked, first;
	uint64_t share;

	limit_tenant(w, 3, (struct zs_police_limits){ .bit_s = 80000000 }, 1, false);
	limit(w, 1, 3, (struct zs_police_limits){ .bit_s = 80000000, .pkt_s = 100000 }, false);
	assert_int_equal(zs_policer_packet(w->worker[0], 1, ZS_TO_EDGE, 1000, false, 9 * S), ZS_POLICE_PASS);
	assert_in_range(w->account[0][1].lease[ZS_TO_EDGE].bytes, 8000, 9000); /* 1 ms less a packet */
	first = at_once(w, 1, 1, 1000, false, 9 * S, &marked);
	assert_in_range(first, 89, 91); /* 100 less the lease */
	share = w->bucket[1].to[ZS_TO_EDGE].share;
	for (uint32_t i = 0; i < 3; i++) {
		zs_policer_tick(w->worker[0], 9 * S + 4 * MS, 1);
		assert_true(w->account[0][1].lease[ZS_TO_EDGE].bytes > 0);
	}
	zs_policer_tick(w->worker[0], 9 * S + 6 * MS, 1);
	assert_int_equal(w->account[0][1].lease[ZS_TO_EDGE].bytes, 0);
	assert_int_equal(w->worker[0]->count, 0);
	assert_true(w->bucket[1].to[ZS_TO_EDGE].share < share); /* of the share too */
	/* 6 ms are 60 packets, and the 9 of the lease */
	assert_in_range(at_once(w, 1, 1, 1000, false, 9 * S + 6 * MS, &marked), 68, 70);
	/* one that is renewed stays */
	for (uint32_t i = 0; i < 30; i++)
		zs_policer_packet(w->worker[0], 1, ZS_TO_EDGE, 900, false, 9 * S + 20 * MS + i * MS / 10);
	zs_policer_packet(w->worker[0], 1, ZS_TO_EDGE, 9500, false, 9 * S + 24 * MS);
	zs_policer_tick(w->worker[0], 9 * S + 26 * MS, 1);
	assert_true(w->account[0][1].lease[ZS_TO_EDGE].bytes > 0);
	world_free(w);
}

/* The same without housekeeping: a lease that is over is not spent. */
static void test_stale(void **state)
{
	struct world *w = world_new(*state);
	uint32_t marked;

	limit(w, 1, 0, (struct zs_police_limits){ .bit_s = 80000000 }, false);
	zs_policer_packet(w->worker[0], 1, ZS_TO_EDGE, 1000, false, 9 * S);
	assert_int_equal(at_once(w, 0, 1, 1000, false, 10 * S, &marked), 100); /* not 9 more */
	assert_int_equal(at_once(w, 1, 1, 1000, false, 10 * S, &marked), 0);
	world_free(w);
}

/* A worker is killed with a lease in hand, again and again: each costs that lease at most. */
static void test_killed(void **state)
{
	struct world *w = world_new(*state);
	uint32_t marked, rest;

	limit(w, 1, 0, (struct zs_police_limits){ .bit_s = 80000000, .burst = 100000 }, false);
	for (uint32_t i = 0; i < 5; i++) {
		assert_int_equal(zs_policer_packet(w->worker[0], 1, ZS_TO_EDGE, 1000, false, 9 * S),
				 ZS_POLICE_PASS);
		zs_policer_forget(&w->account[0][1]);
		zs_policer_init(w->worker[0], &(struct zs_policer_view){ &w->sessions, w->bucket, w->tenant,
									 w->account[0] });
		zs_policer_tick(w->worker[0], 9 * S, 256);
	}
	rest = at_once(w, 1, 1, 1000, false, 9 * S, &marked);
	assert_in_range(rest, 50, 53); /* 5 × 1 ms are lost, 10 packets each */
	assert_int_equal(at_once(w, 0, 1, 1000, false, 9 * S, &marked), 0);
	world_free(w);
}

/* More leases than the list holds: the oldest come back early, none is lost. */
static void test_many(void **state)
{
	static const struct zs_sessions_shape wide = { .attachments = 8192, .sessions = 64 };
	struct scratch *s = *state;
	struct world *w = world_new(s);
	struct zs_error err;
	uint32_t n = ZS_LEASES + 1000, marked;
	bool fresh;

	zs_sessions_close(&w->sessions);
	assert_int_equal(zs_sessions_open_writer(&w->sessions, s->dir, &wide, &fresh, &err), 0);
	w->bucket = realloc(w->bucket, 8192 * sizeof(*w->bucket));
	memset(w->bucket, 0, 8192 * sizeof(*w->bucket));
	w->account[0] = realloc(w->account[0], 8192 * sizeof(struct zs_account));
	memset(w->account[0], 0, 8192 * sizeof(struct zs_account));
	w->account[1] = realloc(w->account[1], 8192 * sizeof(struct zs_account));
	memset(w->account[1], 0, 8192 * sizeof(struct zs_account));
	for (uint32_t i = 0; i < 2; i++)
		zs_policer_init(w->worker[i], &(struct zs_policer_view){ &w->sessions, w->bucket, w->tenant,
									 w->account[i] });
	for (uint32_t id = 1; id <= n; id++) {
		limit(w, id, 0, (struct zs_police_limits){ .bit_s = 80000000 }, false);
		zs_policer_packet(w->worker[0], id, ZS_TO_EDGE, 1000, false, 9 * S);
	}
	assert_int_equal(w->worker[0]->count, ZS_LEASES);
	zs_policer_tick(w->worker[0], 9 * S + 7 * MS, UINT32_MAX);
	assert_int_equal(w->worker[0]->count, 0);
	for (uint32_t id = 1; id <= n; id++) {
		assert_int_equal(w->account[0][id].lease[ZS_TO_EDGE].listed, 0);
		assert_int_equal(w->account[0][id].lease[ZS_TO_EDGE].bytes, 0);
		assert_int_equal(at_once(w, 1, id, 1000, false, 9 * S + 7 * MS, &marked), 100);
	}
	world_free(w);
}

/* --- clocks --- */

static void test_clocks(void **state)
{
	struct world *w = world_new(*state);
	uint32_t marked;

	limit(w, 1, 0, (struct zs_police_limits){ .bit_s = 8000000 }, false);
	assert_int_equal(at_once(w, 0, 1, 1000, false, 1000 * S, &marked), 10);
	/* a reboot under a segment that survived: the clock is at the start again; a burst, then the rate */
	assert_int_equal(at_once(w, 1, 1, 1000, false, 2 * S, &marked), 10);
	assert_in_range(at_once(w, 1, 1, 1000, false, 2 * S + 5 * MS, &marked), 4, 5);
	/* a leap forward: a burst, no more */
	assert_int_equal(at_once(w, 1, 1, 1000, false, 900000 * S, &marked), 10);
	assert_int_equal(at_once(w, 1, 1, 1000, false, 900000 * S, &marked), 0);
	/* a step back by less than a burst: what was spent is spent */
	assert_int_equal(at_once(w, 1, 1, 1000, false, 900000 * S - 3 * MS, &marked), 0);
	/* a worker that stood still with the time in its hand: that is no reboot */
	assert_int_equal(at_once(w, 1, 1, 1000, false, 900000 * S - 300 * MS, &marked), 0);
	assert_int_equal(at_once(w, 1, 1, 1000, false, 900000 * S, &marked), 0);
	/* a damaged page */
	atomic_store(&w->bucket[1].to[ZS_TO_EDGE].bytes, UINT64_MAX);
	assert_int_equal(at_once(w, 1, 1, 1000, false, 900001 * S, &marked), 10);
	assert_int_equal(at_once(w, 1, 1, 1000, false, 900001 * S, &marked), 0);
	world_free(w);
}

/* --- flows --- */

static void test_flows(void **state)
{
	struct zs_account all[2 * IDS] = {
		[1] = { .flows = 3 }, [2] = { .flows = 9 }, [IDS + 1] = { .flows = 4 }
	};
	struct world *w = world_new(*state);
	uint32_t n = 0;

	assert_int_equal(zs_policer_flows(all, 2, IDS, 1), 7);

	limit_tenant(w, 3, (struct zs_police_limits){ .flows = 100, .new_flows_s = 15 }, 2, false);
	limit(w, 1, 3, (struct zs_police_limits){ .flows = 20, .new_flows_s = 10 }, false);
	limit(w, 2, 3, (struct zs_police_limits){ 0 }, false);
	assert_true(zs_policer_flows_full(w->worker[0], 1, 20, 20));
	assert_true(zs_policer_flows_full(w->worker[0], 1, 1, 100));
	assert_false(zs_policer_flows_full(w->worker[0], 1, 19, 99));
	assert_false(zs_policer_flows_full(w->worker[0], 2, 90, 99));
	while (zs_policer_new_flow(w->worker[n & 1], 1, ZS_TO_EDGE, 9 * S))
		n++;
	assert_int_equal(n, 10);
	for (n = 0; zs_policer_new_flow(w->worker[n & 1], 2, ZS_TO_EDGE, 9 * S);)
		n++;
	assert_int_equal(n, 5); /* of the tenant's 15 */
	limit(w, 4, 3, (struct zs_police_limits){ .new_flows_s = 1 }, false);
	assert_false(zs_policer_new_flow(w->worker[0], 4, ZS_TO_EDGE, 9 * S)); /* the tenant's refusal … */
	assert_true(zs_policer_new_flow(w->worker[0], 4, ZS_TO_EDGE, 9 * S + 70 * MS)); /* … costs none */
	assert_true(zs_policer_new_flow(w->worker[0], 1, ZS_FROM_EDGE, 9 * S));
	assert_true(zs_policer_new_flow(w->worker[0], 1, ZS_TO_EDGE, 9 * S + 140 * MS));
	assert_false(zs_policer_new_flow(w->worker[0], 1, ZS_TO_EDGE, 9 * S + 141 * MS));
	world_free(w);
}

/* --- a naive token bucket that sees what passed --- */

struct naive {
	double tokens, depth, per_ns;
	uint64_t last;
};

static void refill(struct naive *n, uint64_t now)
{
	n->tokens += (double)(now - n->last) * n->per_ns;
	if (n->tokens > n->depth)
		n->tokens = n->depth;
	n->last = now;
}

/* Random sizes, pauses, workers: what passes has tokens, what is dropped has none but for what workers hold. */
static void test_model(void **state)
{
	struct scratch *s = *state;
	struct world *w = world_new(s);

	for (uint32_t round = 0; round < 30; round++) {
		uint64_t bit_s = 100000 + draw(&s->rng) % 200000000, now = (round + 1) * 1000 * S;
		uint64_t gap = 2 * 700 * 8 * S / bit_s + 1;
		double slack = 64 * 1024 * WORKERS, quantum = (double)bit_s / 8000;
		struct naive n = { .depth = (double)bit_s / 800, .per_ns = (double)bit_s / 8e9, .last = now };

		if (n.depth < 3000)
			n.depth = 3000;
		if (quantum < slack / WORKERS)
			slack = quantum * WORKERS;
		n.tokens = n.depth;
		limit(w, 1 + round, 0, (struct zs_police_limits){ .bit_s = bit_s }, false);
		for (uint32_t i = 0; i < ROUNDS(20000); i++) {
			uint32_t size = 1 + (uint32_t)(draw(&s->rng) % 1400);
			struct zs_policer *p = w->worker[draw(&s->rng) % WORKERS];

			now += draw(&s->rng) % 1000 ? draw(&s->rng) % gap : gap * 300;
			refill(&n, now);
			if (zs_policer_packet(p, 1 + round, ZS_TO_EDGE, size, false, now) == ZS_POLICE_PASS) {
				/* a lease may be spent 5 ms after it was paid */
				if (n.tokens + slack + 2 < size)
					fail_msg("round %u packet %u: passed with %.1f tokens for %u", round,
						 i, n.tokens, size);
				n.tokens -= size;
			} else if (n.tokens > size + slack + 2) {
				fail_msg("round %u packet %u: dropped with %.1f tokens for %u", round, i,
					 n.tokens, size);
			}
			if (i % 7 == 0)
				for (uint32_t k = 0; k < WORKERS; k++)
					zs_policer_tick(w->worker[k], now, 16);
		}
	}
	world_free(w);
}

/* --- threads --- */

struct racer {
	struct world *w;
	uint32_t worker;
	uint64_t until, bytes;
};

static void *race(void *arg)
{
	struct racer *r = arg;
	uint64_t now;

	while ((now = zs_clock_ns()) < r->until) {
		for (uint32_t i = 0; i < 32; i++) {
			uint32_t id = 1 + (r->worker + i) % 3;

			if (zs_policer_packet(r->w->worker[r->worker], id, ZS_TO_EDGE, PACKET, false, now) ==
			    ZS_POLICE_PASS)
				r->bytes += PACKET;
		}
		zs_policer_tick(r->w->worker[r->worker], now, 64);
	}
	return NULL;
}

static void test_threads(void **state)
{
	struct world *w = world_new(*state);
	struct racer r[WORKERS];
	pthread_t thread[WORKERS];
	uint64_t begin = zs_clock_ns(), sum = 0;
	double budget;

	limit_tenant(w, 3, (struct zs_police_limits){ .bit_s = 400000000 }, 3, false);
	for (uint32_t id = 1; id <= 3; id++)
		limit(w, id, 3, (struct zs_police_limits){ .bit_s = 300000000 }, false);
	for (uint32_t i = 0; i < WORKERS; i++) {
		r[i] = (struct racer){ .w = w, .worker = i, .until = begin + 300 * MS };
		assert_int_equal(pthread_create(&thread[i], NULL, race, &r[i]), 0);
	}
	for (uint32_t i = 0; i < WORKERS; i++) {
		pthread_join(thread[i], NULL);
		sum += r[i].bytes;
	}
	budget = (double)(zs_clock_ns() - begin) * 0.05 + 2 * 500000 + WORKERS * 64 * 1024.;
	if ((double)sum > budget)
		fail_msg("%lu bytes passed, %.0f may", (unsigned long)sum, budget);
	assert_true(sum > 50000 * 300 / 2); /* they did race for it */
	world_free(w);
}

static void *empty(void *arg)
{
	struct racer *r = arg;
	struct zs_policer *p = r->w->worker[r->worker];

	for (uint32_t id = 1; id < 20; id++)
		while (zs_policer_packet(p, id, ZS_TO_EDGE, 113, false, 9 * S) == ZS_POLICE_PASS)
			r->bytes += 113;
	return NULL;
}

/* Time stands still: what passes is the bursts to the byte, however many take from them at once. */
static void test_one_word(void **state)
{
	struct world *w = world_new(*state);
	struct racer r[WORKERS];
	pthread_t thread[WORKERS];
	uint64_t sum = 0;

	for (uint32_t id = 1; id < 20; id++)
		limit(w, id, 0, (struct zs_police_limits){ .bit_s = 1000000, .burst = ROUNDS(8000000) },
		      false);
	for (uint32_t i = 0; i < WORKERS; i++) {
		r[i] = (struct racer){ .w = w, .worker = i };
		assert_int_equal(pthread_create(&thread[i], NULL, empty, &r[i]), 0);
	}
	for (uint32_t i = 0; i < WORKERS; i++) {
		pthread_join(thread[i], NULL);
		sum += r[i].bytes;
	}
	assert_in_range(sum, 19 * (ROUNDS(8000000) - 113), 19 * ROUNDS(8000000));
	world_free(w);
}

int main(void)
{
#define TEST(t) cmocka_unit_test_setup_teardown(t, scratch_setup, scratch_teardown)
	static const struct CMUnitTest tests[] = {
		TEST(test_rates),     TEST(test_packet_rate), TEST(test_below),	  TEST(test_shares),
		TEST(test_own_first), TEST(test_bursts),      TEST(test_marks),	  TEST(test_return),
		TEST(test_stale),     TEST(test_killed),      TEST(test_many),	  TEST(test_clocks),
		TEST(test_flows),     TEST(test_model),	      TEST(test_threads), TEST(test_one_word),
		TEST(test_undone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
