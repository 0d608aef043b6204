/* What an upgrade replaces. A new file is staged as .NAME.new in its own folder, which is where a full disk shows, and gets its
 * name by rename(2): a plane that is started at any moment finds a whole one, old or new. */
#include "upgrade.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/check.h"

#define COPY_MAX  (256u << 20)
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

/* Might somebody else than root and the caller change it? */
static bool open_to_others(const struct stat *st)
{
	return (st->st_uid != 0 && st->st_uid != geteuid()) || (st->st_mode & 022);
}

static int others(struct upgrade *u, const char *path)
{
	return zs_error_set(&u->err, -EPERM, ZS_EXIT_PRIVILEGE,
			    "%s: others may write it; chown it to root and chmod go-w, or copy it", path);
}

int upgrade_find(struct upgrade *u)
{
	struct stat st;

	if (stat(u->newdir, &st) < 0 || !S_ISDIR(st.st_mode))
		return zs_error_set(&u->err, -ENOTDIR, ZS_EXIT_USAGE,
				    "%s: no folder; name the one that has the new programs", u->newdir);
	if (open_to_others(&st))
		return others(u, u->newdir);
	for (unsigned i = 0; i < UPGRADE_FILES; i++) {
		char from[PATH_LONG], to[PATH_LONG];

		source(u, i, from);
		target(u, i, to);
		u->has[i] = access(from, F_OK) == 0 && (i < UPGRADE_PLANES || access(to, F_OK) == 0);
		if (i < UPGRADE_PLANES && !u->has[i])
			return zs_error_set(&u->err, -ENOENT, ZS_EXIT_USAGE,
					    "%s: there is no %s in it, nor below usr/bin; name the folder of "
					    "the new programs",
					    u->newdir, files[i].name);
	}
	return 0;
}

static int copy_bytes(int from, int to, off_t size)
{
	off_t at = 0;
	ssize_t n = 1;

	while (at < size && n > 0)
		n = sendfile(to, from, &at, (size_t)(size - at));
	return n < 0 || fsync(to) < 0 ? -errno : at < size ? -EIO : 0;
}

/* A plain file that others cannot change, nor hold us up with. */
static int open_source(struct upgrade *u, const char *path, struct stat *st)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		return fail(u, -errno, "read it", path);
	if (fstat(fd, st) == 0 && S_ISREG(st->st_mode) && st->st_size <= COPY_MAX && !open_to_others(st))
		return fd;
	close(fd);
	return S_ISREG(st->st_mode) && st->st_size <= COPY_MAX
		   ? others(u, path)
		   : zs_error_set(&u->err, -EINVAL, ZS_EXIT_REFUSED,
				  "%s: no program: no plain file of at most %u MiB", path, COPY_MAX >> 20);
}

/* A new file of this mode, whole or not at all. */
static int copy(struct upgrade *u, int in, off_t size, const char *to, mode_t mode)
{
	int out, rc;

	unlink(to);
	out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
	rc = out < 0 || fchmod(out, mode) < 0 ? -errno : copy_bytes(in, out, size);
	if (out >= 0)
		close(out);
	if (rc == 0)
		return 0;
	unlink(to);
	return fail(u, rc, "write it", to);
}

static int copy_path(struct upgrade *u, const char *from, const char *to, mode_t mode)
{
	struct stat st;
	int in = open_source(u, from, &st), rc;

	if (in < 0)
		return in;
	rc = copy(u, in, st.st_size, to, mode);
	close(in);
	return rc;
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
			rc = copy_path(u, from, to, mode_of(i));
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

static void kept_new(const struct upgrade *u, unsigned i, char out[PATH_LONG])
{
	snprintf(out, PATH_LONG, "%s/.%s.new", u->keep, files[i].name);
}

static int keep_file(struct upgrade *u, unsigned i)
{
	char from[PATH_LONG], to[PATH_LONG];
	struct stat st;

	kept_new(u, i, to);
	if (i < UPGRADE_PLANES)
		return fstat(u->exe[i], &st) < 0 ? fail(u, -errno, "read what runs", files[i].name)
						 : copy(u, u->exe[i], st.st_size, to, mode_of(i));
	target(u, i, from);
	return copy_path(u, from, to, mode_of(i));
}

/* Those of an upgrade before stay until all of these are there. */
int upgrade_keep_files(struct upgrade *u)
{
	char from[PATH_LONG], to[PATH_LONG];
	int rc = 0;

	for (unsigned i = 0; i < UPGRADE_FILES && !rc; i++)
		if (u->has[i])
			rc = keep_file(u, i);
	for (unsigned i = 0; i < UPGRADE_FILES; i++) {
		kept_new(u, i, from);
		kept(u, i, to);
		if (u->has[i] && !rc && rename(from, to) < 0)
			rc = fail(u, -errno, "give it its name", to);
		if (rc)
			unlink(from);
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

void upgrade_candidate(const struct upgrade *u, unsigned i, char out[ZS_FILE_PATH])
{
	char path[PATH_LONG];

	if (u->staged)
		staged(u, i, path);
	else
		source(u, i, path);
	snprintf(out, ZS_FILE_PATH, "%.*s", ZS_FILE_PATH - 1, path);
}

void upgrade_installed(const struct upgrade *u, enum upgrade_plane plane, char out[ZS_FILE_PATH])
{
	char path[PATH_LONG];

	target(u, plane, path);
	snprintf(out, ZS_FILE_PATH, "%.*s", ZS_FILE_PATH - 1, path);
}

bool upgrade_is_object(unsigned i)
{
	return files[i].object;
}
