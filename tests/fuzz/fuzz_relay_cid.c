/* Any bytes as a burst of connection IDs: first octet the live configurations, then {length, that many bytes} each. What
 * decodes must encode to the same bytes, and every engine of this CPU must say the same. */
#include "fuzz/exact.h"
#include "relay/cidset.h"

static void make_set(struct zs_cidset *set, const struct zs_aes_engine *engine, uint8_t live)
{
	static const uint8_t key[ZS_AES_KEY] = "a key of sixteen";

	zs_cidset_init(set, engine);
	for (uint8_t i = 0; i < ZS_CID_ROTATIONS; i++)
		if (live >> i & 1)
			zs_cidset_put(set, i, key);
}

static size_t split(const uint8_t *data, size_t size, struct zs_cid_ref *ref)
{
	size_t n = 0;

	while (size && n < ZS_CID_BURST) {
		size_t len = data[0] % 32;

		len = len < size - 1 ? len : size - 1;
		ref[n++] = (struct zs_cid_ref){ fuzz_exact(data + 1, len), (uint32_t)len };
		data += 1 + len;
		size -= 1 + len;
	}
	return n;
}

static void judge(const struct zs_cidset *set, const struct zs_cid_ref *ref, const struct zs_cid *cid)
{
	uint8_t again[ZS_CID];

	if (cid->verdict != ZS_CID_OK) {
		ZS_CHECK(zs_cid_drop((enum zs_cid_verdict)cid->verdict) < ZS_DROPS);
		return;
	}
	zs_cidset_encode(set, cid, again);
	ZS_CHECK(!memcmp(again, ref->at, ZS_CID));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct zs_cid got[ZS_CID_BURST], first[ZS_CID_BURST];
	struct zs_cid_ref ref[ZS_CID_BURST];
	struct zs_cidset set;
	size_t n;

	if (!size)
		return 0;
	n = split(data + 1, size - 1, ref);
	for (size_t e = 0; zs_aes_engine(e); e++) {
		if (!zs_aes_engine(e)->here())
			continue;
		make_set(&set, zs_aes_engine(e), data[0]);
		memset(got, 0, sizeof(got));
		zs_cidset_decode(&set, ref, n, got);
		for (size_t i = 0; i < n; i++)
			judge(&set, &ref[i], &got[i]);
		if (zs_aes_engine(e) != zs_aes_best()) /* which comes first */
			ZS_CHECK(!memcmp(first, got, sizeof(got)));
		memcpy(first, got, sizeof(got));
	}
	for (size_t i = 0; i < n; i++)
		free((void *)(uintptr_t)ref[i].at);
	return 0;
}
