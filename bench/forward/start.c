/* zs-bench start: how long zs-dataplane takes until it is ready, from nothing and over what it left behind; and how long it takes
 * to adopt so many flows, or bound attachments: their indexes are made again under a new key. */
#include "forward/forward.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/clock.h"
#include "binds.h"
#include "core/shm.h"
#include "flows.h"

#define ENTRIES	 1000000
#define READY	 "text=ready"
#define READY_MS 10000

static const char config[] =
    "instance: start\nstate_dir: /dev/shm\nrun_dir: /dev/shm\n"
    "dataplane:\n  workers: 1\n  hugepages: false\n  memory_mb: 64\n  ports:\n"
    "    - {name: near, driver: \"null\", device: \"size=64\", addresses: [10.1.0.1/24]}\n";

/* The child: its segments lie in a tmpfs that ends with it and its like. */
static void exec_dataplane(const char *program, const char *path, int log, pid_t parent)
{
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) || getppid() != parent)
		_exit(126);
	dup2(log, 2);
	dup2(log, 1);
	execl(program, program, "--config", path, (char *)NULL);
	_exit(127);
}

static bool says_ready(FILE *log)
{
	char line[1024];

	while (fgets(line, sizeof(line), log))
		if (strstr(line, READY))
			return true;
	return false;
}

/* From fork to ready, ms; below 0: it never was. */
static double start_once(const char *program, const char *path)
{
	uint64_t began = zs_clock_ns();
	pid_t parent = getpid(), pid;
	double ms = -1;
	int fd[2];

	if (pipe2(fd, O_CLOEXEC) || (pid = fork()) < 0)
		return -1;
	if (pid == 0)
		exec_dataplane(program, path, fd[1], parent);
	close(fd[1]);
	FILE *log = fdopen(fd[0], "r");
	if (log && says_ready(log))
		ms = (double)(zs_clock_ns() - began) / ZS_NS_PER_MS;
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	if (log)
		fclose(log);
	return ms;
}

static int measure_process(const struct zs_bench_options *opt, struct zs_samples *fresh,
			   struct zs_samples *again, struct zs_error *err)
{
	char program[300], path[] = "/dev/shm/start.yaml";
	int rc = zs_shm_private(false, err), fd;

	if (rc)
		return rc;
	snprintf(program, sizeof(program), "%s/zs-dataplane", opt->bin_dir);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0 || write(fd, config, sizeof(config) - 1) != sizeof(config) - 1 || close(fd))
		return zs_error_set(err, -EIO, ZS_EXIT_RESOURCE, "cannot write %s", path);
	for (uint32_t i = 0; i < opt->repeats; i++) {
		double first, second;

		if (system("rm -rf /dev/shm/zerostate-start"))
			return zs_error_set(err, -EIO, ZS_EXIT_RESOURCE, "cannot empty /dev/shm");
		first = start_once(program, path);
		second = start_once(program, path);
		if (first < 0 || second < 0)
			return zs_error_set(err, -EIO, ZS_EXIT_FAILED, "%s does not get ready", program);
		zs_samples_add(fresh, first);
		zs_samples_add(again, second);
	}
	return 0;
}

static int adopt(struct zs_forward *f, uint32_t times, struct zs_samples *ms, struct zs_error *err)
{
	struct zs_dp *dp = &f->bed->dp;
	bool flows = f->kind == &zs_forward_flow;
	int rc = 0;

	for (uint32_t i = 0; i < times && !rc; i++) {
		uint64_t began = zs_clock_ns();

		if (!flows)
			zs_binds_close(dp);
		rc = flows ? zs_flows_open(dp, false, err) : zs_binds_open(dp, err);
		zs_samples_add(ms, (double)(zs_clock_ns() - began) / ZS_NS_PER_MS);
	}
	return rc;
}

static void print(const char *what, const struct zs_samples *s)
{
	fprintf(stderr, "  %-44s %8.1f ms (%.1f-%.1f)\n", what, zs_samples_median(s),
		zs_samples_quantile(s, 0.1), zs_samples_quantile(s, 0.9));
}

static int bench(const struct zs_bench_options *opt, json_t *report, struct zs_error *err)
{
	struct zs_samples fresh = { 0 }, again = { 0 }, adoption = { 0 };
	struct zs_bench_options own = *opt;
	struct zs_forward *f;
	char name[64];
	int rc = measure_process(opt, &fresh, &again, err);

	if (rc)
		return rc;
	own.entries = opt->entries ? opt->entries : ENTRIES;
	if (!*own.kind)
		snprintf(own.kind, sizeof(own.kind), "flow");
	f = zs_forward_open(&own, err);
	if (!f)
		return err->code;
	if (!(rc = adopt(f, opt->repeats, &adoption, err))) {
		snprintf(name, sizeof(name), "%u %s adopted", f->entries,
			 f->kind == &zs_forward_flow ? "flows" : "bound attachments");
		print("dataplane ready, from nothing", &fresh);
		print("dataplane ready, after kill -9", &again);
		print(name, &adoption);
		zs_report_metric(report, "dataplane ready, from nothing", "ms", ZS_LESS, &fresh);
		zs_report_metric(report, "dataplane ready, after kill -9", "ms", ZS_LESS, &again);
		zs_report_metric(report, name, "ms", ZS_LESS, &adoption);
	}
	zs_forward_close(f);
	return rc;
}

const struct zs_bench zs_bench_start = {
	.name = "start",
	.help = "how long the dataplane takes to be ready, and to adopt a million flows (--kind cid: "
		"attachments)",
	.run = bench,
};
