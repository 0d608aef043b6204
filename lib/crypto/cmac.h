/* AES-128-CMAC (RFC 4493). Allocates nothing. Pure; any thread. */
#ifndef ZS_CRYPTO_CMAC_H
#define ZS_CRYPTO_CMAC_H

#include <stddef.h>
#include <stdint.h>

#define ZS_CMAC 16

void zs_cmac(const uint8_t key[16], const void *bytes, size_t len, uint8_t out[ZS_CMAC]);

#endif
