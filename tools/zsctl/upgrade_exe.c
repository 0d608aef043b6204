/* What a plane's process runs. Its pid stands in shared memory, which the relay's user writes: that process may be any. */
#include "upgrade.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define COMPARE	  65536
#define PATH_LONG (ZS_FILE_PATH + 64)

static bool same_bytes(int a, int b)
{
	char one[COMPARE], two[COMPARE];

	for (off_t at = 0;; at += COMPARE) {
		ssize_t n = pread(a, one, sizeof(one), at), m = pread(b, two, sizeof(two), at);

		if (n != m || n < 0 || memcmp(one, two, (size_t)n) != 0)
			return false;
		if (n == 0)
			return true;
	}
}

static bool same_file(int a, int b)
{
	struct stat st[2];

	if (a < 0 || b < 0 || fstat(a, &st[0]) < 0 || fstat(b, &st[1]) < 0)
		return false;
	if (st[0].st_ino == st[1].st_ino && st[0].st_dev == st[1].st_dev)
		return true;
	return st[0].st_size == st[1].st_size && same_bytes(a, b);
}

static int open_exe(pid_t pid, char path[32])
{
	snprintf(path, 32, "/proc/%d/exe", (int)pid);
	return open(path, O_RDONLY | O_CLOEXEC);
}

bool upgrade_runs(const struct upgrade *u, enum upgrade_plane plane, const char *path)
{
	char link[32];
	int exe = open_exe(upgrade_pid(u, plane), link), file = open(path, O_RDONLY | O_CLOEXEC);
	bool same = same_file(exe, file);

	if (exe >= 0)
		close(exe);
	if (file >= 0)
		close(file);
	return same;
}

/* Was it at this path, and only root could write it? Another instance's upgrade, or a package's, has replaced it since. */
static bool was_there(int exe, const char *link, const char *path)
{
	char was[PATH_LONG], is[PATH_LONG];
	ssize_t n = readlink(link, is, sizeof(is) - 1);
	struct stat st;

	is[n > 0 ? n : 0] = '\0';
	snprintf(was, sizeof(was), "%s (deleted)", path);
	return !strcmp(is, was) && fstat(exe, &st) == 0 && st.st_uid == 0 && !(st.st_mode & 022);
}

int upgrade_identify(struct upgrade *u, enum upgrade_plane plane, pid_t pid)
{
	char path[ZS_FILE_PATH], link[32];
	int exe = open_exe(pid, link), file, code = errno;

	if (exe < 0)
		return zs_error_set(&u->err, -code, ZS_EXIT_PRIVILEGE,
				    "%s: its process cannot be looked at; start zsctl as root",
				    upgrade_plane_name(plane));
	upgrade_installed(u, plane, path);
	file = open(path, O_RDONLY | O_CLOEXEC);
	if (u->exe[plane] >= 0)
		close(u->exe[plane]);
	u->exe[plane] = -1;
	if (same_file(exe, file)) {
		u->exe[plane] = file;
		file = -1;
	} else if (was_there(exe, link, path)) {
		u->exe[plane] = exe;
		exe = -1;
	}
	if (exe >= 0)
		close(exe);
	if (file >= 0)
		close(file);
	return u->exe[plane] >= 0
		   ? 0
		   : zs_error_set(
			 &u->err, -EXDEV, ZS_EXIT_REFUSED,
			 "process %d does not run %s; restart %s from there, or say by --into where it is",
			 (int)pid, path, upgrade_plane_name(plane));
}
