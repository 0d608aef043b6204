/* The identity: made once, the same ever after, refused when others could have had it. */
#include <errno.h>
#include <fcntl.h>
#include "ident.h"
#include "rig.h"

static void key_path(const struct rig *r, char path[128])
{
	snprintf(path, 128, "%s/identity.key", r->dir);
}

static void test_made_once(void **state)
{
	struct rig *r = *state;
	struct zs_ident *a, *b;
	struct stat st;
	char path[128], hex[ZS_IDENT_HEX];

	assert_int_equal(zs_ident_open(&a, r->dir, &r->err), 0);
	key_path(r, path);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	strcpy(hex, zs_ident_hex(a));
	assert_int_equal(strlen(hex), 64);
	assert_int_equal(strspn(hex, "0123456789abcdef"), 64);
	zs_ident_close(a);
	assert_int_equal(zs_ident_open(&b, r->dir, &r->err), 0);
	assert_string_equal(hex, zs_ident_hex(b));
	zs_ident_close(b);
}

static void test_two_differ(void **state)
{
	struct rig *r = *state;
	struct zs_ident *a, *b;
	char path[128];

	assert_int_equal(zs_ident_open(&a, r->dir, &r->err), 0);
	key_path(r, path);
	unlink(path);
	assert_int_equal(zs_ident_open(&b, r->dir, &r->err), 0);
	assert_memory_not_equal(zs_ident_public(a), zs_ident_public(b), ZS_IDENT_PUBLIC);
	zs_ident_close(a);
	zs_ident_close(b);
}

/* RFC 8032, test 1: seed and public key. */
static void test_known_seed(void **state)
{
	struct rig *r = *state;
	struct zs_ident *a;
	char path[128];
	const char *line = "zs-ed25519-1 9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60\n";
	int fd;

	key_path(r, path);
	fd = open(path, O_WRONLY | O_CREAT, 0600);
	assert_int_equal(write(fd, line, strlen(line)), strlen(line));
	close(fd);
	assert_int_equal(zs_ident_open(&a, r->dir, &r->err), 0);
	assert_string_equal(zs_ident_hex(a),
			    "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a");
	zs_ident_close(a);
}

static void test_refusals(void **state)
{
	static const char *damaged[] = {
		"", "zs-ed25519-1 \n", "zs-ed25519-2 9d61\n",
		"zs-ed25519-1 9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7fzz\n"
	};
	struct rig *r = *state;
	struct zs_ident *a;
	char path[128];
	int fd;

	assert_int_equal(zs_ident_open(&a, r->dir, &r->err), 0);
	zs_ident_close(a);
	key_path(r, path);
	assert_int_equal(chmod(path, 0640), 0);
	assert_int_equal(zs_ident_open(&a, r->dir, &r->err), -EPERM);
	assert_int_equal(r->err.exit, ZS_EXIT_PRIVILEGE);
	assert_int_equal(chmod(path, 0600), 0);
	for (size_t i = 0; i < ZS_ARRAY_LEN(damaged); i++) {
		fd = open(path, O_WRONLY | O_TRUNC);
		assert_int_equal(write(fd, damaged[i], strlen(damaged[i])), strlen(damaged[i]));
		close(fd);
		assert_int_equal(zs_ident_open(&a, r->dir, &r->err), -EUCLEAN);
	}
	unlink(path);
	assert_int_equal(symlink("/etc/hostname", path), 0);
	assert_true(zs_ident_open(&a, r->dir, &r->err) < 0);
	unlink(path);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(zs_ident_open(&a, r->dir, &r->err), -EPERM);
	if (!geteuid()) { /* only root can give a file away */
		rmdir(path);
		fd = open(path, O_WRONLY | O_CREAT, 0600);
		assert_int_equal(fchown(fd, 65534, 65534), 0);
		close(fd);
		assert_int_equal(zs_ident_open(&a, r->dir, &r->err), -EPERM);
	}
}

static void test_no_room(void **state)
{
	struct rig *r = *state;
	struct zs_ident *a;

	assert_true(zs_ident_open(&a, "/nonexistent/folder", &r->err) < 0);
	assert_true(strlen(r->err.text) > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_made_once, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(test_two_differ, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(test_known_seed, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(test_refusals, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(test_no_room, rig_setup, rig_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
