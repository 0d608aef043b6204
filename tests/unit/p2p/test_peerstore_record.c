/* What a peerstore keeps on a disk: records out and in, damaged ones, changes alone, and a random life that the disk follows. */
#include "unit/p2p/peerstore_rig.h"

#define NOWHERE UINT32_MAX

struct saved {
	uint8_t record[8][ZS_PEERSTORE_RECORD];
	size_t len[8];
	uint32_t n;
};

static void save(void *ctx, uint32_t place, const void *record, size_t len)
{
	struct saved *v = ctx;

	assert_true(place < 8 && len);
	memcpy(v->record[v->n], record, len);
	v->len[v->n++] = len;
}

static struct zs_peerstore *filled(uint64_t now)
{
	struct zs_peerstore *s = store(8);
	struct zs_peer_id id = peer_id(1);
	struct zs_span list = bytes("cert");

	learn(s, 1, "conn", ZS_KNOWN_CONNECTED, now);
	learn(s, 1, "learnt", ZS_KNOWN_LEARNT, now);
	learn(s, 1, "perm", ZS_KNOWN_PERMANENT, now);
	zs_peerstore_certify(s, &id, 77, bytes("envelope"), &list, 1, now);
	zs_peerstore_describe(s, &id, "/a\0/b", 6, "agent/1");
	zs_peerstore_dialled(s, &id, bytes("conn"), true, now + 60 * S);
	zs_peerstore_dialled(s, &id, bytes("learnt"), false, now);
	learn(s, 2, "other", ZS_KNOWN_LEARNT, now);
	return s;
}

/* Saved after half an hour, read by a process whose clock began anew. */
static void records_go_out_and_in(void **state)
{
	struct zs_peerstore *s = filled(1000 * HOUR), *t = store(8);
	struct zs_peer_id id = peer_id(1);
	static struct saved v, again;
	const struct zs_peer_info *p;

	assert_int_equal(zs_peerstore_export(s, 1000 * HOUR + HOUR / 2, 8, save, &v), 2);
	assert_int_equal(v.n, 2);
	for (uint32_t i = 0; i < 2; i++)
		assert_int_equal(zs_peerstore_import(t, NOWHERE, v.record[i], v.len[i], HOUR), 0);
	assert_int_equal(zs_peerstore_import(t, NOWHERE, v.record[0], v.len[0], HOUR), -EEXIST);
	assert_addresses(t, 1, HOUR + HOUR / 2 - 1, "conn learnt perm cert");
	assert_addresses(t, 2, HOUR + HOUR / 2 - 1, "other");
	p = zs_peerstore_get(t, &id, HOUR);
	assert_int_equal(p->seq, 77);
	assert_memory_equal(p->envelope, "envelope", 8);
	assert_memory_equal(p->protocols, "/a\0/b", 6);
	assert_string_equal(p->agent, "agent/1");
	assert_int_equal(p->address[0].known, ZS_KNOWN_RECENT);
	assert_int_equal(p->address[0].succeeded_ns, HOUR - 29 * 60 * S);
	assert_int_equal(p->address[1].failures, 1);
	assert_int_equal(p->address[2].known, ZS_KNOWN_RECENT);
	assert_true(p->address[3].certified);
	assert_addresses(t, 1, HOUR + HOUR / 2, "conn perm"); /* the other half hour is over */
	assert_addresses(t, 1, 49 * HOUR, "");
	zs_peerstore_delete(t);
	t = store(8);
	for (uint32_t i = 0; i < 2; i++)
		assert_int_equal(zs_peerstore_import(t, NOWHERE, v.record[i], v.len[i], 5 * HOUR), 0);
	zs_peerstore_export(t, 5 * HOUR, 8, save, &again);
	assert_int_equal(again.n, 2); /* in and out at once: the same bytes */
	for (uint32_t i = 0; i < 2; i++) {
		assert_int_equal(again.len[i], v.len[i]);
		assert_memory_equal(again.record[i], v.record[i], v.len[i]);
	}
	zs_peerstore_delete(s);
	zs_peerstore_delete(t);
}

static void damaged_records_are_refused(void **state)
{
	struct random r = random_new("peerstore");
	struct zs_peerstore *s = filled(S), *t = store(8);
	static struct saved v;
	uint8_t bad[ZS_PEERSTORE_RECORD];

	zs_peerstore_export(s, S, 8, save, &v);
	for (size_t len = 0; len < v.len[0]; len++)
		assert_int_equal(zs_peerstore_import(t, NOWHERE, v.record[0], len, S), -EBADMSG);
	memcpy(bad, v.record[0], v.len[0]);
	bad[v.len[0]] = 0;
	assert_int_equal(zs_peerstore_import(t, NOWHERE, bad, v.len[0] + 1, S), -EBADMSG);
	bad[0]++;
	assert_int_equal(zs_peerstore_import(t, NOWHERE, bad, v.len[0], S), -EBADMSG);
	/* The envelope grown beyond its limit, all else in place: its length is behind version, id, agent, seq. */
	size_t at = 1 + 1 + 38 + ZS_PEERSTORE_AGENT + 8, more = ZS_PEERSTORE_ENVELOPE + 1 - 8;
	static uint8_t big[2 * ZS_PEERSTORE_RECORD];
	memcpy(big, v.record[0], at + 2 + 8);
	memcpy(big + at + 2 + 8 + more, v.record[0] + at + 2 + 8, v.len[0] - at - 2 - 8);
	big[at] = (ZS_PEERSTORE_ENVELOPE + 1) >> 8;
	big[at + 1] = (ZS_PEERSTORE_ENVELOPE + 1) & 0xff;
	assert_int_equal(zs_peerstore_import(t, NOWHERE, big, v.len[0] + more, S), -EBADMSG);
	memmove(big + at + 2 + 8, big + at + 2 + 9, v.len[0] + more);
	big[at + 1]--;
	assert_int_equal(zs_peerstore_import(t, NOWHERE, big, v.len[0] + more - 1, S), 0); /* at its limit */
	struct zs_peer_id one = peer_id(1);
	zs_peerstore_forget(t, &one);
	assert_int_equal(zs_peerstore_count(t), 0);
	for (int i = 0; i < 20000; i++) {
		memcpy(bad, v.record[0], v.len[0]);
		for (uint32_t n = 1 + random_below(&r, 4); n--;)
			bad[random_below(&r, (uint32_t)v.len[0])] = (uint8_t)random_u64(&r);
		zs_peerstore_import(t, NOWHERE, bad, v.len[0], random_u64(&r));
		if (i % 256 == 0)
			assert_true(zs_peerstore_check(t));
	}
	zs_peerstore_delete(s);
	zs_peerstore_delete(t);
}

/* A disk that is told of changes, a few at a time. */
struct disk {
	uint8_t record[20][ZS_PEERSTORE_RECORD];
	size_t len[20];
	unsigned writes;
};

static void write_place(void *ctx, uint32_t place, const void *record, size_t len)
{
	struct disk *d = ctx;

	assert_true(place < 20);
	memcpy(d->record[place], record, len);
	d->len[place] = len;
	d->writes++;
}

static void changes_alone_are_told(void **state)
{
	struct zs_peerstore *s = store(20), *t = store(20);
	static struct disk d;
	struct zs_peer_id gone = peer_id(1), known = peer_id(2);

	for (uint32_t i = 0; i < 5; i++)
		learn(s, i, "a", ZS_KNOWN_LEARNT, S);
	assert_int_equal(zs_peerstore_export(s, S, 3, write_place, &d), 3);
	assert_int_equal(zs_peerstore_export(s, S, 3, write_place, &d), 2);
	learn(s, 3, "a", ZS_KNOWN_LEARNT, 2 * S); /* a longer life is no change */
	assert_non_null(zs_peerstore_get(s, &known, 2 * S));
	assert_int_equal(zs_peerstore_export(s, 2 * S, 3, write_place, &d), 0);
	learn(s, 3, "a", ZS_KNOWN_RECENT, 2 * S);
	zs_peerstore_dialled(s, &known, bytes("a"), false, 2 * S);
	zs_peerstore_forget(s, &gone);
	assert_int_equal(zs_peerstore_export(s, 2 * S, 9, write_place, &d), 3);
	assert_int_equal(d.len[1], 0);
	zs_peerstore_changed(s, 4); /* it could not be written */
	zs_peerstore_changed(s, 4);
	zs_peerstore_changed(s, NOWHERE);
	d.len[4] = 0;
	assert_int_equal(zs_peerstore_export(s, 2 * S, 9, write_place, &d), 1);
	assert_int_not_equal(d.len[4], 0);

	/* Read again with a hole at 1: what moved up is written where it is, and its old place emptied. */
	for (uint32_t i = 0; i < 20; i++)
		if (d.len[i])
			assert_int_equal(zs_peerstore_import(t, i, d.record[i], d.len[i], S), 0);
	d.writes = 0;
	assert_int_equal(zs_peerstore_export(t, S, 9, write_place, &d), 4);
	assert_true(d.len[0] && d.len[1] && d.len[2] && d.len[3] && !d.len[4]);
	zs_peerstore_delete(s);
	zs_peerstore_delete(t);
}

/* The disk is what the store is. */
static void compare(struct zs_peerstore *s, struct disk *d, uint64_t now)
{
	struct zs_peerstore *t = store(20);

	zs_peerstore_expire(s, now, 20);
	zs_peerstore_export(s, now, 20, write_place, d);
	for (uint32_t i = 0; i < 20; i++)
		if (d->len[i])
			assert_int_equal(zs_peerstore_import(t, i, d->record[i], d->len[i], now), 0);
	assert_int_equal(zs_peerstore_count(t), zs_peerstore_count(s));
	for (uint32_t i = 0; i < 40; i++) {
		struct zs_peer_id id = peer_id(i);
		const struct zs_peer_info *a = zs_peerstore_get(s, &id, now),
					  *b = zs_peerstore_get(t, &id, now);

		assert_int_equal(!a, !b);
		if (!a)
			continue;
		assert_int_equal(a->addresses, b->addresses);
		for (uint32_t k = 0; k < a->addresses; k++)
			assert_true(a->address[k].failures == b->address[k].failures &&
				    a->address[k].certified == b->address[k].certified &&
				    !memcmp(a->address[k].bytes, b->address[k].bytes, a->address[k].len));
		assert_int_equal(a->seq, b->seq);
		assert_string_equal(a->agent, b->agent);
	}
	zs_peerstore_delete(t);
}

static void random_use(void **state)
{
	struct random r = random_new("peerstore");
	struct zs_peerstore *s = store(20);
	static struct disk disk;
	uint64_t now = HOUR;

	for (int i = 0; i < 50000; i++) {
		struct zs_peer_id id = peer_id(random_below(&r, 40));
		char name[8];

		snprintf(name, sizeof(name), "%u", random_below(&r, 30));
		now += random_below(&r, 100) * S;
		switch (random_below(&r, 7)) {
		case 0:
		case 1:
			zs_peerstore_learn(s, &id, bytes(name), random_below(&r, 3), now);
			break;
		case 2: {
			struct zs_span list[2] = { bytes(name), bytes("c") };
			zs_peerstore_certify(s, &id, random_below(&r, 1000), bytes(name), list, 2, now);
			break;
		}
		case 3:
			zs_peerstore_disconnected(s, &id, now);
			break;
		case 4:
			zs_peerstore_dialled(s, &id, bytes(name), random_below(&r, 2), now);
			break;
		case 5:
			zs_peerstore_describe(s, &id, "/p", 3, name);
			break;
		case 6:
			zs_peerstore_expire(s, now, 3);
			if (random_below(&r, 20) == 0)
				zs_peerstore_forget(s, &id);
			break;
		}
		if (i % 8 == 0 && !zs_peerstore_check(s))
			fail_msg("step %d", i);
		assert_true(zs_peerstore_count(s) <= 20);
		zs_peerstore_export(s, now, random_below(&r, 3), write_place, &disk);
		if (i % 500 == 0)
			compare(s, &disk, now);
	}
	zs_peerstore_delete(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(records_go_out_and_in),
		cmocka_unit_test(damaged_records_are_refused),
		cmocka_unit_test(changes_alone_are_told),
		cmocka_unit_test(random_use),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
