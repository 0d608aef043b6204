#include "wire.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"
#include "net/checksum.h"

#define WARM_UP_NS (ZS_NS_PER_S / 2)
#define FLOWS	   64 /* enough that no single flow line stays in L1 by luck, few enough to be made at once */
#define BATCH	   64

int zs_sh(const char *fmt, ...)
{
	char cmd[2048], all[2100];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(cmd, sizeof(cmd), fmt, ap);
	va_end(ap);
	snprintf(all, sizeof(all), "(%s) >/dev/null 2>&1", cmd);
	int status = system(all);
	return status < 0 ? -errno : WEXITSTATUS(status);
}

static int read_mac(const char *ns, const char *dev, uint8_t mac[6])
{
	char cmd[160];
	unsigned b[6];
	snprintf(cmd, sizeof(cmd), "ip netns exec %s cat /sys/class/net/%s/address", ns, dev);
	FILE *p = popen(cmd, "r");
	int n = p ? fscanf(p, "%x:%x:%x:%x:%x:%x", &b[0], &b[1], &b[2], &b[3], &b[4], &b[5]) : 0;
	if (p)
		pclose(p);
	for (int i = 0; i < 6 && n == 6; i++)
		mac[i] = (uint8_t)b[i];
	return n == 6 ? 0 : -ENODEV;
}

static int make_pair(const char *tag, const char *left_ns, const char *left, const char *right_ns,
		     const char *right)
{
	return zs_sh("ip link add %s netns %s-%s numrxqueues 1 numtxqueues 1 type veth peer name %s netns "
		     "%s-%s numrxqueues 1 "
		     "numtxqueues 1 && for x in %s:%s %s:%s; do ip netns exec %s-${x%%:*} ethtool -K ${x#*:} "
		     "tx off && "
		     "ip -n %s-${x%%:*} link set ${x#*:} up; done",
		     left, tag, left_ns, right, tag, right_ns, left_ns, left, right_ns, right, tag, tag);
}

static bool make_links(struct zs_wire *w)
{
	char relay_ns[32];

	snprintf(relay_ns, sizeof(relay_ns), "%s-r", w->tag);
	return !make_pair(w->tag, "g", "g0", "r", "r0") && !make_pair(w->tag, "s", "s0", "r", "r1") &&
	       !zs_sh("ip -n %s-r addr add 10.78.1.1/24 dev r0 && ip -n %s-r addr add 10.78.2.1/24 dev r1",
		      w->tag, w->tag) &&
	       !read_mac(relay_ns, "r0", w->r0_mac);
}

static bool make_bare(struct zs_wire *w)
{
	memcpy(w->r0_mac, (uint8_t[])ZS_WIRE_NOBODY, sizeof(w->r0_mac));
	return !make_pair(w->tag, "g", "g0", "s", "s0");
}

int zs_wire_open(struct zs_wire *w, bool bare, struct zs_error *err)
{
	*w = (struct zs_wire){ 0 };
	snprintf(w->tag, sizeof(w->tag), "zsb%d", (int)getpid());
	int rc = zs_wire_watch(w);
	if (rc)
		return zs_error_set(err, rc, ZS_EXIT_RESOURCE, "cannot fork");
	for (const char *n = "grs"; *n; n++)
		if (zs_sh("ip netns add %s-%c && ip netns exec %s-%c sysctl -w "
			  "net.ipv6.conf.default.disable_ipv6=1",
			  w->tag, *n, w->tag, *n))
			goto fail;
	if (!(bare ? make_bare(w) : make_links(w)))
		goto fail;
	return 0;
fail:
	zs_wire_close(w, true);
	return zs_error_set(err, -EPERM, ZS_EXIT_PRIVILEGE,
			    "cannot make network namespaces and veth pairs; run as root");
}

void zs_wire_remove(const struct zs_wire *w, bool logs)
{
	const char *t = w->tag;

	for (const char *n = "grs"; *n; n++)
		zs_sh("kill -KILL $(ip netns pids %s-%c); ip netns del %s-%c", t, *n, t, *n);
	zs_sh("rm -rf /tmp/%s-state /tmp/%s-run /tmp/%s.yaml /dev/shm/zerostate-%s /sys/fs/bpf/zerostate-%s "
	      "/var/run/dpdk/%s /var/run/dpdk/zs-%s",
	      t, t, t, t, t, t, t);
	if (logs)
		zs_sh("rm -f /tmp/%s-*.log", t);
}

void zs_wire_close(struct zs_wire *w, bool logs)
{
	for (uint32_t i = 0; i < w->children; i++) {
		kill(w->child[i], SIGTERM);
		for (int t = 0; t < 30 && waitpid(w->child[i], NULL, WNOHANG) == 0; t++)
			usleep(100000);
		kill(w->child[i], SIGKILL);
		waitpid(w->child[i], NULL, 0);
	}
	w->children = 0;
	zs_wire_remove(w, logs);
	zs_wire_unwatch(w);
}

int zs_wire_enter(const struct zs_wire *w, char which)
{
	char path[64];
	snprintf(path, sizeof(path), "/run/netns/%s-%c", w->tag, which);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	int rc = fd < 0 ? -1 : setns(fd, CLONE_NEWNET);
	if (fd >= 0)
		close(fd);
	return rc;
}

int zs_wire_spawn(struct zs_wire *w, const char *log_path, char *const argv[], struct zs_error *err)
{
	ZS_CHECK(w->children < ZS_ARRAY_LEN(w->child));
	pid_t pid = zs_wire_fork(w);
	if (pid < 0)
		return zs_error_set(err, -errno, ZS_EXIT_RESOURCE, "cannot fork");
	if (pid == 0) {
		int log = open(log_path, O_WRONLY | O_CREAT | O_TRUNC, 0600),
		    in = open("/dev/zero", O_RDONLY);
		/* Keeps the mounts: only the network changes, so bpffs stays where it is. */
		if (log < 0 || in < 0 || zs_wire_enter(w, 'r'))
			_exit(126);
		dup2(log, 1);
		dup2(log, 2);
		dup2(in, 0);
		execvp(argv[0], argv);
		_exit(127);
	}
	w->child[w->children++] = pid;
	return 0;
}

static uint32_t build(uint8_t *f, const struct zs_wire *w, uint32_t frame, uint16_t sport)
{
	uint32_t len = frame - 4, ip_len = len - 14;
	uint16_t word;
	memset(f, 0, len);
	memcpy(f, w->r0_mac, 6);
	memcpy(f + 6, "\x02\0\0\0\0\x02", 6);
	f[12] = 8;
	uint8_t *ip = f + 14, *udp = ip + 20;
	ip[0] = 0x45;
	word = htons((uint16_t)ip_len);
	memcpy(ip + 2, &word, 2);
	ip[8] = 64;
	ip[9] = 17;
	memcpy(ip + 12, (uint8_t[]){ 10, 78, 1, 2, 10, 78, 1, 1 }, 8);
	word = (uint16_t)~zs_csum_fold(zs_csum_add(0, ip, 20));
	memcpy(ip + 10, &word, 2);
	word = htons(sport);
	memcpy(udp, &word, 2);
	word = htons(4443);
	memcpy(udp + 2, &word, 2);
	word = htons((uint16_t)(ip_len - 20));
	memcpy(udp + 4, &word, 2); /* checksum 0: allowed on IPv4 and stays 0 */
	return len;
}

uint64_t zs_wire_received(const struct zs_wire *w)
{
	char cmd[160];
	unsigned long long v = 0;
	snprintf(cmd, sizeof(cmd), "ip netns exec %s-s cat /sys/class/net/s0/statistics/rx_packets", w->tag);
	FILE *p = popen(cmd, "r");
	if (p && fscanf(p, "%llu", &v) != 1)
		v = 0;
	if (p)
		pclose(p);
	return v;
}

/* The generator process: pinned to CPU 0, in G, until killed. Its count lies in shared memory. */
static void generate(const struct zs_wire *w, uint32_t frame)
{
	static uint8_t frames[FLOWS][1600];
	struct mmsghdr msg[BATCH] = { 0 };
	struct iovec iov[BATCH];
	cpu_set_t cpus;
	CPU_ZERO(&cpus);
	CPU_SET(0, &cpus);
	sched_setaffinity(0, sizeof(cpus), &cpus);
	if (zs_wire_enter(w, 'g'))
		_exit(1);
	int fd = socket(AF_PACKET, SOCK_RAW, 0), one = 1;
	struct sockaddr_ll to = { .sll_family = AF_PACKET, .sll_ifindex = (int)if_nametoindex("g0") };
	if (fd < 0 || bind(fd, (struct sockaddr *)&to, sizeof(to)))
		_exit(1);
	setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &one, sizeof(one));
	for (int i = 0; i < BATCH; i++) {
		iov[i] = (struct iovec){ frames[i % FLOWS],
					 build(frames[i % FLOWS], w, frame, (uint16_t)(40000 + i)) };
		msg[i].msg_hdr = (struct msghdr){ .msg_iov = &iov[i], .msg_iovlen = 1 };
	}
	for (;;)
		sendmmsg(fd, msg, BATCH, 0);
}

int zs_wire_blast(struct zs_wire *w, const struct zs_bench_options *opt, double *sent_pps, double *got_pps,
		  struct zs_error *err)
{
	pid_t pid = zs_wire_fork(w);
	if (pid < 0)
		return zs_error_set(err, -errno, ZS_EXIT_RESOURCE, "cannot fork");
	if (pid == 0)
		generate(w, opt->size ? opt->size : 64);
	usleep(WARM_UP_NS / 1000);
	uint64_t t0 = zs_clock_ns(), n0 = zs_wire_received(w);
	sleep(opt->seconds);
	uint64_t t1 = zs_clock_ns(), n1 = zs_wire_received(w);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	*got_pps = (double)(n1 - n0) * 1e9 / (double)(t1 - t0);
	*sent_pps = 0;
	return n1 > n0 ? 0
		       : zs_error_set(err, -EIO, ZS_EXIT_FAILED,
				      "nothing arrived at the sink: see the logs in /tmp/%s-*.log", w->tag);
}
