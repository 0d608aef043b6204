/* UDP in batches: on both engines, with and without the kernel's offloads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include "base/clock.h"
#include "loop/udp.h"
#include "unit/child.h"

struct mode {
	enum zs_loop_engine engine;
	unsigned flags;
};

struct sink {
	struct zs_udp *udp;
	size_t count, calls, bytes;
	struct zs_udp_datagram last;
	size_t lens[4096];
	uint16_t seq[4096];
	bool echo, close;
};

static void on_batch(void *ctx, struct zs_udp *udp, const struct zs_udp_datagram *in, size_t count)
{
	struct sink *s = ctx;
	s->calls++;
	for (size_t i = 0; i < count; i++) {
		uint16_t seq = 0;
		memcpy(&seq, in[i].data, in[i].len < 2 ? in[i].len : 2);
		if (s->count < 4096) {
			s->lens[s->count] = in[i].len;
			s->seq[s->count] = seq;
		}
		s->count++;
		s->bytes += in[i].len;
		s->last = in[i];
	}
	if (s->echo)
		assert_int_equal(zs_udp_send(udp, in, count), count);
	if (s->close)
		zs_udp_close(udp);
}

static struct zs_endpoint endpoint(const char *addr, uint16_t port)
{
	struct zs_endpoint ep = { .port = port };
	if (addr)
		assert_int_equal(zs_addr_parse(&ep.addr, addr), 0);
	return ep;
}

static struct zs_loop *loop_new(void **state)
{
	const struct mode *m = *state;
	struct zs_loop *loop;
	if (zs_loop_new(&loop, m->engine, NULL))
		skip();
	return loop;
}

static struct zs_udp *udp_new(void **state, struct zs_loop *loop, const char *addr, struct sink *s)
{
	const struct mode *m = *state;
	struct zs_error err = { 0 };
	struct zs_endpoint ep = endpoint(addr, 0);
	if (zs_udp_open(&s->udp, loop, &ep, m->flags, on_batch, s, &err))
		fail_msg("%s", err.text);
	assert_true(zs_udp_local(s->udp).port != 0);
	return s->udp;
}

static void until(struct zs_loop *loop, const size_t *count, size_t want)
{
	uint64_t end = zs_clock_ns() + 3 * ZS_NS_PER_S;
	while (*count < want && zs_clock_ns() < end)
		assert_int_equal(zs_loop_turn(loop, 10 * ZS_NS_PER_MS), 0);
	assert_int_equal(*count, want);
}

/* A server on all addresses answers from the one that was asked. */
static void asked(void **state, const char *wild, const char *client, const char *server)
{
	struct zs_loop *loop = loop_new(state);
	struct sink *s = calloc(1, sizeof(*s)), *c = calloc(1, sizeof(*c));
	s->echo = true;
	struct zs_udp *us = udp_new(state, loop, wild, s), *uc = udp_new(state, loop, client, c);
	struct zs_udp_datagram d = {
		.peer = endpoint(server, zs_udp_local(us).port), .ecn = 2, .data = "hello", .len = 5
	};
	assert_int_equal(zs_udp_send(uc, &d, 1), 1);
	until(loop, &c->count, 1);
	assert_int_equal(s->last.ecn, 2);
	assert_memory_equal(&s->last.local, &d.peer, sizeof(d.peer));
	assert_memory_equal(&c->last.peer, &d.peer, sizeof(d.peer));
	assert_int_equal(c->last.ecn, 2);
	assert_int_equal(c->last.len, 5);
	d.ecn = 0;
	assert_int_equal(zs_udp_send(uc, &d, 1), 1);
	until(loop, &c->count, 2);
	assert_int_equal(c->last.ecn, 0);
	zs_loop_delete(loop); /* and its sockets */
	free(s);
	free(c);
}

static void answers_from_the_asked_address(void **state)
{
	asked(state, "0.0.0.0", "127.0.0.1", "127.0.0.77");
	asked(state, NULL, "127.0.0.1", "127.0.0.78"); /* IPv4 through a socket of both families */
	asked(state, NULL, "::1", "::1");
	asked(state, "127.0.0.5", "127.0.0.1", "127.0.0.5");
	asked(state, "::1", "::1", "::1");
}

/* Datagrams of one length in a row become trains; every one arrives whole and in order. */
static void many_in_order(void **state)
{
	enum { N = 300 };
	struct zs_loop *loop = loop_new(state);
	struct sink *s = calloc(1, sizeof(*s)), *c = calloc(1, sizeof(*c));
	struct zs_udp *us = udp_new(state, loop, "127.0.0.1", s), *uc = udp_new(state, loop, "127.0.0.1", c);
	struct zs_udp_datagram d[N];
	uint8_t *data = calloc(N, 1200);
	size_t bytes = 0;
	for (int i = 0; i < N; i++) {
		uint16_t seq = (uint16_t)i;
		/* Runs of equal lengths that end with a shorter one, an empty one now and then. */
		size_t len = i % 50 == 49 ? 0 : i % 10 == 9 ? 33 : 100 + (size_t)(i / 50) * 7;
		memcpy(data + i * 1200, &seq, 2);
		d[i] = (struct zs_udp_datagram){ .peer = zs_udp_local(us),
						 .data = data + i * 1200,
						 .len = len };
		bytes += len;
	}
	for (int i = 0; i < N; i += 75) /* below the socket's buffer */
	{
		assert_int_equal(zs_udp_send(uc, d + i, 75), 75);
		until(loop, &s->count, (size_t)i + 75);
	}
	assert_int_equal(s->bytes, bytes);
	for (int i = 0; i < N; i++) {
		assert_int_equal(s->lens[i], d[i].len);
		assert_int_equal(s->seq[i], d[i].len ? i : 0);
	}
	assert_int_equal(zs_udp_stats(uc)->tx, N);
	assert_int_equal(zs_udp_stats(uc)->tx_bytes, bytes);
	assert_int_equal(zs_udp_stats(us)->rx, N);
	assert_int_equal(zs_udp_stats(us)->rx_bytes, bytes);
	assert_true(zs_udp_stats(uc)->tx_calls <= 4 * 4); /* batches, not one call each */
	assert_memory_equal(&s->last.peer, &(struct zs_endpoint[]){ zs_udp_local(uc) }, sizeof(s->last.peer));
	zs_loop_delete(loop);
	free(data);
	free(s);
	free(c);
}

static void refused_ones_do_not_stop_the_rest(void **state)
{
	static uint8_t big[65536];
	struct zs_loop *loop = loop_new(state);
	struct sink *s = calloc(1, sizeof(*s)), *c = calloc(1, sizeof(*c));
	struct zs_udp *us = udp_new(state, loop, "127.0.0.1", s), *uc = udp_new(state, loop, "127.0.0.1", c);
	struct zs_endpoint to = zs_udp_local(us);
	struct zs_udp_datagram d[] = {
		{ .peer = to, .data = "a", .len = 1 },
		{ .peer = to, .data = big, .len = 65530 },		       /* more than UDP carries */
		{ .peer = endpoint("2001:db8::1", 5), .data = "b", .len = 1 }, /* not this socket's family */
		{ .peer = to, .data = "c", .len = 1 },
		{ .peer = to,
		  .local = endpoint("203.0.113.9", 0),
		  .data = "d",
		  .len = 1 }, /* not our address */
		{ .peer = to, .data = "e", .len = 1 },
	};
	assert_int_equal(zs_udp_send(uc, d, 6), 3);
	assert_int_equal(zs_udp_stats(uc)->tx_failed, 3);
	until(loop, &s->count, 3);
	assert_int_equal(s->seq[0], 'a');
	assert_int_equal(s->seq[1], 'c');
	assert_int_equal(s->seq[2], 'e');
	zs_loop_delete(loop);
	free(s);
	free(c);
}

/* The largest datagram there is. */
static void large_datagrams(void **state)
{
	struct zs_loop *loop = loop_new(state);
	struct sink *s = calloc(1, sizeof(*s)), *c = calloc(1, sizeof(*c));
	struct zs_udp *us = udp_new(state, loop, "127.0.0.1", s), *uc = udp_new(state, loop, "127.0.0.1", c);
	uint8_t *data = calloc(1, 65507);
	struct zs_udp_datagram d = { .peer = zs_udp_local(us), .data = data, .len = 65507 };
	assert_int_equal(zs_udp_send(uc, &d, 1), 1);
	until(loop, &s->count, 1);
	assert_int_equal(s->last.len, 65507);
	assert_int_equal(zs_udp_stats(us)->rx_truncated, 0);
	zs_loop_delete(loop);
	free(data);
	free(s);
	free(c);
}

static int small_mtu(void)
{
	struct ifreq ifr = { .ifr_name = "lo", .ifr_mtu = 1500 };
	if (unshare(CLONE_NEWNET))
		return -errno;
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	int ret = ioctl(fd, SIOCSIFMTU, &ifr);
	ifr.ifr_flags = IFF_UP | IFF_RUNNING;
	ret |= ioctl(fd, SIOCSIFFLAGS, &ifr);
	close(fd);
	return ret;
}

/* A train whose segments are larger than the MTU leaves one by one, in fragments. In a child:
 * it takes a network namespace of its own. */
static void trains_larger_than_the_mtu(void **state)
{
	pid_t pid = fork();
	if (pid == 0) {
		if (small_mtu())
			_exit(CHILD_SKIPS);
		static uint8_t data[3000];
		struct zs_loop *loop = loop_new(state);
		struct sink *s = calloc(1, sizeof(*s)), *c = calloc(1, sizeof(*c));
		struct zs_udp *us = udp_new(state, loop, "127.0.0.1", s);
		struct zs_udp *uc = udp_new(state, loop, "127.0.0.1", c);
		struct zs_udp_datagram d[5];
		for (int i = 0; i < 5; i++)
			d[i] = (struct zs_udp_datagram){ .peer = zs_udp_local(us),
							 .data = data,
							 .len = 3000 };
		if (zs_udp_send(uc, d, 5) != 5 || zs_udp_stats(uc)->tx_failed)
			_exit(1);
		for (int i = 0; i < 100 && s->count < 5; i++)
			zs_loop_turn(loop, 10 * ZS_NS_PER_MS);
		_exit(s->count == 5 && s->bytes == 15000 ? 0 : 2);
	}
	child_judges(pid);
}

static void callback_closes_its_socket(void **state)
{
	struct zs_loop *loop = loop_new(state);
	struct sink *s = calloc(1, sizeof(*s)), *c = calloc(1, sizeof(*c));
	s->close = true;
	struct zs_udp *us = udp_new(state, loop, "127.0.0.1", s), *uc = udp_new(state, loop, "127.0.0.1", c);
	struct zs_udp_datagram d = { .peer = zs_udp_local(us), .data = "x", .len = 1 };
	assert_int_equal(zs_udp_send(uc, &d, 1), 1);
	until(loop, &s->calls, 1);
	zs_loop_turn(loop, 0);
	zs_udp_close(uc);
	zs_loop_delete(loop);
	free(s);
	free(c);
}

static void taken_port_is_told(void **state)
{
	struct zs_loop *loop = loop_new(state);
	struct sink *s = calloc(1, sizeof(*s));
	struct zs_error err = { 0 };
	struct zs_udp *again;
	struct zs_endpoint at = zs_udp_local(udp_new(state, loop, "127.0.0.1", s));
	assert_int_equal(zs_udp_open(&again, loop, &at, 0, on_batch, s, &err), -EADDRINUSE);
	assert_int_equal(err.exit, ZS_EXIT_RESOURCE);
	assert_non_null(strstr(err.text, "127.0.0.1"));
	at = endpoint("203.0.113.9", 1);
	assert_int_equal(zs_udp_open(&again, loop, &at, 0, on_batch, s, &err), -EADDRNOTAVAIL);
	zs_loop_delete(loop);
	free(s);
}

static void offloads_are_asked_for(void **state)
{
	const struct mode *m = *state;
	struct zs_loop *loop = loop_new(state);
	struct sink *s = calloc(1, sizeof(*s));
	struct zs_udp *u = udp_new(state, loop, "127.0.0.1", s);
	if (m->flags & ZS_UDP_NO_OFFLOAD)
		assert_false(zs_udp_has_gro(u) || zs_udp_has_gso(u));
	else
		print_message("GRO %d GSO %d\n", zs_udp_has_gro(u), zs_udp_has_gso(u));
	zs_loop_delete(loop);
	free(s);
}

static struct mode modes[] = { { ZS_LOOP_URING, 0 },
			       { ZS_LOOP_EPOLL, 0 },
			       { ZS_LOOP_EPOLL, ZS_UDP_NO_OFFLOAD } };
#define ALL(f)                                                                                               \
	{ #f "/io_uring", f, NULL, NULL, &modes[0] }, { #f "/epoll", f, NULL, NULL, &modes[1] },             \
	{                                                                                                    \
#f "/plain", f, NULL, NULL, &modes[2]                                                        \
	}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ALL(answers_from_the_asked_address),
		ALL(many_in_order),
		ALL(refused_ones_do_not_stop_the_rest),
		ALL(large_datagrams),
		ALL(callback_closes_its_socket),
		ALL(taken_port_is_told),
		ALL(offloads_are_asked_for),
		ALL(trains_larger_than_the_mtu),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
