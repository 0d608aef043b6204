/* Certificates: the specification's, our own, and one for each way of being wrong. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "unit/p2p/cert_forge.h"
#include "unit/p2p/cert_vectors.h"
#include "unit/p2p/hex.h"

#define NOW 1790000000 /* September 2026 */

static struct zs_identity identity(uint8_t fill)
{
	struct zs_identity id;
	uint8_t seed[32];

	memset(seed, fill, sizeof(seed));
	zs_identity_from_seed(&id, seed);
	return id;
}

static void vectors_of_the_specification(void **state)
{
	uint8_t der[ZS_CERT_DER];
	struct zs_cert_proof proof;
	char text[ZS_PEER_ID_TEXT];

	for (size_t i = 0; i < ZS_ARRAY_LEN(cert_vectors); i++) {
		size_t len = hex_read(der, sizeof(der), cert_vectors[i].hex);
		uint8_t *copy = exact_copy(der, len);
		enum zs_cert_verdict verdict = zs_cert_verify(&proof, copy, len, NOW);
		if (!cert_vectors[i].peer) {
			assert_int_equal(verdict, ZS_CERT_IDENTITY_SIGNATURE);
		} else {
			assert_int_equal(verdict, ZS_CERT_OK);
			assert_string_equal(zs_peer_id_format(&proof.peer, text), cert_vectors[i].peer);
		}
		free(copy);
	}
}

/* Any flipped bit and any cut of a good certificate must be noticed. */
static void every_byte_counts(void **state)
{
	uint8_t der[ZS_CERT_DER];
	struct zs_cert_proof proof;
	size_t len = hex_read(der, sizeof(der), cert_vectors[0].hex);

	for (size_t i = 0; i < len; i++) {
		uint8_t *cut = exact_copy(der, i);
		assert_int_not_equal(zs_cert_verify(&proof, cut, i, NOW), ZS_CERT_OK);
		free(cut);
		der[i] ^= (uint8_t)(1u << (i % 8));
		assert_int_not_equal(zs_cert_verify(&proof, der, len, NOW), ZS_CERT_OK);
		der[i] ^= (uint8_t)(1u << (i % 8));
	}
}

static void our_own_verifies(void **state)
{
	struct zs_identity id = identity(7);
	struct zs_public_key key = zs_identity_public(&id);
	struct zs_peer_id peer;
	struct zs_cert_proof proof;
	struct zs_cert cert;

	zs_peer_id_of(&peer, &key);
	assert_int_equal(zs_cert_new(&cert, &id, NOW), 0);
	assert_int_equal(zs_cert_verify(&proof, cert.der, cert.len, NOW), ZS_CERT_OK);
	assert_true(zs_peer_id_eq(&proof.peer, &peer));
	assert_int_equal(proof.not_before, NOW - 3600);
	assert_int_equal(zs_cert_verify(&proof, cert.der, cert.len, NOW - 3600), ZS_CERT_OK);
	assert_int_equal(zs_cert_verify(&proof, cert.der, cert.len, NOW - 3601), ZS_CERT_NOT_YET);
	assert_int_equal(zs_cert_verify(&proof, cert.der, cert.len, proof.not_after), ZS_CERT_OK);
	assert_int_equal(zs_cert_verify(&proof, cert.der, cert.len, proof.not_after + 1), ZS_CERT_EXPIRED);
	zs_cert_free(&cert);
}

static void refusals_have_names(void **state)
{
	static const struct {
		struct forge forge;
		enum zs_cert_verdict verdict;
	} rows[] = {
		{ { 0 }, ZS_CERT_OK },
		{ { .critical = true }, ZS_CERT_OK },
		{ { .foreign = 1 }, ZS_CERT_OK },
		{ { .foreign = 2 }, ZS_CERT_CRITICAL },
		{ { .foreign = 2, .no_extension = true }, ZS_CERT_CRITICAL },
		{ { .foreign = 1, .no_extension = true }, ZS_CERT_NO_EXTENSION },
		{ { .no_extension = true }, ZS_CERT_NO_EXTENSION },
		{ { .repeated = true }, ZS_CERT_EXTENSIONS },
		{ { .bad_signature = true }, ZS_CERT_SIGNATURE },
		{ { .other_identity = true }, ZS_CERT_IDENTITY_SIGNATURE },
		{ { .bad_signed_key = true }, ZS_CERT_SIGNED_KEY },
		{ { .unique_id = true }, ZS_CERT_UNIQUE_ID },
		{ { .version = 1 }, ZS_CERT_MALFORMED },
		{ { .not_after = "20200101000000Z" }, ZS_CERT_EXPIRED },
		{ { .not_before = "20700101000000Z" }, ZS_CERT_NOT_YET },
		{ { .not_after = "2070010100000" }, ZS_CERT_MALFORMED },
	};
	struct zs_identity id = identity(9);
	struct zs_cert_proof proof;
	struct zs_cert cert;

	assert_int_equal(zs_cert_new(&cert, &id, NOW), 0);
	for (size_t i = 0; i < ZS_ARRAY_LEN(rows); i++) {
		forge(&cert, &id, &rows[i].forge);
		enum zs_cert_verdict got = zs_cert_verify(&proof, cert.der, cert.len, NOW);
		if (got != rows[i].verdict)
			fail_msg("row %zu: %s, not %s", i, zs_cert_name(got), zs_cert_name(rows[i].verdict));
	}
	zs_cert_free(&cert);
}

static void too_large_is_not_read(void **state)
{
	uint8_t *der = calloc(1, ZS_CERT_DER + 1);
	struct zs_cert_proof proof;

	assert_int_equal(zs_cert_verify(&proof, der, ZS_CERT_DER + 1, NOW), ZS_CERT_SIZE);
	assert_int_equal(zs_cert_verify(&proof, der, ZS_CERT_DER, NOW), ZS_CERT_MALFORMED);
	free(der);
}

static void cache_keeps_successes_until_they_expire(void **state)
{
	struct zs_cert_cache *cache = zs_cert_cache_new(4);
	struct zs_identity id = identity(3);
	struct zs_cert_proof first, again;
	struct zs_cert cert;

	assert_int_equal(zs_cert_new(&cert, &id, NOW), 0);
	forge(&cert, &id, &(struct forge){ .not_after = "20300101000000Z" });
	assert_int_equal(zs_cert_cache_verify(cache, &first, cert.der, cert.len, NOW), ZS_CERT_OK);
	assert_int_equal(zs_cert_cache_hits(cache), 0);
	assert_int_equal(zs_cert_cache_verify(cache, &again, cert.der, cert.len, NOW), ZS_CERT_OK);
	assert_int_equal(zs_cert_cache_hits(cache), 1);
	assert_true(zs_peer_id_eq(&first.peer, &again.peer));
	assert_int_equal(zs_cert_cache_verify(cache, &again, cert.der, cert.len, first.not_after + 1),
			 ZS_CERT_EXPIRED);

	/* Failures are judged each time, and five others push the first out of the only set. */
	forge(&cert, &id, &(struct forge){ .no_extension = true });
	for (int i = 0; i < 2; i++)
		assert_int_equal(zs_cert_cache_verify(cache, &again, cert.der, cert.len, NOW),
				 ZS_CERT_NO_EXTENSION);
	assert_int_equal(zs_cert_cache_hits(cache), 1);
	zs_cert_cache_delete(cache);
	zs_cert_free(&cert);
}

static void cache_is_bounded(void **state)
{
	struct zs_cert_cache *cache = zs_cert_cache_new(4);
	struct zs_identity id = identity(4);
	struct zs_cert_proof proof;
	struct zs_cert cert[5];

	for (int i = 0; i < 5; i++) {
		assert_int_equal(zs_cert_new(&cert[i], &id, NOW), 0);
		assert_int_equal(zs_cert_cache_verify(cache, &proof, cert[i].der, cert[i].len, NOW),
				 ZS_CERT_OK);
	}
	assert_int_equal(zs_cert_cache_verify(cache, &proof, cert[4].der, cert[4].len, NOW), ZS_CERT_OK);
	assert_int_equal(zs_cert_cache_hits(cache), 1);
	assert_int_equal(zs_cert_cache_verify(cache, &proof, cert[0].der, cert[0].len, NOW), ZS_CERT_OK);
	assert_int_equal(zs_cert_cache_hits(cache), 1);
	for (int i = 0; i < 5; i++)
		zs_cert_free(&cert[i]);
	zs_cert_cache_delete(cache);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vectors_of_the_specification),
		cmocka_unit_test(every_byte_counts),
		cmocka_unit_test(our_own_verifies),
		cmocka_unit_test(refusals_have_names),
		cmocka_unit_test(too_large_is_not_read),
		cmocka_unit_test(cache_keeps_successes_until_they_expire),
		cmocka_unit_test(cache_is_bounded),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
