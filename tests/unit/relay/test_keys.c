/* The key schedule: the vectors of tests/vectors/wire.json, pre-shared keys. */
#include <errno.h>
#include <stdio.h>

#include "relay/keys.h"
#include "unit/relay/vectors.h"

static void assert_key(const uint8_t x[32], const json_t *row, const char *key, const char *iv)
{
	struct zs_attach_key k;

	zs_attach_key(x, &k);
	assert_vector(k.key, sizeof(k.key), row, key);
	assert_vector(k.iv, sizeof(k.iv), row, iv);
}

static void lanes_of(const json_t *vectors, const uint8_t r[32])
{
	const json_t *row;
	const char *name;
	unsigned dir, lane, rows = 0;

	json_object_foreach(json_object_get(vectors, "lanes"), name, row)
	{
		uint8_t l[32];
		assert_int_equal(sscanf(name, "dir%u_lane%u", &dir, &lane), 2);
		zs_attach_lane(r, (enum zs_attach_dir)dir, (uint8_t)lane, l);
		assert_vector(l, 32, row, "L0");
		assert_key(l, row, "key_L0", "iv_L0");
		zs_attach_ratchet(l, l);
		assert_vector(l, 32, row, "L1");
		assert_key(l, row, "key_L1", "iv_L1");
		rows++;
	}
	assert_int_equal(rows, 4);
}

static void bind_keys_of(const json_t *vectors, const uint8_t r[32])
{
	const json_t *keys = json_object_get(vectors, "bind_keys");

	for (int dir = 0; dir < 2; dir++) {
		const json_t *row = json_object_get(keys, dir ? "dir1" : "dir0");
		uint8_t b[32];
		zs_attach_bind(r, (enum zs_attach_dir)dir, b);
		assert_vector(b, 32, row, "B");
		assert_key(b, row, "key", "iv");
	}
}

static void key_schedule(void **state)
{
	json_t *v = vectors_load(), *inputs = json_object_get(v, "inputs");
	uint8_t hello[128], grant[128], s[32], hash[32], h[32], r[32], none[32] = { 0 }, psk[32] = { 1 },
								       other[32];

	size_t hello_len = vector_bytes(inputs, "hello", hello, sizeof(hello)),
	       grant_len = vector_bytes(inputs, "grant", grant, sizeof(grant));
	assert_int_equal(vector_bytes(inputs, "S", s, sizeof(s)), 32);
	zs_attach_grant_hash(grant, grant_len, hash);
	assert_vector(hash, 32, v, "grant_hash");
	zs_attach_transcript(hello, hello_len, hash, h);
	assert_vector(h, 32, v, "h");
	assert_int_equal(zs_attach_root(s, NULL, r), 0);
	assert_vector(r, 32, v, "R");
	assert_int_equal(zs_attach_root(s, none, other), -EINVAL);
	assert_int_equal(zs_attach_root(s, psk, other), 0);
	assert_memory_not_equal(other, r, 32);
	lanes_of(v, r);
	bind_keys_of(v, r);
	json_decref(v);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(key_schedule) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
