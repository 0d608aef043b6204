#include "core/shm.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/mount.h>

int zs_shm_private(bool huge, struct zs_error *err)
{
	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		return zs_error_set(err, -errno, ZS_EXIT_PRIVILEGE,
				    "cannot make a mount namespace for the segments; run as root");
	if ((!huge || mount("zs-bench", "/dev/shm", "tmpfs", 0, "huge=always,size=90%")) &&
	    mount("zs-bench", "/dev/shm", "tmpfs", 0, "size=90%"))
		return zs_error_set(err, -errno, ZS_EXIT_RESOURCE, "cannot mount a tmpfs on /dev/shm");
	setenv("RUNTIME_DIRECTORY", "/dev/shm", 1); /* where DPDK makes a folder that it never removes */
	return 0;
}
