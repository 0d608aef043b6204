/* A kill at every point: runs a function in a child, one instruction at a time, and looks after each at the memory
 * that both share, as a process started after a SIGKILL there would find it. */
#ifndef ZS_TEST_STEPPER_H
#define ZS_TEST_STEPPER_H

#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

static inline void *shared_new(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	assert_true(p != MAP_FAILED);
	return p;
}

/* In the child: what comes now need not be stepped through; once more, and it is again. */
static inline void step_pause(void)
{
	raise(SIGSTOP);
}

/* `look` sees `shared` whenever an instruction changed it. Returns how often. */
static inline unsigned step_through(void (*run)(void *shared), void *shared, size_t size,
				    void (*look)(const void *shared, void *ctx), void *ctx)
{
	void *last = malloc(size);
	unsigned looks = 0;
	int status;
	pid_t child = fork();

	assert_true(child >= 0);
	if (!child) {
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		raise(SIGSTOP);
		run(shared);
		_exit(0);
	}
	memcpy(last, shared, size);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSTOPPED(status));
	for (bool stepping = true;;) {
		assert_int_equal(ptrace(stepping ? PTRACE_SINGLESTEP : PTRACE_CONT, child, NULL, NULL), 0);
		assert_int_equal(waitpid(child, &status, 0), child);
		if (WIFEXITED(status))
			break;
		assert_true(WIFSTOPPED(status) &&
			    (WSTOPSIG(status) == SIGTRAP || WSTOPSIG(status) == SIGSTOP));
		if (WSTOPSIG(status) == SIGSTOP)
			stepping = !stepping;
		if (!memcmp(last, shared, size))
			continue;
		memcpy(last, shared, size);
		look(last, ctx);
		looks++;
	}
	assert_int_equal(WEXITSTATUS(status), 0);
	free(last);
	return looks;
}

#endif
