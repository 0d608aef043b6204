/* A flood of UDP frames with sources of its choice, for the end-to-end tests: straight to a device, past the kernel's own stack.
 *
 *   udpflood DEVICE RELAY_MAC RELAY_IPV4 PORT RATE SECONDS PREFIX…    RATE 0: as fast as it can
 *
 * Each packet comes from the next PREFIX (A.B.C.D/N) in turn, from an address in it and a port drawn at random, with a short header and random
 * bytes behind it: to the service port a connection ID that nobody has. One JSON line at the end. */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BATCH	 64
#define PREFIXES 64
#define IP	 14
#define UDP	 34
#define PAYLOAD	 42
#define BYTES	 40
#define FRAME	 (PAYLOAD + BYTES)

struct flood {
	uint32_t net[PREFIXES], mask[PREFIXES], prefixes;
	uint64_t random, sent;
	uint8_t frame[BATCH][FRAME];
	struct iovec iov[BATCH];
	struct mmsghdr msg[BATCH];
};

static volatile sig_atomic_t ended; /* a signal handler has no other way to speak */

static void end(int sig)
{
	ended = 1;
}

static void die(const char *what)
{
	fprintf(stderr, "udpflood: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
}

static uint32_t draw(struct flood *f)
{
	f->random ^= f->random << 13;
	f->random ^= f->random >> 7;
	f->random ^= f->random << 17;
	return (uint32_t)(f->random >> 16);
}

static void put16(uint8_t *at, uint32_t v)
{
	at[0] = (uint8_t)(v >> 8);
	at[1] = (uint8_t)v;
}

static uint32_t sum16(const uint8_t *at, int bytes)
{
	uint32_t sum = 0;

	for (int i = 0; i < bytes; i += 2)
		sum += (uint32_t)(at[i] << 8 | at[i + 1]);
	return sum;
}

/* All that no packet changes. */
static void prepare(struct flood *f, const uint8_t *from, const uint8_t *to, uint32_t relay, uint32_t port)
{
	for (int i = 0; i < BATCH; i++) {
		uint8_t *p = f->frame[i];

		memcpy(p, to, 6);
		memcpy(p + 6, from, 6);
		put16(p + 12, 0x0800);
		p[IP] = 0x45;
		put16(p + IP + 2, FRAME - IP);
		p[IP + 8] = 64;
		p[IP + 9] = 17;
		put16(p + IP + 16, relay >> 16);
		put16(p + IP + 18, relay);
		put16(p + UDP + 2, port);
		put16(p + UDP + 4, FRAME - UDP);
		p[PAYLOAD] = 0x40;
		f->iov[i] = (struct iovec){ p, FRAME };
		f->msg[i].msg_hdr = (struct msghdr){ .msg_iov = &f->iov[i], .msg_iovlen = 1 };
	}
}

/* Another source and payload; the UDP checksum stays zero, as IPv4 allows. */
static void renew(struct flood *f, uint8_t *p)
{
	uint32_t at = (uint32_t)((f->sent + (uint32_t)(p - f->frame[0]) / FRAME) % f->prefixes), sum;
	uint32_t source = f->net[at] | (draw(f) & ~f->mask[at]);

	put16(p + IP + 12, source >> 16);
	put16(p + IP + 14, source);
	put16(p + UDP, 1024 + draw(f) % 60000);
	put16(p + IP + 10, 0);
	sum = sum16(p + IP, 20);
	sum = (sum & 0xffff) + (sum >> 16);
	put16(p + IP + 10, ~(sum + (sum >> 16)));
	for (int i = 1; i < 25; i += 4) {
		uint32_t r = draw(f);
		memcpy(p + PAYLOAD + i, &r, sizeof(r));
	}
}

static int open_device(const char *name, uint8_t mac[6])
{
	struct sockaddr_ll at = { .sll_family = AF_PACKET, .sll_ifindex = (int)if_nametoindex(name) };
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0), on = 1;
	struct ifreq r = { 0 };

	snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", name);
	if (fd < 0 || !at.sll_ifindex || ioctl(fd, SIOCGIFHWADDR, &r) || bind(fd, (void *)&at, sizeof(at)))
		die(name);
	setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &on, sizeof(on));
	memcpy(mac, r.ifr_hwaddr.sa_data, 6);
	return fd;
}

static void add_prefix(struct flood *f, char *text)
{
	char *slash = strchr(text, '/');
	unsigned bits = slash ? (unsigned)atoi(slash + 1) : 32;
	struct in_addr a;

	if (slash)
		*slash = 0;
	if (f->prefixes == PREFIXES || bits < 1 || bits > 32 || inet_pton(AF_INET, text, &a) != 1) {
		errno = EINVAL;
		die(text);
	}
	f->mask[f->prefixes] = ~0u << (32 - bits);
	f->net[f->prefixes] = ntohl(a.s_addr) & f->mask[f->prefixes];
	f->prefixes++;
}

static void run(struct flood *f, int fd, uint64_t rate, uint64_t seconds)
{
	uint64_t from = now_ns(), now = from;

	while (!ended && (now = now_ns()) - from < seconds * 1000000000ull) {
		uint64_t due = rate ? (now - from) / 1000 * rate / 1000000 : UINT64_MAX;
		uint32_t n = due - f->sent < BATCH ? (uint32_t)(due - f->sent) : BATCH;
		int k;

		if (due <= f->sent) {
			usleep(1000);
			continue;
		}
		for (uint32_t i = 0; i < n; i++)
			renew(f, f->frame[i]);
		k = sendmmsg(fd, f->msg, n, 0);
		f->sent += k > 0 ? (uint64_t)k : 0;
	}
	printf("{\"sent\":%" PRIu64 ",\"seconds\":%.2f}\n", f->sent, (double)(now - from) / 1e9);
}

int main(int argc, char **argv)
{
	static struct flood f = { .random = 0x9e3779b97f4a7c15u };
	struct in_addr relay;
	uint8_t from[6], to[6];
	int fd;

	if (argc < 8 ||
	    sscanf(argv[2], "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", &to[0], &to[1], &to[2], &to[3], &to[4],
		   &to[5]) != 6 ||
	    inet_pton(AF_INET, argv[3], &relay) != 1) {
		fprintf(stderr, "usage: udpflood DEVICE RELAY_MAC RELAY_IPV4 PORT RATE SECONDS PREFIX...\n");
		return 2;
	}
	for (int i = 7; i < argc; i++)
		add_prefix(&f, argv[i]);
	signal(SIGTERM, end);
	f.random ^= (uint64_t)getpid() << 32;
	fd = open_device(argv[1], from);
	prepare(&f, from, to, ntohl(relay.s_addr), (uint32_t)atoi(argv[4]));
	run(&f, fd, strtoull(argv[5], NULL, 10), strtoull(argv[6], NULL, 10));
	return 0;
}
