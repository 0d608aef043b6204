/* A PoP without some of its modules: its commands are refused by name, at each level, and no memory is left behind. */
#include "admin_rig.h"
#include "leftovers.h"
#include "memory.h"
#include "shm/sessions.h"

/* Modules that were made before a role is taken away, as c->conf says alone. */
static void set_roles(struct rig *r, bool relay, uint32_t listens)
{
	r->c.conf->roles[ZS_ROLE_relay] = relay;
	r->c.conf->roles[ZS_ROLE_seed] = !relay;
	r->c.conf->p2p.listens = listens;
}

/* Its own words, right or wrong: a module that is off does not look at them. */
static int call_verb(struct rig *r, enum zs_level level, const struct zs_command *cmd, char text[256])
{
	char req[128];

	snprintf(req, sizeof(req), "{\"v\":1,\"verb\":\"%s\",\"args\":{\"nonsense\":1}}", cmd->verb);
	return call(r, level, req, text);
}

static void each_verb(struct rig *r)
{
	for (int id = 0; id < ZS_COMMANDS; id++) {
		const struct zs_command *cmd = zs_command_get((enum zs_command_id)id);

		for (int level = ZS_LEVEL_none; cmd->served && level <= ZS_LEVEL_owner; level++) {
			bool off = !zs_module_on(r->c.conf, cmd->module);
			uint64_t records = zs_audit_count(r->c.audit);
			char text[256];
			int status;

			memset(zs_admin_counts(&r->c)->refusals, 0, sizeof(zs_admin_counts(&r->c)->refusals));
			status = call_verb(r, (enum zs_level)level, cmd, text);
			if (level < (int)cmd->level)
				assert_int_equal(status, ZS_EXIT_DENIED);
			else if (status != (off ? ZS_EXIT_MODULE_OFF : ZS_EXIT_USAGE))
				fail_msg("%s at %s: %d %s", cmd->verb, zs_level_name((enum zs_level)level),
					 status, text);
			else if (off && !strstr(text, zs_module_name(cmd->module)))
				fail_msg("%s: %s", cmd->verb, text);
			/* Who tried to change something stands in the audit file. */
			assert_int_equal(zs_audit_count(r->c.audit) - records, cmd->mutating ? 1 : 0);
		}
	}
}

static void test_every_verb_under_each_module_off(void **state)
{
	struct rig *r = *state;

	open_all(r);
	set_roles(r, true, 0); /* p2p */
	each_verb(r);
	set_roles(r, false, 1); /* forwarding, lists, attach, usage */
	each_verb(r);
	set_roles(r, false, 0); /* all of them */
	each_verb(r);
	set_roles(r, true, 1); /* none */
	each_verb(r);
	close_all(r);
}

static void test_the_audit_file_says_refused(void **state)
{
	struct rig *r = *state;
	uint64_t refused;
	json_t *list;

	open_all(r);
	set_roles(r, false, 1);
	refused = zs_admin_counts(&r->c)->refused;
	assert_int_equal(call(r, ZS_LEVEL_owner, "{\"v\":1,\"verb\":\"stop\"}", NULL), ZS_EXIT_MODULE_OFF);
	assert_int_equal(zs_admin_counts(&r->c)->refused, refused + 1);
	assert_false(zs_program_stopped(r->c.program));
	assert_int_equal(zs_audit_show(r->c.audit, 1, &list, &r->err), 0);
	assert_string_equal(json_string_value(json_object_get(json_array_get(list, 0), "result")), "refused");
	json_decref(list);
	close_all(r);
}

/* Without a program, as main.c starts it then: what is always there answers. */
static void test_what_is_always_there(void **state)
{
	static const char *const reqs[] = {
		"{\"v\":1,\"verb\":\"status\"}",
		"{\"v\":1,\"verb\":\"health\"}",
		"{\"v\":1,\"verb\":\"memory\"}",
		"{\"v\":1,\"verb\":\"log level\",\"args\":{\"level\":\"info\"}}",
		"{\"v\":1,\"verb\":\"config show\"}",
		"{\"v\":1,\"verb\":\"config history\"}",
		"{\"v\":1,\"verb\":\"version\"}",
		"{\"v\":1,\"verb\":\"audit show\"}",
	};
	struct rig *r = *state;
	struct zs_program *program;
	struct zs_lists *lists;
	struct zs_attach *attach;
	struct zs_usage *usage;
	struct zs_memory_module m[ZS_MEMORY_MODULES];
	unsigned count;
	char text[256];

	open_all(r);
	zs_control_budgets(&r->c);
	assert_true(r->c.memory[ZS_MEMORY_attach].limit > 0);
	set_roles(r, false, 1);
	program = r->c.program, lists = r->c.lists, attach = r->c.attach, usage = r->c.usage;
	r->c.program = NULL, r->c.lists = NULL, r->c.attach = NULL, r->c.usage = NULL;
	for (size_t i = 0; i < ZS_ARRAY_LEN(reqs); i++)
		if (call(r, ZS_LEVEL_owner, reqs[i], text))
			fail_msg("%s: %s", reqs[i], text);
	count = zs_memory_modules(&r->c, m);
	for (unsigned i = 0; i < count; i++)
		if (!strcmp(m[i].name, "attach") || !strcmp(m[i].name, "usage") ||
		    !strcmp(m[i].name, "lists"))
			assert_true(m[i].off && !m[i].budget);
	r->c.program = program, r->c.lists = lists, r->c.attach = attach, r->c.usage = usage;
	close_all(r);
}

static bool is_there(const struct rig *r, const char *segment)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", r->c.shm_dir, segment);
	return access(path, F_OK) == 0;
}

/* A relay that becomes a seed: a dataplane that still runs is stopped and keeps its own, a dead one's is taken too. */
static void test_leftovers(void **state)
{
	struct rig *r = *state;
	struct zs_state_shape shape = { .flow_capacity = 1024,
					.event_capacity = 64,
					.partitions = 1,
					.attachments = 64,
					.sessions = zs_sessions_slots(64),
					.windows = 64 };
	struct zs_tables seen;
	struct zs_state plane;
	bool fresh;

	r->c.conf = own_conf(r);
	zs_leftovers_remove(&r->c); /* of nothing */
	assert_false(is_there(r, "tables"));
	rig_open(r);
	assert_int_equal(
	    zs_attach_new(&r->c.attach, &r->c, (struct zs_random){ .fill = zeros }, 1, 1, &r->err), 0);
	zs_attach_delete(r->c.attach);
	r->c.attach = NULL;
	rig_close(r);
	assert_true(is_there(r, "tables") && is_there(r, "sessions"));

	assert_int_equal(zs_state_open_writer(&plane, r->c.shm_dir, &shape, &fresh, &r->err), 0);
	assert_int_equal(zs_tables_open_reader(&seen, r->c.shm_dir, &r->err), 0);
	assert_false(zs_tables_stopped(&seen));
	zs_leftovers_remove(&r->c);
	assert_true(zs_tables_stopped(&seen)); /* the living one holds it still */
	assert_false(is_there(r, "tables") || is_there(r, "sessions"));
	assert_true(is_there(r, "state"));
	zs_tables_close(&seen);
	zs_state_close(&plane);
	zs_leftovers_remove(&r->c);
	assert_false(is_there(r, "state"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_every_verb_under_each_module_off),
		TEST(test_the_audit_file_says_refused),
		TEST(test_what_is_always_there),
		TEST(test_leftovers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
