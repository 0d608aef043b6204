/* /name/value/name/value…: values are an address, a decimal port, a name, a peer id, or a multihash in
 * multibase `u` (base64url without padding). */
#include <arpa/inet.h>
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

#include "p2p/multiaddr_kind.h"
#include "p2p/varint.h"

#define BASE64URL sodium_base64_VARIANT_URLSAFE_NO_PADDING

/* The word up to the next slash; false at the end, or when it is empty or does not fit. */
static bool next_word(const char **text, char word[ZS_MULTIADDR])
{
	size_t len;

	if (**text != '/')
		return false;
	len = strcspn(++*text, "/");
	if (len == 0 || len >= ZS_MULTIADDR)
		return false;
	memcpy(word, *text, len);
	word[len] = '\0';
	*text += len;
	return true;
}

static bool read_port(const char *word, uint8_t out[2])
{
	size_t digits = strspn(word, "0123456789");
	unsigned long port = strtoul(word, NULL, 10);

	if (digits == 0 || digits > 5 || word[digits] || (word[0] == '0' && digits > 1) || port > 65535)
		return false;
	out[0] = (uint8_t)(port >> 8);
	out[1] = (uint8_t)port;
	return true;
}

/* The value's bytes in out; its length, -1 when the word is none of that kind. */
static int read_value(enum zs_ma_kind_of kind, const char *word, uint8_t out[ZS_MULTIADDR])
{
	struct zs_peer_id peer;
	struct zs_addr addr;
	size_t len;

	switch (kind) {
	case ZS_MA_KIND_IP4:
		if (zs_addr_parse(&addr, word) != 0 || !zs_addr_is4(&addr))
			return -1;
		memcpy(out, addr.ip + 12, 4);
		return 4;
	case ZS_MA_KIND_IP6:
		return inet_pton(AF_INET6, word, out) == 1 ? 16 : -1;
	case ZS_MA_KIND_PORT:
		return read_port(word, out) ? 2 : -1;
	case ZS_MA_KIND_PEER:
		if (zs_peer_id_parse(&peer, word) != 0)
			return -1;
		memcpy(out, peer.bytes, peer.len);
		return peer.len;
	case ZS_MA_KIND_HASH:
		if (word[0] != 'u' || sodium_base642bin(out, ZS_MULTIADDR, word + 1, strlen(word + 1), NULL,
							&len, NULL, BASE64URL) != 0)
			return -1;
		return (int)len;
	default:
		len = strlen(word);
		memcpy(out, word, len);
		return (int)len;
	}
}

static bool parse_part(const char **text, struct zs_writer *w)
{
	uint8_t value[ZS_MULTIADDR];
	char word[ZS_MULTIADDR];
	const struct zs_ma_kind *kind;
	int len = 0;

	if (!next_word(text, word))
		return false;
	kind = zs_ma_kind_of_name(word);
	if (!kind || kind->code == ZS_MA_QUIC_DRAFT)
		return false;
	zs_varint_write(w, kind->code);
	if (kind->kind == ZS_MA_KIND_NONE)
		return true;
	if (next_word(text, word))
		len = read_value(kind->kind, word, value);
	if (len <= 0 || !zs_ma_value_valid(kind->kind, value, (size_t)len))
		return false;
	if (zs_ma_fixed_len(kind->kind) < 0)
		zs_varint_write(w, (uint64_t)len);
	zs_write_bytes(w, value, (size_t)len);
	return !w->failed;
}

int zs_multiaddr_parse(struct zs_multiaddr *out, const char *text)
{
	struct zs_multiaddr made;
	struct zs_writer w = zs_writer_of(made.bytes, sizeof(made.bytes));
	int parts = 0;

	do {
		if (parts++ == ZS_MULTIADDR_PARTS || !parse_part(&text, &w))
			return -EINVAL;
	} while (*text);
	if (w.failed)
		return -EINVAL;
	made.len = (uint16_t)zs_writer_len(&w);
	*out = made;
	return 0;
}

/* The value's text in buf, which has room for any. */
static void value_text(enum zs_ma_kind_of kind, const struct zs_multiaddr_part *part,
		       char buf[ZS_MULTIADDR_TEXT])
{
	struct zs_peer_id peer;

	switch (kind) {
	case ZS_MA_KIND_IP4:
		inet_ntop(AF_INET, part->value, buf, ZS_MULTIADDR_TEXT);
		break;
	case ZS_MA_KIND_IP6:
		inet_ntop(AF_INET6, part->value, buf, ZS_MULTIADDR_TEXT);
		break;
	case ZS_MA_KIND_PORT:
		snprintf(buf, ZS_MULTIADDR_TEXT, "%u", part->value[0] << 8 | part->value[1]);
		break;
	case ZS_MA_KIND_PEER:
		zs_peer_id_decode(&peer, part->value, part->len);
		zs_peer_id_format(&peer, buf);
		break;
	case ZS_MA_KIND_HASH:
		buf[0] = 'u';
		sodium_bin2base64(buf + 1, ZS_MULTIADDR_TEXT - 1, part->value, part->len, BASE64URL);
		break;
	default:
		memcpy(buf, part->value, part->len);
		buf[part->len] = '\0';
	}
}

const char *zs_multiaddr_format(const struct zs_multiaddr *addr, char buf[ZS_MULTIADDR_TEXT])
{
	struct zs_reader r = zs_reader_of(addr->bytes, addr->len);
	struct zs_writer w = zs_writer_of(buf, ZS_MULTIADDR_TEXT);
	char value[ZS_MULTIADDR_TEXT];
	struct zs_multiaddr_part part;
	int ret;

	while ((ret = zs_multiaddr_next(&r, &part)) == 1) {
		const struct zs_ma_kind *kind = zs_ma_kind_of_code(part.code);
		zs_write_u8(&w, '/');
		zs_write_bytes(&w, kind->name, strlen(kind->name));
		if (kind->kind == ZS_MA_KIND_NONE)
			continue;
		value_text(kind->kind, &part, value);
		zs_write_u8(&w, '/');
		zs_write_bytes(&w, value, strlen(value));
	}
	zs_write_u8(&w, '\0');
	return ret == 0 && !w.failed ? buf : NULL;
}
