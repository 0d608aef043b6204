/* zs-bench cpu: what relaying costs a host, and how fast it goes, on veth. Each contender gets the same packets from the same
 * sender and gives them to the same sink: first at a rate that all of them stand, where CPU is told, then as fast as the sender goes.
 * CPU of a contender is what idle loops lose beside it, less what they lose beside a bare wire. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "base/check.h"
#include "base/clock.h"
#include "cpu/idle.h"
#include "cpu/load.h"
#include "cpu/turn.h"
#include "planes.h"

#define RATE	20000 /* packets a second, which each stands, unless --rate says another */
#define WARM_MS 300
#define CALM_MS 300 /* in which the loops have all CPUs */
#define SIZES	2

static const uint32_t sizes[SIZES] = { 120, 1200 }; /* bytes of payload */

struct contender {
	const char *name, *needs; /* a command; NULL: none */
	uint16_t port;
	bool bare, channel;
	int (*start)(struct zs_wire *w, const struct zs_bench_options *opt, struct zs_error *err);
};

/* --- who takes part --- */

static int start_nobody(struct zs_wire *w, const struct zs_bench_options *opt, struct zs_error *err)
{
	return 0;
}

/* As the example configuration has it: a quiet worker sleeps. */
static int start_relay(struct zs_wire *w, const struct zs_bench_options *opt, struct zs_error *err)
{
	static const struct zs_planes calm = { .busy_poll_us = 50, .sleep_max_us = 1000 };
	int rc = zs_planes_start(w, opt, &calm, err);

	return rc ? rc : zs_wire_wait(w, "data", ZS_PLANES_READY, err);
}

static int neighbour(const struct zs_wire *w, struct zs_error *err)
{
	static const uint8_t mac[6] = ZS_WIRE_NOBODY;

	if (zs_sh("ip -n %s-r neigh replace 10.78.2.2 lladdr %02x:%02x:%02x:%02x:%02x:%02x dev r1 nud "
		  "permanent",
		  w->tag, mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]))
		return zs_error_set(err, -EPERM, ZS_EXIT_PRIVILEGE,
				    "no neighbour in a namespace; run as root");
	return 0;
}

/* It faces the target with its own address, as the relay does. */
static int start_kernel(struct zs_wire *w, const struct zs_bench_options *opt, struct zs_error *err)
{
	if (zs_sh("ip netns exec %s-r sysctl -w net.ipv4.ip_forward=1 && ip netns exec %s-r nft -f - <<'E'\n"
		  "table ip relay {\n"
		  " chain in { type nat hook prerouting priority -100; udp dport 4443 dnat to 10.78.2.2:443; "
		  "}\n"
		  " chain out { type nat hook postrouting priority 100; oifname \"r1\" masquerade; }\n"
		  "}\nE\n",
		  w->tag, w->tag))
		return zs_error_set(err, -EIO, ZS_EXIT_FAILED, "nft takes no table");
	return neighbour(w, err);
}

static int start_coturn(struct zs_wire *w, const struct zs_bench_options *opt, struct zs_error *err)
{
	char log[64], db[64], pid[64];
	char *argv[] = { "turnserver", "-n",	     "--no-auth", "--no-tls",	  "--no-dtls",
			 "--no-tcp",   "--no-cli",   "-L",	  "10.78.1.1",	  "-E",
			 "10.78.2.1",  "--log-file", "stdout",	  "--simple-log", "--min-port",
			 "50000",      "--max-port", "50999",	  "--userdb",	  db,
			 "--pidfile",  pid,	     NULL };
	int rc;

	snprintf(log, sizeof(log), "/tmp/%s-coturn.log", w->tag);
	snprintf(db, sizeof(db), "/tmp/%s-run/turn.db", w->tag);
	snprintf(pid, sizeof(pid), "/tmp/%s-run/turn.pid", w->tag);
	if (zs_sh("mkdir -p /tmp/%s-run && ip -n %s-g addr add 10.78.1.2/24 dev g0", w->tag, w->tag))
		return zs_error_set(err, -EPERM, ZS_EXIT_PRIVILEGE, "no address in a namespace; run as root");
	if ((rc = neighbour(w, err)) || (rc = zs_wire_spawn(w, log, argv, err)))
		return rc;
	return zs_turn_open(w, err);
}

enum { BARE, RELAY, KERNEL, COTURN, CONTENDERS };

static const struct contender contenders[CONTENDERS] = {
	[BARE] = { "bare wire", NULL, 4443, true, false, start_nobody },
	[RELAY] = { "relay", NULL, 4443, false, false, start_relay },
	[KERNEL] = { "nftables", "nft", 4443, false, false, start_kernel },
	[COTURN] = { "coturn", "turnserver", ZS_TURN_PORT, false, true, start_coturn },
};

/* --- measuring --- */

struct one {
	double idle; /* counts a second, of all CPUs, at the rate */
	double got;  /* a second, as fast as it goes */
	uint64_t lost;
};

struct result {
	struct zs_idle idle;
	bool present[CONTENDERS];
	uint32_t rate;
	double calm; /* counts a second of one CPU that nobody else wants */
	struct zs_samples cpu[CONTENDERS][SIZES], mpps[CONTENDERS][SIZES];
	uint64_t lost[CONTENDERS][SIZES];
};

static double counts(struct result *r, uint32_t ms)
{
	struct timespec t = { ms / 1000, ms % 1000 * 1000000l };
	uint64_t start = zs_clock_ns(), before = zs_idle_sum(&r->idle);

	nanosleep(&t, NULL);
	return (double)(zs_idle_sum(&r->idle) - before) * 1e9 / (double)(zs_clock_ns() - start);
}

static int one_size(struct result *r, const struct contender *c, const struct zs_wire *w, uint32_t payload,
		    uint32_t ms, struct one *out, struct zs_error *err)
{
	struct zs_load load = { c->port, c->channel, payload, r->rate, WARM_MS };
	uint64_t sent, got, start, before;
	int rc = zs_load_run(w, &load, &sent, &got, err);

	load.ms = ms;
	start = zs_clock_ns();
	before = zs_idle_sum(&r->idle);
	if (rc || (rc = zs_load_run(w, &load, &sent, &got, err)))
		return rc;
	out->idle = (double)(zs_idle_sum(&r->idle) - before) * 1e9 / (double)(zs_clock_ns() - start);
	out->lost = sent > got ? sent - got : 0;
	load.rate = 0;
	if ((rc = zs_load_run(w, &load, &sent, &got, err)))
		return rc;
	out->got = (double)got * 1e3 / ms;
	return got ? 0 : zs_error_set(err, -EIO, ZS_EXIT_FAILED, "%s forwarded nothing", c->name);
}

static int one_contender(struct result *r, const struct contender *c, const struct zs_bench_options *opt,
			 struct one out[SIZES], struct zs_error *err)
{
	struct zs_wire wire;
	int rc = zs_wire_open(&wire, c->bare, err);

	if (rc)
		return rc;
	rc = c->start(&wire, opt, err);
	for (int s = 0; !rc && s < SIZES; s++)
		rc = one_size(r, c, &wire, sizes[s], opt->seconds * 1000, &out[s], err);
	zs_wire_close(&wire, rc == 0);
	return rc;
}

static int one_round(struct result *r, const struct zs_bench_options *opt, struct zs_error *err)
{
	struct one got[CONTENDERS][SIZES] = { 0 };
	int rc;

	r->calm = counts(r, CALM_MS) / r->idle.cpus;
	for (int c = 0; c < CONTENDERS; c++)
		if (r->present[c] && (rc = one_contender(r, &contenders[c], opt, got[c], err)))
			return rc;
	for (int c = 0; c < CONTENDERS; c++)
		for (int s = 0; r->present[c] && s < SIZES; s++) {
			double lost = got[BARE][s].idle - got[c][s].idle;

			zs_samples_add(&r->cpu[c][s], lost / r->calm / r->rate * 1e6);
			zs_samples_add(&r->mpps[c][s], got[c][s].got / 1e6);
			r->lost[c][s] += got[c][s].lost;
		}
	return 0;
}

/* --- report --- */

static void report_row(const struct result *r, int c, int s, json_t *rows, json_t *report)
{
	double cpu = zs_samples_median(&r->cpu[c][s]), mpps = zs_samples_median(&r->mpps[c][s]);
	char name[64];

	snprintf(name, sizeof(name), "%s, %u bytes", contenders[c].name, sizes[s]);
	json_array_append_new(
	    rows, json_pack("{s:s,s:i,s:f,s:f,s:I,s:f,s:f}", "name", contenders[c].name, "bytes",
			    (int)sizes[s], "cpu_s_per_million", cpu, "mpps", mpps, "lost",
			    (json_int_t)r->lost[c][s], "relay_cpu_ratio",
			    c > RELAY && cpu > 0 ? zs_samples_median(&r->cpu[RELAY][s]) / cpu : 1.0,
			    "relay_throughput_ratio", zs_samples_median(&r->mpps[RELAY][s]) / mpps));
	fprintf(stderr,
		"  %-22s %6.2f s of CPU a million packets (%.2f-%.2f), %llu lost; at most %.3f Mpps\n", name,
		cpu, zs_samples_quantile(&r->cpu[c][s], 0), zs_samples_quantile(&r->cpu[c][s], 1),
		(unsigned long long)r->lost[c][s], mpps);
	if (c != BARE)
		zs_report_metric(report, name, "CPU s a million", ZS_LESS, &r->cpu[c][s]);
	strncat(name, ", at most", sizeof(name) - strlen(name) - 1);
	zs_report_metric(report, name, "Mpps", ZS_MORE, &r->mpps[c][s]);
}

static void report_on(const struct result *r, json_t *report)
{
	json_t *rows = json_array(), *absent = json_array();

	for (int s = 0; s < SIZES; s++)
		for (int c = 0; c < CONTENDERS; c++)
			if (r->present[c])
				report_row(r, c, s, rows, report);
	for (int c = 0; c < CONTENDERS; c++)
		if (!r->present[c]) {
			char text[96];

			snprintf(text, sizeof(text), "%s: there is no %s; make bench-peers installs it",
				 contenders[c].name, contenders[c].needs);
			json_array_append_new(absent, json_string(text));
			fprintf(stderr, "  absent: %s\n", text);
		}
	json_object_set_new(report, "rate_pps", json_integer(r->rate));
	json_object_set_new(report, "rows", rows);
	json_object_set_new(report, "absent", absent);
}

static int bench(const struct zs_bench_options *opt, json_t *report, struct zs_error *err)
{
	struct result *r = aligned_alloc(64, ZS_ALIGN_UP(sizeof(*r), 64));
	int rc;

	if (!r)
		return zs_error_set(err, -ENOMEM, ZS_EXIT_RESOURCE, "no memory for a bench");
	memset(r, 0, sizeof(*r));
	r->rate = opt->rate ? opt->rate : RATE;
	for (int c = 0; c < CONTENDERS; c++)
		r->present[c] = !contenders[c].needs || !zs_sh("command -v %s", contenders[c].needs);
	if (zs_sh("mountpoint -q /sys/fs/bpf || mount -t bpf bpf /sys/fs/bpf"))
		rc = zs_error_set(err, -EPERM, ZS_EXIT_PRIVILEGE, "cannot mount bpffs; run as root");
	else
		rc = zs_idle_open(&r->idle, err);
	for (uint32_t i = 0; !rc && i < opt->repeats; i++)
		rc = one_round(r, opt, err);
	zs_idle_close(&r->idle);
	if (!rc)
		report_on(r, report);
	free(r);
	return rc;
}

const struct zs_bench zs_bench_cpu = {
	.name = "cpu",
	.help = "on veth, beside the kernel's nftables and coturn: seconds of CPU a million packets, and the "
		"highest rate",
	.run = bench,
};
