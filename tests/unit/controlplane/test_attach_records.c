/* Records of attachments and rules: one thing wrong in a good one, and it is refused; what a store says that no relay wrote makes
 * nobody an owner twice. */
#include <sys/mman.h>
#include <unistd.h>
#include "attach/internal.h"
#include "attach_rig.h"
#include "base/cursor.h"

/* A slot's record of two ports, field by field. */
struct record {
	uint8_t version, owner_len, owner_first, hashes, ports, name_len, name_byte, service[2], protection;
	uint16_t generation, port[2];
	uint64_t freed_s;
	char name[2];
	size_t more; /* bytes behind it */
};

static const struct record good = { .version = 2,
				    .owner_len = 34,
				    .owner_first = 0x12,
				    .hashes = 2,
				    .ports = 2,
				    .name_len = 3,
				    .name_byte = 'x',
				    .service = { 1, 127 },
				    .protection = 1,
				    .generation = 65535,
				    .port = { 10001, 65535 },
				    .name = "ab" };

static size_t put(const struct record *v, uint8_t out[ATTACH_RECORD])
{
	struct zs_writer w = zs_writer_of(out, ATTACH_RECORD);

	zs_write_u8(&w, v->version);
	zs_write_u16(&w, v->generation);
	zs_write_u64(&w, v->freed_s);
	zs_write_u8(&w, v->owner_len);
	for (uint8_t i = 0; i < v->owner_len; i++)
		zs_write_u8(&w, i == 0 ? v->owner_first : i == 1 ? 0x20 : 7);
	for (int i = 0; i < 16 && v->version != 1; i++)
		zs_write_u8(&w, 9);
	zs_write_u8(&w, v->hashes);
	for (int i = 0; i < v->hashes * ZS_ATTACH_HASH; i++)
		zs_write_u8(&w, 5);
	zs_write_u8(&w, v->ports);
	for (int i = 0; i < v->ports; i++) {
		uint8_t n = i < 2 ? (uint8_t)i : 1;

		zs_write_u8(&w, v->name_len);
		for (uint8_t j = 0; j < v->name_len; j++)
			zs_write_u8(&w, j == 0 ? (uint8_t)(v->name[n] + (i > 1 ? i : 0)) : v->name_byte);
		zs_write_u16(&w, (uint16_t)(v->port[n] - (i > 1 ? i : 0)));
		zs_write_u8(&w, (uint8_t)(v->service[n] - (i > 1 ? i : 0)));
		zs_write_u8(&w, v->protection);
	}
	for (size_t i = 0; i < v->more; i++)
		zs_write_u8(&w, 0);
	assert_false(w.failed);
	return zs_writer_len(&w);
}

/* Read from exactly its bytes, so that one too many is seen. */
static bool is_read(const void *bytes, size_t len, struct kept *k)
{
	uint8_t *exact = malloc(len);
	bool ok;

	memcpy(exact, bytes, len);
	ok = zs_attach_record_read_slot(k, exact, len);
	free(exact);
	return ok;
}

static void test_one_thing_wrong(void **state)
{
	uint8_t bytes[ATTACH_RECORD], again[ATTACH_RECORD];
	size_t len = put(&good, bytes);
	struct kept k;

	assert_true(is_read(bytes, len, &k));
	assert_int_equal(zs_attach_record_write_slot(&k, again), len);
	assert_memory_equal(again, bytes, len);
	for (size_t n = 1; n < len; n++)
		assert_false(is_read(bytes, n, &k));
#define WRONG(change)                                                                                        \
	do {                                                                                                 \
		struct record r = good;                                                                      \
		change;                                                                                      \
		if (is_read(bytes, put(&r, bytes), &k))                                                      \
			fail_msg("read: %s", #change);                                                       \
	} while (0)
#define RIGHT(change)                                                                                        \
	do {                                                                                                 \
		struct record r = good;                                                                      \
		change;                                                                                      \
		if (!is_read(bytes, put(&r, bytes), &k))                                                     \
			fail_msg("refused: %s", #change);                                                    \
	} while (0)
	WRONG(r.version = 0);
	WRONG(r.version = 3);
	WRONG(r.generation = 0);
	WRONG(r.freed_s = 1); /* owned and free */
	WRONG(r.owner_first = 0x13);
	WRONG(r.owner_len = 33);
	WRONG(r.hashes = 3);
	WRONG((r.hashes = 3, r.ports = 0));
	WRONG(r.hashes = 8);
	RIGHT(r.hashes = 0);
	RIGHT(r.ports = 16);
	WRONG(r.ports = 17);
	WRONG(r.name_len = 0);
	RIGHT(r.name_len = 32);
	WRONG(r.name_len = 33);
	WRONG(r.name_byte = '\0');
	WRONG(r.port[1] = 0);
	WRONG(r.port[1] = r.port[0]);
	WRONG(r.service[0] = 0);
	WRONG(r.service[1] = 128);
	WRONG(r.service[1] = r.service[0]);
	WRONG(r.name[1] = r.name[0]);
	WRONG(r.protection = 2);
	WRONG(r.more = 1);
	/* A free one has nothing. */
	RIGHT((r.owner_len = 0, r.freed_s = 1, r.hashes = 0, r.ports = 0));
	WRONG((r.owner_len = 0, r.freed_s = 0, r.hashes = 0, r.ports = 0));
	WRONG((r.owner_len = 0, r.freed_s = 1, r.hashes = 1, r.ports = 0));
	WRONG((r.owner_len = 0, r.freed_s = 1, r.hashes = 0, r.ports = 1));
}

/* Before there were prefixes. */
static void test_version_1(void **state)
{
	static const struct zs_addr unknown;
	uint8_t bytes[ATTACH_RECORD], again[ATTACH_RECORD];
	struct record old = good;
	struct kept k;
	size_t len;

	old.version = 1;
	len = put(&old, bytes);
	assert_true(is_read(bytes, len, &k));
	assert_true(zs_addr_eq(&k.prefix, &unknown));
	memset(k.prefix.ip, 9, sizeof(k.prefix.ip));
	assert_int_equal(zs_attach_record_write_slot(&k, again), put(&good, bytes));
	assert_memory_equal(again, bytes, put(&good, bytes));
	for (size_t n = 1; n < len; n++)
		assert_false(is_read(bytes, n, &k));
}

/* A port goes whose name no edge can be told; the other one and the attachment stay. */
static void test_name_that_cannot_be_told(void **state)
{
	static const uint8_t bytes[] = { 0x01, 0x1f, 0x7f, 0xe9, 0xff };
	uint8_t value[ATTACH_RECORD];
	struct kept k;

	for (size_t i = 0; i < sizeof(bytes); i++) {
		struct record r = good;

		r.name[0] = (char)bytes[i];
		assert_true(is_read(value, put(&r, value), &k));
		assert_int_equal(k.ports.count, 1);
		assert_string_equal(k.ports.at[0].name, "bxx");
		assert_int_equal(k.ports.at[0].port, 65535);
		assert_int_equal(k.untold, 1);
		r = good;
		r.name_byte = bytes[i];
		assert_true(is_read(value, put(&r, value), &k));
		assert_int_equal(k.ports.count, 0);
		r = good;
		r.owner_len = 0, r.freed_s = 1, r.hashes = 0, r.ports = 1, r.name_byte = bytes[i];
		assert_false(is_read(value, put(&r, value), &k)); /* a free one has nothing */
	}
}

static void store_put(struct world *w, const void *key, size_t key_len, const void *value, size_t len)
{
	struct zs_store_batch *b = zs_store_begin(w->r.c.store);

	zs_store_put(b, key, key_len, value, len);
	assert_int_equal(zs_store_commit(b, NULL), 0);
}

static void put_slot(struct world *w, uint32_t id, const void *value, size_t len)
{
	uint8_t key[] = "att/slot/\0\0\0\0";

	key[9] = (uint8_t)(id >> 24);
	key[11] = (uint8_t)(id >> 8);
	key[12] = (uint8_t)id;
	store_put(w, key, 13, value, len);
}

/* The first record of an owner counts; of a second one nothing is left. */
static void test_two_records_of_one_owner(void **state)
{
	struct world *w = *state;
	struct zs_attach_info info;
	uint8_t bytes[ATTACH_RECORD];
	struct record r = good;

	put_slot(w, 3, bytes, put(&r, bytes));
	r.port[0] = 10008, r.port[1] = 10009;
	put_slot(w, 7, bytes, put(&r, bytes));
	world_restart(w);
	assert_int_equal(zs_attach_counts(w->s)->attachments, 1);
	assert_int_equal(zs_attach_counts(w->s)->ports, 2);
	assert_true(zs_attach_next(w->s, 0, w->now, &info));
	assert_int_equal(info.id, 3);
	assert_false(zs_attach_next(w->s, 3, w->now, &info));
	assert_int_equal(holder(w, 10001), 3);
	assert_int_equal(holder(w, 10008), 0);
}

/* What cannot be read is left out, and the rest is there. */
static void test_damaged_slots(void **state)
{
	struct world *w = *state;
	uint8_t bytes[ATTACH_RECORD];
	struct record bad = good;
	struct edge e;
	zs_pb_Grant g = attach(w, &e, 1, ZS_ATTACH_CONTINUITY_fresh);

	edge_free(&e);
	bad.hashes = 3;
	put_slot(w, 5, bytes, put(&bad, bytes));
	put_slot(w, 0, bytes, put(&good, bytes));			   /* no attachment has that number */
	put_slot(w, 1u << 24, bytes, put(&good, bytes));		   /* nor may one have this */
	store_put(w, "att/slot/\0\0\0\5\0", 14, bytes, put(&good, bytes)); /* nor such a key */
	store_put(w, "att/slot/", 9, bytes, put(&good, bytes));
	world_restart(w);
	assert_int_equal(zs_attach_counts(w->s)->attachments, 1);
	assert_int_equal(attach(w, &e, 1, ZS_ATTACH_CONTINUITY_known).attachment, g.attachment);
	edge_close(&e);
}

static size_t get_slot(struct world *w, uint32_t id, uint8_t value[ATTACH_RECORD])
{
	uint8_t key[] = "att/slot/\0\0\0\0";
	size_t len = 0;

	key[12] = (uint8_t)id;
	assert_int_equal(zs_store_get(w->r.c.store, key, 13, value, ATTACH_RECORD, &len), 0);
	return len;
}

/* The stored slot of that peer, with one service in it. */
static uint32_t stored(struct world *w, uint8_t seed, const char *name, uint8_t value[ATTACH_RECORD],
		       size_t *len)
{
	struct zs_attach_frame f = a_hello(1);
	struct zs_peer_id peer = peer_of(seed);
	uint32_t id;

	add_publish(&f, name, 0);
	assert_int_equal(outcome(w, seed, &f, false), 0);
	id = zs_attach_find(w->s, &peer);
	*len = get_slot(w, id, value);
	return id;
}

/* A relay of before wrote no prefix: its owners have what they had, and are counted nowhere. */
static void test_store_of_version_1(void **state)
{
	struct world *w = *state;
	struct zs_attach_frame f = a_hello(1);
	struct zs_peer_id peer = peer_of(1);
	uint8_t value[ATTACH_RECORD];
	size_t len, at;
	uint32_t id = stored(w, 1, "web", value, &len);

	at = 12 + (size_t)value[11];
	memmove(value + at, value + at + 16, len - at - 16);
	value[0] = 1;
	put_slot(w, id, value, len - 16);
	world_conf(w, "{mode: open, per_prefix: 1}");
	world_restart(w);
	assert_int_equal(zs_attach_find(w->s, &peer), id);
	assert_int_equal(zs_attach_counts(w->s)->ports, 1);
	assert_int_equal(outcome(w, 1, &f, false), 0);
	assert_int_equal(outcome(w, 2, &f, false), 0);
	assert_int_equal(outcome(w, 3, &f, false), ZS_ATTACH_ERROR_quota);
	assert_int_equal(get_slot(w, id, value), len + ZS_ATTACH_HASH); /* of its second Grant */
	assert_int_equal(value[0], 2);
}

static void test_stored_name_that_cannot_be_told(void **state)
{
	struct world *w = *state;
	uint8_t value[ATTACH_RECORD];
	struct edge e;
	size_t len;
	uint32_t id = stored(w, 1, "caf!", value, &len);
	uint8_t *name = memmem(value, len, "caf!", 4);

	assert_non_null(name);
	name[3] = 0xe9;
	put_slot(w, id, value, len);
	world_restart(w);
	assert_int_equal(zs_attach_counts(w->s)->ports, 0);
	assert_int_equal(attach(w, &e, 1, ZS_ATTACH_CONTINUITY_known).attachment, id);
	edge_close(&e);
}

/* attach.capacity was lowered, and raised again: nobody's record is damaged, and everybody has it back. */
static void test_beyond_capacity(void **state)
{
	struct world *w = *state;
	uint8_t bytes[ATTACH_RECORD];
	char text[4096] = "";

	put_slot(w, 300, bytes, put(&good, bytes));
	world_conf(w, "{mode: open, capacity: 256, attachments: 200}");
	w->r.c.log.fd = memfd_create("log", MFD_CLOEXEC);
	world_restart(w);
	assert_int_equal(zs_attach_counts(w->s)->attachments, 0);
	assert_true(pread(w->r.c.log.fd, text, sizeof(text) - 1, 0) > 0);
	close(w->r.c.log.fd);
	w->r.c.log.fd = -1;
	assert_non_null(strstr(text, "attachments=1 capacity=256"));
	assert_null(strstr(text, "damaged"));
	world_conf(w, "{mode: open, capacity: 512, attachments: 200}");
	world_restart(w);
	assert_int_equal(zs_attach_counts(w->s)->attachments, 1);
}

static void count_rule(void *ctx, const struct zs_attach_rule *rule, bool configured)
{
	++*(int *)ctx;
}

static void test_rules(void **state)
{
	static const struct {
		const char *text;
		uint8_t len;
		bool good;
	} rows[] = {
#define ROW(text, good) { text, sizeof(text) - 1, good }
		ROW("\1\0\3one\0\0", true),
		ROW("\1\1\0\0\0", true),
		ROW("\2\0\3one\0\0", false),
		ROW("\1\2\3one\0\0", false),
		ROW("\1\0\3one\0\0\0", false),
		ROW("\1\0\3one\0", false),
		ROW("\1\0\3o\0e\0\0", false),
		ROW("\1\0\40abcdefghabcdefghabcdefghabcdefgh\0\0", true),
		ROW("\1\0\41abcdefghabcdefghabcdefghabcdefghi\0\0", false),
		ROW("", false),
#undef ROW
	};
	struct world *w = *state;
	struct zs_peer_id peer = peer_of(1);
	uint8_t key[9 + ZS_PEER_ID] = "att/rule/", again[ATTACH_RECORD];

	memcpy(key + 9, peer.bytes, peer.len);
	for (size_t i = 0; i < ZS_ARRAY_LEN(rows); i++) {
		struct zs_attach_rule rule;
		int count = 0;

		assert_int_equal(
		    zs_attach_record_read_rule(&rule, peer.bytes, peer.len, rows[i].text, rows[i].len),
		    rows[i].good);
		assert_false(
		    zs_attach_record_read_rule(&rule, peer.bytes, peer.len - 1, rows[i].text, rows[i].len));
		store_put(w, key, 9 + peer.len, rows[i].text, rows[i].len);
		world_restart(w);
		zs_attach_rules(w->s, count_rule, &count);
		assert_int_equal(count, rows[i].good);
		if (rows[i].good) {
			zs_attach_record_read_rule(&rule, peer.bytes, peer.len, rows[i].text, rows[i].len);
			assert_int_equal(zs_attach_record_write_rule(&rule, again), rows[i].len);
			assert_memory_equal(again, rows[i].text, rows[i].len);
		}
	}
}

static void test_limits(void **state)
{
	static const struct {
		const char *text;
		uint8_t len;
		bool good;
		uint32_t set;
	} rows[] = {
#define FLOWS		     "\5flows\0\0\0\0\0\0\0\7"
#define ROW(text, good, set) { text, sizeof(text) - 1, good, set }
		ROW("\1\1" FLOWS, true, 1u << ZS_ATTACH_LIMIT_flows),
		ROW("\1\2" FLOWS "\5later\0\0\0\0\0\0\0\1", true, 1u << ZS_ATTACH_LIMIT_flows),
		ROW("\1\0", true, 0),
		ROW("\2\1" FLOWS, false, 0),
		ROW("\1\2" FLOWS, false, 0),
		ROW("\1\1" FLOWS "\0", false, 0),
		ROW("\1\1\5flows\0\0\0\0\0\0\0", false, 0),
		ROW("\1\1\41abcdefghabcdefghabcdefghabcdefghi\0\0\0\0\0\0\0\7", false, 0),
		ROW("", false, 0),
#undef ROW
	};
	struct world *w = *state;
	struct zs_peer_id peer = peer_of(1);
	uint8_t key[9 + ZS_PEER_ID] = "att/caps/";

	memcpy(key + 9, peer.bytes, peer.len);
	for (size_t i = 0; i < ZS_ARRAY_LEN(rows); i++) {
		struct zs_attach_limits l;

		assert_int_equal(zs_attach_record_read_limits(&l, rows[i].text, rows[i].len), rows[i].good);
		store_put(w, key, 9 + peer.len, rows[i].text, rows[i].len);
		world_restart(w);
		assert_int_equal(zs_attach_limited(w->s, &peer), rows[i].set);
	}
}

#define ROW(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_thing_wrong),
		cmocka_unit_test(test_version_1),
		cmocka_unit_test(test_name_that_cannot_be_told),
		ROW(test_two_records_of_one_owner),
		ROW(test_damaged_slots),
		ROW(test_store_of_version_1),
		ROW(test_stored_name_that_cannot_be_told),
		ROW(test_beyond_capacity),
		ROW(test_rules),
		ROW(test_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
