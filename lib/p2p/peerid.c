/* Bytes: multihash code, length, value; both numbers are below 128, so one byte each. Text: base58btc of
 * these, or multibase with CIDv1 (01, codec 72 = libp2p-key, multihash). One id has one spelling in bytes:
 * an identity multihash must be the key's canonical protobuf. */
#include "p2p/peerid.h"

#include <errno.h>
#include <openssl/sha.h>

#define MULTIHASH_IDENTITY 0x00
#define MULTIHASH_SHA256   0x12
#define IDENTITY_MAX	   42
#define CID_VERSION	   0x01
#define CID_LIBP2P_KEY	   0x72
#define RAW_MAX		   (2 + ZS_PEER_ID)

static const char base58[] = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
static const char base36[] = "0123456789abcdefghijklmnopqrstuvwxyz";
static const char base32[] = "abcdefghijklmnopqrstuvwxyz234567";

void zs_peer_id_of(struct zs_peer_id *out, const struct zs_public_key *key)
{
	uint8_t pb[ZS_KEY_PROTOBUF];
	size_t len = zs_public_key_encode(key, pb, sizeof(pb));

	*out = (struct zs_peer_id){ 0 };
	if (len <= IDENTITY_MAX) {
		out->bytes[0] = MULTIHASH_IDENTITY;
		out->bytes[1] = (uint8_t)len;
		memcpy(out->bytes + 2, pb, len);
	} else {
		out->bytes[0] = MULTIHASH_SHA256;
		SHA256(pb, len, out->bytes + 2);
		len = out->bytes[1] = SHA256_DIGEST_LENGTH;
	}
	out->len = (uint8_t)(2 + len);
}

int zs_peer_id_key(struct zs_public_key *out, const struct zs_peer_id *id)
{
	if (id->len < 2 || id->bytes[0] != MULTIHASH_IDENTITY)
		return -ENOENT;
	return zs_public_key_decode(out, id->bytes + 2, id->len - 2u);
}

int zs_peer_id_decode(struct zs_peer_id *out, const void *bytes, size_t len)
{
	const uint8_t *p = bytes;
	struct zs_public_key key;
	struct zs_peer_id id = { 0 }, canonical;

	if (len < 2 || len > ZS_PEER_ID || p[1] != len - 2)
		return -EINVAL;
	id.len = (uint8_t)len;
	memcpy(id.bytes, p, len);
	if (p[0] == MULTIHASH_IDENTITY) {
		if (zs_peer_id_key(&key, &id) != 0)
			return -EINVAL;
		zs_peer_id_of(&canonical, &key);
		if (!zs_peer_id_eq(&id, &canonical))
			return -EINVAL;
	} else if (p[0] != MULTIHASH_SHA256 || p[1] != SHA256_DIGEST_LENGTH) {
		return -EINVAL;
	}
	*out = id;
	return 0;
}

/* A number in `base` as bytes; each leading zero digit is a zero byte. Its length, 0 on failure. */
static size_t number_decode(const char *text, const char *digits, unsigned base, uint8_t out[RAW_MAX])
{
	uint8_t le[RAW_MAX]; /* least significant first */
	size_t n = 0, zeros = 0;

	while (text[zeros] == digits[0])
		zeros++;
	for (const char *c = text + zeros; *c; c++) {
		const char *at = strchr(digits, *c);
		if (!at)
			return 0;
		unsigned carry = (unsigned)(at - digits);
		for (size_t i = 0; i < n; i++) {
			carry += le[i] * base;
			le[i] = (uint8_t)carry;
			carry >>= 8;
		}
		if (carry && n == RAW_MAX)
			return 0;
		if (carry)
			le[n++] = (uint8_t)carry;
	}
	if (zeros + n > RAW_MAX)
		return 0;
	memset(out, 0, zeros);
	for (size_t i = 0; i < n; i++)
		out[zeros + i] = le[n - 1 - i];
	return zeros + n;
}

/* RFC 4648 in lower case without padding; left-over bits are zero and fewer than a digit. */
static size_t base32_decode(const char *text, uint8_t out[RAW_MAX])
{
	unsigned bits = 0, have = 0;
	size_t n = 0;

	for (; *text; text++) {
		const char *at = strchr(base32, *text);
		if (!at)
			return 0;
		bits = bits << 5 | (unsigned)(at - base32);
		have += 5;
		if (have < 8)
			continue;
		if (n == RAW_MAX)
			return 0;
		have -= 8;
		out[n++] = (uint8_t)(bits >> have);
		bits &= (1u << have) - 1;
	}
	return have < 5 && bits == 0 ? n : 0;
}

int zs_peer_id_parse(struct zs_peer_id *out, const char *text)
{
	uint8_t raw[RAW_MAX];
	size_t len;

	if (strnlen(text, 2 * RAW_MAX) == 2 * RAW_MAX)
		return -EINVAL;
	if (text[0] == '1' || (text[0] == 'Q' && text[1] == 'm'))
		return zs_peer_id_decode(out, raw, number_decode(text, base58, 58, raw));
	if (text[0] == 'b')
		len = base32_decode(text + 1, raw);
	else if (text[0] == 'k')
		len = number_decode(text + 1, base36, 36, raw);
	else
		return -EINVAL;
	if (len < 2 || raw[0] != CID_VERSION || raw[1] != CID_LIBP2P_KEY)
		return -EINVAL;
	return zs_peer_id_decode(out, raw + 2, len - 2);
}

const char *zs_peer_id_format(const struct zs_peer_id *id, char buf[ZS_PEER_ID_TEXT])
{
	uint8_t le[ZS_PEER_ID_TEXT]; /* base58 digits, least significant first */
	size_t n = 0, zeros = 0, at = 0;

	while (zeros < id->len && id->bytes[zeros] == 0)
		zeros++;
	for (size_t i = zeros; i < id->len; i++) {
		unsigned carry = id->bytes[i];
		for (size_t j = 0; j < n; j++) {
			carry += (unsigned)le[j] << 8;
			le[j] = (uint8_t)(carry % 58);
			carry /= 58;
		}
		for (; carry; carry /= 58)
			le[n++] = (uint8_t)(carry % 58);
	}
	for (; at < zeros; at++)
		buf[at] = '1';
	while (n)
		buf[at++] = base58[le[--n]];
	buf[at] = '\0';
	return buf;
}
