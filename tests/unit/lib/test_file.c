/* base/file.h: whole or not at all, and what is there already. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"

struct folder {
	char dir[64], path[96];
};

static int make_folder(void **state)
{
	struct folder *f = calloc(1, sizeof(*f));

	strcpy(f->dir, "/tmp/zs-test-file.XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	snprintf(f->path, sizeof(f->path), "%s/key", f->dir);
	*state = f;
	return 0;
}

static int files_in(const char *dir)
{
	DIR *d = opendir(dir);
	int n = 0;

	while (readdir(d))
		n++;
	closedir(d);
	return n - 2; /* . and .. */
}

static int remove_folder(void **state)
{
	struct folder *f = *state;

	unlink(f->path);
	assert_int_equal(rmdir(f->dir), 0);
	free(f);
	return 0;
}

static void assert_holds(const struct folder *f, const char *want)
{
	char got[64] = "";
	int fd = open(f->path, O_RDONLY);

	assert_int_equal(read(fd, got, sizeof(got) - 1), strlen(want));
	close(fd);
	assert_string_equal(got, want);
	assert_int_equal(files_in(f->dir), 1); /* and nothing beside it */
}

static void put_and_replace(void **state)
{
	struct folder *f = *state;
	struct stat st;

	umask(0);
	assert_int_equal(zs_file_put(f->path, "one", 3, true), 0);
	assert_holds(f, "one");
	assert_int_equal(stat(f->path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(zs_file_put(f->path, "two!", 4, true), -EEXIST);
	assert_holds(f, "one");
	assert_int_equal(zs_file_put(f->path, "two!", 4, false), 0);
	assert_holds(f, "two!");
}

/* What a crashed process left under our pid is no obstacle, and is not followed. */
static void a_left_over(void **state)
{
	struct folder *f = *state;
	char tmp[128], victim[128];

	snprintf(tmp, sizeof(tmp), "%s.%d.tmp", f->path, (int)getpid());
	snprintf(victim, sizeof(victim), "%s/victim", f->dir);
	assert_int_equal(symlink(victim, tmp), 0);
	assert_int_equal(zs_file_put(f->path, "key", 3, true), 0);
	assert_int_equal(access(victim, F_OK), -1);
	assert_holds(f, "key");
}

static void failures(void **state)
{
	char path[ZS_FILE_PATH + 1], in[128];
	struct folder *f = *state;

	memset(path, 'a', ZS_FILE_PATH);
	path[ZS_FILE_PATH] = '\0';
	assert_int_equal(zs_file_put(path, "x", 1, false), -ENAMETOOLONG);
	snprintf(in, sizeof(in), "%s/none/key", f->dir);
	assert_int_equal(zs_file_put(in, "x", 1, false), -ENOENT);
	assert_int_equal(files_in(f->dir), 0);
}

static void read_back(void **state)
{
	struct folder *f = *state;
	struct zs_error err = { 0 };
	char out[4];

	assert_int_equal(zs_file_get(f->path, out, sizeof(out), &err), -ENOENT);
	assert_int_equal(err.code, 0);
	assert_int_equal(zs_file_put(f->path, "four", 4, false), 0);
	assert_int_equal(zs_file_get(f->path, out, sizeof(out), &err), 4);
	assert_memory_equal(out, "four", 4);
	assert_int_equal(zs_file_get(f->path, out, 3, &err), -EFBIG);
	assert_int_equal(err.exit, ZS_EXIT_CONFIG);
	assert_int_equal(chmod(f->path, 0620), 0);
	assert_int_equal(zs_file_get(f->path, out, sizeof(out), &err), -EPERM);
	assert_int_equal(err.exit, ZS_EXIT_PRIVILEGE);
	assert_int_equal(zs_file_get(f->dir, out, sizeof(out), &err), -EPERM);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(put_and_replace, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(a_left_over, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(failures, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(read_back, make_folder, remove_folder),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
