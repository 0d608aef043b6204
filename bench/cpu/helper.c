#include "cpu/helper.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/clock.h"

static void child(const struct zs_wire *w, char where, const char *log, const int in[2], const int out[2],
		  char *const argv[])
{
	int err = open(log, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (err < 0 || zs_wire_enter(w, where) || dup2(in[0], 0) < 0 || dup2(out[1], 1) < 0 ||
	    dup2(err, 2) < 0)
		_exit(126);
	execvp(argv[0], argv);
	_exit(127);
}

/* Up to the line's end, without it. */
static int hear(const struct zs_helper *h, char line[ZS_HELPER_LINE])
{
	uint64_t until = zs_clock_ns() + ZS_HELPER_WAIT_MS * ZS_NS_PER_MS;
	struct pollfd p = { .fd = h->out, .events = POLLIN };
	size_t have = 0;

	do {
		uint64_t now = zs_clock_ns();

		if (have == ZS_HELPER_LINE - 1 || now >= until)
			return -ETIMEDOUT;
		if (poll(&p, 1, (int)((until - now) / ZS_NS_PER_MS) + 1) > 0 &&
		    read(h->out, line + have++, 1) != 1)
			return -EPIPE;
	} while (!have || line[have - 1] != '\n');
	line[have - 1] = 0;
	return 0;
}

int zs_helper_start(struct zs_helper *h, const struct zs_wire *w, char where, const char *log,
		    char *const argv[], struct zs_error *err)
{
	char path[64], line[ZS_HELPER_LINE] = "";
	int in[2], out[2];

	*h = (struct zs_helper){ 0 };
	snprintf(path, sizeof(path), "/tmp/%s-%s.log", w->tag, log);
	if (pipe2(in, O_CLOEXEC))
		return zs_error_set(err, -errno, ZS_EXIT_RESOURCE, "no pipe: %s", strerror(errno));
	if (pipe2(out, O_CLOEXEC) || (h->pid = zs_wire_fork(w)) < 0)
		return zs_error_set(err, -errno, ZS_EXIT_RESOURCE, "cannot fork: %s", strerror(errno));
	if (h->pid == 0)
		child(w, where, path, in, out, argv);
	close(in[0]);
	close(out[1]);
	h->in = in[1];
	h->out = out[0];
	signal(SIGPIPE, SIG_IGN);
	if (hear(h, line) || strncmp(line, "ready", 5)) {
		zs_helper_stop(h);
		return zs_error_set(err, -EIO, ZS_EXIT_FAILED, "%s does not start; see %s", log, path);
	}
	snprintf(h->told, sizeof(h->told), "%s", line + 5 + strspn(line + 5, " "));
	return 0;
}

int zs_helper_ask(struct zs_helper *h, const char *line, uint64_t *answer, struct zs_error *err)
{
	char text[ZS_HELPER_LINE];

	if (write(h->in, line, strlen(line)) != (ssize_t)strlen(line) || write(h->in, "\n", 1) != 1 ||
	    hear(h, text))
		return zs_error_set(err, -EPIPE, ZS_EXIT_FAILED,
				    "one side of a relay ended: see /tmp/zsb*.log");
	*answer = strtoull(text, NULL, 10);
	return 0;
}

void zs_helper_stop(struct zs_helper *h)
{
	if (h->pid <= 0)
		return;
	close(h->in);
	close(h->out);
	kill(h->pid, SIGKILL);
	waitpid(h->pid, NULL, 0);
	h->pid = 0;
}
