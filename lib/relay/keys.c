#include "relay/keys.h"

#include <errno.h>
#include <openssl/digest.h>
#include <openssl/sha.h>
#include <sodium.h>
#include <string.h>

#include "base/check.h"
#include "crypto/label.h"

static void expand(const uint8_t secret[ZS_ATTACH_SECRET], const char *label, const uint8_t *context,
		   size_t context_len, uint8_t *out, size_t len)
{
	zs_hkdf_label(out, len, EVP_sha256(), secret, ZS_ATTACH_SECRET, label, context, context_len);
}

void zs_attach_grant_hash(const void *grant, size_t len, uint8_t hash[ZS_ATTACH_HASH])
{
	SHA256(grant, len, hash);
}

void zs_attach_transcript(const void *hello, size_t len, const uint8_t grant_hash[ZS_ATTACH_HASH],
			  uint8_t h[ZS_ATTACH_HASH])
{
	uint8_t both[2 * ZS_ATTACH_HASH];

	SHA256(hello, len, both);
	memcpy(both + ZS_ATTACH_HASH, grant_hash, ZS_ATTACH_HASH);
	SHA256(both, sizeof(both), h);
}

int zs_attach_root(const uint8_t s[ZS_ATTACH_SECRET], const uint8_t *psk, uint8_t r[ZS_ATTACH_SECRET])
{
	static const uint8_t none[ZS_ATTACH_SECRET];

	if (psk && sodium_is_zero(psk, ZS_ATTACH_SECRET))
		return -EINVAL;
	zs_hkdf_extract(r, EVP_sha256(), psk ? psk : none, sizeof(none), s, ZS_ATTACH_SECRET);
	return 0;
}

void zs_attach_lane(const uint8_t r[ZS_ATTACH_SECRET], enum zs_attach_dir dir, uint8_t lane,
		    uint8_t out[ZS_ATTACH_SECRET])
{
	const uint8_t context[2] = { (uint8_t)dir, lane };

	expand(r, "zs lane", context, sizeof(context), out, ZS_ATTACH_SECRET);
}

void zs_attach_ratchet(const uint8_t now[ZS_ATTACH_SECRET], uint8_t next[ZS_ATTACH_SECRET])
{
	uint8_t made[ZS_ATTACH_SECRET];

	expand(now, "zs ku", NULL, 0, made, sizeof(made));
	memcpy(next, made, sizeof(made));
	sodium_memzero(made, sizeof(made));
}

void zs_attach_lane_at(const uint8_t r[ZS_ATTACH_SECRET], enum zs_attach_dir dir, uint8_t lane,
		       uint32_t epoch, uint8_t out[ZS_ATTACH_SECRET])
{
	zs_attach_lane(r, dir, lane, out);
	while (epoch--)
		zs_attach_ratchet(out, out);
}

void zs_attach_bind(const uint8_t r[ZS_ATTACH_SECRET], enum zs_attach_dir dir, uint8_t out[ZS_ATTACH_SECRET])
{
	const uint8_t context[1] = { (uint8_t)dir };

	expand(r, "zs bind", context, sizeof(context), out, ZS_ATTACH_SECRET);
}

void zs_attach_key(const uint8_t x[ZS_ATTACH_SECRET], struct zs_attach_key *out)
{
	expand(x, "zs key", NULL, 0, out->key, sizeof(out->key));
	expand(x, "zs iv", NULL, 0, out->iv, sizeof(out->iv));
}

void zs_attach_gcm_key(const struct zs_gcm_engine *e, const uint8_t x[ZS_ATTACH_SECRET],
		       struct zs_gcm_key *out)
{
	struct zs_attach_key k;

	zs_attach_key(x, &k);
	zs_gcm_key_set(e, out, k.key, k.iv);
	sodium_memzero(&k, sizeof(k));
}
