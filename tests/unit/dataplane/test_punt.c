/* What the kernel is given at most: parts that do not take from each other, sources that do not either. */
#include "unit/lib/shm_test.h"

#include <stdlib.h>
#include "net/packet.h"
#include "punt.h"

#define PPS   4000 /* 1,000, 1,000 and 2,000 of the parts; an eighth of a source */
#define MS    1000000ull
#define TEN_S 10000

struct bed {
	struct zs_punts punts;
	struct zs_locals locals;
	uint64_t ms;
};

static int setup(void **state)
{
	struct bed *b = calloc(1, sizeof(*b));

	b->punts.key[0] = 0x9e3779b97f4a7c15ull;
	b->punts.key[1] = 0x6a09e667f3bcc909ull;
	for (uint8_t i = 0; i < 2; i++)
		zs_punt_set(&b->punts, i, PPS);
	b->locals.count = 1;
	b->locals.entry[0].used = 1;
	b->locals.entry[0].prefix_len = 96 + 24;
	assert_int_equal(zs_addr_parse(&b->locals.entry[0].addr, "10.1.0.1"), 0);
	*state = b;
	return 0;
}

static int teardown(void **state)
{
	free(*state);
	return 0;
}

static bool arp(struct bed *b, uint8_t iface, uint8_t host, uint64_t now)
{
	uint8_t frame[60] = { [6] = 2, [11] = host, [12] = 8, [13] = 6 };

	return zs_punt_may(&b->punts, &b->locals, iface, frame, sizeof(frame), now);
}

static bool ip(struct bed *b, const char *src, uint8_t vlan, uint64_t now)
{
	uint8_t frame[80] = { [12] = 8 };
	uint32_t at = ZS_ETH_LEN;
	struct zs_addr a;

	assert_int_equal(zs_addr_parse(&a, src), 0);
	if (vlan) {
		frame[12] = 0x81;
		frame[15] = vlan;
		frame[16] = 8;
		at += ZS_VLAN_LEN;
	}
	if (zs_addr_is4(&a)) {
		memcpy(frame + at + 12, a.ip + 12, 4);
	} else {
		frame[at - 2] = 0x86;
		frame[at - 1] = 0xdd;
		memcpy(frame + at + 8, a.ip, 16);
	}
	return zs_punt_may(&b->punts, &b->locals, 0, frame, sizeof(frame), now);
}

/* Of a flood of ten packets a ms over ten seconds. */
static uint32_t flood(struct bed *b, const char *src, uint8_t vlan)
{
	uint32_t passed = 0;

	for (uint64_t end = b->ms + TEN_S; b->ms < end; b->ms++)
		for (int i = 0; i < 10; i++)
			passed += ip(b, src, vlan, b->ms * MS);
	return passed;
}

static void test_source(void **state)
{
	struct bed *b = *state;

	assert_in_range(flood(b, "192.0.2.7", 0), 2500, 2550);
	assert_in_range(flood(b, "10.1.0.7", 0), 1250, 1300);
	assert_in_range(flood(b, "fe80::7", 0), 1250, 1300);
	assert_in_range(flood(b, "2001:db8::7", 5), 2500, 2550);
}

/* One that floods leaves the others of its part theirs, and many that do leave the other parts theirs. */
static void test_parts(void **state)
{
	struct bed *b = *state;
	uint32_t far = 0, near = 0, link = 0, other = 0;

	for (uint64_t ms = 0; ms < TEN_S; ms++) {
		char src[24];

		for (int i = 0; i < 20; i++) {
			snprintf(src, sizeof(src), "198.51.%u.%d", (unsigned)(ms % 256), 1 + i);
			far += ip(b, src, 0, ms * MS);
		}
		if (ms % 20)
			continue; /* what has to get through: 50 a second each */
		near += ip(b, "10.1.0.9", 0, ms * MS);
		link += arp(b, 0, 9, ms * MS);
		other += arp(b, 1, 9, ms * MS);
	}
	assert_in_range(far, 18000, 20200); /* of 200,000 */
	assert_int_equal(near, 500);
	assert_int_equal(link, 500);
	assert_int_equal(other, 500);
}

static void test_beside(void **state)
{
	struct bed *b = *state;
	uint32_t beside = 0;

	for (uint64_t ms = 0; ms < TEN_S; ms++) {
		for (int i = 0; i < 10; i++)
			arp(b, 0, 1, ms * MS);
		if (ms % 100 == 0)
			beside += arp(b, 0, 2, ms * MS);
	}
	assert_int_equal(beside, 100);
}

/* A frame of any length is some part's; none is read beyond its end, which is the sanitizer's to see. */
static void test_cut(void **state)
{
	static const uint8_t types[3][2] = { { 8, 0 }, { 0x86, 0xdd }, { 0x81, 0 } };
	struct bed *b = *state;

	for (uint32_t len = 1; len < 80; len++)
		for (int kind = 0; kind < 3; kind++) {
			uint8_t *frame = calloc(1, len);

			if (len > 13)
				memcpy(frame + 12, types[kind], 2);
			if (len > 17)
				memcpy(frame + 16, types[len % 2], 2);
			assert_true(zs_punt_may(&b->punts, &b->locals, 1, frame, len, len * 100 * MS));
			free(frame);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_source, setup, teardown),
		cmocka_unit_test_setup_teardown(test_parts, setup, teardown),
		cmocka_unit_test_setup_teardown(test_beside, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cut, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
