/* The socket shell with an endpoint that echoes: datagrams leave from the socket that was asked, adopted ones too. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/clock.h"
#include "loop/shell.h"

#define HELD 8

struct echo {
	struct zs_shell *shell;
	struct zs_udp_datagram held[HELD];
	uint8_t bytes[HELD][64];
	size_t count;
	unsigned advanced, worked;
	uint64_t deadline;
};

static void receive(void *ctx, const struct zs_udp_datagram *in, size_t count, uint64_t now)
{
	struct echo *e = ctx;

	for (size_t i = 0; i < count && e->count < HELD; i++) {
		e->held[e->count] = in[i];
		memcpy(e->bytes[e->count], in[i].data, in[i].len);
		e->held[e->count].data = e->bytes[e->count];
		e->count++;
	}
	zs_shell_turn(e->shell); /* from within: nothing happens, the turn follows */
	assert_true(e->count > 0);
}

static void advance(void *ctx, uint64_t now)
{
	struct echo *e = ctx;

	e->advanced++;
	e->deadline = UINT64_MAX;
}

static void work(void *ctx, uint64_t now)
{
	((struct echo *)ctx)->worked++;
}

static size_t pull(void *ctx, struct zs_udp_datagram *out, size_t max, void *buf, size_t capacity,
		   uint64_t now)
{
	struct echo *e = ctx;
	size_t n = e->count;

	assert_true(n <= max);
	memcpy(out, e->held, n * sizeof(*out));
	e->count = 0;
	return n;
}

static uint64_t deadline(void *ctx)
{
	return ((struct echo *)ctx)->deadline;
}

static const struct zs_shell_ops ops = {
	.receive = receive, .advance = advance, .work = work, .pull = pull, .deadline = deadline
};

static struct zs_endpoint at(const char *addr, uint16_t port)
{
	struct zs_endpoint ep = { .port = port };

	assert_int_equal(zs_addr_parse(&ep.addr, addr), 0);
	return ep;
}

static int client(int family)
{
	struct timeval soon = { .tv_usec = 1000 };
	int fd = socket(family, SOCK_DGRAM, 0);

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &soon, sizeof(soon));
	return fd;
}

/* Connected, so that only what leaves from that very address and port comes back. */
static bool answers(struct zs_loop *loop, int family, const struct zs_endpoint *ep)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(ep->port) };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = htons(ep->port) };
	int fd = client(family);
	ssize_t n = -1;
	char buf[8];

	in.sin_addr.s_addr = zs_addr_get4(&ep->addr);
	memcpy(&in6.sin6_addr, ep->addr.ip, 16);
	assert_int_equal(family == AF_INET ? connect(fd, (struct sockaddr *)&in, sizeof(in))
					   : connect(fd, (struct sockaddr *)&in6, sizeof(in6)),
			 0);
	if (send(fd, "ping", 4, 0) == 4)
		for (int i = 0; n < 0 && i < 50; i++) {
			assert_true(zs_loop_turn(loop, ZS_NS_PER_MS) >= 0);
			n = recv(fd, buf, sizeof(buf), 0);
		}
	close(fd);
	return n == 4 && memcmp(buf, "ping", 4) == 0;
}

static void each_from_its_socket(void **state)
{
	struct echo e = { .deadline = UINT64_MAX };
	struct zs_endpoint four = at("127.0.0.1", 0), six = at("::1", 0), other = at("127.0.0.2", 0);
	struct zs_udp *udp;
	struct zs_loop *loop;

	assert_int_equal(zs_loop_new(&loop, ZS_LOOP_AUTO, NULL), 0);
	assert_int_equal(zs_shell_new(&e.shell, loop, &ops, &e), 0);
	assert_int_equal(zs_shell_open(e.shell, &four, 0, &udp, NULL), 0);
	four = zs_udp_local(udp);
	assert_int_equal(zs_shell_open(e.shell, &six, ZS_UDP_ONE_FAMILY, &udp, NULL), 0);
	six = zs_udp_local(udp);
	other.port = four.port; /* the port of the first: the address alone tells them apart */
	assert_int_equal(zs_shell_open(e.shell, &other, 0, &udp, NULL), 0);
	assert_ptr_equal(zs_shell_socket(e.shell, 2), udp);
	assert_null(zs_shell_socket(e.shell, 3));
	assert_true(answers(loop, AF_INET, &other));
	assert_true(answers(loop, AF_INET6, &six));
	assert_true(answers(loop, AF_INET, &four));
	assert_true(e.worked >= 6); /* twice a turn */
	zs_shell_delete(e.shell);
	zs_loop_delete(loop);
}

static void timers_and_soon(void **state)
{
	struct echo e = { .deadline = UINT64_MAX };
	struct zs_loop *loop;

	assert_int_equal(zs_loop_new(&loop, ZS_LOOP_AUTO, NULL), 0);
	assert_int_equal(zs_shell_new(&e.shell, loop, &ops, &e), 0);
	zs_shell_soon(e.shell);
	assert_int_equal(e.worked, 0); /* not from here */
	zs_loop_turn(loop, ZS_NS_PER_MS);
	assert_int_equal(e.advanced, 1);
	assert_int_equal(e.worked, 2);
	for (int i = 0; i < 5; i++)
		zs_loop_turn(loop, ZS_NS_PER_MS);
	assert_int_equal(e.advanced, 1); /* no deadline, no timer */
	e.deadline = zs_loop_now(loop) + 5 * ZS_NS_PER_MS;
	zs_shell_turn(e.shell);
	for (int i = 0; i < 20; i++)
		zs_loop_turn(loop, ZS_NS_PER_MS);
	assert_int_equal(e.advanced, 2);
	zs_shell_delete(e.shell);
	zs_loop_delete(loop);
}

/* A socket outlives its shell in somebody else's hands, with what waits in it. */
static void adopted_with_its_queue(void **state)
{
	struct echo e = { .deadline = UINT64_MAX };
	struct zs_endpoint any6 = at("::", 0), any4 = at("0.0.0.0", 0), here = at("127.0.0.1", 0);
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct zs_udp *udp;
	struct zs_loop *loop;
	struct zs_error err;
	int value = -1, kept, pipes[2], fd = client(AF_INET);
	socklen_t len = sizeof(value);

	assert_int_equal(zs_loop_new(&loop, ZS_LOOP_AUTO, NULL), 0);
	assert_int_equal(zs_shell_new(&e.shell, loop, &ops, &e), 0);
	assert_int_equal(zs_shell_open(e.shell, &any4, ZS_UDP_ONE_FAMILY, &udp, NULL), 0);
	here.port = zs_udp_local(udp).port;
	any6.port = here.port; /* [::] beside 0.0.0.0 */
	assert_int_equal(zs_shell_open(e.shell, &any6, ZS_UDP_ONE_FAMILY, NULL, NULL), 0);
	assert_int_equal(getsockopt(zs_udp_fd(udp), IPPROTO_IP, IP_MTU_DISCOVER, &value, &len), 0);
	assert_int_equal(value, IP_PMTUDISC_PROBE);
	kept = dup(zs_udp_fd(udp));
	zs_shell_delete(e.shell);
	in.sin_port = htons(here.port);
	assert_int_equal(sendto(fd, "wait", 4, 0, (struct sockaddr *)&in, sizeof(in)), 4);

	assert_int_equal(zs_shell_new(&e.shell, loop, &ops, &e), 0);
	assert_int_equal(zs_shell_adopt(e.shell, kept, ZS_UDP_ONE_FAMILY, &udp, NULL), 0);
	assert_int_equal(zs_udp_local(udp).port, here.port);
	for (int i = 0; i < 5; i++)
		zs_loop_turn(loop, ZS_NS_PER_MS);
	char buf[8];
	assert_int_equal(recv(fd, buf, sizeof(buf), 0), 4);
	assert_true(answers(loop, AF_INET, &here));

	/* What is no UDP socket is refused, and closed. */
	assert_int_equal(pipe(pipes), 0);
	assert_int_equal(zs_shell_adopt(e.shell, pipes[0], 0, NULL, &err), -EINVAL);
	assert_int_equal(close(pipes[0]), -1);
	close(pipes[1]);
	close(fd);
	zs_shell_delete(e.shell);
	zs_loop_delete(loop);
}

static void bounded(void **state)
{
	struct echo e = { .deadline = UINT64_MAX };
	struct zs_endpoint any = at("127.0.0.1", 0);
	struct zs_loop *loop;
	struct zs_error err;

	assert_int_equal(zs_loop_new(&loop, ZS_LOOP_AUTO, NULL), 0);
	assert_int_equal(zs_shell_new(&e.shell, loop, &ops, &e), 0);
	for (int i = 0; i < ZS_SHELL_SOCKETS; i++)
		assert_int_equal(zs_shell_open(e.shell, &any, 0, NULL, &err), 0);
	assert_int_equal(zs_shell_open(e.shell, &any, 0, NULL, &err), -ENOSPC);
	zs_shell_delete(e.shell);
	zs_loop_delete(loop);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_from_its_socket),
		cmocka_unit_test(timers_and_soon),
		cmocka_unit_test(adopted_with_its_queue),
		cmocka_unit_test(bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
