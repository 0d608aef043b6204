/* Which engine, and the one that is everywhere. */
#include "crypto/aes.h"

#include <openssl/aes.h>

#include "base/check.h"
#ifdef __x86_64__
#include "crypto/aes_x86.h"
#endif

struct schedules {
	AES_KEY encrypt, decrypt;
};
_Static_assert(sizeof(struct schedules) <= sizeof(((struct zs_aes *)0)->bytes), "room for BoringSSL's key");

static bool everywhere(void)
{
	return true;
}

static void expand(struct zs_aes *key, const uint8_t bytes[ZS_AES_KEY])
{
	struct schedules *s = (struct schedules *)key->bytes;

	*key = (struct zs_aes){ 0 };
	ZS_CHECK(!AES_set_encrypt_key(bytes, 128, &s->encrypt) &&
		     !AES_set_decrypt_key(bytes, 128, &s->decrypt),
		 "AES-128 takes any 16 bytes");
}

static void encrypt(const struct zs_aes *key, const uint8_t (*from)[ZS_AES_BLOCK],
		    uint8_t (*to)[ZS_AES_BLOCK], size_t blocks)
{
	for (size_t i = 0; i < blocks; i++)
		AES_encrypt(from[i], to[i], &((const struct schedules *)key->bytes)->encrypt);
}

static void decrypt(const struct zs_aes *key, const uint8_t (*from)[ZS_AES_BLOCK],
		    uint8_t (*to)[ZS_AES_BLOCK], size_t blocks)
{
	for (size_t i = 0; i < blocks; i++)
		AES_decrypt(from[i], to[i], &((const struct schedules *)key->bytes)->decrypt);
}

static void decrypt_each(const struct zs_aes_job *job, uint8_t (*to)[ZS_AES_BLOCK], size_t blocks)
{
	for (size_t i = 0; i < blocks; i++)
		AES_decrypt(job[i].from, to[i], &((const struct schedules *)job[i].key->bytes)->decrypt);
}

static const struct zs_aes_engine boringssl = { "boringssl", everywhere, expand,
						encrypt,     decrypt,	 decrypt_each };

static const struct zs_aes_engine *const engines[] = {
#ifdef __x86_64__
	&zs_aes_vaes,
	&zs_aes_ni,
#endif
	&boringssl,
};

const struct zs_aes_engine *zs_aes_engine(size_t n)
{
	return n < ZS_ARRAY_LEN(engines) ? engines[n] : NULL;
}

const struct zs_aes_engine *zs_aes_best(void)
{
	size_t n = 0;

	while (!engines[n]->here())
		n++; /* the last one is everywhere */
	return engines[n];
}
