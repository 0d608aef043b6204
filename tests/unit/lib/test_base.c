/* cursor, hash, pool, bitmap, gcra, error, check. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/bitmap.h"
#include "base/check.h"
#include "base/cursor.h"
#include "base/error.h"
#include "base/gcra.h"
#include "base/hash.h"
#include "base/pool.h"
#include "unit/random.h"

static void cursor_round_trip(void **state)
{
	uint8_t buf[18], copy[3];
	struct zs_writer w = zs_writer_of(buf, sizeof(buf));
	struct zs_reader r = zs_reader_of(buf, sizeof(buf));

	zs_write_u8(&w, 0x01);
	zs_write_u16(&w, 0x0203);
	zs_write_u32(&w, 0x04050607);
	zs_write_u64(&w, 0x08090a0b0c0d0e0f);
	zs_write_bytes(&w, "\x10\x11\x12", 3);
	assert_false(w.failed);
	assert_int_equal(zs_writer_len(&w), 18);
	for (int i = 0; i < 18; i++)
		assert_int_equal(buf[i], i + 1); /* big-endian */
	assert_int_equal(zs_read_u8(&r), 0x01);
	assert_int_equal(zs_read_u16(&r), 0x0203);
	assert_int_equal(zs_read_u32(&r), 0x04050607);
	assert_true(zs_read_u64(&r) == 0x08090a0b0c0d0e0f);
	assert_false(zs_reader_done(&r));
	assert_true(zs_read_bytes(&r, copy, 3));
	assert_memory_equal(copy, "\x10\x11\x12", 3);
	assert_true(zs_reader_done(&r));
}

static void cursor_fails_sticky(void **state)
{
	uint8_t buf[4] = { 1, 2, 3, 4 }, copy[8] = { 9 };
	struct zs_reader r = zs_reader_of(buf, 3);
	struct zs_writer w = zs_writer_of(buf, 3);

	assert_int_equal(zs_read_u32(&r), 0);
	assert_true(r.failed);
	assert_int_equal(zs_read_u8(&r), 0); /* a byte is there, the cursor has failed */
	assert_false(zs_read_bytes(&r, copy, 1));
	assert_int_equal(copy[0], 0);
	assert_false(zs_read_bytes(&r, copy, 0));
	assert_int_equal(zs_reader_left(&r), 0);
	assert_false(zs_reader_done(&r));
	zs_write_u32(&w, 0xffffffff);
	zs_write_u8(&w, 0xff);
	assert_true(w.failed);
	assert_int_equal(zs_writer_len(&w), 0);
	assert_memory_equal(buf, "\x01\x02\x03\x04", 4);
	r = zs_reader_of(buf, 3);
	assert_null(zs_read_span(&r, SIZE_MAX));
}

/* Each key bit and each input bit turns over about half of the output bits. */
static void hash_avalanche(void **state)
{
	struct random rnd = random_new("hash");
	uint64_t key[2] = { random_u64(&rnd), random_u64(&rnd) };
	uint8_t data[64];

	for (size_t len = 1; len <= 64; len++) {
		random_bytes(&rnd, data, len);
		uint64_t base = zs_hash(key, data, len), flips = 0;
		for (size_t bit = 0; bit < len * 8; bit++) {
			data[bit / 8] ^= (uint8_t)(1 << bit % 8);
			uint64_t h = zs_hash(key, data, len);
			assert_true(h != base);
			flips += (uint64_t)__builtin_popcountll(h ^ base);
			data[bit / 8] ^= (uint8_t)(1 << bit % 8);
		}
		assert_in_range(flips / (len * 8), 24, 40);
		uint64_t other[2] = { key[0] ^ 1, key[1] };
		assert_true(zs_hash(other, data, len) != base);
	}
}

static void hash_lengths_differ(void **state)
{
	const uint64_t key[2] = { 1, 2 };
	const uint8_t zero[65] = { 0 };

	for (size_t a = 0; a <= 64; a++)
		for (size_t b = 0; b < a; b++)
			assert_true(zs_hash(key, zero, a) != zs_hash(key, zero, b));
}

/* A million consecutive keys into 4,096 buckets: no bucket far from 244 (15.6 is one sigma). */
static void hash24_spreads(void **state)
{
	struct random rnd = random_new("hash24");
	uint64_t key[2] = { random_u64(&rnd), random_u64(&rnd) };
	static const uint32_t keys = 1000000;
	uint32_t bucket[4096] = { 0 };
	uint8_t k[24] = { 0 };

	for (uint32_t i = 0; i < keys; i++) {
		memcpy(k + (i & 1 ? 4 : 20), &i, 4); /* neighbours differ in an address or in a port */
		bucket[zs_hash24(key, k) & 4095]++;
	}
	for (int i = 0; i < 4096; i++)
		assert_in_range(bucket[i], 244 - 110, 244 + 110);
}

static void pool_against_model(void **state)
{
	struct random rnd = random_new("pool");
	uint32_t next[97];
	bool taken[97] = { false };
	uint32_t used = 0;
	struct zs_pool pool;

	memset(next, 0xa5, sizeof(next));
	zs_pool_init(&pool, next, 97);
	for (int step = 0; step < 20000; step++) {
		uint32_t i = random_below(&rnd, 97);
		if (random_below(&rnd, 100) < 52) {
			i = zs_pool_take(&pool);
			assert_int_equal(i == ZS_POOL_NONE, used == 97);
			if (i != ZS_POOL_NONE) {
				assert_true(i < 97 && !taken[i]);
				taken[i] = true;
				used++;
			}
		} else if (taken[i]) {
			zs_pool_give(&pool, i);
			taken[i] = false;
			used--;
		}
		assert_int_equal(pool.used, used);
		assert_int_equal(zs_pool_is_taken(&pool, i % 97), taken[i % 97]);
		assert_true(zs_pool_check(&pool));
	}
	pool.used++;
	assert_false(zs_pool_check(&pool));
}

static void bitmap_against_model(void **state)
{
	struct random rnd = random_new("bitmap");

	for (uint32_t bits = 1; bits < 200; bits += 7) {
		uint64_t map[ZS_BITMAP_WORDS(200)] = { 0 };
		bool model[200] = { false };
		for (int step = 0; step < 500; step++) {
			uint32_t bit = random_below(&rnd, bits), from = random_below(&rnd, bits + 1), n = 0,
				 f;
			model[bit] = random_u64(&rnd) & 1;
			model[bit] ? zs_bitmap_set(map, bit) : zs_bitmap_clear(map, bit);
			assert_int_equal(zs_bitmap_get(map, bit), model[bit]);
			for (uint32_t i = 0; i < bits; i++)
				n += model[i];
			assert_int_equal(zs_bitmap_count(map, bits), n);
			for (int value = 0; value < 2; value++) {
				for (f = from; f < bits && model[f] != value; f++)
					;
				assert_int_equal(zs_bitmap_find(map, bits, from, value), f);
			}
		}
	}
}

static void gcra_rate_and_burst(void **state)
{
	struct zs_gcra_rate rate;
	struct zs_gcra bucket = { 0 };
	uint64_t now = 5 * ZS_NS_PER_S, passed = 0;

	zs_gcra_init(&rate, 100, 10);
	for (int i = 0; i < 50; i++)
		passed += zs_gcra_allow(&bucket, &rate, now, 1);
	assert_int_equal(passed, 10); /* the burst, and no more at one instant */
	passed = 0;
	for (int ms = 1; ms <= 10000; ms++)
		passed += zs_gcra_allow(&bucket, &rate, now + (uint64_t)ms * ZS_NS_PER_MS, 1);
	assert_in_range(passed, 999, 1000); /* 100 a second for 10 s */
	now += 100 * ZS_NS_PER_S;
	assert_false(zs_gcra_allow(&bucket, &rate, now, 11)); /* more than a full bucket holds */
	assert_true(zs_gcra_allow(&bucket, &rate, now, 10));  /* and the refusal took nothing */
	assert_false(zs_gcra_allow(&bucket, &rate, now - 10 * ZS_NS_PER_S, 10)); /* the clock steps back */
}

static void gcra_saturates(void **state)
{
	struct zs_gcra_rate rate;
	struct zs_gcra bucket = { 0 };

	zs_gcra_init(&rate, 0, UINT64_MAX);
	assert_false(zs_gcra_allow(&bucket, &rate, UINT64_MAX, 1));
	assert_false(zs_gcra_allow(&bucket, &rate, 1, 0));
	zs_gcra_init(&rate, 1, UINT64_MAX);
	assert_int_equal(rate.burst_ns == UINT64_MAX, 1);
	assert_true(zs_gcra_allow(&bucket, &rate, 1000, 1));
	assert_false(zs_gcra_allow(&bucket, &rate, 1000, UINT64_MAX)); /* would wrap */
	assert_true(bucket.tat_ns == 1000 + ZS_NS_PER_S);
	assert_true(zs_gcra_allow(&bucket, &rate, UINT64_MAX, 0));
	zs_gcra_init(&rate, 12500000000u, 1500); /* 100 Gbit/s in bytes */
	assert_int_equal(zs_gcra_cost_ns(&rate, 1500), 120);
}

static void error_is_one_line(void **state)
{
	struct zs_error err = { .line = 7 };
	char wide[600];

	memset(wide, 'x', sizeof(wide) - 1);
	wide[sizeof(wide) - 1] = 0;
	assert_int_equal(zs_error_set(&err, -ENOENT, ZS_EXIT_CONFIG, "no %s\nthere", "file"), -ENOENT);
	assert_string_equal(err.text, "no file there");
	assert_int_equal(err.exit, ZS_EXIT_CONFIG);
	assert_int_equal(err.line, 0);
	zs_error_set(&err, -1, ZS_EXIT_FAILED, "%s", wide);
	assert_int_equal(strlen(err.text), ZS_ERROR_TEXT - 1);
	assert_int_equal(zs_error_set(NULL, -EIO, ZS_EXIT_FAILED, "x"), -EIO);
	assert_string_equal(zs_exit_name(3), "CONFIG");
	assert_non_null(strstr(zs_exit_text(3), "configuration"));
	assert_string_equal(zs_exit_name(99), "UNKNOWN");
	assert_non_null(zs_exit_text(-1));
}

static void check_ends_with_one_line(void **state)
{
	int fd[2], status;
	char buf[1024];

	assert_int_equal(pipe(fd), 0);
	pid_t pid = fork();
	if (pid == 0) {
		signal(SIGABRT, SIG_DFL);
		dup2(fd[1], STDERR_FILENO);
		ZS_CHECK(1 + 1 == 2);
		ZS_CHECK(1 + 1 == 3, "sum of %d\nparts", 2);
		_exit(0);
	}
	close(fd[1]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	ssize_t n = read(fd[0], buf, sizeof(buf) - 1);
	close(fd[0]);
	assert_true(n > 0);
	buf[n] = 0;
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	assert_non_null(strstr(buf, "check failed: 1 + 1 == 3: sum of 2 parts\n"));
	assert_ptr_equal(strchr(buf, '\n'), buf + n - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cursor_round_trip),	    cmocka_unit_test(cursor_fails_sticky),
		cmocka_unit_test(hash_avalanche),	    cmocka_unit_test(hash_lengths_differ),
		cmocka_unit_test(hash24_spreads),	    cmocka_unit_test(pool_against_model),
		cmocka_unit_test(bitmap_against_model),	    cmocka_unit_test(gcra_rate_and_burst),
		cmocka_unit_test(gcra_saturates),	    cmocka_unit_test(error_is_one_line),
		cmocka_unit_test(check_ends_with_one_line),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
