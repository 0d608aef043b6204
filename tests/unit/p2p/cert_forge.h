/* Certificates with one thing wrong at a time, each signed anew: what a broken or hostile peer sends. */
#ifndef ZS_TEST_CERT_FORGE_H
#define ZS_TEST_CERT_FORGE_H

#include <openssl/bytestring.h>
#include <openssl/evp.h>
#include "base/check.h"
#include "p2p/cert.h"
#include "p2p/cert_der.h"

struct forge {
	const char *not_before, *not_after; /* GeneralizedTime; NULL: always valid */
	bool no_extension, critical, repeated, bad_signature, other_identity, unique_id, bad_signed_key;
	int foreign; /* 1: an extension of an unknown kind as well, 2: and critical */
	unsigned version;
};

static inline void forge_extension(CBB *list, const uint8_t *oid_bytes, size_t oid_len, bool critical,
				   const uint8_t *content, size_t len)
{
	CBB extension, oid;
	CBB_add_asn1(list, &extension, CBS_ASN1_SEQUENCE);
	CBB_add_asn1(&extension, &oid, CBS_ASN1_OBJECT);
	CBB_add_bytes(&oid, oid_bytes, oid_len);
	if (critical)
		CBB_add_asn1_bool(&extension, 1);
	CBB_add_asn1_octet_string(&extension, content, len);
	CBB_flush(list);
}

static inline size_t forge_signed_key(uint8_t *out, size_t capacity, const struct zs_identity *id,
				      const uint8_t *spki, size_t spki_len, bool other)
{
	uint8_t message[256], signature[64], key[64];
	struct zs_public_key public = zs_identity_public(id);
	size_t key_len = zs_public_key_encode(&public, key, sizeof(key)), len,
	       at = sizeof(ZS_CERT_PREFIX) - 1;
	CBB cbb, seq;

	memcpy(message, ZS_CERT_PREFIX, at);
	memcpy(message + at, spki, spki_len);
	message[0] ^= other;
	zs_identity_sign(id, message, at + spki_len, signature);
	CBB_init_fixed(&cbb, out, capacity);
	CBB_add_asn1(&cbb, &seq, CBS_ASN1_SEQUENCE);
	CBB_add_asn1_octet_string(&seq, key, key_len);
	CBB_add_asn1_octet_string(&seq, signature, sizeof(signature));
	CBB_finish(&cbb, NULL, &len);
	return len;
}

static inline void forge_extensions(CBB *tbs, const struct forge *f, const struct zs_identity *id,
				    const uint8_t *spki, size_t spki_len)
{
	static const uint8_t foreign[] = { 0x55, 0x1d, 0x13 };
	uint8_t content[256];
	size_t len = forge_signed_key(content, sizeof(content), id, spki, spki_len, f->other_identity);
	CBB tag, list;

	if (f->no_extension && !f->foreign)
		return;
	CBB_add_asn1(tbs, &tag, CBS_ASN1_CONSTRUCTED | CBS_ASN1_CONTEXT_SPECIFIC | 3);
	CBB_add_asn1(&tag, &list, CBS_ASN1_SEQUENCE);
	if (f->foreign)
		forge_extension(&list, foreign, sizeof(foreign), f->foreign == 2, (const uint8_t *)"\x30\x00",
				2);
	if (!f->no_extension)
		forge_extension(&list, zs_oid_libp2p, sizeof(zs_oid_libp2p), f->critical, content,
				len - f->bad_signed_key);
	if (f->repeated)
		forge_extension(&list, zs_oid_libp2p, sizeof(zs_oid_libp2p), f->critical, content, len);
	CBB_flush(tbs);
}

static inline void forge_time(CBB *validity, const char *text)
{
	CBB time;
	CBB_add_asn1(validity, &time, CBS_ASN1_GENERALIZEDTIME);
	CBB_add_bytes(&time, (const uint8_t *)text, strlen(text));
	CBB_flush(validity);
}

static inline void forge_algorithm(CBB *out)
{
	CBB seq, oid;
	CBB_add_asn1(out, &seq, CBS_ASN1_SEQUENCE);
	CBB_add_asn1(&seq, &oid, CBS_ASN1_OBJECT);
	CBB_add_bytes(&oid, zs_oid_ecdsa_sha256, sizeof(zs_oid_ecdsa_sha256));
	CBB_flush(out);
}

static inline size_t forge_body(uint8_t *out, size_t capacity, EVP_PKEY *key, const struct zs_identity *id,
				const struct forge *f)
{
	uint8_t spki[128];
	size_t spki_len, len;
	CBB cbb, tbs, part;

	CBB_init_fixed(&cbb, spki, sizeof(spki));
	EVP_marshal_public_key(&cbb, key);
	CBB_finish(&cbb, NULL, &spki_len);
	CBB_init_fixed(&cbb, out, capacity);
	CBB_add_asn1(&cbb, &tbs, CBS_ASN1_SEQUENCE);
	CBB_add_asn1(&tbs, &part, CBS_ASN1_CONSTRUCTED | CBS_ASN1_CONTEXT_SPECIFIC | 0);
	CBB_add_asn1_uint64(&part, f->version ? f->version - 1 : 2);
	CBB_add_asn1_uint64(&tbs, 7);
	forge_algorithm(&tbs);
	CBB_add_asn1(&tbs, &part, CBS_ASN1_SEQUENCE);
	CBB_add_asn1(&tbs, &part, CBS_ASN1_SEQUENCE);
	forge_time(&part, f->not_before ? f->not_before : "19750101130000Z");
	forge_time(&part, f->not_after ? f->not_after : "40960101130000Z");
	CBB_add_asn1(&tbs, &part, CBS_ASN1_SEQUENCE);
	CBB_add_bytes(&tbs, spki, spki_len);
	if (f->unique_id) {
		CBB_add_asn1(&tbs, &part, CBS_ASN1_CONTEXT_SPECIFIC | 1);
		CBB_add_u16(&part, 0x00aa);
	}
	forge_extensions(&tbs, f, id, spki, spki_len);
	CBB_finish(&cbb, NULL, &len);
	return len;
}

/* Replaces the bytes of a certificate made by zs_cert_new(), keeping its key. */
static inline void forge(struct zs_cert *cert, const struct zs_identity *id, const struct forge *f)
{
	uint8_t body[ZS_CERT_OWN_DER], signature[80];
	size_t body_len = forge_body(body, sizeof(body), cert->key, id, f), len = sizeof(signature);
	CBB cbb, whole, bits;
	EVP_MD_CTX md;

	EVP_MD_CTX_init(&md);
	EVP_DigestSignInit(&md, NULL, EVP_sha256(), NULL, cert->key);
	EVP_DigestSign(&md, signature, &len, body, body_len);
	EVP_MD_CTX_cleanup(&md);
	signature[len - 1] ^= f->bad_signature;
	CBB_init_fixed(&cbb, cert->der, sizeof(cert->der));
	CBB_add_asn1(&cbb, &whole, CBS_ASN1_SEQUENCE);
	CBB_add_bytes(&whole, body, body_len);
	forge_algorithm(&whole);
	CBB_add_asn1(&whole, &bits, CBS_ASN1_BITSTRING);
	CBB_add_u8(&bits, 0);
	CBB_add_bytes(&bits, signature, len);
	ZS_CHECK(CBB_finish(&cbb, NULL, &cert->len));
}

#endif
