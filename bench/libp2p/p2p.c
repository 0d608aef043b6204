/* The run: both stands in turns, then both hold their connections at the same time.
 *
 *   100 idle connections each ─ rounds of handshakes, streams (≥ 30 s) ─ RSS ─ 1,000 more ─ 30 s ─ RSS ─ pings */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include "base/check.h"
#include "base/clock.h"
#include "libp2p/p2p.h"

#define FIRST	  100u
#define MORE	  1000u /* idle: FIRST has more than ZS_P2P_PINGERS */
#define SETTLE_NS (30 * ZS_NS_PER_S)
#define FILES	  4096 /* a socket for each held connection, of both stands */

enum side { OURS, GO, SIDES };

struct bench {
	struct zs_loop *loop;
	struct zs_p2p_stand stand[SIDES];
	uint32_t sides; /* 1: go's peer cannot be had */
	struct zs_p2p_bare bare;
	uint64_t began_ns, held_ns;
};

static void say(const struct bench *b, const char *what)
{
	fprintf(stderr, "  %3.0f s  %s\n", (double)(zs_clock_ns() - b->began_ns) / 1e9, what);
}

/* The program of go's peer, as tests/interop/build tells. False: it cannot be had. */
static bool build_go(const struct zs_bench_options *opt, char path[512])
{
	char command[600];
	size_t len = 0;

	snprintf(command, sizeof(command), "%s/../../tests/interop/build go", opt->bin_dir);
	FILE *p = popen(command, "re");
	if (p)
		len = fread(path, 1, 511, p);
	path[len] = 0;
	path[strcspn(path, "\n")] = 0;
	return p && pclose(p) == 0 && *path;
}

static int open_stands(struct bench *b, const struct zs_bench_options *opt, struct zs_error *err)
{
	char self[300], go[512];
	char *ours[] = { self, ZS_P2P_LISTENER, NULL }, *theirs[] = { go, "bench-listener", NULL };
	int rc;

	snprintf(self, sizeof(self), "%s/zs-bench", opt->bin_dir);
	fprintf(stderr, "go's peer (tests/interop/build go) …\n");
	bool have_go = build_go(opt, go);
	if (!have_go)
		fprintf(stderr, "go's peer cannot be had: only ours is measured\n");
	b->began_ns = zs_clock_ns();
	rc = zs_p2p_stand_open(&b->stand[OURS], b->loop, "ours", ours, err);
	b->sides = 1;
	if (rc == 0 && have_go) {
		b->sides = SIDES;
		rc = zs_p2p_stand_open(&b->stand[GO], b->loop, "go", theirs, err);
	}
	return rc;
}

static int hold(struct bench *b, uint32_t more, struct zs_error *err)
{
	int rc = 0;

	for (uint32_t i = 0; rc == 0 && i < b->sides; i++)
		rc = zs_p2p_stand_hold(&b->stand[i], more, err);
	b->held_ns = zs_clock_ns();
	return rc;
}

static void settle(struct bench *b)
{
	uint64_t now = zs_clock_ns();

	if (now < b->held_ns + SETTLE_NS)
		zs_p2p_idle(b->loop, b->held_ns + SETTLE_NS - now);
}

typedef int stage_fn(struct zs_p2p_stand *s, struct zs_error *err);

/* Each stage against ours, then against go's, then the next stage. */
static int rounds(struct bench *b, stage_fn *const *stages, size_t count, uint32_t repeats,
		  struct zs_error *err)
{
	char text[64];
	int rc = 0;

	for (uint32_t r = 0; rc == 0 && r < repeats; r++) {
		for (size_t i = 0; rc == 0 && i < count * b->sides; i++)
			rc = stages[i / b->sides](&b->stand[i % b->sides], err);
		snprintf(text, sizeof(text), "round %u of %u", r + 1, repeats);
		say(b, text);
	}
	return rc;
}

static int measure(struct bench *b, const struct zs_bench_options *opt, struct zs_error *err)
{
	static stage_fn *const work[] = { zs_p2p_stage_handshakes, zs_p2p_stage_returning,
					  zs_p2p_stage_streams };
	static stage_fn *const crowded[] = { zs_p2p_stage_packets };
	int rc = hold(b, FIRST, err);

	if (rc == 0)
		rc = zs_p2p_bare_measure(&b->bare, opt->repeats, err);
	if (rc)
		return rc;
	say(b, "handshakes and streams");
	rc = rounds(b, work, ZS_ARRAY_LEN(work), opt->repeats, err);
	if (rc)
		return rc;
	settle(b);
	for (uint32_t i = 0; i < b->sides; i++)
		b->stand[i].rss_before = zs_p2p_peer_rss(&b->stand[i].idle);
	say(b, "1,000 more idle connections to each");
	rc = hold(b, MORE, err);
	if (rc)
		return rc;
	say(b, "both listeners settle for 30 s");
	settle(b);
	for (uint32_t i = 0; i < b->sides; i++) {
		struct zs_p2p_stand *s = &b->stand[i];
		for (uint32_t k = 0; k < s->held_count; k++)
			if (s->held[k]->state != ZS_P2P_CALL_READY)
				return zs_error_set(err, -ECONNRESET, ZS_EXIT_FAILED,
						    "%s: an idle connection was lost: %s", s->name,
						    s->held[k]->why);
		s->idle_bytes = ((double)zs_p2p_peer_rss(&s->idle) - (double)s->rss_before) / MORE;
	}
	say(b, "packets beside the idle connections");
	return rounds(b, crowded, ZS_ARRAY_LEN(crowded), opt->repeats, err);
}

/* --- report ----------------------------------------------------------------------------------- */

struct figure {
	const char *name, *unit;
	size_t samples; /* offset in struct zs_p2p_stand */
	enum zs_better better;
};
#define SAMPLES(member) offsetof(struct zs_p2p_stand, member)
static const struct figure figures[] = {
	{ "handshake_cpu_us", "us of CPU, a new identity each", SAMPLES(handshake), ZS_LESS },
	{ "handshake_cpu_us_returning", "us of CPU, the certificate is known", SAMPLES(returning), ZS_LESS },
	{ "cpu_s_per_gb_received", "s of CPU", SAMPLES(up), ZS_LESS },
	{ "cpu_s_per_gb_sent", "s of CPU", SAMPLES(down), ZS_LESS },
	{ "mb_s_received", "MB/s", SAMPLES(up_mb_s), ZS_MORE },
	{ "mb_s_sent", "MB/s", SAMPLES(down_mb_s), ZS_MORE },
	{ "packets_per_second", "packets/s", SAMPLES(pps), ZS_MORE },
	{ "packet_cpu_us", "us of CPU", SAMPLES(packet), ZS_LESS },
	{ "pings_per_second", "pings/s, of 16 connections", SAMPLES(pings), ZS_MORE },
	{ "ping_cpu_us", "us of CPU", SAMPLES(ping), ZS_LESS },
};

static const struct zs_samples *samples_of(const struct bench *b, const struct figure *f, uint32_t side)
{
	return (const void *)((const char *)&b->stand[side] + f->samples);
}

static void set(json_t *report, enum side side, const char *name, json_t *value)
{
	char key[64];

	snprintf(key, sizeof(key), "%s%s", side == GO ? "go_" : "", name);
	json_object_set_new(report, key, value);
}

/* NAN: not measured. `ratio` of a round's ours to the same round's go, so that a drift of the machine cancels. */
static void tell(json_t *report, json_t *ratios, const char *name, const char *unit,
		 const double value[SIDES], double ratio)
{
	for (int i = 0; i < SIDES; i++)
		set(report, i, name, isnan(value[i]) ? json_null() : json_real(value[i]));
	json_object_set_new(ratios, name, isnan(value[GO]) ? json_null() : json_real(ratio));
	fprintf(stderr, "%-28s %12.2f", name, value[OURS]);
	if (!isnan(value[GO]))
		fprintf(stderr, " %12.2f %7.2f", value[GO], ratio);
	else
		fprintf(stderr, " %12s %7s", "-", "-");
	fprintf(stderr, "   %s\n", unit);
}

static void tell_figure(const struct bench *b, json_t *report, json_t *ratios, const struct figure *f)
{
	const struct zs_samples *ours = samples_of(b, f, OURS), *go = samples_of(b, f, GO);
	double value[SIDES] = { zs_samples_median(ours), b->sides == SIDES ? zs_samples_median(go) : NAN };
	struct zs_samples ratio = { 0 };

	for (uint32_t i = 0; i < ours->count && i < go->count; i++)
		zs_samples_add(&ratio, ours->value[i] / go->value[i]);
	tell(report, ratios, f->name, f->unit, value, zs_samples_median(&ratio));
}

static double worse(const struct zs_p2p_stand *s)
{
	double up = zs_samples_median(&s->up), down = zs_samples_median(&s->down);

	return up > down ? up : down;
}

static void report_on(const struct bench *b, json_t *report)
{
	json_t *spread = json_object(), *ratios = json_object();
	double value[SIDES] = { NAN, NAN };

	fprintf(stderr, "\n%-28s %12s %12s %7s\n", "", "ours", "go", "ours/go");
	for (size_t k = 0; k < ZS_ARRAY_LEN(figures); k++) {
		for (uint32_t i = 0; i < b->sides; i++)
			set(spread, i, figures[k].name, zs_samples_json(samples_of(b, &figures[k], i)));
		tell_figure(b, report, ratios, &figures[k]);
		zs_report_metric(report, figures[k].name, figures[k].unit, figures[k].better,
				 samples_of(b, &figures[k], OURS));
	}
	for (uint32_t i = 0; i < b->sides; i++)
		value[i] = worse(&b->stand[i]);
	tell(report, ratios, "cpu_s_per_gb", "s of CPU, the worse direction", value, value[OURS] / value[GO]);
	for (uint32_t i = 0; i < b->sides; i++)
		value[i] = b->stand[i].idle_bytes;
	tell(report, ratios, "idle_bytes_per_connection", "bytes of RSS", value, value[OURS] / value[GO]);
	json_object_set_new(report, "ratio_to_go", ratios);
	const struct zs_p2p_bare *p = &b->bare;
	json_object_set_new(report, "bare_us", json_real(zs_p2p_bare_us(p)));
	json_object_set_new(report, "bare_operations_us",
			    json_pack("{s:f,s:f,s:f,s:f,s:f}", "p256_sign", p->p256_sign, "p256_verify",
				      p->p256_verify, "ed25519_verify", p->ed25519_verify, "x25519_keygen",
				      p->x25519_keygen, "x25519_derive", p->x25519_derive));
	fprintf(stderr, "%-28s %12.2f %12s %7s   us of CPU, BoringSSL's operations of one end\n", "bare_us",
		zs_p2p_bare_us(p), "", "");
	json_object_set_new(report, "spread", spread);
	json_object_set_new(report, "took_s", json_real((double)(zs_clock_ns() - b->began_ns) / 1e9));
}

static int run(const struct zs_bench_options *opt, json_t *report, struct zs_error *err)
{
	struct bench *b = calloc(1, sizeof(*b));
	struct rlimit files;
	int rc = b ? zs_loop_new(&b->loop, ZS_LOOP_AUTO, err) : -ENOMEM;

	if (rc)
		goto out;
	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	if (files.rlim_max < FILES || setrlimit(RLIMIT_NOFILE, &files)) {
		rc = zs_error_set(err, -EMFILE, ZS_EXIT_RESOURCE,
				  "%d open files are needed; raise the limit (ulimit -Hn)", FILES);
		goto out;
	}
	rc = open_stands(b, opt, err);
	if (rc == 0)
		rc = measure(b, opt, err);
	if (rc == 0)
		report_on(b, report);
	for (int i = 0; i < SIDES; i++)
		zs_p2p_stand_close(&b->stand[i]);
	zs_loop_delete(b->loop);
out:
	free(b);
	return rc;
}

const struct zs_bench zs_bench_p2p = {
	.name = "p2p",
	.help = "our libp2p listener against go-libp2p's: handshakes, idle connections, streams, packets",
	.run = run,
};
