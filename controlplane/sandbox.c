/* What a running control plane asks of the kernel. Its rings, its netlink sockets and its listening sockets
 * are open by then. It goes on to serve them, to write its store, its audit file and its tables, to hold
 * published ports with deaf sockets, and RocksDB makes threads when it likes.
 *
 * io_uring works past every filter: no ring can be made any more, and the loop's own takes polls alone. */
#include "sandbox.h"

#include <errno.h>
#include <linux/capability.h>
#include <linux/fs.h>
#include <linux/netlink.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include "base/check.h"
#include "base/sandbox.h"

#define SOCKET_TYPE 0xf /* without SOCK_CLOEXEC and SOCK_NONBLOCK */
#define KEPT	    (1ull << CAP_NET_ADMIN | 1ull << CAP_NET_BIND_SERVICE)

static const struct zs_sandbox_call calls[] = {
	/* time, sleep, threads */
	ZS_CALL(clock_gettime),
	ZS_CALL(clock_nanosleep),
	ZS_CALL(gettimeofday),
	ZS_CALL(futex),
	ZS_CALL(sched_yield),
	ZS_CALL(sched_getaffinity),
	ZS_CALL(rseq),
	ZS_CALL(exit),
	ZS_CALL(exit_group),
	ZS_CALL(restart_syscall),
	ZS_CALL(membarrier),
	ZS_CALL(getcpu),
	ZS_CALL(gettid),
	ZS_CALL(getpid),
	ZS_CALL(getrandom),
	ZS_CALL(set_robust_list),
	ZS_CALL_IF(clone, ZS_ARG_BITS(0, CLONE_THREAD, CLONE_THREAD)),
	ZS_CALL_IF(prctl, ZS_ARG_IS(0, PR_SET_NAME)),
	ZS_CALL(getuid),
	ZS_CALL(geteuid),
	ZS_CALL(getrlimit),
	ZS_CALL(uname),
	/* signals; is the writer of a segment alive? */
	ZS_CALL(rt_sigaction),
	ZS_CALL(rt_sigprocmask),
	ZS_CALL(rt_sigreturn),
	ZS_CALL(sigaltstack),
	ZS_CALL(tgkill),
	ZS_CALL_IF(kill, ZS_ARG_IS(1, 0)),
	/* the loop */
	ZS_CALL(io_uring_enter),
	ZS_CALL(epoll_wait),
	ZS_CALL(epoll_pwait),
	ZS_CALL(epoll_pwait2),
	ZS_CALL(epoll_ctl),
	ZS_CALL(poll),
	ZS_CALL(ppoll),
	/* sockets: admin and metrics that are open; deaf ones and probes; the kernel's routes; the service
	 * manager's */
	ZS_CALL_IF(socket, ZS_ARG_IS(0, AF_UNIX)),
	ZS_CALL_IF(socket, ZS_ARG_IS(0, AF_INET), ZS_ARG_BITS(1, SOCKET_TYPE, SOCK_DGRAM)),
	ZS_CALL_IF(socket, ZS_ARG_IS(0, AF_INET6), ZS_ARG_BITS(1, SOCKET_TYPE, SOCK_DGRAM)),
	ZS_CALL_IF(socket, ZS_ARG_IS(0, AF_NETLINK), ZS_ARG_IS(2, NETLINK_ROUTE)),
	ZS_CALL(accept4),
	ZS_CALL(bind),
	ZS_CALL(connect),
	ZS_CALL(getsockname),
	ZS_CALL(getpeername),
	ZS_CALL(getsockopt),
	ZS_CALL(setsockopt),
	ZS_CALL(sendto),
	ZS_CALL(sendmsg),
	ZS_CALL(recvfrom),
	ZS_CALL(recvmsg),
	ZS_CALL(recvmmsg),
	ZS_CALL(sendmmsg),
	ZS_CALL(shutdown),
	/* files: store, audit, segments, configuration, /proc */
	ZS_CALL(openat),
	ZS_CALL(close),
	ZS_CALL(read),
	ZS_CALL(readv),
	ZS_CALL(pread64),
	ZS_CALL(write),
	ZS_CALL(writev),
	ZS_CALL(pwrite64),
	ZS_CALL(lseek),
	ZS_CALL(fstat),
	ZS_CALL(newfstatat),
	ZS_CALL(statx),
	ZS_CALL(stat),
	ZS_CALL(lstat),
	ZS_CALL(fstatfs),
	ZS_CALL(statfs),
	ZS_CALL(access),
	ZS_CALL(faccessat),
	ZS_CALL(faccessat2),
	ZS_CALL(readlink),
	ZS_CALL(readlinkat),
	ZS_CALL(getdents64),
	ZS_CALL(fcntl),
	ZS_CALL(flock),
	ZS_CALL(fsync),
	ZS_CALL(fdatasync),
	ZS_CALL(sync_file_range),
	ZS_CALL(fadvise64),
	ZS_CALL(fallocate),
	ZS_CALL(ftruncate),
	ZS_CALL(mkdir),
	ZS_CALL(mkdirat),
	ZS_CALL(rename),
	ZS_CALL(renameat),
	ZS_CALL(renameat2),
	ZS_CALL(link),
	ZS_CALL(unlink),
	ZS_CALL(unlinkat),
	ZS_CALL(rmdir),
	ZS_CALL(fchmod),
	ZS_CALL_IF(ioctl, ZS_ARG_IS(1, FS_IOC_GETVERSION)),
	/* memory, none of it executable */
	ZS_CALL_IF(mmap, ZS_ARG_BITS(2, PROT_EXEC, 0)),
	ZS_CALL_IF(mprotect, ZS_ARG_BITS(2, PROT_EXEC, 0)),
	ZS_CALL(munmap),
	ZS_CALL(mremap),
	ZS_CALL(madvise),
	ZS_CALL(munlock),
	ZS_CALL(brk),
	ZS_CALL(msync),
};

int zs_control_drop(struct zs_error *err)
{
	int rc = zs_sandbox_keep(KEPT);

	return rc ? zs_error_set(err, rc, ZS_EXIT_PRIVILEGE, "capabilities cannot be dropped: %s",
				 strerror(-rc))
		  : 0;
}

int zs_control_filter(struct zs_error *err)
{
	int rc = zs_sandbox_filter(calls, ZS_ARRAY_LEN(calls));

	return rc ? zs_error_set(err, rc, ZS_EXIT_PRIVILEGE, "the seccomp filter is refused: %s",
				 strerror(-rc))
		  : 0;
}
