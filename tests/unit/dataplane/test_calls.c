/* The dataplane's system calls under its real filter. */
#include "calls.h"
#include <sys/prctl.h>
#include "../sandbox_rows.h"

#define VFIO_DEVICE_SET_IRQS_REQUEST 0x3b6e

static const struct sandbox_row own[] = {
	{ "a UDP socket", REFUSED, SYS_socket, { AF_INET, SOCK_DGRAM } },
	{ "a UDP socket, IPv6", REFUSED, SYS_socket, { AF_INET6, SOCK_DGRAM } },
	{ "a netlink socket", REFUSED, SYS_socket, { AF_NETLINK, SOCK_RAW, NETLINK_ROUTE } },
	{ "an AF_XDP socket", REFUSED, SYS_socket, { AF_XDP, SOCK_RAW } },
	{ "binding", REFUSED, SYS_bind, { NO_FD, 0, 0 } },
	{ "connecting", REFUSED, SYS_connect, { NO_FD, 0, 0 } },
	{ "writing a file", REFUSED, SYS_openat, { (uintptr_t)AT_FDCWD, TEXT("/dev/null"), O_WRONLY } },
	{ "changing a file", REFUSED, SYS_openat, { (uintptr_t)AT_FDCWD, TEXT("/dev/null"), O_RDWR } },
	{ "making a file",
	  REFUSED,
	  SYS_openat,
	  { (uintptr_t)AT_FDCWD, TEXT("/nonesuch/x"), O_RDONLY | O_CREAT, 0600 } },
	{ "cutting a file",
	  REFUSED,
	  SYS_openat,
	  { (uintptr_t)AT_FDCWD, TEXT("/nonesuch/x"), O_RDONLY | O_TRUNC } },
	{ "making a folder", REFUSED, SYS_mkdirat, { (uintptr_t)AT_FDCWD, TEXT("/nonesuch/x"), 0700 } },
	{ "renaming",
	  REFUSED,
	  SYS_renameat2,
	  { (uintptr_t)AT_FDCWD, TEXT("/nonesuch/x"), (uintptr_t)AT_FDCWD, TEXT("/nonesuch/y") } },
	{ "a map", REFUSED, SYS_bpf, { BPF_MAP_CREATE, TEXT(sandbox_room), 0 } },
	{ "a map by its number", REFUSED, SYS_bpf, { BPF_MAP_GET_FD_BY_ID, TEXT(sandbox_room), 0 } },
	{ "a connection", REFUSED, SYS_accept, { NO_FD, 0, 0 } },
	{ "an interface's flags", REFUSED, SYS_ioctl, { NO_FD, 0x8914, 0 } },
	{ "waking a socket", PASSES, SYS_sendto, { NO_FD, 0, 0, MSG_DONTWAIT } },
	{ "statistics", PASSES, SYS_getsockopt, { NO_FD, SOL_XDP } },
	{ "a key's value", PASSES, SYS_bpf, { BPF_MAP_LOOKUP_ELEM, TEXT(sandbox_room), 32 } },
	{ "a new key", PASSES, SYS_bpf, { BPF_MAP_UPDATE_ELEM, TEXT(sandbox_room), 32 } },
	{ "an old key", PASSES, SYS_bpf, { BPF_MAP_DELETE_ELEM, TEXT(sandbox_room), 32 } },
	{ "the next key", PASSES, SYS_bpf, { BPF_MAP_GET_NEXT_KEY, TEXT(sandbox_room), 32 } },
	{ "an interrupt of a PCI port", PASSES, SYS_ioctl, { NO_FD, VFIO_DEVICE_SET_IRQS_REQUEST, 0 } },
};

/* What a memif may do beside that. */
static const struct sandbox_row memif[] = {
	{ "a link's other end", PASSES, SYS_accept, { NO_FD, 0, 0 } },
	{ "shared memory of a link", PASSES, SYS_memfd_create, { TEXT("x"), 0 } },
	{ "a doorbell", PASSES, SYS_eventfd2, { 0, 0 } },
	{ "a UDP socket", REFUSED, SYS_socket, { AF_INET, SOCK_DGRAM } },
	{ "writing a file", REFUSED, SYS_openat, { (uintptr_t)AT_FDCWD, TEXT("/dev/null"), O_WRONLY } },
	{ "executable memory", REFUSED, SYS_mmap, { 0, 4096, PROT_READ | PROT_EXEC, ANYWHERE } },
	{ "fork", KILLED, SYS_clone, { SIGCHLD } },
};

static int plain(void)
{
	return zs_calls_filter(false, false);
}

static int with_memif(void)
{
	return zs_calls_filter(true, true);
}

static void test_common(void **state)
{
	sandbox_check(sandbox_both, ZS_ARRAY_LEN(sandbox_both), plain);
}

static void test_own(void **state)
{
	sandbox_check(own, ZS_ARRAY_LEN(own), plain);
}

static void test_memif(void **state)
{
	sandbox_check(memif, ZS_ARRAY_LEN(memif), with_memif);
}

/* What the kernel says of this process is what is told, and nothing is left of what is not kept. */
#ifdef ZS_DEBUG
#define CORES 1
#else
#define CORES 0
#endif

static void test_capabilities(void **state)
{
	unsigned long long kernel = 0;
	char line[128];
	FILE *f = fopen("/proc/self/status", "r");
	int status;

	assert_non_null(f);
	while (fgets(line, sizeof(line), f) && sscanf(line, "CapEff: %llx", &kernel) != 1)
		;
	fclose(f);
	assert_int_equal(zs_sandbox_has(), kernel);
	pid_t pid = fork();
	if (pid == 0)
		_exit(zs_sandbox_keep(0) || zs_sandbox_has() != 0 || prctl(PR_GET_DUMPABLE) != CORES);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_common),
		cmocka_unit_test(test_own),
		cmocka_unit_test(test_memif),
		cmocka_unit_test(test_capabilities),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
