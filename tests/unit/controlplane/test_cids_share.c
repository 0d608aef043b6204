/* Configurations of connection IDs from PoP to PoP: what is imported, what decodes, what is minted from, what is refused. */
#include "cid_rig.h"

#include <errno.h>
#include <sodium.h>

static void test_two_pops_share(void **state)
{
	struct pop *a = pop_new(1, 7, LIMITS), *b = pop_new(2, 8, LIMITS);
	struct zs_cids_batch of_a = pop_mint(a, 4, 11, 1), of_b;
	struct zs_cids_imported done;
	struct zs_cid cid;
	uint8_t next;

	assert_int_not_equal(pop_minting(a), pop_minting(b));
	assert_int_equal(pop_carry(a, b, &done), 0);
	assert_int_equal(done.added, 1 << of_a.rotation);
	assert_int_equal(pop_carry(b, a, &done), 0);
	assert_int_equal(done.known, 1 << of_a.rotation);
	cid = pop_decoded(b, of_a.cid[0]);
	assert_true(cid.verdict == ZS_CID_OK && cid.pop == 1 && cid.attachment == 4 && cid.generation == 11);
	pop_pass(a, 1);
	pop_pass(b, 1);
	next = pop_rotate(a);
	assert_int_equal(pop_carry(a, b, &done), 0);
	assert_int_equal(done.added, 1 << next);
	pop_pass(a, 5);
	pop_pass(b, 5);
	of_a = pop_mint(a, 4, 11, 1);
	of_b = pop_mint(b, 4, 11, 1);
	assert_true(of_a.rotation == next && of_b.rotation == next);
	assert_memory_not_equal(of_a.cid[0], of_b.cid[0], ZS_CID); /* the PoPs' numbers differ */
	assert_int_equal(pop_decoded(a, of_b.cid[0]).pop, 2);
	pop_delete(a);
	pop_delete(b);
}

/* An old one of another PoP lives as long here as one that was replaced today, though what replaces it began long ago. */
static void test_an_old_one_comes_late(void **state)
{
	struct pop *a = pop_new(1, 7, LIMITS), *b = pop_new(2, 8, LIMITS);
	struct zs_cids_batch of_a = pop_mint(a, 1, 1, 1);
	struct zs_cids_imported done;

	pop_rotate(b);
	pop_pass(b, 60);
	assert_int_equal(pop_carry(a, b, &done), 0);
	assert_false(pop_pass(b, 39));
	assert_int_equal(pop_decoded(b, of_a.cid[0]).verdict, ZS_CID_OK);
	assert_true(pop_pass(b, 1));
	assert_int_equal(pop_decoded(b, of_a.cid[0]).verdict, ZS_CID_CONFIG);
	pop_delete(a);
	pop_delete(b);
}

/* Until one minted from a number, another PoP's key of that number may replace its own. */
static void test_numbers_that_collide(void **state)
{
	struct pop *a = pop_new(1, 7, LIMITS), *b = pop_new(2, 7, LIMITS);
	struct zs_cids_imported done;
	struct zs_cids_batch got;
	uint8_t n = pop_minting(a);

	b->prng.state = 99; /* same number, another key */
	pop_wipe(b, "shm");
	pop_close(b);
	pop_wipe(b, "store");
	for (b->prng.state = 99;; b->prng.state++) {
		pop_open(b);
		if (pop_minting(b) == n)
			break;
		pop_close(b);
		pop_wipe(b, "store");
		pop_wipe(b, "shm");
	}
	got = pop_mint(a, 1, 1, 1);
	assert_int_equal(pop_carry(a, b, &done), 0);
	assert_int_equal(done.added, 1 << n);
	assert_int_equal(pop_decoded(b, got.cid[0]).verdict, ZS_CID_OK);
	assert_int_not_equal(pop_minting(b), n); /* it is older than b's store: b got a new one */
	pop_mint(b, 1, 1, 1);
	pop_delete(a);
	pop_delete(b);
}

/* Rotates until number n is minted from. */
static void rotate_to(struct pop *p, uint8_t n)
{
	for (int i = 0; pop_minting(p) != n; i++) {
		assert_true(i < 1000);
		pop_rotate(p);
		pop_pass(p, 60);
	}
}

static void test_conflicts(void **state)
{
	struct pop *a = pop_new(1, 7, LIMITS), *b = pop_new(2, 8, LIMITS);
	struct zs_cids_imported done;
	uint8_t n = pop_minting(a);

	rotate_to(b, n);
	pop_mint(b, 1, 1, 1);
	assert_int_equal(pop_carry(a, b, &done), -EEXIST);
	assert_non_null(strstr(b->r.err.text, "has another key here"));
	assert_int_equal(pop_minting(b), n);
	pop_rotate(b);
	pop_pass(b, 45);
	assert_int_equal(pop_state(b, n), ZS_CIDS_RESTING);
	assert_int_equal(pop_carry(a, b, &done), -EEXIST);
	assert_non_null(strstr(b->r.err.text, "rests"));
	pop_pass(b, 10);
	assert_int_equal(pop_carry(a, b, &done), 0);
	pop_delete(a);
	pop_delete(b);
}

/* A store that was lost has forgotten its nonces: what another PoP gives back decodes, and is not minted from. */
static void test_no_minting_from_what_was_forgotten(void **state)
{
	struct pop *a = pop_new(1, 7, LIMITS), *b = pop_new(2, 8, LIMITS);
	struct zs_cids_imported done;
	struct zs_cids_batch old;
	struct zs_cids_info info;

	pop_pass(a, 1);
	pop_rotate(a);
	assert_int_equal(pop_carry(a, b, &done), 0);
	pop_pass(a, 10);
	pop_pass(b, 11);
	old = pop_mint(b, 1, 1, 1);
	assert_int_equal(old.rotation, pop_minting(a));
	pop_close(b);
	pop_wipe(b, "store");
	pop_open(b);
	assert_int_equal(pop_decoded(b, old.cid[0]).verdict, ZS_CID_CONFIG);
	assert_int_equal(pop_carry(a, b, &done), 0); /* its number rests, but after the same key */
	assert_int_equal(pop_decoded(b, old.cid[0]).verdict, ZS_CID_OK);
	assert_true(zs_cids_info(b->s, old.rotation, &info) && !info.mints);
	assert_int_not_equal(pop_mint(b, 1, 1, 1).rotation, old.rotation);
	pop_delete(a);
	pop_delete(b);
}

/* Nor from an old one of its own that another PoP still has: the nonces of a withdrawn configuration are forgotten. */
static void test_no_minting_from_what_comes_back(void **state)
{
	struct pop *a = pop_new(1, 7, LIMITS), *b = pop_new(2, 8, LIMITS);
	struct zs_cids_imported done;
	struct zs_cids_info info;
	uint8_t old;

	pop_pass(a, 1);
	old = pop_rotate(a);
	pop_pass(a, 10);
	pop_mint(a, 1, 1, 1);
	pop_pass(b, 11);
	assert_int_equal(pop_carry(a, b, &done), 0);
	pop_rotate(a);
	pop_pass(a, 60);
	assert_int_equal(pop_carry(b, a, &done), 0);
	assert_true(zs_cids_info(a->s, old, &info));
	assert_true(info.state == ZS_CIDS_DECODING && !info.mints);
	pop_restart(a);
	assert_true(zs_cids_info(a->s, old, &info) && !info.mints);
	a->now -= 10000; /* before all of them: the oldest that may be minted from is taken */
	pop_pass(a, 0);
	assert_int_not_equal(pop_mint(a, 1, 1, 1).rotation, old);
	pop_delete(a);
	pop_delete(b);
}

static void test_files_that_are_refused(void **state)
{
	struct pop *a = pop_new(1, 7, LIMITS), *twin = pop_new(1, 9, LIMITS), *b = pop_new(2, 8, LIMITS);
	char good[ZS_CIDS_EXPORT], text[ZS_CIDS_EXPORT];
	size_t len = zs_cids_export(a->s, good);
	struct zs_cids_imported done;
	struct zs_error err = { 0 };

	for (size_t i = 0; i < len; i++) { /* any byte that is another one, and any end that is too early */
		memcpy(text, good, len);
		text[i] ^= 1;
		assert_int_equal(zs_cids_import(b->s, text, len, &done, &err), -EINVAL);
		assert_int_equal(zs_cids_import(b->s, good, i, &done, &err), -EINVAL);
	}
	assert_int_equal(zs_cids_import(b->s, good, len, &done, &err), 0);
	assert_int_equal(pop_carry(a, a, &done), 0); /* its own: nothing new */
	assert_int_equal(done.added, 0);
	assert_int_equal(pop_carry(twin, a, &done), -EPERM);
	assert_non_null(strstr(a->r.err.text, "attach.pop"));
	pop_pass(twin, 30 * 86400);
	pop_rotate(twin);
	twin->r.c.conf->attach.pop = 3;
	assert_int_equal(pop_carry(twin, b, &done), -EPERM);
	assert_non_null(strstr(b->r.err.text, "clocks"));
	pop_delete(a);
	pop_delete(b);
	pop_delete(twin);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_two_pops_share),
		cmocka_unit_test(test_an_old_one_comes_late),
		cmocka_unit_test(test_numbers_that_collide),
		cmocka_unit_test(test_conflicts),
		cmocka_unit_test(test_no_minting_from_what_was_forgotten),
		cmocka_unit_test(test_no_minting_from_what_comes_back),
		cmocka_unit_test(test_files_that_are_refused),
	};

	ZS_CHECK(sodium_init() >= 0, "libsodium");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
