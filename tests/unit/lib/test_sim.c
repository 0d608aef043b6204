/* The simulated network: the same seed is the same run, rates come out about right, nothing is lost
 * without being counted, and each of its troubles does what it says. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>

#include "base/check.h"
#include "base/clock.h"
#include "sim/sim.h"
#include "unit/random.h"

#define MS ZS_NS_PER_MS
#define S  ZS_NS_PER_S

struct seen {
	struct zs_sim *sim;
	uint64_t count, last_at, timers, timer_at;
	uint32_t last, overtaken;
	struct zs_endpoint from, to;
};

static void on_receive(void *ctx, uint64_t now_ns, const struct zs_endpoint *from,
		       const struct zs_endpoint *to, const uint8_t *bytes, size_t len)
{
	struct seen *s = ctx;
	uint32_t n = 0;

	memcpy(&n, bytes, len < 4 ? len : 4);
	s->overtaken += n < s->last;
	s->last = n;
	s->count++;
	s->last_at = now_ns;
	s->from = *from;
	s->to = *to;
}

static void on_timer(void *ctx, uint64_t now_ns)
{
	struct seen *s = ctx;

	s->timers++;
	s->timer_at = now_ns;
}

static const struct zs_sim_ops ops = { on_receive, on_timer };
static const struct zs_sim_link perfect;

static struct zs_endpoint at(const char *text)
{
	struct zs_endpoint e;

	if (zs_endpoint_parse(&e, text))
		fail_msg("'%s' is no endpoint", text);
	return e;
}

struct pair {
	struct zs_sim *sim;
	struct seen a, b;
	struct zs_endpoint ea, eb;
};

static void pair_new(struct pair *p, uint64_t seed, const struct zs_sim_link *up)
{
	*p = (struct pair){ .sim = zs_sim_new(seed), .ea = at("192.0.2.1:1000"), .eb = at("192.0.2.2:2000") };
	assert_int_equal(zs_sim_node(p->sim, &ops, &p->a), 0);
	assert_int_equal(zs_sim_node(p->sim, &ops, &p->b), 1);
	assert_int_equal(zs_sim_bind(p->sim, 0, &p->ea), 0);
	assert_int_equal(zs_sim_bind(p->sim, 1, &p->eb), 0);
	if (up)
		zs_sim_set_links(p->sim, 0, up, &perfect);
}

static void send(struct pair *p, uint32_t n, size_t len)
{
	uint8_t bytes[2000] = { 0 };

	memcpy(bytes, &n, sizeof(n));
	assert_int_equal(zs_sim_send(p->sim, 0, &p->ea, &p->eb, bytes, len), 0);
}

static void adds_up(const struct zs_sim *sim)
{
	struct zs_sim_stats s = zs_sim_stats(sim);
	uint64_t lost = 0;

	for (int i = 0; i < ZS_SIM_LOSSES; i++)
		lost += s.lost[i];
	assert_int_equal(s.sent + s.duplicated, s.delivered + lost + s.in_flight);
}

static void a_perfect_link(void **state)
{
	struct pair p;

	pair_new(&p, 1, NULL);
	send(&p, 7, 4);
	assert_int_equal(zs_sim_stats(p.sim).in_flight, 1);
	zs_sim_run(p.sim, 2 * S);
	assert_int_equal(p.b.count, 1);
	assert_int_equal(p.b.last, 7);
	assert_int_equal(p.b.last_at, S); /* at once */
	assert_int_equal(p.b.from.port, 1000);
	assert_int_equal(p.b.to.port, 2000);
	assert_int_equal(zs_sim_now(p.sim), 2 * S);
	assert_int_equal(zs_sim_send(p.sim, 0, &p.eb, &p.ea, "", 0), -EADDRNOTAVAIL);
	assert_int_equal(zs_sim_bind(p.sim, 0, &p.eb), -EADDRINUSE);
	zs_sim_unbind(p.sim, 1, &p.eb);
	send(&p, 8, 4);
	zs_sim_run(p.sim, 3 * S);
	assert_int_equal(p.b.count, 1);
	assert_int_equal(zs_sim_stats(p.sim).lost[ZS_SIM_LOST_NOBODY], 1);
	adds_up(p.sim);
	zs_sim_delete(p.sim);
}

#define MANY 20000

/* n of MANY within 10 % of p, and never off by less than chance allows for p ≥ 5 %. */
static void about(uint64_t n, double p)
{
	double want = p * MANY;

	if ((double)n < want * 0.9 || (double)n > want * 1.1)
		fail_msg("%llu, expected about %.0f", (unsigned long long)n, want);
}

static void rates_come_out_about_right(void **state)
{
	struct random r = random_new("sim");
	struct zs_sim_link up = { .delay_ns = 20 * MS,
				  .jitter_ns = 10 * MS,
				  .loss_ppm = 100000,
				  .duplicate_ppm = 50000,
				  .reorder_ppm = 100000,
				  .reorder_ns = 15 * MS };
	struct zs_sim_stats s;
	struct pair p;

	pair_new(&p, random_u64(&r), &up);
	for (uint32_t i = 0; i < MANY; i++) {
		send(&p, i, 100);
		zs_sim_run(p.sim, zs_sim_now(p.sim) + MS);
		if (i % 1000 == 0)
			adds_up(p.sim);
	}
	zs_sim_run(p.sim, zs_sim_now(p.sim) + S);
	s = zs_sim_stats(p.sim);
	adds_up(p.sim);
	assert_int_equal(s.in_flight, 0);
	about(s.duplicated, 0.05);
	about(s.lost[ZS_SIM_LOST_LINK], 0.1 * 1.05);
	about(s.delivered, 0.9 * 1.05);
	about(s.reordered, 0.1 * 0.9 * 1.05);
	assert_in_range(p.b.overtaken, MANY / 20, MANY / 8);
	zs_sim_delete(p.sim);
}

static void delay_and_jitter_keep_order(void **state)
{
	struct zs_sim_link up = { .delay_ns = 20 * MS, .jitter_ns = 10 * MS };
	uint64_t least = UINT64_MAX, most = 0, count = 0;
	struct pair p;

	pair_new(&p, 5, &up);
	for (uint32_t i = 0; i < 2000; i++) {
		uint64_t start = zs_sim_now(p.sim), took;
		send(&p, i, 100);
		zs_sim_run(p.sim, start + 40 * MS);
		assert_int_equal(p.b.count, ++count);
		took = p.b.last_at - start;
		least = took < least ? took : least;
		most = took > most ? took : most;
	}
	assert_in_range(least, 20 * MS, 20 * MS + MS / 4);
	assert_in_range(most, 30 * MS - MS / 4, 30 * MS - 1);
	for (uint32_t i = 0; i < 1000; i++)
		send(&p, 2000 + i, 100);
	zs_sim_run(p.sim, zs_sim_now(p.sim) + S);
	assert_int_equal(p.b.overtaken, 0);
	zs_sim_delete(p.sim);
}

/* 1,000 bytes each at 8 Mbit/s: one a millisecond; a queue of 10,000 bytes holds ten behind the first. */
static void a_slow_link_queues_and_drops(void **state)
{
	struct zs_sim_link up = { .rate_bps = 8000000, .queue_bytes = 10000, .mtu = 1200 };
	struct pair p;

	pair_new(&p, 5, &up);
	send(&p, 0, 1201);
	assert_int_equal(zs_sim_stats(p.sim).lost[ZS_SIM_LOST_MTU], 1);
	for (uint32_t i = 0; i < 20; i++)
		send(&p, i, 1000);
	assert_int_equal(zs_sim_stats(p.sim).lost[ZS_SIM_LOST_QUEUE], 10);
	zs_sim_run(p.sim, S + 5 * MS);
	assert_int_equal(p.b.count, 5);
	zs_sim_run(p.sim, 2 * S);
	assert_int_equal(p.b.count, 10);
	assert_int_equal(p.b.last_at, S + 10 * MS);
	adds_up(p.sim);
	zs_sim_delete(p.sim);
}

static void cone_nat_and_rebinding(void **state)
{
	struct zs_endpoint inside = at("10.0.0.2:5000"), first, third = at("192.0.2.9:9");
	struct zs_addr outside = at("192.0.2.7:1").addr;
	struct seen in = { 0 };
	struct pair p;

	pair_new(&p, 1, NULL);
	uint32_t nat = zs_sim_nat(p.sim, &outside, ZS_SIM_NAT_CONE, 30 * S),
		 node = zs_sim_node(p.sim, &ops, &in);
	zs_sim_behind(p.sim, node, nat);
	assert_int_equal(zs_sim_bind(p.sim, node, &inside), 0);
	zs_sim_send(p.sim, node, &inside, &p.eb, "x", 1);
	zs_sim_run(p.sim, 2 * S);
	assert_int_equal(p.b.count, 1);
	assert_true(zs_addr_eq(&p.b.from.addr, &outside));
	first = p.b.from;
	zs_sim_send(p.sim, 1, &p.eb, &first, "y", 1); /* the answer */
	zs_sim_send(p.sim, 0, &p.ea, &first, "z", 1); /* a stranger's: a cone lets it in */
	zs_sim_run(p.sim, 3 * S);
	assert_int_equal(in.count, 2);
	assert_memory_equal(&in.to.addr, &inside.addr, 16);
	assert_int_equal(in.to.port, 5000);
	zs_sim_rebind(p.sim, nat);
	zs_sim_send(p.sim, 1, &p.eb, &first, "y", 1);
	zs_sim_run(p.sim, 4 * S);
	assert_int_equal(zs_sim_stats(p.sim).lost[ZS_SIM_LOST_NAT], 1);
	zs_sim_send(p.sim, node, &inside, &p.eb, "x", 1);
	zs_sim_run(p.sim, 5 * S);
	assert_int_not_equal(p.b.from.port, first.port);
	first = p.b.from;
	zs_sim_run(p.sim, 40 * S); /* idle: forgotten */
	zs_sim_send(p.sim, 1, &p.eb, &first, "y", 1);
	zs_sim_run(p.sim, 41 * S);
	assert_int_equal(in.count, 2);
	assert_int_equal(zs_sim_stats(p.sim).lost[ZS_SIM_LOST_NAT], 2);
	assert_int_equal(zs_sim_bind(p.sim, 0, &third), 0);
	assert_int_equal(zs_sim_send(p.sim, 0, &p.ea, &inside, "in", 2), 0); /* no way in from the net */
	zs_sim_run(p.sim, 42 * S);
	assert_int_equal(zs_sim_stats(p.sim).lost[ZS_SIM_LOST_NOBODY], 1);
	adds_up(p.sim);
	zs_sim_delete(p.sim);
}

static void symmetric_nat(void **state)
{
	struct zs_endpoint inside = at("10.0.0.2:5000"), neighbour = at("10.0.0.3:5000"), to_a, to_b;
	struct zs_addr outside = at("192.0.2.7:1").addr;
	struct seen in[2] = { 0 };
	struct pair p;

	pair_new(&p, 1, NULL);
	uint32_t nat = zs_sim_nat(p.sim, &outside, ZS_SIM_NAT_SYMMETRIC, 30 * S), n = 0;
	for (int i = 0; i < 2; i++) {
		n = zs_sim_node(p.sim, &ops, &in[i]);
		zs_sim_behind(p.sim, n, nat);
		assert_int_equal(zs_sim_bind(p.sim, n, i ? &neighbour : &inside), 0);
	}
	zs_sim_send(p.sim, n - 1, &inside, &p.ea, "x", 1);
	zs_sim_send(p.sim, n - 1, &inside, &p.eb, "x", 1);
	zs_sim_send(p.sim, n - 1, &inside, &neighbour, "x", 1); /* inside, untranslated */
	zs_sim_run(p.sim, 2 * S);
	to_a = p.a.from;
	to_b = p.b.from;
	assert_int_not_equal(to_a.port, to_b.port);
	assert_int_equal(in[1].count, 1);
	assert_int_equal(in[1].from.port, 5000);
	zs_sim_send(p.sim, 1, &p.eb, &to_a, "y", 1); /* a's port is not for b */
	zs_sim_send(p.sim, 1, &p.eb, &to_b, "y", 1);
	zs_sim_run(p.sim, 3 * S);
	assert_int_equal(in[0].count, 1);
	assert_int_equal(zs_sim_stats(p.sim).lost[ZS_SIM_LOST_NAT], 1);
	zs_sim_delete(p.sim);
}

static void partitions_and_crashes(void **state)
{
	struct zs_sim_link slow = { .delay_ns = 10 * MS };
	struct pair p;

	pair_new(&p, 1, &slow);
	zs_sim_partition(p.sim, 1, 1);
	send(&p, 1, 4);
	zs_sim_run(p.sim, 2 * S);
	assert_int_equal(zs_sim_stats(p.sim).lost[ZS_SIM_LOST_PARTITION], 1);
	zs_sim_partition(p.sim, 1, 0);
	zs_sim_set_timer(p.sim, 1, 2 * S + 5 * MS);
	send(&p, 2, 4);
	zs_sim_crash(p.sim, 1, true); /* on its way already */
	zs_sim_run(p.sim, 3 * S);
	assert_int_equal(p.b.count + p.b.timers, 0);
	zs_sim_send(p.sim, 1, &p.eb, &p.ea, "x", 1);
	assert_int_equal(zs_sim_stats(p.sim).lost[ZS_SIM_LOST_CRASHED], 2);
	zs_sim_crash(p.sim, 1, false);
	send(&p, 3, 4);
	zs_sim_run(p.sim, 4 * S);
	assert_int_equal(p.b.count, 1);
	assert_int_equal(p.b.timers, 0);
	adds_up(p.sim);
	zs_sim_delete(p.sim);
}

static void timers_and_clock_jumps(void **state)
{
	struct pair p;

	pair_new(&p, 1, NULL);
	zs_sim_set_timer(p.sim, 0, 5 * S);
	zs_sim_set_timer(p.sim, 0, 3 * S);
	zs_sim_set_timer(p.sim, 0, 4 * S); /* the last one counts */
	zs_sim_run(p.sim, 3 * S + S / 2);
	assert_int_equal(p.a.timers, 0);
	zs_sim_run(p.sim, 6 * S);
	assert_int_equal(p.a.timers, 1);
	assert_int_equal(p.a.timer_at, 4 * S);

	zs_sim_set_timer(p.sim, 0, 10 * S);
	zs_sim_jump(p.sim, 0, (int64_t)(2 * S)); /* two seconds early in the simulator's time */
	zs_sim_run(p.sim, 8 * S);
	assert_int_equal(p.a.timers, 2);
	assert_int_equal(p.a.timer_at, 10 * S);
	zs_sim_set_timer(p.sim, 0, 11 * S);
	zs_sim_jump(p.sim, 0, -(int64_t)(5 * S));
	zs_sim_run(p.sim, 13 * S);
	assert_int_equal(p.a.timers, 2);
	zs_sim_run(p.sim, 14 * S);
	assert_int_equal(p.a.timers, 3);
	zs_sim_set_timer(p.sim, 0, 100 * S);
	zs_sim_jump(p.sim, 0, (int64_t)(1000 * S)); /* past it: at once */
	zs_sim_run(p.sim, zs_sim_now(p.sim));
	assert_int_equal(p.a.timers, 4);
	assert_int_equal(zs_sim_node_now(p.sim, 1), 14 * S); /* the others' clocks stand */
	zs_sim_set_timer(p.sim, 0, 1);
	zs_sim_set_timer(p.sim, 0, ZS_SIM_NEVER);
	zs_sim_run(p.sim, 20 * S);
	assert_int_equal(p.a.timers, 4);
	zs_sim_delete(p.sim);
}

/* A storm of everything at once; what it leaves as a trace depends on the seed alone. */
static uint64_t storm(uint64_t seed, struct zs_sim_stats *stats)
{
	struct random r = { 42 };
	struct zs_sim *sim = zs_sim_new(seed);
	struct seen seen[12] = { 0 };
	struct zs_endpoint ep[12];
	struct zs_addr outside = at("192.0.2.99:1").addr;
	uint32_t nat = zs_sim_nat(sim, &outside, ZS_SIM_NAT_SYMMETRIC, S);
	uint64_t trace;

	for (uint32_t i = 0; i < 12; i++) {
		struct zs_sim_link l = { .delay_ns = MS * i,
					 .jitter_ns = 5 * MS,
					 .loss_ppm = 20000,
					 .duplicate_ppm = 20000,
					 .reorder_ppm = 50000,
					 .reorder_ns = 7 * MS,
					 .rate_bps = 100000,
					 .queue_bytes = 4000 };
		zs_sim_node(sim, &ops, &seen[i]);
		zs_sim_set_links(sim, i, &l, &l);
		ep[i] = at("192.0.2.1:700");
		ep[i].port = (uint16_t)(700 + i);
		if (i >= 9)
			zs_sim_behind(sim, i, nat);
		assert_int_equal(zs_sim_bind(sim, i, &ep[i]), 0);
	}
	for (int n = 0; n < 5000; n++) {
		uint32_t a = random_below(&r, 12), b = random_below(&r, 12);
		uint8_t bytes[600] = { 0 };
		random_bytes(&r, bytes, 8);
		zs_sim_send(sim, a, &ep[a], seen[a].from.port && n % 3 == 0 ? &seen[a].from : &ep[b], bytes,
			    random_below(&r, 600));
		if (n % 100 == 0)
			zs_sim_rebind(sim, nat);
		if (n % 170 == 0)
			zs_sim_crash(sim, b, n % 340 == 0);
		if (n % 190 == 0)
			zs_sim_partition(sim, a, n % 380 == 0);
		zs_sim_set_timer(sim, a, zs_sim_node_now(sim, a) + random_below(&r, 50000000));
		zs_sim_jump(sim, b, (int64_t)random_below(&r, 2000) - 1000);
		zs_sim_run(sim, zs_sim_now(sim) + random_below(&r, 2000000));
	}
	adds_up(sim);
	while (zs_sim_step(sim))
		;
	adds_up(sim);
	*stats = zs_sim_stats(sim);
	assert_int_equal(stats->in_flight, 0);
	trace = zs_sim_trace(sim);
	zs_sim_delete(sim);
	return trace;
}

static void a_seed_is_a_run(void **state)
{
	struct zs_sim_stats one, same, other;
	uint64_t trace = storm(1, &one);

	assert_int_equal(storm(1, &same), trace);
	assert_memory_equal(&one, &same, sizeof(one));
	assert_int_not_equal(storm(2, &other), trace);
	for (int i = 0; i < ZS_SIM_LOSSES; i++)
		if (i != ZS_SIM_LOST_MTU && !one.lost[i])
			fail_msg("nothing was lost by %s", zs_sim_loss_name((enum zs_sim_loss)i));
	assert_true(one.delivered > 1000 && one.duplicated > 50 && one.reordered > 100);
}

/* What was not run when it is deleted is freed (by the sanitizer's word). */
static void deleted_in_flight(void **state)
{
	struct pair p;

	pair_new(&p, 1, NULL);
	for (uint32_t i = 0; i < 10; i++)
		send(&p, i, 100);
	zs_sim_delete(p.sim);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_perfect_link),
		cmocka_unit_test(rates_come_out_about_right),
		cmocka_unit_test(delay_and_jitter_keep_order),
		cmocka_unit_test(a_slow_link_queues_and_drops),
		cmocka_unit_test(cone_nat_and_rebinding),
		cmocka_unit_test(symmetric_nat),
		cmocka_unit_test(partitions_and_crashes),
		cmocka_unit_test(timers_and_clock_jumps),
		cmocka_unit_test(a_seed_is_a_run),
		cmocka_unit_test(deleted_in_flight),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
