/* One worker on two AF_XDP veth ports, the relay against dpdk-testpmd on the same ports.
 * Contenders take turns; the ratio is taken pair by pair, so a drift of the machine cancels. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"
#include "planes.h"

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
				    "dpdk-testpmd is absent; apt install dpdk");
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

static int start_relay(struct zs_wire *w, const struct zs_bench_options *opt, struct zs_error *err)
{
	static const struct zs_planes awake = { .busy_poll_us = 100 };

	return zs_planes_start(w, opt, &awake, err);
}

static int measure(const struct contender *c, const struct zs_bench_options *opt, double *pps,
		   struct zs_error *err)
{
	struct zs_wire wire;
	double sent;
	int rc = zs_wire_open(&wire, false, err);
	if (rc)
		return rc;
	rc = c->start(&wire, opt, err);
	if (!rc)
		rc = zs_wire_wait(&wire, c->log, c->ready, err);
	if (!rc)
		rc = zs_wire_blast(&wire, opt, &sent, pps, err);
	if (!rc && *pps < 1)
		rc = zs_error_set(err, -EIO, ZS_EXIT_FAILED, "%s forwarded nothing; see /tmp/%s-%s.log",
				  c->name, wire.tag, c->log);
	zs_wire_close(&wire, rc == 0);
	return rc;
}

static const struct contender contenders[] = {
	{ "relay", "data", ZS_PLANES_READY, start_relay },
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
