/* Deny and allow lists of the control plane: by configuration and by command, over restarts, and never into the half
 * of the tables that a worker may read. */
#include <errno.h>
#include "lists.h"
#include "rig.h"

static const char config[] = "deny:\n  - {prefix: 192.0.2.0/24, direction: in, comment: from the file}\n"
			     "  - {prefix: '2001:db8::/32'}\n"
			     "allow:\n  - {prefix: 192.0.2.0/24, direction: out}\n";

static void open_with(struct rig *r, const char *conf)
{
	free(r->c.conf);
	r->c.conf = rig_conf(r, conf);
	rig_open(r);
	if (zs_lists_new(&r->c.lists, &r->c, &r->err))
		fail_msg("%s", r->err.text);
}

static void close_it(struct rig *r)
{
	zs_lists_delete(r->c.lists);
	r->c.lists = NULL;
	rig_close(r);
}

static struct zs_listed rule(const char *prefix, uint8_t deny, uint8_t allow, const char *comment)
{
	struct zs_listed l = { .deny = deny, .allow = allow };

	assert_int_equal(zs_prefix_parse(&l.prefix, prefix), 0);
	snprintf(l.comment, sizeof(l.comment), "%s", comment);
	return l;
}

static int add(struct rig *r, const char *prefix, uint8_t deny, uint8_t allow)
{
	struct zs_listed l = rule(prefix, deny, allow, "a comment");

	return zs_lists_add(r->c.lists, &l, 1, &r->err);
}

static int drop(struct rig *r, const char *prefix)
{
	struct zs_listed l = rule(prefix, 1, 0, "");

	return zs_lists_remove(r->c.lists, &l.prefix, 1, &r->err);
}

static uint8_t denied(struct rig *r, const char *addr)
{
	zs_acl_view v = zs_acl_look(&zs_program_tables(r->c.program)->acl);
	struct zs_addr a;

	assert_int_equal(zs_addr_parse(&a, addr), 0);
	return v ? zs_acl_denied(v, &a) : 0;
}

/* A configuration that comes back finds its place: rules by command give way, the last first. */
static void test_room_for_the_configuration(void **state)
{
	struct rig *r = *state;
	struct zs_conf *back = rig_conf(r, config);

	open_with(r, "");
	zs_program_tables(r->c.program)->acl.rules_max = 3;
	assert_int_equal(add(r, "203.0.113.1/32", ZS_ACL_IN, 0), 0);
	assert_int_equal(add(r, "203.0.113.2/32", ZS_ACL_IN, 0), 0);
	assert_int_equal(zs_control_go_back(&r->c, back, &r->err), 0);
	assert_int_equal(denied(r, "192.0.2.1"), ZS_ACL_IN);
	assert_int_equal(denied(r, "203.0.113.1"), ZS_ACL_IN);
	assert_int_equal(denied(r, "203.0.113.2"), 0);
	close_it(r);
}

static void test_config_and_command(void **state)
{
	struct rig *r = *state;
	struct zs_listed all[8];
	struct zs_conf *next;

	open_with(r, config);
	assert_int_equal(denied(r, "192.0.2.9"), ZS_ACL_IN);
	assert_int_equal(denied(r, "2001:db8::9"), ZS_ACL_IN | ZS_ACL_OUT);
	assert_int_equal(add(r, "192.0.2.0/24", ZS_ACL_OUT, 0), -EEXIST);
	assert_int_equal(drop(r, "192.0.2.0/24"), -EPERM);
	assert_int_equal(add(r, "192.0.2.128/25", 0, ZS_ACL_IN), 0);
	assert_int_equal(denied(r, "192.0.2.200"), 0);
	assert_int_equal(add(r, "10.0.0.0/8", ZS_ACL_IN, 0), 0);
	assert_int_equal(add(r, "10.0.0.0/8", ZS_ACL_OUT, 0), 0); /* word by word */
	assert_int_equal(denied(r, "10.1.1.1"), ZS_ACL_IN | ZS_ACL_OUT);
	assert_int_equal(add(r, "10.0.0.0/8", 0, ZS_ACL_IN), 0);
	assert_int_equal(denied(r, "10.1.1.1"), ZS_ACL_OUT);
	assert_int_equal(zs_lists_all(r->c.lists, all, 8), 4);
	assert_true(all[3].prefix.len == 32 && all[3].from_config && all[1].from_config);
	close_it(r);
	open_with(r, "");
	assert_int_equal(denied(r, "192.0.2.9"), 0);
	assert_int_equal(denied(r, "10.1.1.1"), ZS_ACL_OUT);
	assert_int_equal(zs_lists_all(r->c.lists, all, 8), 2);
	assert_string_equal(all[0].comment, "a comment");
	/* The file takes a prefix over, and gives it back. */
	next = rig_conf(r, "deny: [{prefix: 10.0.0.0/8, direction: in}]\n");
	assert_int_equal(zs_control_apply(&r->c, next, &r->err), 0);
	assert_int_equal(denied(r, "10.1.1.1"), ZS_ACL_IN);
	next = rig_conf(r, "");
	assert_int_equal(zs_control_apply(&r->c, next, &r->err), 0);
	assert_int_equal(denied(r, "10.1.1.1"), ZS_ACL_OUT);
	assert_int_equal(drop(r, "10.0.0.0/8"), 0);
	assert_int_equal(drop(r, "10.0.0.0/8"), -ENOENT);
	assert_int_equal(denied(r, "10.1.1.1"), 0);
	close_it(r);
}

/* All or none. */
static void test_batches(void **state)
{
	struct rig *r = *state;
	struct zs_listed two[2], *many;
	struct zs_prefix gone[2];
	uint32_t room;

	open_with(r, config);
	two[0] = rule("10.0.0.0/8", 1, 0, "");
	two[1] = rule("192.0.2.0/24", 1, 0, "");
	assert_int_equal(zs_lists_add(r->c.lists, two, 2, &r->err), -EEXIST);
	assert_int_equal(denied(r, "10.1.1.1"), 0);
	two[1] = rule("11.0.0.0/8", 1, 0, "");
	assert_int_equal(zs_lists_add(r->c.lists, two, 2, &r->err), 0);
	gone[0] = two[0].prefix;
	gone[1] = rule("12.0.0.0/8", 1, 0, "").prefix;
	assert_int_equal(zs_lists_remove(r->c.lists, gone, 2, &r->err), -ENOENT);
	assert_int_equal(denied(r, "10.1.1.1"), ZS_ACL_IN);
	room = zs_lists_room(r->c.lists);
	many = calloc(room, sizeof(*many));
	for (uint32_t i = 0; i < room; i++) {
		many[i] = two[0];
		many[i].prefix.addr = zs_addr_from4(__builtin_bswap32(0x20000000 + i));
		many[i].prefix.len = 128;
	}
	assert_int_equal(zs_lists_add(r->c.lists, many, room, &r->err), -ENOSPC);
	assert_int_equal(zs_lists_add(r->c.lists, many, room - 5, &r->err),
			 0); /* two of ours, three of the file's */
	assert_int_equal(denied(r, "32.0.0.77"), ZS_ACL_IN);
	assert_int_equal(zs_acl_check(&zs_program_tables(r->c.program)->acl), 0);
	free(many);
	close_it(r);
}

/* A worker that has not gone round since the last change keeps its half; what came meanwhile follows. */
static void test_worker_in_the_way(void **state)
{
	struct rig *r = *state;
	struct zs_state_shape shape = { .flow_capacity = 64, .event_capacity = 64, .attachments = 64 };
	struct zs_tables *t;
	struct zs_state dp;
	zs_acl_view old;
	bool fresh;

	open_with(r, "");
	t = zs_program_tables(r->c.program);
	assert_int_equal(zs_state_open_writer(&dp, r->c.shm_dir, &shape, &fresh, &r->err), 0);
	r->c.state = &dp;
	zs_qsbr_online(&dp.worker[3].qsbr, t->epoch);
	assert_int_equal(add(r, "10.0.0.0/8", ZS_ACL_IN, 0), 0);
	old = zs_acl_look(&t->acl);
	assert_int_equal(add(r, "11.0.0.0/8", ZS_ACL_IN, 0), 0);
	assert_int_equal(add(r, "12.0.0.0/8", ZS_ACL_IN, 0), 0);
	assert_false(zs_lists_in_force(r->c.lists));
	rig_run(r, 30 * ZS_NS_PER_MS);
	assert_ptr_equal(zs_acl_look(&t->acl), old);
	assert_int_equal(denied(r, "11.1.1.1"), 0);
	zs_qsbr_quiescent(&dp.worker[3].qsbr, t->epoch);
	rig_run(r, 30 * ZS_NS_PER_MS);
	assert_true(zs_lists_in_force(r->c.lists));
	assert_int_equal(denied(r, "11.1.1.1"), ZS_ACL_IN);
	assert_int_equal(denied(r, "12.1.1.1"), ZS_ACL_IN);
	r->c.state = NULL;
	zs_state_close(&dp);
	close_it(r);
}

static void test_damaged_records(void **state)
{
	static const struct {
		const char *what;
		uint8_t at, value, len;
	} rows[] = { { "version", 0, 2, 4 }, { "no way", 1, 0, 4 },
		     { "both", 2, 1, 4 },    { "a way of its own", 1, 4, 4 },
		     { "cut", 0, 1, 2 },     { "a comment with an end in it", 3, 0, 5 } };
	struct rig *r = *state;
	struct zs_listed all[8];

	open_with(r, "");
	for (size_t i = 0; i < ZS_ARRAY_LEN(rows); i++) {
		struct zs_store_batch *b = zs_store_begin(r->c.store);
		uint8_t key[21] = "acl/", value[8] = { 1, 1, 0, 'x', 'y' };

		key[14] = key[15] = 0xff;
		key[16] = (uint8_t)(10 + i);
		key[20] = 104;
		value[rows[i].at] = rows[i].value;
		zs_store_put(b, key, sizeof(key), value, rows[i].len);
		if (!i) { /* host bits, and a length that is none */
			value[0] = 1;
			key[16] = 100;
			key[19] = 1;
			zs_store_put(b, key, sizeof(key), value, 4);
			key[20] = 129;
			zs_store_put(b, key, sizeof(key), value, 4);
			key[20] = 128;
			zs_store_put(b, key, sizeof(key), value, 4); /* the one that is good */
		}
		assert_int_equal(zs_store_commit(b, &r->err), 0);
	}
	close_it(r);
	open_with(r, "");
	assert_int_equal(zs_lists_all(r->c.lists, all, 8), 1);
	assert_int_equal(denied(r, "100.0.0.1"), ZS_ACL_IN);
	close_it(r);
}

static void test_refused_files(void **state)
{
	static const char *const rows[][2] = {
		{ "deny: [{prefix: 10.0.0.0/8}, {prefix: 10.0.0.0/8, direction: in}]\n", "stands twice" },
		{ "deny: [{prefix: 10.0.0.0/8}]\nallow: [{prefix: 10.0.0.0/8, direction: in}]\n",
		  "denied and allowed" },
		{ "deny: [{prefix: 10.0.0.1/8}]\n", "no bits set behind" },
		{ "deny: [{prefix: 10.0.0.0/8, direction: up}]\n", "in out both" },
	};
	struct zs_conf *conf = malloc(sizeof(*conf));
	struct zs_error err = { 0 };

	(void)state;
	for (size_t i = 0; i < ZS_ARRAY_LEN(rows); i++) {
		assert_int_equal(zs_conf_parse(conf, "unit.yaml", rows[i][0], strlen(rows[i][0]), &err),
				 -EINVAL);
		if (!strstr(err.text, rows[i][1]))
			fail_msg("%s: '%s'", rows[i][0], err.text);
	}
	free(conf);
}

/* Beyond its budget a rule is refused by name and nothing is changed; rules can always be taken away. */
static void test_budget(void **state)
{
	struct rig *r = *state;
	struct zs_budget *budget = &r->c.memory[ZS_MEMORY_lists];

	open_with(r, "");
	assert_int_equal(add(r, "10.0.0.0/8", ZS_ACL_IN, 0), 0);
	assert_int_equal(add(r, "11.0.0.0/8", ZS_ACL_IN, 0), 0);
	assert_true(budget->used > 0);
	budget->limit = budget->used + 64;
	assert_int_equal(add(r, "12.0.0.0/8", ZS_ACL_IN, 0), -ENOMEM);
	assert_non_null(strstr(r->err.text, "raise memory.lists_mb"));
	assert_int_equal(r->err.exit, ZS_EXIT_REFUSED);
	assert_int_equal(budget->refused, 1);
	assert_int_equal(denied(r, "12.1.1.1"), 0);
	assert_int_equal(denied(r, "10.1.1.1"), ZS_ACL_IN);
	assert_int_equal(drop(r, "10.0.0.0/8"), 0);
	budget->limit = 0;
	assert_int_equal(add(r, "12.0.0.0/8", ZS_ACL_IN, 0), 0);
	assert_int_equal(denied(r, "12.1.1.1"), ZS_ACL_IN);
	close_it(r);
	assert_int_equal(budget->used, 0);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)
	const struct CMUnitTest tests[] = {
		T(test_room_for_the_configuration),  T(test_config_and_command), T(test_batches),
		T(test_worker_in_the_way),	     T(test_damaged_records),	 T(test_budget),
		cmocka_unit_test(test_refused_files)
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
