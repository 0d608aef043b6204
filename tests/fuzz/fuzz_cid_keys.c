/* Any bytes as an export of connection ID keys, its digest mended so that the fuzzer gets past it: what is read and written again
 * reads the same. */
#include <sodium.h>
#include "cid/internal.h"
#include "fuzz/exact.h"

#define TAIL 72 /* "sha256 ", 64 digits, the end of the line */

static size_t mend(const uint8_t *data, size_t size, char *out)
{
	uint8_t hash[crypto_hash_sha256_BYTES];
	char hex[65];

	size = size < ZS_CIDS_EXPORT - TAIL - 1 ? size : ZS_CIDS_EXPORT - TAIL - 1;
	memcpy(out, data, size);
	crypto_hash_sha256(hash, data, size);
	sodium_bin2hex(hex, sizeof(hex), hash, sizeof(hash));
	memcpy(out + size, "sha256 ", 7);
	memcpy(out + size + 7, hex, 64);
	out[size + TAIL - 1] = '\n';
	return size + TAIL;
}

static void read_both(const char *text, size_t len)
{
	struct config file[ZS_CID_ROTATIONS] = { 0 }, again[ZS_CID_ROTATIONS] = { 0 };
	char *exact = (char *)fuzz_exact((const uint8_t *)text, len), out[ZS_CIDS_EXPORT];
	uint64_t pop, pop_again;

	if (zs_config_import(exact, len, &pop, file)) {
		ZS_CHECK(pop <= UINT32_MAX, "a PoP out of range");
		len = zs_config_export(file, (uint32_t)pop, out);
		ZS_CHECK(zs_config_import(out, len, &pop_again, again) && pop == pop_again &&
			     !memcmp(file, again, sizeof(file)),
			 "written again it reads otherwise");
	}
	free(exact);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char text[ZS_CIDS_EXPORT];

	read_both((const char *)data, size);
	read_both(text, mend(data, size, text));
	return 0;
}
