/* Any bytes as an attach frame: what is taken keeps its bounds, its raw bytes lie inside, and it comes back the
 * same when written and read again. */
#include "fuzz/exact.h"
#include "p2p/attach_codec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *exact = fuzz_exact(data, size), out[ZS_ATTACH_FRAME], again[ZS_ATTACH_FRAME];
	static struct zs_attach_frame f, back;
	struct zs_span raw;

	memset(&f, 0, sizeof(f));
	if (zs_attach_decode(&f, exact, size, &raw) == 0) {
		ZS_CHECK(zs_attach_check(&f));
		ZS_CHECK(raw.bytes >= exact && raw.bytes + raw.len <= exact + size);
		size_t len = zs_attach_encode(&f, out, sizeof(out), &raw);
		ZS_CHECK(len > 0 && raw.bytes + raw.len == out + len);
		ZS_CHECK(zs_attach_decode(&back, out, len, &raw) == 0 && back.kind == f.kind &&
			 back.id == f.id);
		ZS_CHECK(zs_attach_encode(&back, again, sizeof(again), &raw) == len &&
			 memcmp(out, again, len) == 0);
	}
	free(exact);
	return 0;
}
