/* EAL's arguments are made from the configuration alone: nobody passes DPDK options.
 *
 * With hugepages `--in-memory` (no files to leave behind), without them `--no-huge`; the two
 * exclude each other. Logical cores are numbered by us, 0 the main thread and 1… the workers,
 * each mapped to its processor, so that main may share a processor with a worker.
 *
 * EAL is never cleaned up: it would close the AF_XDP devices, and their driver would try to detach
 * the steering program that has to stay. Nothing of it lies in files; the exit frees it. */
#include <dirent.h>
#include <errno.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_log.h>
#include <bpf/libbpf.h>
#include <xdp/libxdp.h>
#include "base/sandbox.h"
#include "eal.h"

#define ARGS_MAX 24
#define ARG_TEXT 256

struct args {
	int count;
	char text[ARGS_MAX][ARG_TEXT];
	char *argv[ARGS_MAX + 1];
};

__attribute__((format(printf, 2, 3))) static void add(struct args *a, const char *fmt, ...)
{
	va_list ap;

	ZS_CHECK(a->count < ARGS_MAX, "too many EAL arguments");
	va_start(ap, fmt);
	vsnprintf(a->text[a->count], ARG_TEXT, fmt, ap);
	va_end(ap);
	a->argv[a->count] = a->text[a->count];
	a->argv[++a->count] = NULL;
}

static uint64_t read_number(const char *path)
{
	FILE *f = fopen(path, "re");
	unsigned long long v = 0;

	if (!f)
		return 0;
	if (fscanf(f, "%llu", &v) != 1)
		v = 0;
	fclose(f);
	return v;
}

/* Free hugepage memory of every size, in MiB. */
static uint64_t free_huge_mb(void)
{
	DIR *d = opendir("/sys/kernel/mm/hugepages");
	struct dirent *e;
	uint64_t mb = 0;

	while (d && (e = readdir(d))) {
		unsigned long kb;
		char path[ARG_TEXT];

		if (sscanf(e->d_name, "hugepages-%lukB", &kb) != 1)
			continue;
		snprintf(path, sizeof(path), "/sys/kernel/mm/hugepages/%.64s/free_hugepages", e->d_name);
		mb += read_number(path) * kb / 1024;
	}
	if (d)
		closedir(d);
	return mb;
}

static int check_hugepages(const struct zs_dp *dp, struct zs_error *err)
{
	uint64_t want = dp->conf->dataplane.memory_mb, have;

	if (!dp->conf->dataplane.hugepages)
		return 0;
	have = free_huge_mb();
	if (have >= want)
		return 0;
	zs_health_raise(dp->state.health, ZS_HEALTH_no_hugepages, "%llu MiB wanted, %llu MiB free",
			(unsigned long long)want, (unsigned long long)have);
	return zs_error_set(err, -ENOMEM, ZS_EXIT_RESOURCE,
			    "%llu MiB of hugepages are free, %llu are needed: reserve them (sysctl "
			    "vm.nr_hugepages=%llu) or set dataplane.hugepages to false",
			    (unsigned long long)have, (unsigned long long)want,
			    (unsigned long long)(want / 2));
}

static int check_capabilities(const struct zs_dp *dp, struct zs_error *err)
{
	static const struct {
		uint8_t cap;
		bool xdp_alone;
		const char *name;
	} need[] = { { CAP_NET_RAW, false, "CAP_NET_RAW" },
		     { CAP_NET_ADMIN, false, "CAP_NET_ADMIN" },
		     { CAP_IPC_LOCK, false, "CAP_IPC_LOCK" },
		     { CAP_SYS_ADMIN, true, "CAP_SYS_ADMIN" } };
	uint64_t have = zs_sandbox_has();
	bool xdp = false, kernel = false;

	for (uint32_t i = 0; i < dp->conf->dataplane.ports; i++) {
		enum zs_conf_driver driver = dp->conf->dataplane.port[i].driver;

		xdp |= driver == ZS_DRIVER_AF_XDP;
		kernel |= driver == ZS_DRIVER_AF_XDP || driver == ZS_DRIVER_AF_PACKET ||
			  driver == ZS_DRIVER_PCI;
	}
	for (size_t i = 0; kernel && i < ZS_ARRAY_LEN(need); i++) {
		if ((need[i].xdp_alone && !xdp) || have >> need[i].cap & 1)
			continue;
		return zs_error_set(err, -EPERM, ZS_EXIT_PRIVILEGE,
				    "%s is missing: start as root, or give it to the service", need[i].name);
	}
	return 0;
}

/* EAL writes whole lines to this stream; each becomes one record of ours. */
static ssize_t take_line(void *cookie, const char *text, size_t len)
{
	size_t n = len;

	while (n && (text[n - 1] == '\n' || text[n - 1] == '\r'))
		n--;
	if (n)
		ZS_LOG(cookie, EAL, "said=\"%.*s\"", (int)(n < 200 ? n : 200), text);
	return (ssize_t)len;
}

static int redirect_log(struct zs_dp *dp)
{
	/* Their libraries would speak beside the log; what fails there is told by who called. */
	libxdp_set_print(NULL);
	libbpf_set_print(NULL);
	FILE *f = fopencookie(dp->log, "w", (cookie_io_functions_t){ .write = take_line });

	if (!f)
		return -errno;
	setvbuf(f, NULL, _IOLBF, 0);
	rte_openlog_stream(f);
	rte_log_set_global_level(RTE_LOG_WARNING);
	return 0;
}

static void add_cores(struct args *a, const struct zs_dp *dp)
{
	char text[ARG_TEXT];
	size_t n = (size_t)snprintf(text, sizeof(text), "0@%u", dp->conf->dataplane.main_cpu);

	for (uint32_t i = 0; i < dp->conf->dataplane.workers; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, ",%u@%u", i + 1,
				      dp->conf->dataplane.cpu[i]);
	add(a, "--lcores=%s", text);
	add(a, "--main-lcore=0");
}

static void add_devices(struct args *a, const struct zs_dp *dp)
{
	bool pci = false;

	for (uint32_t i = 0; i < dp->conf->dataplane.ports; i++) {
		const struct zs_conf_port *p = &dp->conf->dataplane.port[i];

		if (p->driver != ZS_DRIVER_PCI)
			continue;
		add(a, "--allow=%s", p->device);
		pci = true;
	}
	if (!pci) {
		add(a, "--no-pci");
		add(a, "--iova-mode=va"); /* one virtually contiguous pool, as AF_XDP wants it */
	}
}

int zs_eal_start(struct zs_dp *dp, struct zs_error *err)
{
	struct args a = { 0 };
	int rc;

	if ((rc = check_capabilities(dp, err)) || (rc = check_hugepages(dp, err)))
		return rc;
	if ((rc = redirect_log(dp)))
		return zs_error_set(err, rc, ZS_EXIT_RESOURCE, "no log stream: %s", strerror(-rc));
	add(&a, "zs-dataplane");
	add(&a, "%s", dp->conf->dataplane.hugepages ? "--in-memory" : "--no-huge");
	add(&a, "--no-shconf");
	add(&a, "--file-prefix=zs-%s", dp->conf->instance);
	add(&a, "-m%u", dp->conf->dataplane.memory_mb);
	add(&a, "--no-telemetry");
	add(&a, "--log-level=warning");
	add_cores(&a, dp);
	add_devices(&a, dp);
	if (rte_eal_init(a.count, a.argv) < 0)
		return zs_error_set(err, -rte_errno, ZS_EXIT_RESOURCE,
				    "DPDK cannot start (%s); the log says more", rte_strerror(rte_errno));
	return 0;
}
