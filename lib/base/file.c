/* Written under another name, synced, and moved into place; a fresh one is linked, since link(2) never replaces. A crash leaves
 * the old file, or none, or the whole new one; a process of the same pid takes the left-over away. */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

const char *zs_file_beside(char out[ZS_FILE_PATH], const char *name)
{
	ssize_t n = readlink("/proc/self/exe", out, ZS_FILE_PATH / 2);

	while (n > 0 && out[n - 1] != '/')
		n--;
	snprintf(out + (n > 0 ? n : 0), ZS_FILE_PATH / 2, "%s", name);
	if (access(out, R_OK) < 0)
		snprintf(out, ZS_FILE_PATH, ZS_LIBEXEC "/%s", name);
	return out;
}

static int sync_folder(const char *path)
{
	char dir[ZS_FILE_PATH];
	char *slash;
	int rc, fd;

	strcpy(dir, path);
	slash = strrchr(dir, '/');
	if (slash)
		slash[slash == dir] = '\0';
	fd = open(slash ? dir : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	rc = fsync(fd) ? -errno : 0;
	close(fd);
	return rc;
}

static int write_synced(const char *path, const void *bytes, size_t len)
{
	int rc = 0, fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = write(fd, bytes, len);
	if (n != (ssize_t)len)
		rc = n < 0 ? -errno : -ENOSPC;
	if (!rc && fsync(fd))
		rc = -errno;
	close(fd);
	return rc;
}

int zs_file_put(const char *path, const void *bytes, size_t len, bool fresh)
{
	char tmp[ZS_FILE_PATH + 32];
	int rc;

	if (strlen(path) >= ZS_FILE_PATH)
		return -ENAMETOOLONG;
	snprintf(tmp, sizeof(tmp), "%s.%d.tmp", path, (int)getpid());
	unlink(tmp);
	rc = write_synced(tmp, bytes, len);
	if (!rc && (fresh ? link(tmp, path) : rename(tmp, path)))
		rc = -errno;
	unlink(tmp);
	return rc ? rc : sync_folder(path);
}

/* --- reading ---------------------------------------------------------------------------------- */

static enum zs_exit status_of(int code)
{
	switch (code) {
	case -EPERM:
	case -EACCES:
	case -EROFS:
		return ZS_EXIT_PRIVILEGE;
	default:
		return zs_error_lacks(code) ? ZS_EXIT_RESOURCE : ZS_EXIT_CONFIG;
	}
}

int zs_file_refuse(struct zs_error *err, int code, const char *path, const char *what)
{
	return zs_error_set(err, code, status_of(code), "%.150s: %s", path, what);
}

/* An ACL that stands in the group bits lets the service read what the service manager hands over. */
static bool is_credential(const char *path, const struct stat *st)
{
	const char *dir = getenv("CREDENTIALS_DIRECTORY");
	size_t len = dir ? strlen(dir) : 0;

	return len && strncmp(path, dir, len) == 0 && path[len] == '/' && !strchr(path + len + 1, '/') &&
	       st->st_uid == 0 && !(st->st_mode & 027);
}

static bool is_ours(const struct stat *st)
{
	return !(st->st_mode & 077) && (st->st_uid == geteuid() || geteuid() == 0);
}

ssize_t zs_file_get(const char *path, void *out, size_t max, struct zs_error *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct stat st;
	ssize_t n;
	char more;

	if (fd < 0)
		return errno == ENOENT ? -ENOENT : zs_file_refuse(err, -errno, path, strerror(errno));
	if (fstat(fd, &st) || !S_ISREG(st.st_mode)) {
		n = zs_file_refuse(err, -EPERM, path, "is no plain file; name another");
	} else if (!is_ours(&st) && !is_credential(path, &st)) {
		n = zs_file_refuse(err, -EPERM, path,
				   "is open to others; chmod it to 0600, owned by who runs this");
	} else {
		n = read(fd, out, max);
		if (n < 0)
			n = zs_file_refuse(err, -errno, path, strerror(errno));
		else if (n == (ssize_t)max && read(fd, &more, 1) != 0)
			n = zs_file_refuse(err, -EFBIG, path, "is too large to be what it should be");
	}
	close(fd);
	return n;
}
