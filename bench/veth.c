/* One worker on two AF_XDP veth ports, the relay against dpdk-testpmd on the same ports.
 * Contenders take turns; the ratio is taken pair by pair, so a drift of the machine cancels. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"
#include "wire.h"

#define READY_S	      20
#define READY_TURN_NS 50000000
#define READY_TURNS   (READY_S * 1000000000ll / READY_TURN_NS)

struct contender {
	const char *name, *log, *ready; /* forwards once the word stands in /tmp/TAG-LOG.log */
	int (*start)(struct zs_wire *w, const struct zs_bench_options *opt, struct zs_error *err);
};

static int start_testpmd(struct zs_wire *w, const char *mode, struct zs_error *err)
{
	char log[64], prefix[48], fwd[48];
	snprintf(log, sizeof(log), "/tmp/%s-testpmd.log", w->tag);
	snprintf(prefix, sizeof(prefix), "--file-prefix=%s", w->tag);
	snprintf(fwd, sizeof(fwd), "--forward-mode=%s", mode);
	char *argv[] = { "dpdk-testpmd",
			 "-l",
			 "0,1",
			 "--no-huge",
			 "-m",
			 "512",
			 "--no-pci",
			 prefix,
			 "--vdev=net_af_xdp0,iface=r0",
			 "--vdev=net_af_xdp1,iface=r1",
			 "--",
			 "--total-num-mbufs=16384",
			 fwd,
			 "--nb-cores=1",
			 "--stats-period=60",
			 NULL };
	if (zs_sh("command -v dpdk-testpmd"))
		return zs_error_set(err, -ENOENT, ZS_EXIT_RESOURCE,
				    "dpdk-testpmd is absent; make deps installs it");
	return zs_wire_spawn(w, log, argv, err);
}

static int start_io(struct zs_wire *w, const struct zs_bench_options *opt, struct zs_error *err)
{
	return start_testpmd(w, "io", err);
}

static int start_macswap(struct zs_wire *w, const struct zs_bench_options *opt, struct zs_error *err)
{
	return start_testpmd(w, "macswap", err);
}

/* Static neighbours: the sink's is nobody's address, so its kernel drops the frames as early
 * as those that testpmd sends on unchanged. */
static int write_config(const struct zs_wire *w, const char *path)
{
	FILE *f = fopen(path, "we");
	if (!f)
		return -errno;
	fprintf(f,
		"instance: %s\nstate_dir: /tmp/%s-state\nrun_dir: /tmp/%s-run\n"
		"dataplane:\n  workers: 1\n  cpus: [1]\n  main_cpu: 0\n  hugepages: false\n  memory_mb: 256\n"
		"  busy_poll_us: 100\n  sleep_max_us: 0\n  ports:\n"
		"    - {name: client, driver: af_xdp, device: r0, addresses: [10.78.1.1/24], neighbours: "
		"[{address: 10.78.1.2, mac: "
		"\"02:00:00:00:00:02\"}]}\n"
		"    - {name: server, driver: af_xdp, device: r1, addresses: [10.78.2.1/24], neighbours: "
		"[{address: 10.78.2.2, mac: "
		"\"02:00:00:00:00:99\"}]}\n"
		"flows: {new_per_prefix_s: 0}\ntargets: {allow: [10.78.0.0/16]}\n"
		"publish:\n  - {port: 4443, target: \"10.78.2.2:443\"}\n"
		"admin: {socket: /tmp/%s-run/admin.sock}\nmetrics: {listen: off}\n",
		w->tag, w->tag, w->tag, w->tag);
	return fclose(f) ? -errno : 0;
}

static int start_relay(struct zs_wire *w, const struct zs_bench_options *opt, struct zs_error *err)
{
	char conf[64], cp[300], dp[300], log[64];
	snprintf(conf, sizeof(conf), "/tmp/%s.yaml", w->tag);
	snprintf(cp, sizeof(cp), "%s/zs-controlplane", opt->bin_dir);
	snprintf(dp, sizeof(dp), "%s/zs-dataplane", opt->bin_dir);
	zs_sh("rm -rf /tmp/%s-state /tmp/%s-run /dev/shm/zerostate-%s; mkdir -p /tmp/%s-state /tmp/%s-run",
	      w->tag, w->tag, w->tag, w->tag, w->tag);
	if (write_config(w, conf))
		return zs_error_set(err, -EIO, ZS_EXIT_RESOURCE, "cannot write %s", conf);
	snprintf(log, sizeof(log), "/tmp/%s-control.log", w->tag);
	int rc = zs_wire_spawn(w, log, (char *[]){ cp, "--config", conf, NULL }, err);
	snprintf(log, sizeof(log), "/tmp/%s-data.log", w->tag);
	return rc ? rc : zs_wire_spawn(w, log, (char *[]){ dp, "--config", conf, NULL }, err);
}

static bool says(const char *path, const char *word)
{
	char text[16384];
	FILE *f = fopen(path, "re");
	size_t n = f ? fread(text, 1, sizeof(text) - 1, f) : 0;

	if (f)
		fclose(f);
	text[n] = '\0';
	return strstr(text, word) != NULL;
}

static int wait_ready(const struct contender *c, const struct zs_wire *w, struct zs_error *err)
{
	static const struct timespec turn = { .tv_nsec = READY_TURN_NS };
	char path[64];

	snprintf(path, sizeof(path), "/tmp/%s-%s.log", w->tag, c->log);
	for (int i = 0; i < READY_TURNS; i++) {
		if (says(path, c->ready))
			return 0;
		nanosleep(&turn, NULL);
	}
	return zs_error_set(err, -ETIMEDOUT, ZS_EXIT_FAILED, "%s is not ready within %d s; see %s", c->name,
			    READY_S, path);
}

static int measure(const struct contender *c, const struct zs_bench_options *opt, double *pps,
		   struct zs_error *err)
{
	struct zs_wire wire;
	double sent;
	int rc = zs_wire_open(&wire, err);
	if (rc)
		return rc;
	rc = c->start(&wire, opt, err);
	if (!rc)
		rc = wait_ready(c, &wire, err);
	if (!rc)
		rc = zs_wire_blast(&wire, opt, &sent, pps, err);
	if (!rc && *pps < 1)
		rc = zs_error_set(err, -EIO, ZS_EXIT_FAILED, "%s forwarded nothing; see /tmp/%s-%s.log",
				  c->name, wire.tag, c->log);
	zs_wire_close(&wire, rc == 0);
	return rc;
}

static const struct contender contenders[] = {
	{ "relay", "data", "text=ready", start_relay },
	{ "testpmd_io", "testpmd", "Port statistics", start_io },
	{ "testpmd_macswap", "testpmd", "Port statistics", start_macswap },
};
#define CONTENDERS ZS_ARRAY_LEN(contenders)

static void report_on(const struct zs_samples pps[CONTENDERS], const struct zs_samples ratio[CONTENDERS],
		      json_t *report)
{
	json_t *rates = json_object(), *ratios = json_object();
	for (size_t i = 0; i < CONTENDERS; i++) {
		json_object_set_new(rates, contenders[i].name, zs_samples_json(&pps[i]));
		zs_report_metric(report, contenders[i].name, "packets/s", ZS_MORE, &pps[i]);
		if (i)
			json_object_set_new(ratios, contenders[i].name, zs_samples_json(&ratio[i]));
		fprintf(stderr, "%-16s %10.0f packets/s", contenders[i].name, zs_samples_median(&pps[i]));
		if (i)
			fprintf(stderr, "   relay / %s = %.3f", contenders[i].name,
				zs_samples_median(&ratio[i]));
		fputc('\n', stderr);
	}
	json_object_set_new(report, "packets_per_second", rates);
	json_object_set_new(report, "ratio_relay_to", ratios);
}

static int run(const struct zs_bench_options *opt, json_t *report, struct zs_error *err)
{
	struct zs_samples pps[CONTENDERS] = { 0 }, ratio[CONTENDERS] = { 0 };
	if (zs_sh("mountpoint -q /sys/fs/bpf || mount -t bpf bpf /sys/fs/bpf"))
		return zs_error_set(err, -EPERM, ZS_EXIT_PRIVILEGE, "cannot mount bpffs; run as root");
	for (uint32_t r = 0; r < opt->repeats; r++) {
		double value[CONTENDERS];
		for (size_t i = 0; i < CONTENDERS; i++) {
			int rc = measure(&contenders[i], opt, &value[i], err);
			if (rc)
				return rc;
			zs_samples_add(&pps[i], value[i]);
			zs_samples_add(&ratio[i], value[0] / value[i]);
			fprintf(stderr, "  %u/%u %-16s %10.0f packets/s\n", r + 1, opt->repeats,
				contenders[i].name, value[i]);
		}
	}
	report_on(pps, ratio, report);
	return 0;
}

const struct zs_bench zs_bench_veth = {
	.name = "veth",
	.help = "one worker on two AF_XDP veth ports against dpdk-testpmd io and macswap on the same ports",
	.run = run,
};
