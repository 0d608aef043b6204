/* The measurements of one stand: a listener that is worked, and one that holds idle connections. */
#include <errno.h>
#include <stdlib.h>
#include "base/clock.h"
#include "libp2p/p2p.h"

#define REGULARS   8
#define HANDSHAKES 120 /* a round; a multiple of REGULARS */
#define AT_ONCE	   8   /* dials under way */
#define BYTES	   (64u << 20)
#define PING_NS	   (500 * ZS_NS_PER_MS)
#define SETTLE_NS  (100 * ZS_NS_PER_MS) /* closes and last acknowledgements are in */
#define HELD_MAX   2048

int zs_p2p_stand_open(struct zs_p2p_stand *s, struct zs_loop *loop, const char *name, char *const argv[],
		      struct zs_error *err)
{
	int rc;

	*s = (struct zs_p2p_stand){ .loop = loop,
				    .name = name,
				    .regulars = calloc(REGULARS, sizeof(struct zs_p2p_caller *)),
				    .held = calloc(HELD_MAX, sizeof(struct zs_p2p_caller *)) };
	if (!s->regulars || !s->held)
		return zs_error_set(err, -ENOMEM, ZS_EXIT_RESOURCE, "out of memory");
	rc = zs_p2p_peer_start(&s->worked, argv, err);
	if (rc == 0)
		rc = zs_p2p_peer_start(&s->idle, argv, err);
	for (int i = 0; rc == 0 && i < REGULARS; i++)
		rc = zs_p2p_caller_new(&s->regulars[i], loop, err);
	if (rc == 0)
		rc = zs_p2p_caller_new(&s->steady, loop, err);
	if (rc == 0)
		rc = zs_p2p_caller_dial(s->steady, &s->worked, err);
	return rc ? rc : zs_p2p_caller_wait(s->steady, loop, err);
}

void zs_p2p_stand_close(struct zs_p2p_stand *s)
{
	zs_p2p_peer_stop(&s->worked);
	zs_p2p_peer_stop(&s->idle);
	zs_p2p_caller_delete(s->steady);
	for (int i = 0; s->regulars && i < REGULARS; i++)
		zs_p2p_caller_delete(s->regulars[i]);
	for (uint32_t i = 0; i < s->held_count; i++)
		zs_p2p_caller_delete(s->held[i]);
	free(s->regulars);
	free(s->held);
}

/* Dials `count` times, AT_ONCE under way. caller() gives the next dialler, done() takes it when it is ready. */
struct rush {
	struct zs_p2p_stand *stand;
	const struct zs_p2p_peer *to;
	uint32_t count;
	int (*caller)(struct zs_p2p_stand *s, uint32_t number, struct zs_p2p_caller **out,
		      struct zs_error *err);
	void (*done)(struct zs_p2p_stand *s, struct zs_p2p_caller *c);
};

static int rush(const struct rush *r, struct zs_error *err)
{
	struct zs_p2p_caller *at[AT_ONCE];
	int rc = 0;

	for (uint32_t i = 0; rc == 0 && i < r->count + AT_ONCE; i++) {
		struct zs_p2p_caller **slot = &at[i % AT_ONCE];
		if (i >= AT_ONCE) {
			rc = zs_p2p_caller_wait(*slot, r->stand->loop, err);
			r->done(r->stand, *slot);
		}
		if (rc == 0 && i < r->count)
			rc = r->caller(r->stand, i, slot, err);
		if (rc == 0 && i < r->count)
			rc = zs_p2p_caller_dial(*slot, r->to, err);
	}
	return rc;
}

static int new_caller(struct zs_p2p_stand *s, uint32_t number, struct zs_p2p_caller **out,
		      struct zs_error *err)
{
	return zs_p2p_caller_new(out, s->loop, err);
}

static int regular(struct zs_p2p_stand *s, uint32_t number, struct zs_p2p_caller **out, struct zs_error *err)
{
	*out = s->regulars[number % REGULARS];
	return 0;
}

static void end(struct zs_p2p_stand *s, struct zs_p2p_caller *c)
{
	zs_p2p_caller_hang_up(c);
	zs_p2p_caller_delete(c);
}

static void hang_up(struct zs_p2p_stand *s, struct zs_p2p_caller *c)
{
	zs_p2p_caller_hang_up(c);
}

static void hold(struct zs_p2p_stand *s, struct zs_p2p_caller *c)
{
	s->held[s->held_count++] = c;
}

static int measure_rush(struct rush r, struct zs_samples *us, struct zs_error *err)
{
	uint64_t before = zs_p2p_peer_cpu_ns(r.to);
	int rc = rush(&r, err);

	zs_p2p_idle(r.stand->loop, SETTLE_NS);
	if (rc == 0)
		zs_samples_add(us, (double)(zs_p2p_peer_cpu_ns(r.to) - before) / r.count / 1e3);
	return rc;
}

int zs_p2p_stage_handshakes(struct zs_p2p_stand *s, struct zs_error *err)
{
	return measure_rush((struct rush){ s, &s->worked, HANDSHAKES, new_caller, end }, &s->handshake, err);
}

int zs_p2p_stage_returning(struct zs_p2p_stand *s, struct zs_error *err)
{
	return measure_rush((struct rush){ s, &s->worked, HANDSHAKES, regular, hang_up }, &s->returning, err);
}

int zs_p2p_stand_hold(struct zs_p2p_stand *s, uint32_t more, struct zs_error *err)
{
	return rush(&(struct rush){ s, &s->idle, more, new_caller, hold }, err);
}

static int measure_stream(struct zs_p2p_stand *s,
			  int (*flow)(struct zs_p2p_caller *c, struct zs_loop *loop, uint64_t bytes,
				      struct zs_error *err),
			  struct zs_samples *cpu_s_per_gb, struct zs_samples *mb_s, struct zs_error *err)
{
	uint64_t cpu = zs_p2p_peer_cpu_ns(&s->worked), began = zs_clock_ns();
	int rc = flow(s->steady, s->loop, BYTES, err);

	if (rc)
		return rc;
	zs_samples_add(mb_s, BYTES / 1e6 / ((double)(zs_clock_ns() - began) / 1e9));
	zs_samples_add(cpu_s_per_gb, (double)(zs_p2p_peer_cpu_ns(&s->worked) - cpu) / BYTES);
	return 0;
}

int zs_p2p_stage_streams(struct zs_p2p_stand *s, struct zs_error *err)
{
	int rc = measure_stream(s, zs_p2p_upload, &s->up, &s->up_mb_s, err);

	return rc ? rc : measure_stream(s, zs_p2p_download, &s->down, &s->down_mb_s, err);
}

/* The dialler's datagrams, both ways. */
static uint64_t packets(const struct zs_p2p_stand *s)
{
	struct zs_host_stats stats;
	uint64_t sum = 0;

	for (uint32_t i = 0; i < ZS_P2P_PINGERS; i++) {
		zs_host_stats(s->held[i]->node.host, &stats);
		sum += stats.quic.rx + stats.quic.tx;
	}
	return sum;
}

int zs_p2p_stage_packets(struct zs_p2p_stand *s, struct zs_error *err)
{
	uint64_t rounds, cpu = zs_p2p_peer_cpu_ns(&s->idle), before = packets(s), began = zs_clock_ns();
	int rc = zs_p2p_pings(s->held, s->loop, PING_NS, &rounds, err);
	double n = (double)(packets(s) - before);

	if (rc)
		return rc;
	double took_s = (double)(zs_clock_ns() - began) / 1e9;
	double cpu_us = (double)(zs_p2p_peer_cpu_ns(&s->idle) - cpu) / 1e3;
	zs_samples_add(&s->pps, n / took_s);
	zs_samples_add(&s->packet, cpu_us / n);
	zs_samples_add(&s->pings, (double)rounds / took_s);
	zs_samples_add(&s->ping, cpu_us / (double)rounds);
	return 0;
}
