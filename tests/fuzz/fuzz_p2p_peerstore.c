/* Records of the peerstore: whatever is read back leaves a store that is whole, and what was taken in goes out
 * and in again. */
#include "fuzz/exact.h"
#include "p2p/peerstore.h"

#define NOW 1000000000000ull

static void put(void *ctx, uint32_t place, const void *record, size_t len)
{
	ZS_CHECK(!len || zs_peerstore_import(ctx, place, record, len, NOW) == 0,
		 "what was written is not read");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct zs_peerstore_config config;
	struct zs_peerstore *s, *again;
	uint8_t *exact = fuzz_exact(data, size);

	zs_peerstore_defaults(&config);
	config.peers = 2;
	s = zs_peerstore_new(&config);
	again = zs_peerstore_new(&config);
	ZS_CHECK(s && again);
	if (zs_peerstore_import(s, 1, exact, size, NOW) == 0)
		ZS_CHECK(zs_peerstore_export(s, NOW, 3, put, again) == 2,
			 "its place and the one it came from");
	ZS_CHECK(zs_peerstore_export(again, NOW, 1, put, s) == 0, "it is where it was");
	ZS_CHECK(zs_peerstore_check(s) && zs_peerstore_check(again));
	zs_peerstore_delete(s);
	zs_peerstore_delete(again);
	free(exact);
	return 0;
}
