#include "crypto/cmac.h"

#include <openssl/aes.h>
#include <openssl/mem.h>
#include <string.h>
#include "base/check.h"

#define BLOCK 16

/* Times x in GF(2^128), RFC 4493 §2.3. */
static void twice(uint8_t v[BLOCK])
{
	uint8_t carry = v[0] >> 7;

	for (int i = 0; i < BLOCK - 1; i++)
		v[i] = (uint8_t)(v[i] << 1 | v[i + 1] >> 7);
	v[BLOCK - 1] = (uint8_t)(v[BLOCK - 1] << 1 ^ (carry ? 0x87 : 0));
}

static void absorb(const AES_KEY *aes, uint8_t state[BLOCK], const uint8_t *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		state[i] ^= bytes[i];
	AES_encrypt(state, state, aes);
}

void zs_cmac(const uint8_t key[16], const void *bytes, size_t len, uint8_t out[ZS_CMAC])
{
	const uint8_t *at = bytes;
	uint8_t last[BLOCK] = { 0 }, state[BLOCK] = { 0 };
	AES_KEY aes;

	ZS_CHECK(AES_set_encrypt_key(key, 128, &aes) == 0);
	AES_encrypt(last, last, &aes);
	twice(last); /* K1, for a whole last block */
	for (; len > BLOCK; at += BLOCK, len -= BLOCK)
		absorb(&aes, state, at, BLOCK);
	if (len < BLOCK) {
		twice(last); /* K2 */
		last[len] ^= 0x80;
	}
	for (size_t i = 0; i < len; i++)
		last[i] ^= at[i];
	absorb(&aes, state, last, BLOCK);
	memcpy(out, state, ZS_CMAC);
	OPENSSL_cleanse(&aes, sizeof(aes));
	OPENSSL_cleanse(last, sizeof(last));
}
