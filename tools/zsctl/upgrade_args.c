/* What zsctl upgrade was told, and the folder that it keeps things in. */
#include "upgrade.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define INTO	      "/usr/bin"
#define KEEP	      "/var/lib/zerostate-upgrade"
#define TIMEOUT_S     60
#define TIMEOUT_MAX_S 3600
#define SYSTEMD                                                                                              \
	"systemctl reset-failed \"$1@$2\" 2>/dev/null; exec systemctl restart \"$1@$2\"" /* too many failed starts end starts */

static int absolute(struct upgrade *u, const char *name, const char *otherwise, char out[ZS_FILE_PATH])
{
	const char *text = json_string_value(json_object_get(u->z->args, name));

	snprintf(out, ZS_FILE_PATH, "%s", text ? text : otherwise);
	return out[0] == '/' ? 0
			     : zs_error_set(&u->err, -EINVAL, ZS_EXIT_USAGE,
					    "--%s %s: write a path that begins with /", name, out);
}

int upgrade_read_args(struct upgrade *u)
{
	json_t *args = u->z->args, *timeout = json_object_get(args, "timeout");
	const char *restart = json_string_value(json_object_get(args, "restart"));
	char keep[ZS_FILE_PATH];
	int rc = absolute(u, "into", INTO, u->into);

	u->newdir = json_string_value(json_object_get(args, "newdir"));
	u->timeout_s = timeout ? (uint32_t)json_integer_value(timeout) : TIMEOUT_S;
	if (rc || (rc = absolute(u, "keep", KEEP, keep)))
		return rc;
	if (u->timeout_s == 0 || u->timeout_s > TIMEOUT_MAX_S)
		return zs_error_set(&u->err, -ERANGE, ZS_EXIT_USAGE, "--timeout: 1 to %u", TIMEOUT_MAX_S);
	if (!u->newdir == !json_object_get(args, "rollback"))
		return zs_error_set(&u->err, -EINVAL, ZS_EXIT_USAGE,
				    "name the folder of the new programs, or --rollback alone");
	if (snprintf(u->keep, sizeof(u->keep), "%s/%s", keep, u->z->instance) >= (int)sizeof(u->keep))
		return zs_error_set(&u->err, -ENAMETOOLONG, ZS_EXIT_USAGE, "--keep: too long");
	if (restart)
		snprintf(u->restart, sizeof(u->restart), "exec %s \"$1\" \"$2\"", restart);
	else
		snprintf(u->restart, sizeof(u->restart), "%s", SYSTEMD);
	if (!restart && access("/run/systemd/system", F_OK) < 0)
		return zs_error_set(&u->err, -ENOENT, ZS_EXIT_USAGE,
				    "systemd does not run here; say by --restart how a plane is restarted");
	return zs_segment_dir(u->shm, u->z->instance, false, &u->err);
}

/* Beside the programs, which it is about: instances share them. Its file goes with the call. */
static void lock_path(const struct upgrade *u, char path[ZS_FILE_PATH + 32])
{
	snprintf(path, ZS_FILE_PATH + 32, "%s/.zsctl-upgrade.lock", u->into);
}

static int lock(struct upgrade *u)
{
	char path[ZS_FILE_PATH + 32];
	struct stat st;

	lock_path(u, path);
	u->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (u->lock < 0)
		return zs_error_set(&u->err, -errno, ZS_EXIT_RESOURCE, "%s: %s", path, strerror(errno));
	if (flock(u->lock, LOCK_EX | LOCK_NB) == 0 && fstat(u->lock, &st) == 0 && st.st_nlink == 1)
		return 0;
	close(u->lock);
	u->lock = -1;
	return zs_error_set(&u->err, -EBUSY, ZS_EXIT_REFUSED,
			    "another zsctl upgrades the programs in %s; wait for it", u->into);
}

void upgrade_unlock(struct upgrade *u)
{
	char path[ZS_FILE_PATH + 32];

	if (u->lock < 0)
		return;
	lock_path(u, path);
	unlink(path);
	close(u->lock);
	u->lock = -1;
}

/* Root's alone: what lies in it is installed again. */
int upgrade_open_keep(struct upgrade *u)
{
	char path[ZS_FILE_PATH + 8], *slash;
	struct stat st;

	if (access(u->into, W_OK) < 0)
		return zs_error_set(&u->err, -errno, ZS_EXIT_PRIVILEGE,
				    "%s cannot be written: %s; start it as root", u->into, strerror(errno));
	snprintf(path, sizeof(path), "%s", u->keep);
	slash = strrchr(path, '/');
	*slash = '\0';
	mkdir(path, 0700);
	mkdir(u->keep, 0700);
	if (lstat(u->keep, &st) < 0)
		return zs_error_set(&u->err, -errno, errno == ENOSPC ? ZS_EXIT_RESOURCE : ZS_EXIT_PRIVILEGE,
				    "%s cannot be made: %s", u->keep, strerror(errno));
	if (!S_ISDIR(st.st_mode) || st.st_uid != geteuid() || st.st_mode & 022)
		return zs_error_set(&u->err, -EPERM, ZS_EXIT_PRIVILEGE,
				    "%s: not yours alone; remove it, or name another by --keep", u->keep);
	return lock(u);
}
