/* Kernel, rights, memory, disks. */
#include <grp.h>
#include <linux/capability.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include "doctor.h"

#define KERNEL_MAJOR 5
#define KERNEL_MINOR 11 /* bpf memory is not charged to memlock any more; AF_XDP and bpf links are settled */
#define STATE_FREE   (64u << 20) /* the store's log and files, and years of audit records */

static void kernel(struct doctor *d)
{
	struct utsname u;
	int major = 0, minor = 0;
	bool good;

	uname(&u);
	good = sscanf(u.release, "%d.%d", &major, &minor) == 2 &&
	       (major > KERNEL_MAJOR || (major == KERNEL_MAJOR && minor >= KERNEL_MINOR));
	doctor_row(d, "kernel", good ? DOCTOR_OK : DOCTOR_FAIL, "run Linux 5.11 or later", "Linux %s",
		   u.release);
}

static uint64_t effective_capabilities(void)
{
	char text[4096];
	const char *at;

	if (doctor_read("/proc/self/status", text, sizeof(text)) < 0)
		return 0;
	at = strstr(text, "CapEff:");
	return at ? strtoull(at + 7, NULL, 16) : 0;
}

static bool needs_steering(const struct zs_conf *conf)
{
	for (uint32_t i = 0; i < conf->dataplane.ports; i++)
		if (conf->dataplane.port[i].driver == ZS_DRIVER_AF_XDP)
			return true;
	return false;
}

static void rights(struct doctor *d)
{
	static const struct {
		const char *name;
		int bit;
	} wanted[] = { { "NET_ADMIN", CAP_NET_ADMIN },
		       { "NET_RAW", CAP_NET_RAW },
		       { "SYS_ADMIN", CAP_SYS_ADMIN },
		       { "IPC_LOCK", CAP_IPC_LOCK } };
	uint64_t have = effective_capabilities();
	char missing[64] = "";
	struct rlimit lock;

	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
		if (!(have >> wanted[i].bit & 1))
			snprintf(missing + strlen(missing), sizeof(missing) - strlen(missing), " %s",
				 wanted[i].name);
	doctor_row(d, "capabilities", missing[0] ? DOCTOR_WARN : DOCTOR_OK,
		   "start zs-dataplane by its unit, or run doctor as root", "%s%s",
		   missing[0] ? "missing here:" : "all there", missing);
	getrlimit(RLIMIT_MEMLOCK, &lock);
	if (lock.rlim_cur == RLIM_INFINITY || have >> CAP_IPC_LOCK & 1)
		doctor_row(d, "memlock", DOCTOR_OK, "", "not limiting");
	else
		doctor_row(d, "memlock", needs_steering(d->conf) ? DOCTOR_FAIL : DOCTOR_WARN,
			   "give IPC_LOCK or LimitMEMLOCK=infinity", "%lu KiB and no IPC_LOCK",
			   (unsigned long)lock.rlim_cur >> 10);
}

static unsigned long meminfo(const char *name)
{
	char text[8192];
	const char *at;

	if (doctor_read("/proc/meminfo", text, sizeof(text)) < 0)
		return 0;
	at = strstr(text, name);
	return at ? strtoul(at + strlen(name), NULL, 10) : 0;
}

static void memory(struct doctor *d)
{
	unsigned long want_kb = (unsigned long)d->conf->dataplane.memory_mb << 10;
	unsigned long huge_kb = meminfo("HugePages_Free:") * meminfo("Hugepagesize:");
	unsigned long page_kb = meminfo("Hugepagesize:"), free_kb = meminfo("MemAvailable:");

	if (!d->conf->dataplane.hugepages)
		doctor_row(d, "hugepages", DOCTOR_OK, "", "not wanted (dataplane.hugepages is false)");
	else if (huge_kb >= want_kb)
		doctor_row(d, "hugepages", DOCTOR_OK, "", "%lu MiB free, %lu wanted", huge_kb >> 10,
			   want_kb >> 10);
	else
		doctor_row(d, "hugepages", DOCTOR_FAIL,
			   "write their number to vm.nr_hugepages, or set dataplane.hugepages to false",
			   "%lu MiB free, %lu wanted: %lu pages", huge_kb >> 10, want_kb >> 10,
			   page_kb ? (want_kb + page_kb - 1) / page_kb : 0);
	doctor_row(d, "memory", free_kb > want_kb / 2 ? DOCTOR_OK : DOCTOR_FAIL,
		   "free memory or lower dataplane.memory_mb", "%lu MiB available", free_kb >> 10);
}

static void shared_memory(struct doctor *d)
{
	struct zs_state_shape shape = { .flow_capacity = d->conf->flows.capacity,
					.event_capacity = CONFIG_EVENTS,
					.partitions = d->conf->dataplane.workers };
	struct zs_tables_shape tables = { .routes = CONFIG_ROUTES, .nexthops = CONFIG_NEXTHOPS };
	uint64_t want = zs_segment_footprint(&zs_state_kind, &shape) +
			zs_segment_footprint(&zs_tables_kind, &tables),
		 left;
	struct statvfs fs;
	char dir[96];

	if (statvfs("/dev/shm", &fs) != 0) {
		doctor_row(d, "shared memory", DOCTOR_FAIL, "mount a tmpfs on /dev/shm",
			   "/dev/shm is not there");
		return;
	}
	left = (uint64_t)fs.f_bavail * fs.f_frsize;
	if (zs_segment_dir(dir, d->conf->instance, false, NULL) == 0 && statvfs(dir, &fs) == 0)
		doctor_row(d, "shared memory", DOCTOR_OK, "", "%s is there, %lu MiB left", dir,
			   (unsigned long)(left >> 20));
	else
		doctor_row(d, "shared memory", left >= want ? DOCTOR_OK : DOCTOR_FAIL,
			   "enlarge /dev/shm or lower flows.capacity", "%lu MiB left, %lu wanted",
			   (unsigned long)(left >> 20), (unsigned long)(want >> 20));
}

static void bpf_files(struct doctor *d)
{
	struct statfs fs;

	if (!needs_steering(d->conf)) {
		doctor_row(d, "bpf file system", DOCTOR_OK, "", "not needed: no port uses af_xdp");
		return;
	}
	if (statfs("/sys/fs/bpf", &fs) == 0 && fs.f_type == BPF_FS_MAGIC)
		doctor_row(d, "bpf file system", DOCTOR_OK, "", "mounted");
	else
		doctor_row(d, "bpf file system", DOCTOR_FAIL, "mount -t bpf bpf /sys/fs/bpf",
			   "not mounted on /sys/fs/bpf");
}

static void state_folder(struct doctor *d)
{
	char dir[108];
	struct statvfs fs;
	uint64_t left;

	snprintf(dir, sizeof(dir), "%s", d->conf->state_dir);
	while (statvfs(dir, &fs) != 0) { /* a folder yet to be made: the disk it will be on */
		char *slash = strrchr(dir, '/');

		if (!slash)
			return;
		*(slash == dir ? slash + 1 : slash) = '\0';
	}
	left = (uint64_t)fs.f_bavail * fs.f_frsize;
	doctor_row(d, "state folder", left >= STATE_FREE ? DOCTOR_OK : DOCTOR_FAIL, "free space there",
		   "%lu MiB left for %s", (unsigned long)(left >> 20), d->conf->state_dir);
}

static void groups(struct doctor *d)
{
	const char *const names[] = { d->conf->admin.admin_group, d->conf->admin.user_group };

	for (size_t i = 0; i < 2; i++) {
		bool there = getgrnam(names[i]) != NULL;

		doctor_row(d, i == 0 ? "admin group" : "user group", there ? DOCTOR_OK : DOCTOR_WARN,
			   "groupadd --system it; until then root alone may call", "%s %s", names[i],
			   there ? "is there" : "does not exist");
	}
}

void doctor_machine(struct doctor *d)
{
	kernel(d);
	state_folder(d);
	groups(d);
}

void doctor_forwarding(struct doctor *d)
{
	rights(d);
	memory(d);
	shared_memory(d);
	bpf_files(d);
}
