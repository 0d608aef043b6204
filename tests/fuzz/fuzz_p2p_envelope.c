/* Any bytes as an envelope and as a peer record; and as a record's payload under a good signature, since no
 * fuzzer forges one. */
#include "fuzz/exact.h"
#include "p2p/envelope.h"

static const uint8_t type[] = { 3, 1 };
static const struct zs_envelope_kind kind = { "libp2p-peer-record", type, sizeof(type) };

static void check_record(const struct zs_peer_record *r, const uint8_t *bytes, size_t len)
{
	struct zs_multiaddr addr;

	ZS_CHECK(r->addrs <= ZS_PEER_RECORD_ADDRS && r->peer.len > 0);
	for (uint32_t i = 0; i < r->addrs; i++) {
		ZS_CHECK(r->addr[i].bytes >= bytes && r->addr[i].bytes + r->addr[i].len <= bytes + len);
		zs_multiaddr_decode(&addr, r->addr[i].bytes, r->addr[i].len);
	}
}

static void as_payload(const uint8_t *data, size_t size)
{
	static const uint8_t seed[32] = { 1 };
	struct zs_identity id;
	struct zs_public_key key;
	struct zs_peer_record record;
	struct zs_span payload;
	uint8_t sealed[ZS_ENVELOPE_MAX];

	zs_identity_from_seed(&id, seed);
	size_t len = zs_envelope_seal(&id, &kind, data, size, sealed, sizeof(sealed));
	if (len == 0)
		return;
	ZS_CHECK(zs_envelope_open(sealed, len, &kind, &key, &payload) == 0);
	ZS_CHECK(payload.len == size && (size == 0 || memcmp(payload.bytes, data, size) == 0));
	ZS_CHECK(memcmp(key.data, id.public_key, sizeof(id.public_key)) == 0);
	if (zs_peer_record_open(&record, sealed, len) == 0)
		check_record(&record, sealed, len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *exact = fuzz_exact(data, size);
	struct zs_peer_record record;

	if (zs_peer_record_open(&record, exact, size) == 0)
		check_record(&record, exact, size);
	as_payload(exact, size);
	free(exact);
	return 0;
}
