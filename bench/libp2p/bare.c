/* BoringSSL's own price for the operations of one end of a handshake. */
#include <errno.h>
#include <openssl/curve25519.h>
#include <openssl/ec_key.h>
#include <openssl/ecdsa.h>
#include <openssl/nid.h>
#include "base/clock.h"
#include "libp2p/p2p.h"

#define TIMES 50 /* a round of each */

struct keys {
	EC_KEY *p256;
	uint8_t digest[32], ecdsa[128], signature[64], public_key[32], private_key[64];
	uint8_t share[32], secret[32], theirs[32];
	unsigned ecdsa_len;
	bool failed;
};

static void sign(struct keys *k)
{
	k->failed |= !ECDSA_sign(0, k->digest, sizeof(k->digest), k->ecdsa, &k->ecdsa_len, k->p256);
}

static void verify(struct keys *k)
{
	k->failed |= ECDSA_verify(0, k->digest, sizeof(k->digest), k->ecdsa, k->ecdsa_len, k->p256) != 1;
}

static void verify_identity(struct keys *k)
{
	k->failed |= !ED25519_verify(k->digest, sizeof(k->digest), k->signature, k->public_key);
}

static void keygen(struct keys *k)
{
	X25519_keypair(k->share, k->secret);
}

static void derive(struct keys *k)
{
	uint8_t out[32];

	k->failed |= !X25519(out, k->secret, k->theirs);
}

static double best_us(struct keys *k, void (*operation)(struct keys *k), uint32_t rounds)
{
	uint64_t best = UINT64_MAX;

	for (uint32_t r = 0; r < rounds; r++) {
		uint64_t began = zs_clock_read(CLOCK_PROCESS_CPUTIME_ID), took;
		for (int i = 0; i < TIMES; i++)
			operation(k);
		took = zs_clock_read(CLOCK_PROCESS_CPUTIME_ID) - began;
		best = took < best ? took : best;
	}
	return (double)best / TIMES / 1e3;
}

int zs_p2p_bare_measure(struct zs_p2p_bare *out, uint32_t rounds, struct zs_error *err)
{
	struct keys k = { .p256 = EC_KEY_new_by_curve_name(NID_X9_62_prime256v1) };

	k.failed = !k.p256 || !EC_KEY_generate_key(k.p256);
	ED25519_keypair(k.public_key, k.private_key);
	k.failed |= !ED25519_sign(k.signature, k.digest, sizeof(k.digest), k.private_key);
	X25519_keypair(k.theirs, k.secret);
	if (!k.failed)
		*out = (struct zs_p2p_bare){ .p256_sign = best_us(&k, sign, rounds),
					     .p256_verify = best_us(&k, verify, rounds),
					     .ed25519_verify = best_us(&k, verify_identity, rounds),
					     .x25519_keygen = best_us(&k, keygen, rounds),
					     .x25519_derive = best_us(&k, derive, rounds) };
	EC_KEY_free(k.p256);
	return k.failed ? zs_error_set(err, -EIO, ZS_EXIT_FAILED, "BoringSSL refuses its own signatures") : 0;
}

double zs_p2p_bare_us(const struct zs_p2p_bare *b)
{
	return b->p256_sign + 2 * b->p256_verify + b->ed25519_verify + b->x25519_keygen + b->x25519_derive;
}
