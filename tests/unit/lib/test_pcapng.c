/* Blocks against the draft's layouts, byte by byte where they are short; no block is cut. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "net/pcapng.h"

static uint32_t u32(const uint8_t *at)
{
	uint32_t v;

	memcpy(&v, at, sizeof(v));
	return v;
}

static uint16_t u16(const uint8_t *at)
{
	uint16_t v;

	memcpy(&v, at, sizeof(v));
	return v;
}

/* The option's bytes and length, from `at` on; NULL: it is not there before the end. */
static const uint8_t *option(const uint8_t *at, const uint8_t *end, uint16_t code, uint16_t *len)
{
	while (at + 4 <= end && u16(at) != 0) {
		*len = u16(at + 2);
		if (u16(at) == code)
			return at + 4;
		at += 4 + (*len + 3) / 4 * 4;
	}
	assert_true(at + 4 <= end); /* closed by opt_endofopt */
	return NULL;
}

static void is_block(const uint8_t *b, size_t len, uint32_t type)
{
	assert_int_equal(u32(b), type);
	assert_int_equal(len % 4, 0);
	assert_int_equal(u32(b + 4), len);
	assert_int_equal(u32(b + len - 4), len);
}

static void test_section(void **state)
{
	uint8_t b[256];
	uint16_t n = 0;
	size_t len = zs_pcapng_begin(b, sizeof(b), "zsctl 1", "why");

	is_block(b, len, 0x0a0d0d0a);
	assert_int_equal(u32(b + 8), 0x1a2b3c4d);
	assert_true(u16(b + 12) == 1 && u16(b + 14) == 0 && u32(b + 16) == UINT32_MAX &&
		    u32(b + 20) == UINT32_MAX);
	assert_memory_equal(option(b + 24, b + len - 4, 1, &n), "why", 3);
	assert_int_equal(n, 3);
	assert_memory_equal(option(b + 24, b + len - 4, 4, &n), "zsctl 1", 7);
}

static void test_interface(void **state)
{
	struct zs_pcapng_interface i = { "wan", NULL, "udp", { 2, 0, 0, 0, 0, 9 }, 128 };
	uint8_t b[256];
	uint16_t n = 0;
	size_t len = zs_pcapng_interface(b, sizeof(b), &i);

	is_block(b, len, 1);
	assert_true(u16(b + 8) == 1 && u32(b + 12) == 128);
	assert_memory_equal(option(b + 16, b + len - 4, 2, &n), "wan", 3);
	assert_null(option(b + 16, b + len - 4, 3, &n));
	assert_memory_equal(option(b + 16, b + len - 4, 6, &n), i.mac, 6);
	assert_int_equal(*option(b + 16, b + len - 4, 9, &n), 9);
	assert_memory_equal(option(b + 16, b + len - 4, 11, &n), "\0udp", 4);
	assert_int_equal(n, 4);
}

static void test_packet(void **state)
{
	struct zs_pcapng_packet p = { 3, 0x1122334455667788, "abcde", 5, 99, true, "sent" };
	uint8_t b[256];
	uint16_t n = 0;
	size_t len = zs_pcapng_packet(b, sizeof(b), &p);

	is_block(b, len, 6);
	assert_true(u32(b + 8) == 3 && u32(b + 12) == 0x11223344 && u32(b + 16) == 0x55667788);
	assert_true(u32(b + 20) == 5 && u32(b + 24) == 99);
	assert_memory_equal(b + 28, "abcde\0\0\0", 8);
	assert_memory_equal(option(b + 36, b + len - 4, 1, &n), "sent", 4);
	assert_int_equal(u32(option(b + 36, b + len - 4, 2, &n)), 2);
	p.outbound = false;
	p.comment = NULL;
	len = zs_pcapng_packet(b, sizeof(b), &p);
	assert_null(option(b + 36, b + len - 4, 1, &n));
	assert_int_equal(u32(option(b + 36, b + len - 4, 2, &n)), 1);
}

static void test_statistics(void **state)
{
	struct zs_pcapng_statistics s = { 1, 0x100000002, 0x300000004, 50, 20, 30, "c" };
	uint8_t b[256];
	uint16_t n = 0;
	size_t len = zs_pcapng_statistics(b, sizeof(b), &s);

	is_block(b, len, 5);
	assert_true(u32(b + 8) == 1 && u32(b + 12) == 3 && u32(b + 16) == 4);
	assert_int_equal(u32(option(b + 20, b + len - 4, 2, &n)), 1);
	assert_int_equal(u32(option(b + 20, b + len - 4, 3, &n) + 4), 4);
	assert_int_equal(u32(option(b + 20, b + len - 4, 4, &n)), 50);
	assert_int_equal(u32(option(b + 20, b + len - 4, 5, &n)), 20);
	assert_int_equal(u32(option(b + 20, b + len - 4, 8, &n)), 30);
	assert_int_equal(n, 8);
}

/* The promised room is enough for the longest, and nothing is written beyond a lesser one. */
static void test_room(void **state)
{
	static char text[4 * ZS_PCAPNG_TEXT];
	uint8_t bytes[2048] = { 0 }, b[ZS_PCAPNG_BLOCK(sizeof(bytes)) + 8];
	struct zs_pcapng_packet p = { 0, 1, bytes, sizeof(bytes), 9000, false, text };
	struct zs_pcapng_interface i = { text, text, text, { 0 }, 0 };
	size_t len;

	memset(text, 'x', sizeof(text) - 1);
	assert_true(zs_pcapng_begin(b, ZS_PCAPNG_BLOCK(0), text, text));
	assert_true(zs_pcapng_interface(b, ZS_PCAPNG_BLOCK(0), &i));
	len = zs_pcapng_packet(b, ZS_PCAPNG_BLOCK(sizeof(bytes)), &p);
	assert_true(len && len <= ZS_PCAPNG_BLOCK(sizeof(bytes)));
	p.captured--; /* and a byte that pads it */
	for (size_t cap = 0; cap < len; cap++) {
		memset(b + cap, 0xee, 8);
		assert_int_equal(zs_pcapng_packet(b, cap, &p), 0);
		assert_memory_equal(b + cap, "\xee\xee\xee\xee\xee\xee\xee\xee", 8);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_section), cmocka_unit_test(test_interface),
		cmocka_unit_test(test_packet),	cmocka_unit_test(test_statistics),
		cmocka_unit_test(test_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
