#include "base/refused.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "base/clock.h"

#define SHOWN_NS (60 * ZS_NS_PER_S)
#define NEVER	 UINT64_MAX
#define MODE	 0640

static void note_path(char out[280], const char *dir)
{
	snprintf(out, 280, "%.256s/refused", dir);
}

void zs_refused_note(const char *dir)
{
	char path[280];
	int fd;

	note_path(path, dir);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, MODE);
	if (fd < 0)
		return;
	dprintf(fd, "%d\n", (int)getpid());
	close(fd);
}

enum zs_refused_news zs_refused_look(const char *dir, uint64_t *until_ns, uint64_t now_ns, int *pid)
{
	char path[280], text[16] = "";
	int fd;

	note_path(path, dir);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd >= 0) {
		*pid = read(fd, text, sizeof(text) - 1) > 0 ? atoi(text) : 0;
		close(fd);
		unlink(path);
		*until_ns = now_ns + SHOWN_NS;
		return ZS_REFUSED_NOW;
	}
	if (*until_ns == NEVER || now_ns < *until_ns)
		return ZS_REFUSED_NOTHING;
	*until_ns = NEVER;
	return ZS_REFUSED_LONG_AGO;
}
