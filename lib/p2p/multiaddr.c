/* A part is a varint code, then by its kind nothing, a fixed value, or a varint length and a value. The
 * table below is the whole of what is known. Text is the matter of multiaddr_text.c. */
#include "p2p/multiaddr.h"

#include <errno.h>

#include "p2p/multiaddr_kind.h"
#include "p2p/varint.h"

static const struct zs_ma_kind kinds[] = {
#define ZS_MULTIADDR_PART(id, name, code, kind) { name, code, ZS_MA_KIND_##kind },
#include "defs/multiaddr.def"
#undef ZS_MULTIADDR_PART
};

const struct zs_ma_kind *zs_ma_kind_of_code(uint64_t code)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (kinds[i].code == code)
			return &kinds[i];
	return NULL;
}

const struct zs_ma_kind *zs_ma_kind_of_name(const char *name)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strcmp(kinds[i].name, name) == 0)
			return &kinds[i];
	return NULL;
}

static bool text_valid(const uint8_t *p, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (p[i] <= ' ' || p[i] >= 0x7f || p[i] == '/')
			return false;
	return len > 0;
}

static bool multihash_valid(const uint8_t *p, size_t len)
{
	struct zs_reader r = zs_reader_of(p, len);

	zs_varint_read(&r);
	uint64_t n = zs_varint_read(&r);
	return !r.failed && n > 0 && n == zs_reader_left(&r);
}

bool zs_ma_value_valid(enum zs_ma_kind_of kind, const uint8_t *value, size_t len)
{
	struct zs_peer_id peer;

	switch (kind) {
	case ZS_MA_KIND_TEXT:
		return text_valid(value, len);
	case ZS_MA_KIND_PEER:
		return zs_peer_id_decode(&peer, value, len) == 0;
	case ZS_MA_KIND_HASH:
		return multihash_valid(value, len);
	default:
		return true;
	}
}

int zs_ma_fixed_len(enum zs_ma_kind_of kind)
{
	switch (kind) {
	case ZS_MA_KIND_NONE:
		return 0;
	case ZS_MA_KIND_PORT:
		return 2;
	case ZS_MA_KIND_IP4:
		return 4;
	case ZS_MA_KIND_IP6:
		return 16;
	default:
		return -1;
	}
}

int zs_multiaddr_next(struct zs_reader *r, struct zs_multiaddr_part *part)
{
	const struct zs_ma_kind *kind;
	uint64_t code;
	int fixed;

	if (zs_reader_done(r))
		return 0;
	code = zs_varint_read(r);
	if (r->failed)
		return -EINVAL;
	kind = zs_ma_kind_of_code(code);
	if (!kind)
		return -EPROTONOSUPPORT;
	fixed = zs_ma_fixed_len(kind->kind);
	part->code = kind->code;
	part->len = fixed < 0 ? zs_varint_read(r) : (size_t)fixed;
	part->value = zs_read_span(r, part->len);
	return !r->failed && zs_ma_value_valid(kind->kind, part->value, part->len) ? 1 : -EINVAL;
}

int zs_multiaddr_decode(struct zs_multiaddr *out, const void *bytes, size_t len)
{
	struct zs_reader r = zs_reader_of(bytes, len);
	struct zs_multiaddr_part part;
	int ret = 1;

	if (len == 0 || len > ZS_MULTIADDR)
		return -EINVAL;
	for (int n = 0; ret == 1; n++)
		ret = n > ZS_MULTIADDR_PARTS ? -EINVAL : zs_multiaddr_next(&r, &part);
	if (ret == -EINVAL)
		return ret;
	out->len = (uint16_t)len;
	memcpy(out->bytes, bytes, len);
	return ret;
}

/* The part that says where: an address or a name. */
static int dial_host(const struct zs_multiaddr_part *part, struct zs_dial_target *out)
{
	switch (part->code) {
	case ZS_MA_IP4:
		memset(out->addr.ip + 10, 0xff, 2);
		memcpy(out->addr.ip + 12, part->value, 4);
		out->host = ZS_DIAL_IP;
		return 0;
	case ZS_MA_IP6:
		memcpy(out->addr.ip, part->value, 16);
		out->host = ZS_DIAL_IP;
		return zs_addr_is4(&out->addr) ? -EINVAL : 0;
	case ZS_MA_DNS:
		out->host = ZS_DIAL_DNS;
		break;
	case ZS_MA_DNS4:
		out->host = ZS_DIAL_DNS4;
		break;
	case ZS_MA_DNS6:
		out->host = ZS_DIAL_DNS6;
		break;
	case ZS_MA_DNSADDR:
		out->host = ZS_DIAL_DNSADDR;
		break;
	default:
		return -EPROTONOSUPPORT;
	}
	if (part->len >= sizeof(out->name))
		return -EINVAL;
	memcpy(out->name, part->value, part->len);
	return 0;
}

/* The next part, which must be `code`. */
static int expect(struct zs_reader *r, enum zs_multiaddr_code code, struct zs_multiaddr_part *part)
{
	int ret = zs_multiaddr_next(r, part);

	if (ret < 0)
		return ret;
	return ret == 1 && part->code == code ? 0 : -EPROTONOSUPPORT;
}

int zs_multiaddr_dial(const struct zs_multiaddr *addr, struct zs_dial_target *out)
{
	struct zs_reader r = zs_reader_of(addr->bytes, addr->len);
	struct zs_multiaddr_part part;
	int ret;

	*out = (struct zs_dial_target){ 0 };
	ret = zs_multiaddr_next(&r, &part);
	if (ret <= 0)
		return ret < 0 ? ret : -EINVAL;
	ret = dial_host(&part, out);
	if (ret == 0 && out->host != ZS_DIAL_DNSADDR) {
		ret = expect(&r, ZS_MA_UDP, &part);
		if (ret == 0)
			out->port = (uint16_t)(part.value[0] << 8 | part.value[1]);
		if (ret == 0)
			ret = out->port ? expect(&r, ZS_MA_QUIC_V1, &part) : -EINVAL;
	}
	if (ret == 0 && !zs_reader_done(&r)) {
		ret = expect(&r, ZS_MA_P2P, &part);
		if (ret == 0)
			ret = zs_peer_id_decode(&out->peer, part.value, part.len);
	}
	return ret == 0 && !zs_reader_done(&r) ? -EPROTONOSUPPORT : ret;
}

void zs_multiaddr_quic(struct zs_multiaddr *out, const struct zs_endpoint *ep, const struct zs_peer_id *peer)
{
	struct zs_writer w = zs_writer_of(out->bytes, sizeof(out->bytes));
	bool is4 = zs_addr_is4(&ep->addr);

	zs_varint_write(&w, is4 ? ZS_MA_IP4 : ZS_MA_IP6);
	zs_write_bytes(&w, ep->addr.ip + (is4 ? 12 : 0), is4 ? 4 : 16);
	zs_varint_write(&w, ZS_MA_UDP);
	zs_write_u16(&w, ep->port);
	zs_varint_write(&w, ZS_MA_QUIC_V1);
	if (peer) {
		zs_varint_write(&w, ZS_MA_P2P);
		zs_varint_write(&w, peer->len);
		zs_write_bytes(&w, peer->bytes, peer->len);
	}
	out->len = (uint16_t)zs_writer_len(&w);
}
