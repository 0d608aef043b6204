/* HKDF-Expand-Label of RFC 8446 §7.1, for QUIC's keys and the exporter. Pure; any thread. */
#ifndef ZS_P2P_HKDF_H
#define ZS_P2P_HKDF_H

#include <openssl/digest.h>
#include <stddef.h>
#include <stdint.h>

#define ZS_HKDF_LABEL	64 /* longest label, "tls13 " not counted */
#define ZS_HKDF_CONTEXT EVP_MAX_MD_SIZE

/* label ≤ ZS_HKDF_LABEL, context ≤ ZS_HKDF_CONTEXT, out_len ≤ 255 digests: more is a bug of ours. */
void zs_hkdf_label(uint8_t *out, size_t out_len, const EVP_MD *md, const uint8_t *secret, size_t secret_len,
		   const char *label, const uint8_t *context, size_t context_len);

#endif
