/* The relay's decision on requests: the vectors and what must be refused, word for word; then the rules one by one. */
#include "unit/relay/vectors.h"

#include "relay/cidset.h"
#include "unit/relay/bind_relay.h"

#define UNIX_S	  (12345 * 60 + 7)
#define LONG_AGO  1000000000000u
#define ATTACHED  42
#define LOCAL	  1
#define SECOND(n) ((n)*ZS_NS_PER_S)

struct rig {
	struct zs_gcm_engine engine;
	struct bind_relay relay;
	struct zs_endpoint home, away; /* of the peer */
	uint8_t cid[17];
	struct zs_bind_keys keys; /* of the session that asks */
	uint8_t bind_id;
	uint64_t counter;
	json_t *v;
};

static void use(struct rig *r, int i)
{
	zs_bind_keys_make(&r->engine, r->relay.root[i], &r->keys);
	r->bind_id = r->relay.session[i].bind_id;
	r->counter = 0;
}

static int setup(void **state)
{
	struct rig *r = aligned_alloc(64, ZS_ALIGN_UP(sizeof(*r), 64));
	uint8_t root[32];

	memset(r, 0, sizeof(*r));
	*state = r;
	r->v = vectors_load();
	zs_gcm_engine_best(&r->engine);
	vector_bytes(r->v, "R", root, sizeof(root));
	vector_bytes(r->v, "cid", r->cid, sizeof(r->cid));
	r->relay = (struct bind_relay){ .attachment = ATTACHED,
					.generation = 1,
					.now_ns = LONG_AGO,
					.unix_s = UNIX_S,
					.engine = &r->engine };
	vector_bytes(json_object_get(r->v, "inputs"), "cookie_secret", r->relay.secrets.now, 16);
	bind_relay_session(&r->relay, 0, 700, 9, root);
	zs_endpoint_parse(&r->home, "192.0.2.33:5000");
	zs_endpoint_parse(&r->away, "[2001:db8::7]:6000");
	use(r, 0);
	return 0;
}

static int teardown(void **state)
{
	struct rig *r = *state;

	json_decref(r->v);
	zs_gcm_engine_fini(&r->engine);
	free(r);
	return 0;
}

static struct zs_bind_verdict ask_as(struct rig *r, const struct zs_bind *m, const struct zs_endpoint *from,
				     uint8_t local)
{
	uint8_t bytes[96];

	zs_bind_write(&r->engine, m, &r->keys.request, bytes);
	return bind_relay_take(&r->relay, bytes, 96, r->relay.generation, from, local);
}

static struct zs_bind_verdict ask(struct rig *r, uint8_t kind, const uint8_t *cookie,
				  const struct zs_endpoint *from)
{
	struct zs_bind m = { .kind = kind, .bind_id = r->bind_id, .counter = ++r->counter };

	m.lifetime_s = kind == ZS_BIND_KIND_bind ? 75 : 0;
	memcpy(m.cid, r->cid, 17);
	if (cookie)
		memcpy(m.cookie, cookie, 16);
	return ask_as(r, &m, from, LOCAL);
}

/* The answer is authentic and repeats what it must; its fields. */
static struct zs_bind answer_of(const struct rig *r, const struct zs_bind_verdict *v,
				const struct zs_endpoint *from)
{
	struct zs_bind m;

	assert_int_not_equal(v->outcome, ZS_BIND_DROPPED);
	assert_int_equal(zs_bind_read_answer(v->answer, 96, &m), ZS_BIND_OK);
	assert_true(zs_bind_verify(&r->engine, v->answer, &m, &r->keys.answer));
	assert_int_equal(m.bind_id, r->bind_id);
	assert_int_equal(m.counter, r->counter);
	assert_memory_equal(m.cid, r->cid, 17);
	assert_int_equal(m.seen.port, from->port);
	assert_memory_equal(&m.seen.addr, &from->addr, 16);
	return m;
}

static void assert_bound(const struct rig *r, const struct zs_endpoint *at)
{
	const struct bind_relay *relay = &r->relay;
	bool lives = zs_binding_lives(&relay->entry, relay->generation, relay->now_ns);

	assert_int_equal(lives, at != NULL);
	if (at) {
		assert_int_equal(relay->entry.port, at->port);
		assert_memory_equal(&relay->entry.addr, &at->addr, 16);
	}
}

static void bind_at(struct rig *r, const struct zs_endpoint *at)
{
	struct zs_bind_verdict v = ask(r, ZS_BIND_KIND_bind, NULL, at);
	struct zs_bind m = answer_of(r, &v, at);

	if (v.outcome == ZS_BIND_CHALLENGED)
		v = ask(r, ZS_BIND_KIND_bind, m.cookie, at);
	assert_int_equal(answer_of(r, &v, at).kind, ZS_BIND_KIND_bound);
	assert_bound(r, at);
}

/* --- the vectors ------------------------------------------------------------------------------ */

static void step(struct rig *r, const char *request, enum zs_bind_outcome outcome, const char *answer)
{
	const json_t *b = json_object_get(r->v, "bind");
	uint8_t bytes[96];
	struct zs_bind_verdict v;

	vector_bytes(b, request, bytes, sizeof(bytes));
	v = bind_relay_take(&r->relay, bytes, 96, 1, &r->home, LOCAL);
	assert_int_equal(v.outcome, outcome);
	assert_vector(v.answer, 96, b, answer);
}

static void test_vectors(void **state)
{
	struct rig *r = *state;

	step(r, "bind_counter5", ZS_BIND_CHALLENGED, "challenge_counter5");
	assert_bound(r, NULL);
	step(r, "bind_cookie_counter6", ZS_BIND_MOVED, "bound_counter6");
	assert_bound(r, &r->home);
	assert_int_equal(r->relay.entry.expires_ns, LONG_AGO + SECOND(75));
	step(r, "unbind_counter7", ZS_BIND_ENDED, "bound_to_unbind_counter7");
	assert_bound(r, NULL);
}

static void test_challenged_again(void **state)
{
	struct rig *r = *state;
	json_t *rows = json_object_get(r->v, "cookie_refused_challenge_again"), *row;
	size_t i;

	assert_int_equal(json_array_size(rows), 4);
	json_array_foreach(rows, i, row)
	{
		json_t *from = json_object_get(row, "from");
		struct zs_endpoint at = { .port = (uint16_t)json_integer_value(json_array_get(from, 1)) };
		struct zs_bind_verdict v;
		uint8_t bytes[96];

		zs_addr_parse(&at.addr, json_string_value(json_array_get(from, 0)));
		vector_bytes(row, "request", bytes, sizeof(bytes));
		memset(&r->relay.entry, 0, sizeof(r->relay.entry));
		r->relay.unix_s = (uint64_t)json_integer_value(json_object_get(row, "step")) * 60;
		v = bind_relay_take(&r->relay, bytes, 96, 1, &at,
				    (uint8_t)json_integer_value(json_array_get(from, 2)));
		assert_int_equal(v.outcome, ZS_BIND_CHALLENGED);
		assert_vector(v.answer, 96, row, "answer");
		assert_bound(r, NULL);
	}
}

/* What a connection ID under the vectors' key says. */
static struct zs_cid decode(const struct rig *r, const uint8_t *cid)
{
	const struct zs_cid_ref ref = { .at = cid, .len = ZS_CID };
	struct zs_cidset set;
	struct zs_cid out;
	uint8_t key[16];

	vector_bytes(json_object_get(r->v, "inputs"), "cid_key", key, sizeof(key));
	zs_cidset_init(&set, zs_aes_best());
	zs_cidset_put(&set, r->cid[0] >> 5, key);
	zs_cidset_decode(&set, &ref, 1, &out);
	return out;
}

static void test_negative(void **state)
{
	static const struct {
		const char *reason;
		enum zs_bind_fault fault;
		enum zs_cid_verdict cid; /* not OK: this is why, before BIND is looked at */
	} rows[] = {
		{ "cid zeros", 0, ZS_CID_ZEROS },
		{ "cid length bits", 0, ZS_CID_LENGTH },
		{ "cid rotation", 0, ZS_CID_ROTATION },
		{ "tag", ZS_BIND_FAULT_tag, ZS_CID_OK },
		{ "kind", ZS_BIND_FAULT_kind, ZS_CID_OK },
		{ "bind key id", ZS_BIND_FAULT_bind_id, ZS_CID_OK },
		{ "answer fields in a request", ZS_BIND_FAULT_fields, ZS_CID_OK },
		{ "zeros", ZS_BIND_FAULT_zeros, ZS_CID_OK },
		{ "first byte", ZS_BIND_FAULT_first_byte, ZS_CID_OK },
		{ "version", ZS_BIND_FAULT_version, ZS_CID_OK },
		{ "cid lengths", ZS_BIND_FAULT_cid_lengths, ZS_CID_OK },
		{ "bind size", ZS_BIND_FAULT_size, ZS_CID_OK },
		{ "cid owner", ZS_BIND_FAULT_owner, ZS_CID_OK },
		{ "counter", ZS_BIND_FAULT_counter, ZS_CID_OK },
	};
	struct rig *r = *state;
	unsigned met = 0, met_rows = 0;
	json_t *n, *before;
	size_t i, k;

	json_array_foreach(json_object_get(r->v, "negative"), i, n)
	{
		uint8_t bytes[128];
		size_t len;

		if (strncmp(vector_text(n, "name"), "bind/", 5) != 0 || !strcmp(vector_text(n, "at"), "edge"))
			continue;
		memset(&r->relay.entry, 0, sizeof(r->relay.entry));
		json_array_foreach(json_object_get(n, "before"), k, before)
		{
			len = hex_read(bytes, sizeof(bytes), json_string_value(before));
			bind_relay_take(&r->relay, bytes, len, 1, &r->home, LOCAL);
		}
		len = vector_bytes(n, "datagram", bytes, sizeof(bytes));
		for (k = 0; k < ZS_ARRAY_LEN(rows); k++) {
			struct zs_binding as_before = r->relay.entry;
			struct zs_cid cid = decode(r, bytes + 6);
			struct zs_bind_verdict v;

			if (strcmp(rows[k].reason, vector_text(n, "reason")) != 0)
				continue;
			met++;
			met_rows |= 1u << k;
			assert_int_equal(cid.verdict, rows[k].cid);
			if (cid.verdict != ZS_CID_OK)
				continue;
			assert_int_equal(cid.attachment, ATTACHED);
			v = bind_relay_take(&r->relay, bytes, len, cid.generation, &r->home, LOCAL);
			assert_int_equal(v.outcome, ZS_BIND_DROPPED);
			assert_string_equal(zs_bind_fault_name(v.fault), zs_bind_fault_name(rows[k].fault));
			assert_memory_equal(&as_before, &r->relay.entry, sizeof(as_before));
		}
	}
	assert_int_equal(met, 20);
	assert_int_equal(met_rows, (1u << ZS_ARRAY_LEN(rows)) - 1);
}

/* --- the rules -------------------------------------------------------------------------------- */

static void test_moves_only_by_its_own_cookie(void **state)
{
	struct rig *r = *state;
	struct zs_bind_verdict v;
	struct zs_bind home, away;
	struct zs_endpoint at;

	bind_at(r, &r->home);
	v = ask(r, ZS_BIND_KIND_bind, NULL, &r->away);
	away = answer_of(r, &v, &r->away);
	assert_int_equal(v.outcome, ZS_BIND_CHALLENGED);
	assert_bound(r, &r->home);
	at = r->home;
	at.port++;
	v = ask(r, ZS_BIND_KIND_bind, away.cookie, &at);
	assert_int_equal(v.outcome, ZS_BIND_CHALLENGED);
	home = answer_of(r, &v, &at);
	v = ask(r, ZS_BIND_KIND_bind, home.cookie, &r->away);
	assert_int_equal(v.outcome, ZS_BIND_CHALLENGED);
	assert_bound(r, &r->home);
	v = ask(r, ZS_BIND_KIND_bind, away.cookie, &r->away);
	assert_int_equal(v.outcome, ZS_BIND_MOVED);
	assert_bound(r, &r->away);
	/* From where it is bound no cookie is asked for, not even a right one. */
	v = ask(r, ZS_BIND_KIND_bind, home.cookie, &r->away);
	assert_int_equal(v.outcome, ZS_BIND_KEPT);
	/* The same address and port by another address of the relay is another place. */
	v = ask_as(r, &(struct zs_bind){ .kind = 1, .bind_id = 9, .lifetime_s = 75, .counter = ++r->counter },
		   &r->away, LOCAL + 1);
	assert_int_equal(v.outcome, ZS_BIND_CHALLENGED);
	assert_int_equal(r->relay.entry.local, LOCAL);
}

static void test_counter(void **state)
{
	struct rig *r = *state;
	struct zs_bind_verdict v;

	bind_at(r, &r->home);
	for (int back = 0; back < 3; back++) {
		struct zs_binding before = r->relay.entry;
		unsigned asked = r->relay.keys_asked;

		r->counter -= (uint64_t)back + 1;
		v = ask(r, ZS_BIND_KIND_bind, NULL, back == 1 ? &r->home : &r->away);
		assert_int_equal(v.fault, ZS_BIND_FAULT_counter);
		assert_int_equal(r->relay.keys_asked, asked); /* a replay costs no tag */
		assert_memory_equal(&before, &r->relay.entry, sizeof(before));
		r->counter += (uint64_t)back;
	}
	/* A challenge spends one too, and a jump is fine, up to the last number there is. */
	v = ask(r, ZS_BIND_KIND_bind, NULL, &r->away);
	assert_int_equal(v.outcome, ZS_BIND_CHALLENGED);
	assert_int_equal(r->relay.entry.counter[0], r->counter);
	r->counter = UINT64_MAX - 1;
	v = ask(r, ZS_BIND_KIND_bind, NULL, &r->home);
	assert_int_equal(v.outcome, ZS_BIND_KEPT);
	r->counter = UINT64_MAX; /* wraps */
	v = ask(r, ZS_BIND_KIND_bind, NULL, &r->home);
	assert_int_equal(v.fault, ZS_BIND_FAULT_counter);
}

static void test_lifetime(void **state)
{
	static const struct {
		uint16_t asked, granted;
	} rows[] = { { 1, 1 }, { 74, 74 }, { 75, 75 }, { 76, 75 }, { 65535, 75 } };
	struct rig *r = *state;
	struct zs_bind_verdict v;

	bind_at(r, &r->home);
	for (size_t i = 0; i < ZS_ARRAY_LEN(rows); i++) {
		struct zs_bind m = {
			.kind = 1, .bind_id = 9, .lifetime_s = rows[i].asked, .counter = ++r->counter
		};

		memcpy(m.cid, r->cid, 17);
		v = ask_as(r, &m, &r->home, LOCAL);
		assert_int_equal(v.outcome, ZS_BIND_KEPT);
		assert_int_equal(answer_of(r, &v, &r->home).lifetime_s, rows[i].granted);
		assert_int_equal(r->relay.entry.expires_ns, r->relay.now_ns + SECOND(rows[i].granted));
	}
	r->relay.now_ns += SECOND(75) - 1;
	assert_bound(r, &r->home);
	r->relay.now_ns++;
	assert_bound(r, NULL);
	v = ask(r, ZS_BIND_KIND_bind, NULL, &r->home); /* an address of before proves itself again */
	assert_int_equal(v.outcome, ZS_BIND_CHALLENGED);
	bind_at(r, &r->home);
	v = ask_as(r, &(struct zs_bind){ .kind = 1, .bind_id = 9, .counter = ++r->counter }, &r->home, LOCAL);
	assert_int_equal(v.outcome, ZS_BIND_ENDED); /* for no time at all */
	assert_bound(r, NULL);
}

static void test_unbind_from_anywhere(void **state)
{
	struct rig *r = *state;
	struct zs_bind_verdict v;
	struct zs_bind m;

	bind_at(r, &r->home);
	v = ask(r, ZS_BIND_KIND_unbind, NULL, &r->away);
	m = answer_of(r, &v, &r->away);
	assert_int_equal(v.outcome, ZS_BIND_ENDED);
	assert_int_equal(m.kind, ZS_BIND_KIND_bound);
	assert_int_equal(m.lifetime_s, 0);
	assert_int_equal(m.status, ZS_BIND_STATUS_ok);
	assert_bound(r, NULL);
	v = ask(r, ZS_BIND_KIND_unbind, m.seen.addr.ip, &r->home); /* a cookie in it */
	assert_int_equal(v.fault, ZS_BIND_FAULT_fields);
	r->counter--;
	v = ask(r, ZS_BIND_KIND_unbind, NULL, &r->home); /* once more does no harm */
	assert_int_equal(v.outcome, ZS_BIND_ENDED);
	bind_at(r, &r->home);
}

static void test_refused(void **state)
{
	static const enum zs_bind_status why[] = { ZS_BIND_STATUS_denied, ZS_BIND_STATUS_limit };
	struct rig *r = *state;
	struct zs_bind_verdict v;

	for (int i = 0; i < 2; i++) {
		struct zs_endpoint *rule = i ? &r->relay.full : &r->relay.denied;
		struct zs_bind m;

		bind_at(r, &r->home);
		*rule = r->away;
		v = ask(r, ZS_BIND_KIND_bind, NULL, &r->away);
		m = answer_of(r, &v, &r->away);
		assert_int_equal(v.outcome, ZS_BIND_REFUSED);
		assert_int_equal(m.status, why[i]);
		assert_int_equal(m.lifetime_s, 0);
		assert_bound(r, &r->home); /* somebody's spoofing ends nothing */
		v = ask(r, ZS_BIND_KIND_unbind, NULL, &r->away);
		assert_int_equal(v.outcome, ZS_BIND_ENDED);
		*rule = (struct zs_endpoint){ 0 };
		bind_at(r, &r->home);
		*rule = r->home; /* denied since */
		v = ask(r, ZS_BIND_KIND_bind, NULL, &r->home);
		assert_int_equal(answer_of(r, &v, &r->home).status, why[i]);
		assert_bound(r, NULL);
		*rule = (struct zs_endpoint){ 0 };
	}
}

static void test_sessions(void **state)
{
	static const uint8_t root[32] = { 1 }, third[32] = { 2 };
	struct rig *r = *state;
	struct zs_bind_verdict v;
	uint64_t old;

	bind_at(r, &r->home);
	bind_relay_replace(&r->relay, 701, 10, root);
	/* Until the new session was told BOUND the old one serves. */
	assert_int_equal(ask(r, ZS_BIND_KIND_bind, NULL, &r->home).outcome, ZS_BIND_KEPT);
	old = r->counter;
	assert_true(zs_binding_heard(&r->relay.entry, 700, 9));
	assert_false(zs_binding_heard(&r->relay.entry, 701, 10));
	use(r, 0);
	v = ask(r, ZS_BIND_KIND_bind, NULL, &r->away);
	assert_int_equal(v.outcome, ZS_BIND_CHALLENGED);
	assert_true(zs_binding_heard(&r->relay.entry, 701, 10));
	use(r, 1);
	r->counter = old;
	assert_int_equal(ask(r, ZS_BIND_KIND_bind, NULL, &r->home).outcome, ZS_BIND_KEPT);
	old = r->counter;
	/* A bound address stays proven under new keys. */
	use(r, 0);
	r->counter = 1;
	assert_int_equal(ask(r, ZS_BIND_KIND_bind, NULL, &r->home).outcome, ZS_BIND_KEPT);
	/* Now the old one is stale, whatever it asks and wherever; its counter goes on, so no nonce comes again. */
	use(r, 1);
	r->counter = old - 1;
	assert_int_equal(ask(r, ZS_BIND_KIND_bind, NULL, &r->home).fault, ZS_BIND_FAULT_counter);
	for (int i = 0; i < 4; i++) {
		v = ask(r, i & 1 ? ZS_BIND_KIND_unbind : ZS_BIND_KIND_bind, NULL,
			i & 2 ? &r->home : &r->away);
		assert_int_equal(v.outcome, ZS_BIND_REFUSED);
		assert_int_equal(answer_of(r, &v, i & 2 ? &r->home : &r->away).status, ZS_BIND_STATUS_stale);
		assert_bound(r, &r->home);
	}
	/* Its place goes to the session after the next, with a counter of its own; the second one keeps its. */
	bind_relay_replace(&r->relay, 702, 11, third);
	use(r, 0);
	assert_int_equal(ask(r, ZS_BIND_KIND_bind, NULL, &r->home).outcome, ZS_BIND_KEPT);
	assert_false(zs_binding_heard(&r->relay.entry, 700, 9));
	assert_true(zs_binding_heard(&r->relay.entry, 701, 10));
	use(r, 1);
	r->counter = 1;
	assert_int_equal(ask(r, ZS_BIND_KIND_bind, NULL, &r->home).fault, ZS_BIND_FAULT_counter);
	assert_int_equal(ask(r, ZS_BIND_KIND_bind, NULL, &r->home).outcome, ZS_BIND_REFUSED);
}

/* The slot went to another owner: nothing of the one before holds, its counters too. */
static void test_generation(void **state)
{
	static const uint8_t root[32] = { 3 };
	struct rig *r = *state;

	bind_at(r, &r->home);
	bind_relay_replace(&r->relay, 701, 10, root);
	use(r, 0);
	r->counter = 50;
	bind_at(r, &r->home);
	r->relay.generation = 2; /* both sessions with the numbers of before */
	assert_bound(r, NULL);
	use(r, 1);
	assert_int_equal(ask(r, ZS_BIND_KIND_bind, NULL, &r->home).outcome, ZS_BIND_CHALLENGED);
	use(r, 0);
	assert_int_equal(ask(r, ZS_BIND_KIND_bind, NULL, &r->home).outcome, ZS_BIND_CHALLENGED);
	assert_false(zs_binding_heard(&r->relay.entry, 702, 11));
	bind_at(r, &r->home);
}

static void test_no_secret(void **state)
{
	struct rig *r = *state;
	struct zs_binding before = r->relay.entry;

	memset(&r->relay.secrets, 0, sizeof(r->relay.secrets));
	assert_int_equal(ask(r, ZS_BIND_KIND_bind, NULL, &r->home).fault, ZS_BIND_FAULT_secret);
	assert_memory_equal(&before, &r->relay.entry, sizeof(before));
}

/* Torn by a killed writer: without its binding it is whole again. */
static void test_drop(void **state)
{
	struct rig *r = *state;

	bind_at(r, &r->home);
	zs_binding_drop(&r->relay.entry);
	assert_bound(r, NULL);
	r->counter--;
	assert_int_equal(ask(r, ZS_BIND_KIND_bind, NULL, &r->home).fault, ZS_BIND_FAULT_counter);
	assert_int_equal(ask(r, ZS_BIND_KIND_bind, NULL, &r->home).outcome, ZS_BIND_CHALLENGED);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_vectors),
		T(test_challenged_again),
		T(test_negative),
		T(test_moves_only_by_its_own_cookie),
		T(test_counter),
		T(test_lifetime),
		T(test_unbind_from_anywhere),
		T(test_refused),
		T(test_sessions),
		T(test_generation),
		T(test_no_secret),
		T(test_drop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
