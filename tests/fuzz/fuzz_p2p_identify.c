/* Any bytes as a stream of identify messages, each behind its length: every field lies in the store, limits hold. */
#include "fuzz/exact.h"
#include "p2p/frame.h"
#include "p2p/identify.h"

static void check_field(const struct zs_identify *id, struct zs_identify_field f)
{
	ZS_CHECK(f.at <= id->len && f.len <= id->len - f.at);
}

static void check(const struct zs_identify *id)
{
	ZS_CHECK(id->messages <= ZS_IDENTIFY_MESSAGES &&
		 id->len <= ZS_IDENTIFY_MESSAGES * ZS_IDENTIFY_MESSAGE);
	ZS_CHECK(id->addrs <= ZS_IDENTIFY_ADDRS && id->protocols <= ZS_IDENTIFY_PROTOCOLS);
	for (int i = 0; i < id->addrs; i++)
		check_field(id, id->addr[i]);
	for (int i = 0; i < id->protocols; i++)
		check_field(id, id->protocol[i]);
	check_field(id, id->key);
	check_field(id, id->observed);
	check_field(id, id->protocol_version);
	check_field(id, id->agent);
	check_field(id, id->record);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *exact = fuzz_exact(data, size);
	struct zs_reader in = zs_reader_of(exact, size);
	struct zs_identify id;
	struct zs_frame frame;
	const uint8_t *msg;
	size_t len;

	zs_identify_init(&id);
	zs_frame_init(&frame, ZS_IDENTIFY_MESSAGE);
	while (zs_frame_read(&frame, &in, &msg, &len) == 1) {
		struct zs_identify before = id;
		if (zs_identify_merge(&id, msg, len) != 0)
			ZS_CHECK(memcmp(&before, &id, sizeof(id)) == 0);
		check(&id);
	}
	zs_frame_free(&frame);
	zs_identify_free(&id);
	free(exact);
	return 0;
}
