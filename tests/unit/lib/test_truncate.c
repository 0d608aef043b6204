/* Frames that tell networks and nobody's address: lengths and ports stay, right checksums stay right, wrong ones wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <arpa/inet.h>
#include <cmocka.h>
#include "net/checksum.h"
#include "net/packet.h"
#include "net/truncate.h"
#include "unit/random.h"

#define PAYLOAD 11

/* A UDP packet of random addresses with right checksums; its length. */
static size_t make(struct random *rnd, uint8_t *frame, bool six, bool vlan, unsigned options)
{
	size_t l3 = vlan ? 18 : 14, ip = six ? 40 : 20 + options, l4 = l3 + ip, len = l4 + 8 + PAYLOAD;
	uint8_t pseudo[4] = { 0, 17, 0, 8 + PAYLOAD };
	uint16_t csum;
	uint32_t sum;

	random_bytes(rnd, frame, len);
	memcpy(frame + 12, vlan ? "\x81\x00" : six ? "\x86\xdd" : "\x08\x00", 2);
	if (vlan)
		memcpy(frame + 16, six ? "\x86\xdd" : "\x08\x00", 2);
	frame[l3] = six ? 0x60 : (uint8_t)(0x40 | ip / 4);
	if (six) {
		memcpy(frame + l3 + 4, (uint8_t[]){ 0, 8 + PAYLOAD, 17, 64 }, 4);
	} else {
		memcpy(frame + l3 + 2, (uint8_t[]){ 0, (uint8_t)(ip + 8 + PAYLOAD) }, 2);
		memcpy(frame + l3 + 6, "\0\0\x40\x11\0\0", 6);
		csum = (uint16_t)~zs_csum_fold(zs_csum_add(0, frame + l3, ip));
		memcpy(frame + l3 + 10, &csum, 2);
	}
	memcpy(frame + l4 + 4, (uint8_t[]){ 0, 8 + PAYLOAD, 0, 0 }, 4);
	sum = zs_csum_add(0, pseudo, 4);
	sum = zs_csum_add(sum, frame + l3 + (six ? 8 : 12), six ? 32 : 8);
	csum = (uint16_t)~zs_csum_fold(zs_csum_add(sum, frame + l4, 8 + PAYLOAD));
	memcpy(frame + l4 + 6, csum ? (uint8_t *)&csum : (uint8_t *)"\xff\xff", 2);
	return len;
}

/* Of header and datagram; 0: both are right. */
static unsigned wrong(const uint8_t *frame, size_t l3, bool six, unsigned options)
{
	size_t ip = six ? 40 : 20 + options;
	uint8_t pseudo[4] = { 0, 17, 0, 8 + PAYLOAD };
	uint32_t sum = zs_csum_add(zs_csum_add(0, pseudo, 4), frame + l3 + (six ? 8 : 12), six ? 32 : 8);

	return (six || zs_csum_fold(zs_csum_add(0, frame + l3, ip)) == 0xffff ? 0 : 1) +
	       (zs_csum_fold(zs_csum_add(sum, frame + l3 + ip, 8 + PAYLOAD)) == 0xffff ? 0 : 2);
}

static void test_udp(void **state)
{
	struct random rnd = random_new("truncate");

	for (int i = 0; i < 20000; i++) {
		bool six = i & 1, vlan = i & 2, spoilt = i & 4;
		unsigned options = !six && i & 8 ? 8 : 0;
		uint8_t frame[128], was[128];
		size_t len = make(&rnd, frame, six, vlan, options), l3 = vlan ? 18 : 14;
		size_t l4 = l3 + (six ? 40 : 20 + options), src = l3 + (six ? 8 : 12), size = six ? 16 : 4;

		if (spoilt)
			frame[l4 + 9] ^= 1; /* in the payload: the datagram's sum alone is wrong */
		memcpy(was, frame, len);
		zs_frame_truncate(frame, len);
		assert_int_equal(wrong(frame, l3, six, options), spoilt ? 2 : 0);
		for (size_t a = src; a < src + 2 * size; a += size) {
			size_t kept = six ? 6 : 3;

			assert_memory_equal(frame + a, was + a, kept);
			for (size_t k = kept; k < size; k++)
				assert_int_equal(frame[a + k], 0);
		}
		assert_memory_equal(frame, was, 3);
		assert_memory_equal(frame + 3, "\0\0\0", 3);
		assert_memory_equal(frame + 9, "\0\0\0", 3);
		for (size_t k = 0; k < options; k++)
			assert_int_equal(frame[l3 + 20 + k], 0);
		assert_memory_equal(frame + l4, was + l4, 6); /* ports, length */
		assert_memory_equal(frame + l4 + 8, was + l4 + 8, PAYLOAD);
	}
}

/* A capture that ends anywhere is written to no further, and what is not understood is blank. */
static void test_cut(void **state)
{
	struct random rnd = random_new("truncate_cut");
	uint8_t frame[128];

	for (int i = 0; i < 4; i++) {
		size_t whole = make(&rnd, frame, i & 1, i & 2, i == 0 ? 8 : 0);

		for (size_t len = 0; len <= whole; len++) {
			uint8_t *cut = malloc(len ? len : 1); /* no more: an overrun is seen by ASan */

			memcpy(cut, frame, len);
			zs_frame_truncate(cut, len);
			if (len >= 6)
				assert_memory_equal(cut + 3, "\0\0\0", 3);
			free(cut);
		}
	}
}

/* An ICMP error quotes addresses, ARP is made of them, a fragment may be anything. */
static void test_blank(void **state)
{
	static const struct {
		uint8_t type[2], proto, frag;
		size_t kept;
	} rows[] = { { { 0x08, 0x00 }, 1, 0, 14 + 20 + 8 }, { { 0x08, 0x00 }, 6, 0, 14 + 20 },
		     { { 0x08, 0x00 }, 17, 5, 14 + 20 },    { { 0x86, 0xdd }, 58, 0, 14 + 40 + 8 },
		     { { 0x08, 0x06 }, 0, 0, 14 },	    { { 0x88, 0xa8 }, 0, 0, 14 } };

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint8_t frame[120];

		memset(frame, 0xa5, sizeof(frame));
		memcpy(frame + 12, rows[i].type, 2);
		frame[14] = rows[i].type[0] == 0x08 ? 0x45 : 0x60;
		if (rows[i].type[0] == 0x08) {
			frame[20] = 0;
			frame[21] = rows[i].frag;
			frame[23] = rows[i].proto;
		} else {
			frame[20] = rows[i].proto;
		}
		zs_frame_truncate(frame, sizeof(frame));
		for (size_t k = rows[i].kept; k < sizeof(frame); k++)
			assert_int_equal(frame[k], 0);
		if (rows[i].kept > 14 + 20)
			assert_int_equal(frame[rows[i].kept - 1], 0xa5);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_udp),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_blank),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
