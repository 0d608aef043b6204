/* The store: what was acknowledged is there after a reopening; what failed is not; a disk that
 * comes back is used again. */
#include <errno.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include "rig.h"

static struct zs_store *open_store(struct rig *r)
{
	struct zs_store *s;
	char path[128];

	snprintf(path, sizeof(path), "%s/store", r->dir);
	if (zs_store_open(&s, path, &r->err))
		fail_msg("%s", r->err.text);
	return s;
}

static int put(struct zs_store *s, const char *key, const void *value, size_t len, struct zs_error *err)
{
	struct zs_store_batch *b = zs_store_begin(s);

	zs_store_put(b, key, strlen(key), value, len);
	return zs_store_commit(b, err);
}

static void test_round_trip(void **state)
{
	struct rig *r = *state;
	struct zs_store *s = open_store(r);
	char value[4] = "";
	size_t len = 0;

	assert_int_equal(zs_store_get(s, "a", 1, value, sizeof(value), &len), -ENOENT);
	assert_int_equal(put(s, "a", "longer than the room", 20, &r->err), 0);
	zs_store_close(s);
	s = open_store(r);
	assert_int_equal(zs_store_get(s, "a", 1, value, sizeof(value), &len), 0);
	assert_int_equal(len, 20);
	assert_memory_equal(value, "long", 4);
	zs_store_close(s);
}

static void test_batch_is_whole(void **state)
{
	struct rig *r = *state;
	struct zs_store *s = open_store(r);
	struct zs_store_batch *b = zs_store_begin(s);
	char v;
	size_t len;

	zs_store_put(b, "x", 1, "1", 1);
	zs_store_abort(b);
	assert_int_equal(zs_store_get(s, "x", 1, &v, 1, &len), -ENOENT);
	assert_int_equal(put(s, "y", "1", 1, NULL), 0);
	b = zs_store_begin(s);
	zs_store_put(b, "x", 1, "1", 1);
	zs_store_del(b, "y", 1);
	assert_int_equal(zs_store_commit(b, NULL), 0);
	assert_int_equal(zs_store_get(s, "x", 1, &v, 1, &len), 0);
	assert_int_equal(zs_store_get(s, "y", 1, &v, 1, &len), -ENOENT);
	zs_store_close(s);
}

static int collect(void *ctx, const void *key, size_t key_len, const void *value, size_t value_len)
{
	char *all = ctx;

	strncat(all, key, key_len);
	strncat(all, ",", 1);
	return strlen(all) >= 6 ? 7 : 0;
}

static void test_each_has_the_prefix_in_order(void **state)
{
	struct rig *r = *state;
	struct zs_store *s = open_store(r);
	char all[64] = "";

	put(s, "p2", "", 0, NULL);
	put(s, "p1", "", 0, NULL);
	put(s, "q1", "", 0, NULL);
	put(s, "o9", "", 0, NULL);
	assert_int_equal(zs_store_each(s, "p", 1, collect, all), 7); /* the callback's word */
	assert_string_equal(all, "p1,p2,");
	all[0] = '\0';
	assert_int_equal(zs_store_each(s, "q", 1, collect, all), 0);
	assert_string_equal(all, "q1,");
	zs_store_close(s);
}

/* kill -9 right after the acknowledgement. */
static void test_acknowledged_survives_kill(void **state)
{
	struct rig *r = *state;
	int fds[2], status;
	char byte, v;
	size_t len;
	struct zs_store *s;

	assert_int_equal(pipe(fds), 0);
	pid_t pid = fork();
	if (!pid) {
		s = open_store(r);
		if (put(s, "k", "1", 1, NULL) == 0 && write(fds[1], "!", 1) == 1)
			pause();
		_exit(1);
	}
	assert_int_equal(read(fds[0], &byte, 1), 1);
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	s = open_store(r);
	assert_int_equal(zs_store_get(s, "k", 1, &v, 1, &len), 0);
	zs_store_close(s);
	close(fds[0]);
	close(fds[1]);
}

/* A file size limit stands for the full disk: writes fail, and work again once it is lifted. */
static void test_failed_write_heals(void **state)
{
	struct rig *r = *state;
	struct zs_store *s = open_store(r);
	struct rlimit old, tight = { 4096, RLIM_INFINITY };
	static char big[65536];
	char v;
	size_t len;

	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(put(s, "before", "1", 1, NULL), 0);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	tight.rlim_max = old.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &tight), 0);
	assert_true(put(s, "big", big, sizeof(big), &r->err) < 0);
	assert_true(strlen(r->err.text) > 0);
	for (int i = 0; i < 3; i++) /* each opens it again, on a disk that is still full */
		assert_true(put(s, "big", big, sizeof(big), &r->err) < 0);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	assert_int_equal(put(s, "after", "1", 1, &r->err), 0);
	assert_int_equal(zs_store_get(s, "big", 3, &v, 1, &len), -ENOENT);
	assert_int_equal(zs_store_get(s, "before", 6, &v, 1, &len), 0);
	zs_store_close(s);
	s = open_store(r);
	assert_int_equal(zs_store_get(s, "after", 5, &v, 1, &len), 0);
	assert_int_equal(zs_store_get(s, "big", 3, &v, 1, &len), -ENOENT);
	zs_store_close(s);
}

/* It starts on a disk that takes nothing: what is there can be read, and the first write that works ends it. */
static void test_open_for_reading(void **state)
{
	struct rig *r = *state;
	struct zs_store *s = open_store(r);
	struct rlimit old, none;
	char path[128], v;
	size_t len;

	signal(SIGXFSZ, SIG_IGN);
	snprintf(path, sizeof(path), "%s/store", r->dir);
	assert_int_equal(put(s, "before", "1", 1, NULL), 0);
	zs_store_close(s);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	none = (struct rlimit){ 0, old.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
	assert_int_equal(zs_store_open(&s, path, &r->err), -EIO);
	if (zs_store_open_reading(&s, path, &r->err))
		fail_msg("%s", r->err.text);
	assert_int_equal(put(s, "refused", "1", 1, &r->err), -EIO);
	assert_int_equal(zs_store_get(s, "before", 6, &v, 1, &len), 0);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	assert_int_equal(zs_store_get(s, "refused", 7, &v, 1, &len), -ENOENT);
	assert_int_equal(put(s, "after", "1", 1, &r->err), 0);
	assert_int_equal(zs_store_get(s, "after", 5, &v, 1, &len), 0);
	assert_int_equal(zs_store_get(s, "before", 6, &v, 1, &len), 0);
	assert_int_equal(zs_store_get(s, "refused", 7, &v, 1, &len), -ENOENT);
	zs_store_close(s);
	snprintf(path, sizeof(path), "%s/none", r->dir);
	assert_true(zs_store_open_reading(&s, path, &r->err) < 0);
}

static void test_open_refuses(void **state)
{
	struct rig *r = *state;
	struct zs_store *s = open_store(r), *other = NULL;
	char path[128];

	snprintf(path, sizeof(path), "%s/store", r->dir);
	assert_int_equal(zs_store_open(&other, path, &r->err), -EBUSY);
	assert_int_equal(r->err.exit, ZS_EXIT_RUNNING);
	assert_true(zs_store_open(&other, "/dev/null/store", &r->err) < 0);
	zs_store_close(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_round_trip, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(test_batch_is_whole, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(test_each_has_the_prefix_in_order, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(test_acknowledged_survives_kill, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(test_failed_write_heals, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(test_open_for_reading, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(test_open_refuses, rig_setup, rig_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
