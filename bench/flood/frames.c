/* Frames of good and bogus senders. Sums are right, their link addresses all zero. */
#include <endian.h>
#include <string.h>
#include "net/checksum.h"
#include "relay/bind.h"
#include "flood/world.h"

#define PAYLOAD	 64
#define CID_HEAD 18 /* first byte and connection ID */

static struct zs_addr v4(uint32_t ip)
{
	return zs_addr_from4(htobe32(ip));
}

const struct zs_endpoint flood_target = { { { [10] = 0xff, [11] = 0xff, 10, 2, 0, 2 } }, 443 };
const struct zs_endpoint flood_full_target = { { { [10] = 0xff, [11] = 0xff, 10, 2, 0, 2 } }, 444 };
const struct zs_endpoint flood_edge = { { { [10] = 0xff, [11] = 0xff, 30, 0, 0, 1 } }, 7777 };

struct zs_endpoint flood_peer(uint32_t i)
{
	return (struct zs_endpoint){ v4(0x28000001 + (i << 8)), 5000 }; /* 40.0.i.1 */
}

struct zs_endpoint flood_client(uint32_t i)
{
	return (struct zs_endpoint){ v4(0x32000001 + (i << 8)), 6000 }; /* 50.0.i.1 */
}

struct zs_endpoint flood_stranger(uint32_t i)
{
	return (struct zs_endpoint){ v4(0x14000007 + (i << 8)), 7000 }; /* 20.i.i.7 */
}

struct zs_endpoint flood_relay(uint32_t port, uint16_t udp_port)
{
	return (struct zs_endpoint){ v4(port ? 0x0a020001 : 0x0a010001), udp_port };
}

static void put16(uint8_t *at, uint32_t v)
{
	at[0] = (uint8_t)(v >> 8);
	at[1] = (uint8_t)v;
}

static void put_sum(uint8_t *at, uint32_t sum)
{
	uint16_t csum = (uint16_t)~zs_csum_fold(sum);

	memcpy(at, &csum, sizeof(csum));
}

void flood_udp(struct flood_frame *f, const struct zs_endpoint *src, const struct zs_endpoint *dst,
	       const void *payload, uint16_t len)
{
	uint8_t *ip = f->bytes + ZS_ETH_LEN, *udp = ip + ZS_IP4_MIN;
	uint32_t sum;

	memset(f->bytes, 0, ZS_ETH_LEN + ZS_IP4_MIN + ZS_UDP_LEN);
	f->bytes[0] = 2; /* the bed's 10.N.0.1 is at 02:00:00:00:00:0N */
	f->bytes[5] = dst->addr.ip[13];
	f->bytes[12] = 0x08;
	ip[0] = 0x45;
	put16(ip + 2, ZS_IP4_MIN + ZS_UDP_LEN + len);
	ip[8] = 64;
	ip[9] = 17;
	memcpy(ip + 12, src->addr.ip + 12, 4);
	memcpy(ip + 16, dst->addr.ip + 12, 4);
	put_sum(ip + 10, zs_csum_add(0, ip, ZS_IP4_MIN));
	put16(udp, src->port);
	put16(udp + 2, dst->port);
	put16(udp + 4, ZS_UDP_LEN + len);
	memcpy(udp + ZS_UDP_LEN, payload, len);
	sum = zs_header_sum(src, dst, (uint16_t)(ZS_UDP_LEN + len));
	put_sum(udp + 6, zs_csum_add(sum, payload, len));
	f->len = (uint16_t)(ZS_ETH_LEN + ZS_IP4_MIN + ZS_UDP_LEN + len);
}

static void sign(uint8_t *payload, enum flood_good kind)
{
	uint64_t magic = FLOOD_MAGIC + kind;

	memcpy(payload + PAYLOAD - sizeof(magic), &magic, sizeof(magic));
}

static void mint(struct flood_world *w, uint32_t attachment, uint16_t generation, uint8_t *at)
{
	zs_cidset_encode(&w->mint,
			 &(struct zs_cid){ .rotation = 2,
					   .generation = generation,
					   .pop = ZS_BED_POP,
					   .attachment = attachment,
					   .nonce = w->nonce++ },
			 at);
}

static void good_cid(struct flood_world *w, struct flood_frame *f, uint32_t i)
{
	struct zs_endpoint src = flood_peer(i), dst = flood_relay(0, ZS_BED_SERVICE);
	uint8_t payload[PAYLOAD] = { 0x40 };

	mint(w, 1 + (i + 1) % FLOOD_PEERS, FLOOD_GENERATION, payload + 1);
	sign(payload, FLOOD_BOUND);
	flood_udp(f, &src, &dst, payload, sizeof(payload));
}

static void good_client(struct flood_world *w, struct flood_frame *f, uint32_t i)
{
	struct zs_endpoint src = flood_client(i), dst = flood_relay(0, FLOOD_PUBLISHED);
	uint8_t payload[PAYLOAD] = { 0 };

	sign(payload, FLOOD_ANSWERED);
	flood_udp(f, &src, &dst, payload, sizeof(payload));
}

static void good_target(struct flood_world *w, struct flood_frame *f, uint32_t i)
{
	struct zs_endpoint dst = flood_relay(1, w->flow_port[i]);
	uint8_t payload[PAYLOAD] = { 0 };

	sign(payload, FLOOD_ANSWERED);
	flood_udp(f, &flood_target, &dst, payload, sizeof(payload));
}

uint32_t flood_good(struct flood_world *w, struct flood_frame *f, enum flood_good kind, uint64_t i)
{
	if (kind == FLOOD_BOUND)
		good_cid(w, f, (uint32_t)(i % FLOOD_PEERS));
	else if (i % 2)
		good_target(w, f, (uint32_t)(i / 2 % FLOOD_FLOWS));
	else
		good_client(w, f, (uint32_t)(i / 2 % FLOOD_FLOWS));
	return kind == FLOOD_ANSWERED && i % 2;
}

/* --- bogus --- */

const char *flood_class_name(enum flood_class class)
{
	static const char *const names[] = {
#define FLOOD_CLASS(name, text) [FLOOD_##name] = #name,
#include "flood/classes.def"
#undef FLOOD_CLASS
	};

	return names[class];
}

static void bogus_bind(struct flood_world *w, uint8_t *at)
{
	memset(at, 0, ZS_BIND_BYTES);
	at[0] = 0xc0;
	memcpy(at + 1, (const uint8_t[]){ 0x5a, 0x53, 0, 1, 17 }, 5);
	mint(w, FLOOD_UNBOUND, FLOOD_GENERATION, at + 6);
	at[24] = ZS_BIND_KIND_bind;
	at[25] = 1;
	at[27] = 75;
	put16(at + 34, 0xffff); /* a counter that nobody used */
	for (int i = 80; i < 96; i++)
		at[i] = (uint8_t)zs_bed_random(w->bed);
}

/* The payload of an edge's datagram, changed as the class says. */
static uint16_t bogus_tunnel(struct flood_world *w, uint8_t *at, enum flood_class class)
{
	const struct flood_frame *r = &w->recorded;
	uint16_t head = ZS_ETH_LEN + ZS_IP4_MIN + ZS_UDP_LEN, len = (uint16_t)(r->len - head);

	memcpy(at, r->bytes + head, len);
	if (class == FLOOD_receiver)
		at[5] ^= (uint8_t)(1 + zs_bed_random(w->bed) % 255);
	if (class == FLOOD_bad_tag) {
		put16(at + 12, (uint32_t)zs_bed_random(w->bed) % 64); /* a counter ahead of the window */
		put16(at + 14, (uint32_t)zs_bed_random(w->bed));
		at[len - 1] ^= 1;
	}
	return len;
}

static void hear(struct flood_world *w, uint32_t who, uint16_t len)
{
	uint16_t *longest = w->longest[who], first = longest[0];

	w->heard += len;
	longest[0] = len > first ? len : first;
	longest[1] = len > first ? first : len > longest[1] ? len : longest[1];
}

void flood_bogus(struct flood_world *w, struct flood_frame *f, enum flood_class class)
{
	uint32_t who = (uint32_t)(zs_bed_random(w->bed) % FLOOD_STRANGERS);
	struct zs_endpoint stranger = flood_stranger(who), src = stranger,
			   dst = flood_relay(0, ZS_BED_SERVICE);
	uint8_t payload[FLOOD_FRAME] = { 0x40 };
	uint16_t len = PAYLOAD;

	switch (class) {
	case FLOOD_spoofed:
		src.port = (uint16_t)(1024 + zs_bed_random(w->bed) % 60000);
		dst.port = FLOOD_PUBLISHED;
		break;
	case FLOOD_random_cid:
		for (int i = 1; i < CID_HEAD; i++)
			payload[i] = (uint8_t)zs_bed_random(w->bed);
		break;
	case FLOOD_known_cid:
		mint(w, 1 + (uint32_t)zs_bed_random(w->bed) % FLOOD_PEERS, FLOOD_GENERATION, payload + 1);
		break;
	case FLOOD_over_budget:
		src = flood_peer(FLOOD_PEERS + (uint32_t)zs_bed_random(w->bed) % FLOOD_GREEDY);
		mint(w, 1 + (uint32_t)zs_bed_random(w->bed) % FLOOD_PEERS, FLOOD_GENERATION, payload + 1);
		break;
	case FLOOD_stale_cid:
		src = flood_peer((uint32_t)zs_bed_random(w->bed) % FLOOD_PEERS);
		mint(w, 1 + (uint32_t)zs_bed_random(w->bed) % FLOOD_PEERS, FLOOD_GENERATION - 1, payload + 1);
		break;
	case FLOOD_full_ports:
		src.port = (uint16_t)(1024 + zs_bed_random(w->bed) % 60000);
		dst.port = FLOOD_FULL;
		break;
	case FLOOD_bind:
		bogus_bind(w, payload);
		len = ZS_BIND_BYTES;
		break;
	case FLOOD_unknown_port:
		dst.port = w->flow_port[zs_bed_random(w->bed) % FLOOD_FLOWS];
		break;
	default:
		dst.port = ZS_BED_TUNNEL;
		len = bogus_tunnel(w, payload, class);
	}
	flood_udp(f, &src, &dst, payload, len);
	if (zs_addr_eq(&src.addr, &stranger.addr))
		hear(w, who, (uint16_t)(f->len - ZS_ETH_LEN));
}
