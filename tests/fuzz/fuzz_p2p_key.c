/* Keys, private keys and peer ids out of any bytes or text; what is taken comes back as the same bytes. */
#include "fuzz/exact.h"
#include "p2p/peerid.h"

static void public_key(const uint8_t *data, size_t size)
{
	struct zs_public_key key, back;
	struct zs_peer_id id, again;
	uint8_t pb[ZS_KEY_PROTOBUF];

	if (zs_public_key_decode(&key, data, size) != 0)
		return;
	size_t len = zs_public_key_encode(&key, pb, sizeof(pb));
	ZS_CHECK(len > 0 && zs_public_key_decode(&back, pb, len) == 0);
	ZS_CHECK(back.type == key.type && back.len == key.len && memcmp(back.data, key.data, key.len) == 0);
	zs_peer_id_of(&id, &key);
	ZS_CHECK(zs_peer_id_decode(&again, id.bytes, id.len) == 0 && zs_peer_id_eq(&id, &again));
	zs_public_key_verify(&key, data, size, data + size / 2, size - size / 2);
}

static void check_id(const struct zs_peer_id *id)
{
	struct zs_public_key key;
	struct zs_peer_id back;
	char text[ZS_PEER_ID_TEXT];

	ZS_CHECK(zs_peer_id_parse(&back, zs_peer_id_format(id, text)) == 0 && zs_peer_id_eq(id, &back));
	if (zs_peer_id_key(&key, id) == 0) {
		zs_peer_id_of(&back, &key);
		ZS_CHECK(zs_peer_id_eq(id, &back));
	}
}

static void private_key(const uint8_t *data, size_t size)
{
	uint8_t pb[128];
	struct zs_identity id, back;

	if (zs_identity_import(&id, data, size) != 0)
		return;
	ZS_CHECK(zs_identity_import(&back, pb, zs_identity_export(&id, pb, sizeof(pb))) == 0);
	ZS_CHECK(memcmp(&id, &back, sizeof(id)) == 0);
}

/* The first byte chooses the reader. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct zs_peer_id id;

	if (size < 1)
		return 0;
	uint8_t *exact = fuzz_exact(data + 1, size - 1);
	char *text = strndup((const char *)data + 1, size - 1);
	if (data[0] == 'k')
		public_key(exact, size - 1);
	else if (data[0] == 'p')
		private_key(exact, size - 1);
	else if (data[0] == 'i' && zs_peer_id_decode(&id, exact, size - 1) == 0)
		check_id(&id);
	else if (data[0] == 't' && zs_peer_id_parse(&id, text) == 0)
		check_id(&id);
	free(text);
	free(exact);
	return 0;
}
