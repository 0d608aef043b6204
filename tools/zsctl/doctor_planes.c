/* The planes that run: has each of their threads given up what it does not need? The segments name their processes. */
#include <dirent.h>
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

static bool is_confined(const char *status)
{
	return number(status, "\nSeccomp:") == 2 && number(status, "\nNoNewPrivs:") == 1;
}

/* The first thread of a process that is not; *threads counts them. 0: none, or -1: nothing to be seen. */
static long look_at_threads(uint32_t pid, unsigned *threads)
{
	char path[96], status[4096];
	struct dirent *e;
	long loose = 0;
	DIR *dir;

	*threads = 0;
	snprintf(path, sizeof(path), "/proc/%u/task", pid);
	dir = opendir(path);
	while (dir && (e = readdir(dir))) {
		long thread = strtol(e->d_name, NULL, 10);

		snprintf(path, sizeof(path), "/proc/%u/task/%ld/status", pid, thread);
		if (thread <= 0 || doctor_read(path, status, sizeof(status)) < 0)
			continue; /* . and .., and who ended meanwhile */
		(*threads)++;
		if (!loose && !is_confined(status))
			loose = thread;
	}
	if (dir)
		closedir(dir);
	return *threads ? loose : -1;
}

static void plane(struct doctor *d, const char *check, const struct zs_segment *seg)
{
	uint32_t pid = seg && zs_segment_writer_alive(seg) ? atomic_load(&seg->base->writer_pid) : 0;
	unsigned threads = 0;
	long loose = pid ? look_at_threads(pid, &threads) : 0;

	if (pid == 0)
		doctor_row(d, check, DOCTOR_OK, "", "not running");
	else if (loose < 0)
		doctor_row(d, check, DOCTOR_WARN, "look as root", "process %u does not show", pid);
	else if (loose == 0)
		doctor_row(d, check, DOCTOR_OK, "", "process %u has dropped its privileges in all %u threads",
			   pid, threads);
	else
		doctor_row(d, check, DOCTOR_FAIL, "see its log; restart it",
			   "thread %ld of process %u runs without its system call filter", loose, pid);
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
