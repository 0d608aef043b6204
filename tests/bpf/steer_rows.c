/* The steering program by BPF_PROG_TEST_RUN: rows of {frame, whose it is}, each run with and without a
 * worker's socket in the map, and the maps' life by zs_steer_sync. Root only; attaches nothing.
 *
 * Usage: steer_rows steer.bpf.o. 0 all right, 1 something is wrong, 77 no right to load programs. */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/bpf.h>
#include <linux/if_xdp.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include "base/check.h"
#include "base/clock.h"
#include "loader.h"

#define LO	 1 /* BPF_PROG_TEST_RUN lends the loopback's first queue */
#define HEAD_MIN 14
#define OUR_MAC                                                                                              \
	{                                                                                                    \
		2, 0, 0, 0, 0, 0x42                                                                          \
	}
#define HOPOPTS 0x100 /* IPPROTO_HOPOPTS is 0, which means right */

enum whose { KERNEL, RELAY };
enum dest { US, ANOTHER, GROUP, BROADCAST };

/* Zero means right. From 192.0.2.9 or 2001:db8::9 to us: UDP, or the ICMP error that quotes quoted_src. */
struct row {
	const char *name;
	enum whose whose;
	enum dest mac;
	uint32_t tag[2]; /* TPID << 16 | TCI */
	bool six;
	bool forged_type; /* the other family's ethertype */
	const char *dst, *quoted_src;
	uint16_t sport, dport;
	uint16_t proto;
	uint8_t icmp, quoted_proto, version, ihl, options, quoted_options; /* options in words */
	uint16_t frag, quoted_frag, ip_len, udp_len;
	uint16_t quoted_sport, quoted_dport;
};

#define KEY4  .dst = "10.0.0.2", .sport = 5000, .dport = 443
#define KEY6  .six = true, .dst = "fd00::2", .sport = 5000, .dport = 443
#define ERR4  .dst = "10.0.0.2"
#define ERR6  .six = true, .dst = "fd00::2"
#define FROM4 .quoted_src = "10.0.0.2", .quoted_sport = 443, .quoted_dport = 9
#define FROM6 .quoted_src = "fd00::2", .quoted_sport = 443, .quoted_dport = 9

static const struct row rows[] = {
	{ "IPv4", RELAY, KEY4 },
	{ "IPv6", RELAY, KEY6 },
	{ "IPv4, another port", KERNEL, .dst = "10.0.0.2", .sport = 443, .dport = 22 },
	{ "IPv6, another port", KERNEL, .six = true, .dst = "fd00::2", .sport = 443, .dport = 22 },
	{ "IPv4, another address", KERNEL, .dst = "10.0.0.4", .sport = 5000, .dport = 443 },
	{ "IPv6, another address", KERNEL, .six = true, .dst = "fd00::3", .sport = 5000, .dport = 443 },
	{ "IPv4 address in IPv6 clothes", KERNEL, .six = true, .dst = "::ffff:10.0.0.2", .dport = 443 },
	{ "quoted so", KERNEL, ERR6, .icmp = 1, .quoted_src = "::ffff:10.0.0.2", .quoted_sport = 443 },
	{ "port in other byte order", KERNEL, .dst = "10.0.0.3", .dport = 0x5111 },
	{ "a port of another address", KERNEL, .dst = "10.0.0.2", .dport = 4433 },
	{ "that port on its own address", RELAY, .dst = "10.0.0.3", .dport = 4433 },
	{ "port 0 is not the range", KERNEL, .dst = "10.0.0.2", .sport = 5000, .dport = 0 },
	{ "range, before", KERNEL, .dst = "10.0.0.2", .dport = 39999 },
	{ "range, first", RELAY, .dst = "10.0.0.2", .dport = 40000 },
	{ "range, last", RELAY, .dst = "10.0.0.2", .dport = 49999 },
	{ "range, behind", KERNEL, .dst = "10.0.0.2", .dport = 50000 },
	{ "range, IPv6", RELAY, .six = true, .dst = "fd00::2", .dport = 45000 },
	{ "range, an address without one", KERNEL, .dst = "10.0.0.3", .dport = 45000 },
	{ "TCP to the port", KERNEL, KEY4, .proto = IPPROTO_TCP },
	{ "TCP to the port, IPv6", KERNEL, KEY6, .proto = IPPROTO_TCP },
	{ "UDP-Lite to the port", KERNEL, KEY4, .proto = IPPROTO_UDPLITE },

	{ "another's MAC", KERNEL, .mac = ANOTHER, KEY4 },
	{ "group MAC", KERNEL, .mac = GROUP, KEY4 },
	{ "broadcast MAC", KERNEL, .mac = BROADCAST, KEY6 },

	{ "VLAN 7, its address", RELAY, .tag = { 0x81000007 }, .dst = "10.0.7.2", .dport = 443 },
	{ "VLAN 7 with priority and DEI", RELAY, .tag = { 0x8100f007 }, .dst = "10.0.7.2", .dport = 443 },
	{ "VLAN 7, IPv6", RELAY, .tag = { 0x81000007 }, .six = true, .dst = "fd00:7::2", .dport = 443 },
	{ "VLAN 7, range", RELAY, .tag = { 0x81000007 }, .dst = "10.0.7.2", .dport = 40001 },
	{ "VLAN 8, not configured", KERNEL, .tag = { 0x81000008 }, .dst = "10.0.7.2", .dport = 443 },
	{ "VLAN 7, the untagged address", KERNEL, .tag = { 0x81000007 }, KEY4 },
	{ "untagged, VLAN 7's address", KERNEL, .dst = "10.0.7.2", .dport = 443 },
	{ "priority tag alone", KERNEL, .tag = { 0x8100e000 }, KEY4 },
	{ "QinQ", KERNEL, .tag = { 0x88a80007, 0x81000007 }, .dst = "10.0.7.2", .dport = 443 },
	{ "two C-tags", KERNEL, .tag = { 0x81000007, 0x81000007 }, .dst = "10.0.7.2", .dport = 443 },
	{ "an S-tag alone", KERNEL, .tag = { 0x88a80007 }, .dst = "10.0.7.2", .dport = 443 },

	{ "options", RELAY, KEY4, .options = 1 },
	{ "all the options there can be", RELAY, KEY4, .options = 10 },
	{ "header length 4, the address looks like its port", KERNEL, .dst = "10.0.1.187", .ihl = 4 },
	{ "header length beyond the frame", KERNEL, KEY4, .ihl = 15 },
	{ "first fragment", RELAY, KEY4, .frag = 0x2000 },
	{ "don't fragment", RELAY, KEY4, .frag = 0x4000 },
	{ "reserved bit", RELAY, KEY4, .frag = 0x8000 },
	{ "later fragment", KERNEL, KEY4, .frag = 0x2001 },
	{ "last fragment", KERNEL, KEY4, .frag = 0x1fff },
	{ "wrong version", RELAY, KEY4, .version = 5 },
	{ "IP length too long", RELAY, KEY4, .ip_len = 1500 },
	{ "IP length too short", RELAY, KEY4, .ip_len = 21 },
	{ "UDP length too long", RELAY, KEY4, .udp_len = 1400 },
	{ "UDP length 7", RELAY, KEY4, .udp_len = 7 },
	{ "IPv6 length too long", RELAY, KEY6, .ip_len = 1400 },
	{ "IPv6 UDP length 7", RELAY, KEY6, .udp_len = 7 },
	{ "IPv6 hop-by-hop", KERNEL, KEY6, .proto = HOPOPTS },
	{ "IPv6 fragment header", KERNEL, KEY6, .proto = IPPROTO_FRAGMENT },
	{ "IPv6 destination options", KERNEL, KEY6, .proto = IPPROTO_DSTOPTS },
	{ "IPv4 called IPv6", KERNEL, .forged_type = true, KEY4 },
	{ "IPv6 called IPv4", KERNEL, .forged_type = true, KEY6 },

	{ "unreachable", RELAY, ERR4, FROM4, .icmp = 3 },
	{ "time exceeded", RELAY, ERR4, FROM4, .icmp = 11 },
	{ "parameter problem", RELAY, ERR4, FROM4, .icmp = 12 },
	{ "source quench", KERNEL, ERR4, FROM4, .icmp = 4 },
	{ "redirect", KERNEL, ERR4, FROM4, .icmp = 5 },
	{ "echo that looks like a quote", KERNEL, ERR4, FROM4, .icmp = 8 },
	{ "echo reply that looks like a quote", KERNEL, ERR4, FROM4, .icmp = 0 },
	{ "quotes a packet to our port, not from it", KERNEL, ERR4, .quoted_src = "10.0.0.2",
	  .quoted_sport = 9, .quoted_dport = 443, .icmp = 3 },
	{ "quotes another address", KERNEL, ERR4, .quoted_src = "192.0.2.9", .quoted_sport = 443, .icmp = 3 },
	{ "quotes a flow's port", RELAY, ERR4, .quoted_src = "10.0.0.2", .quoted_sport = 44444, .icmp = 3 },
	{ "quotes TCP", KERNEL, ERR4, FROM4, .icmp = 3, .quoted_proto = IPPROTO_TCP },
	{ "quotes a later fragment", KERNEL, ERR4, FROM4, .icmp = 11, .quoted_frag = 3 },
	{ "quotes options", RELAY, ERR4, FROM4, .icmp = 3, .quoted_options = 3 },
	{ "options before and inside", RELAY, ERR4, FROM4, .icmp = 3, .options = 2, .quoted_options = 10 },
	{ "error in a later fragment", KERNEL, ERR4, FROM4, .icmp = 3, .frag = 5 },
	{ "error on a VLAN", RELAY, ERR4, .tag = { 0x81000007 }, .icmp = 3, .quoted_src = "10.0.7.2",
	  .quoted_sport = 443 },
	{ "error on the wrong VLAN", KERNEL, ERR4, .tag = { 0x81000007 }, FROM4, .icmp = 3 },
	{ "error to another's MAC", KERNEL, ERR4, .mac = ANOTHER, FROM4, .icmp = 3 },
	{ "IPv6 unreachable", RELAY, ERR6, FROM6, .icmp = 1 },
	{ "IPv6 too big", RELAY, ERR6, FROM6, .icmp = 2 },
	{ "IPv6 time exceeded", RELAY, ERR6, FROM6, .icmp = 3 },
	{ "IPv6 parameter problem", RELAY, ERR6, FROM6, .icmp = 4 },
	{ "IPv6 unknown error", KERNEL, ERR6, FROM6, .icmp = 5 },
	{ "IPv6 echo that looks like a quote", KERNEL, ERR6, FROM6, .icmp = 128 },
	{ "neighbour solicitation", KERNEL, ERR6, FROM6, .icmp = 135 },
	{ "IPv6 quotes another address", KERNEL, ERR6, .quoted_src = "fd00::9", .quoted_sport = 443,
	  .icmp = 1 },
	{ "IPv6 quotes an extension header", KERNEL, ERR6, FROM6, .icmp = 1,
	  .quoted_proto = IPPROTO_FRAGMENT },
	{ "ICMPv6 inside IPv4", KERNEL, ERR4, FROM4, .icmp = 3, .proto = IPPROTO_ICMPV6 },
	{ "ICMP inside IPv6", KERNEL, ERR6, FROM6, .icmp = 3, .proto = IPPROTO_ICMP },
};

static uint8_t *put16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
	return p + 2;
}

static uint8_t *put_addr(uint8_t *p, bool six, const char *text)
{
	ZS_CHECK(inet_pton(six ? AF_INET6 : AF_INET, text, p) == 1, "%s", text);
	return p + (six ? 16 : 4);
}

struct header {
	bool six;
	uint8_t version, ihl, options, proto;
	uint16_t frag, len;
	const char *src, *dst;
};

static uint8_t *put_ip(uint8_t *p, const struct header *h)
{
	if (h->six) {
		memset(p, 0, 40);
		p[0] = (uint8_t)((h->version ? h->version : 6) << 4);
		put16(p + 4, h->len);
		p[6] = h->proto;
		p[7] = 64;
		return put_addr(put_addr(p + 8, true, h->src), true, h->dst);
	}
	memset(p, 0, 60);
	p[0] = (uint8_t)((h->version ? h->version : 4) << 4 | (h->ihl ? h->ihl : 5 + h->options));
	put16(p + 2, h->len);
	put16(p + 6, h->frag);
	p[8] = 64;
	p[9] = h->proto;
	return put_addr(put_addr(p + 12, false, h->src), false, h->dst) + 4 * h->options;
}

static uint8_t *put_udp(uint8_t *p, uint16_t sport, uint16_t dport, uint16_t len)
{
	return put16(put16(put16(put16(p, sport), dport), len), 0);
}

static uint8_t *put_ether(uint8_t *p, const struct row *r)
{
	static const uint8_t dest[][6] = {
		OUR_MAC, { 2, 0, 0, 0, 0, 0x43 }, { 1, 0, 0x5e, 0, 0, 1 }, { 255, 255, 255, 255, 255, 255 }
	};

	memcpy(p, dest[r->mac], 6);
	memset(p + 6, 6, 6);
	p += 12;
	for (unsigned i = 0; i < 2 && r->tag[i]; i++)
		p = put16(put16(p, r->tag[i] >> 16), r->tag[i] & 0xffff);
	return put16(p, r->six != r->forged_type ? 0x86dd : 0x0800);
}

/* *readable: bytes a relay packet must have to be known as one. */
static size_t build(const struct row *r, uint8_t *frame, size_t *readable)
{
	const char *from = r->six ? "2001:db8::9" : "192.0.2.9";
	uint8_t proto = !r->quoted_src ? IPPROTO_UDP : r->six ? IPPROTO_ICMPV6 : IPPROTO_ICMP;
	struct header ip = { r->six,  r->version, r->ihl, r->options, r->proto ? (uint8_t)r->proto : proto,
			     r->frag, r->ip_len,  from,	  r->dst };
	struct header quoted = { r->six,
				 0,
				 0,
				 r->quoted_options,
				 r->quoted_proto ? r->quoted_proto : IPPROTO_UDP,
				 r->quoted_frag,
				 100,
				 r->quoted_src,
				 from };
	uint8_t *p = put_ether(frame, r);

	if (r->quoted_src) {
		ip.len = r->ip_len ? r->ip_len : 200;
		p = put_ip(p, &ip);
		memset(p, 0, 8);
		p[0] = r->icmp;
		p = put_ip(p + 8, &quoted);
		*readable = (size_t)(p - frame) + 4;
		p = put_udp(p, r->quoted_sport, r->quoted_dport, 80);
	} else {
		if (!ip.len)
			ip.len = (uint16_t)(r->six ? 12 : 32 + 4 * r->options);
		p = put_ip(p, &ip);
		*readable = (size_t)(p - frame) + 4;
		p = put_udp(p, r->sport, r->dport, r->udp_len ? r->udp_len : 12);
	}
	memcpy(p, "data", 4);
	return (size_t)(p - frame) + 4;
}

struct bench {
	struct zs_steer steer;
	int prog_fd, socket_fd;
	unsigned run, wrong;
};

static void bind_socket(struct bench *b, bool on)
{
	uint32_t queue = 0;

	if (on)
		ZS_CHECK(!bpf_map_update_elem(b->steer.xsks_fd, &queue, &b->socket_fd, BPF_ANY), "%s",
			 strerror(errno));
	else
		bpf_map_delete_elem(b->steer.xsks_fd, &queue);
}

static void expect(struct bench *b, const char *name, uint8_t *frame, size_t len, bool bound,
		   enum whose whose)
{
	LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = frame, .data_size_in = (uint32_t)len, .repeat = 1);
	uint32_t verdict = whose == KERNEL ? XDP_PASS : bound ? XDP_REDIRECT : XDP_DROP;
	unsigned counter = whose == KERNEL ? ZS_STEER_PASSED : bound ? ZS_STEER_STEERED : ZS_STEER_DROPPED;
	uint64_t before[ZS_STEER_COUNTERS], after[ZS_STEER_COUNTERS];

	ZS_CHECK(!zs_steer_counters(&b->steer, before));
	ZS_CHECK(!bpf_prog_test_run_opts(b->prog_fd, &run), "%s", strerror(errno));
	ZS_CHECK(!zs_steer_counters(&b->steer, after));
	b->run++;
	if (run.retval != verdict) {
		printf("%s, %zu bytes, %s socket: verdict %u, not %u\n", name, len, bound ? "a" : "no",
		       run.retval, verdict);
		b->wrong++;
	}
	for (unsigned i = 0; i < ZS_STEER_COUNTERS; i++) {
		if (after[i] - before[i] != (i == counter)) {
			printf("%s, %zu bytes, %s socket: counter %u rose by %lu\n", name, len,
			       bound ? "a" : "no", i, after[i] - before[i]);
			b->wrong++;
		}
	}
}

/* The whole frame, then cut at every byte. */
static void run_row(struct bench *b, const struct row *r, bool bound)
{
	uint8_t frame[256];
	size_t readable, len = build(r, frame, &readable);

	expect(b, r->name, frame, len, bound, r->whose);
	for (size_t cut = HEAD_MIN; cut < len; cut++)
		expect(b, r->name, frame, cut, bound, cut < readable ? KERNEL : r->whose);
}

static struct zs_steer_key key(const char *addr, uint16_t vlan, uint16_t port)
{
	struct zs_steer_key k = { .ifindex = LO, .vlan = vlan, .port = port };
	struct zs_addr a;

	ZS_CHECK(!zs_addr_parse(&a, addr), "%s", addr);
	memcpy(k.addr, a.ip, sizeof(k.addr));
	return k;
}

static const struct zs_steer_config config = { 40000, 49999, OUR_MAC, 0, 0 };

static void run_rows(struct bench *b)
{
	struct zs_steer_key keys[] = {
		key("10.0.0.2", 0, 443), key("10.0.0.2", 0, 0),	   key("10.0.0.3", 0, 4433),
		key("10.0.7.2", 7, 443), key("10.0.7.2", 7, 0),	   key("fd00::2", 0, 443),
		key("fd00::2", 0, 0),	 key("fd00:7::2", 7, 443), key("10.0.1.187", 0, 443),
	};
	struct zs_steer_key elsewhere = key("10.0.0.4", 0, 443);

	elsewhere.ifindex = LO + 1; /* the row of another address meets another interface's key */
	ZS_CHECK(!zs_steer_sync(&b->steer, &config, keys, ZS_ARRAY_LEN(keys)));
	ZS_CHECK(!bpf_map_update_elem(b->steer.keys_fd, &elsewhere, &b->steer.set, BPF_ANY));
	for (unsigned bound = 0; bound < 2; bound++) {
		bind_socket(b, bound);
		for (unsigned i = 0; i < ZS_ARRAY_LEN(rows); i++)
			run_row(b, &rows[i], bound);
	}
}

static void check(struct bench *b, bool ok, const char *what)
{
	b->run++;
	if (!ok) {
		printf("sync: %s\n", what);
		b->wrong++;
	}
}

static unsigned keys_held(const struct zs_steer *s)
{
	struct zs_steer_key k;
	unsigned n = 0;

	for (void *from = NULL; !bpf_map_get_next_key(s->keys_fd, from, &k); n++)
		from = &k;
	return n;
}

static bool holds(const struct zs_steer *s, const struct zs_steer_key *k)
{
	uint32_t set;

	return !bpf_map_lookup_elem(s->keys_fd, k, &set);
}

static void fill(struct zs_steer_key *keys, uint16_t vlan)
{
	for (unsigned i = 0; i < ZS_STEER_KEYS_MAX; i++)
		keys[i] = (struct zs_steer_key){ .ifindex = LO, .vlan = vlan, .port = (uint16_t)(i + 1) };
}

static void run_sync(struct bench *b)
{
	static struct zs_steer_key keys[ZS_STEER_KEYS_MAX + 1];
	struct zs_steer *s = &b->steer, later;
	struct zs_steer_key one = key("10.0.0.2", 0, 443), two = key("10.0.0.3", 0, 443),
			    both[] = { one, two };
	uint32_t foreign = 77;

	check(b, !zs_steer_sync(s, &config, both, 2) && keys_held(s) == 2, "two keys");
	check(b, !zs_steer_sync(s, &config, &two, 1) && keys_held(s) == 1 && holds(s, &two),
	      "one of the two");
	check(b, !zs_steer_sync(s, &config, &one, 1) && keys_held(s) == 1 && holds(s, &one), "another");
	check(b,
	      zs_steer_sync(s, &config, keys, ZS_STEER_KEYS_MAX + 1) == -E2BIG && holds(s, &one) &&
		  keys_held(s) == 1,
	      "too many changes nothing");
	fill(keys, 1);
	check(b, !zs_steer_sync(s, &config, keys, ZS_STEER_KEYS_MAX) && keys_held(s) == ZS_STEER_KEYS_MAX,
	      "a full set");
	fill(keys, 2);
	check(b,
	      !zs_steer_sync(s, &config, keys, ZS_STEER_KEYS_MAX) && keys_held(s) == ZS_STEER_KEYS_MAX &&
		  holds(s, &keys[0]) && !holds(s, &one),
	      "another full set");
	/* A sync that died in its middle left both sets behind; the next process meets a full map. */
	fill(keys, 3);
	for (unsigned i = 0; i < ZS_STEER_KEYS_MAX; i++)
		ZS_CHECK(!bpf_map_update_elem(s->keys_fd, &keys[i], &foreign, BPF_ANY));
	later = *s;
	check(b, !zs_steer_resume(&later) && later.set == foreign, "a later process goes on counting");
	fill(keys, 4);
	check(b,
	      !zs_steer_sync(&later, &config, keys, ZS_STEER_KEYS_MAX) && keys_held(s) == ZS_STEER_KEYS_MAX &&
		  holds(s, &keys[ZS_STEER_KEYS_MAX - 1]),
	      "a full map is mended");
	later.set = UINT32_MAX;
	check(b, !zs_steer_sync(&later, &config, both, 2) && keys_held(s) == 2 && later.set,
	      "the set number wraps");
	check(b, !zs_steer_sync(&later, &config, NULL, 0) && !keys_held(s), "no keys");
	later.set = 0;
}

static uint32_t run_frame(const struct bench *b, const struct row *r)
{
	uint8_t frame[256];
	size_t readable, len = build(r, frame, &readable);
	LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = frame, .data_size_in = (uint32_t)len, .repeat = 1);

	ZS_CHECK(!bpf_prog_test_run_opts(b->prog_fd, &run), "%s", strerror(errno));
	return run.retval;
}

/* One row's packet, a worker bound: steered, or dropped because of where it comes from. */
static uint64_t dropped_of(struct bench *b, const char *row, bool *relayed)
{
	uint64_t before[ZS_STEER_COUNTERS], after[ZS_STEER_COUNTERS];

	bind_socket(b, 1);
	ZS_CHECK(!zs_steer_counters(&b->steer, before));
	for (unsigned i = 0; i < ZS_ARRAY_LEN(rows); i++)
		if (!strcmp(rows[i].name, row))
			*relayed = run_frame(b, &rows[i]) == XDP_REDIRECT;
	ZS_CHECK(!zs_steer_counters(&b->steer, after));
	return after[ZS_STEER_BLOCKED] - before[ZS_STEER_BLOCKED];
}

static bool passes(struct bench *b, const char *row)
{
	bool relayed = false;

	return !dropped_of(b, row, &relayed) && relayed;
}

static bool blocked(struct bench *b, const char *row)
{
	bool relayed = true;

	return dropped_of(b, row, &relayed) == 1 && !relayed;
}

/* Packets come from 192.0.2.9 and 2001:db8::9. */
static void run_blocks(struct bench *b)
{
	struct zs_steer_key keys[] = { key("10.0.0.2", 0, 443), key("fd00::2", 0, 443) };
	struct zs_steer_site four = { 4, { 192, 0, 2 } }, six = { 6, { 0x20, 0x01, 0x0d, 0xb8 } };
	struct zs_steer_site other = { 4, { 192, 0, 3 } };
	struct zs_steer *s = &b->steer;
	uint64_t now = zs_clock_ns(), dropped = 0;
	struct zs_steer_config held;
	uint32_t zero = 0;

	ZS_CHECK(!zs_steer_sync(s, &config, keys, 2));
	check(b, passes(b, "IPv4") && passes(b, "IPv6"), "nothing is blocked");
	check(b, !zs_steer_block(s, &other, now + 60 * ZS_NS_PER_S) && passes(b, "IPv4"), "another /24");
	check(b, !zs_steer_block(s, &four, now + 60 * ZS_NS_PER_S) && blocked(b, "IPv4"), "a /24");
	check(b, passes(b, "IPv6"), "of the one family alone");
	check(b, !zs_steer_block(s, &six, now + 60 * ZS_NS_PER_S) && blocked(b, "IPv6"), "a /56");
	check(b, passes(b, "unreachable"), "an ICMP error from there");
	check(b, !zs_steer_sync(s, &config, keys, 2) && blocked(b, "IPv4"), "other keys change nothing");
	check(b, zs_steer_block(s, &four, 1) == 0 && blocked(b, "IPv4"), "it keeps its time");
	check(b, !zs_steer_unblock(s, &four, &dropped) && dropped == 3 && passes(b, "IPv4"),
	      "let in, counted");
	check(b, zs_steer_unblock(s, &four, &dropped) == -ENOENT, "once");
	check(b, !zs_steer_block(s, &four, now - 1) && passes(b, "IPv4"), "its time is over");
	check(b, !zs_steer_unblock_all(s) && passes(b, "IPv6"), "all are let in");
	ZS_CHECK(!bpf_map_lookup_elem(s->config_fd, &zero, &held));
	check(b, !held.blocking && held.flow_port_first == config.flow_port_first,
	      "the map is not looked at");
	for (unsigned i = 0; i < ZS_STEER_BLOCKS_MAX; i++) {
		struct zs_steer_site site = { 4, { 10, (uint8_t)(i >> 8), (uint8_t)i } };
		ZS_CHECK(!zs_steer_block(s, &site, now + 60 * ZS_NS_PER_S));
	}
	check(b, zs_steer_block(s, &four, now + 60 * ZS_NS_PER_S) == -E2BIG, "the map is bounded");
	check(b, !zs_steer_unblock_all(s) && !zs_steer_block(s, &four, now + 60 * ZS_NS_PER_S),
	      "and emptied");
	zs_steer_unblock_all(s);
}

static int open_socket(void)
{
	int size = 64, fd = socket(AF_XDP, SOCK_RAW, 0);

	ZS_CHECK(fd >= 0 && !setsockopt(fd, SOL_XDP, XDP_RX_RING, &size, sizeof(size)), "%s",
		 strerror(errno));
	return fd;
}

int main(int argc, char **argv)
{
	struct bpf_object *object = NULL;
	struct bench b = { .socket_fd = -1 };
	int rc;

	libbpf_set_print(NULL); /* it remarks on the section that libxdp reads */
	if (argc == 2)
		object = bpf_object__open_file(argv[1], NULL);
	ZS_CHECK(object, "usage: steer_rows steer.bpf.o");
	rc = bpf_object__load(object);
	if (rc == -EPERM) {
		printf("no right to load BPF programs\n");
		return 77;
	}
	ZS_CHECK(!rc, "the object does not load: %s", strerror(-rc));
	b.prog_fd = bpf_program__fd(bpf_object__find_program_by_name(object, "xsk_def_prog"));
	b.steer.keys_fd = bpf_object__find_map_fd_by_name(object, "steer_keys");
	b.steer.counters_fd = bpf_object__find_map_fd_by_name(object, "steer_counters");
	b.steer.config_fd = bpf_object__find_map_fd_by_name(object, "steer_config");
	b.steer.blocks_fd = bpf_object__find_map_fd_by_name(object, "steer_blocks");
	b.steer.xsks_fd = bpf_object__find_map_fd_by_name(object, "xsks_map");
	ZS_CHECK(!zs_steer_resume(&b.steer));
	b.socket_fd = open_socket();
	run_rows(&b);
	run_sync(&b);
	run_blocks(&b);
	close(b.socket_fd);
	bpf_object__close(object);
	printf("%u checks of %zu rows, %u wrong\n", b.run, ZS_ARRAY_LEN(rows), b.wrong);
	return b.wrong ? 1 : 0;
}
