/* What it costs to read a frame's headers and to judge them, without any table. */
#include <string.h>
#include "base/check.h"
#include "core/cases.h"
#include "net/checksum.h"
#include "net/packet.h"

#define FRAMES 32 /* as a burst has, in near caches */
#define ROUNDS 256

struct frames {
	uint8_t bytes[FRAMES][128];
	uint32_t len;
};

static void put16(uint8_t *at, uint32_t v)
{
	at[0] = (uint8_t)(v >> 8);
	at[1] = (uint8_t)v;
}

static uint32_t put_ip(uint8_t *ip, bool is4, uint32_t i)
{
	uint16_t sum;

	if (is4) {
		memcpy(ip, (uint8_t[]){ 0x45, 0, 0,  46, 0, 0, 0,  0, 64, ZS_PROTO_UDP,
					0,    0, 40, 0,	 0, 0, 10, 1, 0,  1 },
		       ZS_IP4_MIN);
		ip[15] = (uint8_t)i;
		sum = (uint16_t)~zs_csum_fold(zs_csum_add(0, ip, ZS_IP4_MIN));
		memcpy(ip + 10, &sum, 2);
		return ZS_IP4_MIN;
	}
	memcpy(ip, (uint8_t[]){ 0x60, 0, 0, 0, 0, 26, ZS_PROTO_UDP, 64, 0x2a }, 9);
	ip[23] = (uint8_t)i;
	memcpy(ip + 24, (uint8_t[]){ 0xfd }, 1);
	ip[39] = 1;
	return ZS_IP6_LEN;
}

static void fill(struct frames *f, bool is4, bool vlan)
{
	for (uint32_t i = 0; i < FRAMES; i++) {
		uint8_t *at = f->bytes[i] + 12;

		memset(f->bytes[i], 0, sizeof(f->bytes[i]));
		if (vlan) {
			put16(at, ZS_ETHERTYPE_VLAN);
			put16(at + 2, 100);
			at += ZS_VLAN_LEN;
		}
		put16(at, is4 ? ZS_ETHERTYPE_IP4 : ZS_ETHERTYPE_IP6);
		at += 2;
		at += put_ip(at, is4, i);
		put16(at, 6000);
		put16(at + 2, 4433);
		put16(at + 4, 26);
		put16(at + 6, 0x1234);
		f->len = (uint32_t)(at + 26 - f->bytes[i]);
	}
}

static uint64_t run(void *ctx, uint64_t arg)
{
	const struct frames *f = ctx;
	uint64_t good = 0;

	for (uint32_t r = 0; r < ROUNDS; r++)
		for (uint32_t i = 0; i < FRAMES; i++) {
			struct zs_packet p;

			good += zs_packet_parse(f->bytes[i], f->len, &p) == ZS_PARSE_OK &&
				zs_packet_hygiene(&p) < 0;
		}
	ZS_CHECK(good == ROUNDS * FRAMES, "every frame is good");
	return good;
}

static int bench(const struct zs_bench_options *opt, json_t *report, struct zs_error *err)
{
	static struct frames frames[4];
	struct zs_case cases[] = {
		{ .name = "IPv4", .ctx = &frames[0], .run = run },
		{ .name = "IPv6", .ctx = &frames[1], .run = run },
		{ .name = "IPv4 in a VLAN", .ctx = &frames[2], .run = run },
		{ .name = "IPv6 in a VLAN", .ctx = &frames[3], .run = run },
	};

	for (int i = 0; i < 4; i++)
		fill(&frames[i], !(i & 1), i > 1);
	return zs_cases_run(cases, ZS_ARRAY_LEN(cases), opt, report, err);
}

const struct zs_bench zs_bench_parse = {
	.name = "parse",
	.help = "cycles to read and judge a frame's headers, without a table",
	.run = bench,
};
