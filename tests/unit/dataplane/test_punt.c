/* What the kernel is given at most: kinds that do not take from each other, senders that do not either. */
#include "unit/lib/shm_test.h"

#include <stdlib.h>
#include "base/check.h"
#include "net/packet.h"
#include "punt.h"

#define PPS   4000 /* 125 a part: 375 of arp, 500 of bgp, 250 of other, 500 to spare */
#define MS    1000000ull
#define TEN_S 10000
#define FLOOD 20 /* packets a ms: five times what all kinds may have */
#define ROWS  ZS_ARRAY_LEN(rows)

/* One packet of each kind; behind it what is nearly of another. */
static const struct row {
	enum zs_punt kind;
	uint16_t type;
	uint8_t ttl, proto, head[14]; /* of what follows IP */
	uint16_t frag;
} rows[] = {
	{ .kind = ZS_PUNT_arp, .type = 0x0806 },
	{ .kind = ZS_PUNT_nd, .type = 0x86dd, .ttl = 255, .proto = 58, .head = { 135 } },
	{ .kind = ZS_PUNT_near,
	  .type = 0x0800,
	  .ttl = 255,
	  .proto = 6,
	  .head = { 0xc0, 0, 0, 179, [13] = 16 } },
	{ .kind = ZS_PUNT_syn, .type = 0x0800, .ttl = 60, .proto = 6, .head = { 0xc0, 0, 0, 22, [13] = 2 } },
	{ .kind = ZS_PUNT_bgp, .type = 0x0800, .ttl = 1, .proto = 6, .head = { 0, 179, 0xc0, 0, [13] = 16 } },
	{ .kind = ZS_PUNT_tcp, .type = 0x86dd, .ttl = 60, .proto = 6, .head = { 0xc0, 0, 0, 22, [13] = 24 } },
	{ .kind = ZS_PUNT_icmp, .type = 0x0800, .ttl = 60, .proto = 1, .head = { 8 } },
	{ .kind = ZS_PUNT_control, .type = 0x86dd, .ttl = 60, .proto = 17, .head = { 0xc0, 0, 0x0f, 0xa1 } },
	{ .kind = ZS_PUNT_other, .type = 0x0800, .ttl = 60, .proto = 17, .head = { 0xc0, 0, 0, 9 } },
	/* nearly */
	{ .kind = ZS_PUNT_arp, .type = 0x88cc },
	{ .kind = ZS_PUNT_icmp, .type = 0x86dd, .ttl = 254, .proto = 58, .head = { 135 } },
	{ .kind = ZS_PUNT_icmp, .type = 0x86dd, .ttl = 255, .proto = 58, .head = { 128 } },
	{ .kind = ZS_PUNT_near,
	  .type = 0x86dd,
	  .ttl = 255,
	  .proto = 6,
	  .head = { 0, 179, 0xc0, 0, [13] = 2 } },
	{ .kind = ZS_PUNT_near, .type = 0x0800, .ttl = 255, .proto = 17, .head = { 0xc0, 0, 0x0e, 0xc8 } },
	{ .kind = ZS_PUNT_other, .type = 0x0800, .ttl = 254, .proto = 17, .head = { 0xc0, 0, 0x0e, 0xc8 } },
	{ .kind = ZS_PUNT_syn,
	  .type = 0x0800,
	  .ttl = 254,
	  .proto = 6,
	  .head = { 0xc0, 0, 0, 179, [13] = 2 } },
	{ .kind = ZS_PUNT_tcp, .type = 0x0800, .ttl = 60, .proto = 6, .head = { 0, 22, 0xc0, 0, [13] = 18 } },
	{ .kind = ZS_PUNT_tcp, .type = 0x0800, .ttl = 60, .proto = 6, .head = { 0, 22, 0xc0, 0, [13] = 4 } },
	{ .kind = ZS_PUNT_other, .type = 0x0800, .ttl = 60, .proto = 6, .head = { [3] = 179 }, .frag = 8 },
	{ .kind = ZS_PUNT_other, .type = 0x0800, .ttl = 60, .proto = 47 },
};

struct sender {
	uint32_t ip; /* the low bytes of an address */
	uint32_t mac;
};

struct bed {
	struct zs_punts punts;
	struct zs_contacts contacts;
	struct zs_conf_p2p p2p;
};

static const struct sender peer = { 0x0a010009, 9 }, neighbour = { 0x0a010007, 7 };

/* As it would come from `from`; returns its length. */
static uint32_t build(uint8_t frame[80], const struct row *r, struct sender from, bool tagged)
{
	uint32_t at = ZS_ETH_LEN + (tagged ? ZS_VLAN_LEN : 0), ip = __builtin_bswap32(from.ip),
		 mac = __builtin_bswap32(from.mac);

	memset(frame, 0, 80);
	frame[6] = 2;
	memcpy(frame + 8, &mac, 4);
	if (tagged) {
		frame[12] = 0x81;
		frame[15] = 5;
	}
	frame[at - 2] = (uint8_t)(r->type >> 8);
	frame[at - 1] = (uint8_t)r->type;
	if (r->type == ZS_ETHERTYPE_IP4) {
		memcpy(frame + at, (uint8_t[]){ 0x46 }, 1); /* with four bytes of options */
		frame[at + 7] = (uint8_t)r->frag;
		frame[at + 8] = r->ttl;
		frame[at + 9] = r->proto;
		memcpy(frame + at + 12, &ip, 4);
		at += 24;
	} else if (r->type == ZS_ETHERTYPE_IP6) {
		frame[at + 6] = r->proto;
		frame[at + 7] = r->ttl;
		frame[at + 8] = 0x20;
		memcpy(frame + at + 20, &ip, 4);
		at += 40;
	}
	memcpy(frame + at, r->head, sizeof(r->head));
	return at + (uint32_t)sizeof(r->head);
}

static bool may(struct bed *b, uint8_t iface, const struct row *r, struct sender from, uint64_t ms)
{
	uint8_t frame[80];
	uint32_t len = build(frame, r, from, false);
	enum zs_punt kind;
	bool ok = zs_punt_may(&b->punts, iface, frame, len, ms * MS, &kind);

	assert_int_equal(kind, r->kind);
	return ok;
}

/* The kernel speaks to somebody. */
static void speak(struct bed *b, const struct row *r, struct sender to, uint64_t ms)
{
	uint8_t frame[80];
	uint32_t len = build(frame, r, to, false);

	memmove(frame, frame + 6, 6);
	zs_contacts_note(&b->contacts, frame, len, ms * MS);
}

static bool known(const struct bed *b, struct sender who, uint64_t ms)
{
	uint8_t frame[80];

	build(frame, &rows[ZS_PUNT_other], who, false);
	return zs_contacts_know(&b->contacts, frame + 6, ms * MS);
}

static int setup(void **state)
{
	struct bed *b = calloc(1, sizeof(*b));

	b->punts.key[0] = 0x9e3779b97f4a7c15ull;
	b->punts.key[1] = b->contacts.key = 0x6a09e667f3bcc909ull;
	b->p2p = (struct zs_conf_p2p){ .listens = 1, .listen[0].port = 4001 };
	b->punts.p2p = &b->p2p;
	for (uint8_t i = 0; i < 2; i++)
		zs_punt_set(&b->punts, i, &b->contacts, PPS);
	speak(b, &rows[ZS_PUNT_icmp], peer, 0);
	speak(b, &rows[ZS_PUNT_icmp], neighbour, 0);
	*state = b;
	return 0;
}

static int teardown(void **state)
{
	free(*state);
	return 0;
}

static void test_kinds(void **state)
{
	struct bed *b = *state;

	for (uint32_t i = 0; i < ROWS * 2; i++) {
		uint8_t frame[80];
		uint32_t len = build(frame, &rows[i / 2], peer, i % 2);
		struct zs_addr src;

		assert_int_equal(zs_punt_kind(&b->p2p, frame, len, &src), rows[i / 2].kind);
		if (rows[i / 2].type == ZS_ETHERTYPE_IP4)
			assert_int_equal(zs_addr_get4(&src), __builtin_bswap32(peer.ip));
	}
	for (uint32_t i = 0; i < ZS_PUNTS; i++)
		assert_int_equal(rows[i].kind, i);
}

/* Somebody's packets, 20 a second, beside a flood that draws senders from `from` with masks of what is drawn: how many
 * of both pass in ten seconds. */
struct passed {
	uint32_t flood, beside;
};

static struct passed against(struct bed *b, const struct row *flood, struct sender from, struct sender drawn,
			     const struct row *beside, struct sender who)
{
	struct passed n = { 0 };
	uint64_t seed = 12345;

	for (uint64_t ms = 0; ms < TEN_S; ms++) {
		for (int i = 0; i < FLOOD; i++) {
			seed = seed * 6364136223846793005ull + 1442695040888963407ull;
			n.flood += may(b, 0, flood,
				       (struct sender){ from.ip ^ ((uint32_t)(seed >> 32) & drawn.ip),
							from.mac ^ ((uint32_t)(seed >> 24) & drawn.mac) },
				       ms);
		}
		if (ms % 50 == 0)
			n.beside += may(b, 0, beside, who, ms);
	}
	return n;
}

/* From anywhere, by a neighbour's link address (a router's) or any: no kind takes another's, the peer's own address or not. */
static void test_kinds_apart(void **state)
{
	static const struct sender drawn[] = { { 0, 0 }, { 0xff, 0 }, { ~0u, 0 }, { ~0u, ~0u } };

	for (uint32_t i = 0; i < ZS_PUNTS; i++)
		for (uint32_t k = 0; k < ZS_PUNTS; k++)
			for (uint32_t d = 0; d < ZS_ARRAY_LEN(drawn); d++) {
				struct passed n;

				if (i == k)
					continue;
				teardown(state);
				setup(state);
				n = against(*state, &rows[i], peer, drawn[d], &rows[k], peer);
				assert_int_equal(n.beside, 200);
				assert_in_range(n.flood, 5000, 12000);
			}
}

/* Within a kind: one source does not take another's, by the same router. */
static void test_sources(void **state)
{
	struct passed n = against(*state, &rows[ZS_PUNT_tcp], peer, (struct sender){ 0, 0 },
				  &rows[ZS_PUNT_tcp], (struct sender){ 0xc0000207, peer.mac });

	assert_int_equal(n.beside, 200);
	assert_in_range(n.flood, 6000, 6700); /* a quarter of 625, and the 500 to spare */
}

/* … and one neighbour that forges sources not another's. */
static void test_neighbours(void **state)
{
	struct passed n = against(*state, &rows[ZS_PUNT_bgp], neighbour, (struct sender){ ~0u, 0 },
				  &rows[ZS_PUNT_bgp], peer);

	assert_int_equal(n.beside, 200);
	assert_in_range(n.flood, 7000, 7700); /* half of 500, and the 500 to spare */
}

/* … and link addresses drawn at random not what those have that the kernel speaks to, even if they forge their addresses. */
static void test_strangers(void **state)
{
	static const enum zs_punt kinds[] = { ZS_PUNT_arp, ZS_PUNT_nd, ZS_PUNT_near, ZS_PUNT_bgp };
	static const struct sender any = { ~0u, ~0u }, forged = { 0, ~0u };

	for (uint32_t i = 0; i < ZS_ARRAY_LEN(kinds); i++) {
		const struct row *r = &rows[kinds[i]];
		struct passed n;

		teardown(state);
		setup(state);
		n = against(*state, r, (struct sender){ 0x0a0100c8, 0x100 }, any, r, peer);
		assert_int_equal(n.beside, 200);
		teardown(state);
		setup(state);
		n = against(*state, r, (struct sender){ peer.ip, 0x100 }, forged, r, peer);
		assert_int_equal(n.beside, 200);
		/* A stranger that floods leaves another stranger something. */
		teardown(state);
		setup(state);
		n = against(*state, r, (struct sender){ 0x0a0100c8, 0x100 }, (struct sender){ ~0u, 0 }, r,
			    (struct sender){ 0x0a010063, 0x63 });
		assert_in_range(n.beside, 100, 200);
	}
}

static void test_ports(void **state)
{
	struct bed *b = *state;

	for (int i = 0; i < 10000; i++)
		may(b, 0, &rows[ZS_PUNT_arp], neighbour, 1);
	assert_false(may(b, 0, &rows[ZS_PUNT_arp], neighbour, 1));
	assert_true(may(b, 1, &rows[ZS_PUNT_arp], neighbour, 1));
}

static void test_contacts(void **state)
{
	struct bed *b = *state;
	struct sender who = { 1, 0x50 };

	assert_true(known(b, peer, 300 * 1000));
	assert_false(known(b, peer, 301 * 1000));
	/* What only resolves addresses is sent to whoever asks. */
	speak(b, &rows[ZS_PUNT_arp], who, 0);
	speak(b, &rows[ZS_PUNT_nd], who, 0);
	assert_false(known(b, who, 0));
	/* Answers to a flood of strangers push nobody out that the kernel goes on to speak to. */
	for (uint32_t i = 0; i < 100000; i++) {
		speak(b, &rows[ZS_PUNT_icmp], (struct sender){ 1, 0x10000 + i }, i * 10);
		if (i % 10000 == 0)
			speak(b, &rows[ZS_PUNT_tcp], peer, i * 10);
		assert_true(known(b, peer, i * 10));
	}
	/* They go when they are old. */
	speak(b, &rows[ZS_PUNT_icmp], who, 2000 * 1000);
	assert_true(known(b, who, 2000 * 1000));
	assert_false(known(b, peer, 2000 * 1000));
}

/* A frame of any length is of some kind; none is read beyond its end, which is the sanitizer's to see. */
static void test_cut(void **state)
{
	struct bed *b = *state;
	uint64_t ms = 0;

	for (uint32_t i = 0; i < ROWS; i++)
		for (uint32_t len = 1; len < 80; len++) {
			uint8_t whole[80], *frame = malloc(len);
			enum zs_punt kind;

			build(whole, &rows[i], peer, len % 2);
			memcpy(frame, whole, len);
			assert_true(zs_punt_may(&b->punts, 1, frame, len, (ms += 100) * MS, &kind));
			free(frame);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_kinds, setup, teardown),
		cmocka_unit_test_setup_teardown(test_kinds_apart, setup, teardown),
		cmocka_unit_test_setup_teardown(test_sources, setup, teardown),
		cmocka_unit_test_setup_teardown(test_neighbours, setup, teardown),
		cmocka_unit_test_setup_teardown(test_strangers, setup, teardown),
		cmocka_unit_test_setup_teardown(test_ports, setup, teardown),
		cmocka_unit_test_setup_teardown(test_contacts, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cut, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
