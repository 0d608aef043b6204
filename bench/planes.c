#include "planes.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define READY_S	      20
#define READY_TURN_NS 50000000
#define READY_TURNS   (READY_S * 1000000000ll / READY_TURN_NS)

/* Static neighbours: the sink's is nobody's address, so its kernel drops the frames as early
 * as those that testpmd sends on unchanged. */
static int write_config(const struct zs_wire *w, const struct zs_planes *p, const char *path)
{
	FILE *f = fopen(path, "we");
	if (!f)
		return -errno;
	fprintf(f,
		"instance: %s\nstate_dir: /tmp/%s-state\nrun_dir: /tmp/%s-run\n"
		"dataplane:\n  engine: %s\n  workers: 1\n  cpus: [1]\n  main_cpu: 0\n  hugepages: false\n  "
		"memory_mb: 256\n"
		"  busy_poll_us: %u\n  sleep_max_us: %u\n  ports:\n"
		"    - {name: client, driver: af_xdp, device: r0, rx_ring: 4096, addresses: [10.78.1.1/24], "
		"neighbours: "
		"[{address: 10.78.1.2, mac: "
		"\"02:00:00:00:00:02\"}]}\n"
		"    - {name: server, driver: af_xdp, device: r1, rx_ring: 4096, addresses: [10.78.2.1/24], "
		"neighbours: "
		"[{address: 10.78.2.2, mac: "
		"\"02:00:00:00:00:99\"}]}\n"
		"flows: {new_per_prefix_s: 0}\ntargets: {allow: [10.78.0.0/16]}\n"
		"publish:\n  - {port: 4443, target: \"10.78.2.2:443\"}\n"
		"admin: {socket: /tmp/%s-run/admin.sock}\nmetrics: {listen: off}\n",
		w->tag, w->tag, w->tag, p->xdp ? "xdp" : "dpdk", p->busy_poll_us, p->sleep_max_us, w->tag);
	return fclose(f) ? -errno : 0;
}

int zs_planes_start(struct zs_wire *w, const struct zs_bench_options *opt, const struct zs_planes *p,
		    struct zs_error *err)
{
	char conf[64], cp[300], dp[300], log[64];
	snprintf(conf, sizeof(conf), "/tmp/%s.yaml", w->tag);
	snprintf(cp, sizeof(cp), "%s/zs-controlplane", opt->bin_dir);
	snprintf(dp, sizeof(dp), "%s/zs-dataplane", opt->bin_dir);
	zs_sh("rm -rf /tmp/%s-state /tmp/%s-run /dev/shm/zerostate-%s; mkdir -p /tmp/%s-state /tmp/%s-run",
	      w->tag, w->tag, w->tag, w->tag, w->tag);
	if (write_config(w, p, conf))
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

int zs_wire_wait(const struct zs_wire *w, const char *log, const char *word, struct zs_error *err)
{
	static const struct timespec turn = { .tv_nsec = READY_TURN_NS };
	char path[64];

	snprintf(path, sizeof(path), "/tmp/%s-%s.log", w->tag, log);
	for (int i = 0; i < READY_TURNS; i++) {
		if (says(path, word))
			return 0;
		nanosleep(&turn, NULL);
	}
	return zs_error_set(err, -ETIMEDOUT, ZS_EXIT_FAILED, "nothing forwards within %d s; see %s", READY_S,
			    path);
}
