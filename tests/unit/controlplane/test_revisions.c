/* Configurations that undo themselves: which one holds after a start, what a trial survives, what a full disk holds off and
 * what it does not, and what is kept of the past. */
#include <errno.h>
#include "revisions_rig.h"

/* Commits that fail from now on, as on a full disk. */
static bool disk_full;
int __real_zs_store_commit(struct zs_store_batch *b, struct zs_error *err);
int __wrap_zs_store_commit(struct zs_store_batch *b, struct zs_error *err);
int __wrap_zs_store_commit(struct zs_store_batch *b, struct zs_error *err)
{
	if (!disk_full)
		return __real_zs_store_commit(b, err);
	zs_store_abort(b);
	return zs_error_set(err, -ENOSPC, ZS_EXIT_RESOURCE, "disk full");
}

/* The newest word holds: the file's when it was edited, else what was applied. */
static void test_newest_word(void **state)
{
	struct rig *r = *state;

	write_file(r, "");
	start(r);
	assert_int_equal(now(r), 1);
	assert_int_equal(revision(r, 1).origin, ZS_REVISION_START);
	restart(r);
	assert_int_equal(now(r), 1); /* the same file is no news */
	assert_int_equal(apply(r, published, 0, NULL), 0);
	assert_int_equal(now(r), 2);
	assert_int_equal(revision(r, 2).uid, 1002);
	assert_true(rig_raised(r, ZS_HEALTH_config_unsaved));
	restart(r);
	assert_int_equal(now(r), 2);
	assert_true(is_published(r));
	assert_true(rig_raised(r, ZS_HEALTH_config_unsaved));
	write_file(r, published); /* saved */
	restart(r);
	assert_int_equal(now(r), 2);
	assert_false(rig_raised(r, ZS_HEALTH_config_unsaved));
	write_file(r, "# edited\n");
	restart(r);
	assert_int_equal(now(r), 3);
	assert_false(is_published(r));
	end(r);
}

/* Nobody confirms: the one before is back, and all that shows it says so. */
static void test_undone_by_itself(void **state)
{
	struct rig *r = *state;
	struct zs_trial trial;
	uint64_t until;

	write_file(r, published);
	start(r);
	assert_int_equal(apply(r, "", 2, NULL), 0);
	assert_false(is_published(r));
	zs_revisions_trial(r->c.revisions, &trial);
	assert_int_equal(trial.number, 2);
	assert_int_equal(trial.previous, 1);
	assert_int_equal(trial.left_s, 2);
	assert_true(rig_raised(r, ZS_HEALTH_config_trial));
	until = zs_clock_ns() + 1500 * ZS_NS_PER_MS;
	rig_run(r, 1500 * ZS_NS_PER_MS);
	if (zs_clock_ns() < until + 400 * ZS_NS_PER_MS) { /* not on a machine that stood still */
		zs_revisions_trial(r->c.revisions, &trial);
		assert_int_equal(trial.left_s, 1);
		assert_false(is_published(r));
	}
	rig_run(r, 1500 * ZS_NS_PER_MS);
	assert_true(is_published(r));
	assert_int_equal(now(r), 1);
	assert_true(revision(r, 2).undone);
	assert_false(rig_raised(r, ZS_HEALTH_config_trial));
	assert_true(rig_raised(r, ZS_HEALTH_config_rejected));
	assert_int_equal(recorded(r, "config undo"), 1);
	assert_int_equal(confirm(r, 2), ZS_EXIT_REFUSED);
	restart(r);
	assert_int_equal(now(r), 1);
	assert_true(is_published(r));
	assert_int_equal(recorded(r, "config undo"), 1); /* once */
	end(r);
}

static void test_confirmed(void **state)
{
	struct rig *r = *state;

	write_file(r, published);
	start(r);
	assert_int_equal(apply(r, "", 2, NULL), 0);
	assert_int_equal(confirm(r, 2), 0);
	assert_false(rig_raised(r, ZS_HEALTH_config_trial));
	rig_run(r, 2500 * ZS_NS_PER_MS);
	assert_int_equal(now(r), 2);
	restart(r);
	assert_int_equal(now(r), 2);
	assert_false(is_published(r));
	/* … and what was before is one word away. */
	assert_int_equal(verb(r, "config rollback", "{}"), 0);
	assert_int_equal(now(r), 3);
	assert_true(is_published(r));
	assert_int_equal(revision(r, 3).origin, ZS_REVISION_ROLLBACK);
	assert_int_equal(revision(r, 3).of, 1);
	end(r);
}

/* While one is on trial nothing else changes; its own end does. */
static void test_one_at_a_time(void **state)
{
	struct rig *r = *state;
	char why[256];

	write_file(r, published);
	start(r);
	assert_int_equal(apply(r, "", 60, NULL), 0);
	assert_int_equal(apply(r, "# other\n", 0, why), ZS_EXIT_REFUSED);
	assert_non_null(strstr(why, "on trial"));
	assert_int_equal(apply(r, "", 60, why), ZS_EXIT_REFUSED);
	assert_int_equal(verb(r, "config rollback", "{\"revision\":2}"), ZS_EXIT_REFUSED);
	assert_false(is_published(r));
	assert_int_equal(verb(r, "config rollback", "{}"), 0);
	assert_true(is_published(r));
	assert_int_equal(now(r), 1);
	assert_true(revision(r, 2).undone);
	rig_run(r, 50 * ZS_NS_PER_MS);
	assert_int_equal(recorded(r, "config undo"), 0); /* the call stands there */
	restart(r);
	assert_int_equal(now(r), 1);
	assert_int_equal(verb(r, "config rollback", "{}"), ZS_EXIT_REFUSED); /* nothing was before */
	end(r);
}

/* A kill in the middle: the trial goes on for the rest of its time. */
static void test_trial_over_a_restart(void **state)
{
	struct rig *r = *state;
	struct zs_trial trial;

	write_file(r, published);
	start(r);
	assert_int_equal(apply(r, "", 3, NULL), 0);
	write_file(r, published_edited);
	restart(r);
	assert_false(is_published(r));
	zs_revisions_trial(r->c.revisions, &trial);
	assert_int_equal(trial.number, 2);
	assert_in_range(trial.left_s, 1, 3);
	assert_true(rig_raised(r, ZS_HEALTH_config_trial));
	rig_run(r, 3500 * ZS_NS_PER_MS);
	assert_true(is_published(r));
	assert_int_equal(now(r), 1);
	restart(r); /* … nor takes what is undone its place: what was back then is the newest word */
	assert_int_equal(now(r), 1);
	end(r);
}

/* The time ends while nothing runs, and the operator had written the cutting text into the file, too: the one before holds, then
 * and after the next start. */
static void test_time_ends_while_dead(void **state)
{
	struct rig *r = *state;

	write_file(r, published);
	start(r);
	assert_int_equal(apply(r, "", 1, NULL), 0);
	end(r);
	write_file(r, "");
	sleep(2);
	for (int i = 0; i < 2; i++) {
		start(r);
		assert_true(is_published(r));
		assert_int_equal(now(r), 1);
		assert_true(revision(r, 2).undone);
		assert_int_equal(rig_raised(r, ZS_HEALTH_config_rejected), i == 0);
		assert_true(rig_raised(r, ZS_HEALTH_config_unsaved)); /* the file is to be mended */
		assert_int_equal(recorded(r, "config undo"), 1);
		end(r);
	}
}

/* A full disk refuses a change, and holds off no undo: the store follows. */
static void test_full_disk(void **state)
{
	struct rig *r = *state;

	write_file(r, published);
	start(r);
	disk_full = true;
	assert_int_not_equal(apply(r, "", 1, NULL), 0);
	assert_true(is_published(r));
	assert_int_equal(now(r), 1);
	disk_full = false;
	assert_int_equal(apply(r, "", 2, NULL), 0);
	disk_full = true;
	assert_int_not_equal(confirm(r, 2), 0);
	rig_run(r, 2500 * ZS_NS_PER_MS);
	assert_true(is_published(r));
	assert_int_equal(now(r), 1);
	assert_false(revision(r, 2).undone);
	disk_full = false;
	rig_run(r, 1500 * ZS_NS_PER_MS);
	assert_true(revision(r, 2).undone);
	assert_int_equal(recorded(r, "config undo"), 1);
	restart(r);
	assert_int_equal(now(r), 1);
	assert_true(is_published(r));
	end(r);
}

/* What cannot be put in force leaves no trace. */
static void test_refused(void **state)
{
	struct rig *r = *state;

	write_file(r, published);
	start(r);
	assert_int_equal(apply(r, "metrics: {listen: 127.0.0.1:9999}\n", 60, NULL),
			 ZS_EXIT_REFUSED); /* a restart */
	assert_int_equal(apply(r, published_wrong, 60, NULL), ZS_EXIT_CONFIG);
	assert_int_equal(apply(r, "", ZS_CONFIRM_MAX_S + 1, NULL), ZS_EXIT_USAGE);
	assert_int_equal(now(r), 1);
	assert_int_not_equal(zs_revisions_get(r->c.revisions, 2, &(struct zs_revision){ 0 }, NULL, NULL), 0);
	restart(r);
	assert_int_equal(now(r), 1);
	assert_true(is_published(r));
	end(r);
}

static void count(void *ctx, const struct zs_revision *rev)
{
	++*(unsigned *)ctx;
}

/* The bound holds; what is in force and what was before it are never dropped. */
static void test_bound(void **state)
{
	struct rig *r = *state;
	unsigned kept = 0;
	char more[64], *text = NULL;

	write_file(r, published);
	start(r);
	assert_int_equal(r->c.conf->admin.revisions, 20);
	r->c.conf->admin.revisions = 3;
	for (int i = 0; i < 10; i++) {
		snprintf(more, sizeof(more), "# %d\n", i);
		assert_int_equal(apply(r, more, 0, NULL), 0);
		r->c.conf->admin.revisions = 3;
	}
	zs_revisions_each(r->c.revisions, count, &kept);
	assert_int_equal(kept, 3);
	assert_int_equal(now(r), 11);
	assert_int_not_equal(zs_revisions_get(r->c.revisions, 8, &(struct zs_revision){ 0 }, NULL, NULL), 0);
	assert_int_equal(zs_revisions_get(r->c.revisions, 9, &(struct zs_revision){ 0 }, &text, NULL), 0);
	assert_non_null(strstr(text, "# 7\n"));
	free(text);
	/* Behind a revision that was undone, an older one is in force. */
	r->c.conf->admin.revisions = 2;
	assert_int_equal(apply(r, "", 60, NULL), 0);
	assert_int_equal(verb(r, "config rollback", "{}"), 0);
	assert_int_equal(now(r), 11);
	r->c.conf->admin.revisions = 2;
	assert_int_equal(apply(r, "", 60, NULL), 0);
	assert_int_equal(zs_revisions_get(r->c.revisions, 11, &(struct zs_revision){ 0 }, NULL, NULL), 0);
	assert_int_equal(verb(r, "config rollback", "{}"), 0);
	assert_int_equal(now(r), 11);
	end(r);
}

/* A start survives whatever the store holds, and the file holds then. */
static void test_damaged(void **state)
{
	static const struct {
		const char *key;
		size_t len;
	} at[] = { { "conf/now", 8 }, { "conf/rev/\0\0\0\2", 13 }, { "conf/text/\0\0\0\2", 14 } };
	struct rig *r = *state;

	write_file(r, "");
	start(r);
	for (size_t i = 0; i < ZS_ARRAY_LEN(at); i++) {
		struct zs_store_batch *b;

		assert_int_equal(apply(r, published, 0, NULL), 0);
		b = zs_store_begin(r->c.store);
		zs_store_put(b, at[i].key, at[i].len, "junk", 4);
		assert_int_equal(zs_store_commit(b, NULL), 0);
		restart(r);
		assert_false(i == 0 && is_published(r));
	}
	end(r);
}

/* Records come back as they were written; no length but theirs is read. */
static void test_records(void **state)
{
	struct zs_revisions_now a = { .last = 9,
				      .number = 8,
				      .previous = 7,
				      .confirm_s = 60,
				      .until_s = 1ull << 40 },
				b;
	struct zs_revision rev = { .number = 3,
				   .origin = ZS_REVISION_ROLLBACK,
				   .of = 2,
				   .undone = true,
				   .at_s = 1ull << 33,
				   .uid = 1000,
				   .bytes = 77,
				   .name = "relay.yaml" },
			   back;
	uint8_t out[ZS_REVISION_HEAD + ZS_REVISION_NAME];
	size_t len;

	memset(a.file, 0xa5, sizeof(a.file));
	memset(rev.digest, 0x5a, sizeof(rev.digest));
	zs_revisions_now_write(out, &a);
	assert_true(zs_revisions_now_read(&b, out, ZS_REVISIONS_NOW));
	assert_memory_equal(&a, &b, sizeof(a));
	for (len = 0; len < ZS_REVISIONS_NOW; len++)
		assert_false(zs_revisions_now_read(&b, out, len));
	out[ZS_REVISIONS_NOW] = 0;
	assert_false(zs_revisions_now_read(&b, out, ZS_REVISIONS_NOW + 1));
	a.previous = 0; /* a trial without a way back is none */
	zs_revisions_now_write(out, &a);
	assert_false(zs_revisions_now_read(&b, out, ZS_REVISIONS_NOW));

	len = zs_revision_write(out, &rev);
	assert_int_equal(len, ZS_REVISION_HEAD + strlen(rev.name));
	assert_true(zs_revision_read(&back, 3, out, len));
	assert_string_equal(back.name, rev.name);
	assert_memory_equal(back.digest, rev.digest, sizeof(rev.digest));
	assert_true(back.undone && back.of == 2 && back.at_s == rev.at_s && back.uid == 1000 &&
		    back.bytes == 77 && back.origin == ZS_REVISION_ROLLBACK && back.number == 3);
	for (size_t cut = 0; cut < ZS_REVISION_HEAD; cut++)
		assert_false(zs_revision_read(&back, 3, out, cut));
}

#define TEST(t) cmocka_unit_test_setup_teardown(t, rig_setup, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_newest_word),
		TEST(test_undone_by_itself),
		TEST(test_confirmed),
		TEST(test_one_at_a_time),
		TEST(test_trial_over_a_restart),
		TEST(test_time_ends_while_dead),
		TEST(test_full_disk),
		TEST(test_refused),
		TEST(test_bound),
		TEST(test_damaged),
		cmocka_unit_test(test_records),
	};

	choose_port();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
