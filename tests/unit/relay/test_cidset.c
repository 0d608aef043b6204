/* Bursts of connection IDs against one at a time by relay/quiclb.h; wire.json's, good and bad. */
#include "unit/relay/vectors.h"

#include <stdlib.h>
#include <string.h>

#include "relay/cidset.h"
#include "relay/quiclb.h"
#include "unit/random.h"

static struct zs_cid decode_one(const struct zs_cidset *set, const uint8_t *bytes, size_t len)
{
	uint8_t *exact = malloc(len ? len : 1);
	struct zs_cid_ref ref = { exact, (uint32_t)len };
	struct zs_cid out;

	memcpy(exact, bytes, len);
	zs_cidset_decode(set, &ref, 1, &out);
	free(exact);
	return out;
}

static struct zs_cidset wire_set(json_t *v)
{
	struct zs_cidset set;
	uint8_t key[16];

	vector_bytes(json_object_get(v, "inputs"), "cid_key", key, sizeof(key));
	zs_cidset_init(&set, zs_aes_best());
	zs_cidset_put(&set, 2, key);
	return set;
}

static void wire_vector(void **state)
{
	json_t *v = vectors_load();
	struct zs_cidset set = wire_set(v);
	struct zs_cid cid;
	uint8_t bytes[ZS_CID];

	assert_int_equal(vector_bytes(v, "cid", bytes, sizeof(bytes)), ZS_CID);
	cid = decode_one(&set, bytes, sizeof(bytes));
	assert_int_equal(cid.verdict, ZS_CID_OK);
	assert_int_equal(cid.rotation, 2);
	assert_int_equal(cid.pop, 7);
	assert_int_equal(cid.attachment, 42);
	assert_int_equal(cid.generation, 1);
	assert_int_equal(cid.nonce, 0x01020304);
	zs_cidset_encode(&set, &cid, bytes);
	assert_vector(bytes, sizeof(bytes), v, "cid");
	json_decref(v);
}

/* wire.json's refusals that a connection ID causes by itself; a generation is for whoever knows the attachments. */
static void wire_refusals(void **state)
{
	static const struct {
		const char *reason;
		enum zs_cid_verdict want;
	} reasons[] = { { "cid zeros", ZS_CID_ZEROS },
			{ "cid length bits", ZS_CID_LENGTH },
			{ "cid rotation", ZS_CID_ROTATION },
			{ "cid owner", ZS_CID_OK } };
	json_t *v = vectors_load(), *row;
	struct zs_cidset set = wire_set(v);
	size_t at, met = 0;

	json_array_foreach(json_object_get(v, "negative"), at, row)
	{
		uint8_t bytes[96];

		for (size_t i = 0; i < ZS_ARRAY_LEN(reasons); i++) {
			struct zs_cid cid;

			if (strcmp(vector_text(row, "reason"), reasons[i].reason))
				continue;
			assert_int_equal(vector_bytes(row, "datagram", bytes, sizeof(bytes)), sizeof(bytes));
			cid = decode_one(&set, bytes + 6, ZS_CID);
			assert_int_equal(cid.verdict, reasons[i].want);
			if (cid.verdict == ZS_CID_OK)
				assert_true(cid.attachment == 42 && cid.generation == 2);
			met++;
		}
	}
	assert_int_equal(met, ZS_ARRAY_LEN(reasons));
	json_decref(v);
}

/* The same by the plain decoder and a list of rules. */
static struct zs_cid naive(const struct zs_quiclb *lb, uint8_t live, const uint8_t *bytes, size_t len)
{
	struct zs_cid cid = { .verdict = ZS_CID_SHORT };
	uint8_t id[12], nonce[4];

	if (len < ZS_CID)
		return cid;
	cid.verdict = ZS_CID_ROTATION;
	if (bytes[0] >> 5 == 7)
		return cid;
	cid.verdict = ZS_CID_LENGTH;
	if ((bytes[0] & 31) != 16)
		return cid;
	cid.verdict = ZS_CID_CONFIG;
	if (!(live >> (bytes[0] >> 5) & 1))
		return cid;
	cid.rotation = bytes[0] >> 5;
	assert_int_equal(zs_quiclb_decode(&lb[cid.rotation], bytes, len, id, nonce), ZS_QUICLB_OK);
	cid.pop = (uint32_t)id[0] << 24 | (uint32_t)id[1] << 16 | (uint32_t)id[2] << 8 | id[3];
	cid.attachment = (uint32_t)id[4] << 24 | (uint32_t)id[5] << 16 | (uint32_t)id[6] << 8 | id[7];
	cid.generation = (uint16_t)(id[8] << 8 | id[9]);
	cid.nonce = (uint32_t)nonce[0] << 24 | (uint32_t)nonce[1] << 16 | (uint32_t)nonce[2] << 8 | nonce[3];
	cid.verdict = id[10] || id[11] ? ZS_CID_ZEROS : ZS_CID_OK;
	return cid;
}

struct sets {
	struct zs_cidset set;
	struct zs_quiclb lb[ZS_CID_ROTATIONS];
};

static void draw_sets(struct sets *s, const struct zs_aes_engine *engine, struct random *r)
{
	zs_cidset_init(&s->set, engine);
	for (uint8_t i = 0; i < ZS_CID_ROTATIONS; i++) {
		uint8_t key[16];
		struct zs_quiclb_config c = { i, 12, 4, true, key };

		random_bytes(r, key, sizeof(key));
		zs_cidset_put(&s->set, i, key);
		assert_int_equal(zs_quiclb_init(&s->lb[i], &c, engine), 0);
		if (random_below(r, 3) == 0) { /* withdrawn, and sometimes there again under the key it had */
			zs_cidset_put(&s->set, i, NULL);
			if (random_below(r, 2))
				zs_cidset_put(&s->set, i, key);
		}
	}
}

/* Good, cut, of a wrong first octet, with a zero that is none. */
static size_t draw_bytes(struct sets *s, struct random *r, uint8_t *bytes)
{
	struct zs_cid cid = { .rotation = (uint8_t)random_below(r, ZS_CID_ROTATIONS),
			      .generation = (uint16_t)random_u64(r),
			      .pop = (uint32_t)random_u64(r),
			      .attachment = (uint32_t)random_u64(r),
			      .nonce = (uint32_t)random_u64(r) };

	random_bytes(r, bytes, 24);
	if (s->set.live >> cid.rotation & 1 && random_below(r, 4))
		zs_cidset_encode(&s->set, &cid, bytes);
	if (random_below(r, 8) == 0)
		bytes[0] = (uint8_t)random_u64(r);
	return random_below(r, 8) ? 17 + random_below(r, 8) : random_below(r, 17);
}

static void bursts(void **state)
{
	struct random r = random_new("cidset");
	uint64_t met[ZS_CID_ZEROS + 1] = { 0 };

	for (size_t n = 0; zs_aes_engine(n); n++)
		for (int round = 0; round < 400 && zs_aes_engine(n)->here(); round++) {
			struct zs_cid_ref ref[ZS_CID_BURST];
			struct zs_cid got[ZS_CID_BURST];
			size_t count = random_below(&r, ZS_CID_BURST + 1);
			struct sets s;

			draw_sets(&s, zs_aes_engine(n), &r);
			for (size_t i = 0; i < count; i++) {
				uint8_t bytes[24], *exact;

				ref[i].len = (uint32_t)draw_bytes(&s, &r, bytes);
				ref[i].at = exact = malloc(ref[i].len ? ref[i].len : 1);
				memcpy(exact, bytes, ref[i].len);
			}
			memset(got, 0xa5, sizeof(got));
			zs_cidset_decode(&s.set, ref, count, got);
			for (size_t i = 0; i < count; i++) {
				struct zs_cid want = naive(s.lb, s.set.live, ref[i].at, ref[i].len);

				assert_int_equal(got[i].verdict, want.verdict);
				met[want.verdict]++;
				if (want.verdict == ZS_CID_OK)
					assert_memory_equal(&got[i], &want, sizeof(want));
				free((void *)(uintptr_t)ref[i].at);
			}
			if (count < ZS_CID_BURST) /* nothing behind the burst is written */
				assert_int_equal(got[count].verdict, 0xa5);
		}
	for (size_t i = 0; i < ZS_ARRAY_LEN(met); i++)
		assert_true(met[i] > 0);
}

static void a_withdrawn_key_is_wiped(void **state)
{
	static const struct zs_aes none;
	uint8_t key[16] = { 1, 2, 3 };
	struct zs_cidset set;

	zs_cidset_init(&set, zs_aes_best());
	zs_cidset_put(&set, 4, key);
	assert_int_equal(set.live, 1 << 4);
	zs_cidset_put(&set, 4, NULL);
	assert_int_equal(set.live, 0);
	assert_memory_equal(&set.key[4], &none, sizeof(none));
}

static void drops(void **state)
{
	assert_int_equal(zs_cid_drop(ZS_CID_SHORT), ZS_DROP_cid_short);
	assert_int_equal(zs_cid_drop(ZS_CID_ROTATION), ZS_DROP_cid_unroutable);
	assert_int_equal(zs_cid_drop(ZS_CID_LENGTH), ZS_DROP_cid_malformed);
	assert_int_equal(zs_cid_drop(ZS_CID_CONFIG), ZS_DROP_cid_config);
	assert_int_equal(zs_cid_drop(ZS_CID_ZEROS), ZS_DROP_cid_malformed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(wire_vector), cmocka_unit_test(wire_refusals),
		cmocka_unit_test(bursts),      cmocka_unit_test(a_withdrawn_key_is_wiped),
		cmocka_unit_test(drops),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
