/* The folder of an instance's segments. /dev/shm is open to everybody, so a folder that
 * somebody else put there under our name is refused. */
#include "shm/segment_file.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define INSTANCE_MAX 32
#define MODE	     0750

bool zs_segment_instance(const char *name)
{
	size_t n = strnlen(name, INSTANCE_MAX + 1);

	return n >= 1 && n <= INSTANCE_MAX && strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == n;
}

int zs_segment_dir(char out[96], const char *instance, bool create, struct zs_error *err)
{
	struct stat st;

	if (!zs_segment_instance(instance))
		return zs_error_set(err, -EINVAL, ZS_EXIT_USAGE,
				    "bad instance name '%.40s'; " ZS_INSTANCE_RULE, instance);
	snprintf(out, 96, "/dev/shm/zerostate-%s", instance);
	if (!create)
		return 0;
	if (mkdir(out, MODE) == 0)
		return chmod(out, MODE) < 0 ? zs_segment_fail(err, -errno, "set the mode of it", out) : 0;
	if (errno != EEXIST)
		return zs_segment_fail(err, -errno, "create", out);
	if (lstat(out, &st) < 0)
		return zs_segment_fail(err, -errno, "look at it", out);
	if (!S_ISDIR(st.st_mode) || (st.st_uid != geteuid() && st.st_uid != 0) || (st.st_mode & S_IWOTH))
		return zs_error_set(err, -EPERM, ZS_EXIT_PRIVILEGE,
				    "%s: not a folder of ours; find out who made it and remove it", out);
	return 0;
}
