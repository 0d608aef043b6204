/* The watcher holds one end of a pair; its parent's end closes however the parent dies. */
#include "wire.h"

#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static void watch(const struct zs_wire *w, int fd)
{
	char word;

	setsid(); /* Ctrl-C is for the parent */
	signal(SIGTERM, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	if (recv(fd, &word, 1, 0) == 0)
		zs_wire_remove(w, true);
	_exit(0);
}

int zs_wire_watch(struct zs_wire *w)
{
	int pair[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
		return -errno;
	pid = fork();
	if (pid == 0) {
		close(pair[0]);
		watch(w, pair[1]);
	}
	close(pair[1]);
	if (pid < 0) {
		close(pair[0]);
		return -errno;
	}
	w->watcher = pid;
	w->watch_fd = pair[0];
	return 0;
}

void zs_wire_unwatch(struct zs_wire *w)
{
	if (!w->watcher)
		return;
	send(w->watch_fd, "", 1, MSG_NOSIGNAL);
	close(w->watch_fd);
	waitpid(w->watcher, NULL, 0);
	w->watcher = 0;
}

pid_t zs_wire_fork(const struct zs_wire *w)
{
	pid_t parent = getpid(), pid = fork();

	if (pid)
		return pid;
	close(w->watch_fd);
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) || getppid() != parent)
		_exit(126);
	return 0;
}
