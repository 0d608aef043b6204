#include "sandbox.h"

#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include "base/check.h"
#include "base/sandbox.h"

#define SOCKET_TYPE 0xf /* without SOCK_CLOEXEC and SOCK_NONBLOCK */

static const struct zs_sandbox_call calls[] = {
	/* time, memory, the end */
	ZS_CALL(clock_gettime),
	ZS_CALL(gettimeofday),
	ZS_CALL(brk),
	ZS_CALL_IF(mmap, ZS_ARG_BITS(2, PROT_EXEC, 0)),
	ZS_CALL_IF(mprotect, ZS_ARG_BITS(2, PROT_EXEC, 0)),
	ZS_CALL(munmap),
	ZS_CALL(mremap),
	ZS_CALL(madvise),
	ZS_CALL(futex),
	ZS_CALL(getrandom),
	ZS_CALL(getpid),
	ZS_CALL(gettid),
	ZS_CALL(geteuid),
	ZS_CALL(rt_sigaction),
	ZS_CALL(rt_sigprocmask),
	ZS_CALL(rt_sigreturn),
	ZS_CALL(sigaltstack),
	ZS_CALL(tgkill),
	ZS_CALL(restart_syscall),
	ZS_CALL(exit),
	ZS_CALL(exit_group),
	/* the loop */
	ZS_CALL(io_uring_enter),
	ZS_CALL(epoll_wait),
	ZS_CALL(epoll_pwait),
	ZS_CALL(epoll_pwait2),
	ZS_CALL(epoll_ctl),
	ZS_CALL(poll),
	ZS_CALL(ppoll),
	/* its datagrams; DNS, over TCP too; the service manager */
	ZS_CALL_IF(socket, ZS_ARG_IS(0, AF_UNIX), ZS_ARG_BITS(1, SOCKET_TYPE, SOCK_DGRAM)),
	ZS_CALL_IF(socket, ZS_ARG_IS(0, AF_INET), ZS_ARG_BITS(1, SOCKET_TYPE, SOCK_DGRAM)),
	ZS_CALL_IF(socket, ZS_ARG_IS(0, AF_INET), ZS_ARG_BITS(1, SOCKET_TYPE, SOCK_STREAM)),
	ZS_CALL_IF(socket, ZS_ARG_IS(0, AF_INET6), ZS_ARG_BITS(1, SOCKET_TYPE, SOCK_DGRAM)),
	ZS_CALL_IF(socket, ZS_ARG_IS(0, AF_INET6), ZS_ARG_BITS(1, SOCKET_TYPE, SOCK_STREAM)),
	ZS_CALL(bind),
	ZS_CALL(accept4), /* at the socket for connection IDs, which listens by then */
	ZS_CALL(connect),
	ZS_CALL(getsockname),
	ZS_CALL(getpeername),
	ZS_CALL(getsockopt),
	ZS_CALL(setsockopt),
	ZS_CALL(sendto),
	ZS_CALL(sendmsg),
	ZS_CALL(sendmmsg),
	ZS_CALL(recvfrom),
	ZS_CALL(recvmsg),
	ZS_CALL(recvmmsg),
	/* the state file, the hosts file, output */
	ZS_CALL(openat),
	ZS_CALL(close),
	ZS_CALL(read),
	ZS_CALL(write),
	ZS_CALL(writev),
	ZS_CALL(lseek),
	ZS_CALL(fstat),
	ZS_CALL(newfstatat),
	ZS_CALL(statx),
	ZS_CALL(fcntl),
	ZS_CALL(fsync),
	ZS_CALL(link),
	ZS_CALL(unlink),
	ZS_CALL(rename),
	ZS_CALL_IF(ioctl, ZS_ARG_IS(1, TCGETS)),
};

int zs_edge_sandbox(struct zs_error *err)
{
	int rc = zs_sandbox_keep(0);

	if (!rc)
		rc = zs_sandbox_filter(calls, ZS_ARRAY_LEN(calls));
	return rc ? zs_error_set(err, rc, ZS_EXIT_PRIVILEGE, "the system-call filter was refused: %s",
				 strerror(-rc))
		  : 0;
}
