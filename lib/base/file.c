/* Written under another name, synced, and moved into place; a fresh one is linked, since link(2) never replaces. A crash leaves
 * the old file, or none, or the whole new one; a process of the same pid takes the left-over away. */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

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
