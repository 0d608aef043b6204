/* What the shared-memory tests share: a scratch folder in /dev/shm, a seeded generator whose
 * seed is printed (ZS_SEED=N repeats a run), children that are killed. */
#ifndef ZS_TESTS_SHM_TEST_H
#define ZS_TESTS_SHM_TEST_H

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>
#include "base/clock.h"
#include "shm/segment.h"

#ifdef ZS_SANITIZED
#define ROUNDS(n) ((n) / 10) /* instrumented code is some ten times slower */
#else
#define ROUNDS(n) (n)
#endif

struct scratch {
	char dir[64];
	uint64_t rng;
};

/* splitmix64 */
static inline uint64_t draw(uint64_t *rng)
{
	uint64_t z = *rng += 0x9e3779b97f4a7c15u;
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

static inline uint64_t seed_from_env(void)
{
	const char *text = getenv("ZS_SEED");
	uint64_t seed = text ? strtoull(text, NULL, 0) : zs_clock_ns() ^ (uint64_t)getpid() << 40;
	printf("# seed ZS_SEED=%lu\n", (unsigned long)seed);
	fflush(stdout);
	return seed;
}

static inline int scratch_setup(void **state)
{
	struct scratch *s = calloc(1, sizeof(*s));
	strcpy(s->dir, "/dev/shm/zs-test-XXXXXX");
	s->rng = seed_from_env();
	*state = s;
	return mkdtemp(s->dir) ? 0 : -1;
}

static inline int scratch_teardown(void **state)
{
	struct scratch *s = *state;
	DIR *d = opendir(s->dir);
	struct dirent *e;
	while (d && (e = readdir(d)))
		unlinkat(dirfd(d), e->d_name, 0);
	if (d)
		closedir(d);
	rmdir(s->dir);
	free(s);
	return 0;
}

/* Runs fn in a child that is killed when it returns from `fn`; the child never cleans up. */
static inline void in_killed_child(void (*fn)(void *), void *arg)
{
	int status;
	pid_t pid = fork();
	if (pid == 0) {
		fn(arg);
		kill(getpid(), SIGKILL);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

#endif
