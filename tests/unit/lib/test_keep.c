/* Segments over an upgrade: what a new build would do with them, and what is put back when it is undone. */
#include "unit/lib/state_fixture.h"

#include "base/check.h"
#include "shm/keep.h"
#include "shm/preflight.h"
#include "shm/state.h"

static const uint8_t key[16] = "a hash key, 16 b";
static const struct zs_state_shape small = { .flow_capacity = 256, .attachments = 64 };

static uint32_t some_fields(struct zs_segment_field *out, const void *shape)
{
	out[0] = (struct zs_segment_field){ "some.member", 0, 8 };
	return zs_segment_put_region(out, 1, "@some", 4096);
}

static int migrate(const void *old, size_t size, void *fresh, struct zs_error *err)
{
	return 0;
}

#define KIND(kind, v)                                                                                        \
	{                                                                                                    \
		.name = kind, .version = v, .fields = some_fields, .expendable = true                        \
	}

static void make(struct scratch *s, const struct zs_segment_kind *kind)
{
	struct zs_segment seg;
	struct zs_error err;

	assert_int_equal(zs_segment_new(&seg, s->dir, kind, NULL, &err), 0);
	assert_int_equal(zs_segment_publish(&seg, &err), 0);
	zs_segment_leave(&seg);
}

static ino_t inode(struct scratch *s, const char *name)
{
	char path[128];
	struct stat st;

	snprintf(path, sizeof(path), "%s/%s", s->dir, name);
	return stat(path, &st) ? 0 : st.st_ino;
}

/* As a new build does: another file takes the name, the old one is left as it is. */
static void replace(struct scratch *s, const struct zs_segment_kind *kind)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", s->dir, kind->name);
	assert_int_equal(unlink(path), 0);
	make(s, kind);
}

static int judge(struct scratch *s, struct zs_segment_kind kind, bool precious, char said[128],
		 struct zs_error *err)
{
	struct zs_preflight row = { &kind, precious };
	FILE *to = fmemopen(said, 128, "w");
	int rc = zs_preflight(s->dir, &row, 1, to, err);

	fclose(to);
	return rc;
}

static void test_preflight(void **state)
{
	struct scratch *s = *state;
	struct zs_segment_kind one = KIND("tables", 7), next = KIND("tables", 8), far = KIND("tables", 9);
	struct zs_error err;
	char said[128];

	assert_int_equal(judge(s, one, true, said, &err), 0);
	assert_string_equal(said, "tables: none yet\n");
	make(s, &one);
	assert_int_equal(judge(s, one, true, said, &err), 0);
	assert_string_equal(said, "tables: taken over as it is\n");
	/* Without a step it would be made anew: no loss for a ring, one for tables. */
	assert_int_equal(judge(s, next, false, said, &err), 0);
	assert_string_equal(said, "tables: made anew\n");
	assert_int_equal(judge(s, next, true, said, &err), -EPROTO);
	assert_int_equal(err.exit, ZS_EXIT_LAYOUT);
	next.migrate = far.migrate = migrate;
	assert_int_equal(judge(s, next, true, said, &err), 0);
	assert_string_equal(said, "tables: version 7 is migrated to 8\n");
	assert_int_equal(judge(s, far, true, said, &err), -EPROTO);
	assert_non_null(strstr(err.text, "layout version 7, this program speaks 9"));
	replace(s, &far);
	assert_int_equal(judge(s, next, true, said, &err), -EPROTO); /* the way back has no steps */
}

static void test_preflight_disturbs_nobody(void **state)
{
	struct scratch *s = *state;
	struct zs_segment_kind kind = KIND("tables", 7);
	struct zs_segment seg;
	struct zs_error err;
	char said[128];

	assert_int_equal(zs_segment_new(&seg, s->dir, &kind, NULL, &err), 0);
	assert_int_equal(zs_segment_publish(&seg, &err), 0);
	uint64_t generation = atomic_load(&seg.base->generation);
	assert_int_equal(zs_segment_writer(s->dir, "tables"), getpid());
	assert_int_equal(judge(s, kind, true, said, &err), 0); /* its writer lives */
	assert_int_equal(atomic_load(&seg.base->generation), generation);
	assert_true(zs_segment_writer_alive(&seg));
	zs_segment_leave(&seg);
	assert_int_equal(zs_segment_writer(s->dir, "tables"), 0);
}

static void test_put_back(void **state)
{
	struct scratch *s = *state;
	struct zs_segment_kind tables = KIND("tables", 7), newer = KIND("tables", 8),
			       sessions = KIND("sessions", 3), later = KIND("sessions", 4),
			       events = KIND("events", 1);
	ino_t was, same;

	make(s, &tables);
	make(s, &sessions);
	make(s, &events);
	was = inode(s, "tables");
	assert_int_equal(zs_keep(s->dir, NULL), 0);
	assert_int_equal(zs_keep_put_back(s->dir, NULL), 0);
	assert_int_equal(inode(s, "tables"), was); /* nothing was replaced */
	replace(s, &newer);
	replace(s, &later);
	replace(s, &events); /* of the same version: the old build can go on with it */
	same = inode(s, "events");
	for (int twice = 0; twice < 2; twice++) {
		assert_int_equal(zs_keep_put_back(s->dir, NULL), 0);
		assert_int_equal(inode(s, "tables"), was);
		assert_int_equal(inode(s, "sessions"), 0); /* keys do not come back */
		assert_int_equal(inode(s, "events"), same);
	}
	zs_keep_forget(s->dir);
	assert_int_equal(inode(s, "before"), 0);
	assert_int_equal(inode(s, "tables"), was);
}

/* The relay's user may write in `dir`; who keeps is root. */
static void test_follows_no_link(void **state)
{
	struct scratch *s = *state;
	struct zs_segment_kind tables = KIND("tables", 7);
	char before[128], elsewhere[128], precious[160], kind[128];
	struct zs_error err;
	int fd;

	make(s, &tables);
	snprintf(before, sizeof(before), "%s/before", s->dir);
	snprintf(elsewhere, sizeof(elsewhere), "%s/elsewhere", s->dir);
	snprintf(precious, sizeof(precious), "%s/state", elsewhere);
	snprintf(kind, sizeof(kind), "%s/events", s->dir);
	assert_int_equal(mkdir(elsewhere, 0700), 0);
	fd = open(precious, O_WRONLY | O_CREAT, 0600);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(symlink(elsewhere, before), 0);
	assert_int_equal(zs_keep(s->dir, &err), -EPERM);
	assert_int_equal(zs_keep_put_back(s->dir, &err), -EPERM);
	zs_keep_forget(s->dir);
	assert_int_equal(access(precious, F_OK), 0);
	assert_int_equal(unlink(before), 0);
	assert_int_equal(mkdir(before, 0700), 0);
	assert_int_equal(chmod(before, 0777), 0);
	assert_int_equal(zs_keep(s->dir, &err), -EPERM);
	assert_int_equal(rmdir(before), 0);
	assert_int_equal(symlink(precious, kind), 0); /* in a segment's place */
	assert_int_equal(zs_keep(s->dir, &err), -ELOOP);
	assert_int_equal(inode(s, "before"), 0);
	assert_int_equal(unlink(kind), 0);
	assert_int_equal(zs_keep(s->dir, &err), 0);
	unlink(precious);
	rmdir(elsewhere);
}

static void test_nothing_kept_nothing_touched(void **state)
{
	struct scratch *s = *state;
	struct zs_segment_kind tables = KIND("tables", 7), sessions = KIND("sessions", 3);
	struct zs_error err;

	make(s, &tables);
	make(s, &sessions);
	assert_int_equal(zs_keep_put_back(s->dir, &err), 0);
	assert_int_not_equal(inode(s, "tables"), 0);
	assert_int_not_equal(inode(s, "sessions"), 0);
}

static uint64_t make_state(struct scratch *s, uint32_t flows)
{
	struct zs_flow_table t;
	struct zs_error err;
	struct zs_state w;
	uint64_t incarnation;
	bool fresh;
	uint32_t id;

	assert_int_equal(zs_state_open_writer(&w, s->dir, &small, &fresh, &err), 0);
	assert_int_equal(zs_state_flow_table(&w, 0, key, fresh, &t), 0);
	if (fresh)
		zs_flow_table_set_ports(&t, 20000, 21000);
	for (uint32_t i = 0; i < flows; i++) {
		struct zs_flow_new want = { .client = { zs_addr_from4(i), 1000 }, .port = 443 };
		assert_int_equal(zs_flow_add(&t, &want, i, &id, NULL), ZS_FLOW_OK);
	}
	w.worker[0].counters.counter[ZS_COUNTER_rx] += flows;
	incarnation = w.seg.base->incarnation;
	zs_state_close(&w);
	return incarnation;
}

/* Lanes and bindings counted on since it was kept: no key may meet its counters again. */
static void test_state_comes_back_with_flows_alone(void **state)
{
	struct scratch *s = *state;
	struct zs_segment_kind newer = KIND("state", ZS_STATE_VERSION + 1);
	struct zs_worker_counters sum;
	struct zs_error err;
	struct zs_state v;
	uint64_t was = make_state(s, 50);

	assert_int_equal(zs_keep(s->dir, &err), 0);
	replace(s, &newer);
	assert_int_equal(zs_keep_put_back(s->dir, &err), 0);
	assert_int_equal(zs_state_open_reader(&v, s->dir, &err), -ENOENT); /* until it has a writer */
	assert_int_not_equal(make_state(s, 0), was);
	assert_int_equal(zs_state_open_reader(&v, s->dir, &err), 0);
	assert_int_equal(v.flow_head[0].used, 50);
	zs_state_sum(&v, &sum);
	assert_int_equal(sum.counter[ZS_COUNTER_rx], 0);
	zs_state_close(&v);
}

static int end(void **state)
{
	zs_keep_forget(((struct scratch *)*state)->dir);
	return scratch_teardown(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_preflight, scratch_setup, end),
		cmocka_unit_test_setup_teardown(test_preflight_disturbs_nobody, scratch_setup, end),
		cmocka_unit_test_setup_teardown(test_put_back, scratch_setup, end),
		cmocka_unit_test_setup_teardown(test_follows_no_link, scratch_setup, end),
		cmocka_unit_test_setup_teardown(test_nothing_kept_nothing_touched, scratch_setup, end),
		cmocka_unit_test_setup_teardown(test_state_comes_back_with_flows_alone, scratch_setup, end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
