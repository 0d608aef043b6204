/* Configurations and nonces of connection IDs: rotation, sharing, lost stores, full disks, and kills. */
#include "cid_rig.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sodium.h>
#include <sys/resource.h>
#include <sys/wait.h>

#define LIMITS "{expires_s: 20, stage_s: 5, live_s: 40, rest_s: 10}"

static struct pop *one_pop(void)
{
	return pop_new(1, 7, LIMITS);
}

static struct zs_cids_batch mint(struct pop *p, uint32_t attachment, uint16_t generation, uint32_t count)
{
	struct zs_cids_batch b;

	assert_int_equal(zs_cids_mint(p->s, attachment, generation, count, &b), 0);
	pop_walk(p);
	assert_int_equal(b.count, count);
	return b;
}

static struct zs_cid decoded(const struct pop *p, const uint8_t cid[ZS_CID])
{
	struct zs_cid out;

	zs_cids_decode(p->s, cid, &out);
	return out;
}

static void test_what_is_minted_decodes(void **state)
{
	struct pop *p = one_pop();
	struct zs_cids_batch b = mint(p, 9, 700, 64);

	assert_int_equal(b.rotation, pop_minting(p));
	assert_int_equal(b.expires_s, p->now + 20);
	for (uint32_t i = 0; i < b.count; i++) {
		struct zs_cid cid = decoded(p, b.cid[i]);

		assert_int_equal(cid.verdict, ZS_CID_OK);
		assert_true(cid.pop == 1 && cid.attachment == 9 && cid.generation == 700 && cid.nonce == i);
	}
	pop_delete(p);
}

/* Workers read the same: key and layout. */
static void test_the_segment_has_what_decodes(void **state)
{
	struct pop *p = one_pop();
	struct zs_cids_batch b = mint(p, 3, 1, 1);
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

	mint(p, 5, 1, 64);
	assert_int_equal(decoded(p, mint(p, 5, 2, 1).cid[0]).nonce, 64);
	assert_int_equal(decoded(p, mint(p, 6, 1, 1).cid[0]).nonce, 0);
	pop_restart(p);
	assert_int_equal(decoded(p, mint(p, 5, 2, 1).cid[0]).nonce, ZS_CIDS_BLOCK);
	for (unsigned i = 0; i < ZS_CIDS_BLOCK / 64; i++)
		mint(p, 5, 2, 64);
	assert_int_equal(decoded(p, mint(p, 5, 2, 1).cid[0]).nonce, 2 * ZS_CIDS_BLOCK + 1);
	pop_delete(p);
}

static void test_a_life_of_configurations(void **state)
{
	struct pop *p = one_pop();
	uint8_t first = pop_minting(p), second;
	struct zs_cids_batch old = mint(p, 1, 1, 1);
	struct zs_cid_config shown;
	struct zs_cids_info info;

	second = pop_rotate(p);
	assert_true(zs_sessions_cid_config(&p->shm, first, &shown) && shown.successor_s == p->now + 5);
	assert_true(zs_sessions_cid_config(&p->shm, second, &shown) && !shown.successor_s);
	assert_int_not_equal(first, second);
	assert_int_equal(pop_state(p, second), ZS_CIDS_STAGED);
	assert_int_equal(mint(p, 1, 1, 1).rotation, first);
	assert_false(pop_pass(p, 4));
	assert_int_equal(mint(p, 1, 1, 1).rotation, first);
	pop_pass(p, 1);
	assert_int_equal(mint(p, 1, 1, 1).rotation, second);
	assert_int_equal(pop_state(p, first), ZS_CIDS_DECODING);
	assert_false(pop_pass(p, 39));
	assert_int_equal(decoded(p, old.cid[0]).verdict, ZS_CID_OK);
	assert_int_equal(zs_cids_retired(p->s), 0);
	assert_true(pop_pass(p, 1));
	assert_int_equal(decoded(p, old.cid[0]).verdict, ZS_CID_CONFIG);
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
	assert_int_equal(mint(p, 1, 1, 1).rotation, second);
	assert_int_equal(pop_state(p, first), ZS_CIDS_RESTING);
	pop_restart(p);
	assert_int_equal(mint(p, 1, 1, 1).rotation, second);
	pop_delete(p);
}

static void test_store_lost(void **state)
{
	struct pop *p = one_pop();
	struct zs_cids_batch b = mint(p, 1, 1, 1);
	uint8_t staged = pop_rotate(p);

	pop_close(p);
	pop_wipe(p, "store");
	pop_open(p);
	assert_int_not_equal(pop_minting(p), b.rotation);
	assert_int_not_equal(pop_minting(p), staged);
	assert_int_equal(zs_cids_retired(p->s), 1 << b.rotation | 1 << staged);
	assert_int_equal(decoded(p, b.cid[0]).verdict, ZS_CID_CONFIG);
	pop_delete(p);
}

/* The machine rebooted: shared memory is made anew from the store. */
static void test_segment_lost(void **state)
{
	struct pop *p = one_pop();
	struct zs_cids_batch b = mint(p, 1, 1, 1);
	struct zs_cid_config v;

	pop_close(p);
	pop_wipe(p, "shm");
	pop_open(p);
	assert_true(zs_sessions_cid_config(&p->shm, b.rotation, &v));
	assert_int_equal(decoded(p, b.cid[0]).verdict, ZS_CID_OK);
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

	mint(p, 5, 1, 1);
	pop_restart(p);
	b = zs_store_begin(p->r.c.store);
	zs_store_put(b, key, 14, "\1\1\0\0", 4);
	assert_int_equal(zs_store_commit(b, NULL), 0);
	assert_int_equal(zs_cids_mint(p->s, 5, 1, 1, &got), -EUCLEAN);
	mint(p, 6, 1, 1);
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
	assert_int_equal(decoded(p, mint(p, 5, 1, 64).cid[63]).nonce, 0xffffe000 + 63);
	for (unsigned i = 1; i < ZS_CIDS_BLOCK / 64; i++)
		mint(p, 5, 1, 64);
	assert_int_equal(zs_cids_mint(p->s, 5, 1, 1, &got), -ENOSPC);
	assert_true(rig_raised(&p->r, ZS_HEALTH_cids_spent));
	pop_rotate(p);
	assert_false(rig_raised(&p->r, ZS_HEALTH_cids_spent));
	pop_pass(p, 5);
	mint(p, 5, 1, 64);
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
		mint(p, 5, 1, 1);
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

	first = mint(p, 5, 1, 60).rotation;
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
	assert_int_equal(decoded(p, mint(p, 5, 1, 1).cid[0]).nonce, 0);
	pop_restart(p);
	assert_int_equal(decoded(p, mint(p, 5, 1, 1).cid[0]).nonce, ZS_CIDS_BLOCK);
	pop_delete(p);
	pop_delete(other);
}

/* --- sharing --- */

static void test_two_pops_share(void **state)
{
	struct pop *a = pop_new(1, 7, LIMITS), *b = pop_new(2, 8, LIMITS);
	struct zs_cids_batch of_a = mint(a, 4, 11, 1), of_b;
	struct zs_cids_imported done;
	struct zs_cid cid;
	uint8_t next;

	assert_int_not_equal(pop_minting(a), pop_minting(b));
	assert_int_equal(pop_carry(a, b, &done), 0);
	assert_int_equal(done.added, 1 << of_a.rotation);
	assert_int_equal(pop_carry(b, a, &done), 0);
	assert_int_equal(done.known, 1 << of_a.rotation);
	cid = decoded(b, of_a.cid[0]);
	assert_true(cid.verdict == ZS_CID_OK && cid.pop == 1 && cid.attachment == 4 && cid.generation == 11);
	pop_pass(a, 1);
	pop_pass(b, 1);
	next = pop_rotate(a);
	assert_int_equal(pop_carry(a, b, &done), 0);
	assert_int_equal(done.added, 1 << next);
	pop_pass(a, 5);
	pop_pass(b, 5);
	of_a = mint(a, 4, 11, 1);
	of_b = mint(b, 4, 11, 1);
	assert_true(of_a.rotation == next && of_b.rotation == next);
	assert_memory_not_equal(of_a.cid[0], of_b.cid[0], ZS_CID); /* the PoPs' numbers differ */
	assert_int_equal(decoded(a, of_b.cid[0]).pop, 2);
	pop_delete(a);
	pop_delete(b);
}

/* An old one of another PoP lives as long here as one that was replaced today, though what replaces it began long ago. */
static void test_an_old_one_comes_late(void **state)
{
	struct pop *a = pop_new(1, 7, LIMITS), *b = pop_new(2, 8, LIMITS);
	struct zs_cids_batch of_a = mint(a, 1, 1, 1);
	struct zs_cids_imported done;

	pop_rotate(b);
	pop_pass(b, 60);
	assert_int_equal(pop_carry(a, b, &done), 0);
	assert_false(pop_pass(b, 39));
	assert_int_equal(decoded(b, of_a.cid[0]).verdict, ZS_CID_OK);
	assert_true(pop_pass(b, 1));
	assert_int_equal(decoded(b, of_a.cid[0]).verdict, ZS_CID_CONFIG);
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
	got = mint(a, 1, 1, 1);
	assert_int_equal(pop_carry(a, b, &done), 0);
	assert_int_equal(done.added, 1 << n);
	assert_int_equal(decoded(b, got.cid[0]).verdict, ZS_CID_OK);
	assert_int_not_equal(pop_minting(b), n); /* it is older than b's store: b got a new one */
	mint(b, 1, 1, 1);
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
	mint(b, 1, 1, 1);
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
	old = mint(b, 1, 1, 1);
	assert_int_equal(old.rotation, pop_minting(a));
	pop_close(b);
	pop_wipe(b, "store");
	pop_open(b);
	assert_int_equal(decoded(b, old.cid[0]).verdict, ZS_CID_CONFIG);
	assert_int_equal(pop_carry(a, b, &done), 0); /* its number rests, but after the same key */
	assert_int_equal(decoded(b, old.cid[0]).verdict, ZS_CID_OK);
	assert_true(zs_cids_info(b->s, old.rotation, &info) && !info.mints);
	assert_int_not_equal(mint(b, 1, 1, 1).rotation, old.rotation);
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
	mint(a, 1, 1, 1);
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
	assert_int_not_equal(mint(a, 1, 1, 1).rotation, old);
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

/* --- kills --- */

static void mint_until_killed(struct pop *p, int out)
{
	pop_open(p);
	for (;;) {
		struct zs_cids_batch b = mint(p, 1 + p->prng.state % 3, 1, 1 + zs_prng_u64(&p->prng) % 64);

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
		cmocka_unit_test(test_two_pops_share),
		cmocka_unit_test(test_an_old_one_comes_late),
		cmocka_unit_test(test_numbers_that_collide),
		cmocka_unit_test(test_conflicts),
		cmocka_unit_test(test_no_minting_from_what_was_forgotten),
		cmocka_unit_test(test_no_minting_from_what_comes_back),
		cmocka_unit_test(test_files_that_are_refused),
		cmocka_unit_test(test_kills),
	};

	ZS_CHECK(sodium_init() >= 0, "libsodium");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
