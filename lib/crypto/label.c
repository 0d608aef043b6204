#include "crypto/label.h"

#include <openssl/hkdf.h>
#include <string.h>

#include "base/check.h"
#include "base/cursor.h"

void zs_hkdf_extract(uint8_t *out, const EVP_MD *md, const void *salt, size_t salt_len, const void *ikm,
		     size_t ikm_len)
{
	size_t len;

	ZS_CHECK(HKDF_extract(out, &len, md, ikm, ikm_len, salt, salt_len));
}

void zs_hkdf_label(uint8_t *out, size_t out_len, const EVP_MD *md, const uint8_t *secret, size_t secret_len,
		   const char *label, const uint8_t *context, size_t context_len)
{
	uint8_t info[2 + 1 + 6 + ZS_HKDF_LABEL + 1 + ZS_HKDF_CONTEXT];
	struct zs_writer w = zs_writer_of(info, sizeof(info));
	size_t len = strlen(label);

	ZS_CHECK(len <= ZS_HKDF_LABEL && context_len <= ZS_HKDF_CONTEXT);
	zs_write_u16(&w, (uint16_t)out_len);
	zs_write_u8(&w, (uint8_t)(6 + len));
	zs_write_bytes(&w, "tls13 ", 6);
	zs_write_bytes(&w, label, len);
	zs_write_u8(&w, (uint8_t)context_len);
	zs_write_bytes(&w, context, context_len);
	ZS_CHECK(HKDF_expand(out, out_len, md, secret, secret_len, info, zs_writer_len(&w)));
}
