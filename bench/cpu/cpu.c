/* zs-bench cpu: what relaying costs a host, and how fast it goes, on veth. Each contender gets the same packets from the same
 * sender and gives them to the same sink: first at a rate that all of them stand, where CPU is told, then as fast as the sender goes.
 * CPU of a contender is what idle loops lose beside it, less what they lose beside a bare wire in the same round. Those with clients of
 * their own are told by what their relaying processes took: the clients' share of the idle loops is nobody's to know. */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "base/check.h"
#include "base/clock.h"
#include "core/probe.h"
#include "cpu/idle.h"
#include "cpu/report.h"
#include "planes.h"

#define RATE	     40000 /* packets a second, which each stands, unless --rate says another … */
#define CLIENTS_PART 4	   /* … and this part of it for those whose clients want CPU of their own */
#define LEAD_MS	     300   /* of a load before it is looked at */
#define TAIL_MS	     100
#define CALIBRATES   3 /* each round */

struct one {
	double idle;	     /* seconds a second that the loops of all CPUs had, at the rate */
	double process, got; /* seconds of CPU a million packets; packets a second */
	uint64_t lost;
};

struct round {
	struct zs_idle idle;
	struct one one[ZS_STANDS][ZS_CPU_SIZES];
};

/* --- a look at the CPUs while a load is on its way --- */

struct window {
	const struct zs_idle *idle;
	const struct zs_stand *s;
	uint32_t ms;
	double hz, idle_s, process_s; /* a second */
};

static void rest(uint32_t ms)
{
	struct timespec t = { ms / 1000, ms % 1000 * 1000000l };

	nanosleep(&t, NULL);
}

static void *look(void *arg)
{
	struct window *w = arg;
	uint64_t start, idle;
	double seconds, took;

	rest(LEAD_MS);
	seconds = zs_stand_seconds(w->s);
	start = zs_clock_ns();
	idle = zs_idle_sum(w->idle);
	rest(w->ms);
	idle = zs_idle_sum(w->idle) - idle;
	took = (double)(zs_clock_ns() - start) / 1e9;
	w->idle_s = (double)idle / w->hz / took;
	w->process_s = (zs_stand_seconds(w->s) - seconds) / took;
	return NULL;
}

static int at_rate(const struct zs_idle *idle, double hz, struct zs_stand *s, struct zs_load load,
		   struct one *out, struct zs_error *err)
{
	struct window w = { .idle = idle, .s = s, .ms = load.ms, .hz = hz };
	double seconds = zs_stand_seconds(s);
	struct zs_moved m;
	pthread_t t;
	int rc;

	load.ms += LEAD_MS + TAIL_MS;
	if (pthread_create(&t, NULL, look, &w))
		return zs_error_set(err, -EAGAIN, ZS_EXIT_RESOURCE, "no thread");
	rc = zs_stand_run(s, load, &m, err);
	pthread_join(t, NULL);
	if (rc)
		return rc;
	if (!m.got)
		return zs_error_set(err, -EIO, ZS_EXIT_FAILED, "%s forwarded nothing; see /tmp/%s-*.log",
				    s->who->title, s->wire.tag);
	out->idle = w.idle_s;
	out->process = s->who->run ? (zs_stand_seconds(s) - seconds) * 1e6 / (double)m.got
				   : w.process_s * 1e6 / load.rate;
	out->lost = m.sent > m.got ? m.sent - m.got : 0;
	return 0;
}

static int one_size(const struct round *r, double hz, struct zs_stand *s, struct zs_load load,
		    struct one *out, struct zs_error *err)
{
	struct zs_moved m;
	int rc = at_rate(&r->idle, hz, s, load, out, err);

	load.rate = 0;
	if (rc || (rc = zs_stand_run(s, load, &m, err)))
		return rc;
	out->got = (double)m.got / m.seconds;
	return 0;
}

static int one_stand(struct round *r, const struct zs_cpu *b, int c, const struct zs_bench_options *opt,
		     struct zs_error *err)
{
	struct zs_stand *s = calloc(1, sizeof(*s));
	int rc = s ? zs_stand_open(s, &zs_contenders[c], opt, b->made, err) : -ENOMEM;

	for (int i = 0; !rc && i < ZS_CPU_SIZES; i++) {
		struct zs_load load = { .payload = zs_cpu_sizes[i],
					.rate = s->who->run ? b->rate / CLIENTS_PART : b->rate,
					.ms = opt->seconds * 1000 };

		rc = one_size(r, b->hz, s, load, &r->one[c][i], err);
	}
	if (s && s->who)
		zs_stand_close(s, rc != 0);
	free(s);
	return rc;
}

static void add(struct zs_cpu *b, const struct round *r, int c, int i)
{
	const struct one *one = &r->one[c][i];
	struct zs_cpu_result *to = &b->result[c][i];
	double host = (r->one[ZS_STAND_BARE][i].idle - one->idle) / b->rate * 1e6;

	zs_samples_add(&to->cpu, zs_contenders[c].run ? one->process : host);
	zs_samples_add(&to->process, one->process);
	zs_samples_add(&to->mpps, one->got / 1e6);
	to->lost += one->lost;
}

static int one_round(struct round *r, struct zs_cpu *b, const struct zs_bench_options *opt,
		     struct zs_error *err)
{
	int rc = 0;

	b->hz = zs_tsc_hz(); /* and the core is awake */
	for (int i = 0; i < CALIBRATES; i++)
		zs_probe_round(&b->probe);
	if ((rc = zs_idle_open(&r->idle, err)))
		return rc;
	for (int c = 0; !rc && c < ZS_STANDS; c++)
		if (b->present[c])
			rc = one_stand(r, b, c, opt, err);
	zs_idle_close(&r->idle);
	for (int c = 0; !rc && c < ZS_STANDS; c++)
		for (int i = 0; b->present[c] && i < ZS_CPU_SIZES; i++)
			add(b, r, c, i);
	return rc;
}

/* Who is there, of those that were asked for; the bare wire always. */
static int gather(struct zs_cpu *b, const struct zs_bench_options *opt, struct zs_error *err)
{
	bool known = !*opt->contender;

	zs_cpu_made(b, opt);
	for (int c = 0; c < ZS_STANDS; c++) {
		bool asked = !*opt->contender || !strcmp(opt->contender, zs_contenders[c].name);

		known |= asked;
		b->asked[c] = asked || c == ZS_STAND_BARE;
		b->present[c] = b->asked[c] && !zs_stand_absent(&zs_contenders[c], b->made, b->why[c]);
	}
	if (!known)
		return zs_error_set(
		    err, -EINVAL, ZS_EXIT_USAGE,
		    "--contender: '%s' is none of relay xdp kernel forwarder coturn uclient pion "
		    "circuit derper",
		    opt->contender);
	if (zs_sh("mountpoint -q /sys/fs/bpf || mount -t bpf bpf /sys/fs/bpf"))
		return zs_error_set(err, -EPERM, ZS_EXIT_PRIVILEGE, "cannot mount bpffs; run as root");
	return zs_probe_open(&b->probe, ZS_PROBE_BYTES, err);
}

static int bench(const struct zs_bench_options *opt, json_t *report, struct zs_error *err)
{
	struct zs_cpu *b = calloc(1, sizeof(*b));
	struct round *r = aligned_alloc(64, ZS_ALIGN_UP(sizeof(*r), 64));
	int rc = b && r ? 0 : zs_error_set(err, -ENOMEM, ZS_EXIT_RESOURCE, "no memory for a bench");

	if (rc)
		goto out;
	memset(r, 0, sizeof(*r));
	b->rate = opt->rate ? opt->rate : RATE;
	rc = gather(b, opt, err);
	for (uint32_t i = 0; !rc && i < opt->repeats; i++)
		rc = one_round(r, b, opt, err);
	if (!rc)
		zs_cpu_report(b, report);
	zs_probe_close(&b->probe);
out:
	free(r);
	free(b);
	return rc;
}

const struct zs_bench zs_bench_cpu = {
	.name = "cpu",
	.help = "on veth, beside the kernel, an XDP forwarder, coturn, pion/turn, libp2p's circuit relay and "
		"derper: seconds of CPU a million packets, and the highest rate",
	.run = bench,
};
