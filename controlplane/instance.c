/* The lock file holds the pid of its holder. flock(2) ends with the process, so a crash leaves nothing to clean up. */
#include "instance.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/refused.h"

/* Whatever the umask says; one that is there already keeps its mode. */
static int make(const char *path, unsigned mode)
{
	return mkdir(path, mode) ? -errno : chmod(path, mode) ? -errno : 0;
}

int zs_instance_folder(const char *path, unsigned mode, struct zs_error *err)
{
	char buf[256];
	int n = snprintf(buf, sizeof(buf), "%s", path), rc;

	if (n < 2 || n >= (int)sizeof(buf))
		return zs_error_set(err, -ENAMETOOLONG, ZS_EXIT_CONFIG, "folder %.64s: no usable path", path);
	for (char *p = buf + 1; *p; p++) {
		if (*p != '/')
			continue;
		*p = '\0';
		make(buf, 0755); /* whether it worked shows at the end */
		*p = '/';
	}
	rc = make(buf, mode);
	if (rc && rc != -EEXIST)
		return zs_error_set(err, rc, rc == -EACCES ? ZS_EXIT_PRIVILEGE : ZS_EXIT_RESOURCE,
				    "folder %.128s cannot be made: %s", path, strerror(-rc));
	if (access(buf, R_OK | W_OK | X_OK))
		return zs_error_set(err, -errno, ZS_EXIT_PRIVILEGE,
				    "folder %.128s: %s; give it to the relay's user", path, strerror(errno));
	return 0;
}

static void write_pid(int fd)
{
	char text[16];
	int n = snprintf(text, sizeof(text), "%d\n", (int)getpid());

	if (pwrite(fd, text, (size_t)n, 0) < 0)
		return; /* a full disk: the lock holds all the same */
}

static int refuse(int fd, const char *dir, int why, struct zs_error *err)
{
	char text[16] = "";

	if (why != EWOULDBLOCK)
		return zs_error_set(err, -why, ZS_EXIT_RESOURCE, "%.128s/lock: %s", dir, strerror(why));
	zs_refused_note(dir);
	return zs_error_set(
	    err, -EBUSY, ZS_EXIT_RUNNING,
	    "another zs-controlplane of this instance is running (pid %d, lock %.128s/lock); stop it, or use "
	    "another --instance",
	    pread(fd, text, sizeof(text) - 1, 0) > 0 ? atoi(text) : 0, dir);
}

int zs_instance_lock(int *out, const char *dir, struct zs_error *err)
{
	char path[280];
	int fd, rc;

	snprintf(path, sizeof(path), "%.256s/lock", dir);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return zs_error_set(err, -errno, errno == EACCES ? ZS_EXIT_PRIVILEGE : ZS_EXIT_RESOURCE,
				    "%s: %s", path, strerror(errno));
	if (flock(fd, LOCK_EX | LOCK_NB)) {
		rc = refuse(fd, dir, errno, err);
		close(fd);
		return rc;
	}
	if (ftruncate(fd, 0) == 0)
		write_pid(fd);
	*out = fd;
	return 0;
}
