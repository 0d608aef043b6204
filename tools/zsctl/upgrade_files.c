/* What an upgrade replaces. A new file is staged as .NAME.new in its own folder, which is where a full disk shows, and gets its
 * name by rename(2): a plane that is started at any moment finds a whole one, old or new.
 *
 * Of the planes what runs is kept, from /proc/PID/exe, not what is installed: that may have been replaced by hand. */
#include "upgrade.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/check.h"

#define COPY_MAX  (1u << 30)
#define COMPARE	  65536
#define PATH_LONG (ZS_FILE_PATH + 64)

/* The planes first: their places are their numbers. */
static const struct {
	const char *name;
	bool object; /* beside the programs, or in ZS_LIBEXEC, as zs_file_beside looks for it */
} files[UPGRADE_FILES] = {
	[UPGRADE_CONTROL] = { "zs-controlplane", false },
	[UPGRADE_DATA] = { "zs-dataplane", false },
	{ "zsctl", false },
	{ "zs-steer", false },
	{ "zs-edge", false },
	{ "zs-bench", false },
	{ "steer.bpf.o", true },
	{ "fast.bpf.o", true },
	{ "xdp_bench.bpf.o", true },
};

const char *upgrade_file_name(unsigned i)
{
	return files[i].name;
}

static int fail(struct upgrade *u, int code, const char *what, const char *path)
{
	enum zs_exit end = code == -EACCES || code == -EPERM || code == -EROFS ? ZS_EXIT_PRIVILEGE
			   : code == -ENOSPC || code == -EDQUOT		       ? ZS_EXIT_RESOURCE
									       : ZS_EXIT_FAILED;

	return zs_error_set(&u->err, code, end, "%s: cannot %s: %s%s", path, what, strerror(-code),
			    end == ZS_EXIT_PRIVILEGE  ? "; start it as root"
			    : end == ZS_EXIT_RESOURCE ? "; free space there"
						      : "");
}

/* As it lies in a build folder, or in the tree of a package. */
static void source(const struct upgrade *u, unsigned i, char out[PATH_LONG])
{
	snprintf(out, PATH_LONG, "%s/%s", u->newdir, files[i].name);
	if (access(out, R_OK) < 0)
		snprintf(out, PATH_LONG, "%s%s/%s", u->newdir, files[i].object ? ZS_LIBEXEC : "/usr/bin",
			 files[i].name);
}

static void folder(const struct upgrade *u, unsigned i, char out[ZS_FILE_PATH])
{
	char path[PATH_LONG];

	snprintf(path, sizeof(path), "%s/%s", u->into, files[i].name);
	snprintf(out, ZS_FILE_PATH, "%s", files[i].object && access(path, F_OK) < 0 ? ZS_LIBEXEC : u->into);
}

static void target(const struct upgrade *u, unsigned i, char out[PATH_LONG])
{
	char dir[ZS_FILE_PATH];

	folder(u, i, dir);
	snprintf(out, PATH_LONG, "%s/%s", dir, files[i].name);
}

static void staged(const struct upgrade *u, unsigned i, char out[PATH_LONG])
{
	char dir[ZS_FILE_PATH];

	folder(u, i, dir);
	snprintf(out, PATH_LONG, "%s/.%s.new", dir, files[i].name);
}

static void kept(const struct upgrade *u, unsigned i, char out[PATH_LONG])
{
	snprintf(out, PATH_LONG, "%s/%s", u->keep, files[i].name);
}

int upgrade_find(struct upgrade *u)
{
	struct stat st;

	if (stat(u->newdir, &st) < 0 || !S_ISDIR(st.st_mode))
		return zs_error_set(&u->err, -ENOTDIR, ZS_EXIT_USAGE,
				    "%s: no folder; name the one that has the new programs", u->newdir);
	for (unsigned i = 0; i < UPGRADE_FILES; i++) {
		char from[PATH_LONG], to[PATH_LONG];

		source(u, i, from);
		target(u, i, to);
		u->has[i] = stat(from, &st) == 0 && S_ISREG(st.st_mode) &&
			    (i < UPGRADE_PLANES || access(to, F_OK) == 0);
		if (i < UPGRADE_PLANES && !u->has[i])
			return zs_error_set(&u->err, -ENOENT, ZS_EXIT_USAGE,
					    "%s: there is no %s in it, nor below usr/bin; name the folder of "
					    "the new programs",
					    u->newdir, files[i].name);
	}
	return 0;
}

static int copy_bytes(int from, int to)
{
	ssize_t n;

	while ((n = sendfile(to, from, NULL, COPY_MAX)) > 0)
		;
	return n < 0 || fsync(to) < 0 ? -errno : 0;
}

/* A new file of this mode, whole or not at all. */
static int copy(struct upgrade *u, const char *from, const char *to, mode_t mode)
{
	int in = open(from, O_RDONLY | O_CLOEXEC), out, rc;

	if (in < 0)
		return fail(u, -errno, "read it", from);
	unlink(to);
	out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
	rc = out < 0 || fchmod(out, mode) < 0 ? -errno : copy_bytes(in, out);
	close(in);
	if (out >= 0)
		close(out);
	if (rc == 0)
		return 0;
	unlink(to);
	return fail(u, rc, "write it", to);
}

static mode_t mode_of(unsigned i)
{
	return files[i].object ? 0644 : 0755;
}

void upgrade_unstage(struct upgrade *u)
{
	char path[PATH_LONG];

	for (unsigned i = 0; i < UPGRADE_FILES; i++) {
		staged(u, i, path);
		if (u->has[i])
			unlink(path);
	}
	u->staged = false;
}

static int stage(struct upgrade *u, void (*place)(const struct upgrade *, unsigned, char[PATH_LONG]))
{
	char from[PATH_LONG], to[PATH_LONG];
	int rc = 0;

	for (unsigned i = 0; i < UPGRADE_FILES && !rc; i++) {
		place(u, i, from);
		staged(u, i, to);
		if (u->has[i])
			rc = copy(u, from, to, mode_of(i));
	}
	u->staged = rc == 0;
	if (rc)
		upgrade_unstage(u);
	return rc;
}

int upgrade_stage(struct upgrade *u)
{
	return stage(u, source);
}

int upgrade_restage(struct upgrade *u)
{
	return stage(u, kept);
}

int upgrade_keep_files(struct upgrade *u)
{
	char from[PATH_LONG], to[PATH_LONG];
	int rc = 0;

	for (unsigned i = 0; i < UPGRADE_FILES && !rc; i++) {
		if (!u->has[i])
			continue;
		target(u, i, from);
		if (i < UPGRADE_PLANES)
			snprintf(from, sizeof(from), "/proc/%d/exe", (int)upgrade_pid(u, i));
		kept(u, i, to);
		rc = copy(u, from, to, mode_of(i));
	}
	return rc;
}

int upgrade_install(struct upgrade *u)
{
	for (unsigned i = 0; i < UPGRADE_FILES; i++) {
		char from[PATH_LONG], to[PATH_LONG];

		staged(u, i, from);
		target(u, i, to);
		if (u->has[i] && rename(from, to) < 0)
			return fail(u, -errno, "give it its name", to);
	}
	u->staged = false;
	return 0;
}

void upgrade_candidate(const struct upgrade *u, enum upgrade_plane plane, char out[ZS_FILE_PATH])
{
	char path[PATH_LONG];

	if (u->staged)
		staged(u, plane, path);
	else
		source(u, plane, path);
	snprintf(out, ZS_FILE_PATH, "%.*s", ZS_FILE_PATH - 1, path);
}

void upgrade_installed(const struct upgrade *u, enum upgrade_plane plane, char out[ZS_FILE_PATH])
{
	char path[PATH_LONG];

	target(u, plane, path);
	snprintf(out, ZS_FILE_PATH, "%.*s", ZS_FILE_PATH - 1, path);
}

static bool same_bytes(int a, int b)
{
	static const size_t len = COMPARE;
	char one[COMPARE], two[COMPARE];

	for (;;) {
		ssize_t n = read(a, one, len), m = read(b, two, len);

		if (n != m || n < 0 || memcmp(one, two, (size_t)n) != 0)
			return false;
		if (n == 0)
			return true;
	}
}

bool upgrade_runs(const struct upgrade *u, enum upgrade_plane plane, const char *path)
{
	char exe[32];
	struct stat st[2];
	int fd[2];
	bool same;

	snprintf(exe, sizeof(exe), "/proc/%d/exe", (int)upgrade_pid(u, plane));
	fd[0] = open(exe, O_RDONLY | O_CLOEXEC);
	fd[1] = open(path, O_RDONLY | O_CLOEXEC);
	same = fd[0] >= 0 && fd[1] >= 0 && fstat(fd[0], &st[0]) == 0 && fstat(fd[1], &st[1]) == 0;
	if (same && (st[0].st_ino != st[1].st_ino || st[0].st_dev != st[1].st_dev))
		same = st[0].st_size == st[1].st_size && same_bytes(fd[0], fd[1]);
	for (int i = 0; i < 2; i++)
		if (fd[i] >= 0)
			close(fd[i]);
	return same;
}
