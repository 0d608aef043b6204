/* The invariants reader: rows, every truncation, bits that must not matter. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "net/quic.h"
#include "unit/random.h"

/* Exactly len bytes on the heap, so that a read beyond them is seen. */
static bool read_exact(const uint8_t *bytes, size_t len, uint8_t short_len, struct zs_quic_head *h,
		       uint8_t **copy)
{
	*copy = malloc(len ? len : 1);
	memcpy(*copy, bytes, len);
	return zs_quic_read(*copy, len, short_len, h);
}

/* A long header with the given connection IDs lengths, `extra` bytes behind it. */
static size_t make_long(struct random *rnd, uint8_t *out, uint32_t version, uint8_t d, uint8_t s,
			size_t extra)
{
	random_bytes(rnd, out, 7u + d + s + extra);
	out[0] |= 0x80;
	out[1] = (uint8_t)(version >> 24), out[2] = (uint8_t)(version >> 16);
	out[3] = (uint8_t)(version >> 8), out[4] = (uint8_t)version;
	out[5] = d;
	out[6 + d] = s;
	return 7u + d + s + extra;
}

static void long_headers(void **state)
{
	static const uint8_t lens[] = { 0, 1, 8, 17, 20, 21, 255 };
	static const uint32_t versions[] = { 0, 1, 0x6b3343cf, 0xff000020, 0xffffffff };
	struct random rnd = random_new("quic");
	struct zs_quic_head h;
	uint8_t bytes[700], *copy;

	for (int i = 0; i < 7 * 7 * 5; i++) {
		uint8_t d = lens[i % 7], s = lens[i / 7 % 7];
		size_t head = 7u + d + s, len = make_long(&rnd, bytes, versions[i / 49], d, s, 5);
		for (size_t cut = 0; cut <= len; cut++) {
			bool ok = read_exact(bytes, cut, 8, &h, &copy);
			assert_int_equal(ok, cut >= head);
			if (ok) {
				assert_true(h.is_long);
				assert_int_equal(h.version, versions[i / 49]);
				assert_int_equal(h.dcid_len, d);
				assert_int_equal(h.scid_len, s);
				assert_ptr_equal(h.dcid, copy + 6);
				assert_ptr_equal(h.scid, copy + 7 + d);
			}
			free(copy);
		}
	}
}

static void short_headers(void **state)
{
	struct random rnd = random_new("quic short");
	struct zs_quic_head h;
	uint8_t bytes[300], *copy;

	for (int n = 0; n < 256; n++) {
		random_bytes(&rnd, bytes, sizeof(bytes));
		bytes[0] &= 0x7f;
		for (size_t cut = 0; cut <= sizeof(bytes); cut++) {
			bool ok = read_exact(bytes, cut, (uint8_t)n, &h, &copy);
			assert_int_equal(ok, cut >= 1u + (unsigned)n);
			if (ok) {
				assert_false(h.is_long);
				assert_int_equal(h.dcid_len, n);
				assert_ptr_equal(h.dcid, copy + 1);
				assert_null(h.scid);
				assert_int_equal(h.scid_len, 0);
				assert_int_equal(h.version, 0);
			}
			free(copy);
		}
	}
}

/* Seven bits of the first byte belong to versions: the fixed bit above all. */
static void first_byte_is_not_judged(void **state)
{
	struct random rnd = random_new("quic bits");
	struct zs_quic_head h;
	uint8_t bytes[64];

	make_long(&rnd, bytes, 1, 8, 8, 10);
	for (int b = 0; b < 256; b++) {
		bytes[0] = (uint8_t)b;
		assert_true(zs_quic_read(bytes, 33, 8, &h));
		assert_int_equal(h.is_long, b >= 128);
		assert_memory_equal(h.dcid, b >= 128 ? bytes + 6 : bytes + 1, 8);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(long_headers),
		cmocka_unit_test(short_headers),
		cmocka_unit_test(first_byte_is_not_judged),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
