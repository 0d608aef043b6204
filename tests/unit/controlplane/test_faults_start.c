/* zs-controlplane's start with one thing going wrong, at each place where something can: with nothing there yet, and over what a
 * process left behind. What the tables publish stays published, whatever becomes of the start. */
#include "starts.h"

#include "rig.h"
#include "sandbox.h"
#include "shm/tables.h"

#define PORT 4443

/* The leak checker could not look behind them. */
int __wrap_zs_control_drop(struct zs_error *err);
int __wrap_zs_control_drop(struct zs_error *err)
{
	return 0;
}

int __wrap_zs_control_filter(struct zs_error *err);
int __wrap_zs_control_filter(struct zs_error *err)
{
	return 0;
}

struct place {
	char dir[64], conf[96], shm[96], instance[24];
	uint16_t port;
};

static void write_conf(const struct place *p)
{
	FILE *f = fopen(p->conf, "w");

	assert_non_null(f);
	fprintf(
	    f,
	    "instance: %s\nstate_dir: %s/state\nrun_dir: %s/run\n"
	    "admin:\n  admin_group: no-such-group-a\n  user_group: no-such-group-u\n"
	    "targets:\n  allow: [10.0.0.0/8]\n"
	    "p2p:\n  listen: [\"127.0.0.1:%u\"]\n  profile: test\n"
	    "attach:\n  mode: open\n  capacity: 64\n  lanes: 64\n"
	    "dataplane:\n  ports:\n    - name: p0\n      driver: null\n      addresses: [198.51.100.1/24]\n"
	    "publish: [{port: %u, target: \"10.0.0.9:443\"}]\n",
	    p->instance, p->dir, p->dir, p->port, PORT);
	assert_int_equal(fclose(f), 0);
}

static int setup(void **state)
{
	struct place *p = calloc(1, sizeof(*p));

	strcpy(p->dir, "/tmp/zs-unit-XXXXXX");
	assert_non_null(mkdtemp(p->dir));
	snprintf(p->conf, sizeof(p->conf), "%s/relay.yaml", p->dir);
	snprintf(p->instance, sizeof(p->instance), "unit%d", (int)getpid());
	snprintf(p->shm, sizeof(p->shm), "/dev/shm/zerostate-%s", p->instance);
	p->port = rig_port();
	write_conf(p);
	*state = p;
	return 0;
}

static void empty(void *ctx)
{
	struct place *p = ctx;
	char command[256];

	snprintf(command, sizeof(command), "rm -rf %s/state %s/run %s", p->dir, p->dir, p->shm);
	assert_int_equal(system(command), 0);
}

static int teardown(void **state)
{
	struct place *p = *state;
	char command[96];

	empty(p);
	snprintf(command, sizeof(command), "rm -rf %s", p->dir);
	assert_int_equal(system(command), 0);
	free(p);
	return 0;
}

static void is_published(void *ctx, const char *what)
{
	struct place *p = ctx;
	struct zs_published port;
	struct zs_tables tables;
	struct zs_error err = { 0 };

	if (zs_tables_open_reader(&tables, p->shm, &err))
		fail_msg("%s: the tables are gone: %s", what, err.text);
	if (!zs_tables_published(&tables, PORT, &port))
		fail_msg("%s: the port is not published any more", what);
	zs_tables_close(&tables);
}

static void test_anew(void **state)
{
	struct place *p = *state;
	const char *const args[] = { "zs-controlplane", "--config", p->conf, NULL };
	const struct start s = { .args = args, .before = empty, .ctx = p };

	assert_true(starts_each("nothing is there", &s, true) > 100);
}

static void test_again(void **state)
{
	struct place *p = *state;
	const char *const args[] = { "zs-controlplane", "--config", p->conf, NULL };
	struct start s = { .args = args, .after = is_published, .ctx = p };

	starts_well(&s);
	assert_true(starts_each("over a start before", &s, false) > 100);
}

int __wrap_main(int argc, char **argv);
int __wrap_main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_anew, setup, teardown),
		cmocka_unit_test_setup_teardown(test_again, setup, teardown),
	};

	starts_setup(argv);
	srand((unsigned)getpid());
	return cmocka_run_group_tests(tests, NULL, NULL);
}
