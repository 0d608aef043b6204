/* The listening socket and who calls.
 *
 * A lock beside the socket says whether a server lives; it goes with the process. Who holds the lock
 * may replace the socket: it is bound under another name and renamed, so there is no moment without one. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>
#include "admin/server.h"

#ifndef SO_PEERGROUPS
#define SO_PEERGROUPS 59
#endif
#define LINGER_TURNS   50
#define LINGER_TURN_NS 10000000

static int make_parent(const char *path)
{
	char dir[108];
	char *slash;

	snprintf(dir, sizeof(dir), "%s", path);
	slash = strrchr(dir, '/');
	if (!slash || slash == dir)
		return 0;
	*slash = '\0';
	if (mkdir(dir, 0755) == 0) /* whatever the umask says */
		return chmod(dir, 0755) == 0 ? 0 : -errno;
	return errno == EEXIST ? 0 : -errno;
}

static int take_lock(struct zs_admin *a, struct zs_error *err)
{
	char path[128];

	snprintf(path, sizeof(path), "%s.lock", a->path);
	a->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (a->lock_fd < 0)
		return zs_error_set(err, -errno, ZS_EXIT_RESOURCE, "admin.socket: %s cannot be made: %s",
				    path, strerror(errno));
	if (flock(a->lock_fd, LOCK_EX | LOCK_NB) == 0)
		return 0;
	return zs_error_set(err, -EBUSY, ZS_EXIT_RUNNING,
			    "another zs-controlplane answers on %s; give this one another instance", a->path);
}

static bool answers(const struct sockaddr_un *sun)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	bool yes = fd >= 0 && connect(fd, (const struct sockaddr *)sun, sizeof(*sun)) == 0;

	if (fd >= 0)
		close(fd);
	return yes;
}

/* What is at the path may be a dead server's socket, nothing else. The lock is ours, so its owner is gone; but the kernel
 * undoes a killed process's ring in the background, and until then its socket seems to listen: that is waited for. */
static int check_old(const struct zs_admin *a, const struct sockaddr_un *sun, struct zs_error *err)
{
	static const struct timespec turn = { .tv_nsec = LINGER_TURN_NS };
	struct stat st;

	if (lstat(a->path, &st) != 0)
		return 0;
	if (!S_ISSOCK(st.st_mode))
		return zs_error_set(err, -EEXIST, ZS_EXIT_RESOURCE,
				    "admin.socket: %s is no socket; move it away", a->path);
	for (int i = 0; answers(sun); i++) {
		if (i == LINGER_TURNS)
			return zs_error_set(err, -EBUSY, ZS_EXIT_RUNNING,
					    "another program answers on %s; stop it first", a->path);
		nanosleep(&turn, NULL);
	}
	return 0;
}

static int bind_path(struct zs_admin *a, struct zs_error *err)
{
	struct sockaddr_un real = { .sun_family = AF_UNIX }, temporary = { .sun_family = AF_UNIX };
	struct stat st;
	int rc;

	memcpy(real.sun_path, a->path, sizeof(real.sun_path));
	rc = check_old(a, &real, err);
	if (rc != 0)
		return rc;
	if (snprintf(temporary.sun_path, sizeof(temporary.sun_path), "%s.new", a->path) >=
	    (int)sizeof(temporary.sun_path))
		return zs_error_set(err, -ENAMETOOLONG, ZS_EXIT_CONFIG, "admin.socket: the path is too long");
	unlink(temporary.sun_path);
	if (bind(a->listen_fd, (struct sockaddr *)&temporary, sizeof(temporary)) != 0 ||
	    listen(a->listen_fd, ZS_ADMIN_CONNECTIONS) != 0 || chmod(temporary.sun_path, 0666) != 0 ||
	    stat(temporary.sun_path, &st) != 0 || rename(temporary.sun_path, a->path) != 0) {
		rc = -errno;
		unlink(temporary.sun_path);
		return zs_error_set(err, rc, ZS_EXIT_RESOURCE, "admin.socket: %s cannot be made: %s", a->path,
				    strerror(-rc));
	}
	a->inode = st.st_ino;
	return 0;
}

int zs_admin_listen(struct zs_admin *a, struct zs_error *err)
{
	int rc = make_parent(a->path);

	if (rc != 0)
		return zs_error_set(err, rc, ZS_EXIT_RESOURCE, "admin.socket: its folder cannot be made: %s",
				    strerror(-rc));
	rc = take_lock(a, err);
	if (rc != 0)
		return rc;
	a->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (a->listen_fd < 0)
		return zs_error_set(err, -errno, ZS_EXIT_RESOURCE, "admin.socket: %s", strerror(errno));
	/* Mode 0666: everybody may ask; who may do what is decided by the kernel's word on the caller. */
	return bind_path(a, err);
}

void zs_admin_unlisten(struct zs_admin *a)
{
	struct stat st;

	if (a->listen_fd >= 0) {
		if (a->inode && lstat(a->path, &st) == 0 && st.st_ino == a->inode)
			unlink(a->path);
		close(a->listen_fd);
	}
	if (a->lock_fd >= 0)
		close(a->lock_fd); /* the lock's file stays: removing it would let two hold "the" lock */
}

enum zs_level zs_admin_level(uid_t uid, uid_t own_uid, const gid_t *groups, size_t count, gid_t admin,
			     gid_t user)
{
	enum zs_level level = ZS_LEVEL_none;

	if (uid == 0 || uid == own_uid)
		return ZS_LEVEL_owner;
	for (size_t i = 0; i < count; i++) {
		if (groups[i] == admin && admin != (gid_t)-1)
			return ZS_LEVEL_admin;
		if (groups[i] == user && user != (gid_t)-1)
			level = ZS_LEVEL_user;
	}
	return level;
}

static gid_t group_id(const char *name)
{
	struct group *g = name[0] ? getgrnam(name) : NULL;

	return g ? g->gr_gid : (gid_t)-1;
}

void zs_admin_groups(struct zs_admin *a)
{
	a->admin_gid = group_id(a->c->conf->admin.admin_group);
	a->user_gid = group_id(a->c->conf->admin.user_group);
}

int zs_admin_identify(const struct zs_admin *a, int fd, struct zs_caller *out)
{
	struct ucred peer;
	gid_t groups[ZS_ADMIN_GROUPS + 1];
	socklen_t len = sizeof(peer), groups_len = ZS_ADMIN_GROUPS * sizeof(groups[0]);
	size_t count = 0;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) != 0)
		return -errno;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &groups_len) == 0)
		count = groups_len / sizeof(groups[0]);
	groups[count++] = peer.gid;
	*out = (struct zs_caller){ .uid = peer.uid, .gid = peer.gid, .pid = peer.pid };
	out->level = zs_admin_level(peer.uid, geteuid(), groups, count, a->admin_gid, a->user_gid);
	return 0;
}
