#include "starts.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>
#include "base/error.h"
#include "loop/notify.h"

#define STARTS_MAX 100000
#define START_SAID 65536
#define PATIENCE_S 30 /* of one start; under sanitizers on a busy machine */

/* What the process leaves behind. */
struct left {
	bool hit, ready;
	char call[32];
};

static struct left *left;

static void note(void)
{
	left->hit |= faults_disarm();
	if (left->hit)
		snprintf(left->call, sizeof(left->call), "%s", faults.last);
}

int __real_zs_notify(const char *state);
int __wrap_zs_notify(const char *state);
int __wrap_zs_notify(const char *state)
{
	if (left && !strncmp(state, ZS_NOTIFY_READY, strlen(ZS_NOTIFY_READY))) {
		note();
		left->ready = true;
		kill(getpid(), SIGTERM);
	}
	return __real_zs_notify(state);
}

/* The process ends by this signal, and the test wants to know what was made to fail. */
static void on_fatal(int signo)
{
	note();
	signal(signo, SIG_DFL);
	raise(signo);
}

static void catch_fatal(void)
{
	static const int fatal[] = { SIGABRT, SIGSEGV, SIGBUS, SIGILL, SIGFPE };

	for (size_t i = 0; i < sizeof(fatal) / sizeof(fatal[0]); i++)
		signal(fatal[i], on_fatal); /* cmocka's would go on with its tests in this process */
}

int __real_main(int argc, char **argv);

static _Noreturn void be(const struct start *s, FILE *said, long n, bool for_now)
{
	char *argv[START_ARGS + 1] = { 0 };
	int argc = 0, status;

	for (; s->args[argc]; argc++)
		argv[argc] = strdup(s->args[argc]);
	dup2(fileno(said), STDERR_FILENO);
	dup2(fileno(said), STDOUT_FILENO);
	alarm(PATIENCE_S);
	catch_fatal();
	faults_arm(n, for_now);
	status = __real_main(argc, argv);
	note();
	while (argc > 0)
		free(argv[--argc]);
	exit(status);
}

static size_t read_said(FILE *f, char said[START_SAID])
{
	size_t n;

	rewind(f);
	n = fread(said, 1, START_SAID - 1, f);
	said[n] = '\0';
	fclose(f);
	return n;
}

static void judge(const struct start *s, long n, int status, const char *said)
{
	int exit_status = WEXITSTATUS(status);

	if (!WIFEXITED(status))
		fail_msg("%s failed (call %ld): the process ended by signal %d\n%s", left->call, n,
			 WTERMSIG(status), said);
	if (exit_status != (left->ready ? ZS_EXIT_OK : ZS_EXIT_RESOURCE))
		fail_msg("%s failed (call %ld): status %d, ready %d\n%s", left->call, n, exit_status,
			 left->ready, said);
	if (!left->ready && !strstr(said, s->args[0]))
		fail_msg("%s failed (call %ld): status %d, and nothing is said: %s", left->call, n,
			 exit_status, said);
	if (!left->hit && !left->ready)
		fail_msg("nothing failed (%ld): status %d\n%s", n, exit_status, said);
}

static bool start_with(const struct start *s, long n, bool for_now)
{
	char said[START_SAID], what[80];
	FILE *f = tmpfile();
	int status;
	pid_t pid;

	memset(left, 0, sizeof(*left));
	if (s->before)
		s->before(s->ctx);
	fflush(stdout);
	pid = fork();
	if (!pid)
		be(s, f, n, for_now);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	read_said(f, said);
	judge(s, n, status, said);
	snprintf(what, sizeof(what), "%s failed (call %ld)", left->call, n);
	if (s->after)
		s->after(s->ctx, what);
	return left->hit;
}

static void begin(void)
{
	left = mmap(NULL, sizeof(*left), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(left, MAP_FAILED);
}

static void end(void)
{
	munmap(left, sizeof(*left));
	left = NULL;
}

void starts_well(const struct start *s)
{
	begin();
	assert_false(start_with(s, -1, true));
	end();
}

long starts_each(const char *what, const struct start *s, bool for_now)
{
	long n = 0;

	begin();
	while (start_with(s, n, for_now))
		if (++n == STARTS_MAX)
			fail_msg("it does not end");
	end();
	printf("# %s: %ld calls fail %s\n", what, n, for_now ? "once" : "from there on");
	return n;
}

/* The programs turn the leak checker off, for their filters forbid it; those are not there in these tests. */
void starts_setup(char **argv)
{
	if (getenv("ASAN_OPTIONS"))
		return;
	setenv("ASAN_OPTIONS", "detect_leaks=1:exitcode=99", 1);
	execv("/proc/self/exe", argv);
}
