/* Half-open handshakes: one Initial from each of many addresses, which never answer. What comes back is
 * weighed: less than three times what was sent, RFC 9000 §8.1. */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include "base/check.h"
#include "base/clock.h"
#include "hostile.h"

struct source {
	int fd;
	uint64_t tx, rx;
};

static int open_source(uint32_t i, uint16_t port)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(0x7f010002 + i / 200 * 256 + i % 200) };
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_port = htons(port),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	ZS_CHECK(fd >= 0 && bind(fd, (struct sockaddr *)&at, sizeof(at)) == 0 &&
		     connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0,
		 "source %u", i);
	return fd;
}

static void send_first(struct end *e, struct source *s)
{
	static uint8_t buf[16 * ZS_QUIC_DATAGRAM];
	struct zs_udp_datagram out[16];

	end_dial(e);
	size_t count = zs_quic_pull(e->quic, out, 16, buf, sizeof(buf), zs_clock_ns());
	for (size_t i = 0; i < count; i++)
		if (send(s->fd, out[i].data, out[i].len, 0) > 0)
			s->tx += out[i].len;
}

static void drain(struct source *s, uint32_t count)
{
	uint8_t bytes[2048];
	ssize_t n;

	for (uint32_t i = 0; i < count; i++)
		while ((n = recv(s[i].fd, bytes, sizeof(bytes), 0)) > 0)
			s[i].rx += (uint64_t)n;
}

int attack_half_open(const struct ask *ask)
{
	struct source *s = calloc(ask->count, sizeof(*s));
	uint64_t until = zs_clock_ns() + ask->ms * ZS_NS_PER_MS, rx = 0, tx = 0;
	double worst = 0;
	struct end e;

	ZS_CHECK(s);
	end_open(&e, &ask->victim);
	for (uint32_t i = 0; i < ask->count; i++) {
		s[i].fd = open_source(i, ask->victim.port);
		send_first(&e, &s[i]);
		if (i % 32 == 0)
			usleep(2000);
	}
	while (zs_clock_ns() < until) {
		drain(s, ask->count);
		usleep(50000);
	}
	uint32_t answered = 0;
	for (uint32_t i = 0; i < ask->count; i++) {
		rx += s[i].rx;
		tx += s[i].tx;
		answered += s[i].rx > 0;
		if ((double)s[i].rx > worst * (double)s[i].tx)
			worst = (double)s[i].rx / (double)s[i].tx;
		close(s[i].fd);
	}
	printf("{\"sources\": %u, \"answered\": %u, \"sent_bytes\": %llu, \"got_bytes\": %llu, \"worst\": "
	       "%.3f}\n",
	       ask->count, answered, (unsigned long long)tx, (unsigned long long)rx, worst);
	free(s);
	end_close(&e);
	return 0;
}
