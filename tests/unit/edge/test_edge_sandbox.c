/* zs-edge's system calls under its real filter, without the capabilities that it gives up. */
#include "../sandbox_rows.h"
#include "base/error.h"
#include "../../../tools/edge/sandbox.h" /* the planes have one of that name, too */

/* Where an edge may other things than the planes: DNS goes over TCP too; it asks after no other process. */
static const struct sandbox_row other[] = {
	{ "a TCP socket", PASSES, SYS_socket, { AF_INET, SOCK_STREAM } },
	{ "is a process alive?", REFUSED, SYS_kill, { 0x3fffffff, 0 } },
};

static const struct sandbox_row own[] = {
	{ "a UDP socket", PASSES, SYS_socket, { AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK } },
	{ "a UDP socket, IPv6", PASSES, SYS_socket, { AF_INET6, SOCK_DGRAM } },
	{ "a socket of another kind", REFUSED, SYS_socket, { AF_INET, SOCK_SEQPACKET } },
	{ "a socket of another kind, IPv6", REFUSED, SYS_socket, { AF_INET6, SOCK_DCCP } },
	{ "a UNIX stream", REFUSED, SYS_socket, { AF_UNIX, SOCK_STREAM } },
	{ "a netlink socket", REFUSED, SYS_socket, { AF_NETLINK, SOCK_RAW, NETLINK_ROUTE } },
	{ "a pair of sockets", REFUSED, SYS_socketpair, { AF_UNIX, SOCK_STREAM, 0, TEXT(sandbox_room) } },
	{ "binding", PASSES, SYS_bind, { NO_FD, 0, 0 } },
	{ "connecting", PASSES, SYS_connect, { NO_FD, 0, 0 } },
	{ "a program at the socket for connection IDs", PASSES, SYS_accept4, { NO_FD, 0, 0, 0 } },
	{ "many datagrams", PASSES, SYS_sendmmsg, { NO_FD, 0, 0, 0 } },
	{ "the state file", PASSES, SYS_rename, { TEXT("/nonesuch/x"), TEXT("/nonesuch/y") } },
	{ "a folder", REFUSED, SYS_mkdirat, { (uintptr_t)AT_FDCWD, TEXT("/nonesuch/x"), 0700 } },
	{ "a file's rights", REFUSED, SYS_fchmodat, { (uintptr_t)AT_FDCWD, TEXT("/nonesuch/x"), 0777 } },
	{ "a link that leads elsewhere",
	  REFUSED,
	  SYS_symlinkat,
	  { TEXT("x"), (uintptr_t)AT_FDCWD, TEXT("/nonesuch/x") } },
	{ "an interface's flags", REFUSED, SYS_ioctl, { NO_FD, 0x8914, 0 } },
	{ "the host's name", REFUSED, SYS_sethostname, { TEXT("x"), 1 } },
	{ "the clock", REFUSED, SYS_clock_settime, { 0, 0 } },
};

static int install(void)
{
	struct zs_error err = { 0 };

	return zs_edge_sandbox(&err);
}

static const struct sandbox_row *otherwise(const struct sandbox_row *row)
{
	for (size_t i = 0; i < ZS_ARRAY_LEN(other); i++)
		if (!strcmp(other[i].what, row->what))
			return &other[i];
	return row;
}

static void test_as_the_planes(void **state)
{
	struct sandbox_row rows[ZS_ARRAY_LEN(sandbox_both)];
	uint32_t differ = 0;

	(void)state;
	for (size_t i = 0; i < ZS_ARRAY_LEN(rows); i++) {
		rows[i] = *otherwise(&sandbox_both[i]);
		differ += rows[i].want != sandbox_both[i].want;
	}
	assert_int_equal(differ, ZS_ARRAY_LEN(other));
	sandbox_check(rows, ZS_ARRAY_LEN(rows), install);
}

static void test_its_own(void **state)
{
	(void)state;
	sandbox_check(own, ZS_ARRAY_LEN(own), install);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_as_the_planes),
					    cmocka_unit_test(test_its_own) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
