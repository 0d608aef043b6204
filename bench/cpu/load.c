#include "cpu/load.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "base/clock.h"
#include "core/cases.h"
#include "cpu/turn.h"
#include "net/checksum.h"

#define BATCH	  64
#define TICK_NS	  ZS_NS_PER_MS
#define SETTLE_US 50000 /* until the last packet has arrived */
#define HEADERS	  42

static void put16(uint8_t *at, uint32_t v)
{
	at[0] = (uint8_t)(v >> 8);
	at[1] = (uint8_t)v;
}

static uint32_t build(uint8_t *f, const struct zs_wire *w, const struct zs_load *load, uint16_t client)
{
	uint32_t head = load->channel ? ZS_TURN_HEAD : 0, ip_len = 28 + head + load->payload;
	uint8_t *ip = f + 14, *udp = ip + 20;

	memset(f, 0, 14 + ip_len);
	memcpy(f, w->r0_mac, 6);
	memcpy(f + 6, "\x02\0\0\0\0\x02\x08", 7);
	ip[0] = 0x45;
	put16(ip + 2, ip_len);
	ip[8] = 64;
	ip[9] = IPPROTO_UDP;
	memcpy(ip + 12, (uint8_t[]){ 10, 78, 1, 2, 10, 78, 1, 1 }, 8);
	put16(ip + 10, (uint16_t)~ntohs(zs_csum_fold(zs_csum_add(0, ip, 20))));
	put16(udp, ZS_LOAD_PORT + client);
	put16(udp + 2, load->port);
	put16(udp + 4, ip_len - 20); /* checksum 0: allowed on IPv4 */
	if (load->channel) {
		put16(f + HEADERS, ZS_TURN_CHANNEL);
		put16(f + HEADERS + 2, load->payload);
	}
	return 14 + ip_len;
}

static int open_sender(const struct zs_wire *w)
{
	struct sockaddr_ll to = { .sll_family = AF_PACKET };
	int fd, one = 1;

	if (zs_wire_enter(w, 'g') || (fd = socket(AF_PACKET, SOCK_RAW, 0)) < 0)
		return -1;
	to.sll_ifindex = (int)if_nametoindex("g0");
	setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &one, sizeof(one));
	return bind(fd, (struct sockaddr *)&to, sizeof(to)) ? -1 : fd;
}

/* Until its time is over; at a rate what is due each tick. */
static void send_all(int fd, const struct zs_load *load, struct mmsghdr *msg, volatile uint64_t *sent)
{
	uint64_t start = zs_clock_ns(), now = start, end = start + load->ms * ZS_NS_PER_MS;
	struct timespec tick = { .tv_nsec = TICK_NS };

	for (; now < end; now = zs_clock_ns()) {
		uint64_t due = load->rate ? load->rate * (now - start) / ZS_NS_PER_S : *sent + BATCH;

		if (due <= *sent) {
			nanosleep(&tick, NULL);
			continue;
		}
		int n = sendmmsg(fd, msg, due - *sent < BATCH ? (unsigned)(due - *sent) : BATCH, 0);

		*sent += n > 0 ? (uint64_t)n : 0;
	}
}

static void sender(const struct zs_wire *w, const struct zs_load *load, volatile uint64_t *sent)
{
	static uint8_t frame[ZS_LOAD_CLIENTS][1600];
	struct mmsghdr msg[BATCH] = { 0 };
	struct iovec iov[BATCH];
	int fd = open_sender(w);

	if (fd < 0)
		_exit(1);
	zs_pin(0);
	for (uint16_t i = 0; i < BATCH; i++) {
		uint16_t client = i % ZS_LOAD_CLIENTS;

		iov[i] = (struct iovec){ frame[client], build(frame[client], w, load, client) };
		msg[i].msg_hdr = (struct msghdr){ .msg_iov = &iov[i], .msg_iovlen = 1 };
	}
	send_all(fd, load, msg, sent);
	_exit(0);
}

int zs_load_run(const struct zs_wire *w, const struct zs_load *load, struct zs_moved *m, struct zs_error *err)
{
	volatile uint64_t *count = mmap(NULL, sizeof(*count), PROT_READ | PROT_WRITE,
					MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	uint64_t before = zs_wire_received(w);
	int status = -1;
	pid_t pid;

	if (count == MAP_FAILED || (pid = zs_wire_fork(w)) < 0)
		return zs_error_set(err, -errno, ZS_EXIT_RESOURCE, "cannot fork");
	if (pid == 0)
		sender(w, load, count);
	waitpid(pid, &status, 0);
	usleep(SETTLE_US);
	*m = (struct zs_moved){ *count, zs_wire_received(w) - before, load->ms / 1e3 };
	munmap((void *)count, sizeof(*count));
	return status ? zs_error_set(err, -EIO, ZS_EXIT_FAILED, "nothing can be sent on g0") : 0;
}

/* --- answers --- */

/* UDP over IPv4 without options turned round; its checksums hold for the answer too. */
static void turn_round(uint8_t *f)
{
	uint8_t old[14];

	memcpy(old, f, 12);
	memcpy(f, old + 6, 6);
	memcpy(f + 6, old, 6);
	memcpy(old, f + 26, 12); /* both addresses, both ports */
	memcpy(f + 26, old + 4, 4);
	memcpy(f + 30, old, 4);
	memcpy(f + 34, old + 10, 2);
	memcpy(f + 36, old + 8, 2);
}

static void answerer(const struct zs_wire *w)
{
	struct sockaddr_ll from, at = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_IP) };
	uint8_t f[2048];
	int fd;

	if (zs_wire_enter(w, 's') || (fd = socket(AF_PACKET, SOCK_RAW, htons(ETH_P_IP))) < 0)
		_exit(1);
	at.sll_ifindex = (int)if_nametoindex("s0");
	if (bind(fd, (struct sockaddr *)&at, sizeof(at)))
		_exit(1);
	for (;;) {
		socklen_t len = sizeof(from);
		ssize_t n = recvfrom(fd, f, sizeof(f), 0, (struct sockaddr *)&from, &len);

		if (n <= HEADERS || from.sll_pkttype == PACKET_OUTGOING || f[14] != 0x45)
			continue;
		turn_round(f);
		send(fd, f, (size_t)n, 0);
	}
}

int zs_load_answered(const struct zs_wire *w, const struct zs_load *load, struct zs_error *err)
{
	struct zs_moved m;
	pid_t pid = zs_wire_fork(w);
	int rc;

	if (pid < 0)
		return zs_error_set(err, -errno, ZS_EXIT_RESOURCE, "cannot fork");
	if (pid == 0)
		answerer(w);
	rc = zs_load_run(w, load, &m, err);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	return rc;
}
