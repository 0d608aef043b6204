/* Judging a peer's certificate. The order is: what costs nothing first, signatures last. Every
 * field of the TBSCertificate is walked in its order (RFC 5280 §4.1); DER alone is accepted. */
#include <openssl/bytestring.h>
#include <openssl/evp.h>
#include <openssl/nid.h>
#include <openssl/rsa.h>
#include <openssl/time.h>
#include "p2p/cert.h"
#include "p2p/cert_der.h"

struct parts {
	CBS whole, body, algorithm, signature; /* body: the signed bytes, header included */
	CBS inner_algorithm, spki,
	    extensions; /* spki: with its header; extensions: their SEQUENCE's content */
	int64_t not_before, not_after;
	bool has_extensions;
};

#define CONTEXT(n) (CBS_ASN1_CONTEXT_SPECIFIC | (n))

static bool read_time(CBS *in, int64_t *out)
{
	CBS text;
	CBS_ASN1_TAG tag;
	struct tm tm;

	if (!CBS_get_any_asn1(in, &text, &tag))
		return false;
	if (tag == CBS_ASN1_UTCTIME)
		return CBS_parse_utc_time(&text, &tm, 0) && OPENSSL_tm_to_posix(&tm, out);
	return tag == CBS_ASN1_GENERALIZEDTIME && CBS_parse_generalized_time(&text, &tm, 0) &&
	       OPENSSL_tm_to_posix(&tm, out);
}

static enum zs_cert_verdict read_body(struct parts *p)
{
	CBS outer = p->body, body, version, validity, tagged;
	uint64_t v;
	int unique = 0;

	if (!CBS_get_asn1(&outer, &body, CBS_ASN1_SEQUENCE) ||
	    !CBS_get_asn1(&body, &version, CONTEXT(0) | CBS_ASN1_CONSTRUCTED) ||
	    !CBS_get_asn1_uint64(&version, &v) || CBS_len(&version) != 0 || v != 2 ||
	    !CBS_get_asn1(&body, NULL, CBS_ASN1_INTEGER) ||
	    !CBS_get_asn1_element(&body, &p->inner_algorithm, CBS_ASN1_SEQUENCE) ||
	    !CBS_get_asn1(&body, NULL, CBS_ASN1_SEQUENCE) ||
	    !CBS_get_asn1(&body, &validity, CBS_ASN1_SEQUENCE) || !read_time(&validity, &p->not_before) ||
	    !read_time(&validity, &p->not_after) || CBS_len(&validity) != 0 ||
	    !CBS_get_asn1(&body, NULL, CBS_ASN1_SEQUENCE) ||
	    !CBS_get_asn1_element(&body, &p->spki, CBS_ASN1_SEQUENCE))
		return ZS_CERT_MALFORMED;
	for (unsigned n = 1; n <= 2; n++) {
		int present;
		if (!CBS_get_optional_asn1(&body, NULL, &present, CONTEXT(n)))
			return ZS_CERT_MALFORMED;
		unique |= present;
	}
	if (unique)
		return ZS_CERT_UNIQUE_ID;
	p->has_extensions = CBS_len(&body) != 0;
	if (!p->has_extensions)
		return ZS_CERT_OK;
	if (!CBS_get_asn1(&body, &tagged, CONTEXT(3) | CBS_ASN1_CONSTRUCTED) || CBS_len(&body) != 0 ||
	    !CBS_get_asn1(&tagged, &p->extensions, CBS_ASN1_SEQUENCE) || CBS_len(&tagged) != 0)
		return ZS_CERT_MALFORMED;
	return ZS_CERT_OK;
}

static enum zs_cert_verdict read_parts(struct parts *p, const void *der, size_t len)
{
	CBS in, bits;
	uint8_t unused;

	CBS_init(&in, der, len);
	if (!CBS_get_asn1(&in, &p->whole, CBS_ASN1_SEQUENCE) || CBS_len(&in) != 0 ||
	    !CBS_get_asn1_element(&p->whole, &p->body, CBS_ASN1_SEQUENCE) ||
	    !CBS_get_asn1_element(&p->whole, &p->algorithm, CBS_ASN1_SEQUENCE) ||
	    !CBS_get_asn1(&p->whole, &bits, CBS_ASN1_BITSTRING) || CBS_len(&p->whole) != 0 ||
	    !CBS_get_u8(&bits, &unused) || unused != 0)
		return ZS_CERT_MALFORMED;
	p->signature = bits;
	return read_body(p);
}

/* The content of the libp2p extension in *value. */
static enum zs_cert_verdict find_extension(const struct parts *p, CBS *value)
{
	CBS list = p->extensions, extension, oid, content;
	bool found = false;

	while (p->has_extensions && CBS_len(&list) != 0) {
		int critical = 0;
		if (!CBS_get_asn1(&list, &extension, CBS_ASN1_SEQUENCE) ||
		    !CBS_get_asn1(&extension, &oid, CBS_ASN1_OBJECT) ||
		    (CBS_peek_asn1_tag(&extension, CBS_ASN1_BOOLEAN) &&
		     !CBS_get_asn1_bool(&extension, &critical)) ||
		    !CBS_get_asn1(&extension, &content, CBS_ASN1_OCTETSTRING) || CBS_len(&extension) != 0)
			return ZS_CERT_EXTENSIONS;
		bool ours = CBS_mem_equal(&oid, zs_oid_libp2p, sizeof(zs_oid_libp2p));
		if (ours && found)
			return ZS_CERT_EXTENSIONS;
		if (critical && !ours)
			return ZS_CERT_CRITICAL;
		if (ours) {
			*value = content;
			found = true;
		}
	}
	return found ? ZS_CERT_OK : ZS_CERT_NO_EXTENSION;
}

/* What certificates of the four implementations are signed with, and the RSA forms that the specification allows. */
static const struct algorithm {
	uint8_t len, oid[9];
	int key;
	const EVP_MD *(*digest)(void);
	bool null_parameters;
} algorithms[] = {
	{ 8, { 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02 }, EVP_PKEY_EC, EVP_sha256, false },
	{ 8, { 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x03 }, EVP_PKEY_EC, EVP_sha384, false },
	{ 8, { 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x04 }, EVP_PKEY_EC, EVP_sha512, false },
	{ 9, { 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0b }, EVP_PKEY_RSA, EVP_sha256, true },
	{ 9, { 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0c }, EVP_PKEY_RSA, EVP_sha384, true },
	{ 9, { 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0d }, EVP_PKEY_RSA, EVP_sha512, true },
	{ 3, { 0x2b, 0x65, 0x70 }, EVP_PKEY_ED25519, NULL, false },
};

static const struct algorithm *find_algorithm(const struct parts *p)
{
	CBS in = p->algorithm, seq, oid;

	if (!CBS_mem_equal(&p->inner_algorithm, CBS_data(&p->algorithm), CBS_len(&p->algorithm)) ||
	    !CBS_get_asn1(&in, &seq, CBS_ASN1_SEQUENCE) || !CBS_get_asn1(&seq, &oid, CBS_ASN1_OBJECT))
		return NULL;
	for (size_t i = 0; i < sizeof(algorithms) / sizeof(algorithms[0]); i++) {
		const struct algorithm *a = &algorithms[i];
		if (!CBS_mem_equal(&oid, a->oid, a->len))
			continue;
		if (a->null_parameters && !CBS_get_asn1(&seq, NULL, CBS_ASN1_NULL))
			return NULL;
		return CBS_len(&seq) == 0 ? a : NULL;
	}
	return NULL;
}

static enum zs_cert_verdict check_signature(const struct parts *p)
{
	const struct algorithm *a = find_algorithm(p);
	enum zs_cert_verdict verdict = ZS_CERT_SIGNATURE;
	CBS spki = p->spki;
	EVP_PKEY *key;
	EVP_MD_CTX md;

	if (!a)
		return ZS_CERT_ALGORITHM;
	key = EVP_parse_public_key(&spki);
	/* RSA's verification cost grows with its size: the identity's bound holds here too. */
	if (!key || EVP_PKEY_id(key) != a->key || EVP_PKEY_bits(key) > 8192) {
		EVP_PKEY_free(key);
		return ZS_CERT_KEY;
	}
	EVP_MD_CTX_init(&md);
	if (EVP_DigestVerifyInit(&md, NULL, a->digest ? a->digest() : NULL, NULL, key) &&
	    EVP_DigestVerify(&md, CBS_data(&p->signature), CBS_len(&p->signature), CBS_data(&p->body),
			     CBS_len(&p->body)))
		verdict = ZS_CERT_OK;
	EVP_MD_CTX_cleanup(&md);
	EVP_PKEY_free(key);
	return verdict;
}

static enum zs_cert_verdict check_identity(const struct parts *p, CBS value, struct zs_peer_id *peer)
{
	uint8_t message[ZS_CERT_DER + sizeof(ZS_CERT_PREFIX)];
	size_t at = sizeof(ZS_CERT_PREFIX) - 1;
	CBS signed_key, key_bytes, signature;
	struct zs_public_key key;

	if (!CBS_get_asn1(&value, &signed_key, CBS_ASN1_SEQUENCE) || CBS_len(&value) != 0 ||
	    !CBS_get_asn1(&signed_key, &key_bytes, CBS_ASN1_OCTETSTRING) ||
	    !CBS_get_asn1(&signed_key, &signature, CBS_ASN1_OCTETSTRING) || CBS_len(&signed_key) != 0)
		return ZS_CERT_SIGNED_KEY;
	if (zs_public_key_decode(&key, CBS_data(&key_bytes), CBS_len(&key_bytes)) < 0)
		return ZS_CERT_IDENTITY_KEY;
	memcpy(message, ZS_CERT_PREFIX, at);
	memcpy(message + at, CBS_data(&p->spki), CBS_len(&p->spki));
	if (!zs_public_key_verify(&key, message, at + CBS_len(&p->spki), CBS_data(&signature),
				  CBS_len(&signature)))
		return ZS_CERT_IDENTITY_SIGNATURE;
	zs_peer_id_of(peer, &key);
	return ZS_CERT_OK;
}

enum zs_cert_verdict zs_cert_verify(struct zs_cert_proof *out, const void *der, size_t len, int64_t now_s)
{
	struct parts p = { 0 };
	enum zs_cert_verdict verdict;
	CBS value;

	if (len > ZS_CERT_DER)
		return ZS_CERT_SIZE;
	verdict = read_parts(&p, der, len);
	if (verdict != ZS_CERT_OK)
		return verdict;
	if (now_s < p.not_before)
		return ZS_CERT_NOT_YET;
	if (now_s > p.not_after)
		return ZS_CERT_EXPIRED;
	verdict = find_extension(&p, &value);
	if (verdict == ZS_CERT_OK)
		verdict = check_signature(&p);
	if (verdict == ZS_CERT_OK)
		verdict = check_identity(&p, value, &out->peer);
	out->not_before = p.not_before;
	out->not_after = p.not_after;
	return verdict;
}
