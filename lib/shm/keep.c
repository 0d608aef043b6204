#include "shm/keep.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/check.h"
#include "shm/segment.h"

#define FOLDER "before"
#define PATH   160

static const char *const kinds[] = {
	"tables", "sessions", "eventack", "tracewant", "state", "events", "trace"
};

static int fail(struct zs_error *err, const char *what, const char *path)
{
	int code = -errno;

	return zs_error_set(err, code, code == -ENOSPC ? ZS_EXIT_RESOURCE : ZS_EXIT_FAILED,
			    "%s: cannot %s: %s", path, what, strerror(-code));
}

static void paths(char now[PATH], char then[PATH], const char *dir, const char *kind)
{
	snprintf(now, PATH, "%s/%s", dir, kind);
	snprintf(then, PATH, "%s/" FOLDER "/%s", dir, kind);
}

static bool exists(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0 && S_ISREG(st.st_mode);
}

/* 0: there is no whole header. */
static uint32_t version(const char *path)
{
	struct zs_segment_header h;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	ssize_t n = fd >= 0 ? pread(fd, &h, sizeof(h), 0) : -1;

	if (fd >= 0)
		close(fd);
	return n == sizeof(h) ? h.version : 0;
}

void zs_keep_forget(const char *dir)
{
	char now[PATH], then[PATH];

	for (size_t i = 0; i < ZS_ARRAY_LEN(kinds); i++) {
		paths(now, then, dir, kinds[i]);
		unlink(then);
	}
	snprintf(then, sizeof(then), "%s/" FOLDER, dir);
	rmdir(then);
}

int zs_keep(const char *dir, struct zs_error *err)
{
	char now[PATH], then[PATH];

	zs_keep_forget(dir);
	snprintf(then, sizeof(then), "%s/" FOLDER, dir);
	if (mkdir(then, 0700) < 0)
		return fail(err, "make it", then);
	for (size_t i = 0; i < ZS_ARRAY_LEN(kinds); i++) {
		paths(now, then, dir, kinds[i]);
		if (link(now, then) == 0 || errno == ENOENT)
			continue;
		fail(err, "keep it", now);
		zs_keep_forget(dir);
		return err ? err->code : -EIO;
	}
	return 0;
}

static int mark(const char *path, struct zs_error *err)
{
	const uint32_t yes = 1;
	int fd = open(path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW), rc = 0;

	if (fd < 0 || pwrite(fd, &yes, sizeof(yes), offsetof(struct zs_segment_header, put_back)) !=
			  (ssize_t)sizeof(yes))
		rc = fail(err, "mark it", path);
	if (fd >= 0)
		close(fd);
	return rc;
}

/* By a name of its own, so that the kept one stays for another call. */
static int put_back(const char *now, const char *then, bool state, struct zs_error *err)
{
	char tmp[PATH + 8];
	int rc = state ? mark(then, err) : 0;

	snprintf(tmp, sizeof(tmp), "%s.back", then);
	unlink(tmp);
	if (!rc && (link(then, tmp) < 0 || rename(tmp, now) < 0))
		rc = fail(err, "put it back", now);
	return rc;
}

int zs_keep_put_back(const char *dir, struct zs_error *err)
{
	char now[PATH], then[PATH];

	for (size_t i = 0; i < ZS_ARRAY_LEN(kinds); i++) {
		bool state = !strcmp(kinds[i], "state"), tables = !strcmp(kinds[i], "tables");
		int rc = 0;

		paths(now, then, dir, kinds[i]);
		if (exists(now) && exists(then) && version(now) == version(then))
			continue; /* the same file, or one that the old build can go on with */
		if ((state || tables) && exists(then))
			rc = put_back(now, then, state, err);
		else if (exists(now) && unlink(now) < 0)
			rc = fail(err, "remove it", now);
		if (rc)
			return rc;
	}
	return 0;
}
