/* Bytes that the writer and the reader of certificates share. Private to cert*.c and their tests. */
#ifndef ZS_P2P_CERT_DER_H
#define ZS_P2P_CERT_DER_H

#include <stdint.h>

/* What the identity signs: this, then the SubjectPublicKeyInfo. */
#define ZS_CERT_PREFIX "libp2p-tls-handshake:"

static const uint8_t zs_oid_libp2p[] = { 0x2b, 0x06, 0x01, 0x04, 0x01, 0x83, 0xa2, 0x5a, 0x01, 0x01 };
static const uint8_t zs_oid_ecdsa_sha256[] = { 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02 };

#endif
