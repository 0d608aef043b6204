/* System calls tried under a plane's real filter, each in a child of its own. Every row is tried without the
 * filter first, in the same way: what fails with EPERM or kills there already would prove nothing, and is left
 * out with a note. */
#ifndef ZS_TESTS_SANDBOX_ROWS_H
#define ZS_TESTS_SANDBOX_ROWS_H

#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/io_uring.h>
#include <linux/netlink.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>
#include "base/check.h"
#include "base/sandbox.h"

enum sandbox_outcome { PASSES, REFUSED, KILLED }; /* refused: EPERM; passes: success or any other error */

struct sandbox_row {
	const char *what;
	enum sandbox_outcome want;
	long number;
	uintptr_t arg[6];
};

#define TEXT(s)	 ((uintptr_t)(s))
#define NO_FD	 ((uintptr_t)-1)
#define ANYWHERE MAP_PRIVATE | MAP_ANONYMOUS, NO_FD, 0

static char sandbox_page[4096] __attribute__((aligned(4096)));
static char sandbox_room[256]; /* zeros */

/* What kills both planes, what both are refused, what both go on doing. */
static const struct sandbox_row sandbox_both[] = {
	{ "execve", KILLED, SYS_execve, { TEXT("/nonesuch") } },
	{ "execveat", KILLED, SYS_execveat, { NO_FD, TEXT("nonesuch") } },
	{ "fork", KILLED, SYS_clone, { SIGCHLD } },
	{ "ptrace", KILLED, SYS_ptrace, { PTRACE_TRACEME } },
	{ "reading another's memory", KILLED, SYS_process_vm_readv, { 1 } },
	{ "mount", KILLED, SYS_mount, { TEXT("none"), TEXT("/nonesuch"), TEXT("nonesuch") } },
	{ "umount", KILLED, SYS_umount2, { TEXT("/nonesuch") } },
	{ "chroot", KILLED, SYS_chroot, { TEXT("/nonesuch") } },
	{ "pivot_root", KILLED, SYS_pivot_root, { TEXT("/nonesuch"), TEXT("/nonesuch") } },
	{ "another namespace", KILLED, SYS_setns, { NO_FD } },
	{ "a new namespace", KILLED, SYS_unshare, { 0 } },
	{ "a kernel module", KILLED, SYS_finit_module, { NO_FD, TEXT(""), 0 } },
	{ "reboot", KILLED, SYS_reboot, { 0 } },
	{ "making data executable",
	  REFUSED,
	  SYS_mprotect,
	  { TEXT(sandbox_page), 4096, PROT_READ | PROT_EXEC } },
	{ "executable memory", REFUSED, SYS_mmap, { 0, 4096, PROT_READ | PROT_EXEC, ANYWHERE } },
	{ "writable and executable memory",
	  REFUSED,
	  SYS_mmap,
	  { 0, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, ANYWHERE } },
	{ "a file in memory", REFUSED, SYS_memfd_create, { TEXT("x"), 0 } },
	{ "a TCP socket", REFUSED, SYS_socket, { AF_INET, SOCK_STREAM } },
	{ "a raw socket", REFUSED, SYS_socket, { AF_INET, SOCK_RAW, 255 } },
	{ "a packet socket", REFUSED, SYS_socket, { AF_PACKET, SOCK_RAW } },
	{ "listening", REFUSED, SYS_listen, { NO_FD, 1 } },
	{ "a signal to another process", REFUSED, SYS_kill, { 0x3fffffff, SIGTERM } },
	{ "loading a BPF program", REFUSED, SYS_bpf, { BPF_PROG_LOAD, TEXT(sandbox_room), 64 } },
	{ "a ring past the filter", REFUSED, SYS_io_uring_setup, { 1, TEXT(sandbox_room) } },
	{ "giving a file away", REFUSED, SYS_fchownat, { AT_FDCWD, TEXT("/nonesuch"), 0, 0, 0 } },
	{ "a device node", REFUSED, SYS_mknodat, { AT_FDCWD, TEXT("/nonesuch/x"), 020600, 0 } },
	{ "terminal requests", REFUSED, SYS_ioctl, { NO_FD, 0x5412, TEXT("x") } },
	{ "more capabilities", REFUSED, SYS_capset, { 0, 0 } },
	{ "is a process alive?", PASSES, SYS_kill, { 0x3fffffff, 0 } },
	{ "data pages", PASSES, SYS_mmap, { 0, 4096, PROT_READ | PROT_WRITE, ANYWHERE } },
	{ "protecting pages", PASSES, SYS_mprotect, { TEXT(sandbox_page), 4096, PROT_READ } },
	{ "the service manager's socket", PASSES, SYS_socket, { AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC } },
	{ "reading /proc",
	  PASSES,
	  SYS_openat,
	  { (uintptr_t)AT_FDCWD, TEXT("/proc/self/stat"), O_RDONLY | O_CLOEXEC } },
	{ "clone3, which glibc does without", PASSES, SYS_clone3, { 0, 0 } },
};

static void sandbox_try(const struct sandbox_row *row)
{
	const uintptr_t *a = row->arg;
	long r = syscall(row->number, a[0], a[1], a[2], a[3], a[4], a[5]);

	_exit(r < 0 && errno == EPERM ? REFUSED : PASSES);
}

/* install: NULL for no filter. */
static enum sandbox_outcome sandbox_outcome(const struct sandbox_row *row, int (*install)(void))
{
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (pid == 0) {
		prctl(PR_SET_DUMPABLE, 0); /* dying on purpose leaves no core */
		if (install && (zs_sandbox_keep(UINT64_MAX) || install()))
			_exit(99);
		sandbox_try(row);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFSIGNALED(status)) {
		assert_int_equal(WTERMSIG(status), SIGSYS);
		return KILLED;
	}
	assert_true(WEXITSTATUS(status) <= KILLED);
	return (enum sandbox_outcome)WEXITSTATUS(status);
}

static void sandbox_check(const struct sandbox_row *rows, size_t count, int (*install)(void))
{
	static const char *const names[] = { "passes", "is refused", "kills" };
	size_t proven = 0;

	for (size_t i = 0; i < count; i++) {
		enum sandbox_outcome got;

		if (sandbox_outcome(&rows[i], NULL) != PASSES) {
			print_message("# %s: not to be had here anyway\n", rows[i].what);
			continue;
		}
		got = sandbox_outcome(&rows[i], install);
		if (got != rows[i].want)
			fail_msg("%s: %s", rows[i].what, names[got]);
		proven++;
	}
	assert_true(proven * 2 > count);
}

#endif
