/* The header walk: rows of single faults on good frames of all shapes, every truncation of
 * the frame and of the IP packet, random mutations against the invariants. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <stdlib.h>

#include "net/checksum.h"
#include "packet_check.h"
#include "unit/random.h"

#define ROOM 512

struct frame {
	uint8_t b[ROOM];
	uint32_t len;
	uint32_t l3, l4; /* where it was built */
	bool is4;
};

enum shape { UDP = 0, ICMP = 1, FOUR = 0, SIX = 2, TAG = 4, OPTIONS = 8 /* with FOUR */ };

static void put16(struct frame *f, uint32_t at, uint32_t v)
{
	f->b[at] = (uint8_t)(v >> 8), f->b[at + 1] = (uint8_t)v;
}

static void seal4(struct frame *f)
{
	uint32_t header = (f->b[f->l3] & 15u) * 4;
	uint16_t sum;

	put16(f, f->l3 + 10, 0);
	sum = (uint16_t)~zs_csum_fold(zs_csum_add(0, f->b + f->l3, header));
	memcpy(f->b + f->l3 + 10, &sum, 2);
}

/* An IP header at `at`, its length; src 192.0.2.1 / 2001:db8::1, dst .2 / ::2. */
static uint32_t put_ip(uint8_t *b, bool is4, uint32_t options, uint8_t proto, uint32_t payload)
{
	static const uint8_t src6[16] = { 0x20, 1, 0xd, 0xb8, [15] = 1 },
			     dst6[16] = { 0x20, 1, 0xd, 0xb8, [15] = 2 };
	uint32_t header = is4 ? 20 + options : 40, words = is4 ? header + payload : payload;

	memset(b, 0, header);
	b[is4 ? 2 : 4] = (uint8_t)(words >> 8), b[is4 ? 3 : 5] = (uint8_t)words;
	if (is4) {
		b[0] = (uint8_t)(0x40 | header / 4);
		b[1] = 2; /* ECT(0) */
		b[8] = 64, b[9] = proto;
		memcpy(b + 12, "\xc0\x00\x02\x01\xc0\x00\x02\x02", 8);
		memset(b + 20, 1, options); /* no-operation */
	} else {
		b[0] = 0x60, b[1] = 0x20; /* ECT(0) */
		b[6] = proto, b[7] = 64;
		memcpy(b + 8, src6, 16);
		memcpy(b + 24, dst6, 16);
	}
	return header;
}

static void put_udp(uint8_t *b, uint16_t src, uint16_t dst, uint32_t payload)
{
	b[0] = (uint8_t)(src >> 8), b[1] = (uint8_t)src, b[2] = (uint8_t)(dst >> 8), b[3] = (uint8_t)dst;
	b[4] = (uint8_t)((payload + 8) >> 8), b[5] = (uint8_t)(payload + 8);
	b[6] = 0x12, b[7] = 0x34;
}

static struct frame make(int shape)
{
	struct frame f = { .is4 = !(shape & SIX), .l3 = shape & TAG ? 18 : 14 };
	uint32_t options = shape & OPTIONS ? 8 : 0, quote = f.is4 ? 20 : 40;
	uint32_t payload = shape & ICMP ? 8 + quote + 8 + 4 : 8 + 20;

	memcpy(f.b, "\x02\x00\x00\x00\x00\x01\x02\x00\x00\x00\x00\x02", 12);
	if (shape & TAG) {
		put16(&f, 12, 0x8100);
		put16(&f, 14, 0x6000 | 100);
	}
	put16(&f, f.l3 - 2, f.is4 ? 0x0800 : 0x86dd);
	uint8_t proto = shape & ICMP ? (f.is4 ? 1 : 58) : 17;
	f.l4 = f.l3 + put_ip(f.b + f.l3, f.is4, options, proto, payload);
	f.len = f.l4 + payload;
	if (shape & ICMP) {
		f.b[f.l4] = f.is4 ? 3 : 2;
		f.b[f.l4 + 1] = f.is4 ? 4 : 0;
		put16(&f, f.l4 + 6, 1280);
		put_ip(f.b + f.l4 + 8, f.is4, 0, 17, 8 + 1200);
		put_udp(f.b + f.l4 + 8 + quote, 20000, 443, 1200);
	} else {
		put_udp(f.b + f.l4, 50000, 4433, 20);
	}
	if (f.is4)
		seal4(&f);
	return f;
}

/* Parses an exact copy on the heap. */
static enum zs_parse parse(const struct frame *f, struct zs_packet *p)
{
	uint8_t *copy = malloc(f->len ? f->len : 1);

	memcpy(copy, f->b, f->len);
	memset(p, 0xa5, sizeof(*p));
	enum zs_parse rc = zs_packet_parse(copy, f->len, p);
	if (rc == ZS_PARSE_OK)
		packet_check(copy, f->len, p);
	packet_check_plain(copy, f->len, rc, p);
	free(copy);
	return rc;
}

static void good_frames(void **state)
{
	for (int shape = 0; shape < 16; shape++) {
		struct zs_packet p;
		struct frame f = make(shape);
		char a[ZS_ENDPOINT_TEXT], b[ZS_ENDPOINT_TEXT];
		if (shape & OPTIONS && shape & SIX)
			continue;
		assert_int_equal(parse(&f, &p), ZS_PARSE_OK);
		assert_int_equal(zs_packet_hygiene(&p), shape & OPTIONS ? ZS_DROP_ip_options : -1);
		assert_int_equal(p.is4, f.is4);
		assert_int_equal(p.vlan, shape & TAG ? 100 : 0);
		assert_int_equal(p.l3_off, f.l3);
		assert_int_equal(p.l4_off, f.l4);
		assert_int_equal(p.ip_len, f.len - f.l3);
		assert_int_equal(p.ttl, 64);
		assert_int_equal(p.ecn, 2);
		assert_int_equal(p.flags, shape & OPTIONS ? ZS_PACKET_HAS_OPTIONS : 0);
		if (shape & ICMP) {
			assert_int_equal(p.kind, ZS_PACKET_ICMP_ERROR);
			assert_int_equal(p.icmp_mtu, 1280);
			assert_int_equal(p.icmp_type, f.is4 ? 3 : 2);
			assert_string_equal(zs_endpoint_format(&p.quoted_src, a),
					    f.is4 ? "192.0.2.1:20000" : "[2001:db8::1]:20000");
			assert_string_equal(zs_endpoint_format(&p.quoted_dst, b),
					    f.is4 ? "192.0.2.2:443" : "[2001:db8::2]:443");
			assert_int_equal(p.src.port + p.dst.port, 0);
		} else {
			assert_int_equal(p.kind, ZS_PACKET_UDP);
			assert_string_equal(zs_endpoint_format(&p.src, a),
					    f.is4 ? "192.0.2.1:50000" : "[2001:db8::1]:50000");
			assert_string_equal(zs_endpoint_format(&p.dst, b),
					    f.is4 ? "192.0.2.2:4433" : "[2001:db8::2]:4433");
			assert_int_equal(p.payload_len, 20);
			assert_int_equal(p.udp_len, 28);
			assert_int_equal(p.l4_csum, htons(0x1234));
		}
	}
}

#define KERNEL (-2) /* expectations: a drop reason, KERNEL or GOOD */
#define GOOD   (-1)

/* One change to a frame of `shape`: `n` bytes at an offset from a layer. `early`: refused by
 * the parser already; the others only by hygiene. */
static const struct {
	const char *name;
	int shape;
	enum { L2, L3, L4 } layer;
	uint32_t at;
	uint32_t n;
	uint8_t bytes[16];
	bool sealed; /* the IPv4 header checksum is made right again */
	int expect;
	bool early;
} faults[] = {
	{ "group frame", UDP, L2, 0, 1, { 0x01 }, 0, KERNEL, 0 },
	{ "broadcast frame", UDP | SIX, L2, 0, 6, { 255, 255, 255, 255, 255, 255 }, 0, KERNEL, 0 },
	{ "ARP", UDP, L2, 12, 2, { 0x08, 0x06 }, 0, KERNEL, 0 },
	{ "length field instead of a type", UDP, L2, 12, 2, { 0, 40 }, 0, KERNEL, 0 },
	{ "802.1ad tag", UDP | TAG, L2, 12, 2, { 0x88, 0xa8 }, 0, KERNEL, 0 },
	{ "tag in a tag", UDP | TAG, L2, 16, 2, { 0x81, 0x00 }, 0, KERNEL, 0 },
	{ "priority tag", UDP | TAG, L2, 14, 2, { 0xe0, 0x00 }, 0, GOOD, 0 },
	{ "version 5", UDP, L3, 0, 1, { 0x55 }, 1, ZS_DROP_ip_version, 1 },
	{ "IPv6 behind IPv4's type", UDP, L3, 0, 1, { 0x65 }, 1, ZS_DROP_ip_version, 1 },
	{ "IPv4 behind IPv6's type", UDP | SIX, L3, 0, 1, { 0x45 }, 0, ZS_DROP_ip_version, 1 },
	{ "IHL 4", UDP, L3, 0, 1, { 0x44 }, 1, ZS_DROP_ip_header_length, 1 },
	{ "IHL 0", UDP, L3, 0, 1, { 0x40 }, 1, ZS_DROP_ip_header_length, 1 },
	{ "IHL 15 beyond the frame", UDP, L3, 0, 1, { 0x4f }, 0, ZS_DROP_frame_short, 1 },
	{ "checksum", UDP, L3, 10, 2, { 0xff, 0xff }, 0, ZS_DROP_ip_checksum, 1 },
	{ "checksum of options", UDP | OPTIONS, L3, 24, 1, { 7 }, 0, ZS_DROP_ip_checksum, 1 },
	{ "total length 19", UDP, L3, 2, 2, { 0, 19 }, 1, ZS_DROP_ip_length, 1 },
	{ "total length 0", UDP, L3, 2, 2, { 0, 0 }, 1, ZS_DROP_ip_length, 1 },
	{ "total length one beyond", UDP, L3, 2, 2, { 0, 49 }, 1, ZS_DROP_ip_length, 1 },
	{ "total length below options", UDP | OPTIONS, L3, 2, 2, { 0, 24 }, 1, ZS_DROP_ip_length, 1 },
	{ "payload length one beyond", UDP | SIX, L3, 4, 2, { 0, 29 }, 0, ZS_DROP_ip_length, 1 },
	{ "payload length 65535", UDP | SIX, L3, 4, 2, { 255, 255 }, 0, ZS_DROP_ip_length, 1 },
	{ "payload length 0", UDP | SIX, L3, 4, 2, { 0, 0 }, 0, ZS_DROP_udp_length, 1 },
	{ "first fragment", UDP, L3, 6, 2, { 0x20, 0 }, 1, ZS_DROP_ip_fragment, 0 },
	{ "later fragment", UDP, L3, 6, 2, { 0x20, 1 }, 1, KERNEL, 0 },
	{ "last fragment", UDP, L3, 6, 2, { 0x1f, 255 }, 1, KERNEL, 0 },
	{ "don't fragment", UDP, L3, 6, 2, { 0x40, 0 }, 1, GOOD, 0 },
	{ "TCP", UDP, L3, 9, 1, { 6 }, 1, KERNEL, 0 },
	{ "UDP-Lite", UDP, L3, 9, 1, { 136 }, 1, KERNEL, 0 },
	{ "ICMPv6 in IPv4", ICMP, L3, 9, 1, { 58 }, 1, KERNEL, 0 },
	{ "ICMPv4 in IPv6", ICMP | SIX, L3, 6, 1, { 1 }, 0, KERNEL, 0 },
	{ "hop-by-hop header", UDP | SIX, L3, 6, 1, { 0 }, 0, KERNEL, 0 },
	{ "destination options", UDP | SIX, L3, 6, 1, { 60 }, 0, KERNEL, 0 },
	{ "routing header", UDP | SIX, L3, 6, 1, { 43 }, 0, KERNEL, 0 },
	{ "fragment header", UDP | SIX, L3, 6, 1, { 44 }, 0, KERNEL, 0 },
	{ "no next header", UDP | SIX, L3, 6, 1, { 59 }, 0, KERNEL, 0 },
	{ "TTL 0", UDP, L3, 8, 1, { 0 }, 1, ZS_DROP_ttl, 0 },
	{ "TTL 1", UDP, L3, 8, 1, { 1 }, 1, ZS_DROP_ttl, 0 },
	{ "TTL 2", UDP, L3, 8, 1, { 2 }, 1, GOOD, 0 },
	{ "hop limit 1", UDP | SIX, L3, 7, 1, { 1 }, 0, ZS_DROP_ttl, 0 },
	{ "hop limit 2", UDP | SIX, L3, 7, 1, { 2 }, 0, GOOD, 0 },
	{ "from 0.0.0.0", UDP, L3, 12, 4, { 0 }, 1, ZS_DROP_src_martian, 0 },
	{ "from 0.1.2.3", UDP, L3, 12, 4, { 0, 1, 2, 3 }, 1, ZS_DROP_src_martian, 0 },
	{ "from 127.0.0.1", UDP, L3, 12, 4, { 127, 0, 0, 1 }, 1, ZS_DROP_src_martian, 0 },
	{ "from 169.254.1.1", UDP, L3, 12, 4, { 169, 254, 1, 1 }, 1, ZS_DROP_src_martian, 0 },
	{ "from 223.255.255.255", UDP, L3, 12, 4, { 223, 255, 255, 255 }, 1, GOOD, 0 },
	{ "from 224.0.0.1", UDP, L3, 12, 4, { 224, 0, 0, 1 }, 1, ZS_DROP_src_multicast, 0 },
	{ "from 239.255.255.255", UDP, L3, 12, 4, { 239, 255, 255, 255 }, 1, ZS_DROP_src_multicast, 0 },
	{ "from 240.0.0.1", UDP, L3, 12, 4, { 240, 0, 0, 1 }, 1, ZS_DROP_src_martian, 0 },
	{ "from 255.255.255.255", UDP, L3, 12, 4, { 255, 255, 255, 255 }, 1, ZS_DROP_src_broadcast, 0 },
	{ "from 10.0.0.1", UDP, L3, 12, 4, { 10, 0, 0, 1 }, 1, GOOD, 0 },
	{ "from ::", UDP | SIX, L3, 8, 16, { 0 }, 0, ZS_DROP_src_martian, 0 },
	{ "from ::1", UDP | SIX, L3, 8, 16, { [15] = 1 }, 0, ZS_DROP_src_martian, 0 },
	{ "from ::ffff:8.8.8.8",
	  UDP | SIX,
	  L3,
	  8,
	  16,
	  { [10] = 255, 255, 8, 8, 8, 8 },
	  0,
	  ZS_DROP_src_martian,
	  0 },
	{ "from ::8.8.8.8", UDP | SIX, L3, 8, 16, { [12] = 8, 8, 8, 8 }, 0, ZS_DROP_src_martian, 0 },
	{ "from fe80::1", UDP | SIX, L3, 8, 16, { 0xfe, 0x80, [15] = 1 }, 0, ZS_DROP_src_martian, 0 },
	{ "from febf::1", UDP | SIX, L3, 8, 16, { 0xfe, 0xbf, [15] = 1 }, 0, ZS_DROP_src_martian, 0 },
	{ "from fd00::1", UDP | SIX, L3, 8, 16, { 0xfd, [15] = 1 }, 0, GOOD, 0 },
	{ "from ff02::1", UDP | SIX, L3, 8, 16, { 0xff, 2, [15] = 1 }, 0, ZS_DROP_src_multicast, 0 },
	{ "to ::ffff:192.0.2.2", UDP | SIX, L3, 24, 16, { [10] = 255, 255, 192, 0, 2, 2 }, 0, KERNEL, 0 },
	{ "ICMP error from 127.0.0.1", ICMP, L3, 12, 4, { 127, 0, 0, 1 }, 1, ZS_DROP_src_martian, 0 },
	{ "ICMP error in a first fragment", ICMP, L3, 6, 2, { 0x20, 0 }, 1, ZS_DROP_ip_fragment, 0 },
	{ "from port 0", UDP, L4, 0, 2, { 0 }, 0, ZS_DROP_port_zero, 0 },
	{ "to port 0", UDP | SIX, L4, 2, 2, { 0 }, 0, ZS_DROP_port_zero, 0 },
	{ "UDP length 7", UDP, L4, 4, 2, { 0, 7 }, 0, ZS_DROP_udp_length, 0 },
	{ "UDP length 0", UDP | SIX, L4, 4, 2, { 0, 0 }, 0, ZS_DROP_udp_length, 0 },
	{ "UDP length one beyond", UDP, L4, 4, 2, { 0, 29 }, 0, ZS_DROP_udp_length, 0 },
	{ "UDP length one less", UDP, L4, 4, 2, { 0, 27 }, 0, ZS_DROP_udp_surplus, 0 },
	{ "UDP length 8, all surplus", UDP | SIX, L4, 4, 2, { 0, 8 }, 0, ZS_DROP_udp_surplus, 0 },
	{ "no checksum, IPv4", UDP, L4, 6, 2, { 0 }, 0, GOOD, 0 },
	{ "no checksum, IPv6", UDP | SIX, L4, 6, 2, { 0 }, 0, ZS_DROP_udp_checksum_zero, 0 },
	{ "echo request", ICMP, L4, 0, 1, { 8 }, 0, KERNEL, 0 },
	{ "redirect", ICMP, L4, 0, 1, { 5 }, 0, KERNEL, 0 },
	{ "time exceeded", ICMP, L4, 0, 2, { 11, 0 }, 0, GOOD, 0 },
	{ "ICMPv6 echo", ICMP | SIX, L4, 0, 1, { 128 }, 0, KERNEL, 0 },
	{ "neighbour solicitation", ICMP | SIX, L4, 0, 1, { 135 }, 0, KERNEL, 0 },
	{ "ICMPv6 type 0", ICMP | SIX, L4, 0, 1, { 0 }, 0, KERNEL, 0 },
	{ "ICMPv6 parameter problem", ICMP | SIX, L4, 0, 1, { 4 }, 0, GOOD, 0 },
	{ "quotes version 6", ICMP, L4, 8, 1, { 0x65 }, 0, KERNEL, 0 },
	{ "quotes IHL 4", ICMP, L4, 8, 1, { 0x44 }, 0, KERNEL, 0 },
	{ "quotes IHL 15", ICMP, L4, 8, 1, { 0x4f }, 0, KERNEL, 0 },
	{ "quotes TCP", ICMP, L4, 17, 1, { 6 }, 0, KERNEL, 0 },
	{ "quotes a later fragment", ICMP, L4, 14, 2, { 0, 1 }, 0, KERNEL, 0 },
	{ "quotes version 4", ICMP | SIX, L4, 8, 1, { 0x45 }, 0, KERNEL, 0 },
	{ "quotes TCP in IPv6", ICMP | SIX, L4, 14, 1, { 6 }, 0, KERNEL, 0 },
	{ "quotes a v4-mapped source",
	  ICMP | SIX,
	  L4,
	  16,
	  16,
	  { [10] = 255, 255, 192, 0, 2, 1 },
	  0,
	  KERNEL,
	  0 },
	{ "quotes a v4-mapped destination",
	  ICMP | SIX,
	  L4,
	  32,
	  16,
	  { [10] = 255, 255, 192, 0, 2, 1 },
	  0,
	  KERNEL,
	  0 },
};

static int outcome(const struct frame *f, bool *early)
{
	struct zs_packet p;
	enum zs_parse rc = parse(f, &p);

	*early = rc == ZS_PARSE_DROP;
	return rc == ZS_PARSE_KERNEL ? KERNEL : rc == ZS_PARSE_DROP ? p.drop : zs_packet_hygiene(&p);
}

static void single_faults(void **state)
{
	for (size_t i = 0; i < ZS_ARRAY_LEN(faults); i++) {
		for (int tag = 0; tag <= TAG; tag += TAG) {
			struct frame f = make(faults[i].shape | tag);
			uint32_t base = faults[i].layer == L2 ? 0 : faults[i].layer == L3 ? f.l3 : f.l4;
			bool early;
			if (tag && faults[i].layer == L2)
				continue;
			memcpy(f.b + base + faults[i].at, faults[i].bytes, faults[i].n);
			if (faults[i].sealed)
				seal4(&f);
			int got = outcome(&f, &early);
			if (got != faults[i].expect || early != faults[i].early)
				fail_msg("%s: %d, not %d (early %d)", faults[i].name, got, faults[i].expect,
					 early);
		}
	}
}

/* The frame cut at each byte, with nothing else changed. */
static void cut_frames(void **state)
{
	for (int shape = 0; shape < 16; shape++) {
		struct frame whole = make(shape), f = whole;
		bool early;
		if (shape & OPTIONS && shape & SIX)
			continue;
		for (f.len = 0; f.len < whole.len; f.len++) {
			int expect = f.len < whole.l4 ? ZS_DROP_frame_short : ZS_DROP_ip_length;
			assert_int_equal(outcome(&f, &early), expect);
			assert_true(early);
		}
	}
}

/* The IP packet cut at each byte: its length agrees, the headers behind end early. */
static void cut_packets(void **state)
{
	for (int shape = 0; shape < 16; shape++) {
		struct frame whole = make(shape), f = whole;
		uint32_t need = shape & ICMP ? whole.l4 + 8 + (whole.is4 ? 20 : 40) + 8 : whole.l4 + 8;
		bool early;
		if (shape & OPTIONS)
			continue;
		for (f.len = whole.l4; f.len < whole.len; f.len++) {
			put16(&f, f.l3 + (f.is4 ? 2 : 4), f.len - (f.is4 ? f.l3 : f.l4));
			if (f.is4)
				seal4(&f);
			int expect = shape & ICMP ? (f.len < need ? KERNEL : GOOD) : ZS_DROP_udp_length;
			assert_int_equal(outcome(&f, &early), expect);
			assert_int_equal(early, !(shape & ICMP) && f.len < need);
		}
	}
}

/* Ethernet pads short frames: what lies behind the IP packet is nobody's. */
static void padding_is_trimmed(void **state)
{
	for (int shape = 0; shape < 8; shape++) {
		struct frame f = make(shape);
		struct zs_packet p;
		uint32_t ip_len = f.len - f.l3;
		f.len += 30;
		assert_int_equal(parse(&f, &p), ZS_PARSE_OK);
		assert_int_equal(p.ip_len, ip_len);
		assert_int_equal(zs_packet_hygiene(&p), -1);
	}
}

static void empty_payload(void **state)
{
	for (int shape = 0; shape <= SIX; shape += SIX) {
		struct frame f = make(shape);
		struct zs_packet p;
		f.len = f.l4 + 8;
		put16(&f, f.l3 + (f.is4 ? 2 : 4), f.is4 ? 28 : 8);
		put16(&f, f.l4 + 4, 8);
		if (f.is4)
			seal4(&f);
		assert_int_equal(parse(&f, &p), ZS_PARSE_OK);
		assert_int_equal(zs_packet_hygiene(&p), -1);
		assert_int_equal(p.payload_len, 0);
	}
}

/* The largest packets: nothing wraps in 16 bits. */
static void largest(void **state)
{
	for (int shape = 0; shape <= SIX; shape += SIX) {
		for (uint32_t ip_len = 65533; ip_len <= 65537; ip_len++) {
			struct frame f = make(shape | (ip_len & 1 ? TAG : 0));
			struct zs_packet p;
			uint8_t *big = calloc(1, f.l3 + ip_len);
			if (f.is4 && ip_len > 65535) {
				free(big);
				continue;
			}
			put16(&f, f.l3 + (f.is4 ? 2 : 4), f.is4 ? ip_len : ip_len - 40);
			put16(&f, f.l4 + 4, ip_len - (f.l4 - f.l3));
			if (f.is4)
				seal4(&f);
			memcpy(big, f.b, f.len);
			enum zs_parse rc = zs_packet_parse(big, f.l3 + ip_len, &p);
			assert_int_equal(rc, ip_len <= 65535 ? ZS_PARSE_OK : ZS_PARSE_DROP);
			packet_check_plain(big, f.l3 + ip_len, rc, &p);
			if (rc == ZS_PARSE_OK) {
				packet_check(big, f.l3 + ip_len, &p);
				assert_int_equal(zs_packet_hygiene(&p), -1);
			}
			free(big);
		}
	}
}

static void random_mutations(void **state)
{
	struct random rnd = random_new("packet");
	uint32_t seen[3] = { 0 };

	for (int i = 0; i < 300000; i++) {
		struct frame f = make((int)random_below(&rnd, 16));
		struct zs_packet p;
		for (uint32_t n = random_below(&rnd, 4); n > 0; n--) {
			uint32_t at = random_below(&rnd, f.l4 + 30);
			f.b[at] = (uint8_t)(random_u64(&rnd) & 1 ? f.b[at] ^ (1ull << random_below(&rnd, 8))
								 : random_u64(&rnd));
		}
		if (random_below(&rnd, 4) == 0)
			f.len = random_below(&rnd, f.len + 20);
		if (f.is4 && random_u64(&rnd) & 1 && f.b[f.l3] >= 0x45)
			seal4(&f);
		seen[parse(&f, &p)]++;
	}
	for (int i = 0; i < 3; i++)
		assert_true(seen[i] > 1000); /* all three ways were gone */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_frames),
		cmocka_unit_test(single_faults),
		cmocka_unit_test(cut_frames),
		cmocka_unit_test(cut_packets),
		cmocka_unit_test(padding_is_trimmed),
		cmocka_unit_test(empty_payload),
		cmocka_unit_test(largest),
		cmocka_unit_test(random_mutations),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
