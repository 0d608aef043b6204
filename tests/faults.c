#include "faults.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct faults faults = { .left = -1 };

void faults_arm(long n, bool for_now)
{
	faults = (struct faults){ .left = n, .for_now = for_now };
}

bool faults_disarm(void)
{
	faults.left = -1;
	return faults.hit > 0;
}

static bool fails(const char *call, int error)
{
	if (faults.left < 0 || faults.left-- > 0)
		return false;
	faults.left = faults.for_now ? -1 : 0;
	faults.hit++;
	faults.last = call;
	errno = error;
	return true;
}

/* WRAP(returned type, name, what is returned on failure, errno, parameters, arguments) */
#define WRAP(type, name, failed, error, parameters, ...)                                                     \
	type __real_##name parameters;                                                                       \
	type __wrap_##name parameters;                                                                       \
	type __wrap_##name parameters                                                                        \
	{                                                                                                    \
		return fails(#name, error) ? failed : __real_##name(__VA_ARGS__);                            \
	}

WRAP(void *, malloc, NULL, ENOMEM, (size_t n), n)
WRAP(void *, calloc, NULL, ENOMEM, (size_t n, size_t size), n, size)
WRAP(void *, realloc, NULL, ENOMEM, (void *p, size_t n), p, n)
WRAP(void *, aligned_alloc, NULL, ENOMEM, (size_t align, size_t n), align, n)
WRAP(char *, strdup, NULL, ENOMEM, (const char *s), s)
WRAP(void *, mmap, MAP_FAILED, ENOMEM, (void *p, size_t n, int prot, int flags, int fd, off_t at), p, n, prot,
     flags, fd, at)
WRAP(int, fallocate, -1, ENOSPC, (int fd, int mode, off_t at, off_t n), fd, mode, at, n)
WRAP(int, ftruncate, -1, ENOSPC, (int fd, off_t n), fd, n)
WRAP(int, fchmod, -1, EIO, (int fd, mode_t mode), fd, mode)
WRAP(ssize_t, pwrite, -1, EIO, (int fd, const void *p, size_t n, off_t at), fd, p, n, at)
WRAP(ssize_t, read, -1, EIO, (int fd, void *p, size_t n), fd, p, n)
WRAP(int, fsync, -1, EIO, (int fd), fd)
WRAP(int, rename, -1, ENOSPC, (const char *from, const char *to), from, to)
WRAP(int, link, -1, ENOSPC, (const char *from, const char *to), from, to)
WRAP(int, mkdir, -1, ENOSPC, (const char *path, mode_t mode), path, mode)
WRAP(int, socket, -1, EMFILE, (int domain, int type, int protocol), domain, type, protocol)
WRAP(FILE *, fopen, NULL, EMFILE, (const char *path, const char *mode), path, mode)

/* What a program says to whoever started it always arrives: the tests read it. */
ssize_t __real_write(int fd, const void *p, size_t n);
ssize_t __wrap_write(int fd, const void *p, size_t n);
ssize_t __wrap_write(int fd, const void *p, size_t n)
{
	return fd != STDERR_FILENO && fails("write", ENOSPC) ? -1 : __real_write(fd, p, n);
}

int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...)
{
	mode_t mode = 0;
	va_list ap;

	va_start(ap, flags);
	if (flags & (O_CREAT | O_TMPFILE))
		mode = va_arg(ap, mode_t);
	va_end(ap);
	return fails("open", EMFILE) ? -1 : __real_open(path, flags, mode);
}
