#include "peers/testpmd.h"

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
#include "base/clock.h"

#define WAIT_S 20     /* until it answers */
#define RUN_US 200000 /* it goes round */
#define BURSTS 8      /* from each port: 512 packets, as a batch of ours */
#define WORDS  16384
#define PROMPT "testpmd>"
#define FIGURE "CPU cycles/packet="

static void child(const int to[2], const int from[2], bool huge, pid_t parent)
{
	char cores[32];
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

	snprintf(cores, sizeof(cores), "0,%ld", sysconf(_SC_NPROCESSORS_ONLN) - 1);
	char *argv[] = { "stdbuf", /* into a pipe it would speak by pages */
			 "-oL",
			 "dpdk-testpmd",
			 "-l",
			 cores,
			 huge ? "--in-memory" : "--no-huge",
			 "--no-shconf",
			 "-m",
			 "64",
			 "--no-pci",
			 "--no-telemetry",
			 "--vdev=net_ring0",
			 "--vdev=net_ring1",
			 "--",
			 "-i",
			 "--nb-cores=1",
			 "--burst=32",
			 "--total-num-mbufs=2047",
			 "--mbcache=512",
			 "--record-core-cycles",
			 NULL };
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) || getppid() != parent || null < 0)
		_exit(126);
	dup2(to[0], 0);
	dup2(from[1], 1);
	dup2(null, 2);
	execvp(argv[0], argv);
	_exit(127);
}

/* What it says until `word` stands in it. */
static int hear(const struct zs_testpmd *t, const char *word, char text[WORDS])
{
	uint64_t until = zs_clock_ns() + WAIT_S * ZS_NS_PER_S;
	size_t have = 0;

	text[0] = 0;
	while (!strstr(text, word)) {
		struct pollfd p = { .fd = t->out, .events = POLLIN };
		ssize_t n = 0;

		if (have == WORDS - 1 || zs_clock_ns() > until)
			return -ETIMEDOUT;
		if (poll(&p, 1, 1000) > 0 && (n = read(t->out, text + have, WORDS - 1 - have)) <= 0)
			return -EPIPE;
		have += (size_t)n;
		text[have] = 0;
	}
	return 0;
}

static int say(const struct zs_testpmd *t, const char *text)
{
	return write(t->in, text, strlen(text)) == (ssize_t)strlen(text) ? 0 : -EPIPE;
}

int zs_testpmd_open(struct zs_testpmd *t, bool huge, struct zs_error *err)
{
	int to[2], from[2];
	pid_t parent = getpid();
	char text[WORDS];

	*t = (struct zs_testpmd){ .in = -1, .out = -1 };
	if (sysconf(_SC_NPROCESSORS_ONLN) < 2)
		return zs_error_set(err, -ENOENT, ZS_EXIT_RESOURCE, "dpdk-testpmd wants a second CPU");
	if (pipe2(to, O_CLOEXEC) || pipe2(from, O_CLOEXEC) || (t->pid = fork()) < 0)
		return zs_error_set(err, -errno, ZS_EXIT_RESOURCE, "cannot fork: %s", strerror(errno));
	if (t->pid == 0)
		child(to, from, huge, parent);
	close(to[0]);
	close(from[1]);
	t->in = to[1];
	t->out = from[0];
	signal(SIGPIPE, SIG_IGN);
	if (!hear(t, PROMPT, text))
		return 0;
	zs_testpmd_close(t);
	return zs_error_set(err, -ENOENT, ZS_EXIT_RESOURCE, "dpdk-testpmd does not start: apt install dpdk");
}

void zs_testpmd_close(struct zs_testpmd *t)
{
	if (t->pid <= 0)
		return;
	close(t->in);
	close(t->out);
	kill(t->pid, SIGKILL);
	waitpid(t->pid, NULL, 0);
	t->pid = 0;
}

int zs_testpmd_run(struct zs_testpmd *t, const char *mode, double *cycles, struct zs_error *err)
{
	char text[WORDS], start[64];
	const char *at;

	snprintf(start, sizeof(start), "set fwd %s\nstart tx_first %d\n", mode, BURSTS);
	if (say(t, start) || hear(t, "packets/burst=", text))
		goto fail;
	usleep(RUN_US);
	if (say(t, "stop\n") || hear(t, "Done.", text) || !(at = strstr(text, FIGURE)))
		goto fail;
	*cycles = strtod(at + strlen(FIGURE), NULL);
	if (*cycles > 0)
		return 0;
fail:
	return zs_error_set(err, -EIO, ZS_EXIT_FAILED, "dpdk-testpmd does not tell what %s costs", mode);
}
