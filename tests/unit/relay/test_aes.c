/* Every engine that this CPU has: the standard's vector, and the same bytes as the portable one, whatever the number of
 * blocks and wherever they lie. */
#include "unit/relay/vectors.h"

#include <stdlib.h>
#include <string.h>

#include "crypto/aes.h"
#include "unit/random.h"

#define MOST 70

/* FIPS 197, appendix C.1. */
static void vector_of(const struct zs_aes_engine *e)
{
	uint8_t key[16], clear[1][16], want[16], got[1][16];
	struct zs_aes aes;

	hex_read(key, 16, "000102030405060708090a0b0c0d0e0f");
	hex_read(clear[0], 16, "00112233445566778899aabbccddeeff");
	hex_read(want, 16, "69c4e0d86a7b0430d8cdb78070b4c55a");
	e->expand(&aes, key);
	e->encrypt(&aes, (const uint8_t(*)[16])clear, got, 1);
	assert_memory_equal(got, want, 16);
	e->decrypt(&aes, (const uint8_t(*)[16])got, got, 1);
	assert_memory_equal(got, clear, 16);
}

static const struct zs_aes_engine *portable(void)
{
	const struct zs_aes_engine *e = NULL;

	for (size_t n = 0; zs_aes_engine(n); n++)
		e = zs_aes_engine(n);
	assert_string_equal(e->name, "boringssl");
	return e;
}

static void vectors(void **state)
{
	for (size_t n = 0; zs_aes_engine(n); n++)
		if (zs_aes_engine(n)->here())
			vector_of(zs_aes_engine(n));
}

/* `count` blocks, exactly allocated and off any alignment; in place or apart. */
static void compare(const struct zs_aes_engine *e, const struct zs_aes_engine *ref, struct random *r,
		    size_t count)
{
	uint8_t key[16], *from = malloc(count * 16 + 1), *to = malloc(count * 16 + 1), want[MOST][16];
	bool in_place = random_below(r, 2);
	struct zs_aes mine, theirs;
	uint8_t(*out)[16] = (void *)(in_place ? from + 1 : to + 1);

	random_bytes(r, key, sizeof(key));
	random_bytes(r, from, count * 16 + 1);
	e->expand(&mine, key);
	ref->expand(&theirs, key);
	ref->encrypt(&theirs, (const void *)(from + 1), want, count);
	e->encrypt(&mine, (const void *)(from + 1), out, count);
	assert_memory_equal(out, want, count * 16);
	ref->decrypt(&theirs, (const uint8_t(*)[16])want, want, count);
	e->decrypt(&mine, (const void *)out, out, count);
	assert_memory_equal(out, want, count * 16);
	free(from);
	free(to);
}

#define KEYS 3

/* Blocks under keys of their own, wherever they lie; nothing behind them is written. */
static void compare_each(const struct zs_aes_engine *e, const struct zs_aes_engine *ref, struct random *r,
			 size_t count)
{
	uint8_t key[16], want[MOST][16], (*got)[16] = malloc(count * 16 + !count), *from[MOST];
	struct zs_aes mine[KEYS], theirs[KEYS];
	struct zs_aes_job job[MOST];

	for (int k = 0; k < KEYS; k++) {
		random_bytes(r, key, sizeof(key));
		e->expand(&mine[k], key);
		ref->expand(&theirs[k], key);
	}
	for (size_t i = 0; i < count; i++) {
		uint32_t k = random_below(r, KEYS);

		from[i] = malloc(16);
		random_bytes(r, from[i], 16);
		ref->decrypt(&theirs[k], (const void *)from[i], &want[i], 1);
		job[i] = (struct zs_aes_job){ &mine[k], from[i] };
	}
	e->decrypt_each(job, got, count);
	if (count)
		assert_memory_equal(got, want, count * 16);
	while (count--)
		free(from[count]);
	free(got);
}

static void engines_agree(void **state)
{
	const struct zs_aes_engine *ref = portable();
	struct random r = random_new("aes");

	for (size_t n = 0; zs_aes_engine(n) != ref; n++) {
		const struct zs_aes_engine *e = zs_aes_engine(n);

		print_message("%s: %s\n", e->name, e->here() ? "compared" : "not on this CPU");
		if (!e->here())
			continue;
		for (size_t count = 0; count <= MOST; count++)
			for (int round = 0; round < 8; round++)
				compare(e, ref, &r, count);
		for (size_t count = 0; count <= MOST; count++)
			compare_each(e, ref, &r, count);
	}
}

static void best_is_the_first_there(void **state)
{
	size_t n = 0;

	while (!zs_aes_engine(n)->here())
		n++;
	assert_ptr_equal(zs_aes_best(), zs_aes_engine(n));
	assert_true(portable()->here());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vectors),
		cmocka_unit_test(engines_agree),
		cmocka_unit_test(best_is_the_first_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
