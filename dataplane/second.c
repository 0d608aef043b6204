/* The refused process cannot write the health board, which is the first one's. So it leaves a
 * file of a few bytes beside the segments, and the first one takes it away. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "second.h"

#define RAISED_NS (60 * ZS_NS_PER_S)
#define NOTE_MODE 0640

static void note_path(const struct zs_dp *dp, char out[128])
{
	snprintf(out, 128, "%s/refused", dp->shm_dir);
}

void zs_second_leave_note(const struct zs_dp *dp)
{
	char path[128];
	int fd;

	note_path(dp, path);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, NOTE_MODE);
	if (fd < 0)
		return;
	dprintf(fd, "%d\n", (int)getpid());
	close(fd);
}

void zs_second_look(struct zs_dp *dp, uint64_t now_ns)
{
	char path[128], text[16] = "";
	int fd;

	note_path(dp, path);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0) {
		if (dp->second_ns && now_ns - dp->second_ns > RAISED_NS) {
			zs_health_clear(dp->state.health, ZS_HEALTH_second_instance);
			dp->second_ns = 0;
		}
		return;
	}
	if (read(fd, text, sizeof(text) - 1) < 0)
		text[0] = 0;
	close(fd);
	unlink(path);
	dp->second_ns = now_ns;
	zs_health_raise(dp->state.health, ZS_HEALTH_second_instance, "process %d was refused", atoi(text));
}
