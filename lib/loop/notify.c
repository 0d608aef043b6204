/* The sd_notify protocol, as sd_notify(3) describes it. */
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include "base/clock.h"
#include "loop/notify.h"

static int address(struct sockaddr_un *un, socklen_t *len, const char *path)
{
	size_t n = strlen(path);
	if (n < 2 || (path[0] != '/' && path[0] != '@'))
		return -EINVAL;
	if (n >= sizeof(un->sun_path))
		return -ENAMETOOLONG;
	memset(un, 0, sizeof(*un));
	un->sun_family = AF_UNIX;
	memcpy(un->sun_path, path, n);
	/* An abstract name starts with NUL and has no end but its length. */
	bool abstract = path[0] == '@';
	if (abstract)
		un->sun_path[0] = '\0';
	*len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n + !abstract);
	return 0;
}

int zs_notify(const char *state)
{
	struct sockaddr_un un;
	socklen_t len;
	const char *path = getenv("NOTIFY_SOCKET");
	if (!path)
		return 0;
	int ret = address(&un, &len, path);
	if (ret)
		return ret;
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	ssize_t n = sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&un, len);
	ret = n < 0 ? -errno : 1;
	close(fd);
	return ret;
}

int zs_notify_reloading(uint64_t now_ns)
{
	char state[64];
	snprintf(state, sizeof(state), "RELOADING=1\nMONOTONIC_USEC=%llu",
		 (unsigned long long)(now_ns / 1000));
	return zs_notify(state);
}

int zs_notify_mainpid(int pid)
{
	char state[32];
	snprintf(state, sizeof(state), "MAINPID=%d", pid);
	return zs_notify(state);
}

static uint64_t number(const char *name)
{
	const char *text = getenv(name);
	if (!text || !*text || strlen(text) > 15 || strspn(text, "0123456789") != strlen(text))
		return 0;
	return strtoull(text, NULL, 10);
}

uint64_t zs_notify_watchdog_ns(void)
{
	if (getenv("WATCHDOG_PID") && number("WATCHDOG_PID") != (uint64_t)getpid())
		return 0;
	return number("WATCHDOG_USEC") * 1000 / 2;
}
