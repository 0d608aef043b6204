/* Processors: they exist, are online, are kept free of others' work. */
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include "doctor.h"

static bool is_worker_cpu(const struct zs_conf *conf, unsigned long cpu)
{
	for (uint32_t i = 0; i < conf->dataplane.workers; i++)
		if (conf->dataplane.cpu[i] == cpu)
			return true;
	return false;
}

static void cpus(struct doctor *d)
{
	char online[256] = "", isolated[256] = "", missing[64] = "", shared[64] = "";

	doctor_read("/sys/devices/system/cpu/online", online, sizeof(online));
	doctor_read("/sys/devices/system/cpu/isolated", isolated, sizeof(isolated));
	for (uint32_t i = 0; i < d->conf->dataplane.workers; i++) {
		unsigned cpu = d->conf->dataplane.cpu[i];
		char *to = !doctor_in_list(online, cpu)	    ? missing
			   : !doctor_in_list(isolated, cpu) ? shared
							    : NULL;

		if (to && strlen(to) < 56)
			snprintf(to + strlen(to), 64 - strlen(to), " %u", cpu);
	}
	if (missing[0])
		doctor_row(d, "worker cores", DOCTOR_FAIL, "name cores that exist in dataplane.cpus",
			   "not online:%s (online: %.60s)", missing, online);
	else
		doctor_row(d, "worker cores", DOCTOR_OK, "", "all %u are online", d->conf->dataplane.workers);
	doctor_row(d, "core isolation", shared[0] ? DOCTOR_WARN : DOCTOR_OK,
		   "for the best latency boot with isolcpus= and nohz_full= for them", "%s%s",
		   shared[0] ? "shared with other programs:" : "isolated", shared);
}

/* Interrupts that a worker's core may be asked to serve. */
static void interrupts(struct doctor *d)
{
	DIR *dir = opendir("/proc/irq");
	struct dirent *e;
	unsigned count = 0;

	while (dir && (e = readdir(dir))) {
		char path[320], list[256];

		snprintf(path, sizeof(path), "/proc/irq/%s/effective_affinity_list", e->d_name);
		if (e->d_name[0] < '0' || e->d_name[0] > '9' || doctor_read(path, list, sizeof(list)) <= 0)
			continue;
		for (uint32_t i = 0; i < d->conf->dataplane.workers; i++) {
			if (doctor_in_list(list, d->conf->dataplane.cpu[i])) {
				count++;
				break;
			}
		}
	}
	if (dir)
		closedir(dir);
	doctor_row(d, "interrupts", count ? DOCTOR_WARN : DOCTOR_OK,
		   "move them by /proc/irq/N/smp_affinity_list; stop irqbalance or ban the cores",
		   count ? "%u are served by worker cores" : "none is served by worker cores", count);
}

void doctor_cores(struct doctor *d)
{
	cpus(d);
	interrupts(d);
	if (is_worker_cpu(d->conf, d->conf->dataplane.main_cpu))
		doctor_row(d, "main core", DOCTOR_WARN, "give dataplane.main_cpu another core",
			   "core %u is a worker's too", d->conf->dataplane.main_cpu);
}
