/* A listener's process: its start, its processor time and its memory. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/check.h"
#include "base/clock.h"
#include "libp2p/p2p.h"

#define START_MS 20000
#define LINE	 4096

static pid_t spawn(char *const argv[], int in, int out)
{
	pid_t parent = getpid(), pid = fork();

	if (pid)
		return pid;
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) || getppid() != parent || dup2(in, STDIN_FILENO) < 0 ||
	    dup2(out, STDOUT_FILENO) < 0)
		_exit(126);
	execv(argv[0], argv);
	_exit(127);
}

static bool read_line(int fd, char line[LINE])
{
	uint64_t until = zs_clock_ns() + START_MS * ZS_NS_PER_MS;
	struct pollfd ready = { .fd = fd, .events = POLLIN };
	size_t have = 0;

	while (zs_clock_ns() < until && poll(&ready, 1, START_MS / 10) >= 0) {
		ssize_t n = ready.revents ? read(fd, line + have, LINE - 1 - have) : 0;
		if (ready.revents && n <= 0)
			return false;
		have += (size_t)n;
		line[have] = 0;
		if (strchr(line, '\n'))
			return true;
	}
	return false;
}

static bool parse_line(struct zs_p2p_peer *p, const char *line)
{
	json_t *told = json_loads(line, JSON_DISABLE_EOF_CHECK, NULL);
	const char *text = json_string_value(json_array_get(json_object_get(told, "addrs"), 0));
	struct zs_multiaddr addr;
	struct zs_dial_target target;
	bool good = text && zs_multiaddr_parse(&addr, text) == 0 && zs_multiaddr_dial(&addr, &target) == 0 &&
		    target.host == ZS_DIAL_IP && target.peer.len;

	if (good) {
		p->id = target.peer;
		p->at = (struct zs_endpoint){ .addr = target.addr, .port = target.port };
	}
	json_decref(told);
	return good;
}

int zs_p2p_peer_start(struct zs_p2p_peer *p, char *const argv[], struct zs_error *err)
{
	int in[2], out[2];
	char line[LINE] = "";

	if (pipe2(in, O_CLOEXEC))
		return zs_error_set(err, -errno, ZS_EXIT_RESOURCE, "no pipe: %s", strerror(errno));
	if (pipe2(out, O_CLOEXEC)) {
		close(in[0]);
		close(in[1]);
		return zs_error_set(err, -errno, ZS_EXIT_RESOURCE, "no pipe: %s", strerror(errno));
	}
	p->pid = spawn(argv, in[0], out[1]);
	p->stdin_fd = in[1];
	close(in[0]);
	close(out[1]);
	bool good = p->pid > 0 && read_line(out[0], line) && parse_line(p, line);
	close(out[0]);
	if (good && clock_getcpuclockid(p->pid, &p->cpu) == 0)
		return 0;
	zs_p2p_peer_stop(p);
	return zs_error_set(err, -EPROTO, ZS_EXIT_FAILED, "%s did not say where it listens", argv[0]);
}

void zs_p2p_peer_stop(struct zs_p2p_peer *p)
{
	if (p->pid > 0) {
		kill(p->pid, SIGKILL);
		waitpid(p->pid, NULL, 0);
		close(p->stdin_fd);
	}
	p->pid = 0;
}

uint64_t zs_p2p_peer_cpu_ns(const struct zs_p2p_peer *p)
{
	return zs_clock_read(p->cpu);
}

uint64_t zs_p2p_peer_rss(const struct zs_p2p_peer *p)
{
	char line[256];
	unsigned long long kib = 0;

	snprintf(line, sizeof(line), "/proc/%d/smaps_rollup", (int)p->pid);
	FILE *f = fopen(line, "re");
	while (f && fgets(line, sizeof(line), f) && sscanf(line, "Rss: %llu kB", &kib) != 1)
		;
	if (f)
		fclose(f);
	return kib * 1024;
}
