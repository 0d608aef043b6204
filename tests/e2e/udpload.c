/* A load of sequence-numbered UDP and the echo behind it, for the end-to-end tests.
 *
 *   udpload serve ADDR PORT                          echoes until SIGTERM, then says how many
 *   udpload count ADDR PORT WARM SECONDS             one JSON line: bytes of the SECONDS that began WARM after the first packet
 *   udpload send ADDR PORT RATE SECONDS [SIZE [FLOWS]]  one JSON line: sent, lost, late, …
 *
 * The sender paces by the millisecond from one thread, reads echoes in between, and waits for
 * stragglers at the end. SIGTERM ends it early. Every packet carries the run's number, so
 * echoes of an earlier run do not count. A packet is lost when its echo never came. */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netdb.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BATCH	    64
#define PAYLOAD_MAX 1472
#define FLOWS_MAX   64
#define PACKETS_MAX (64u << 20) /* sequence numbers of one run: 8 MiB of bitmap */
#define DRAIN_NS    1000000000ull
#define BUFFER	    (8 << 20) /* of a socket: 20,000 packets/s for a third of a second */

struct packet {
	uint64_t run, seq;
};

struct batch {
	struct mmsghdr msg[BATCH];
	struct iovec iov[BATCH];
	struct sockaddr_storage from[BATCH];
	uint8_t data[BATCH][PAYLOAD_MAX];
};

struct sender {
	struct batch out, in;
	int fd[FLOWS_MAX];
	uint32_t flows, size;
	uint64_t run, rate, planned, sent, received, duplicated, reordered, foreign, refused, unsent;
	uint64_t highest[FLOWS_MAX]; /* order holds within a flow */
	uint64_t last_rx_ns, worst_gap_ns, worst_late_ns;
	uint8_t *seen;
};

static volatile sig_atomic_t ended; /* a signal handler has no other way to speak */

static void end(int sig)
{
	ended = 1;
}

static uint64_t now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
}

static void die(const char *what)
{
	fprintf(stderr, "udpload: %s: %s\n", what, strerror(errno));
	exit(1);
}

static int open_socket(const char *addr, const char *port, bool serve)
{
	struct addrinfo hint = { .ai_socktype = SOCK_DGRAM, .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV },
			*ai;
	int size = BUFFER, fd;

	if (getaddrinfo(addr, port, &hint, &ai))
		die("address");
	fd = socket(ai->ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		die("socket");
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)))
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	if ((serve ? bind : connect)(fd, ai->ai_addr, ai->ai_addrlen))
		die(serve ? "bind" : "connect");
	freeaddrinfo(ai);
	return fd;
}

static void batch_init(struct batch *b, bool addressed)
{
	memset(b, 0, sizeof(*b));
	for (int i = 0; i < BATCH; i++) {
		b->iov[i] = (struct iovec){ b->data[i], PAYLOAD_MAX };
		b->msg[i].msg_hdr = (struct msghdr){ .msg_iov = &b->iov[i], .msg_iovlen = 1 };
		if (addressed)
			b->msg[i].msg_hdr.msg_name = &b->from[i];
	}
}

static int serve(const char *addr, const char *port)
{
	static struct batch b;
	int fd = open_socket(addr, port, true);
	uint64_t echoed = 0, unsent = 0;

	while (!ended) {
		batch_init(&b, true);
		for (int i = 0; i < BATCH; i++)
			b.msg[i].msg_hdr.msg_namelen = sizeof(b.from[i]);
		int n = recvmmsg(fd, b.msg, BATCH, MSG_WAITFORONE, NULL), done = 0;
		if (n <= 0)
			continue;
		for (int i = 0; i < n; i++)
			b.iov[i].iov_len = b.msg[i].msg_len;
		while (done < n) {
			int k = sendmmsg(fd, b.msg + done, (unsigned)(n - done), 0);
			if (k < 0) {
				unsent++;
				k = 1;
			}
			done += k;
		}
		echoed += (uint64_t)n;
	}
	printf("{\"echoed\":%" PRIu64 ",\"unsent\":%" PRIu64 "}\n", echoed, unsent);
	return 0;
}

/* When the kernel got it: how late we read it says nothing about the relay. */
static uint64_t arrived_ns(struct msghdr *m)
{
	struct timespec t = { 0 };

	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c))
		if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_TIMESTAMPNS)
			memcpy(&t, CMSG_DATA(c), sizeof(t));
	return (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
}

static int count(char **argv)
{
	uint64_t warm = strtoull(argv[4], NULL, 10) * 1000000000ull, first = 0, last = 0, gap = 0, bytes = 0,
		 packets = 0, span = strtoull(argv[5], NULL, 10) * 1000000000ull;
	int fd = open_socket(argv[2], argv[3], true), on = 1;
	uint8_t data[PAYLOAD_MAX], control[128];

	if (setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof(on)))
		die("time stamps");
	while (!ended) {
		struct iovec iov = { data, sizeof(data) };
		struct msghdr m = { .msg_iov = &iov,
				    .msg_iovlen = 1,
				    .msg_control = control,
				    .msg_controllen = sizeof(control) };
		ssize_t n = recvmsg(fd, &m, 0);
		uint64_t at = n < 0 ? 0 : arrived_ns(&m);

		if (!at)
			continue;
		first = first ? first : at;
		if (at >= first + warm + span)
			break;
		if (at >= first + warm) {
			bytes += (uint64_t)n;
			packets++;
			gap = at - last > gap ? at - last : gap;
		}
		last = at;
	}
	printf("{\"bytes\":%" PRIu64 ",\"packets\":%" PRIu64 ",\"worst_gap_ms\":%.1f}\n", bytes, packets,
	       (double)gap / 1e6);
	return 0;
}

static void account(struct sender *s, uint32_t flow, const struct packet *p, uint64_t now)
{
	if (p->run != s->run || p->seq >= s->sent) {
		s->foreign++;
		return;
	}
	if (s->seen[p->seq / 8] & (1u << (p->seq % 8))) {
		s->duplicated++;
		return;
	}
	s->seen[p->seq / 8] |= (uint8_t)(1u << (p->seq % 8));
	if (p->seq < s->highest[flow])
		s->reordered++;
	else
		s->highest[flow] = p->seq;
	s->received++;
	if (s->last_rx_ns && now - s->last_rx_ns > s->worst_gap_ns)
		s->worst_gap_ns = now - s->last_rx_ns;
	s->last_rx_ns = now;
}

static void receive(struct sender *s)
{
	for (uint32_t f = 0; f < s->flows; f++) {
		for (int n = BATCH; n == BATCH;) {
			n = recvmmsg(s->fd[f], s->in.msg, BATCH, MSG_DONTWAIT, NULL);
			if (n < 0 && (errno == ECONNREFUSED || errno == EHOSTUNREACH))
				s->refused++; /* somebody's ICMP: a relay must not cause it */
			for (int i = 0; i < n; i++) {
				struct packet p;
				memcpy(&p, s->in.data[i], sizeof(p));
				account(s, f, &p, now_ns());
			}
		}
	}
}

/* One flow's share of a millisecond; returns how many left. */
static uint32_t send_some(struct sender *s, uint32_t count)
{
	int fd = s->fd[(s->sent / BATCH) % s->flows];
	for (uint32_t i = 0; i < count; i++) {
		struct packet p = { s->run, s->sent + i };
		memcpy(s->out.data[i], &p, sizeof(p));
		s->out.iov[i].iov_len = s->size;
	}
	int n = sendmmsg(fd, s->out.msg, count, 0);
	if (n <= 0) {
		if (errno == ECONNREFUSED || errno == EHOSTUNREACH)
			s->refused++;
		else
			s->unsent++;
		return 0;
	}
	s->sent += (uint64_t)n;
	return (uint32_t)n;
}

static void run(struct sender *s)
{
	uint64_t start = now_ns(), due;

	while (s->sent < s->planned && !ended) {
		uint64_t passed = now_ns() - start;
		due = passed / 1000000 * s->rate / 1000;
		if (due > s->planned)
			due = s->planned;
		/* A late sender catches up in steps: a burst of its own making is no fair load. */
		for (int k = 0; s->sent < due && k < 4; k++) {
			uint64_t want = due - s->sent;
			if (!send_some(s, want < BATCH ? (uint32_t)want : BATCH))
				break;
			receive(s);
		}
		receive(s);
		uint64_t late = (now_ns() - start - passed);
		if (late > s->worst_late_ns)
			s->worst_late_ns = late;
		struct timespec t = { 0, 1000000 - (long)((now_ns() - start) % 1000000) };
		nanosleep(&t, NULL);
	}
	for (uint64_t stop = now_ns() + DRAIN_NS; now_ns() < stop && s->received < s->sent;) {
		struct timespec t = { 0, 1000000 };
		receive(s);
		nanosleep(&t, NULL);
	}
}

/* When they were sent: what else happened then is in the test's own notes. */
static void tell_lost(const struct sender *s)
{
	int told = 0;

	for (uint64_t i = 0; i < s->sent && told < 8; i++)
		if (!(s->seen[i / 8] & (1u << (i % 8))) && ++told)
			fprintf(stderr, "packet %" PRIu64 " is lost, sent %.3f s after the start\n", i,
				(double)i / (double)s->rate);
}

static int send_load(int argc, char **argv)
{
	struct sender *s = calloc(1, sizeof(*s));
	uint64_t seconds = strtoull(argv[5], NULL, 10);

	s->rate = strtoull(argv[4], NULL, 10);
	s->size = argc > 6 ? (uint32_t)strtoul(argv[6], NULL, 10) : 200;
	s->flows = argc > 7 ? (uint32_t)strtoul(argv[7], NULL, 10) : 1;
	s->planned = s->rate * seconds;
	if (!s->planned || s->planned > PACKETS_MAX || s->size < sizeof(struct packet) ||
	    s->size > PAYLOAD_MAX || !s->flows || s->flows > FLOWS_MAX) {
		fputs("udpload: rate, seconds, size or flows out of range\n", stderr);
		return 2;
	}
	s->seen = calloc(1, s->planned / 8 + 1);
	s->run = now_ns();
	batch_init(&s->out, false);
	batch_init(&s->in, false);
	for (uint32_t f = 0; f < s->flows; f++)
		s->fd[f] = open_socket(argv[2], argv[3], false);
	run(s);
	tell_lost(s);
	printf("{\"sent\":%" PRIu64 ",\"received\":%" PRIu64 ",\"lost\":%" PRIu64 ",\"duplicated\":%" PRIu64
	       ",\"reordered\":%" PRIu64 ",\"foreign\":%" PRIu64 ",\"refused\":%" PRIu64
	       ",\"unsent\":%" PRIu64 ",\"worst_gap_ms\":%.1f,\"worst_late_ms\":%.1f}\n",
	       s->sent, s->received, s->sent - s->received, s->duplicated, s->reordered, s->foreign,
	       s->refused, s->unsent, (double)s->worst_gap_ns / 1e6, (double)s->worst_late_ns / 1e6);
	return 0;
}

int main(int argc, char **argv)
{
	struct sigaction sa = { .sa_handler = end };

	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGINT, &sa, NULL);
	if (argc == 4 && !strcmp(argv[1], "serve"))
		return serve(argv[2], argv[3]);
	if (argc == 6 && !strcmp(argv[1], "count"))
		return count(argv);
	if (argc >= 6 && argc <= 8 && !strcmp(argv[1], "send"))
		return send_load(argc, argv);
	fputs("usage: udpload serve ADDR PORT | count ADDR PORT WARM SECONDS | send ADDR PORT RATE SECONDS "
	      "[SIZE [FLOWS]]\n",
	      stderr);
	return 2;
}
