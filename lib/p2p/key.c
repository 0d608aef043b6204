/* Three libraries know the curves: libsodium our own Ed25519 key, libsecp256k1 its curve, BoringSSL the
 * rest. A key of RSA or ECDSA is parsed when it is used, so decoding costs nothing and keeps the bytes
 * as they came: the peer id is a hash of them. */
#include "p2p/key.h"

#include <errno.h>
#include <string.h>

#include <openssl/bytestring.h>
#include <openssl/curve25519.h>
#include <openssl/ec_key.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/nid.h>
#include <openssl/rsa.h>
#include <openssl/sha.h>
#include <pb_decode.h>
#include <pb_encode.h>
#include <secp256k1.h>
#include <sodium.h>

#include "p2p/key.pb.h"

#define SECP256K1_PUBLIC 33
#define RSA_BITS_MIN	 2048
#define RSA_BITS_MAX	 8192
#define SPKI_MIN	 16 /* an empty key's frame; the parser judges the rest */

_Static_assert(sizeof(((zs_pb_PublicKey *)0)->data.bytes) == ZS_KEY_DATA,
	       "proto/key.options says another size");

static bool size_possible(uint32_t type, size_t len)
{
	switch (type) {
	case ZS_KEY_ED25519:
		return len == ZS_ED25519_PUBLIC;
	case ZS_KEY_SECP256K1:
		return len == SECP256K1_PUBLIC;
	case ZS_KEY_RSA:
	case ZS_KEY_ECDSA:
		return len >= SPKI_MIN && len <= ZS_KEY_DATA;
	}
	return false;
}

int zs_public_key_decode(struct zs_public_key *out, const void *bytes, size_t len)
{
	zs_pb_PublicKey msg = zs_pb_PublicKey_init_zero;
	pb_istream_t in = pb_istream_from_buffer(bytes, len);

	if (!pb_decode(&in, zs_pb_PublicKey_fields, &msg) || !size_possible(msg.type, msg.data.size))
		return -EINVAL;
	*out = (struct zs_public_key){ .type = (enum zs_key_type)msg.type, .len = msg.data.size };
	memcpy(out->data, msg.data.bytes, msg.data.size);
	return 0;
}

size_t zs_public_key_encode(const struct zs_public_key *key, void *out, size_t capacity)
{
	zs_pb_PublicKey msg = { .type = key->type, .data.size = key->len };
	pb_ostream_t to = pb_ostream_from_buffer(out, capacity);

	memcpy(msg.data.bytes, key->data, key->len);
	return pb_encode(&to, zs_pb_PublicKey_fields, &msg) ? to.bytes_written : 0;
}

static EVP_PKEY *parse_spki(const struct zs_public_key *key)
{
	EVP_PKEY *pkey;
	CBS der;

	CBS_init(&der, key->data, key->len);
	pkey = EVP_parse_public_key(&der);
	if (pkey && CBS_len(&der) == 0)
		return pkey;
	EVP_PKEY_free(pkey);
	return NULL;
}

static bool verify_rsa(const struct zs_public_key *key, const uint8_t digest[32], const uint8_t *sig,
		       size_t sig_len)
{
	EVP_PKEY *pkey = parse_spki(key);
	RSA *rsa = pkey ? EVP_PKEY_get0_RSA(pkey) : NULL;
	unsigned bits = rsa ? RSA_bits(rsa) : 0;
	bool ok = bits >= RSA_BITS_MIN && bits <= RSA_BITS_MAX &&
		  RSA_verify(NID_sha256, digest, 32, sig, sig_len, rsa) == 1;

	EVP_PKEY_free(pkey);
	return ok;
}

static bool verify_ecdsa(const struct zs_public_key *key, const uint8_t digest[32], const uint8_t *sig,
			 size_t sig_len)
{
	EVP_PKEY *pkey = parse_spki(key);
	const EC_KEY *ec = pkey ? EVP_PKEY_get0_EC_KEY(pkey) : NULL;
	int curve = ec ? EC_GROUP_get_curve_name(EC_KEY_get0_group(ec)) : NID_undef;
	bool known = curve == NID_X9_62_prime256v1 || curve == NID_secp384r1 || curve == NID_secp521r1;
	bool ok = known && ECDSA_verify(0, digest, 32, sig, sig_len, ec) == 1;

	EVP_PKEY_free(pkey);
	return ok;
}

/* libsecp256k1 takes the lower of the two valid S alone; go and rust peers send either. */
static bool verify_secp256k1(const struct zs_public_key *key, const uint8_t digest[32], const uint8_t *sig,
			     size_t sig_len)
{
	const secp256k1_context *ctx = secp256k1_context_static;
	secp256k1_ecdsa_signature s;
	secp256k1_pubkey pub;

	if (!secp256k1_ec_pubkey_parse(ctx, &pub, key->data, key->len) ||
	    !secp256k1_ecdsa_signature_parse_der(ctx, &s, sig, sig_len))
		return false;
	secp256k1_ecdsa_signature_normalize(ctx, &s, &s);
	return secp256k1_ecdsa_verify(ctx, &s, digest, &pub) == 1;
}

bool zs_public_key_verify(const struct zs_public_key *key, const void *message, size_t message_len,
			  const void *signature, size_t signature_len)
{
	uint8_t digest[SHA256_DIGEST_LENGTH];
	bool ok = false;

	if (key->type == ZS_KEY_ED25519)
		return signature_len == ZS_ED25519_SIGNATURE &&
		       ED25519_verify(message, message_len, signature, key->data) == 1;
	SHA256(message, message_len, digest);
	if (key->type == ZS_KEY_RSA)
		ok = verify_rsa(key, digest, signature, signature_len);
	else if (key->type == ZS_KEY_ECDSA)
		ok = verify_ecdsa(key, digest, signature, signature_len);
	else if (key->type == ZS_KEY_SECP256K1)
		ok = verify_secp256k1(key, digest, signature, signature_len);
	ERR_clear_error(); /* a peer's bad key must not show up in our next TLS call */
	return ok;
}

void zs_identity_from_seed(struct zs_identity *out, const uint8_t seed[32])
{
	crypto_sign_seed_keypair(out->public_key, out->secret, seed);
}

void zs_identity_sign(const struct zs_identity *id, const void *message, size_t len,
		      uint8_t signature[ZS_ED25519_SIGNATURE])
{
	crypto_sign_detached(signature, NULL, message, len, id->secret);
}

struct zs_public_key zs_identity_public(const struct zs_identity *id)
{
	struct zs_public_key key = { .type = ZS_KEY_ED25519, .len = ZS_ED25519_PUBLIC };

	memcpy(key.data, id->public_key, ZS_ED25519_PUBLIC);
	return key;
}

int zs_identity_import(struct zs_identity *out, const void *protobuf, size_t len)
{
	zs_pb_PrivateKey msg = zs_pb_PrivateKey_init_zero;
	pb_istream_t in = pb_istream_from_buffer(protobuf, len);
	int ret = -EINVAL;

	if (pb_decode(&in, zs_pb_PrivateKey_fields, &msg) && msg.type == ZS_KEY_ED25519 &&
	    (msg.data.size == 64 || msg.data.size == 96)) {
		zs_identity_from_seed(out, msg.data.bytes);
		ret = 0;
		for (size_t at = 32; at < msg.data.size; at += 32)
			if (memcmp(msg.data.bytes + at, out->public_key, 32) != 0)
				ret = -EINVAL;
	}
	sodium_memzero(&msg, sizeof(msg));
	if (ret != 0)
		zs_identity_wipe(out);
	return ret;
}

size_t zs_identity_export(const struct zs_identity *id, void *out, size_t capacity)
{
	zs_pb_PrivateKey msg = { .type = ZS_KEY_ED25519, .data.size = sizeof(id->secret) };
	pb_ostream_t to = pb_ostream_from_buffer(out, capacity);
	bool ok;

	memcpy(msg.data.bytes, id->secret, sizeof(id->secret));
	ok = pb_encode(&to, zs_pb_PrivateKey_fields, &msg);
	sodium_memzero(&msg, sizeof(msg));
	return ok ? to.bytes_written : 0;
}

void zs_identity_wipe(struct zs_identity *id)
{
	sodium_memzero(id, sizeof(*id));
}
