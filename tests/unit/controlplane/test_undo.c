/* The undo wins: over whatever was published, held, edited, damaged or drained while a configuration was on trial, by the time
 * that ends and by the next start. And nobody keeps another's trial. */
#include <errno.h>
#include "revisions_rig.h"

#define A_SECOND (1500 * ZS_NS_PER_MS) /* a trial of one is over then */

/* Where the port leads, as workers see it; 0: nowhere. */
static uint16_t target_port(struct rig *r)
{
	struct zs_published e;

	return zs_tables_published(zs_program_tables(r->c.program), port, &e) ? e.target_port : 0;
}

static void end_trial(struct rig *r, uint32_t number)
{
	rig_run(r, A_SECOND);
	assert_true(revision(r, number).undone);
	assert_false(rig_raised(r, ZS_HEALTH_config_trial));
	assert_true(rig_raised(r, ZS_HEALTH_config_rejected));
}

static void assert_told(struct rig *r, enum zs_health h, const char *part)
{
	struct zs_health_cell cell;

	zs_health_read(r->c.health, h, &cell);
	if (!cell.raised || !strstr(cell.detail, part))
		fail_msg("raised %d: '%s' without '%s'", (int)cell.raised, cell.detail, part);
}

static void cut_with_restart_key(struct rig *r)
{
	write_file(r, "flows: {capacity: 8192}\n");
}

/* The cutting text is in the file by then, beside a key that wants a restart: that key is the file's, the rest is undone. */
static void test_file_with_a_restart_key(void **state)
{
	struct rig *r = *state;

	write_file(r, published);
	start(r);
	assert_int_equal(apply(r, "", 1, NULL), 0);
	end(r);
	cut_with_restart_key(r);
	sleep(2);
	for (int i = 0; i < 2; i++) {
		start(r);
		assert_true(is_published(r));
		assert_int_equal(now(r), 1);
		assert_true(revision(r, 2).undone);
		assert_int_equal(r->c.conf->flows.capacity, 8192);
		assert_told(r, ZS_HEALTH_config_unsaved, "flows.capacity as in the file");
		assert_int_equal(recorded(r, "config undo"), 1);
		if (i == 0)
			assert_told(r, ZS_HEALTH_config_rejected,
				    "revision 2 was not confirmed; revision 1 is in force");
		end(r);
	}
}

/* … and a trial that runs goes on, to the same end. */
static void test_trial_and_a_restart_key(void **state)
{
	struct rig *r = *state;
	struct zs_trial trial;

	write_file(r, published);
	start(r);
	assert_int_equal(apply(r, "# cut\n", 3, NULL), 0);
	cut_with_restart_key(r);
	restart(r);
	zs_revisions_trial(r->c.revisions, &trial);
	assert_int_equal(trial.number, 2);
	assert_true(rig_raised(r, ZS_HEALTH_config_trial));
	assert_false(is_published(r));
	assert_int_equal(r->c.conf->flows.capacity, 8192);
	rig_run(r, 3500 * ZS_NS_PER_MS);
	assert_true(is_published(r));
	assert_int_equal(now(r), 1);
	assert_int_equal(r->c.conf->flows.capacity, 8192);
	assert_true(revision(r, 2).undone);
	end(r);
}

/* A port that was published by command meanwhile gives way, is told, and is there again when the configuration lets go of it. */
static void test_published_by_command(void **state)
{
	struct rig *r = *state;
	struct zs_publication waits;
	char args[96];

	write_file(r, published);
	start(r);
	assert_int_equal(apply(r, "", 1, NULL), 0);
	snprintf(args, sizeof(args), "{\"port\":%u,\"target\":\"10.0.0.7:7\"}", port);
	assert_int_equal(verb(r, "publish add", args), 0);
	assert_int_equal(target_port(r), 7);
	end_trial(r, 2);
	assert_told(r, ZS_HEALTH_config_rejected, "by command gave way");
	for (int i = 0; i < 2; i++) {
		assert_int_equal(target_port(r), 443);
		assert_true(zs_program_waiting(r->c.program, port, &waits));
		assert_int_equal(waits.target.port, 7);
		restart(r);
	}
	assert_int_equal(apply(r, "", 0, NULL), 0);
	assert_int_equal(target_port(r), 7);
	assert_false(zs_program_waiting(r->c.program, port, &waits));
	end(r);
}

/* … as does an attachment's. */
static void test_attachments_port(void **state)
{
	struct rig *r = *state;
	struct zs_publication pub = { .attached = { .id = 5, .generation = 1, .service = 1 } };

	write_file(r, published);
	start(r);
	assert_int_equal(apply(r, "", 1, NULL), 0);
	pub.port = port;
	assert_int_equal(zs_program_reserve(r->c.program, &pub, &r->err), 0);
	end_trial(r, 2);
	assert_int_equal(target_port(r), 443);
	zs_program_release(r->c.program, port, 5); /* not its own any more */
	assert_int_equal(target_port(r), 443);
	end(r);
}

/* Another program's socket holds up the port alone, as after a start. */
static void test_port_taken(void **state)
{
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_port = htons(port) };
	struct rig *r = *state;
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	write_file(r, published);
	start(r);
	assert_int_equal(apply(r, "", 1, NULL), 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	end_trial(r, 2);
	assert_int_equal(now(r), 1);
	assert_false(is_published(r));
	assert_true(rig_raised(r, ZS_HEALTH_port_taken));
	close(fd);
	rig_run(r, A_SECOND);
	assert_true(is_published(r));
	end(r);
}

/* A drain lets nothing new in; the way back is not new. */
static void test_draining(void **state)
{
	struct rig *r = *state;
	struct zs_published e;

	write_file(r, published);
	start(r);
	assert_int_equal(apply(r, "", 1, NULL), 0);
	assert_int_equal(verb(r, "drain", "{\"timeout\":60}"), 0);
	end_trial(r, 2);
	assert_true(zs_tables_published(zs_program_tables(r->c.program), port, &e));
	assert_int_equal(e.drain, 1);
	assert_int_equal(apply(r, "# another\n", 0, NULL), ZS_EXIT_REFUSED);
	assert_int_equal(verb(r, "undrain", "{}"), 0);
	end(r);
}

static void damage(struct rig *r, const char *key, size_t len)
{
	struct zs_store_batch *b = zs_store_begin(r->c.store);

	zs_store_put(b, key, len, "junk", 4);
	assert_int_equal(zs_store_commit(b, NULL), 0);
}

/* What the way back is made of is not in the store alone. */
static void test_damaged_meanwhile(void **state)
{
	struct rig *r = *state;

	write_file(r, published);
	start(r);
	assert_int_equal(apply(r, "", 1, NULL), 0);
	damage(r, "conf/text/\0\0\0\1", 14);
	damage(r, "conf/rev/\0\0\0\1", 13);
	end_trial(r, 2);
	assert_true(is_published(r));
	end(r);
}

/* Damaged over a start: no trial goes on that could not go back. The file is in force, and what is said is true. */
static void test_no_way_back(void **state)
{
	struct rig *r = *state;

	write_file(r, published);
	start(r);
	assert_int_equal(apply(r, "", 60, NULL), 0);
	damage(r, "conf/text/\0\0\0\1", 14);
	write_file(r, published_edited);
	restart(r);
	assert_true(is_published(r));
	assert_false(rig_raised(r, ZS_HEALTH_config_trial));
	assert_told(r, ZS_HEALTH_config_rejected, "the file is in force: revision 1");
	assert_true(revision(r, 2).undone);
	end(r);
}

/* Who comes too late for his own keeps no other's. */
static void test_late_confirm(void **state)
{
	struct rig *r = *state;
	struct zs_trial trial;

	write_file(r, published);
	start(r);
	assert_int_equal(apply(r, "# a\n", 1, NULL), 0);
	end_trial(r, 2);
	assert_int_equal(apply(r, "# b\n", 60, NULL), 0);
	assert_int_equal(confirm(r, 2), ZS_EXIT_REFUSED);
	assert_int_equal(verb(r, "config confirm", "{}"), ZS_EXIT_USAGE);
	zs_revisions_trial(r->c.revisions, &trial);
	assert_int_equal(trial.number, 3);
	assert_int_equal(confirm(r, 3), 0);
	zs_revisions_trial(r->c.revisions, &trial);
	assert_int_equal(trial.number, 0);
	end(r);
}

/* After an undo the one before is what was before. */
static void test_rollback_after_an_undo(void **state)
{
	struct rig *r = *state;

	write_file(r, published);
	start(r);
	assert_int_equal(apply(r, "", 0, NULL), 0);
	assert_int_equal(apply(r, "# tried\n", 1, NULL), 0);
	end_trial(r, 3);
	assert_int_equal(now(r), 2);
	assert_int_equal(zs_revisions_before(r->c.revisions), 1);
	restart(r);
	assert_int_equal(verb(r, "config rollback", "{}"), 0);
	assert_int_equal(revision(r, 4).of, 1);
	assert_true(is_published(r));
	end(r);
}

#define TEST(t) cmocka_unit_test_setup_teardown(t, rig_setup, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_file_with_a_restart_key),
		TEST(test_trial_and_a_restart_key),
		TEST(test_published_by_command),
		TEST(test_attachments_port),
		TEST(test_port_taken),
		TEST(test_draining),
		TEST(test_damaged_meanwhile),
		TEST(test_no_way_back),
		TEST(test_late_confirm),
		TEST(test_rollback_after_an_undo),
	};

	choose_port();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
