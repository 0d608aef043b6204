/* The lock file holds "<pid of the holder>\n" and, at a fixed offset, "<pid of the last one
 * refused>\n": the refused process writes there, the holder looks there. flock(2) ends with the
 * process, so a crash leaves nothing to clean up. */
#include "instance.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/clock.h"

#define REFUSED_AT 32
#define SHOWN_NS   (60 * ZS_NS_PER_S)

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

static void write_pid(int fd, off_t at)
{
	char text[16];
	int n = snprintf(text, sizeof(text), "%d\n", (int)getpid());

	if (pwrite(fd, text, (size_t)n, at) < 0)
		return; /* a full disk: the lock holds all the same */
}

static int read_pid(int fd, off_t at)
{
	char text[16] = "";

	return pread(fd, text, sizeof(text) - 1, at) > 0 ? atoi(text) : 0;
}

static int refuse(int fd, const char *dir, int why, struct zs_error *err)
{
	if (why != EWOULDBLOCK)
		return zs_error_set(err, -why, ZS_EXIT_RESOURCE, "%.128s/lock: %s", dir, strerror(why));
	write_pid(fd, REFUSED_AT);
	return zs_error_set(
	    err, -EBUSY, ZS_EXIT_RUNNING,
	    "another zs-controlplane of this instance is running (pid %d, lock %.128s/lock); stop it, or use "
	    "another --instance",
	    read_pid(fd, 0), dir);
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
		write_pid(fd, 0);
	*out = fd;
	return 0;
}

void zs_instance_watch(struct zs_control *c, int fd)
{
	int pid = read_pid(fd, REFUSED_AT);

	if (pid) {
		zs_control_raise(c, ZS_HEALTH_second_instance, "pid %d", pid);
		c->second_until_ns = zs_loop_now(c->loop) + SHOWN_NS;
		if (ftruncate(fd, REFUSED_AT))
			return;
	} else if (zs_loop_now(c->loop) >= c->second_until_ns) {
		zs_control_clear(c, ZS_HEALTH_second_instance);
	}
}
