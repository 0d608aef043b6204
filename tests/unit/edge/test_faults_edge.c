/* zs-edge's start with one thing going wrong, at each place where something can: without and with what it kept of another start. */
#include "starts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include "base/error.h"
#include "sandbox.h"

/* The leak checker could not look behind it. */
int __wrap_zs_edge_sandbox(struct zs_error *err);
int __wrap_zs_edge_sandbox(struct zs_error *err)
{
	return 0;
}

struct place {
	char dir[32], key[64], socket[64];
};

static void empty(void *ctx)
{
	struct place *p = ctx;
	char command[64];

	snprintf(command, sizeof(command), "rm -rf %s/*", p->dir);
	assert_int_equal(system(command), 0);
}

static int setup(void **state)
{
	struct place *p = calloc(1, sizeof(*p));

	strcpy(p->dir, "/tmp/zs-unit-XXXXXX");
	assert_non_null(mkdtemp(p->dir));
	snprintf(p->key, sizeof(p->key), "%s/key", p->dir);
	snprintf(p->socket, sizeof(p->socket), "%s/cid.sock", p->dir);
	*state = p;
	return 0;
}

static int teardown(void **state)
{
	struct place *p = *state;

	empty(p);
	assert_int_equal(rmdir(p->dir), 0);
	free(p);
	return 0;
}

#define RELAY "127.0.0.1:9/12D3KooWQcNugTLdTdCkF2wK4dWXQPR97KXfEtVJ1uiPTKSKVUEe"

static void test_publish(void **state)
{
	struct place *p = *state;
	const char *const args[] = { "zs-edge", "--relay",	     RELAY, "--identity", p->key,
				     "publish", "web=127.0.0.1:443", NULL };
	struct start s = { .args = args, .before = empty, .ctx = p };

	assert_true(starts_each("a port, for the first time", &s, true) > 30);
	s.before = NULL;
	assert_true(starts_each("a port, once more", &s, false) > 30);
}

static void test_cid_socket(void **state)
{
	struct place *p = *state;
	const char *const args[] = { "zs-edge", "--relay",	RELAY,	   "--identity",
				     p->key,	"--cid-socket", p->socket, NULL };
	struct start s = { .args = args, .before = empty, .ctx = p };

	assert_true(starts_each("connection IDs, for the first time", &s, false) > 30);
	s.before = NULL;
	assert_true(starts_each("connection IDs, once more", &s, true) > 30);
}

int __wrap_main(int argc, char **argv);
int __wrap_main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_publish, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cid_socket, setup, teardown),
	};

	starts_setup(argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
