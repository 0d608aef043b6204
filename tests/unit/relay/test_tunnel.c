/* The tunnel datagram: every vector and every refusal of tests/vectors/wire.json for its stated reason, the header
 * against a writer that knows only the drawing, every rule of every type, RFC 6040's table. */
#include <errno.h>
#include <stdio.h>

#include "relay/window.h"
#include "unit/random.h"
#include "unit/relay/vectors.h"

#define RECEIVER 0x08070605

/* A relay with one session, as the vectors' `at` has it; composed as a dataplane would. */
struct rig {
	json_t *vectors;
	struct zs_gcm_engine engine;
	uint8_t root[32];
	struct zs_tunnel_grants grants;
	struct zs_window window[ZS_TUNNEL_LANES];
	struct zs_window_room keys[ZS_TUNNEL_LANES];
};

static int setup(void **state)
{
	struct rig *r = aligned_alloc(64, ZS_ALIGN_UP(sizeof(*r), 64));

	memset(r, 0, sizeof(*r));
	r->vectors = vectors_load();
	zs_gcm_engine_best(&r->engine);
	assert_int_equal(vector_bytes(r->vectors, "R", r->root, 32), 32);
	zs_tunnel_grant(&r->grants, 1);
	*state = r;
	return 0;
}

static int teardown(void **state)
{
	struct rig *r = *state;

	json_decref(r->vectors);
	zs_gcm_engine_fini(&r->engine);
	free(r);
	return 0;
}

static void fresh(struct rig *r)
{
	memset(r->window, 0, sizeof(r->window));
	for (uint8_t lane = 0; lane < ZS_TUNNEL_LANES; lane++)
		assert_int_equal(zs_window_load(zs_window_room_keys(&r->keys[lane]), &r->engine,
						&r->window[lane], r->root, ZS_ATTACH_DIR_EDGE, lane),
				 0);
}

/* The datagram is opened in place. */
static enum zs_drop receive(struct rig *r, uint8_t *d, size_t len, struct zs_tunnel_head *head)
{
	uint8_t aad[ZS_TUNNEL_AAD];
	struct zs_window_pick pick;
	struct zs_gcm_job job;
	bool newest;
	enum zs_drop why = zs_tunnel_read(head, d, len);

	if (why == ZS_DROPS && head->receiver != RECEIVER)
		why = ZS_DROP_tunnel_receiver;
	if (why == ZS_DROPS)
		why = zs_tunnel_granted(&r->grants, head);
	if (why == ZS_DROPS)
		why = zs_window_judge(&r->window[head->lane], zs_window_room_keys(&r->keys[head->lane]), head,
				      1, &pick);
	if (why != ZS_DROPS)
		return why;
	zs_tunnel_job(&job, head, d, len, pick.key, aad);
	if (!zs_gcm_open(&r->engine, &job)) {
		zs_window_failed(&r->window[head->lane]);
		return ZS_DROP_tunnel_tag;
	}
	why = zs_window_accept(&r->window[head->lane], head->counter, pick.epoch, 1, &newest);
	if (why == ZS_DROPS)
		why = zs_tunnel_form(head, ZS_TUNNEL_EDGE, d + ZS_TUNNEL_HEADER, len - ZS_TUNNEL_OVERHEAD);
	return why;
}

static size_t seal(struct rig *r, const struct zs_tunnel_head *head, enum zs_attach_dir dir, uint32_t epoch,
		   const void *payload, size_t len, uint8_t *d)
{
	struct zs_gcm_key *key = aligned_alloc(64, sizeof(*key));
	uint8_t aad[ZS_TUNNEL_AAD], secret[32];
	struct zs_gcm_job job;

	zs_attach_lane_at(r->root, dir, head->lane, epoch, secret);
	zs_attach_gcm_key(&r->engine, secret, key);
	zs_tunnel_write(head, d);
	memcpy(d + ZS_TUNNEL_HEADER, payload, len);
	zs_tunnel_job(&job, head, d, len + ZS_TUNNEL_OVERHEAD, key, aad);
	zs_gcm_seal(&r->engine, &job);
	free(key);
	return len + ZS_TUNNEL_OVERHEAD;
}

static void vectors(void **state)
{
	static const struct {
		const char *name, *payload;
		struct zs_tunnel_head head;
		uint8_t dir;
	} rows[] = {
		{ "data_seal_epoch0", "hello relay", { 7, RECEIVER, { 5, 1, 0 }, 1, 0, 0, 3, 2 }, 1 },
		{ "data_auth_epoch0", "hello relay", { 7, RECEIVER, { 5, 1, 0 }, 1, 1, 0, 3, 2 }, 1 },
		{ "data_seal_epoch1", "hello relay", { 7, RECEIVER, { 5, 1, 0 }, 1, 0, 1, 3, 2 }, 1 },
		{ "echo_seal_dir0_lane0", NULL, { 1, 0x04030201, { 0, 0, 0 }, 5, 0, 0, 0, 0 }, 0 },
		{ "data_seal_empty_payload", "", { 7, RECEIVER, { 5, 1, 0 }, 1, 0, 0, 3, 2 }, 1 },
		{ "data_auth_empty_payload", "", { 7, RECEIVER, { 5, 1, 0 }, 1, 1, 0, 3, 2 }, 1 },
	};
	struct rig *r = *state;
	const json_t *tunnel = json_object_get(r->vectors, "tunnel");

	assert_int_equal(json_object_size(tunnel), ZS_ARRAY_LEN(rows));
	for (size_t n = 0; n < ZS_ARRAY_LEN(rows); n++) {
		const json_t *row = json_object_get(tunnel, rows[n].name);
		uint8_t want[128], made[128], aad[ZS_TUNNEL_AAD], payload[8];
		struct zs_tunnel_head head = { 0 };
		size_t len = vector_bytes(row, "datagram", want, sizeof(want)),
		       text = len - ZS_TUNNEL_OVERHEAD;

		/* What the ECHO carries is nowhere told: opened first, then sealed again. */
		struct zs_gcm_key *key = aligned_alloc(64, sizeof(*key));
		uint8_t secret[32];
		struct zs_gcm_job job;
		zs_attach_lane_at(r->root, rows[n].dir, rows[n].head.lane, rows[n].head.epoch, secret);
		zs_attach_gcm_key(&r->engine, secret, key);
		assert_int_equal(zs_tunnel_read(&head, want, len), ZS_DROPS);
		assert_memory_equal(&head, &rows[n].head, sizeof(head));
		memcpy(made, want, len);
		zs_tunnel_job(&job, &head, made, len, key, aad);
		assert_true(zs_gcm_open(&r->engine, &job));
		if (rows[n].payload) {
			assert_int_equal(text, strlen(rows[n].payload));
			assert_memory_equal(made + ZS_TUNNEL_HEADER, rows[n].payload, text);
		}
		assert_int_equal(zs_tunnel_form(&head, rows[n].dir, made + ZS_TUNNEL_HEADER, text), ZS_DROPS);
		memcpy(payload, made + ZS_TUNNEL_HEADER, rows[n].payload ? 0 : sizeof(payload));
		seal(r, &head, rows[n].dir, head.epoch,
		     rows[n].payload ? (const void *)rows[n].payload : payload, text, made);
		assert_memory_equal(made, want, len);
		free(key);
	}
}

static enum zs_drop stated(const char *reason)
{
	static const struct {
		const char *text;
		enum zs_drop why;
	} rows[] = {
		{ "tag", ZS_DROP_tunnel_tag },
		{ "epoch", ZS_DROP_tunnel_epoch },
		{ "receiver id", ZS_DROP_tunnel_receiver },
		{ "reserved bits", ZS_DROP_tunnel_reserved },
		{ "short", ZS_DROP_tunnel_short },
		{ "auth not granted", ZS_DROP_tunnel_auth },
		{ "auth on this type", ZS_DROP_tunnel_auth_type },
		{ "type", ZS_DROP_tunnel_type },
		{ "payload form", ZS_DROP_tunnel_form },
		{ "replay", ZS_DROP_tunnel_replay },
	};

	for (size_t n = 0; n < ZS_ARRAY_LEN(rows); n++)
		if (!strcmp(rows[n].text, reason))
			return rows[n].why;
	fail_msg("wire.json states a reason that no drop has: %s", reason);
	return ZS_DROPS;
}

static enum zs_drop receive_hex(struct rig *r, const char *hex)
{
	uint8_t bytes[256], *d;
	size_t len = hex_read(bytes, sizeof(bytes), hex);
	struct zs_tunnel_head head;

	d = exact_copy(bytes, len);
	enum zs_drop why = receive(r, d, len, &head);
	free(d);
	return why;
}

static void refusals(void **state)
{
	struct rig *r = *state;
	const json_t *row, *before;
	size_t n, m, seen = 0;

	json_array_foreach(json_object_get(r->vectors, "negative"), n, row)
	{
		const char *name = vector_text(row, "name");
		if (strncmp(name, "tunnel/", 7) != 0)
			continue;
		seen++;
		fresh(r);
		json_array_foreach(json_object_get(row, "before"), m, before)
		    assert_int_equal(receive_hex(r, json_string_value(before)), ZS_DROPS);
		enum zs_drop why = receive_hex(r, vector_text(row, "datagram"));
		if (why != stated(vector_text(row, "reason")))
			fail_msg("%s: drop %d, not %s", name, why, vector_text(row, "reason"));
	}
	assert_int_equal(seen, 36);
	json_array_foreach(json_object_get(r->vectors, "accepted_on_purpose"), n, row)
	{
		fresh(r);
		assert_int_equal(receive_hex(r, vector_text(row, "datagram")), ZS_DROPS);
	}
	assert_int_equal(n, 1);
}

/* A bit at a time from the top, as the table of the format draws it. */
static void put_bits(uint8_t *d, unsigned *at, unsigned bits, uint64_t value)
{
	while (bits--) {
		d[*at / 8] = (uint8_t)(d[*at / 8] & ~(0x80 >> *at % 8));
		if (value >> bits & 1)
			d[*at / 8] |= (uint8_t)(0x80 >> *at % 8);
		++*at;
	}
}

static void header_against_the_drawing(void **state)
{
	struct random rnd = random_new("tunnel header");

	for (int n = 0; n < 20000; n++) {
		struct zs_tunnel_head h = { 0 }, back;
		uint8_t want[ZS_TUNNEL_OVERHEAD] = { 0 }, got[ZS_TUNNEL_OVERHEAD] = { 0 };
		unsigned at = 0, type = random_below(&rnd, 16),
			 zero = random_below(&rnd, 4) ? 0 : random_below(&rnd, 4);

		h.type = (uint8_t)type;
		h.auth = (uint8_t)random_below(&rnd, 2);
		h.epoch = (uint8_t)random_below(&rnd, 8);
		if (random_below(&rnd, 4))
			h.flow = (struct zs_tunnel_flow){ (uint16_t)random_u64(&rnd),
							  (uint8_t)random_below(&rnd, 128),
							  (uint8_t)random_below(&rnd, 2) };
		h.receiver = (uint32_t)random_u64(&rnd);
		h.lane = (uint8_t)random_below(&rnd, 16);
		h.ecn = (uint8_t)random_below(&rnd, 4);
		h.counter = random_u64(&rnd) >> 8;
		put_bits(want, &at, 4, h.type);
		put_bits(want, &at, 1, h.auth);
		put_bits(want, &at, 3, h.epoch);
		put_bits(want, &at, 1, h.flow.opener);
		put_bits(want, &at, 7, h.flow.service);
		put_bits(want, &at, 16, h.flow.number);
		put_bits(want, &at, 32, h.receiver);
		put_bits(want, &at, 4, h.lane);
		put_bits(want, &at, 2, h.ecn);
		put_bits(want, &at, 2, zero);
		put_bits(want, &at, 56, h.counter);
		bool used = type >= 1 && type <= 6, flow = want[1] || want[2] || want[3];
		enum zs_drop expected = !used				 ? ZS_DROP_tunnel_type
					: zero				 ? ZS_DROP_tunnel_reserved
					: h.auth && (type != 1 || !flow) ? ZS_DROP_tunnel_auth_type
									 : ZS_DROPS;
		memset(&back, 0, sizeof(back));
		assert_int_equal(zs_tunnel_read(&back, want, sizeof(want)), expected);
		assert_int_equal(zs_tunnel_read(&back, want, random_below(&rnd, 32)), ZS_DROP_tunnel_short);
		if (!used || zero)
			continue;
		assert_memory_equal(&back, &h, sizeof(h));
		zs_tunnel_write(&h, got);
		assert_memory_equal(got, want, ZS_TUNNEL_HEADER);
	}
	assert_int_equal(zs_tunnel_read(&(struct zs_tunnel_head){ 0 }, (uint8_t[65536]){ 0x10 }, 65536),
			 ZS_DROP_tunnel_mtu);
}

#define RELAY 1
#define EDGE  2

struct form {
	uint8_t type, ecn;
	const struct zs_tunnel_flow *flow;
	const uint8_t *payload;
	size_t len;
	unsigned from; /* who may send it: RELAY | EDGE */
};

static void judge_form(const struct form *row, size_t n)
{
	struct zs_tunnel_head head = { .type = row->type, .ecn = row->ecn, .flow = *row->flow };
	uint8_t *payload = exact_copy(row->payload, row->len);

	for (int from = 0; from < 2; from++) {
		enum zs_drop want = row->from >> from & 1 ? ZS_DROPS : ZS_DROP_tunnel_form;

		if (zs_tunnel_form(&head, from, payload, row->len) != want)
			fail_msg("row %zu from %d", n, from);
	}
	free(payload);
}

static void forms(void **state)
{
	static const uint8_t zero[64], one[64] = { [8] = 1 }, some[64] = { [7] = 1, [18] = 1 },
				       last[64] = { [7] = 1, [19] = 1 };
	static const struct zs_tunnel_flow none = { 0, 0, 0 }, theirs = { 5, 1, 0 }, edges = { 5, 0, 1 },
					   edge0 = { 0, 0, 1 }, relay0 = { 5, 0, 0 }, edge1 = { 5, 1, 1 };
	static const struct form rows[] = {
		{ 1, 0, &none, some, 10, RELAY | EDGE },
		{ 1, 3, &theirs, some, 0, RELAY | EDGE },
		{ 1, 1, &edges, some, 60, RELAY | EDGE },
		{ 1, 0, &edge0, some, 60, RELAY | EDGE },
		{ 1, 0, &relay0, some, 10, 0 },
		{ 1, 0, &edge1, some, 10, 0 },
		{ 2, 0, &theirs, some, 20, RELAY },
		{ 2, 0, &edges, one, 20, EDGE },
		{ 2, 0, &edges, some, 20, 0 },
		{ 2, 0, &edges, last, 20, 0 },

		{ 2, 0, &none, one, 20, 0 },
		{ 2, 0, &theirs, some, 19, 0 },
		{ 2, 0, &theirs, some, 21, 0 },
		{ 2, 1, &theirs, some, 20, 0 },
		{ 2, 0, &relay0, some, 20, 0 },
		{ 2, 0, &edge1, one, 20, 0 },
		{ 3, 0, &none, zero, 8, EDGE },
		{ 3, 0, &none, some, 8, 0 },
		{ 3, 0, &none, zero, 7, 0 },
		{ 3, 0, &none, zero, 9, 0 },
		{ 3, 0, &theirs, zero, 8, 0 },
		{ 3, 2, &none, zero, 8, 0 },
		{ 4, 0, &none, some, 8, RELAY | EDGE },
		{ 4, 0, &none, some, 18, RELAY | EDGE },
		{ 4, 0, &none, some, 19, 0 },
		{ 4, 0, &none, one, 9, 0 },
		{ 4, 0, &none, some, 7, 0 },
		{ 4, 0, &theirs, some, 8, 0 },
		{ 4, 0, &edges, some, 8, 0 },
		{ 4, 3, &none, some, 8, 0 },
		{ 5, 0, &none, some, 8, RELAY | EDGE },
		{ 5, 0, &none, some, 9, 0 },
		{ 5, 0, &none, some, 7, 0 },
		{ 5, 1, &none, some, 8, 0 },
		{ 5, 0, &edges, some, 8, 0 },
		{ 6, 0, &none, some, 2, RELAY | EDGE },
		{ 6, 0, &theirs, some, 2, RELAY | EDGE },
		{ 6, 0, &edges, some, 2, RELAY | EDGE },
		{ 6, 0, &edge1, some, 2, 0 },
		{ 6, 0, &relay0, some, 2, 0 },
		{ 6, 0, &none, some, 1, 0 },
		{ 6, 0, &none, some, 3, 0 },
		{ 6, 1, &none, some, 2, 0 },
	};

	for (size_t n = 0; n < ZS_ARRAY_LEN(rows); n++)
		judge_form(&rows[n], n);
}

static void grants(void **state)
{
	struct zs_tunnel_grants g = { 0 };
	struct zs_tunnel_head h = { .auth = 1 };

	zs_tunnel_grant(&g, 63);
	zs_tunnel_grant(&g, 64);
	zs_tunnel_grant(&g, 127);
	for (int s = 0; s < 128; s++) {
		h.flow.service = (uint8_t)s;
		h.auth = 1;
		assert_int_equal(zs_tunnel_granted(&g, &h),
				 s == 63 || s == 64 || s == 127 ? ZS_DROPS : ZS_DROP_tunnel_auth);
		h.auth = 0;
		assert_int_equal(zs_tunnel_granted(&g, &h), ZS_DROPS);
	}
}

/* Any one bit of a datagram changed: never accepted, in `auth` outside its payload. */
static void every_bit(void **state)
{
	struct rig *r = *state;

	for (int auth = 0; auth < 2; auth++) {
		struct zs_tunnel_head head = { 9, RECEIVER, { 5, 1, 0 }, 1, (uint8_t)auth, 0, 3, 2 }, got;
		uint8_t good[80], bad[80];
		size_t len = seal(r, &head, ZS_ATTACH_DIR_EDGE, 0, "0123456789abcdef", 16, good);

		for (size_t bit = 0; bit < len * 8; bit++) {
			fresh(r);
			memcpy(bad, good, len);
			bad[bit / 8] ^= (uint8_t)(1 << bit % 8);
			bool payload = bit / 8 >= ZS_TUNNEL_HEADER && bit / 8 < len - ZS_GCM_TAG;
			assert_int_equal(receive(r, bad, len, &got) == ZS_DROPS, auth && payload);
		}
	}
}

/* In `auth` the length is what the tag says of the payload: both of its bytes. */
static void auth_length(void **state)
{
	struct rig *r = *state;
	const struct zs_tunnel_head head = { 9, RECEIVER, { 5, 1, 0 }, 1, 1, 0, 3, 2 };
	uint8_t payload[600] = { 0 }, d[640];
	struct zs_tunnel_head got;

	for (size_t cut = 0; cut <= 512; cut++) {
		size_t len = seal(r, &head, ZS_ATTACH_DIR_EDGE, 0, payload, sizeof(payload), d);
		fresh(r);
		memmove(d + len - ZS_GCM_TAG - cut, d + len - ZS_GCM_TAG, ZS_GCM_TAG);
		assert_int_equal(receive(r, d, len - cut, &got), cut ? ZS_DROP_tunnel_tag : ZS_DROPS);
	}
}

static void payloads(void **state)
{
	const struct zs_endpoint who = { { { 1, [15] = 2 } }, 0x1234 };
	uint8_t open[ZS_TUNNEL_OPEN], close[ZS_TUNNEL_CLOSE];
	uint16_t port;

	zs_tunnel_write_open(open, &who, 0x5678);
	assert_memory_equal(open, ((uint8_t[20]){ 1, [15] = 2, 0x12, 0x34, 0x56, 0x78 }), 20);
	struct zs_endpoint back = zs_tunnel_read_open(open, &port);
	assert_true(zs_endpoint_eq(&back, &who));
	assert_int_equal(port, 0x5678);
	zs_tunnel_write_close(close, 0x0102);
	assert_memory_equal(close, ((uint8_t[2]){ 1, 2 }), 2);
	assert_int_equal(zs_tunnel_read_close(close), 0x0102);
}

static void ecn(void **state)
{
	enum { NOT, ECT1, ECT0, CE, DROP };
	/* RFC 6040, figure 4: rows inner Not-ECT, ECT(1), ECT(0), CE; columns outer the same. */
	static const uint8_t table[4][4] = { { NOT, NOT, NOT, DROP },
					     { ECT1, ECT1, ECT1, CE },
					     { ECT0, ECT1, ECT0, CE },
					     { CE, CE, CE, CE } };

	for (uint8_t inner = 0; inner < 4; inner++)
		for (uint8_t outer = 0; outer < 4; outer++) {
			uint8_t out = 9;
			enum zs_drop why = zs_tunnel_ecn(inner, outer, &out);
			assert_int_equal(why, table[inner][outer] == DROP ? ZS_DROP_tunnel_ecn : ZS_DROPS);
			if (why == ZS_DROPS)
				assert_int_equal(out, table[inner][outer]);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(vectors, setup, teardown),
		cmocka_unit_test_setup_teardown(refusals, setup, teardown),
		cmocka_unit_test(header_against_the_drawing),
		cmocka_unit_test(forms),
		cmocka_unit_test(grants),
		cmocka_unit_test_setup_teardown(every_bit, setup, teardown),
		cmocka_unit_test_setup_teardown(auth_length, setup, teardown),
		cmocka_unit_test(payloads),
		cmocka_unit_test(ecn),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
