/* The sessions segment: life, judged copies, repair after a kill, another shape. */
#include "unit/lib/shm_test.h"

#include "shm/sessions.h"

static const struct zs_sessions_shape small = { .attachments = 64, .sessions = 128 };

static struct zs_session session(uint32_t receiver)
{
	struct zs_session v = { .used = 1,
				.mode = ZS_SESSION_TUNNEL,
				.attachment = 5,
				.generation = 9,
				.receiver = receiver,
				.peer = 77,
				.incarnation = 1 };
	memset(v.root, 0xab, sizeof(v.root));
	return v;
}

static struct zs_attachment attachment(void)
{
	return (struct zs_attachment){
		.used = 1, .generation = 9, .session = 3, .previous = ZS_SESSION_NONE, .police.flows = 1000000
	};
}

static void open_writer(struct zs_sessions *w, struct scratch *s, const struct zs_sessions_shape *shape,
			bool fresh)
{
	struct zs_error err = { 0 };
	bool is_fresh;
	int rc = zs_sessions_open_writer(w, s->dir, shape, &is_fresh, &err);
	if (rc)
		fail_msg("%d: %s", rc, err.text);
	assert_int_equal(is_fresh, fresh);
}

static void test_life(void **state)
{
	struct scratch *s = *state;
	struct zs_sessions w, r;
	struct zs_session v = session(3 + 128), got;
	struct zs_attachment a = attachment(), have;
	struct zs_error err;
	struct stat st;

	assert_int_equal(zs_sessions_open_reader(&r, s->dir, &err), -ENOENT);
	open_writer(&w, s, &small, true);
	assert_int_equal(stat(w.seg.path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(chmod(w.seg.path, 0640), 0); /* as a build before made it */
	zs_sessions_close(&w);
	open_writer(&w, s, &small, false);
	assert_int_equal(stat(w.seg.path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(zs_sessions_open_reader(&r, s->dir, &err), 0);
	assert_int_equal(zs_sessions_set_attachment(&w, 5, &a), 0);
	assert_int_equal(zs_sessions_set_session(&w, 3, &v), 0);
	assert_true(zs_sessions_attachment(&r, 5, &have));
	assert_int_equal(have.police.flows, 1000000);
	assert_false(zs_sessions_attachment(&r, 4, &have));
	assert_false(zs_sessions_attachment(&r, 64, &have));
	assert_true(zs_sessions_find(&r, 3 + 128, &got));
	assert_memory_equal(got.root, v.root, sizeof(v.root));
	assert_false(zs_sessions_find(&r, 3, &got)); /* the same slot, another receiver id */
	assert_int_equal(zs_sessions_set_session(&w, 3, NULL), 0);
	assert_false(zs_sessions_find(&r, 3 + 128, &got));
	for (size_t i = 0; i < sizeof(v.root); i++)
		assert_int_equal(w.session[3].root[i], 0); /* keys are wiped, not just marked */
	zs_sessions_close(&r);
	zs_sessions_close(&w);
}

static void test_refused(void **state)
{
	struct scratch *s = *state;
	struct zs_sessions w;
	struct zs_session v = session(3), got;
	struct zs_attachment a = attachment(), have;

	open_writer(&w, s, &small, true);
	assert_int_equal(zs_sessions_set_session(&w, 4, &v), -EINVAL); /* not its slot */
	assert_int_equal(zs_sessions_set_session(&w, 128, &v), -EINVAL);
	v.mode = ZS_SESSION_SOCKET;
	assert_int_equal(zs_sessions_set_session(&w, 3, &v), -EINVAL); /* without a bind id */
	v.mode = 3;
	assert_int_equal(zs_sessions_set_session(&w, 3, &v), -EINVAL);
	a.session = 128;
	assert_int_equal(zs_sessions_set_attachment(&w, 5, &a), -EINVAL);
	a = attachment();
	a.generation = 0;
	assert_int_equal(zs_sessions_set_attachment(&w, 5, &a), -EINVAL);
	/* scribbled over: a reader judges its copy */
	v = session(3);
	a = attachment();
	assert_int_equal(zs_sessions_set_session(&w, 3, &v), 0);
	assert_int_equal(zs_sessions_set_attachment(&w, 5, &a), 0);
	w.session[3].attachment = 64;
	w.attachment[5].tenant = ZS_TENANTS;
	assert_false(zs_sessions_slot(&w, 3, &got));
	assert_false(zs_sessions_attachment(&w, 5, &have));
	zs_sessions_close(&w);
}

static void test_adoption(void **state)
{
	struct scratch *s = *state;
	static const struct zs_sessions_shape larger = { .attachments = 128, .sessions = 128 };
	struct zs_sessions w, r;
	struct zs_session v = session(3), got;
	struct zs_attachment a = attachment(), have;
	struct zs_error err;

	open_writer(&w, s, &small, true);
	assert_int_equal(zs_sessions_set_session(&w, 3, &v), 0);
	assert_int_equal(zs_sessions_set_attachment(&w, 5, &a), 0);
	zs_seqlock_write_begin(&w.attachment[5].seq); /* killed inside */
	zs_sessions_close(&w);
	open_writer(&w, s, &small, false);
	assert_true(zs_sessions_find(&w, 3, &got)); /* sessions outlive their writer */
	assert_false(zs_sessions_attachment(&w, 5, &have));
	assert_int_equal(w.attachment[5].used, 0);
	assert_int_equal(zs_sessions_open_reader(&r, s->dir, &err), 0);
	zs_sessions_close(&w);
	open_writer(&w, s, &larger,
		    true); /* another shape: made anew, the reader sees that its file was replaced */
	assert_int_equal(w.attachments, 128);
	assert_false(zs_sessions_find(&w, 3, &got));
	assert_true(zs_segment_replaced(&r.seg));
	zs_sessions_close(&r);
	zs_sessions_close(&w);
}

/* What a build before made: the same file with an older version in its header. */
static void test_older_version(void **state)
{
	struct scratch *s = *state;
	struct zs_segment_kind older = zs_sessions_kind;
	struct zs_segment seg;
	struct zs_sessions w;
	struct zs_error err;
	char aside[160];

	older.version--;
	assert_int_equal(zs_segment_new(&seg, s->dir, &older, &small, &err), 0);
	assert_int_equal(zs_segment_publish(&seg, &err), 0);
	zs_segment_leave(&seg);
	assert_int_equal(zs_sessions_open_reader(&w, s->dir, &err), -EPROTO);
	open_writer(&w, s, &small, true);
	snprintf(aside, sizeof(aside), "%s.damaged", w.seg.path);
	assert_int_equal(access(aside, F_OK), 0);
	zs_sessions_close(&w);
}

static void test_secrets_and_tenants(void **state)
{
	struct scratch *s = *state;
	struct zs_sessions w;
	struct zs_cid_config c = { .used = 1, .keyed = 1, .server_id_len = 12, .nonce_len = 4 }, gc;
	struct zs_cookie_secret k = { .step = 7, .now = { 1 } }, gk;
	struct zs_tenant t = { .used = 1, .members = 8 }, gt;

	open_writer(&w, s, &small, true);
	assert_false(zs_sessions_cid_config(&w, 0, &gc));
	assert_false(zs_sessions_cookie_secret(&w, &gk));
	assert_int_equal(zs_sessions_set_cid_config(&w, 6, &c), 0);
	assert_true(zs_sessions_cid_config(&w, 6, &gc));
	assert_int_equal(zs_sessions_set_cid_config(&w, 7, &c), -EINVAL); /* unroutable */
	c.server_id_len = 16;
	assert_int_equal(zs_sessions_set_cid_config(&w, 5, &c), -EINVAL);
	c.server_id_len = 14;
	c.nonce_len = 6;
	assert_int_equal(zs_sessions_set_cid_config(&w, 5, &c), -EINVAL);
	c.nonce_len = 3;
	assert_int_equal(zs_sessions_set_cid_config(&w, 5, &c), -EINVAL);
	w.cid_config[6].nonce_len = 3; /* scribbled over */
	assert_false(zs_sessions_cid_config(&w, 6, &gc));
	assert_int_equal(zs_sessions_set_cookie_secret(&w, &k), 0);
	assert_true(zs_sessions_cookie_secret(&w, &gk));
	assert_int_equal(gk.now[0], 1);
	zs_seqlock_write_begin(&w.cookie_secret->seq); /* killed inside */
	zs_sessions_close(&w);
	open_writer(&w, s, &small, false);
	assert_false(zs_sessions_cookie_secret(&w, &gk));
	assert_int_equal(w.cookie_secret->now[0], 0);
	assert_int_equal(zs_sessions_set_tenant(&w, 0, &t), -EINVAL);
	assert_int_equal(zs_sessions_set_tenant(&w, ZS_TENANTS, &t), -EINVAL);
	assert_int_equal(zs_sessions_set_tenant(&w, ZS_TENANTS - 1, &t), 0);
	assert_true(zs_sessions_tenant(&w, ZS_TENANTS - 1, &gt));
	assert_int_equal(gt.members, 8);
	zs_sessions_close(&w);
}

static void test_changes(void **state)
{
	struct scratch *s = *state;
	struct zs_sessions w;
	struct zs_session v = session(3);
	struct zs_attachment a = attachment();
	uint32_t id[8];
	uint64_t cursor;
	bool overrun;

	open_writer(&w, s, &small, true);
	cursor = zs_changelog_now(&w.changes);
	assert_int_equal(zs_sessions_set_session(&w, 3, &v), 0);
	assert_int_equal(zs_sessions_set_attachment(&w, 9, &a), 0);
	assert_int_equal(zs_sessions_set_session(&w, 3, NULL), 0);
	assert_int_equal(zs_changelog_read(&w.changes, &cursor, id, 8, &overrun), 4);
	assert_false(overrun);
	assert_int_equal(id[0], 5); /* the session's, and who had the slot before */
	assert_int_equal(id[1], 0);
	assert_int_equal(id[2], 9);
	assert_int_equal(id[3], 5);
	assert_int_equal(zs_changelog_read(&w.changes, &cursor, id, 8, &overrun), 0);
	assert_false(overrun);
	zs_sessions_close(&w);
	open_writer(&w, s, &small, false); /* what the last one changed at its end is not known */
	assert_int_equal(zs_changelog_read(&w.changes, &cursor, id, 8, &overrun), 0);
	assert_true(overrun);
	assert_int_equal(zs_changelog_read(&w.changes, &cursor, id, 8, &overrun), 0);
	assert_false(overrun);
	zs_sessions_close(&w);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, scratch_setup, scratch_teardown)
	const struct CMUnitTest tests[] = { T(test_life),
					    T(test_refused),
					    T(test_adoption),
					    T(test_older_version),
					    T(test_secrets_and_tenants),
					    T(test_changes) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
