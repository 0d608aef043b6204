/* The engines of x86-64, for aes.c alone. */
#ifndef ZS_CRYPTO_AES_X86_H
#define ZS_CRYPTO_AES_X86_H

#include "crypto/aes.h"

extern const struct zs_aes_engine zs_aes_vaes, zs_aes_ni;

#endif
