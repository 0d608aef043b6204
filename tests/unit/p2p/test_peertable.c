/* The table of peers and the lists through indexes against naive models. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/list.h"
#include "p2p/peertable.h"
#include "unit/p2p/peer_ids.h"
#include "unit/random.h"

#define PEERS	 200
#define CAPACITY 100

static const uint64_t key[2] = { 9, 8 };

static void peers_against_a_model(void **state)
{
	struct random r = random_new("peertable");
	uint32_t slot_of[PEERS], used = 0;
	struct zs_peertable t;

	assert_int_equal(zs_peertable_new(&t, CAPACITY, key), 0);
	for (uint32_t i = 0; i < PEERS; i++)
		slot_of[i] = ZS_PEER_NONE;
	for (int n = 0; n < 20000; n++) {
		uint32_t i = random_below(&r, PEERS), seen = 0;
		struct zs_peer_id id = peer_id(i);

		assert_int_equal(zs_peertable_find(&t, &id), slot_of[i]);
		if (slot_of[i] != ZS_PEER_NONE) {
			zs_peertable_remove(&t, slot_of[i]);
			slot_of[i] = ZS_PEER_NONE;
			used--;
		} else {
			slot_of[i] = zs_peertable_add(&t, &id);
			assert_int_equal(slot_of[i] == ZS_PEER_NONE, used == CAPACITY);
			used += slot_of[i] != ZS_PEER_NONE;
		}
		for (uint32_t s = zs_peertable_next(&t, ZS_PEER_NONE); n % 64 == 0 && s != ZS_PEER_NONE;
		     s = zs_peertable_next(&t, s)) {
			uint32_t peer;
			memcpy(&peer, t.id[s].bytes + 6, sizeof(peer));
			assert_int_equal(slot_of[peer], s);
			seen++;
		}
		assert_true(n % 64 || seen == used);
	}
	zs_peertable_delete(&t);
}

/* Ids that differ in length alone are different peers. */
static void length_counts(void **state)
{
	struct zs_peer_id a = { .len = 38 }, b = { .len = 39 };
	struct zs_peertable t;

	assert_int_equal(zs_peertable_new(&t, 4, key), 0);
	assert_int_not_equal(zs_peertable_add(&t, &a), ZS_PEER_NONE);
	assert_int_equal(zs_peertable_find(&t, &b), ZS_PEER_NONE);
	zs_peertable_delete(&t);
	zs_peertable_delete(&t); /* a deleted one, too */
}

static void lists_against_a_model(void **state)
{
	struct random r = random_new("list");
	struct zs_link links[16];
	struct zs_list list;
	uint32_t order[16], n = 0;

	zs_list_init(&list);
	for (int step = 0; step < 20000; step++) {
		uint32_t e = random_below(&r, 16), at = 0, i;

		while (at < n && order[at] != e)
			at++;
		if (at < n) {
			zs_list_remove(&list, links, e);
			memmove(order + at, order + at + 1, (--n - at) * sizeof(*order));
		} else {
			zs_list_append(&list, links, e);
			order[n++] = e;
		}
		for (at = 0, i = list.head; i != ZS_LIST_NONE; i = links[i].next, at++)
			assert_true(at < n && order[at] == i);
		for (i = list.tail; i != ZS_LIST_NONE; i = links[i].prev)
			assert_int_equal(order[--at], i);
		assert_int_equal(at, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(peers_against_a_model),
		cmocka_unit_test(length_counts),
		cmocka_unit_test(lists_against_a_model),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
