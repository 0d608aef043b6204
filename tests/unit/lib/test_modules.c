/* Roles and modules: what is on under which configuration, what is said of what is off, whose the commands are. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "base/check.h"
#include "cli/command.h"
#include "conf/conf.h"

#define LISTEN "p2p: {listen: [\"0.0.0.0:4001\"]}\n"

static int parse(struct zs_conf *out, const char *text, struct zs_error *err)
{
	*err = (struct zs_error){ 0 };
	return zs_conf_parse(out, "t.yaml", text, strlen(text), err);
}

/* A bit for each module that is on. */
static uint32_t on(const struct zs_conf *conf)
{
	uint32_t mask = 0;

	for (int m = ZS_MODULE_none + 1; m < ZS_MODULES; m++)
		mask |= (uint32_t)zs_module_on(conf, (enum zs_module)m) << m;
	return mask;
}

#define M(name) (1u << ZS_MODULE_##name)
#define RELAY	(M(forwarding) | M(lists) | M(attach) | M(usage))

static void what_is_on(void **state)
{
	static const struct {
		const char *text;
		uint32_t on;
	} rows[] = {
		{ "instance: a\n", RELAY },
		{ LISTEN, RELAY | M(p2p) },
		{ "roles: {}\n", RELAY },
		{ "roles:\n" LISTEN, RELAY | M(p2p) },
		{ "roles: {relay: true}\n", RELAY },
		{ "roles: {seed: true}\n" LISTEN, RELAY | M(p2p) },
		{ "roles: {relay: false, seed: true}\n" LISTEN, M(p2p) },
		{ "roles: {relay: false, seed: true}\nattach: {mode: open}\ndeny: [{prefix: "
		  "192.0.2.0/24}]\n" LISTEN,
		  M(p2p) },
	};
	struct zs_conf *conf = malloc(sizeof(*conf));
	struct zs_error err;

	for (size_t i = 0; i < ZS_ARRAY_LEN(rows); i++) {
		if (parse(conf, rows[i].text, &err))
			fail_msg("%s: %s", rows[i].text, err.text);
		if (on(conf) != rows[i].on)
			fail_msg("%s: %x", rows[i].text, on(conf));
		assert_true(zs_module_on(conf, ZS_MODULE_none));
	}
	free(conf);
}

/* A role is refused by its name and the module's, none of them is accepted in silence. */
static void roles_this_build_has_not(void **state)
{
	struct zs_conf *conf = malloc(sizeof(*conf));
	struct zs_error err;
	char text[96];

	for (int r = 0; r < ZS_ROLES; r++) {
		const char *lacks = NULL;
		int rc;

		for (int m = ZS_MODULES - 1; m > ZS_MODULE_none; m--)
			if (zs_module_wanted_by((enum zs_module)m, (enum zs_role)r) &&
			    !zs_module_built((enum zs_module)m))
				lacks = zs_module_name((enum zs_module)m);
		assert_int_equal(lacks == NULL, r == ZS_ROLE_relay || r == ZS_ROLE_seed);
		snprintf(text, sizeof(text), "roles: {%s: true}\n" LISTEN, zs_role_name((enum zs_role)r));
		rc = parse(conf, text, &err);
		assert_int_equal(rc, lacks ? -EINVAL : 0);
		if (!lacks)
			continue;
		assert_int_equal(err.exit, ZS_EXIT_CONFIG);
		assert_int_equal(err.line, 1);
		if (!strstr(err.text, zs_role_name((enum zs_role)r)) || !strstr(err.text, lacks))
			fail_msg("%s", err.text);
	}
	free(conf);
}

static void what_is_off_is_told(void **state)
{
	static const struct {
		enum zs_module module;
		const char *text, *says;
	} rows[] = {
		{ ZS_MODULE_attach, "roles: {relay: false, seed: true}\n" LISTEN,
		  "the module attach is off: set roles.relay to true and restart the relay" },
		{ ZS_MODULE_p2p, "instance: a\n",
		  "the module p2p is off: name an address in p2p.listen and restart the relay" },
		{ ZS_MODULE_ledger, LISTEN, "the module ledger is off: this build has it not" },
	};
	struct zs_conf *conf = malloc(sizeof(*conf));
	struct zs_error err;

	for (size_t i = 0; i < ZS_ARRAY_LEN(rows); i++) {
		assert_int_equal(parse(conf, rows[i].text, &err), 0);
		assert_int_equal(zs_module_need(conf, rows[i].module, &err), -EOPNOTSUPP);
		assert_int_equal(err.exit, ZS_EXIT_MODULE_OFF);
		assert_string_equal(err.text, rows[i].says);
		assert_int_equal(zs_module_need(conf, ZS_MODULE_none, &err), 0);
	}
	for (int m = ZS_MODULE_none + 1; m < ZS_MODULES; m++) {
		char buf[ZS_MODULE_REMEDY];

		assert_true(strlen(zs_module_remedy((enum zs_module)m, buf)) < sizeof(buf) - 1);
	}
	free(conf);
}

/* Every module that this build has answers to some command, and no command is of one that it has not. */
static void whose_the_commands_are(void **state)
{
	bool has[ZS_MODULES] = { false };

	for (int id = 0; id < ZS_COMMANDS; id++) {
		const struct zs_command *cmd = zs_command_get((enum zs_command_id)id);

		assert_true(zs_module_built(cmd->module));
		has[cmd->module] = true;
	}
	for (int m = 0; m < ZS_MODULES; m++)
		assert_int_equal(has[m], zs_module_built((enum zs_module)m));
	for (int m = 0; m < ZS_MEMORIES; m++)
		assert_true(zs_module_built(zs_memory_module((enum zs_memory)m)));
	assert_string_equal(zs_memory_name(ZS_MEMORY_lists), "lists");
}

struct told {
	uint32_t count, restarts;
	char key[64];
};

static void note(void *ctx, const char *key, const char *old, const char *new, bool restart)
{
	struct told *t = ctx;

	t->count++;
	t->restarts += restart;
	snprintf(t->key, sizeof(t->key), "%s", key);
}

static void another_role_wants_a_restart(void **state)
{
	struct zs_conf *a = malloc(sizeof(*a)), *b = malloc(sizeof(*b));
	struct told t = { 0 };
	struct zs_error err;

	assert_int_equal(parse(a, LISTEN, &err), 0);
	assert_int_equal(parse(b, "roles: {seed: true}\n" LISTEN, &err), 0);
	assert_int_equal(zs_conf_diff(a, b, note, &t), 1);
	assert_int_equal(t.restarts, 1);
	assert_string_equal(t.key, "roles.seed");
	free(a);
	free(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_on),
		cmocka_unit_test(roles_this_build_has_not),
		cmocka_unit_test(what_is_off_is_told),
		cmocka_unit_test(whose_the_commands_are),
		cmocka_unit_test(another_role_wants_a_restart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
