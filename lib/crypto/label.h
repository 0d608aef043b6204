/* HKDF-Extract (RFC 5869) and HKDF-Expand-Label (RFC 8446 §7.1): the house's one derivation of keys, for the
 * attachment's, QUIC's and the exporter's. Pure; any thread. */
#ifndef ZS_CRYPTO_LABEL_H
#define ZS_CRYPTO_LABEL_H

#include <openssl/digest.h>
#include <stddef.h>
#include <stdint.h>

#define ZS_HKDF_LABEL	64 /* longest label, "tls13 " not counted */
#define ZS_HKDF_CONTEXT EVP_MAX_MD_SIZE

/* `out` has room for one digest; none of the inputs may be it. */
void zs_hkdf_extract(uint8_t *out, const EVP_MD *md, const void *salt, size_t salt_len, const void *ikm,
		     size_t ikm_len);
/* label ≤ ZS_HKDF_LABEL, context ≤ ZS_HKDF_CONTEXT, out_len ≤ 255 digests: more is a bug of ours. */
void zs_hkdf_label(uint8_t *out, size_t out_len, const EVP_MD *md, const uint8_t *secret, size_t secret_len,
		   const char *label, const uint8_t *context, size_t context_len);

#endif
