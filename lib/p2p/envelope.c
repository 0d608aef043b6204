/* Envelope { public_key 1, payload_type 2, payload 3, signature 5 }; signed are domain, type and payload,
 * each behind its length as a varint. PeerRecord { peer_id 1, seq 2, addresses 3 { multiaddr 1 } }. */
#include "p2p/envelope.h"

#include <errno.h>

#include "p2p/varint.h"

enum { ENVELOPE_KEY = 1, ENVELOPE_TYPE = 2, ENVELOPE_PAYLOAD = 3, ENVELOPE_SIGNATURE = 5 };
enum { RECORD_PEER = 1, RECORD_SEQ = 2, RECORD_ADDR = 3, RECORD_ADDR_MULTIADDR = 1 };

/* Domain, type, payload and their lengths */
#define SIGNED_MAX (ZS_ENVELOPE_MAX + 64 + ZS_ENVELOPE_TYPE + 3 * ZS_VARINT)

static const uint8_t record_type[] = { 0x03, 0x01 };
static const uint8_t old_type[] = "/libp2p/routing-state-record";
static const struct zs_envelope_kind record_kind = { "libp2p-peer-record", record_type, sizeof(record_type) };
/* The specification's text before go settled on the above; rust's identify writes it. */
static const struct zs_envelope_kind old_kind = { "libp2p-routing-state", old_type, sizeof(old_type) - 1 };

static void put_signed_part(struct zs_writer *w, const void *bytes, size_t len)
{
	zs_varint_write(w, len);
	zs_write_bytes(w, bytes, len);
}

/* The bytes under the signature; their length, 0 when they do not fit. */
static size_t signed_bytes(const struct zs_envelope_kind *kind, const void *payload, size_t len,
			   uint8_t out[SIGNED_MAX])
{
	struct zs_writer w = zs_writer_of(out, SIGNED_MAX);

	put_signed_part(&w, kind->domain, strlen(kind->domain));
	put_signed_part(&w, kind->type, kind->type_len);
	put_signed_part(&w, payload, len);
	return w.failed ? 0 : zs_writer_len(&w);
}

size_t zs_envelope_seal(const struct zs_identity *id, const struct zs_envelope_kind *kind,
			const void *payload, size_t len, void *out, size_t capacity)
{
	uint8_t message[SIGNED_MAX], key[ZS_KEY_PROTOBUF], signature[ZS_ED25519_SIGNATURE];
	struct zs_public_key public_key = zs_identity_public(id);
	size_t key_len = zs_public_key_encode(&public_key, key, sizeof(key));
	size_t message_len = signed_bytes(kind, payload, len, message);
	pb_ostream_t to = pb_ostream_from_buffer(out, capacity);

	if (message_len == 0)
		return 0;
	zs_identity_sign(id, message, message_len, signature);
	if (!zs_pb_put_span(&to, ENVELOPE_KEY, key, key_len) ||
	    !zs_pb_put_span(&to, ENVELOPE_TYPE, kind->type, kind->type_len) ||
	    !zs_pb_put_span(&to, ENVELOPE_PAYLOAD, payload, len) ||
	    !zs_pb_put_span(&to, ENVELOPE_SIGNATURE, signature, sizeof(signature)))
		return 0;
	return to.bytes_written;
}

struct envelope {
	struct zs_span key, type, payload, signature;
};

static int read_envelope(struct envelope *e, const void *bytes, size_t len)
{
	struct zs_pb_reader r = zs_pb_reader_of(bytes, len);
	struct zs_pb_field f;
	int ret;

	*e = (struct envelope){ 0 };
	if (len > ZS_ENVELOPE_MAX)
		return -EINVAL;
	while ((ret = zs_pb_next(&r, &f)) == 1) {
		if (zs_pb_is_span(&f, ENVELOPE_KEY))
			e->key = f.span;
		else if (zs_pb_is_span(&f, ENVELOPE_TYPE))
			e->type = f.span;
		else if (zs_pb_is_span(&f, ENVELOPE_PAYLOAD))
			e->payload = f.span;
		else if (zs_pb_is_span(&f, ENVELOPE_SIGNATURE))
			e->signature = f.span;
	}
	return ret == 0 && e->key.bytes && e->type.bytes && e->payload.bytes && e->signature.bytes ? 0
												   : -EINVAL;
}

static bool is_kind(const struct envelope *e, const struct zs_envelope_kind *kind)
{
	return e->type.len == kind->type_len && memcmp(e->type.bytes, kind->type, kind->type_len) == 0;
}

static int verify(const struct envelope *e, const struct zs_envelope_kind *kind, struct zs_public_key *signer)
{
	uint8_t message[SIGNED_MAX];
	size_t len;

	if (!is_kind(e, kind))
		return -EPROTOTYPE;
	if (zs_public_key_decode(signer, e->key.bytes, e->key.len) != 0)
		return -EINVAL;
	len = signed_bytes(kind, e->payload.bytes, e->payload.len, message);
	if (len == 0)
		return -EINVAL;
	return zs_public_key_verify(signer, message, len, e->signature.bytes, e->signature.len) ? 0
												: -EBADMSG;
}

int zs_envelope_open(const void *bytes, size_t len, const struct zs_envelope_kind *kind,
		     struct zs_public_key *signer, struct zs_span *payload)
{
	struct envelope e;
	int ret = read_envelope(&e, bytes, len);

	if (ret == 0)
		ret = verify(&e, kind, signer);
	if (ret == 0)
		*payload = e.payload;
	return ret;
}

size_t zs_peer_record_seal(const struct zs_identity *id, uint64_t seq, const struct zs_multiaddr *addrs,
			   size_t n, void *out, size_t capacity)
{
	uint8_t payload[ZS_ENVELOPE_MAX];
	pb_ostream_t to = pb_ostream_from_buffer(payload, sizeof(payload));
	struct zs_public_key key = zs_identity_public(id);
	struct zs_peer_id peer;
	bool ok;

	zs_peer_id_of(&peer, &key);
	ok = zs_pb_put_span(&to, RECORD_PEER, peer.bytes, peer.len) && zs_pb_put_number(&to, RECORD_SEQ, seq);
	for (size_t i = 0; ok && i < n; i++) {
		uint8_t info[ZS_MULTIADDR + 4]; /* AddressInfo */
		pb_ostream_t in = pb_ostream_from_buffer(info, sizeof(info));
		ok = zs_pb_put_span(&in, RECORD_ADDR_MULTIADDR, addrs[i].bytes, addrs[i].len) &&
		     zs_pb_put_span(&to, RECORD_ADDR, info, in.bytes_written);
	}
	return ok ? zs_envelope_seal(id, &record_kind, payload, to.bytes_written, out, capacity) : 0;
}

static int read_address(struct zs_peer_record *out, const struct zs_span *info)
{
	struct zs_pb_reader r = zs_pb_reader_of(info->bytes, info->len);
	struct zs_pb_field f;
	int ret;

	while ((ret = zs_pb_next(&r, &f)) == 1) {
		if (!zs_pb_is_span(&f, RECORD_ADDR_MULTIADDR))
			continue;
		if (out->addrs < ZS_PEER_RECORD_ADDRS)
			out->addr[out->addrs++] = f.span;
		else
			out->left_out++;
	}
	return ret;
}

static int read_record(struct zs_peer_record *out, const struct zs_span *payload)
{
	struct zs_pb_reader r = zs_pb_reader_of(payload->bytes, payload->len);
	struct zs_pb_field f;
	int ret;

	*out = (struct zs_peer_record){ 0 };
	while ((ret = zs_pb_next(&r, &f)) == 1) {
		if (zs_pb_is_number(&f, RECORD_SEQ))
			out->seq = f.number;
		else if (zs_pb_is_span(&f, RECORD_PEER))
			ret = zs_peer_id_decode(&out->peer, f.span.bytes, f.span.len);
		else if (zs_pb_is_span(&f, RECORD_ADDR))
			ret = read_address(out, &f.span);
		if (ret < 0)
			return ret;
	}
	return ret;
}

int zs_peer_record_open(struct zs_peer_record *out, const void *bytes, size_t len)
{
	struct zs_public_key key;
	struct zs_peer_id signer;
	struct envelope e;
	int ret = read_envelope(&e, bytes, len);

	if (ret == 0)
		ret = verify(&e, is_kind(&e, &old_kind) ? &old_kind : &record_kind, &key);
	if (ret == 0)
		ret = read_record(out, &e.payload);
	if (ret != 0)
		return ret;
	zs_peer_id_of(&signer, &key);
	return zs_peer_id_eq(&signer, &out->peer) ? 0 : -EKEYREJECTED;
}
