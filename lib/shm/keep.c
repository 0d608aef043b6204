/* The folder is the relay's user's, who may put any link into it at any moment, and zsctl is root: all goes by descriptors of folders
 * that were looked at, what is kept lies in one that is the caller's alone, and no link is followed. */
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
#define BACK   "back" /* in it, on its way out */

static const char *const kinds[] = {
	"tables", "sessions", "eventack", "tracewant", "state", "events", "trace"
};

struct folders {
	const char *dir;
	int now, then; /* DIR; DIR/before, or -1 */
};

static int fail(struct zs_error *err, const struct folders *f, const char *what, const char *name)
{
	int code = -errno;

	return zs_error_set(err, code, code == -ENOSPC ? ZS_EXIT_RESOURCE : ZS_EXIT_FAILED,
			    "%s/%s: cannot %s: %s", f->dir, name, what, strerror(-code));
}

static int foreign(struct zs_error *err, const struct folders *f, const char *name)
{
	return zs_error_set(err, -EPERM, ZS_EXIT_PRIVILEGE, "%s/%s: not yours alone; remove it", f->dir,
			    name);
}

static void leave(struct folders *f)
{
	if (f->then >= 0)
		close(f->then);
	if (f->now >= 0)
		close(f->now);
}

static int open_folder(int at, const char *name)
{
	return openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

/* 0 with then < 0: nothing is kept. Whatever it returns, the caller leaves. */
static int enter(struct folders *f, const char *dir, bool make, struct zs_error *err)
{
	struct stat st;

	*f = (struct folders){ dir, open_folder(AT_FDCWD, dir), -1 };
	if (f->now < 0)
		return errno == ENOENT && !make ? 0 : fail(err, f, "enter it", ".");
	if (make && mkdirat(f->now, FOLDER, 0700) < 0 && errno != EEXIST)
		return fail(err, f, "make it", FOLDER);
	f->then = open_folder(f->now, FOLDER);
	if (f->then < 0)
		return errno == ENOENT && !make		    ? 0
		       : errno == ELOOP || errno == ENOTDIR ? foreign(err, f, FOLDER)
							    : fail(err, f, "enter it", FOLDER);
	if (fstat(f->then, &st) == 0 && st.st_uid == geteuid() && !(st.st_mode & 022))
		return 0;
	close(f->then);
	f->then = -1;
	return foreign(err, f, FOLDER);
}

static int open_plain(int at, const char *name, int flags)
{
	int fd = openat(at, name, flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	struct stat st;

	if (fd < 0 || (fstat(fd, &st) == 0 && S_ISREG(st.st_mode)))
		return fd;
	close(fd);
	errno = EINVAL;
	return -1;
}

static bool exists(int at, const char *name)
{
	struct stat st;

	return fstatat(at, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

/* 0: there is no whole header. */
static uint32_t version(int at, const char *name)
{
	struct zs_segment_header h;
	int fd = open_plain(at, name, O_RDONLY);
	ssize_t n = fd >= 0 ? pread(fd, &h, sizeof(h), 0) : -1;

	if (fd >= 0)
		close(fd);
	return n == sizeof(h) ? h.version : 0;
}

static void forget(struct folders *f)
{
	for (size_t i = 0; i < ZS_ARRAY_LEN(kinds); i++)
		unlinkat(f->then, kinds[i], 0);
	unlinkat(f->then, BACK, 0);
}

void zs_keep_forget(const char *dir)
{
	struct folders f;

	if (enter(&f, dir, false, NULL) == 0 && f.then >= 0) {
		forget(&f);
		unlinkat(f.now, FOLDER, AT_REMOVEDIR);
	}
	leave(&f);
}

static int keep(struct folders *f, const char *kind, struct zs_error *err)
{
	int fd;

	if (linkat(f->now, kind, f->then, kind, 0) < 0)
		return errno == ENOENT ? 0 : fail(err, f, "keep it", kind);
	fd = open_plain(f->then, kind, O_RDONLY);
	if (fd < 0)
		return fail(err, f, "keep it", kind);
	close(fd);
	return 0;
}

int zs_keep(const char *dir, struct zs_error *err)
{
	struct folders f;
	int rc = enter(&f, dir, true, err);

	if (!rc)
		forget(&f);
	for (size_t i = 0; i < ZS_ARRAY_LEN(kinds) && !rc; i++)
		rc = keep(&f, kinds[i], err);
	leave(&f);
	if (rc)
		zs_keep_forget(dir);
	return rc;
}

static int mark(const struct folders *f, const char *kind, struct zs_error *err)
{
	const uint32_t yes = 1;
	int fd = open_plain(f->then, kind, O_WRONLY), rc = 0;

	if (fd < 0 || pwrite(fd, &yes, sizeof(yes), offsetof(struct zs_segment_header, put_back)) !=
			  (ssize_t)sizeof(yes))
		rc = fail(err, f, "mark it", kind);
	if (fd >= 0)
		close(fd);
	return rc;
}

/* By a name of its own, so that the kept one stays for another call. */
static int put_back(const struct folders *f, const char *kind, bool state, struct zs_error *err)
{
	int rc = state ? mark(f, kind, err) : 0;

	unlinkat(f->then, BACK, 0);
	if (!rc && (linkat(f->then, kind, f->then, BACK, 0) < 0 || renameat(f->then, BACK, f->now, kind) < 0))
		rc = fail(err, f, "put it back", kind);
	return rc;
}

static int undo(const struct folders *f, const char *kind, struct zs_error *err)
{
	bool state = !strcmp(kind, "state"), tables = !strcmp(kind, "tables");
	bool now = exists(f->now, kind), then = exists(f->then, kind);

	if (now && then && version(f->now, kind) == version(f->then, kind))
		return 0; /* the same file, or one that the old build can go on with */
	if ((state || tables) && then)
		return put_back(f, kind, state, err);
	return now && unlinkat(f->now, kind, 0) < 0 ? fail(err, f, "remove it", kind) : 0;
}

int zs_keep_put_back(const char *dir, struct zs_error *err)
{
	struct folders f;
	int rc = enter(&f, dir, false, err);

	for (size_t i = 0; f.then >= 0 && i < ZS_ARRAY_LEN(kinds) && !rc; i++)
		rc = undo(&f, kinds[i], err);
	leave(&f);
	return rc;
}
