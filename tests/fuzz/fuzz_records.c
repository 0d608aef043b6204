/* Records of the store about drains, deny lists and usage: what is read is whole, and written again it is the same bytes. First
 * byte: which; of a deny list the key's bytes come before the value's. */
#include "drain.h"
#include "fuzz/exact.h"
#include "lists.h"
#include "shm/acl.h"
#include "usage/internal.h"

static void same(const uint8_t *out, size_t out_len, const uint8_t *in, size_t len)
{
	ZS_CHECK(out_len == len && !memcmp(out, in, len), "what was read is written otherwise");
}

static void drain(const uint8_t *in, size_t len)
{
	uint8_t out[ZS_DRAIN_RECORD];
	struct zs_drain d;

	if (!zs_drain_record_read(&d, in, len))
		return;
	ZS_CHECK(d.state == ZS_DRAINING || d.state == ZS_DRAINED, "a drain that is none");
	zs_drain_record_write(out, &d);
	same(out, sizeof(out), in, len);
}

static void listed(const uint8_t *in, size_t len)
{
	size_t key_len = len < ZS_LISTED_KEY ? len : ZS_LISTED_KEY;
	uint8_t *value = fuzz_exact(in + key_len, len - key_len), key[ZS_LISTED_KEY], out[ZS_LISTED_RECORD];
	struct zs_listed r;
	size_t out_len;

	if (zs_listed_read(&r, in, key_len, value, len - key_len)) {
		ZS_CHECK((r.deny | r.allow) && !(r.deny & r.allow) && r.prefix.len <= 128,
			 "a rule that says nothing");
		out_len = zs_listed_write(&r, key, out);
		same(key + 4, sizeof(key) - 4, in + 4, key_len - 4); /* the store looked at what is before */
		same(out, out_len, value, len - key_len);
	}
	free(value);
}

static void sum(const uint8_t *in, size_t len)
{
	uint8_t out[USAGE_SUM];
	struct zs_usage_sum s;

	if (zs_usage_read_sum(&s, in, len))
		same(out, zs_usage_write_sum(&s, out), in, len);
}

static void last(const uint8_t *in, size_t len)
{
	uint8_t out[USAGE_LAST];
	struct last l;

	if (!zs_usage_read_last(&l, in, len))
		return;
	ZS_CHECK(l.owner.len && l.workers <= ZS_WORKERS_MAX, "nobody's, or more workers than there can be");
	same(out, zs_usage_write_last(&l, out), in, len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const readers[])(const uint8_t *in, size_t len) = { drain, listed, sum, last };
	uint8_t *exact;

	if (!size)
		return 0;
	exact = fuzz_exact(data + 1, size - 1);
	readers[data[0] % ZS_ARRAY_LEN(readers)](exact, size - 1);
	free(exact);
	return 0;
}
