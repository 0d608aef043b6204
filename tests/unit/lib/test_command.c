/* The command table and its parser: the table is sound, good lines parse, bad ones name what is wrong. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "base/check.h"
#include "cli/command.h"

static void test_table_is_sound(void **state)
{
	for (int id = 0; id < ZS_COMMANDS; id++) {
		const struct zs_command *cmd = zs_command_get(id);
		struct zs_arg args[ZS_ARGS_MAX];
		unsigned count = zs_command_args(cmd, args);
		bool optional = false;
		char usage[256];

		assert_non_null(cmd);
		assert_int_equal(cmd->id, id);
		assert_ptr_equal(zs_command_find(cmd->verb), cmd);
		assert_true(!cmd->mutating || (cmd->served && cmd->level >= ZS_LEVEL_admin));
		assert_true(cmd->help[0] &&
			    strlen(zs_command_usage(cmd, usage, sizeof(usage))) < sizeof(usage) - 1);
		for (unsigned i = 0; i < count; i++) {
			assert_true(zs_argument_text(args[i].name)[0]);
			/* Words of the caller come before those it may leave out. */
			assert_false(!args[i].option && args[i].required && optional);
			optional |= !args[i].option && !args[i].required;
			if (args[i].type == ZS_ARG_CHOICE)
				assert_false(args[i].required && args[i].option);
		}
	}
	assert_null(zs_command_get(ZS_COMMANDS));
}

static void test_levels(void **state)
{
	static const struct {
		const char *verb;
		enum zs_level level;
		bool mutating;
	} rows[] = {
		{ "status", ZS_LEVEL_user, false },	  { "publish add", ZS_LEVEL_admin, true },
		{ "publish del", ZS_LEVEL_admin, true },  { "publish list", ZS_LEVEL_user, false },
		{ "config apply", ZS_LEVEL_admin, true }, { "stop", ZS_LEVEL_admin, true },
		{ "resume", ZS_LEVEL_owner, true },	  { "drain", ZS_LEVEL_admin, true },
		{ "log level", ZS_LEVEL_admin, true },	  { "audit show", ZS_LEVEL_admin, false },
		{ "version", ZS_LEVEL_none, false },	  { "show flows", ZS_LEVEL_user, false },
	};

	for (size_t i = 0; i < ZS_ARRAY_LEN(rows); i++) {
		const struct zs_command *cmd = zs_command_find(rows[i].verb);

		assert_non_null(cmd);
		assert_int_equal(cmd->level, rows[i].level);
		assert_int_equal(cmd->mutating, rows[i].mutating);
	}
}

/* Splits at spaces. */
static int words(char *line, char **argv)
{
	int argc = 0;

	for (char *at = strtok(line, " "); at; at = strtok(NULL, " "))
		argv[argc++] = at;
	return argc;
}

static const struct {
	const char *line;
	const char *json; /* NULL: refused */
	const char *why;  /* part of the error */
} lines[] = {
	{ "status", "{}", NULL },
	{ "publish add 443 10.0.0.1:443", "{\"port\":443,\"target\":\"10.0.0.1:443\"}", NULL },
	{ "publish add 443 [2001:db8::1]:443 --max-flows 5",
	  "{\"port\":443,\"target\":\"[2001:db8::1]:443\",\"max-flows\":5}", NULL },
	{ "publish add --new-flows=7 443 10.0.0.1:443",
	  "{\"new-flows\":7,\"port\":443,\"target\":\"10.0.0.1:443\"}", NULL },
	{ "publish add 443 -- 10.0.0.1:443", "{\"port\":443,\"target\":\"10.0.0.1:443\"}", NULL },
	{ "show counters --workers", "{\"workers\":true}", NULL },
	{ "log level debug --module admin", "{\"level\":\"debug\",\"module\":\"admin\"}", NULL },
	{ "help publish add", "{\"verb\":\"publish\",\"noun\":\"add\"}", NULL },
	{ "publish add", NULL, "port is missing" },
	{ "publish add 443", NULL, "target is missing" },
	{ "publish add 0 10.0.0.1:443", NULL, "1 to 65535" },
	{ "publish add 65536 10.0.0.1:443", NULL, "1 to 65535" },
	{ "publish add 00000000443 10.0.0.1:443", NULL, "1 to 65535" },
	{ "publish add 0x1bb 10.0.0.1:443", NULL, "1 to 65535" },
	{ "publish add -1 10.0.0.1:443", NULL, "no such option" },
	{ "publish add 443 10.0.0.1", NULL, "ADDR:PORT" },
	{ "publish add 443 010.0.0.1:443", NULL, "ADDR:PORT" },
	{ "publish add 443 localhost:443", NULL, "ADDR:PORT" },
	{ "publish add 443 10.0.0.1:443 more", NULL, "one word too many" },
	{ "publish add 443 10.0.0.1:443 --max-flows", NULL, "needs a value" },
	{ "publish add 443 10.0.0.1:443 --max-flows -1", NULL, "0 to 4294967295" },
	{ "publish add 443 10.0.0.1:443 --max-flows 4294967296", NULL, "0 to 4294967295" },
	{ "publish add 443 10.0.0.1:443 --max-flow 1", NULL, "no such option" },
	{ "publish add 443 10.0.0.1:443 --burst 1 --burst 2", NULL, "given twice" },
	{ "show counters --workers=1", NULL, "takes no value" },
	{ "log level loud", NULL, "none of err|warning|notice|info|debug" },
	{ "log level info|debug", NULL, "none of" },
	{ "status now", NULL, "one word too many" },
	{ "completion zsh", NULL, "none of bash" },
};

static void test_lines(void **state)
{
	for (size_t i = 0; i < ZS_ARRAY_LEN(lines); i++) {
		char copy[256], *argv[16];
		struct zs_error err = { 0 };
		const struct zs_command *cmd;
		json_t *args = NULL, *want;
		int argc, used = 0, rc;

		strcpy(copy, lines[i].line);
		argc = words(copy, argv);
		cmd = zs_command_match(argc, argv, &used);
		assert_non_null(cmd);
		rc = zs_command_parse(cmd, argc - used, argv + used, &args, &err);
		if (!lines[i].json) {
			assert_int_equal(rc, -EINVAL);
			assert_int_equal(err.exit, ZS_EXIT_USAGE);
			if (!strstr(err.text, lines[i].why))
				fail_msg("%s: said \"%s\", not \"%s\"", lines[i].line, err.text,
					 lines[i].why);
			continue;
		}
		if (rc != 0)
			fail_msg("%s: %s", lines[i].line, err.text);
		want = json_loads(lines[i].json, 0, NULL);
		assert_true(json_equal(args, want));
		/* What the command line makes passes the check of the other side; files travel otherwise. */
		assert_int_equal(zs_command_check(cmd, args, &err), 0);
		json_decref(want);
		json_decref(args);
	}
}

static const struct {
	const char *verb, *json, *why; /* why NULL: good */
} objects[] = {
	{ "status", "{}", NULL },
	{ "status", "[]", "must be an object" },
	{ "status", "{\"a\":1}", "does not have" },
	{ "publish del", "{\"port\":443}", NULL },
	{ "publish del", "{\"port\":\"443\"}", "must be a number" },
	{ "publish del", "{\"port\":443.0}", "must be a number" },
	{ "publish del", "{\"port\":-443}", "1 to 65535" },
	{ "publish del", "{\"port\":4294967739}", "1 to 65535" },
	{ "publish del", "{\"port\":9223372036854775807}", "1 to 65535" },
	{ "publish del", "{\"port\":null}", "must be a number" },
	{ "publish del", "{\"port\":443,\"Port\":1}", "does not have" },
	{ "show counters", "{\"workers\":false}", "must be true" },
	{ "publish add", "{\"port\":1,\"target\":\"10.0.0.1:1\\n\"}", "printable" },
	{ "publish add", "{\"port\":1,\"target\":\"10.0.0.1:1\",\"burst\":4294967296}", "0 to 4294967295" },
	{ "config diff", "{\"file\":\"x\"}", "must be {" },
	{ "config diff", "{\"file\":{\"name\":\"x\"}}", "must be {" },
	{ "config diff", "{\"file\":{\"name\":\"x\",\"text\":\"\",\"more\":1}}", "must be {" },
	{ "config diff", "{\"file\":{\"name\":\"x\\u0007\",\"text\":\"\"}}", "printable" },
	{ "config diff", "{\"file\":{\"name\":\"x\",\"text\":\"a: b\\n\"}}", NULL },
};

static void test_objects(void **state)
{
	for (size_t i = 0; i < ZS_ARRAY_LEN(objects); i++) {
		json_t *args = json_loads(objects[i].json, 0, NULL);
		struct zs_error err = { 0 };
		int rc = zs_command_check(zs_command_find(objects[i].verb), args, &err);

		if ((rc == 0) != (objects[i].why == NULL) || (rc != 0 && !strstr(err.text, objects[i].why)))
			fail_msg("%s %s: %d \"%s\"", objects[i].verb, objects[i].json, rc, err.text);
		json_decref(args);
	}
}

static void test_match(void **state)
{
	char *publish[] = { "publish" }, *whole[] = { "publish add" },
	     *show[] = { "show", "flows", "--port" };
	int used = 0;

	assert_null(zs_command_match(0, publish, &used));
	assert_null(zs_command_match(1, publish, &used));
	assert_null(zs_command_match(1, whole, &used));
	assert_int_equal(zs_command_match(3, show, &used)->id, ZS_COMMAND_show_flows);
	assert_int_equal(used, 2);
}

static void test_nearest(void **state)
{
	static const struct {
		const char *typed, *near;
	} rows[] = {
		{ "statsu", "status" },
		{ "publsh add", "publish add" },
		{ "show flow", "show flows" },
		{ "halth", "health" },
		{ "audit verfy", "audit verify" },
		{ "xyzzy", NULL },
		{ "", NULL },
		{ "qwertyuiop asdfghjkl zxcvbnm qwertyuiop", NULL },
	};

	for (size_t i = 0; i < ZS_ARRAY_LEN(rows); i++) {
		const char *near = zs_command_nearest(rows[i].typed);

		if (rows[i].near)
			assert_string_equal(near ? near : "(none)", rows[i].near);
		else
			assert_null(near);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table_is_sound), cmocka_unit_test(test_levels),
		cmocka_unit_test(test_lines),	       cmocka_unit_test(test_objects),
		cmocka_unit_test(test_match),	       cmocka_unit_test(test_nearest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
