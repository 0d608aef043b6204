/* The planes that run: have they given up what they do not need? The segments name their processes. */
#include <stdlib.h>
#include <string.h>
#include "doctor.h"
#include "shm/state.h"
#include "shm/tables.h"

/* The number behind a name in /proc/PID/status, -1: not to be had. */
static long number(const char *status, const char *name)
{
	const char *at = strstr(status, name);

	return at ? strtol(at + strlen(name), NULL, 10) : -1;
}

static void plane(struct doctor *d, const char *check, const struct zs_segment *seg)
{
	uint32_t pid = seg && zs_segment_writer_alive(seg) ? atomic_load(&seg->base->writer_pid) : 0;
	char path[64], status[4096];

	snprintf(path, sizeof(path), "/proc/%u/status", pid);
	if (pid == 0)
		doctor_row(d, check, DOCTOR_OK, "", "not running");
	else if (doctor_read(path, status, sizeof(status)) < 0)
		doctor_row(d, check, DOCTOR_WARN, "look as root", "process %u does not show", pid);
	else if (number(status, "\nSeccomp:") == 2 && number(status, "\nNoNewPrivs:") == 1)
		doctor_row(d, check, DOCTOR_OK, "", "process %u has dropped its privileges", pid);
	else
		doctor_row(d, check, DOCTOR_FAIL, "see its log; restart it",
			   "process %u runs without its system call filter", pid);
}

void doctor_planes(struct doctor *d)
{
	struct zs_state state;
	struct zs_tables tables;
	char dir[96];
	bool has_dir = zs_segment_dir(dir, d->conf->instance, false, NULL) == 0;
	bool has_state = has_dir && zs_state_open_reader(&state, dir, NULL) == 0;
	bool has_tables = has_dir && zs_tables_open_reader(&tables, dir, NULL) == 0;

	plane(d, "dataplane", has_state ? &state.seg : NULL);
	plane(d, "control plane", has_tables ? &tables.seg : NULL);
	if (has_state)
		zs_state_close(&state);
	if (has_tables)
		zs_tables_close(&tables);
}
