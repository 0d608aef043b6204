/* What was done to the audit file while nobody looked is found by the next start, and by each until an owner accepts it. */
#include <fcntl.h>
#include "admin_rig.h"
#include "audit/audit.h"

static void start(struct rig *r)
{
	open_all(r);
	rig_run(r, 200 * ZS_NS_PER_MS);
}

static void end(struct rig *r)
{
	close_all(r);
	free(r->c.conf);
	r->c.conf = NULL;
	memset(r->c.health, 0, sizeof(r->c.health));
}

static void change_something(struct rig *r)
{
	assert_int_equal(
	    call(r, ZS_LEVEL_admin, "{\"v\":1,\"verb\":\"log level\",\"args\":{\"level\":\"debug\"}}", NULL),
	    0);
}

static int ask(struct rig *r, enum zs_level level, const char *verb)
{
	char req[96];

	snprintf(req, sizeof(req), "{\"v\":1,\"verb\":\"%s\",\"args\":{}}", verb);
	return call(r, level, req, NULL);
}

static void path_of(const struct rig *r, const char *name, char out[128])
{
	snprintf(out, 128, "%s/%s", r->dir, name);
}

/* A byte of the first line, in a time of day: it stays a record. */
static void alter(struct rig *r)
{
	char path[128], text[64], *at;
	int fd;

	path_of(r, "audit.log", path);
	fd = open(path, O_RDWR);
	assert_int_equal(pread(fd, text, sizeof(text) - 1, 0), sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	at = strchr(strchr(text, 'T'), ':') + 1;
	assert_int_equal(pwrite(fd, *at == '0' ? "1" : "0", 1, at - text), 1);
	close(fd);
	change_something(r);
}

static void replace(struct rig *r)
{
	char path[128], away[128];

	path_of(r, "audit.log", path);
	path_of(r, "away", away);
	assert_int_equal(rename(path, away), 0);
	change_something(r);
	assert_true(rig_raised(r, ZS_HEALTH_audit_broken));
}

static json_t *last_record(struct rig *r)
{
	json_t *list, *record;

	assert_int_equal(zs_audit_show(r->c.audit, 1, &list, &r->err), 0);
	record = json_incref(json_array_get(list, 0));
	json_decref(list);
	return record;
}

static void found_until_accepted(struct rig *r, void (*spoil)(struct rig *r))
{
	struct zs_audit_report report;
	json_t *record;
	char path[128];

	start(r);
	change_something(r);
	change_something(r);
	assert_false(rig_raised(r, ZS_HEALTH_audit_broken));
	assert_int_equal(ask(r, ZS_LEVEL_owner, "audit accept"), ZS_EXIT_REFUSED); /* nothing is wrong */
	spoil(r);
	for (int i = 0; i < 2; i++) {
		end(r);
		start(r);
		assert_true(rig_raised(r, ZS_HEALTH_audit_broken));
		change_something(r);
		assert_true(rig_raised(r, ZS_HEALTH_audit_broken));
	}
	assert_int_equal(ask(r, ZS_LEVEL_admin, "audit accept"), ZS_EXIT_DENIED);
	assert_true(rig_raised(r, ZS_HEALTH_audit_broken));
	assert_int_equal(ask(r, ZS_LEVEL_owner, "audit accept"), 0);
	assert_false(rig_raised(r, ZS_HEALTH_audit_broken));
	record = last_record(r);
	assert_string_equal(json_string_value(json_object_get(record, "operation")), "audit accept");
	assert_non_null(strstr(json_string_value(json_object_get(record, "reason")), "line 1"));
	json_decref(record);
	path_of(r, "audit.log.1", path); /* the evidence */
	assert_int_equal(access(path, R_OK), 0);
	for (int i = 0; i < 2; i++) {
		change_something(r);
		assert_int_equal(zs_audit_verify(r->c.audit, &report, &r->err), 0);
		assert_true(report.ok);
		end(r);
		start(r);
		assert_false(rig_raised(r, ZS_HEALTH_audit_broken));
	}
	alter(r); /* what comes after is checked as before */
	end(r);
	start(r);
	assert_true(rig_raised(r, ZS_HEALTH_audit_broken));
	end(r);
}

static void test_altered(void **state)
{
	found_until_accepted(*state, alter);
}

static void test_replaced(void **state)
{
	found_until_accepted(*state, replace);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_altered, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(test_replaced, rig_setup, rig_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
