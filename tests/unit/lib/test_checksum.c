/* Sums against a naive one, incremental updates against a full recomputation. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "net/checksum.h"
#include "unit/random.h"

/* The definition, byte by byte: the one's complement of the one's-complement sum, as memory. */
static uint16_t naive(const uint8_t *p, size_t len)
{
	uint32_t sum = 0;
	uint8_t be[2];
	uint16_t mem;

	for (size_t i = 0; i < len; i++) {
		sum += i % 2 ? p[i] : (uint32_t)p[i] << 8;
		sum = (sum & 0xffff) + (sum >> 16);
	}
	be[0] = (uint8_t)(~sum >> 8), be[1] = (uint8_t)~sum;
	memcpy(&mem, be, 2);
	return mem;
}

static void rfc1071_example(void **state)
{
	static const uint8_t bytes[] = { 0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7 };
	uint16_t sum = zs_csum_fold(zs_csum_add(0, bytes, sizeof(bytes)));

	assert_memory_equal(&sum, "\xdd\xf2", 2);
}

static void sums_against_naive(void **state)
{
	struct random rnd = random_new("checksum");
	static uint8_t buf[65536 + 8];

	for (int i = 0; i < 20000; i++) {
		size_t off = random_below(&rnd, 8),
		       len = i % 100 ? random_below(&rnd, 200) : random_below(&rnd, 65536);
		if (i % 50 == 0)
			memset(buf, 0xff, sizeof(buf)); /* the most carries there can be */
		else
			random_bytes(&rnd, buf + off, len < 2000 ? len : 2000);
		size_t cut = random_below(&rnd, (uint32_t)len + 1) & ~1u;
		uint32_t sum = zs_csum_add(zs_csum_add(0, buf + off, cut), buf + off + cut, len - cut);
		assert_int_equal((uint16_t)~zs_csum_fold(sum), naive(buf + off, len));
		sum = zs_csum_add(0xffffffff, buf + off, len); /* 0xffffffff is 0: no running sum overflows */
		assert_int_equal((uint16_t)~zs_csum_fold(sum) % 0xffff, naive(buf + off, len) % 0xffff);
	}
}

/* 100,000 random rewrites: the incremental checksum equals the recomputed one; where both
 * forms of zero are possible RFC 1624 says which it is. */
static void updates_against_recomputation(void **state)
{
	struct random rnd = random_new("update");

	for (int i = 0; i < 100000; i++) {
		uint8_t old[60], new[60];
		struct zs_csum_delta d = { 0 };
		size_t len = 2 + (random_below(&rnd, 58) & ~1u), at = random_below(&rnd, (uint32_t)len) & ~1u;
		size_t n = random_below(&rnd, (uint32_t)(len - at) + 1) & ~1u;
		random_bytes(&rnd, old, len);
		if (i % 3 == 0)
			memset(old, i % 2 ? 0 : 0xff, len);
		memcpy(new, old, len);
		random_bytes(&rnd, new + at, n);
		if (i % 5 == 0)
			memset(new + at, i % 2 ? 0 : 0xff, n);
		uint16_t before = naive(old, len), after;
		zs_csum_swap(&d, old + at, new + at, n);
		after = zs_csum_apply(before, &d);
		if (after != naive(new, len)) {
			/* +0 and -0: only when the sum is of nothing but zeros, or all ones, on one side */
			assert_int_equal(after % 0xffff, naive(new, len) % 0xffff);
		}
		uint32_t check = zs_csum_add(zs_csum_add(0, new, len), &after, 2);
		assert_int_equal(zs_csum_fold(check) % 0xffff, 0); /* a receiver takes it */
	}
}

/* A wrong checksum stays wrong, by as much as before. */
static void wrong_stays_wrong(void **state)
{
	struct random rnd = random_new("wrong");

	for (int i = 0; i < 10000; i++) {
		uint8_t old[20], new[20];
		struct zs_csum_delta d = { 0 };
		random_bytes(&rnd, old, 20);
		random_bytes(&rnd, new, 20);
		uint16_t good = naive(old, 20), bad = (uint16_t)(good ^ (1 + random_below(&rnd, 0xfffe)));
		if (good % 0xffff == bad % 0xffff)
			continue;
		zs_csum_swap(&d, old, new, 20);
		assert_int_not_equal(zs_csum_apply(bad, &d) % 0xffff, naive(new, 20) % 0xffff);
	}
}

static void udp_zero(void **state)
{
	struct zs_csum_delta d = { 0 };

	zs_csum_swap16(&d, 0x1234, 0x4321);
	assert_int_equal(zs_csum_apply_udp(0, &d), 0); /* none stays none */
	d.sum = 0;
	zs_csum_swap16(&d, 0, 0x1234);
	assert_int_equal(zs_csum_apply(0x1234, &d), 0);
	assert_int_equal(zs_csum_apply_udp(0x1234, &d), 0xffff); /* a computed 0 goes out as all ones */
	d.sum = 0;
	assert_int_equal(zs_csum_apply_udp(0xabcd, &d), 0xabcd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rfc1071_example),
		cmocka_unit_test(sums_against_naive),
		cmocka_unit_test(updates_against_recomputation),
		cmocka_unit_test(wrong_stays_wrong),
		cmocka_unit_test(udp_zero),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
