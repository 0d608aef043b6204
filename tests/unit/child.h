/* Tests that change their process (namespace, seccomp) do it in a child. Include after cmocka.h. */
#ifndef ZS_TEST_CHILD_H
#define ZS_TEST_CHILD_H

#include <sys/wait.h>

#define CHILD_SKIPS 77

/* The child's end is the test's: 0 passed, CHILD_SKIPS skipped, anything else failed. */
static void child_judges(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == CHILD_SKIPS)
		skip();
	assert_int_equal(WEXITSTATUS(status), 0);
}

#endif
