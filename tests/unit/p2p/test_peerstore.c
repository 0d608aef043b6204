/* The peerstore: classes and lives, signed records, what goes first when it is full, clocks that step. */
#include "unit/p2p/peerstore_rig.h"

static void classes_live_as_long_as_they_should(void **state)
{
	struct zs_peerstore *s = store(8);
	struct zs_peer_id one = peer_id(1);
	char long_one[ZS_PEERSTORE_ADDRESS + 2];

	assert_int_equal(learn(s, 1, "learnt", ZS_KNOWN_LEARNT, S), 0);
	assert_int_equal(learn(s, 1, "recent", ZS_KNOWN_RECENT, S), 0);
	assert_int_equal(learn(s, 1, "connected", ZS_KNOWN_CONNECTED, S), 0);
	assert_int_equal(learn(s, 1, "permanent", ZS_KNOWN_PERMANENT, S), 0);
	assert_int_equal(learn(s, 1, "recent", ZS_KNOWN_LEARNT, S), 0); /* known better already */
	assert_addresses(s, 1, HOUR, "learnt recent connected permanent");
	assert_addresses(s, 1, HOUR + S, "recent connected permanent");
	assert_addresses(s, 1, 49 * HOUR, "connected permanent");
	zs_peerstore_disconnected(s, &one, 50 * HOUR);
	assert_addresses(s, 1, 97 * HOUR, "connected permanent");
	assert_addresses(s, 1, 98 * HOUR, "permanent");
	assert_addresses(s, 2, S, "-");
	assert_int_equal(learn(s, 1, "", ZS_KNOWN_LEARNT, S), -EINVAL);
	memset(long_one, 'x', sizeof(long_one));
	long_one[ZS_PEERSTORE_ADDRESS + 1] = 0;
	assert_int_equal(learn(s, 1, long_one, ZS_KNOWN_LEARNT, S), -EINVAL);
	long_one[ZS_PEERSTORE_ADDRESS] = 0;
	assert_int_equal(learn(s, 1, long_one, ZS_KNOWN_LEARNT, S), 0);
	zs_peerstore_forget(s, &one);
	assert_int_equal(zs_peerstore_count(s), 0);
	zs_peerstore_delete(s);
}

/* A clock back by years leaves a life of the class's length from then, forward by years ends it. */
static void clocks_that_step(void **state)
{
	struct zs_peerstore *s = store(8);

	learn(s, 1, "learnt", ZS_KNOWN_LEARNT, 100000 * HOUR);
	assert_addresses(s, 1, HOUR, "learnt");
	assert_addresses(s, 1, 2 * HOUR - 1, "learnt");
	assert_addresses(s, 1, 2 * HOUR, "");
	learn(s, 1, "connected", ZS_KNOWN_CONNECTED, 2 * HOUR);
	assert_addresses(s, 1, 100000 * HOUR, "connected");
	learn(s, 1, "late", ZS_KNOWN_RECENT, UINT64_MAX - S); /* no wrap */
	assert_addresses(s, 1, UINT64_MAX - 1, "connected late");
	zs_peerstore_delete(s);
}

static void certify(struct zs_peerstore *s, uint64_t seq, const char *envelope, const char *a, const char *b,
		    int want)
{
	struct zs_peer_id id = peer_id(1);
	struct zs_span list[] = { bytes(a), bytes(b) };

	assert_int_equal(zs_peerstore_certify(s, &id, seq, bytes(envelope), list, 2, S), want);
}

static void signed_records_only_grow(void **state)
{
	struct zs_peerstore *s = store(8);
	struct zs_peer_id id = peer_id(1);
	const struct zs_peer_info *p;
	static char huge[ZS_PEERSTORE_ENVELOPE + 2];

	learn(s, 1, "told", ZS_KNOWN_LEARNT, S);
	certify(s, 5, "five", "a", "b", 0);
	assert_addresses(s, 1, S, "told a b");
	certify(s, 5, "five", "a", "b", 0); /* the same again */
	certify(s, 5, "FIVE", "x", "y", -ESTALE);
	certify(s, 4, "four", "x", "y", -ESTALE);
	assert_addresses(s, 1, S, "told a b");
	learn(s, 1, "a", ZS_KNOWN_CONNECTED, S);
	certify(s, 6, "six", "b", "c", 0);
	assert_addresses(s, 1, S, "told a b c");
	certify(s, 7, "seven", "d", "e", 0); /* b and c go, a is connected */
	assert_addresses(s, 1, S, "told a d e");
	p = zs_peerstore_get(s, &id, S);
	assert_false(p->address[0].certified);
	assert_false(p->address[1].certified);
	assert_true(p->address[2].certified);
	assert_int_equal(p->seq, 7);
	assert_memory_equal(p->envelope, "seven", 5);
	memset(huge, 'x', ZS_PEERSTORE_ENVELOPE + 1);
	certify(s, 8, huge, "a", "b", -EINVAL);
	certify(s, 8, "", "a", "b", -EINVAL);
	assert_true(zs_peerstore_check(s));
	zs_peerstore_delete(s);
}

static void a_peers_addresses_are_bounded(void **state)
{
	struct zs_peerstore *s = store(8);
	struct zs_peer_id id = peer_id(1);
	const struct zs_peer_info *p;
	char name[16];

	for (int i = 0; i < ZS_PEERSTORE_ADDRESSES; i++) {
		snprintf(name, sizeof(name), "a%d", i);
		assert_int_equal(
		    learn(s, 1, name, i < 3 ? ZS_KNOWN_RECENT : ZS_KNOWN_LEARNT, (uint64_t)(i + 1) * S), 0);
	}
	for (int i = 0; i < 3; i++)
		zs_peerstore_dialled(s, &id, bytes("a9"), false, 20 * S);
	assert_int_equal(learn(s, 1, "new", ZS_KNOWN_LEARNT, 21 * S), 0);
	p = zs_peerstore_get(s, &id, 21 * S);
	assert_int_equal(p->addresses, ZS_PEERSTORE_ADDRESSES);
	assert_memory_equal(p->address[9].bytes, "new", 3); /* the failing one went */
	assert_int_equal(learn(s, 1, "new2", ZS_KNOWN_LEARNT, 21 * S), 0);
	p = zs_peerstore_get(s, &id, 21 * S);
	assert_memory_equal(p->address[3].bytes, "new2", 4); /* then the oldest of the learnt */
	for (int i = 0; i < 2 * ZS_PEERSTORE_ADDRESSES; i++) {
		snprintf(name, sizeof(name), "p%d", i);
		assert_int_equal(learn(s, 1, name, ZS_KNOWN_PERMANENT, 22 * S), 0);
	}
	assert_int_equal(learn(s, 1, "no", ZS_KNOWN_RECENT, 22 * S), -ENOSPC);
	zs_peerstore_delete(s);
}

static void dials_are_remembered(void **state)
{
	struct zs_peerstore *s = store(8);
	struct zs_peer_id id = peer_id(1), other = peer_id(2);
	const struct zs_peer_info *p;

	learn(s, 1, "a", ZS_KNOWN_RECENT, S);
	zs_peerstore_dialled(s, &id, bytes("a"), false, 2 * S);
	zs_peerstore_dialled(s, &id, bytes("a"), false, 3 * S);
	zs_peerstore_dialled(s, &id, bytes("unknown"), true, 3 * S);
	zs_peerstore_dialled(s, &other, bytes("a"), true, 3 * S);
	p = zs_peerstore_get(s, &id, 4 * S);
	assert_int_equal(p->address[0].failures, 2);
	assert_int_equal(p->address[0].failed_ns, 3 * S);
	assert_int_equal(p->address[0].succeeded_ns, 0);
	zs_peerstore_dialled(s, &id, bytes("a"), true, 5 * S);
	p = zs_peerstore_get(s, &id, 6 * S);
	assert_int_equal(p->address[0].failures, 0);
	assert_int_equal(p->address[0].succeeded_ns, 5 * S);
	p = zs_peerstore_get(s, &id, 2 * S); /* back in time: not in the future */
	assert_int_equal(p->address[0].succeeded_ns, 2 * S);
	assert_int_equal(zs_peerstore_count(s), 1);
	zs_peerstore_delete(s);
}

static void learnt_and_longest_untouched_go_first(void **state)
{
	struct zs_peerstore *s = store(4);
	struct zs_peer_id one = peer_id(1);

	learn(s, 0, "a", ZS_KNOWN_RECENT, S);
	learn(s, 1, "a", ZS_KNOWN_LEARNT, S);
	learn(s, 2, "a", ZS_KNOWN_LEARNT, S);
	learn(s, 3, "a", ZS_KNOWN_CONNECTED, S);
	zs_peerstore_get(s, &one, S); /* used: 2 is older now */
	learn(s, 4, "a", ZS_KNOWN_RECENT, S);
	assert_addresses(s, 2, S, "-");
	learn(s, 5, "a", ZS_KNOWN_CONNECTED, S);
	assert_addresses(s, 1, S, "-");
	learn(s, 6, "a", ZS_KNOWN_PERMANENT, S);
	assert_addresses(s, 0, S, "-"); /* of the recent ones the older */
	learn(s, 7, "a", ZS_KNOWN_CONNECTED, S);
	assert_addresses(s, 4, S, "-");
	assert_int_equal(learn(s, 8, "a", ZS_KNOWN_PERMANENT, S), -ENOSPC);
	assert_addresses(s, 3, S, "a");
	struct zs_peer_id five = peer_id(5);
	zs_peerstore_disconnected(s, &five, S);
	assert_int_equal(learn(s, 8, "a", ZS_KNOWN_LEARNT, S), 0);
	assert_addresses(s, 5, S, "-");
	assert_true(zs_peerstore_check(s));
	zs_peerstore_delete(s);
}

static void expiry_sweeps_in_steps(void **state)
{
	struct zs_peerstore *s = store(64);

	for (uint32_t i = 0; i < 64; i++)
		learn(s, i, "a", i % 2 ? ZS_KNOWN_LEARNT : ZS_KNOWN_RECENT, S);
	zs_peerstore_expire(s, 2 * HOUR, 16);
	assert_int_equal(zs_peerstore_count(s), 56);
	for (int i = 0; i < 3; i++)
		zs_peerstore_expire(s, 2 * HOUR, 16);
	assert_int_equal(zs_peerstore_count(s), 32);
	zs_peerstore_expire(s, 100 * HOUR, 1000);
	assert_int_equal(zs_peerstore_count(s), 0);
	assert_true(zs_peerstore_check(s));
	zs_peerstore_delete(s);
}

static void descriptions(void **state)
{
	static const char protocols[] = "/ipfs/ping/1.0.0\0/ipfs/id/1.0.0";
	static char many[ZS_PEERSTORE_PROTOCOLS + 1];
	struct zs_peerstore *s = store(8);
	struct zs_peer_id id = peer_id(1);
	const struct zs_peer_info *p;
	char agent[200];

	memset(agent, 'x', sizeof(agent) - 1);
	agent[199] = 0;
	assert_int_equal(zs_peerstore_describe(s, &id, protocols, sizeof(protocols), agent), 0);
	p = zs_peerstore_get(s, &id, S);
	assert_int_equal(p->protocols_len, sizeof(protocols));
	assert_memory_equal(p->protocols, protocols, sizeof(protocols));
	assert_int_equal(strlen(p->agent), ZS_PEERSTORE_AGENT - 1);
	assert_int_equal(zs_peerstore_describe(s, &id, protocols, 5, ""), -EINVAL); /* without its end */
	assert_int_equal(zs_peerstore_describe(s, &id, many, sizeof(many), ""), -EINVAL);
	assert_int_equal(zs_peerstore_describe(s, &id, "", 0, "short"), 0);
	p = zs_peerstore_get(s, &id, S);
	assert_int_equal(p->protocols_len, 0);
	assert_string_equal(p->agent, "short");
	zs_peerstore_delete(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(classes_live_as_long_as_they_should),
		cmocka_unit_test(clocks_that_step),
		cmocka_unit_test(signed_records_only_grow),
		cmocka_unit_test(a_peers_addresses_are_bounded),
		cmocka_unit_test(dials_are_remembered),
		cmocka_unit_test(learnt_and_longest_untouched_go_first),
		cmocka_unit_test(expiry_sweeps_in_steps),
		cmocka_unit_test(descriptions),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
