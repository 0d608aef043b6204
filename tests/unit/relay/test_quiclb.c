/* QUIC-LB: the draft's vectors, every length both ways by every engine, and what a decoder must refuse. */
#include "unit/relay/vectors.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "relay/quiclb.h"
#include "unit/random.h"

#define KEY "8f95f09245765f80256934e50c66207f"

struct row {
	uint8_t rotation;
	const char *id, *nonce, *cid;
};

static const struct row rows[] = {
	{ 0, "ed793a", "ee080dbf", "0720b1d07b359d3c" },
	{ 2, "ed793a51d49b8f5f", "ee080dbf48c0d1e5", "504dd2d05a7b0de9b2b9907afb5ecf8cc3" },
	{ 1, "ed793a51d49b8f5fab65", "ee080dbf48", "2fcc381bc74cb4fbad2823a3d1f8fed2" },
	/* The draft prints the first octet without its configuration bits. */
	{ 3, "ed793a51d49b8f5fab", "ee080dbf48c0d1e55d", "725779c9cc86beb3a3a4a3ca96fce4bfe0cdbc" },
};

static struct zs_quiclb lb(const struct zs_aes_engine *e, uint8_t rotation, uint8_t id, uint8_t nonce,
			   const uint8_t *key)
{
	struct zs_quiclb_config c = { rotation, id, nonce, true, key };
	struct zs_quiclb q;

	assert_int_equal(zs_quiclb_init(&q, &c, e), 0);
	return q;
}

static void draft_vectors(void **state)
{
	uint8_t key[16], id[ZS_QUICLB_MAX], nonce[ZS_QUICLB_MAX], cid[ZS_QUICLB_MAX + 1],
	    got[ZS_QUICLB_MAX + 1];

	hex_read(key, sizeof(key), KEY);
	for (size_t i = 0; i < ZS_ARRAY_LEN(rows); i++) {
		size_t id_len = hex_read(id, sizeof(id), rows[i].id);
		size_t nonce_len = hex_read(nonce, sizeof(nonce), rows[i].nonce);
		size_t len = hex_read(cid, sizeof(cid), rows[i].cid);
		struct zs_quiclb q = lb(zs_aes_best(), rows[i].rotation, (uint8_t)id_len, (uint8_t)nonce_len,
					key);

		assert_int_equal(zs_quiclb_len(&q), len);
		zs_quiclb_encode(&q, id, nonce, 0xff, got);
		assert_memory_equal(got, cid, len);
		memset(got, 0, sizeof(got));
		assert_int_equal(zs_quiclb_decode(&q, cid, len, got, NULL), ZS_QUICLB_OK);
		assert_memory_equal(got, id, id_len);
	}
}

/* WIRE's connection ID is the single pass over 12 and 4 bytes. */
static void wire_vector(void **state)
{
	json_t *v = vectors_load();
	uint8_t key[16], plain[16], got[17];
	struct zs_quiclb q;

	vector_bytes(json_object_get(v, "inputs"), "cid_key", key, sizeof(key));
	vector_bytes(v, "cid_plain", plain, sizeof(plain));
	q = lb(zs_aes_best(), 2, 12, 4, key);
	zs_quiclb_encode(&q, plain, plain + 12, 0, got);
	assert_vector(got, sizeof(got), v, "cid");
	json_decref(v);
}

/* An exactly sized copy, so that a byte read beyond it is found. */
static enum zs_quiclb_verdict decode(const struct zs_quiclb *q, const uint8_t *cid, size_t len, uint8_t *id,
				     uint8_t *nonce)
{
	uint8_t *exact = malloc(len ? len : 1);
	enum zs_quiclb_verdict v;

	memcpy(exact, cid, len);
	v = zs_quiclb_decode(q, exact, len, id, nonce);
	free(exact);
	return v;
}

static void there_and_back(const struct zs_quiclb *q, struct random *r)
{
	uint8_t id[ZS_QUICLB_MAX], nonce[ZS_QUICLB_MAX], cid[ZS_QUICLB_MAX + 1];
	uint8_t got_id[ZS_QUICLB_MAX] = { 0 }, got_nonce[ZS_QUICLB_MAX] = { 0 }, alone[ZS_QUICLB_MAX] = { 0 };
	size_t len = zs_quiclb_len(q);

	random_bytes(r, id, sizeof(id));
	random_bytes(r, nonce, sizeof(nonce));
	zs_quiclb_encode(q, id, nonce, (uint8_t)random_u64(r), cid);
	assert_int_equal(cid[0] >> 5, q->rotation);
	assert_int_equal(decode(q, cid, len, got_id, got_nonce), ZS_QUICLB_OK);
	assert_memory_equal(got_id, id, q->id_len);
	assert_memory_equal(got_nonce, nonce, q->nonce_len);
	assert_int_equal(decode(q, cid, len, alone, NULL), ZS_QUICLB_OK);
	assert_memory_equal(alone, id, q->id_len);
	if (!q->keyed)
		assert_true(!memcmp(cid + 1, id, q->id_len) &&
			    !memcmp(cid + 1 + q->id_len, nonce, q->nonce_len));
	assert_int_equal(decode(q, cid, len - 1, alone, NULL), ZS_QUICLB_SHORT);
}

/* All lengths there are, with and without a key and length bits. */
static void every_length(void **state)
{
	struct random r = random_new("quiclb");
	uint8_t key[16];

	for (size_t n = 0; zs_aes_engine(n); n++)
		for (uint8_t id = 1; id <= ZS_QUICLB_MAX - ZS_QUICLB_NONCE_MIN && zs_aes_engine(n)->here();
		     id++)
			for (uint8_t nonce = ZS_QUICLB_NONCE_MIN; id + nonce <= ZS_QUICLB_MAX; nonce++)
				for (int kind = 0; kind < 4; kind++) {
					struct zs_quiclb_config c = { .rotation = (uint8_t)random_below(&r,
													7),
								      .id_len = id,
								      .nonce_len = nonce,
								      .length_bits = kind & 1,
								      .key = kind & 2 ? key : NULL };
					struct zs_quiclb q;

					random_bytes(&r, key, sizeof(key));
					assert_int_equal(zs_quiclb_init(&q, &c, zs_aes_engine(n)), 0);
					for (int i = 0; i < 4; i++)
						there_and_back(&q, &r);
				}
}

static void refusals(void **state)
{
	static const struct zs_quiclb_config bad[] = { { 7, 3, 4, true, NULL },
						       { 0, 0, 4, true, NULL },
						       { 0, 3, 3, true, NULL },
						       { 0, 16, 4, true, NULL },
						       { 0, 255, 255, true, NULL } };
	uint8_t key[16] = { 1 }, cid[17] = { 0 }, id[12], nonce[4] = { 0 };
	struct zs_quiclb q = lb(zs_aes_best(), 5, 12, 4, key);

	for (size_t i = 0; i < ZS_ARRAY_LEN(bad); i++)
		assert_int_equal(zs_quiclb_init(&q, &bad[i], zs_aes_best()), -EINVAL);
	q = lb(zs_aes_best(), 5, 12, 4, key);
	memset(id, 7, sizeof(id));
	zs_quiclb_encode(&q, id, nonce, 0, cid);
	for (unsigned first = 0; first < 256; first++) {
		enum zs_quiclb_verdict want = first >> 5 != 5	     ? ZS_QUICLB_ROTATION
					      : (first & 0x1f) != 16 ? ZS_QUICLB_LENGTH
								     : ZS_QUICLB_OK;

		cid[0] = (uint8_t)first;
		assert_int_equal(decode(&q, cid, sizeof(cid), id, nonce), want);
	}
	for (size_t len = 0; len < sizeof(cid); len++)
		assert_int_equal(decode(&q, cid, len, id, nonce), ZS_QUICLB_SHORT);
}

/* Without length bits they are noise: any will do. */
static void random_bits(void **state)
{
	struct zs_quiclb_config c = { 6, 3, 4, false, NULL };
	uint8_t id[3] = { 1, 2, 3 }, nonce[4] = { 4, 5, 6, 7 }, cid[8];
	struct zs_quiclb q;

	assert_int_equal(zs_quiclb_init(&q, &c, zs_aes_best()), 0);
	for (uint8_t noise = 0; noise < 32; noise++) {
		zs_quiclb_encode(&q, id, nonce, (uint8_t)(noise | 0xe0), cid);
		assert_int_equal(cid[0], 6 << 5 | noise);
		assert_int_equal(decode(&q, cid, sizeof(cid), id, NULL), ZS_QUICLB_OK);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(draft_vectors), cmocka_unit_test(wire_vector),
		cmocka_unit_test(every_length),	 cmocka_unit_test(refusals),
		cmocka_unit_test(random_bits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
