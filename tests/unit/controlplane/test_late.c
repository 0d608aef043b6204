/* Without an audit file nothing may be changed; the emergency stop is set all the same and recorded late. */
#include <signal.h>
#include <sys/resource.h>
#include "admin_rig.h"
#include "program_internal.h"

static void hide_audit(const struct rig *r, bool hide)
{
	char file[128], aside[160];

	snprintf(file, sizeof(file), "%s/audit.log", r->dir);
	snprintf(aside, sizeof(aside), "%s/audit.old", r->dir);
	assert_int_equal(hide ? rename(file, aside) : rmdir(file), 0);
	assert_int_equal(hide ? mkdir(file, 0700) : rename(aside, file), 0);
}

static const char publish[] =
    "{\"v\":1,\"verb\":\"publish add\",\"args\":{\"port\":9443,\"target\":\"10.0.0.2:443\"}}";
/* A change that nothing on this machine can be in the way of. */
static const char change[] = "{\"v\":1,\"verb\":\"log level\",\"args\":{\"level\":\"info\"}}";
static const char stop[] = "{\"v\":1,\"verb\":\"stop\"}", resume[] = "{\"v\":1,\"verb\":\"resume\"}";

/* Without an audit file nothing may be changed, and it shows. */
static void test_no_audit_no_change(void **state)
{
	struct rig *r = *state;
	struct zs_publication pub;
	char text[256];

	open_all(r);
	hide_audit(r, true);
	assert_int_equal(call(r, ZS_LEVEL_owner, publish, text), ZS_EXIT_REFUSED);
	assert_non_null(strstr(text, "audit file"));
	assert_int_equal(zs_program_publications(r->c.program, &pub, 1), 0);
	assert_true(rig_raised(r, ZS_HEALTH_audit_failed));
	assert_int_equal(call(r, ZS_LEVEL_owner, "{\"v\":1,\"verb\":\"status\"}", NULL), 0);
	hide_audit(r, false);
	assert_int_equal(call(r, ZS_LEVEL_owner, change, NULL), 0);
	assert_false(rig_raised(r, ZS_HEALTH_audit_failed));
	close_all(r);
}

/* A stop's answer: its exit status, and what it says of store and audit file. */
static int call_stop(struct rig *r, bool *stored, bool *recorded)
{
	json_t *answer = call_bytes(r, ZS_LEVEL_admin, stop, strlen(stop)), *result;
	int status = (int)json_integer_value(json_object_get(answer, "exit"));

	assert_true(json_is_true(json_object_get(answer, "ok")));
	result = json_object_get(answer, "result");
	assert_true(json_is_true(json_object_get(result, "stopped")));
	*stored = json_is_true(json_object_get(result, "stored"));
	*recorded = json_is_true(json_object_get(result, "recorded"));
	assert_int_equal(json_string_length(json_object_get(result, "why")) == 0, *stored && *recorded);
	json_decref(answer);
	return status;
}

static void assert_recorded_late(struct rig *r, json_int_t held)
{
	struct zs_audit_report report;
	json_t *list, *record;

	assert_int_equal(zs_audit_show(r->c.audit, 1, &list, &r->err), 0);
	record = json_array_get(list, 0);
	assert_string_equal(json_string_value(json_object_get(record, "operation")), "stop");
	assert_string_equal(json_string_value(json_object_get(record, "result")), "ok");
	assert_non_null(strstr(json_string_value(json_object_get(record, "reason")), "recorded late"));
	assert_int_equal(json_integer_value(json_object_get(record, "held")), held);
	assert_int_equal(json_integer_value(json_object_get(json_object_get(record, "caller"), "uid")), 1002);
	json_decref(list);
	assert_int_equal(zs_audit_verify(r->c.audit, &report, &r->err), 0);
	assert_true(report.ok);
}

/* The emergency stop is done without a record, which follows; lifting it is not. */
static void test_stop_without_audit(void **state)
{
	struct rig *r = *state;
	bool stored, recorded;

	open_all(r);
	hide_audit(r, true);
	assert_int_equal(call(r, ZS_LEVEL_user, stop, NULL), ZS_EXIT_DENIED);
	assert_false(zs_program_stopped(r->c.program));
	for (int i = 0; i < 3; i++) {
		assert_int_equal(call_stop(r, &stored, &recorded), ZS_EXIT_UNHEALTHY);
		assert_true(stored && !recorded);
		assert_true(zs_program_stopped(r->c.program));
	}
	assert_true(rig_raised(r, ZS_HEALTH_audit_failed));
	assert_int_equal(call(r, ZS_LEVEL_owner, resume, NULL), ZS_EXIT_REFUSED);
	assert_true(zs_program_stopped(r->c.program));
	assert_int_equal(zs_audit_count(r->c.audit), 0);
	hide_audit(r, false);
	for (int i = 0; i < 50 && zs_audit_count(r->c.audit) == 0; i++)
		rig_run(r, 100 * ZS_NS_PER_MS);
	assert_int_equal(zs_audit_count(r->c.audit), 1);
	assert_recorded_late(r, 2);
	assert_false(rig_raised(r, ZS_HEALTH_audit_failed));
	close_all(r);
}

/* Neither the audit file nor the store can be written (a file size limit stands for the full disk). */
static void test_stop_on_a_full_disk(void **state)
{
	struct rig *r = *state;
	struct rlimit old, tight;
	bool stored, recorded;

	open_all(r);
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	tight = (struct rlimit){ .rlim_cur = 0, .rlim_max = old.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &tight), 0);
	assert_int_equal(call_stop(r, &stored, &recorded), ZS_EXIT_UNHEALTHY);
	assert_true(zs_program_stopped(r->c.program));
	assert_false(stored || recorded);
	assert_true(rig_raised(r, ZS_HEALTH_audit_failed) && rig_raised(r, ZS_HEALTH_store_failed));
	assert_int_equal(call(r, ZS_LEVEL_owner, resume, NULL), ZS_EXIT_REFUSED);
	assert_true(zs_program_stopped(r->c.program));
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	/* The next call that can be recorded comes after it, whether or not it was retried before. */
	assert_int_equal(call(r, ZS_LEVEL_owner, change, NULL), 0);
	assert_int_equal(zs_audit_count(r->c.audit), 2);
	for (int i = 0; i < 100 && !zs_record_stopped(r->c.program); i++)
		rig_run(r, 100 * ZS_NS_PER_MS);
	assert_true(zs_record_stopped(r->c.program));
	assert_false(rig_raised(r, ZS_HEALTH_audit_failed) || rig_raised(r, ZS_HEALTH_store_failed));
	assert_int_equal(call_stop(r, &stored, &recorded), 0);
	assert_true(stored && recorded);
	assert_int_equal(call(r, ZS_LEVEL_owner, resume, NULL), 0);
	close_all(r);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_no_audit_no_change),
		TEST(test_stop_without_audit),
		TEST(test_stop_on_a_full_disk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
