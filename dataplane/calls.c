/* What a running dataplane asks of the kernel. Its sockets, rings and maps are open by then; it goes on to
 * sleep, to wake AF_XDP and AF_PACKET, to read counters, to join new tables and to write its log. It opens
 * no file for writing and no socket but the one to the service manager. */
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/vfio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include "base/check.h"
#include "base/sandbox.h"
#include "calls.h"

static const struct zs_sandbox_call calls[] = {
	/* time, sleep, threads */
	ZS_CALL(clock_gettime),
	ZS_CALL(clock_nanosleep),
	ZS_CALL(nanosleep),
	ZS_CALL(gettimeofday),
	ZS_CALL(futex),
	ZS_CALL(sched_yield),
	ZS_CALL(rseq),
	ZS_CALL(exit),
	ZS_CALL(exit_group),
	ZS_CALL(restart_syscall),
	ZS_CALL(membarrier),
	ZS_CALL(getcpu),
	ZS_CALL(gettid),
	ZS_CALL(getpid),
	ZS_CALL(getrandom),
	/* signals; is the writer of a segment alive? */
	ZS_CALL(rt_sigaction),
	ZS_CALL(rt_sigprocmask),
	ZS_CALL(rt_sigreturn),
	ZS_CALL(rt_sigtimedwait),
	ZS_CALL(sigaltstack),
	ZS_CALL(tgkill),
	ZS_CALL_IF(kill, ZS_ARG_IS(1, 0)),
	/* sockets that are open; the service manager's; DPDK's interrupt thread */
	ZS_CALL(sendto),
	ZS_CALL(sendmsg),
	ZS_CALL(recvfrom),
	ZS_CALL(recvmsg),
	ZS_CALL(poll),
	ZS_CALL(ppoll),
	ZS_CALL(getsockopt),
	ZS_CALL_IF(socket, ZS_ARG_IS(0, AF_UNIX)),
	ZS_CALL(epoll_create),
	ZS_CALL(epoll_create1),
	ZS_CALL(epoll_wait),
	ZS_CALL(epoll_pwait),
	ZS_CALL(epoll_ctl),
	ZS_CALL(timerfd_settime),
	/* interrupts of PCI ports: VFIO's requests alone */
	ZS_CALL_IF(ioctl, ZS_ARG_BITS(1, 0xff00, VFIO_TYPE << 8)),
	/* files: new tables, the note of a second instance, /proc of a writer, the log */
	ZS_CALL_IF(openat, ZS_ARG_BITS(2, O_ACCMODE | O_CREAT | O_TRUNC, O_RDONLY)),
	ZS_CALL(close),
	ZS_CALL(read),
	ZS_CALL(pread64),
	ZS_CALL(write),
	ZS_CALL(writev),
	ZS_CALL(fstat),
	ZS_CALL(newfstatat),
	ZS_CALL(statx),
	ZS_CALL(stat),
	ZS_CALL(fcntl),
	ZS_CALL(unlink),
	ZS_CALL(unlinkat),
	/* memory, none of it executable */
	ZS_CALL_IF(mmap, ZS_ARG_BITS(2, PROT_EXEC, 0)),
	ZS_CALL_IF(mprotect, ZS_ARG_BITS(2, PROT_EXEC, 0)),
	ZS_CALL(munmap),
	ZS_CALL(mremap),
	ZS_CALL(madvise),
	ZS_CALL(brk),
	/* the steering maps */
	ZS_CALL_IF(bpf, ZS_ARG_IS(0, BPF_MAP_LOOKUP_ELEM)),
	ZS_CALL_IF(bpf, ZS_ARG_IS(0, BPF_MAP_UPDATE_ELEM)),
	ZS_CALL_IF(bpf, ZS_ARG_IS(0, BPF_MAP_DELETE_ELEM)),
	ZS_CALL_IF(bpf, ZS_ARG_IS(0, BPF_MAP_GET_NEXT_KEY)),
};

/* A memif's other end comes, goes and comes again: its socket, its memory, its doorbells. */
static const struct zs_sandbox_call memif[] = {
	ZS_CALL(accept), ZS_CALL(connect), ZS_CALL(memfd_create), ZS_CALL(ftruncate), ZS_CALL(eventfd2),
};

/* A twin's packets come by readv. */
static const struct zs_sandbox_call twin[] = { ZS_CALL(readv) };

int zs_calls_filter(bool with_memif, bool with_twin)
{
	struct zs_sandbox_call all[ZS_ARRAY_LEN(calls) + ZS_ARRAY_LEN(memif) + ZS_ARRAY_LEN(twin)];
	size_t n = ZS_ARRAY_LEN(calls);

	memcpy(all, calls, sizeof(calls));
	if (with_memif) {
		memcpy(all + n, memif, sizeof(memif));
		n += ZS_ARRAY_LEN(memif);
	}
	if (with_twin) {
		memcpy(all + n, twin, sizeof(twin));
		n += ZS_ARRAY_LEN(twin);
	}
	return zs_sandbox_filter(all, n);
}
