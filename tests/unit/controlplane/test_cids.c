/* Configurations and nonces of connection IDs: rotation, lost stores, full disks, and kills. */
#include "cid_rig.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sodium.h>
#include <sys/resource.h>
#include <sys/wait.h>

static void test_what_is_minted_decodes(void **state)
{
	struct pop *p = one_pop();
	struct zs_cids_batch b = pop_mint(p, 9, 700, 64);

	assert_int_equal(b.rotation, pop_minting(p));
	assert_int_equal(b.expires_s, p->now + 20);
	for (uint32_t i = 0; i < b.count; i++) {
		struct zs_cid cid = pop_decoded(p, b.cid[i]);

		assert_int_equal(cid.verdict, ZS_CID_OK);
		assert_true(cid.pop == 1 && cid.attachment == 9 && cid.generation == 700 && cid.nonce == i);
	}
	pop_delete(p);
}

/* Workers read the same: key and layout. */
static void test_the_segment_has_what_decodes(void **state)
{
	struct pop *p = one_pop();
	struct zs_cids_batch b = pop_mint(p, 3, 1, 1);
	struct zs_cid_ref ref = { b.cid[0], ZS_CID };
	struct zs_cid_config v;
	struct zs_cidset set;
	struct zs_cid cid;

	assert_true(zs_sessions_cid_config(&p->shm, b.rotation, &v));
	assert_true(v.keyed && v.server_id_len == 12 && v.nonce_len == 4 && v.created_s == p->now &&
		    !v.successor_s);
	zs_cidset_init(&set, zs_aes_best());
	zs_cidset_put(&set, b.rotation, v.key);
	zs_cidset_decode(&set, &ref, 1, &cid);
	assert_true(cid.verdict == ZS_CID_OK && cid.attachment == 3);
	pop_delete(p);
}

/* An owner's successor gets none of its nonces, a restart skips the rest of the block. */
static void test_nonces_go_on(void **state)
{
	struct pop *p = one_pop();

	pop_mint(p, 5, 1, 64);
	assert_int_equal(pop_decoded(p, pop_mint(p, 5, 2, 1).cid[0]).nonce, 64);
	assert_int_equal(pop_decoded(p, pop_mint(p, 6, 1, 1).cid[0]).nonce, 0);
	pop_restart(p);
	assert_int_equal(pop_decoded(p, pop_mint(p, 5, 2, 1).cid[0]).nonce, ZS_CIDS_BLOCK);
	for (unsigned i = 0; i < ZS_CIDS_BLOCK / 64; i++)
		pop_mint(p, 5, 2, 64);
	assert_int_equal(pop_decoded(p, pop_mint(p, 5, 2, 1).cid[0]).nonce, 2 * ZS_CIDS_BLOCK + 1);
	pop_delete(p);
}

static void test_a_life_of_configurations(void **state)
{
	struct pop *p = one_pop();
	uint8_t first = pop_minting(p), second;
	struct zs_cids_batch old = pop_mint(p, 1, 1, 1);
	struct zs_cid_config shown;
	struct zs_cids_info info;

	second = pop_rotate(p);
	assert_true(zs_sessions_cid_config(&p->shm, first, &shown) && shown.successor_s == p->now + 5);
	assert_true(zs_sessions_cid_config(&p->shm, second, &shown) && !shown.successor_s);
	assert_int_not_equal(first, second);
	assert_int_equal(pop_state(p, second), ZS_CIDS_STAGED);
	assert_int_equal(pop_mint(p, 1, 1, 1).rotation, first);
	assert_false(pop_pass(p, 4));
	assert_int_equal(pop_mint(p, 1, 1, 1).rotation, first);
	pop_pass(p, 1);
	assert_int_equal(pop_mint(p, 1, 1, 1).rotation, second);
	assert_int_equal(pop_state(p, first), ZS_CIDS_DECODING);
	assert_false(pop_pass(p, 39));
	assert_int_equal(pop_decoded(p, old.cid[0]).verdict, ZS_CID_OK);
	assert_int_equal(zs_cids_retired(p->s), 0);
	assert_true(pop_pass(p, 1));
	assert_int_equal(pop_decoded(p, old.cid[0]).verdict, ZS_CID_CONFIG);
	assert_int_equal(zs_cids_retired(p->s), 1 << first);
	pop_restart(p);
	assert_int_equal(zs_cids_retired(p->s), 1 << first);
	assert_int_equal(pop_state(p, first), ZS_CIDS_RESTING);
	pop_pass(p, 10);
	assert_int_equal(zs_cids_retired(p->s), 0);
	assert_false(zs_cids_info(p->s, first, &info));
	assert_false(pop_pass(p, 1000000)); /* the last one stays */
	pop_delete(p);
}

static void test_no_number_left(void **state)
{
	struct pop *p = one_pop();
	uint8_t n;

	for (int i = 1; i < ZS_CID_ROTATIONS; i++)
		pop_rotate(p);
	assert_int_equal(zs_cids_rotate(p->s, &n, &p->r.err), -EBUSY);
	assert_non_null(strstr(p->r.err.text, "free in 55 s")); /* staged 5, then 40 and 10 */
	assert_true(pop_pass(p, 45));
	pop_pass(p, 9);
	assert_int_equal(zs_cids_rotate(p->s, &n, &p->r.err), -EBUSY);
	pop_pass(p, 1);
	pop_rotate(p);
	pop_delete(p);
}

/* Each rotation begins after the one before, however fast they come: all PoPs agree on their order. */
static void test_rotations_have_an_order(void **state)
{
	struct pop *p = one_pop();
	struct zs_cids_info a, b;

	assert_true(zs_cids_info(p->s, pop_rotate(p), &a));
	assert_true(zs_cids_info(p->s, pop_rotate(p), &b));
	assert_int_equal(b.start_s, a.start_s + 1);
	pop_delete(p);
}

/* A clock that steps back revives nothing and stops nothing. */
static void test_clock_steps_back(void **state)
{
	struct pop *p = one_pop();
	uint8_t first = pop_minting(p), second = pop_rotate(p);

	pop_pass(p, 50);
	assert_int_equal(pop_state(p, first), ZS_CIDS_RESTING);
	p->now -= 100000;
	pop_pass(p, 0);
	assert_int_equal(pop_mint(p, 1, 1, 1).rotation, second);
	assert_int_equal(pop_state(p, first), ZS_CIDS_RESTING);
	pop_restart(p);
	assert_int_equal(pop_mint(p, 1, 1, 1).rotation, second);
	pop_delete(p);
}

static void test_store_lost(void **state)
{
	struct pop *p = one_pop();
	struct zs_cids_batch b = pop_mint(p, 1, 1, 1);
	uint8_t staged = pop_rotate(p);

	pop_close(p);
	pop_wipe(p, "store");
	pop_open(p);
	assert_int_not_equal(pop_minting(p), b.rotation);
	assert_int_not_equal(pop_minting(p), staged);
	assert_int_equal(zs_cids_retired(p->s), 1 << b.rotation | 1 << staged);
	assert_int_equal(pop_decoded(p, b.cid[0]).verdict, ZS_CID_CONFIG);
	pop_delete(p);
}

/* The machine rebooted: shared memory is made anew from the store. */
static void test_segment_lost(void **state)
{
	struct pop *p = one_pop();
	struct zs_cids_batch b = pop_mint(p, 1, 1, 1);
	struct zs_cid_config v;

	pop_close(p);
	pop_wipe(p, "shm");
	pop_open(p);
	assert_true(zs_sessions_cid_config(&p->shm, b.rotation, &v));
	assert_int_equal(pop_decoded(p, b.cid[0]).verdict, ZS_CID_OK);
	pop_delete(p);
}

static void test_damaged_records_stop_the_start(void **state)
{
	static const char *const keys[] = { "cid/born", "cid/conf/x" };

	for (size_t i = 0; i < ZS_ARRAY_LEN(keys); i++) {
		struct pop *p = one_pop();
		struct zs_store_batch *b = zs_store_begin(p->r.c.store);
		struct zs_cids *s;

		zs_store_put(b, keys[i], strlen(keys[i]), "nonsense", 8);
		assert_int_equal(zs_store_commit(b, NULL), 0);
		assert_int_equal(
		    zs_cids_new(&s, &p->r.c, (struct zs_random){ pop_fill, p }, &p->shm, p->now, &p->r.err),
		    -EUCLEAN);
		pop_delete(p);
	}
}

/* Nonces that cannot be read are not begun again. */
static void test_damaged_nonces_mint_nothing(void **state)
{
	static const uint8_t key[] = "cid/nonce/\0\0\0\5";
	struct pop *p = one_pop();
	struct zs_store_batch *b;
	struct zs_cids_batch got;

	pop_mint(p, 5, 1, 1);
	pop_restart(p);
	b = zs_store_begin(p->r.c.store);
	zs_store_put(b, key, 14, "\1\1\0\0", 4);
	assert_int_equal(zs_store_commit(b, NULL), 0);
	assert_int_equal(zs_cids_mint(p->s, 5, 1, 1, &got), -EUCLEAN);
	pop_mint(p, 6, 1, 1);
	pop_delete(p);
}

static void test_nonces_run_out(void **state)
{
	/* {version, one, serial 1, reserved up to the last whole block but one} */
	static const uint8_t key[] = "cid/nonce/\0\0\0\5",
			     value[] = { 1, 1, 0, 0, 0, 1, 0xff, 0xff, 0xe0, 0 };
	struct pop *p = one_pop();
	struct zs_store_batch *b = zs_store_begin(p->r.c.store);
	struct zs_cids_batch got;

	zs_store_put(b, key, 14, value, sizeof(value));
	assert_int_equal(zs_store_commit(b, NULL), 0);
	assert_int_equal(pop_decoded(p, pop_mint(p, 5, 1, 64).cid[63]).nonce, 0xffffe000 + 63);
	for (unsigned i = 1; i < ZS_CIDS_BLOCK / 64; i++)
		pop_mint(p, 5, 1, 64);
	assert_int_equal(zs_cids_mint(p->s, 5, 1, 1, &got), -ENOSPC);
	assert_true(rig_raised(&p->r, ZS_HEALTH_cids_spent));
	pop_rotate(p);
	assert_false(rig_raised(&p->r, ZS_HEALTH_cids_spent));
	pop_pass(p, 5);
	pop_mint(p, 5, 1, 64);
	pop_delete(p);
}

/* A configuration's reservations stay in the record while it lives, and go with it. */
static void test_the_record_is_bounded(void **state)
{
	static const uint8_t key[] = "cid/nonce/\0\0\0\5";
	struct pop *p = one_pop();
	uint8_t value[128];
	size_t len;

	for (int i = 0; i < 20; i++) {
		pop_mint(p, 5, 1, 1);
		pop_rotate(p);
		pop_pass(p, 20);
		assert_int_equal(zs_store_get(p->r.c.store, key, 14, value, sizeof(value), &len), 0);
		assert_in_range(len, 10, 2 + 4 * 8);
	}
	assert_int_equal(value[1], 3);
	pop_delete(p);
}

/* A disk that is full: nothing is given out, rotated, imported or withdrawn that would not be so after a crash. */
static void test_full_disk(void **state)
{
	struct pop *p = one_pop(), *other = pop_new(2, 8, LIMITS);
	struct rlimit was, none = { 0 };
	struct zs_cids_imported done;
	struct zs_cids_batch got;
	uint8_t first, n;

	first = pop_mint(p, 5, 1, 60).rotation;
	pop_rotate(p);
	pop_pass(p, 44);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
	none.rlim_max = was.rlim_max;
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
	assert_true(zs_cids_mint(p->s, 5, 1, 64, &got) <
		    0); /* of the second configuration: none is reserved */
	assert_true(zs_cids_rotate(p->s, &n, &p->r.err) < 0);
	assert_true(pop_carry(other, p, &done) < 0);
	assert_false(pop_pass(p, 10)); /* due, and not withdrawn yet */
	assert_int_equal(pop_state(p, first), ZS_CIDS_DECODING);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
	signal(SIGXFSZ, SIG_DFL);
	assert_true(pop_pass(p, 1));
	assert_int_equal(pop_state(p, first), ZS_CIDS_RESTING);
	assert_int_equal(pop_decoded(p, pop_mint(p, 5, 1, 1).cid[0]).nonce, 0);
	pop_restart(p);
	assert_int_equal(pop_decoded(p, pop_mint(p, 5, 1, 1).cid[0]).nonce, ZS_CIDS_BLOCK);
	pop_delete(p);
	pop_delete(other);
}

/* --- kills --- */

static void mint_until_killed(struct pop *p, int out)
{
	pop_open(p);
	for (;;) {
		struct zs_cids_batch b = pop_mint(p, 1 + p->prng.state % 3, 1,
						  1 + zs_prng_u64(&p->prng) % 64);

		if (write(out, b.cid, b.count * ZS_CID) < 0)
			_exit(1);
		if (zs_prng_u64(&p->prng) % 64 == 0) {
			uint8_t n;

			p->now += 20;
			zs_cids_advance(p->s, p->now);
			zs_cids_rotate(p->s, &n, &p->r.err);
		}
	}
}

static int by_bytes(const void *a, const void *b)
{
	return memcmp(a, b, ZS_CID);
}

/* Whatever the moment of the kill: what was given out before never comes again. */
static void test_kills(void **state)
{
	struct pop *p = one_pop();
	size_t cap = 4u << 20, n = 0;
	uint8_t(*all)[ZS_CID] = malloc(cap * ZS_CID);

	pop_close(p);
	for (int round = 0; round < 25; round++) {
		int fd[2];
		pid_t pid;
		ssize_t got;
		size_t bytes = n * ZS_CID;

		assert_int_equal(pipe2(fd, O_CLOEXEC), 0);
		p->now += 100;
		p->prng.state += 1;
		pid = fork();
		if (!pid)
			mint_until_killed(p, fd[1]);
		close(fd[1]);
		for (size_t stop = bytes + ZS_CID * (zs_prng_u64(&p->prng) % 40000 + 1);
		     bytes < stop && bytes < cap * ZS_CID - 65536 &&
		     (got = read(fd[0], (uint8_t *)all + bytes, 65536)) > 0;)
			bytes += (size_t)got;
		kill(pid, SIGKILL);
		assert_int_equal(waitpid(pid, NULL, 0), pid);
		while (bytes < cap * ZS_CID - 65536 && (got = read(fd[0], (uint8_t *)all + bytes, 65536)) > 0)
			bytes += (size_t)got;
		close(fd[0]);
		n = bytes / ZS_CID; /* a batch that was cut: its whole ones */
	}
	assert_true(n > 1000);
	qsort(all, n, ZS_CID, by_bytes);
	for (size_t i = 1; i < n; i++)
		assert_memory_not_equal(all[i - 1], all[i], ZS_CID);
	print_message("%zu connection IDs over 25 kills\n", n);
	free(all);
	pop_open(p);
	pop_delete(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_minted_decodes),
		cmocka_unit_test(test_the_segment_has_what_decodes),
		cmocka_unit_test(test_nonces_go_on),
		cmocka_unit_test(test_a_life_of_configurations),
		cmocka_unit_test(test_no_number_left),
		cmocka_unit_test(test_rotations_have_an_order),
		cmocka_unit_test(test_clock_steps_back),
		cmocka_unit_test(test_store_lost),
		cmocka_unit_test(test_segment_lost),
		cmocka_unit_test(test_damaged_records_stop_the_start),
		cmocka_unit_test(test_damaged_nonces_mint_nothing),
		cmocka_unit_test(test_nonces_run_out),
		cmocka_unit_test(test_the_record_is_bounded),
		cmocka_unit_test(test_full_disk),
		cmocka_unit_test(test_kills),
	};

	ZS_CHECK(sodium_init() >= 0, "libsodium");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
