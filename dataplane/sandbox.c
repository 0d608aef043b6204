/* What a running dataplane needs of the kernel: its sockets and rings (opened before), sleep,
 * shared memory to join new tables, bpf() for map updates, logs. What it never needs, an
 * intruder would: new programs, other processes, mounts, modules. Those kill the process; any
 * other call outside of the list fails with EPERM, so a rare path of a driver is an error
 * message and not an outage. */
#include <errno.h>
#include <linux/capability.h>
#include <seccomp.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include <rte_alarm.h>
#include "base/check.h"
#include "sandbox.h"

#ifndef CAP_BPF
#define CAP_BPF 39
#endif

static const int allowed[] = {
	/* time, sleep, threads */
	SCMP_SYS(clock_gettime),
	SCMP_SYS(clock_nanosleep),
	SCMP_SYS(nanosleep),
	SCMP_SYS(gettimeofday),
	SCMP_SYS(futex),
	SCMP_SYS(sched_yield),
	SCMP_SYS(sched_getaffinity),
	SCMP_SYS(rseq),
	SCMP_SYS(exit),
	SCMP_SYS(exit_group),
	SCMP_SYS(restart_syscall),
	SCMP_SYS(set_robust_list),
	SCMP_SYS(membarrier),
	SCMP_SYS(getcpu),
	SCMP_SYS(gettid),
	SCMP_SYS(getpid),
	SCMP_SYS(getrandom),
	/* signals */
	SCMP_SYS(rt_sigaction),
	SCMP_SYS(rt_sigprocmask),
	SCMP_SYS(rt_sigreturn),
	SCMP_SYS(rt_sigtimedwait),
	SCMP_SYS(tgkill),
	SCMP_SYS(sigaltstack),
	/* sockets that are open: AF_XDP and AF_PACKET wake-ups, statistics, the service manager */
	SCMP_SYS(sendto),
	SCMP_SYS(sendmsg),
	SCMP_SYS(recvfrom),
	SCMP_SYS(recvmsg),
	SCMP_SYS(poll),
	SCMP_SYS(ppoll),
	SCMP_SYS(getsockopt),
	SCMP_SYS(setsockopt),
	SCMP_SYS(ioctl),
	SCMP_SYS(socket),
	SCMP_SYS(connect),
	SCMP_SYS(bind),
	SCMP_SYS(getsockname),
	SCMP_SYS(shutdown),
	SCMP_SYS(epoll_create1),
	SCMP_SYS(epoll_wait),
	SCMP_SYS(epoll_pwait),
	SCMP_SYS(epoll_ctl),
	SCMP_SYS(timerfd_settime),
	/* files: new tables, logs, /proc of the writer */
	SCMP_SYS(openat),
	SCMP_SYS(close),
	SCMP_SYS(read),
	SCMP_SYS(pread64),
	SCMP_SYS(write),
	SCMP_SYS(writev),
	SCMP_SYS(lseek),
	SCMP_SYS(fstat),
	SCMP_SYS(newfstatat),
	SCMP_SYS(statx),
	SCMP_SYS(stat),
	SCMP_SYS(access),
	SCMP_SYS(readlink),
	SCMP_SYS(fcntl),
	SCMP_SYS(flock),
	SCMP_SYS(getdents64),
	SCMP_SYS(unlink),
	SCMP_SYS(unlinkat),
	SCMP_SYS(rmdir),
	SCMP_SYS(ftruncate),
	SCMP_SYS(dup),
	SCMP_SYS(kill),
	/* memory */
	SCMP_SYS(mmap),
	SCMP_SYS(munmap),
	SCMP_SYS(mremap),
	SCMP_SYS(mprotect),
	SCMP_SYS(madvise),
	SCMP_SYS(brk),
	/* steering maps */
	SCMP_SYS(bpf),
};

static const int fatal[] = {
	SCMP_SYS(execve),  SCMP_SYS(execveat),	 SCMP_SYS(ptrace),	     SCMP_SYS(mount),
	SCMP_SYS(umount2), SCMP_SYS(pivot_root), SCMP_SYS(init_module),	     SCMP_SYS(finit_module),
	SCMP_SYS(reboot),  SCMP_SYS(setns),	 SCMP_SYS(process_vm_readv), SCMP_SYS(process_vm_writev),
	SCMP_SYS(fork),	   SCMP_SYS(vfork),	 SCMP_SYS(chroot),	     SCMP_SYS(kexec_load)
};

#ifdef ZS_SANITIZED
/* The leak checker stops all threads by ptrace at exit, which the filter forbids. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "detect_leaks=0";
}
#endif

static int set_capabilities(uint64_t keep)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = {
		{ .effective = (uint32_t)keep, .permitted = (uint32_t)keep },
		{ .effective = (uint32_t)(keep >> 32), .permitted = (uint32_t)(keep >> 32) },
	};

	return syscall(SYS_capset, &head, data) < 0 ? -errno : 0;
}

/* What is kept must be had: a capability we never had cannot be asked for. */
static uint64_t permitted(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { 0 };

	if (syscall(SYS_capget, &head, data) < 0)
		return 0;
	return data[0].permitted | (uint64_t)data[1].permitted << 32;
}

void zs_sandbox_thread(void)
{
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	set_capabilities(0);
}

static void drop_in_interrupt_thread(void *done)
{
	zs_sandbox_thread();
	atomic_store((_Atomic int *)done, 1);
}

/* DPDK's interrupt thread runs alarms: that is how one gets a function called there. */
static void quiet_interrupt_thread(void)
{
	static const struct timespec pause = { .tv_nsec = 1000000 };
	_Atomic int done = 0;

	if (rte_eal_alarm_set(1, drop_in_interrupt_thread, &done))
		return;
	for (int i = 0; i < 1000 && !atomic_load(&done); i++)
		nanosleep(&pause, NULL);
	if (!atomic_load(&done))
		rte_eal_alarm_cancel(drop_in_interrupt_thread, &done);
}

static int filter(void)
{
	scmp_filter_ctx c = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	int rc = c ? 0 : -ENOMEM;

	for (size_t i = 0; !rc && i < ZS_ARRAY_LEN(allowed); i++)
		rc = seccomp_rule_add(c, SCMP_ACT_ALLOW, allowed[i], 0);
	for (size_t i = 0; !rc && i < ZS_ARRAY_LEN(fatal); i++)
		rc = seccomp_rule_add(c, SCMP_ACT_KILL_PROCESS, fatal[i], 0);
	if (!rc)
		rc = seccomp_attr_set(c, SCMP_FLTATR_CTL_TSYNC, 1);
	if (!rc)
		rc = seccomp_load(c);
	if (c)
		seccomp_release(c);
	return rc;
}

int zs_sandbox_main(struct zs_error *err)
{
	int rc;

	quiet_interrupt_thread();
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return zs_error_set(err, -errno, ZS_EXIT_PRIVILEGE, "no_new_privs: %s", strerror(errno));
	if ((rc = set_capabilities(permitted() & 1ull << CAP_BPF)))
		return zs_error_set(err, rc, ZS_EXIT_PRIVILEGE, "capabilities cannot be dropped: %s",
				    strerror(-rc));
	if ((rc = filter()))
		return zs_error_set(err, rc, ZS_EXIT_PRIVILEGE, "the seccomp filter is refused: %s",
				    strerror(-rc));
	return 0;
}
