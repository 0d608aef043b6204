/* Signed envelopes, peer records and identify: vectors, forgeries, merging, limits. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <openssl/sha.h>

#include "p2p/envelope.h"
#include "p2p/identify.h"
#include "unit/p2p/hex.h"

#define SEED "7e0830617c4a7de83925dfb2694556b12936c477a0e1feb2e148ec9da60fee7d"

static const uint8_t voucher_type[] = { 3, 2 }, record_type[] = { 3, 1 },
		     old_type[] = "/libp2p/routing-state-record";
static const struct zs_envelope_kind voucher_kind = { "libp2p-relay-rsvp", voucher_type, 2 };
static const struct zs_envelope_kind record_kind = { "libp2p-peer-record", record_type, 2 };
static const struct zs_envelope_kind old_kind = { "libp2p-routing-state", old_type, sizeof(old_type) - 1 };

static struct zs_identity identity(uint8_t other)
{
	struct zs_identity id;
	uint8_t seed[32];

	hex_read(seed, sizeof(seed), SEED);
	seed[0] ^= other;
	zs_identity_from_seed(&id, seed);
	return id;
}

static struct zs_peer_id peer_of(const struct zs_identity *id)
{
	struct zs_public_key key = zs_identity_public(id);
	struct zs_peer_id peer;

	zs_peer_id_of(&peer, &key);
	return peer;
}

static struct zs_multiaddr addr(const char *text)
{
	struct zs_multiaddr a;

	assert_int_equal(zs_multiaddr_parse(&a, text), 0);
	return a;
}

static void assert_sha256(const void *bytes, size_t len, const char *hex)
{
	uint8_t hash[32], want[32];

	SHA256(bytes, len, hash);
	hex_read(want, sizeof(want), hex);
	assert_memory_equal(hash, want, 32);
}

static int open_exact(struct zs_peer_record *r, const uint8_t *bytes, size_t len, uint8_t **copy)
{
	*copy = exact_copy(bytes, len);
	return zs_peer_record_open(r, *copy, len);
}

static void record_vector(void **state)
{
	struct zs_identity id = identity(0);
	struct zs_multiaddr a = addr("/ip4/192.0.2.1/udp/4001/quic-v1");
	struct zs_peer_id self = peer_of(&id);
	struct zs_peer_record r;
	uint8_t out[512], *copy;
	size_t len = zs_peer_record_seal(&id, 1, &a, 1, out, sizeof(out));

	assert_int_equal(len, 167);
	assert_sha256(out, len, "bce5a8f8c7e2efdbc733a1ad73ecdda5053b2e7dfb282c9c5174ac046a68c19e");
	assert_int_equal(zs_peer_record_seal(&id, 1, &a, 1, out, len - 1), 0);
	assert_int_equal(zs_peer_record_seal(&id, 1, &a, 1, out, len), len);
	assert_int_equal(open_exact(&r, out, len, &copy), 0);
	assert_true(zs_peer_id_eq(&r.peer, &self));
	assert_int_equal(r.seq, 1);
	assert_int_equal(r.addrs, 1);
	assert_int_equal(r.addr[0].len, a.len);
	assert_memory_equal(r.addr[0].bytes, a.bytes, a.len);
	free(copy);
	for (size_t i = 0; i < len; i++) { /* no byte may be another */
		out[i] ^= 1;
		assert_int_not_equal(open_exact(&r, out, len, &copy), 0);
		free(copy);
		out[i] ^= 1;
		assert_int_not_equal(open_exact(&r, out, i, &copy), 0);
		free(copy);
	}
}

static void voucher_vector(void **state)
{
	struct zs_identity id = identity(0);
	struct zs_peer_id self = peer_of(&id);
	uint8_t payload[128], out[256];
	pb_ostream_t to = pb_ostream_from_buffer(payload, sizeof(payload));
	struct zs_public_key signer;
	struct zs_span got;
	size_t len;

	assert_true(zs_pb_put_span(&to, 1, self.bytes, self.len) &&
		    zs_pb_put_span(&to, 2, self.bytes, self.len) && zs_pb_put_number(&to, 3, 1700000000));
	len = zs_envelope_seal(&id, &voucher_kind, payload, to.bytes_written, out, sizeof(out));
	assert_int_equal(len, 196);
	assert_sha256(out, len, "fbec25b21e279b43879f49294fe2fba9913c4b03dcd6ac2fc74c48a67db4edab");
	assert_int_equal(zs_envelope_open(out, len, &voucher_kind, &signer, &got), 0);
	assert_int_equal(got.len, to.bytes_written);
	assert_memory_equal(got.bytes, payload, got.len);
	assert_memory_equal(signer.data, id.public_key, 32);
	assert_int_equal(zs_envelope_open(out, len, &record_kind, &signer, &got), -EPROTOTYPE);
	const struct zs_envelope_kind other_domain = { "libp2p-relay-rsvq", voucher_type, 2 };
	assert_int_equal(zs_envelope_open(out, len, &other_domain, &signer, &got), -EBADMSG);
}

/* A record of `of`, sealed by `by`. */
static size_t seal_record(const struct zs_identity *by, const struct zs_identity *of,
			  const struct zs_envelope_kind *kind, int addrs, uint8_t *out, size_t capacity)
{
	uint8_t payload[4096];
	pb_ostream_t to = pb_ostream_from_buffer(payload, sizeof(payload));
	struct zs_peer_id peer = peer_of(of);

	assert_true(zs_pb_put_span(&to, 1, peer.bytes, peer.len) && zs_pb_put_number(&to, 2, 9));
	for (int i = 0; i < addrs; i++)
		assert_true(zs_pb_put_span(&to, 3, "\x0a\x05\x04\x01\x02\x03\x04", 7));
	return zs_envelope_seal(by, kind, payload, to.bytes_written, out, capacity);
}

static void records_of_others(void **state)
{
	struct zs_identity a = identity(0), b = identity(1);
	uint8_t out[4096];
	struct zs_peer_record r;

	assert_int_equal(zs_peer_record_open(&r, out, seal_record(&a, &a, &record_kind, 1, out, sizeof(out))),
			 0);
	assert_int_equal(zs_peer_record_open(&r, out, seal_record(&a, &b, &record_kind, 1, out, sizeof(out))),
			 -EKEYREJECTED);
	assert_int_equal(
	    zs_peer_record_open(&r, out, seal_record(&a, &a, &voucher_kind, 1, out, sizeof(out))),
	    -EPROTOTYPE);
	/* The older form of rust; its type with the new domain is a forgery. */
	assert_int_equal(zs_peer_record_open(&r, out, seal_record(&a, &a, &old_kind, 2, out, sizeof(out))),
			 0);
	assert_int_equal(r.addrs, 2);
	assert_int_equal(r.seq, 9);
	const struct zs_envelope_kind mixed = { record_kind.domain, old_kind.type, old_kind.type_len };
	assert_int_equal(zs_peer_record_open(&r, out, seal_record(&a, &a, &mixed, 1, out, sizeof(out))),
			 -EBADMSG);
	assert_int_equal(
	    zs_peer_record_open(&r, out, seal_record(&a, &a, &record_kind, 70, out, sizeof(out))), 0);
	assert_int_equal(r.addrs, ZS_PEER_RECORD_ADDRS);
	assert_int_equal(r.left_out, 6);
}

static void envelope_bounds(void **state)
{
	static uint8_t payload[ZS_ENVELOPE_MAX + 1], out[2 * ZS_ENVELOPE_MAX];
	struct zs_identity id = identity(0);
	struct zs_public_key signer;
	struct zs_span got;
	size_t len = zs_envelope_seal(&id, &record_kind, payload, ZS_ENVELOPE_MAX - 200, out, sizeof(out));

	assert_int_equal(zs_envelope_open(out, len, &record_kind, &signer, &got), 0);
	assert_int_equal(got.len, ZS_ENVELOPE_MAX - 200);
	len = zs_envelope_seal(&id, &record_kind, payload, ZS_ENVELOPE_MAX, out, sizeof(out));
	assert_true(len > ZS_ENVELOPE_MAX);
	assert_int_equal(zs_envelope_open(out, len, &record_kind, &signer, &got), -EINVAL);
	assert_int_equal(zs_envelope_seal(&id, &record_kind, payload, 0, out, sizeof(out)), 110);
	assert_int_equal(zs_envelope_open(out, 110, &record_kind, &signer, &got),
			 0); /* empty is not absent */
	assert_int_equal(got.len, 0);
	memmove(out + 42, out + 44, 110 - 44);
	assert_int_equal(zs_envelope_open(out, 108, &record_kind, &signer, &got), -EINVAL);
}

static void assert_field(const struct zs_identify *id, struct zs_identify_field f, const void *want,
			 size_t len)
{
	struct zs_span s = zs_identify_span(id, f);

	assert_int_equal(s.len, len);
	assert_memory_equal(s.bytes, want, len);
}

static void identify_both_ways(void **state)
{
	static const char *const protocols[] = { "/ipfs/id/1.0.0", "/ipfs/ping/1.0.0" };
	struct zs_identity self = identity(0);
	struct zs_public_key key = zs_identity_public(&self);
	struct zs_multiaddr addrs[] = { addr("/ip4/192.0.2.1/udp/4001/quic-v1"), addr("/dns/a/tcp/1/ws") };
	uint8_t out[ZS_IDENTIFY_OWN], record[512], pb[64];
	struct zs_identify_own own = { .key = &key,
				       .addrs = addrs,
				       .addrs_n = 2,
				       .protocols = protocols,
				       .protocols_n = 2,
				       .observed = &addrs[1],
				       .protocol_version = "v",
				       .agent = "agent/1",
				       .record = { record, zs_peer_record_seal(&self, 1, addrs, 2, record,
									       sizeof(record)) } };
	size_t len = zs_identify_encode(&own, out, sizeof(out));
	struct zs_identify id;

	assert_true(len > 0);
	assert_int_equal(zs_identify_encode(&own, out, len - 1), 0);
	assert_int_equal(zs_identify_encode(&own, out, len), len);
	zs_identify_init(&id);
	uint8_t *exact = exact_copy(out, len);
	assert_int_equal(zs_identify_merge(&id, exact, len), 0);
	free(exact);
	assert_field(&id, id.key, pb, zs_public_key_encode(&key, pb, sizeof(pb)));
	assert_int_equal(id.addrs, 2);
	assert_field(&id, id.addr[0], addrs[0].bytes, addrs[0].len);
	assert_field(&id, id.addr[1], addrs[1].bytes, addrs[1].len);
	assert_int_equal(id.protocols, 2);
	assert_field(&id, id.protocol[1], protocols[1], strlen(protocols[1]));
	assert_field(&id, id.observed, addrs[1].bytes, addrs[1].len);
	assert_field(&id, id.protocol_version, "v", 1);
	assert_field(&id, id.agent, "agent/1", 7);
	assert_field(&id, id.record, own.record.bytes, own.record.len);
	zs_identify_free(&id);
}

/* go's two messages: lists are joined, the last single field holds; a bad one changes nothing. */
static void identify_merges(void **state)
{
	struct zs_multiaddr a = addr("/ip4/192.0.2.1/udp/1/quic-v1"),
			    b = addr("/ip4/192.0.2.2/udp/2/quic-v1");
	struct zs_identify_own first = {
		.addrs = &a, .addrs_n = 1, .agent = "first", .protocol_version = "v"
	};
	struct zs_identify_own second = { .addrs = &b, .addrs_n = 1, .agent = "second" };
	uint8_t out[256];
	struct zs_identify id;

	zs_identify_init(&id);
	assert_int_equal(zs_identify_merge(&id, out, zs_identify_encode(&first, out, sizeof(out))), 0);
	assert_int_equal(zs_identify_merge(&id, "\x0a\x05x", 3), -EINVAL);
	assert_int_equal(zs_identify_merge(&id, out, zs_identify_encode(&second, out, sizeof(out))), 0);
	assert_int_equal(id.addrs, 2);
	assert_field(&id, id.addr[0], a.bytes, a.len);
	assert_field(&id, id.addr[1], b.bytes, b.len);
	assert_field(&id, id.agent, "second", 6);
	assert_field(&id, id.protocol_version, "v", 1);
	assert_null(zs_identify_span(&id, id.key).bytes);
	zs_identify_free(&id);
}

static void identify_bounds(void **state)
{
	static uint8_t big[ZS_IDENTIFY_MESSAGE + 1];
	static char protocol[1024];
	const char *protocols[5] = { protocol, protocol, protocol, protocol };
	struct zs_identify_own own = { .protocols = protocols, .protocols_n = 4 };
	struct zs_identify id;

	zs_identify_init(&id);
	for (size_t i = 0; i + 3 <= sizeof(big); i += 3)
		memcpy(big + i, i % 2 ? "\x12\x01x" : "\x1a\x01y", 3); /* an address, a protocol, … */
	assert_int_equal(zs_identify_merge(&id, big, sizeof(big)), -EMSGSIZE);
	assert_int_equal(zs_identify_merge(&id, big, 8190), 0);
	assert_int_equal(id.addrs, ZS_IDENTIFY_ADDRS);
	assert_int_equal(id.protocols, ZS_IDENTIFY_PROTOCOLS);
	assert_int_equal(id.left_out, 2730 - ZS_IDENTIFY_ADDRS - ZS_IDENTIFY_PROTOCOLS);
	for (int i = 1; i < ZS_IDENTIFY_MESSAGES; i++)
		assert_int_equal(zs_identify_merge(&id, "", 0), 0);
	assert_int_equal(zs_identify_merge(&id, "", 0), -E2BIG);
	zs_identify_free(&id);
	memset(protocol, 'p', 1021); /* 4 × (3 + 1021) = 4096: the longest of ours */
	assert_int_equal(zs_identify_encode(&own, big, sizeof(big)), ZS_IDENTIFY_OWN);
	protocol[1021] = 'p';
	assert_int_equal(zs_identify_encode(&own, big, sizeof(big)), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(record_vector),      cmocka_unit_test(voucher_vector),
		cmocka_unit_test(records_of_others),  cmocka_unit_test(envelope_bounds),
		cmocka_unit_test(identify_both_ways), cmocka_unit_test(identify_merges),
		cmocka_unit_test(identify_bounds),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
