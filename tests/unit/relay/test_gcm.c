/* AES-128-GCM: a known answer, the two implementations byte for byte, every kind of forgery refused by both. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "crypto/gcm.h"
#include "unit/p2p/hex.h"
#include "unit/random.h"

#define TEXT 2048
#define AAD  34

struct both {
	struct zs_gcm_engine engine[ZS_GCM_KINDS];
	struct zs_gcm_key key[ZS_GCM_KINDS];
	int kinds; /* 1 where intel-ipsec-mb is not */
};

static int setup(void **state)
{
	struct both *b = aligned_alloc(64, sizeof(*b));

	assert_int_equal(zs_gcm_engine_init(&b->engine[ZS_GCM_BORINGSSL], ZS_GCM_BORINGSSL), 0);
#ifdef __x86_64__
	assert_int_equal(zs_gcm_engine_init(&b->engine[ZS_GCM_IPSECMB], ZS_GCM_IPSECMB), 0);
	b->kinds = 2;
#else
	assert_int_equal(zs_gcm_engine_init(&b->engine[ZS_GCM_IPSECMB], ZS_GCM_IPSECMB), -ENOTSUP);
	b->kinds = 1;
#endif
	*state = b;
	return 0;
}

static int teardown(void **state)
{
	struct both *b = *state;

	for (int k = 0; k < b->kinds; k++)
		zs_gcm_engine_fini(&b->engine[k]);
	free(b);
	return 0;
}

static void set_keys(struct both *b, const uint8_t key[16], const uint8_t iv[12])
{
	for (int k = 0; k < b->kinds; k++)
		zs_gcm_key_set(&b->engine[k], &b->key[k], key, iv);
}

/* Test case 4 of the GCM specification (McGrew and Viega), appendix B. */
static void known_answer(void **state)
{
	struct both *b = *state;
	uint8_t key[16], iv[12], aad[20], plain[60], want[60], tag[16], text[60], made[16];

	hex_read(key, 16, "feffe9928665731c6d6a8f9467308308");
	hex_read(iv, 12, "cafebabefacedbaddecaf888");
	hex_read(aad, 20, "feedfacedeadbeeffeedfacedeadbeefabaddad2");
	hex_read(plain, 60,
		 "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e24"
		 "49a6b525b16aedf5aa0de657ba637b39");
	hex_read(want, 60,
		 "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e21d514b25466931c7d8f6a5a"
		 "ac84aa051ba30b396a0aac973d58e091");
	hex_read(tag, 16, "5bc94fbc3221a5db94fae95ae7121a47");
	set_keys(b, key, iv);
	for (int k = 0; k < b->kinds; k++) {
		struct zs_gcm_job j = {
			.key = &b->key[k], .aad = aad, .aad_len = 20, .text = text, .len = 60, .tag = made
		};
		memcpy(text, plain, 60);
		zs_gcm_seal(&b->engine[k], &j);
		assert_memory_equal(text, want, 60);
		assert_memory_equal(made, tag, 16);
		assert_true(zs_gcm_open(&b->engine[k], &j));
		assert_memory_equal(text, plain, 60);
	}
}

static void nonces(void **state)
{
	struct zs_gcm_key k = { .iv = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12 } };
	const uint8_t want[] = { 1,	   2,	     3,	       4,	  5 ^ 0x01,  6 ^ 0x23,
				 7 ^ 0x45, 8 ^ 0x67, 9 ^ 0x89, 10 ^ 0xab, 11 ^ 0xcd, 12 ^ 0xef };
	uint8_t nonce[16];

	zs_gcm_nonce(&k, 0, nonce);
	assert_memory_equal(nonce, k.iv, 12);
	zs_gcm_nonce(&k, 0x0123456789abcdef, nonce);
	assert_memory_equal(nonce, want, 12);
}

/* One bit of what is authenticated is wrong: refused by all. */
static void forge(struct both *b, struct random *r, const struct zs_gcm_job *good)
{
	uint8_t *text = exact_copy(good->text, good->len), *aad = exact_copy(good->aad, good->aad_len),
		*tag = exact_copy(good->tag, 16);
	uint32_t bit = random_below(r, (good->len + good->aad_len + 16) * 8), byte = bit / 8;

	if (byte < good->len)
		text[byte] ^= (uint8_t)(1 << bit % 8);
	else if (byte < good->len + good->aad_len)
		aad[byte - good->len] ^= (uint8_t)(1 << bit % 8);
	else
		tag[byte - good->len - good->aad_len] ^= (uint8_t)(1 << bit % 8);
	for (int k = 0; k < b->kinds; k++) {
		uint8_t *copy = exact_copy(text, good->len);
		struct zs_gcm_job j = *good;
		j.key = &b->key[k];
		j.text = copy;
		j.aad = aad;
		j.tag = tag;
		assert_false(zs_gcm_open(&b->engine[k], &j));
		free(copy);
	}
	free(text);
	free(aad);
	free(tag);
}

static void compared(void **state)
{
	struct both *b = *state;
	struct random r = random_new("gcm");
	uint8_t key[16], iv[12];

	for (int round = 0; round < 3000; round++) {
		uint32_t len = round <= TEXT ? (uint32_t)round : random_below(&r, TEXT + 1),
			 aad_len = 16 + random_below(&r, AAD - 16 + 1);
		uint8_t plain[TEXT], aad[AAD], tag[ZS_GCM_KINDS][16], *text[ZS_GCM_KINDS];
		uint64_t counter = random_u64(&r) >> random_below(&r, 64);
		struct zs_gcm_job j;

		random_bytes(&r, key, sizeof(key));
		random_bytes(&r, iv, sizeof(iv));
		random_bytes(&r, plain, len);
		random_bytes(&r, aad, aad_len);
		set_keys(b, key, iv);
		for (int k = 0; k < b->kinds; k++) {
			text[k] = exact_copy(plain, len);
			j = (struct zs_gcm_job){ &b->key[k], counter, aad, text[k],
						 tag[k],     aad_len, len, false };
			zs_gcm_seal(&b->engine[k], &j);
			assert_memory_equal(text[k], text[0], len);
			assert_memory_equal(tag[k], tag[0], 16);
		}
		forge(b, &r, &j);
		for (int k = 0; k < b->kinds; k++) {
			j = (struct zs_gcm_job){ &b->key[k], counter, aad, text[k],
						 tag[k],     aad_len, len, false };
			j.counter ^= 1;
			uint8_t *copy = exact_copy(text[k], len);
			j.text = copy;
			assert_false(zs_gcm_open(&b->engine[k], &j));
			free(copy);
			j.counter ^= 1;
			j.text = text[k];
			assert_true(zs_gcm_open(&b->engine[k], &j));
			assert_memory_equal(text[k], plain, len);
			free(text[k]);
		}
	}
}

/* Bursts of many keys: each message under its own, and a bad one spoils none but itself. */
static void bursts(void **state)
{
	struct both *b = *state;
	struct zs_gcm_key *keys = aligned_alloc(64, 32 * sizeof(*keys));
	uint8_t text[32][64], tags[32][16], aad[16] = { 9 };
	struct zs_gcm_job jobs[32];

	for (int k = 0; k < b->kinds; k++) {
		for (int n = 0; n < 32; n++) {
			uint8_t bytes[16] = { (uint8_t)n }, iv[12] = { 1 };
			zs_gcm_key_set(&b->engine[k], &keys[n], bytes, iv);
			memset(text[n], n, 64);
			jobs[n] = (struct zs_gcm_job){ &keys[n], (uint64_t)n, aad,	   text[n],
						       tags[n],	 16,	      (uint32_t)n, false };
		}
		zs_gcm_seal_burst(&b->engine[k], jobs, 32, &(struct zs_gcm_fetch){ 0 });
		tags[7][15] ^= 1;
		zs_gcm_open_burst(&b->engine[k], jobs, 32, &(struct zs_gcm_fetch){ 0 });
		for (int n = 0; n < 32; n++) {
			assert_int_equal(jobs[n].ok, n != 7);
			for (int at = 0; n != 7 && at < 64; at++)
				assert_int_equal(text[n][at], n);
		}
	}
	zs_gcm_key_wipe(&keys[0]);
	for (size_t at = 0; at < sizeof(keys[0]); at++)
		assert_int_equal(((uint8_t *)&keys[0])[at], 0);
	free(keys);
}

/* What zs_gcm_lines leaves out does not matter: other bytes there change nothing. */
static void lines(void **state)
{
	struct both *b = *state;
	struct random r = random_new("gcm lines");
	const struct zs_gcm_engine *e = &b->engine[b->kinds - 1];
	uint8_t key[16], iv[12], aad[18], text[TEXT], tag[16];

	random_bytes(&r, key, sizeof(key));
	random_bytes(&r, iv, sizeof(iv));
	random_bytes(&r, aad, sizeof(aad));
	set_keys(b, key, iv);
	for (uint32_t len = 0; len <= TEXT; len += 1 + random_below(&r, 7)) {
		struct zs_gcm_key spoilt = b->key[b->kinds - 1];
		struct zs_gcm_job j = { &spoilt, len, aad, text, tag, 16 + 2 * (len & 1), len, false };
		uint32_t used = zs_gcm_lines(e, len);

		random_bytes(&r, text, len);
		for (uint32_t n = 0; n < 16; n++)
			if (!(used >> n & 1))
				random_bytes(&r, (uint8_t *)&spoilt + 64 * n, 64);
		zs_gcm_seal(e, &j);
		j.key = &b->key[b->kinds - 1];
		assert_true(zs_gcm_open(e, &j));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(known_answer), cmocka_unit_test(nonces), cmocka_unit_test(compared),
		cmocka_unit_test(bursts),	cmocka_unit_test(lines),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
