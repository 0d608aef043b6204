/* Keys of all four types and peer ids: the specification's own values, made keys, what must be refused. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <openssl/bn.h>
#include <openssl/bytestring.h>
#include <openssl/ec_key.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/mem.h>
#include <openssl/nid.h>
#include <openssl/rsa.h>
#include <openssl/sha.h>
#include <secp256k1.h>

#include "p2p/peerid.h"
#include "unit/p2p/hex.h"

#define SEED   "7e0830617c4a7de83925dfb2694556b12936c477a0e1feb2e148ec9da60fee7d"
#define PUBLIC "1ed1e8fae2c4a144b8be8fd4b47bf3d3b34b871c3cacf6010f0e42d474fce27e"
#define ID     "12D3KooWBtg3aaRMjxwedh83aGiUkwSxDwUZkzuJcfaqUmo7R3pq"
#define HASHED "QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N"

static const char message[] = "a message that a peer signs";

static struct zs_identity identity(void)
{
	struct zs_identity id;
	uint8_t seed[32];

	hex_read(seed, sizeof(seed), SEED);
	zs_identity_from_seed(&id, seed);
	return id;
}

static void peer_id_of_our_key(void **state)
{
	struct zs_identity self = identity();
	struct zs_public_key key = zs_identity_public(&self), back;
	struct zs_peer_id id, parsed;
	char text[ZS_PEER_ID_TEXT];
	uint8_t expected[ZS_PEER_ID], hash[32], want[32];

	zs_peer_id_of(&id, &key);
	assert_string_equal(zs_peer_id_format(&id, text), ID);
	assert_int_equal(hex_read(expected, sizeof(expected), "002408011220" PUBLIC), id.len);
	assert_memory_equal(id.bytes, expected, id.len);
	SHA256(id.bytes, id.len, hash);
	hex_read(want, 32, "dfd53212a4bd2beda3ea8e82d08285370c70a70cfe9c588e28754b23c8033121");
	assert_memory_equal(hash, want, 32);
	assert_int_equal(zs_peer_id_key(&back, &id), 0);
	assert_memory_equal(back.data, self.public_key, 32);
	assert_int_equal(zs_peer_id_parse(&parsed, text), 0);
	assert_true(zs_peer_id_eq(&id, &parsed));
}

static void texts_of_one_id(void **state)
{
	static const struct {
		const char *text, *id;
	} rows[] = {
		{ "bafzaajaiaejcahwr5d5ofrfbis4l5d6uwr57hu5tjodrypfm6yaq6dsc2r2pzyt6", ID },
		{ "k51qzi5uqu5dgy8qsq67hbz73jqkw87l3fgf4a91qb0d9b5173tir7n4vxk1oe", ID },
		{ "bafzbeie5745rpv2m6tjyuugywy4d5ewrqgqqhfnf445he3omzpjbx5xqxe", HASHED },
		{ "k2k4r8ncs1yoluq95unsd7x2vfhgve0ncjoggwqx9vyh3vl8warrcp15", HASHED },
		{ HASHED, HASHED },
	};
	static const char *refused[] = {
		"",
		"1",
		"Qm",
		"b",
		"k",
		"z12D3KooWBtg3aaRMjxwedh83aGiUkwSxDwUZkzuJcfaqUmo7R3pq", /* multibase base58btc without a CID behind it */
		"12D3KooWBtg3aaRMjxwedh83aGiUkwSxDwUZkzuJcfaqUmo7R3p",	 /* cut */
		"12D3KooWBtg3aaRMjxwedh83aGiUkwSxDwUZkzuJcfaqUmo7R3pq1", /* longer */
		"12D3KooWBtg3aaRMjxwedh83aGiUkwSxDwUZkzuJcfaqUmo7R3p0",	 /* no base58 digit */
		"BAFZAAJAIAEJCAHWR5D5OFRFBIS4L5D6UWR57HU5TJODRYPFM6YAQ6DSC2R2PZYT6",
		"bafzbeie5745rpv2m6tjyuugywy4d5ewrqgqqhfnf445he3omzpjbx5xqxf", /* left-over bits set */
		"bafybeie5745rpv2m6tjyuugywy4d5ewrqgqqhfnf445he3omzpjbx5xqxe", /* another codec */
		"11111111111111111111111111111111111111111111111111111111111111111111111111111111111111",
	};
	struct zs_peer_id id = { 0 };
	char text[ZS_PEER_ID_TEXT];

	for (size_t i = 0; i < ZS_ARRAY_LEN(rows); i++) {
		assert_int_equal(zs_peer_id_parse(&id, rows[i].text), 0);
		assert_string_equal(zs_peer_id_format(&id, text), rows[i].id);
	}
	for (size_t i = 0; i < ZS_ARRAY_LEN(refused); i++)
		if (zs_peer_id_parse(&id, refused[i]) != -EINVAL)
			fail_msg("%s was taken", refused[i]);
}

static void ids_refused(void **state)
{
	static const char *rows[] = {
		"",
		"00",
		"0000",
		"002408011220" PUBLIC "00",   /* a byte too many */
		"002608011220" PUBLIC "1800", /* an unknown field: not canonical */
		"00241220" PUBLIC "0801",     /* data before type: not canonical */
		"002308011220" PUBLIC,	      /* wrong length */
		"00240811"
		"1220" PUBLIC, /* type 17 */
		"1220"
		"1ed1e8fae2c4a144b8be8fd4b47bf3", /* short hash */
		"1320" PUBLIC,			  /* another hash function */
		"1221" PUBLIC "00",
		"1220" PUBLIC "00",
	};
	uint8_t bytes[64];
	struct zs_peer_id id;

	for (size_t i = 0; i < ZS_ARRAY_LEN(rows); i++) {
		size_t len = hex_read(bytes, sizeof(bytes), rows[i]);
		uint8_t *exact = exact_copy(bytes, len);
		if (zs_peer_id_decode(&id, exact, len) != -EINVAL)
			fail_msg("%s was taken", rows[i]);
		free(exact);
	}
}

static void private_form(void **state)
{
	struct zs_identity self = identity(), back;
	uint8_t out[128], want[128];
	size_t len = hex_read(want, sizeof(want), "08011240" SEED PUBLIC);

	assert_int_equal(zs_identity_export(&self, out, sizeof(out)), len);
	assert_memory_equal(out, want, len);
	assert_int_equal(zs_identity_export(&self, out, len - 1), 0);
	assert_int_equal(zs_identity_import(&back, want, len), 0);
	assert_memory_equal(&back, &self, sizeof(back));
	for (size_t cut = 0; cut < len; cut++)
		assert_int_equal(zs_identity_import(&back, want, cut), -EINVAL);
	want[len - 1] ^= 1; /* the public half of another key */
	assert_int_equal(zs_identity_import(&back, want, len), -EINVAL);
	len = hex_read(want, sizeof(want), "08011260" SEED PUBLIC PUBLIC);
	assert_int_equal(zs_identity_import(&back, want, len), 0);
	want[len - 1] ^= 1;
	assert_int_equal(zs_identity_import(&back, want, len), -EINVAL);
	len = hex_read(want, sizeof(want), "08021240" SEED PUBLIC); /* another type */
	assert_int_equal(zs_identity_import(&back, want, len), -EINVAL);
}

/* Verifies, and does not with any one bit of the ends of message, signature or key turned. */
static void check_signature(const struct zs_public_key *key, const uint8_t *sig, size_t len)
{
	uint8_t other[1100], pb[ZS_KEY_PROTOBUF];
	struct zs_public_key back;
	size_t pb_len = zs_public_key_encode(key, pb, sizeof(pb));

	assert_true(zs_public_key_verify(key, message, sizeof(message), sig, len));
	assert_false(zs_public_key_verify(key, message, sizeof(message) - 1, sig, len));
	assert_false(zs_public_key_verify(key, message, sizeof(message), sig, len - 1));
	assert_false(zs_public_key_verify(key, message, sizeof(message), sig, 0));
	memcpy(other, sig, len);
	other[len / 2] ^= 1;
	assert_false(zs_public_key_verify(key, message, sizeof(message), other, len));
	assert_true(pb_len > key->len);
	assert_int_equal(zs_public_key_encode(key, pb, pb_len - 1), 0);
	assert_int_equal(zs_public_key_encode(key, pb, pb_len), pb_len);
	assert_int_equal(zs_public_key_decode(&back, pb, pb_len), 0);
	assert_true(back.type == key->type && back.len == key->len);
	assert_memory_equal(back.data, key->data, key->len);
	back.type = back.type == ZS_KEY_RSA ? ZS_KEY_ECDSA : ZS_KEY_RSA;
	assert_false(zs_public_key_verify(&back, message, sizeof(message), sig, len));
	assert_int_equal(ERR_peek_error(), 0);
}

static void ed25519(void **state)
{
	struct zs_identity self = identity();
	struct zs_public_key key = zs_identity_public(&self);
	uint8_t sig[ZS_ED25519_SIGNATURE];

	zs_identity_sign(&self, message, sizeof(message), sig);
	check_signature(&key, sig, sizeof(sig));
}

static struct zs_public_key spki(enum zs_key_type type, EVP_PKEY *pkey)
{
	struct zs_public_key key = { .type = type };
	CBB cbb;
	size_t len = 0;

	assert_true(CBB_init_fixed(&cbb, key.data, sizeof(key.data)));
	assert_true(EVP_marshal_public_key(&cbb, pkey) && CBB_finish(&cbb, NULL, &len));
	key.len = (uint16_t)len;
	return key;
}

static void ecdsa(void **state)
{
	static const struct {
		int curve;
		bool known;
	} rows[] = { { NID_X9_62_prime256v1, true },
		     { NID_secp384r1, true },
		     { NID_secp521r1, true },
		     { NID_secp224r1, false } };

	for (size_t i = 0; i < ZS_ARRAY_LEN(rows); i++) {
		EC_KEY *ec = EC_KEY_new_by_curve_name(rows[i].curve);
		EVP_PKEY *pkey = EVP_PKEY_new();
		uint8_t digest[32], sig[160];
		unsigned len = sizeof(sig);

		assert_true(EC_KEY_generate_key(ec) && EVP_PKEY_set1_EC_KEY(pkey, ec));
		SHA256((const uint8_t *)message, sizeof(message), digest);
		assert_true(ECDSA_sign(0, digest, 32, sig, &len, ec));
		struct zs_public_key key = spki(ZS_KEY_ECDSA, pkey);
		if (rows[i].known)
			check_signature(&key, sig, len);
		else
			assert_false(zs_public_key_verify(&key, message, sizeof(message), sig, len));
		key.len++; /* a byte behind the SubjectPublicKeyInfo */
		assert_false(zs_public_key_verify(&key, message, sizeof(message), sig, len));
		EVP_PKEY_free(pkey);
		EC_KEY_free(ec);
	}
}

static void rsa(void **state)
{
	static const struct {
		int bits;
		bool allowed;
	} rows[] = { { 1024, false }, { 2040, false }, { 2048, true } };

	for (size_t i = 0; i < ZS_ARRAY_LEN(rows); i++) {
		RSA *key_pair = RSA_new();
		BIGNUM *e = BN_new();
		EVP_PKEY *pkey = EVP_PKEY_new();
		uint8_t digest[32], sig[1024];
		unsigned len = 0;

		assert_true(BN_set_word(e, RSA_F4) && RSA_generate_key_ex(key_pair, rows[i].bits, e, NULL));
		assert_true(EVP_PKEY_set1_RSA(pkey, key_pair));
		SHA256((const uint8_t *)message, sizeof(message), digest);
		assert_true(RSA_sign(NID_sha256, digest, 32, sig, &len, key_pair));
		struct zs_public_key key = spki(ZS_KEY_RSA, pkey);
		if (rows[i].allowed)
			check_signature(&key, sig, len);
		else
			assert_false(zs_public_key_verify(&key, message, sizeof(message), sig, len));
		EVP_PKEY_free(pkey);
		BN_free(e);
		RSA_free(key_pair);
	}
}

/* The specification's secp256k1 pair, and both values of S: group order − S verifies as well. */
static void secp256k1(void **state)
{
	secp256k1_context *ctx = secp256k1_context_create(SECP256K1_CONTEXT_SIGN);
	struct zs_public_key key;
	uint8_t secret[32], pb[64], digest[32], compact[64], der[72];
	secp256k1_ecdsa_signature sig;
	size_t len = sizeof(der);
	BIGNUM *s, *order = NULL;

	hex_read(secret, 32, "53dadf1d5a164d6b4acdb15e24aa4c5b1d3461bdbd42abedb0a4404d56ced8fb");
	assert_int_equal(
	    zs_public_key_decode(
		&key, pb,
		hex_read(pb, sizeof(pb),
			 "08021221037777e994e452c21604f91de093ce415f5432f701dd8cd1a7a6fea0e630bfca99")),
	    0);
	SHA256((const uint8_t *)message, sizeof(message), digest);
	assert_true(secp256k1_ecdsa_sign(ctx, &sig, digest, secret, NULL, NULL));
	assert_true(secp256k1_ecdsa_signature_serialize_der(ctx, der, &len, &sig));
	check_signature(&key, der, len);
	secp256k1_ecdsa_signature_serialize_compact(ctx, compact, &sig);
	s = BN_bin2bn(compact + 32, 32, NULL);
	assert_true(BN_hex2bn(&order, "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141"));
	assert_true(BN_sub(s, order, s) && BN_bn2bin_padded(compact + 32, 32, s));
	assert_true(secp256k1_ecdsa_signature_parse_compact(ctx, &sig, compact));
	len = sizeof(der);
	assert_true(secp256k1_ecdsa_signature_serialize_der(ctx, der, &len, &sig));
	assert_true(zs_public_key_verify(&key, message, sizeof(message), der, len));
	BN_free(s);
	BN_free(order);
	secp256k1_context_destroy(ctx);
}

static void keys_refused(void **state)
{
	static const char *rows[] = {
		"",
		"0801",			/* no data */
		"1220" PUBLIC,		/* no type */
		"08011220" PUBLIC "12", /* cut in a later field */
		"0804"
		"1220" PUBLIC,		/* no such type */
		"08011221" PUBLIC "00", /* Ed25519 of 33 bytes */
		"08021220" PUBLIC,	/* secp256k1 of 32 */
		"0803120f"
		"000000000000000000000000000000",
		"088180808010"
		"1220" PUBLIC, /* a type of more than 32 bits */
	};
	uint8_t bytes[64];
	struct zs_public_key key;

	for (size_t i = 0; i < ZS_ARRAY_LEN(rows); i++) {
		size_t len = hex_read(bytes, sizeof(bytes), rows[i]);
		uint8_t *exact = exact_copy(bytes, len);
		if (zs_public_key_decode(&key, exact, len) != -EINVAL)
			fail_msg("%s was taken", rows[i]);
		free(exact);
	}
	assert_int_equal(
	    zs_public_key_decode(&key, bytes, hex_read(bytes, sizeof(bytes), "08011220" PUBLIC "1801")), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(peer_id_of_our_key),
		cmocka_unit_test(texts_of_one_id),
		cmocka_unit_test(ids_refused),
		cmocka_unit_test(private_form),
		cmocka_unit_test(ed25519),
		cmocka_unit_test(ecdsa),
		cmocka_unit_test(rsa),
		cmocka_unit_test(secp256k1),
		cmocka_unit_test(keys_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
