/* Every width that this CPU has says of each frame of a group what the look at a single frame says, and reads the same of it:
 * whatever bit of its headers is wrong, with the checksum right again or not, and wherever in the group it lies. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "net/checksum.h"
#include "net/heads.h"
#include "unit/random.h"

#define ROOM   64
#define HEADS  (ZS_PLAIN_OFF4 + ZS_UDP_LEN)
#define GROUPS 20000

static const uint8_t mac[6] = { 2, 0, 0, 0, 0, 1 };
static const struct zs_addr own = { { [10] = 0xff, [11] = 0xff, 10, 1, 0, 1 } };

struct group {
	uint8_t frame[ZS_HEADS][ROOM];
	uint32_t len[ZS_HEADS];
};

static void put16(uint8_t *at, uint32_t v)
{
	at[0] = (uint8_t)(v >> 8);
	at[1] = (uint8_t)v;
}

static void sum_right(uint8_t *ip)
{
	uint16_t sum;

	memset(ip + 10, 0, 2);
	sum = (uint16_t)~zs_csum_fold(zs_csum_add(0, ip, ZS_IP4_MIN));
	memcpy(ip + 10, &sum, 2);
}

static uint32_t make(uint8_t *frame, struct random *random)
{
	uint32_t payload = random_below(random, ROOM - HEADS + 1);
	uint8_t *ip = frame + ZS_ETH_LEN;

	random_bytes(random, frame, ROOM);
	memcpy(frame, mac, 6);
	memcpy(frame + 12, (uint8_t[]){ 8, 0, 0x45 }, 3);
	put16(ip + 2, ZS_IP4_MIN + ZS_UDP_LEN + payload);
	put16(ip + 6, random_below(random, 2) ? 0x4000 : 0);
	ip[9] = ZS_PROTO_UDP;
	memcpy(ip + 16, own.ip + 12, 4);
	put16(ip + 24, ZS_UDP_LEN + payload);
	sum_right(ip);
	return HEADS + payload;
}

/* Values at the edges of what is allowed. */
static void spoil(uint8_t *frame, uint32_t *len, struct random *random)
{
	static const uint8_t edge[] = { 0, 1, 2, 126, 127, 128, 169, 223, 224, 254, 255 };
	uint32_t at = random_below(random, HEADS), how = random_below(random, 8);

	if (how < 3)
		frame[at] ^= (uint8_t)(1u << random_below(random, 8));
	else if (how < 6)
		frame[at] = edge[random_below(random, ZS_ARRAY_LEN(edge))];
	else if (how == 6)
		*len -= 1 + random_below(random, 8);
	else
		memcpy(frame + 26, (uint8_t[]){ 169, 254 }, 2);
	if (random_below(random, 4))
		sum_right(frame + ZS_ETH_LEN);
}

static void check(const struct group *g, const struct zs_heads_engine *e)
{
	struct zs_plain_like like = zs_plain_like_of(mac, &own);
	struct zs_heads h;

	for (int i = 0; i < ZS_HEADS; i++) {
		h.frame[i] = g->frame[i];
		h.len[i] = g->len[i];
	}
	e->read(&h, &like);
	for (uint32_t i = 0; i < ZS_HEADS; i++) {
		struct zs_packet p;
		bool plain = zs_packet_plain(g->frame[i], g->len[i], &p) && p.is4 &&
			     !memcmp(g->frame[i], mac, 6) && zs_addr_eq(&p.dst.addr, &own);

		assert_int_equal(!h.bad[i], plain);
		if (!plain)
			continue;
		assert_memory_equal(&h.src[i], p.src.addr.ip + 8, 8);
		assert_int_equal(zs_heads_src_port(&h, i), p.src.port);
		assert_int_equal(zs_heads_dst_port(&h, i), p.dst.port);
		assert_int_equal(zs_heads_udp_len(&h, i), p.udp_len);
	}
}

static void widths_agree(void **state)
{
	struct random random = random_new(__func__);

	for (int n = 0; n < GROUPS; n++) {
		struct group g;

		for (int i = 0; i < ZS_HEADS; i++) {
			g.len[i] = make(g.frame[i], &random);
			if (random_below(&random, 2))
				spoil(g.frame[i], &g.len[i], &random);
		}
		for (size_t k = 0; zs_heads_engine(k); k++)
			if (zs_heads_engine(k)->here())
				check(&g, zs_heads_engine(k));
	}
}

static void no_frame_is_bad(void **state)
{
	struct zs_plain_like like = zs_plain_like_of(mac, &own);
	struct random random = random_new(__func__);
	uint8_t frame[ROOM];

	for (size_t k = 0; zs_heads_engine(k); k++) {
		struct zs_heads h;

		if (!zs_heads_engine(k)->here())
			continue;
		make(frame, &random);
		frame[26] = 8;
		sum_right(frame + ZS_ETH_LEN);
		for (int i = 0; i < ZS_HEADS; i++) {
			h.frame[i] = frame;
			h.len[i] = 0;
		}
		zs_heads_engine(k)->read(&h, &like);
		for (int i = 0; i < ZS_HEADS; i++)
			assert_true(h.bad[i]);
	}
}

static void best_is_the_first_there(void **state)
{
	size_t n = 0;

	while (!zs_heads_engine(n)->here())
		n++;
	assert_ptr_equal(zs_heads_best(), zs_heads_engine(n)->read);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(widths_agree),
		cmocka_unit_test(no_frame_is_bad),
		cmocka_unit_test(best_is_the_first_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
