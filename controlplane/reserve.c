/* A file of blocks that nothing was written to. A part is better than nothing: whoever fills the disk takes what is left free. */
#include "reserve.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define STEP_BYTES (256u << 10) /* the smallest part */

static void path_of(char out[280], const char *dir)
{
	snprintf(out, 280, "%.256s/reserve", dir);
}

static int64_t has(int fd)
{
	struct stat st;

	return fstat(fd, &st) ? -errno : st.st_size;
}

int64_t zs_reserve_hold(const char *dir)
{
	char path[280];
	int64_t held;
	int fd;

	path_of(path, dir);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;
	held = has(fd);
	for (int64_t step = ZS_RESERVE_BYTES; held >= 0 && step >= STEP_BYTES; step /= 2)
		while (held + step <= ZS_RESERVE_BYTES && fallocate(fd, 0, held, step) == 0)
			held += step;
	close(fd);
	return held;
}

int zs_reserve_give(const char *dir)
{
	char path[280];

	path_of(path, dir);
	return unlink(path) ? -errno : 0;
}
