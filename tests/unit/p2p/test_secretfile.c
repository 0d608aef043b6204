/* Files of secrets: what a line may be, where it ends, and which line is named when it is wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "node/secretfile.h"

#define HEX   "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define UPPER "000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F"
#define ZERO  "0000000000000000000000000000000000000000000000000000000000000000"
#define PATH  "secrets"

struct found {
	char all[256]; /* each secret between brackets */
	const char *refuse;
};

static int setup(void **state)
{
	char dir[] = "/tmp/zs-test-secrets.XXXXXX";

	assert_non_null(mkdtemp(dir));
	*state = strdup(dir);
	return chdir(dir);
}

static int teardown(void **state)
{
	unlink(PATH);
	int rc = chdir("/") | rmdir(*state);
	free(*state);
	return rc;
}

static void write_file(const void *bytes, size_t len)
{
	int fd = open(PATH, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_int_equal(write(fd, bytes, len), len);
	close(fd);
}

static void note(struct found *f, const void *bytes, size_t len)
{
	size_t at = strlen(f->all);

	snprintf(f->all + at, sizeof(f->all) - at, "[%.*s]", (int)len, (const char *)bytes);
}

static const char *token(void *ctx, const char *text, size_t len)
{
	struct found *f = ctx;

	note(f, text, len);
	return f->refuse && !strcmp(f->refuse, text) ? "not this one" : NULL;
}

static const char *psk(void *ctx, const struct zs_psk *p)
{
	for (int i = 0; i < ZS_PSK; i++)
		assert_int_equal(p->key[i], i);
	note(ctx, p->id, p->len);
	return NULL;
}

static void tokens(void **state)
{
	static const struct {
		const char *text;
		uint32_t most;
		int rc;
		const char *all, *refuse, *err;
	} rows[] = {
		{ "one\ntwo\n", 9, 2, "[one][two]", 0, 0 },
		{ "one\r\n\r\n  \n\t\n# no\n#\n two \r\nthree", 9, 3, "[one][ two ][three]", 0, 0 },
		{ "one\ntwo\nthree\n", 2, 2, "[one][two]", 0, 0 },
		{ "", 9, 0, "", 0, 0 },
		{ "# none\n\n", 9, 0, "", 0, 0 },
		{ "# one\n\ntwo\nthree\n", 9, -EINVAL, "[two]", "two", "secrets:3: not this one" },
	};

	for (size_t i = 0; i < ZS_ARRAY_LEN(rows); i++) {
		struct found f = { .refuse = rows[i].refuse };
		struct zs_error err = { 0 };

		write_file(rows[i].text, strlen(rows[i].text));
		assert_int_equal(zs_secretfile_tokens(PATH, rows[i].most, token, &f, &err), rows[i].rc);
		assert_string_equal(f.all, rows[i].all);
		assert_string_equal(err.text, rows[i].err ? rows[i].err : "");
	}
}

static void psks(void **state)
{
	static const struct {
		const char *text, *all;
		unsigned line; /* that is wrong */
	} rows[] = {
		{ "lab " HEX "\nb\t \t" UPPER, "[lab][b]", 0 },
		{ "lab " HEX " \n", "", 1 },
		{ " lab " HEX "\n", "", 1 },
		{ "lab\n", "", 1 },
		{ "\nlab " HEX "\nlab " HEX "0\n", "[lab]", 3 },
		{ "lab " ZERO "\n", "", 1 },
		{ "0123456789012345678901234567890123456789012345678901234567890123 " HEX "\n",
		  "[0123456789012345678901234567890123456789012345678901234567890123]", 0 },
		{ "01234567890123456789012345678901234567890123456789012345678901234 " HEX "\n", "", 1 },
	};
	char where[32];

	for (size_t i = 0; i < ZS_ARRAY_LEN(rows); i++) {
		struct found f = { .refuse = NULL };
		struct zs_error err = { 0 };
		int rc;

		write_file(rows[i].text, strlen(rows[i].text));
		rc = zs_secretfile_psks(PATH, 9, psk, &f, &err);
		snprintf(where, sizeof(where), PATH ":%u: ", rows[i].line);
		if (rows[i].line ? rc != -EINVAL || strncmp(err.text, where, strlen(where)) : rc < 1)
			fail_msg("row %zu: %d %s", i, rc, err.text);
		assert_string_equal(f.all, rows[i].all);
	}
}

static void sizes(void **state)
{
	char *big = malloc(ZS_SECRETFILE + 1);
	struct found f = { .refuse = NULL };
	struct zs_error err = { 0 };

	memset(big, 'x', ZS_TOKEN + 1);
	write_file(big, ZS_TOKEN);
	assert_int_equal(zs_secretfile_tokens(PATH, 9, token, &f, &err), 1);
	write_file(big, ZS_TOKEN + 1);
	assert_int_equal(zs_secretfile_tokens(PATH, 9, token, &f, &err), -EINVAL);
	write_file("a\0b\n", 4);
	assert_int_equal(zs_secretfile_tokens(PATH, 9, token, &f, &err), -EINVAL);
	memset(big, '\n', ZS_SECRETFILE + 1);
	write_file(big, ZS_SECRETFILE);
	assert_int_equal(zs_secretfile_tokens(PATH, 9, token, &f, &err), 0);
	write_file(big, ZS_SECRETFILE + 1);
	assert_int_equal(zs_secretfile_tokens(PATH, 9, token, &f, &err), -EFBIG);
	assert_int_equal(zs_secretfile_tokens("nowhere", 9, token, &f, &err), -ENOENT);
	assert_string_equal(err.text, "nowhere: there is no such file");
	free(big);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(tokens, setup, teardown),
		cmocka_unit_test_setup_teardown(psks, setup, teardown),
		cmocka_unit_test_setup_teardown(sizes, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
