/* Making and naming certificates. References: RFC 5280 §4.1, libp2p specs tls.md.
 * Our extension is not marked critical: go does the same, and every implementation reads it. */
#include "p2p/cert.h"

#include <errno.h>
#include <openssl/bytestring.h>
#include <openssl/digest.h>
#include <openssl/ec.h>
#include <openssl/ec_key.h>
#include <openssl/evp.h>
#include <openssl/mem.h>
#include <openssl/nid.h>
#include <openssl/rand.h>
#include "p2p/cert_der.h"

#define HOUR_S	   3600
#define LIFETIME_S (100 * 365 * 86400ll)

static const char *const names[] = {
#define ZS_CERT(name, text) #name,
#include "defs/p2p_cert.def"
#undef ZS_CERT
};
static const char *const texts[] = {
#define ZS_CERT(name, text) text,
#include "defs/p2p_cert.def"
#undef ZS_CERT
};

const char *zs_cert_name(enum zs_cert_verdict verdict)
{
	return verdict < ZS_CERT_VERDICTS ? names[verdict] : "UNKNOWN";
}

const char *zs_cert_text(enum zs_cert_verdict verdict)
{
	return verdict < ZS_CERT_VERDICTS ? texts[verdict] : "unknown verdict";
}

static EVP_PKEY *make_key(void)
{
	EC_KEY *ec = EC_KEY_new_by_curve_name(NID_X9_62_prime256v1);
	EVP_PKEY *key = EVP_PKEY_new();

	if (!ec || !key || !EC_KEY_generate_key(ec) || !EVP_PKEY_set1_EC_KEY(key, ec)) {
		EVP_PKEY_free(key);
		key = NULL;
	}
	EC_KEY_free(ec);
	return key;
}

static int add_algorithm(CBB *out)
{
	CBB seq, oid;
	return CBB_add_asn1(out, &seq, CBS_ASN1_SEQUENCE) && CBB_add_asn1(&seq, &oid, CBS_ASN1_OBJECT) &&
	       CBB_add_bytes(&oid, zs_oid_ecdsa_sha256, sizeof(zs_oid_ecdsa_sha256)) && CBB_flush(out);
}

/* RFC 5280 §4.1.2.5: UTCTime until 2049, GeneralizedTime after it. */
static int add_time(CBB *out, int64_t at_s)
{
	time_t t = (time_t)at_s;
	struct tm tm;
	char text[20];
	CBB time;
	bool utc;

	gmtime_r(&t, &tm);
	utc = tm.tm_year < 150;
	size_t len = strftime(text, sizeof(text), utc ? "%y%m%d%H%M%SZ" : "%Y%m%d%H%M%SZ", &tm);
	return CBB_add_asn1(out, &time, utc ? CBS_ASN1_UTCTIME : CBS_ASN1_GENERALIZEDTIME) &&
	       CBB_add_bytes(&time, (const uint8_t *)text, len) && CBB_flush(out);
}

static int add_signed_key(CBB *out, const struct zs_identity *identity, const uint8_t *spki, size_t spki_len)
{
	uint8_t message[sizeof(ZS_CERT_PREFIX) - 1 + 128], signature[ZS_ED25519_SIGNATURE], key[64];
	struct zs_public_key public = zs_identity_public(identity);
	size_t key_len = zs_public_key_encode(&public, key, sizeof(key)), at = sizeof(ZS_CERT_PREFIX) - 1;
	CBB seq;

	if (spki_len > 128)
		return 0;
	memcpy(message, ZS_CERT_PREFIX, at);
	memcpy(message + at, spki, spki_len);
	zs_identity_sign(identity, message, at + spki_len, signature);
	return CBB_add_asn1(out, &seq, CBS_ASN1_SEQUENCE) && CBB_add_asn1_octet_string(&seq, key, key_len) &&
	       CBB_add_asn1_octet_string(&seq, signature, sizeof(signature)) && CBB_flush(out);
}

static int add_extension(CBB *tbs, const struct zs_identity *identity, const uint8_t *spki, size_t spki_len)
{
	CBB tag, list, extension, oid, value;
	return CBB_add_asn1(tbs, &tag, CBS_ASN1_CONSTRUCTED | CBS_ASN1_CONTEXT_SPECIFIC | 3) &&
	       CBB_add_asn1(&tag, &list, CBS_ASN1_SEQUENCE) &&
	       CBB_add_asn1(&list, &extension, CBS_ASN1_SEQUENCE) &&
	       CBB_add_asn1(&extension, &oid, CBS_ASN1_OBJECT) &&
	       CBB_add_bytes(&oid, zs_oid_libp2p, sizeof(zs_oid_libp2p)) &&
	       CBB_add_asn1(&extension, &value, CBS_ASN1_OCTETSTRING) &&
	       add_signed_key(&value, identity, spki, spki_len) && CBB_flush(tbs);
}

/* An empty name: nothing of a certificate's names is ever read. */
static int add_name(CBB *tbs)
{
	CBB name;
	return CBB_add_asn1(tbs, &name, CBS_ASN1_SEQUENCE) && CBB_flush(tbs);
}

static int add_body(CBB *out, const struct zs_identity *identity, const CBS *spki, int64_t now_s)
{
	CBB tbs, version, validity;
	uint64_t serial;

	RAND_bytes((uint8_t *)&serial, sizeof(serial));
	return CBB_add_asn1(out, &tbs, CBS_ASN1_SEQUENCE) &&
	       CBB_add_asn1(&tbs, &version, CBS_ASN1_CONSTRUCTED | CBS_ASN1_CONTEXT_SPECIFIC | 0) &&
	       CBB_add_asn1_uint64(&version, 2) && CBB_add_asn1_uint64(&tbs, serial >> 1 | 1) &&
	       add_algorithm(&tbs) && add_name(&tbs) && CBB_add_asn1(&tbs, &validity, CBS_ASN1_SEQUENCE) &&
	       add_time(&validity, now_s - HOUR_S) && add_time(&validity, now_s + LIFETIME_S) &&
	       add_name(&tbs) && CBB_add_bytes(&tbs, CBS_data(spki), CBS_len(spki)) &&
	       add_extension(&tbs, identity, CBS_data(spki), CBS_len(spki)) && CBB_flush(out);
}

static int add_signature(CBB *out, EVP_PKEY *key, const uint8_t *body, size_t body_len)
{
	uint8_t signature[80];
	size_t len = sizeof(signature);
	EVP_MD_CTX md;
	CBB bits;

	EVP_MD_CTX_init(&md);
	int ok = EVP_DigestSignInit(&md, NULL, EVP_sha256(), NULL, key) &&
		 EVP_DigestSign(&md, signature, &len, body, body_len) &&
		 CBB_add_asn1(out, &bits, CBS_ASN1_BITSTRING) && CBB_add_u8(&bits, 0) &&
		 CBB_add_bytes(&bits, signature, len) && CBB_flush(out);
	EVP_MD_CTX_cleanup(&md);
	return ok;
}

int zs_cert_new(struct zs_cert *out, const struct zs_identity *identity, int64_t now_s)
{
	uint8_t spki[128], body[ZS_CERT_OWN_DER];
	size_t spki_len, body_len;
	CBB cbb, whole;
	CBS cbs;

	out->key = make_key();
	if (!out->key)
		return -ENOMEM;
	CBB_init_fixed(&cbb, spki, sizeof(spki));
	if (!EVP_marshal_public_key(&cbb, out->key) || !CBB_finish(&cbb, NULL, &spki_len))
		goto fail;
	CBS_init(&cbs, spki, spki_len);
	CBB_init_fixed(&cbb, body, sizeof(body));
	if (!add_body(&cbb, identity, &cbs, now_s) || !CBB_finish(&cbb, NULL, &body_len))
		goto fail;
	CBB_init_fixed(&cbb, out->der, sizeof(out->der));
	if (!CBB_add_asn1(&cbb, &whole, CBS_ASN1_SEQUENCE) || !CBB_add_bytes(&whole, body, body_len) ||
	    !add_algorithm(&whole) || !add_signature(&whole, out->key, body, body_len) ||
	    !CBB_finish(&cbb, NULL, &out->len))
		goto fail;
	return 0;
fail:
	zs_cert_free(out);
	return -ENOMEM;
}

void zs_cert_free(struct zs_cert *cert)
{
	EVP_PKEY_free(cert->key);
	cert->key = NULL;
}
