/* The sd_notify protocol, as sd_notify(3) describes it. */
#include <errno.h>
#include <fcntl.h>
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

#define KEPT_FIRST 3	/* where the manager's descriptors begin, by its protocol */
#define KEPT_MAX   1024 /* more are nobody's */

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

/* fd -1: none goes along. */
static int tell(const char *state, int fd)
{
	struct sockaddr_un un;
	union {
		struct cmsghdr head;
		uint8_t bytes[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct iovec iov = { (void *)(uintptr_t)state, strlen(state) };
	struct msghdr m = { .msg_name = &un, .msg_iov = &iov, .msg_iovlen = 1 };
	const char *path = getenv("NOTIFY_SOCKET");
	if (!path)
		return 0;
	int ret = address(&un, &m.msg_namelen, path);
	if (ret)
		return ret;
	if (fd >= 0) {
		m.msg_control = control.bytes;
		m.msg_controllen = sizeof(control.bytes);
		control.head = (struct cmsghdr){ CMSG_LEN(sizeof(fd)), SOL_SOCKET, SCM_RIGHTS };
		memcpy(CMSG_DATA(&control.head), &fd, sizeof(fd));
	}
	int out = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (out < 0)
		return -errno;
	ssize_t n = sendmsg(out, &m, MSG_NOSIGNAL);
	ret = n < 0 ? -errno : 1;
	close(out);
	return ret;
}

int zs_notify(const char *state)
{
	return tell(state, -1);
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

int zs_notify_store(int fd, const char *name)
{
	char state[320];
	/* FDPOLL=0: an error that waits on a UDP socket is no reason to drop it. */
	snprintf(state, sizeof(state), "FDSTORE=1\nFDPOLL=0\nFDNAME=%.255s", name);
	return tell(state, fd);
}

int zs_notify_forget(const char *name)
{
	char state[320];
	snprintf(state, sizeof(state), "FDSTOREREMOVE=1\nFDNAME=%.255s", name);
	return tell(state, -1);
}

unsigned zs_notify_kept(zs_notify_fd_fn *fn, void *ctx)
{
	uint64_t count = number("LISTEN_PID") == (uint64_t)getpid() ? number("LISTEN_FDS") : 0;
	const char *names = getenv("LISTEN_FDNAMES");
	unsigned given = 0;
	for (; given < count && given < KEPT_MAX; given++) {
		size_t len = names ? strcspn(names, ":") : 0;
		char name[256];
		snprintf(name, sizeof(name), "%.*s", (int)len, names ? names : "");
		if (names)
			names += len + (names[len] == ':');
		if (fcntl(KEPT_FIRST + (int)given, F_SETFD, FD_CLOEXEC) == 0)
			fn(ctx, KEPT_FIRST + (int)given, name);
	}
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
	return given;
}

uint64_t zs_notify_watchdog_ns(void)
{
	if (getenv("WATCHDOG_PID") && number("WATCHDOG_PID") != (uint64_t)getpid())
		return 0;
	return number("WATCHDOG_USEC") * 1000 / 2;
}
