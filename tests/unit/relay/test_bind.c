/* The BIND family's bytes: the vectors of tests/vectors/wire.json, every field there and back, what form alone refuses; CMAC and
 * cookies. */
#include "unit/relay/vectors.h"

#include "crypto/cmac.h"
#include "relay/bind.h"
#include "relay/cookie.h"

/* The group's state: an engine. */
static int setup(void **state)
{
	struct zs_gcm_engine *e = malloc(sizeof(*e));

	zs_gcm_engine_best(e);
	*state = e;
	return 0;
}

static int teardown(void **state)
{
	zs_gcm_engine_fini(*state);
	free(*state);
	return 0;
}

static struct zs_bind_keys keys_of(const struct zs_gcm_engine *e, const json_t *v)
{
	struct zs_bind_keys keys;
	uint8_t root[ZS_ATTACH_SECRET];

	assert_int_equal(vector_bytes(v, "R", root, sizeof(root)), sizeof(root));
	zs_bind_keys_make(e, root, &keys);
	return keys;
}

/* Each message of the vectors: read, verified, written again from its fields alone. */
static void test_vectors(void **state)
{
	static const struct {
		const char *name;
		uint8_t kind;
		uint16_t lifetime_s;
		uint64_t counter;
		bool cookie;
	} rows[] = {
		{ "bind_counter5", ZS_BIND_KIND_bind, 75, 5, false },
		{ "challenge_counter5", ZS_BIND_KIND_challenge, 0, 5, true },
		{ "bind_cookie_counter6", ZS_BIND_KIND_bind, 75, 6, true },
		{ "bound_counter6", ZS_BIND_KIND_bound, 75, 6, false },
		{ "unbind_counter7", ZS_BIND_KIND_unbind, 0, 7, false },
		{ "bound_to_unbind_counter7", ZS_BIND_KIND_bound, 0, 7, false },
	};
	json_t *v = vectors_load(), *b = json_object_get(v, "bind");
	struct zs_bind_keys keys = keys_of(*state, v);
	uint8_t cookie[16], zeros[16] = { 0 }, bytes[96], again[96], cid[17];
	struct zs_endpoint seen;

	vector_bytes(b, "cookie", cookie, sizeof(cookie));
	vector_bytes(v, "cid", cid, sizeof(cid));
	assert_int_equal(zs_endpoint_parse(&seen, "192.0.2.33:5000"), 0);
	for (size_t i = 0; i < ZS_ARRAY_LEN(rows); i++) {
		bool answer = rows[i].kind == ZS_BIND_KIND_challenge || rows[i].kind == ZS_BIND_KIND_bound;
		const struct zs_gcm_key *key = answer ? &keys.answer : &keys.request;
		struct zs_bind m;

		assert_int_equal(vector_bytes(b, rows[i].name, bytes, sizeof(bytes)), 96);
		assert_int_equal((answer ? zs_bind_read_answer : zs_bind_read_request)(bytes, 96, &m), 0);
		assert_int_equal((answer ? zs_bind_read_request : zs_bind_read_answer)(bytes, 96, &m),
				 ZS_BIND_FAULT_kind);
		assert_true(zs_bind_verify(*state, bytes, &m, key));
		assert_false(zs_bind_verify(*state, bytes, &m, answer ? &keys.request : &keys.answer));
		assert_int_equal(m.kind, rows[i].kind);
		assert_int_equal(m.bind_id, 9);
		assert_int_equal(m.lifetime_s, rows[i].lifetime_s);
		assert_int_equal(m.counter, rows[i].counter);
		assert_int_equal(m.status, 0);
		assert_memory_equal(m.cid, cid, sizeof(cid));
		assert_memory_equal(m.cookie, rows[i].cookie ? cookie : zeros, 16);
		assert_int_equal(m.seen.port, answer ? seen.port : 0);
		assert_memory_equal(m.seen.addr.ip, answer ? seen.addr.ip : zeros, 16);
		zs_bind_write(*state, &m, key, again);
		assert_memory_equal(bytes, again, 96);
	}
	json_decref(v);
}

static void test_nudge(void **state)
{
	json_t *v = vectors_load(), *b = json_object_get(v, "bind");
	uint8_t bytes[29] = { 0 }, again[28], cid[17], want[17];

	vector_bytes(v, "cid", want, sizeof(want));
	assert_int_equal(vector_bytes(b, "nudge", bytes, sizeof(bytes)), 28);
	assert_int_equal(zs_bind_read_nudge(bytes, 28, cid), ZS_BIND_OK);
	assert_memory_equal(cid, want, sizeof(cid));
	zs_bind_write_nudge(cid, again);
	assert_memory_equal(bytes, again, 28);
	assert_int_equal(zs_bind_read_nudge(bytes, 29, cid), ZS_BIND_FAULT_nudge_size);
	for (size_t i = 0; i < 28; i++) {
		if (i >= 6 && i < 23)
			continue; /* the connection ID */
		bytes[i] ^= 0x40;
		assert_int_equal(zs_bind_read_nudge(bytes, 28, cid), ZS_BIND_FAULT_nudge_form);
		bytes[i] ^= 0x40;
	}
	json_decref(v);
}

/* Those that never reach a key. tests/unit/relay/test_binding.c has the others. */
static void test_form(void **state)
{
	static const struct {
		const char *reason;
		enum zs_bind_fault fault;
	} rows[] = {
		{ "kind", ZS_BIND_FAULT_kind },
		{ "answer fields in a request", ZS_BIND_FAULT_fields },
		{ "zeros", ZS_BIND_FAULT_zeros },
		{ "first byte", ZS_BIND_FAULT_first_byte },
		{ "version", ZS_BIND_FAULT_version },
		{ "cid lengths", ZS_BIND_FAULT_cid_lengths },
		{ "bind size", ZS_BIND_FAULT_size },
		{ "nudge size", ZS_BIND_FAULT_nudge_size },
		{ "nudge form", ZS_BIND_FAULT_nudge_form },
	};
	json_t *v = vectors_load(), *n;
	unsigned met = 0, met_rows = 0;
	size_t i, k;

	json_array_foreach(json_object_get(v, "negative"), i, n)
	{
		const char *name = vector_text(n, "name");
		uint8_t bytes[128], cid[17];
		size_t len;
		struct zs_bind m;

		if (strncmp(name, "bind/", 5) != 0 && strncmp(name, "nudge/", 6) != 0)
			continue;
		len = vector_bytes(n, "datagram", bytes, sizeof(bytes));
		uint8_t *exact = exact_copy(bytes, len);
		for (k = 0; k < ZS_ARRAY_LEN(rows); k++) {
			if (strcmp(rows[k].reason, vector_text(n, "reason")) != 0)
				continue;
			assert_int_equal(*name == 'n' ? zs_bind_read_nudge(exact, len, cid)
						      : zs_bind_read_request(exact, len, &m),
					 rows[k].fault);
			met++;
			met_rows |= 1u << k;
		}
		assert_true(zs_bind_is(exact, len));
		free(exact);
	}
	assert_int_equal(met, 10);
	assert_int_equal(met_rows, (1u << ZS_ARRAY_LEN(rows)) - 1);
	json_decref(v);
}

/* Answers and UNBINDs whose fields contradict their kind, with tags that are right. */
static void test_fields(void **state)
{
	static const struct zs_bind good[] = {
		{ .kind = ZS_BIND_KIND_unbind, .counter = 1 },
		{ .kind = ZS_BIND_KIND_challenge, .counter = 1, .cookie = { 7 } },
		{ .kind = ZS_BIND_KIND_bound, .counter = 1, .lifetime_s = 75 },
		{ .kind = ZS_BIND_KIND_bound, .counter = 1, .status = ZS_BIND_STATUS_stale },
	};
	static const struct zs_bind bad[] = {
		{ .kind = ZS_BIND_KIND_unbind, .counter = 1, .lifetime_s = 1 },
		{ .kind = ZS_BIND_KIND_unbind, .counter = 1, .cookie = { [15] = 1 } },
		{ .kind = ZS_BIND_KIND_challenge, .counter = 1, .lifetime_s = 1 },
		{ .kind = ZS_BIND_KIND_challenge, .counter = 1, .status = 1 },
		{ .kind = ZS_BIND_KIND_bound, .counter = 1, .cookie = { 1 } },
		{ .kind = ZS_BIND_KIND_bound, .counter = 1, .lifetime_s = 76 },
		{ .kind = ZS_BIND_KIND_bound, .counter = 1, .status = 4 },
		{ .kind = ZS_BIND_KIND_bound, .counter = 1, .lifetime_s = 1, .status = 1 },
	};
	static const uint8_t some[16] = { 1 };
	struct zs_gcm_key key;
	uint8_t bytes[96];
	struct zs_bind m;

	zs_gcm_key_set(*state, &key, some, some);
	for (size_t i = 0; i < ZS_ARRAY_LEN(good); i++) {
		zs_bind_write(*state, &good[i], &key, bytes);
		assert_int_equal((i < 1 ? zs_bind_read_request : zs_bind_read_answer)(bytes, 96, &m), 0);
		assert_true(zs_bind_unbind_ok(&m));
	}
	for (size_t i = 0; i < ZS_ARRAY_LEN(bad); i++) {
		bool answer = bad[i].kind != ZS_BIND_KIND_unbind;

		zs_bind_write(*state, &bad[i], &key, bytes);
		assert_int_equal((answer ? zs_bind_read_answer : zs_bind_read_request)(bytes, 96, &m),
				 answer ? ZS_BIND_FAULT_fields : ZS_BIND_OK);
		assert_int_equal(zs_bind_unbind_ok(&m), answer);
	}
}

/* Each byte that has to be zero, one by one. */
static void test_zeros(void **state)
{
	static const uint8_t some[16] = { 1 };
	const struct zs_bind kinds[] = { { .kind = ZS_BIND_KIND_bind, .counter = 1, .lifetime_s = 75 },
					 { .kind = ZS_BIND_KIND_bound, .counter = 1, .lifetime_s = 75 } };
	struct zs_gcm_key key;
	uint8_t bytes[96];
	struct zs_bind m;

	zs_gcm_key_set(*state, &key, some, some);
	for (int answer = 0; answer < 2; answer++) {
		zs_bind_write(*state, &kinds[answer], &key, bytes);
		for (int i = answer ? 72 : 52; i < 80; i++) {
			bytes[i] = 1;
			assert_int_equal((answer ? zs_bind_read_answer : zs_bind_read_request)(bytes, 96, &m),
					 i < 72 ? ZS_BIND_FAULT_fields : ZS_BIND_FAULT_zeros);
			bytes[i] = 0;
		}
	}
}

/* What the relay keeps for itself, and what is a stack's. */
static void test_is(void **state)
{
	uint8_t bytes[96] = { 0xc0, 0x5a, 0x53, 0, 1 };

	assert_true(zs_bind_is(bytes, 96));
	assert_true(zs_bind_is(bytes, 5));
	assert_false(zs_bind_is(bytes, 4));
	assert_false(zs_bind_is(bytes, 0));
	bytes[3] = 0xff;
	bytes[0] = 0x80; /* the fixed bit is greased by some */
	assert_true(zs_bind_is(bytes, 96));
	bytes[0] = 0x40;
	assert_false(zs_bind_is(bytes, 96));
	bytes[0] = 0xc0;
	bytes[2] = 0x54;
	assert_false(zs_bind_is(bytes, 96));
	memcpy(bytes + 1, (uint8_t[]){ 0, 0, 0, 1 }, 4);
	assert_false(zs_bind_is(bytes, 96));
}

/* RFC 4493 §4. */
static void test_cmac(void **state)
{
	static const char key_text[] = "2b7e151628aed2a6abf7158809cf4f3c";
	static const char text[] = "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51"
				   "30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710";
	static const struct {
		size_t len;
		const char *mac;
	} rows[] = {
		{ 0, "bb1d6929e95937287fa37d129b756746" },
		{ 16, "070a16b46b4d4144f79bdd9dd04a287c" },
		{ 40, "dfa66747de9ae63030ca32611497c827" },
		{ 64, "51f0bebf7e3b9d92fc49741779363cfe" },
	};
	uint8_t key[16], bytes[64], want[16], got[16];

	hex_read(key, sizeof(key), key_text);
	hex_read(bytes, sizeof(bytes), text);
	for (size_t i = 0; i < ZS_ARRAY_LEN(rows); i++) {
		hex_read(want, sizeof(want), rows[i].mac);
		zs_cmac(key, bytes, rows[i].len, got);
		assert_memory_equal(got, want, 16);
	}
}

static void test_cookie(void **state)
{
	json_t *v = vectors_load();
	struct zs_cookie_secrets s = { 0 }, empty = { 0 }, rolled = { .now = { 0x77 } };
	struct zs_cookie_of of = { .local = 1, .attachment = 42, .generation = 1 }, other;
	uint8_t cookie[16], made[16];

	vector_bytes(json_object_get(v, "inputs"), "cookie_secret", s.now, sizeof(s.now));
	vector_bytes(json_object_get(v, "bind"), "cookie", cookie, sizeof(cookie));
	assert_int_equal(zs_endpoint_parse(&of.from, "192.0.2.33:5000"), 0);
	zs_cookie_make(s.now, &of, 12345, made);
	assert_memory_equal(made, cookie, 16);
	assert_int_equal(zs_cookie_step(12345 * 60 + 59), 12345);
	/* Steps and secrets it holds for. */
	assert_true(zs_cookie_verify(&s, &of, 12345, cookie));
	assert_true(zs_cookie_verify(&s, &of, 12346, cookie));
	assert_false(zs_cookie_verify(&s, &of, 12347, cookie));
	assert_false(zs_cookie_verify(&s, &of, 12344, cookie));
	memcpy(rolled.previous, s.now, 16);
	assert_true(zs_cookie_verify(&rolled, &of, 12346, cookie));
	memset(rolled.previous, 0x78, 16);
	assert_false(zs_cookie_verify(&rolled, &of, 12345, cookie));
	/* Every field counts. */
	for (int i = 0; i < 6; i++) {
		other = of;
		other.from.addr.ip[15] ^= i == 0;
		other.from.port ^= i == 1;
		other.local ^= i == 2;
		other.attachment ^= i == 3 ? 1u << 31 : 0;
		other.generation ^= i == 4 ? 1u << 15 : 0;
		other.from.addr.ip[0] ^= i == 5;
		assert_false(zs_cookie_verify(&s, &other, 12345, cookie));
	}
	/* No secret: nothing verifies, not even what an all-zero one makes. */
	assert_false(zs_cookie_ready(&empty));
	assert_true(zs_cookie_ready(&s));
	zs_cookie_make(empty.now, &of, 12345, made);
	assert_false(zs_cookie_verify(&empty, &of, 12345, made));
	assert_false(zs_cookie_verify(&s, &of, 12345, made));
	json_decref(v);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vectors), cmocka_unit_test(test_nudge),  cmocka_unit_test(test_form),
		cmocka_unit_test(test_fields),	cmocka_unit_test(test_zeros),  cmocka_unit_test(test_is),
		cmocka_unit_test(test_cmac),	cmocka_unit_test(test_cookie),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
