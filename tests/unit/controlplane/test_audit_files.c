/* Full audit files: the chain runs on over them, harm to a closed one shows with its name, only so many
 * are kept, and a crash while one is closed is no tampering. */
#include <errno.h>
#include "audit_rig.h"

#define FILE_MAX 1000 /* a handful of records */

static void records(struct bench *b, int from, int to)
{
	for (int i = from; i <= to; i++)
		record(b, i);
}

static struct zs_audit_report verify(struct bench *b)
{
	struct zs_audit_report report;

	assert_int_equal(zs_audit_verify(b->a, &report, &b->r->err), 0);
	return report;
}

static void path_of(const struct bench *b, uint64_t number, char out[192])
{
	if (number)
		snprintf(out, 192, "%s/audit.log.%lu", b->r->dir, number);
	else
		snprintf(out, 192, "%s/audit.log", b->r->dir);
}

static char *load(const struct bench *b, uint64_t number, size_t *len)
{
	char *text = calloc(1, 65536), path[192];
	FILE *f;

	path_of(b, number, path);
	f = fopen(path, "r");
	assert_non_null(f);
	*len = fread(text, 1, 65535, f);
	fclose(f);
	return text;
}

static void save(const struct bench *b, uint64_t number, const char *text, size_t len)
{
	char path[192];
	FILE *f;

	path_of(b, number, path);
	f = fopen(path, "w");
	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, len, f), len);
	fclose(f);
}

static bool is_there(const struct bench *b, uint64_t number)
{
	char path[192];

	path_of(b, number, path);
	return access(path, F_OK) == 0;
}

static void test_bounded(void **state)
{
	struct zs_audit_report report;
	struct bench b;
	json_t *list, *r;
	size_t i;

	open_small(&b, *state, FILE_MAX);
	for (int n = 1; n <= 100; n++) {
		records(&b, n, n);
		report = verify(&b);
		if (!report.ok)
			fail_msg("after %d: %s", n, report.text);
		if (n % 7 == 0)
			reopen(&b);
	}
	assert_int_equal(zs_audit_count(b.a), 100);
	assert_int_equal(b.a->files.kept, ZS_AUDIT_CLOSED);
	assert_true(b.a->files.closed > 2 * ZS_AUDIT_CLOSED);
	for (uint64_t n = 1; n <= b.a->files.closed; n++)
		assert_int_equal(is_there(&b, n), n + ZS_AUDIT_CLOSED > b.a->files.closed);
	assert_int_equal(report.records, 100 - b.a->files.before.count);
	assert_true(report.records >= ZS_AUDIT_CLOSED * 3);
	assert_int_equal(zs_audit_show(b.a, 20, &list, &b.r->err), 0);
	assert_int_equal(json_array_size(list), 20);
	json_array_foreach(list, i, r) assert_int_equal(json_integer_value(json_object_get(r, "n")), 81 + i);
	json_decref(list);
	assert_int_equal(zs_audit_show(b.a, 1000, &list, &b.r->err), 0);
	assert_int_equal(json_array_size(list), report.records);
	json_decref(list);
	assert_null(zs_audit_broken(b.a));
	close_all(&b);
}

/* What is done to a file of those kept: `text` may be changed in place; the new length. */
static size_t alter_first(char *text, size_t len)
{
	*strstr(text, "\"ok\"") = 'x';
	return len;
}

static size_t alter_last(char *text, size_t len)
{
	text[len - 5] ^= 1;
	return len;
}

static size_t cut_last(char *text, size_t len)
{
	while (text[--len - 1] != '\n')
		;
	return len;
}

static size_t cut_first(char *text, size_t len)
{
	char *second = strchr(text, '\n') + 1;

	len -= (size_t)(second - text);
	memmove(text, second, len);
	return len;
}

static size_t add_line(char *text, size_t len)
{
	return len + (size_t)sprintf(text + len, "{\"n\":1,\"prev\":\"\"}\n");
}

static size_t empty(char *text, size_t len)
{
	return 0;
}

static void test_harm_to_a_closed_file_shows(void **state)
{
	static size_t (*const harm[])(char *, size_t) = { alter_first, alter_last, cut_last,
							  cut_first,   add_line,   empty };
	struct zs_audit_report report;
	char path[192], name[32];
	struct bench b;

	open_small(&b, *state, FILE_MAX);
	records(&b, 1, 60);
	for (uint64_t n = b.a->files.closed - ZS_AUDIT_CLOSED + 1; n <= b.a->files.closed; n++) {
		size_t len;
		char *good = load(&b, n, &len), *bad = malloc(65536);

		snprintf(name, sizeof(name), "audit.log.%lu: ", n);
		for (size_t i = 0; i < sizeof(harm) / sizeof(harm[0]); i++) {
			memcpy(bad, good, 65536);
			save(&b, n, bad, harm[i](bad, len));
			report = verify(&b);
			if (report.ok || strncmp(report.text, name, strlen(name)) != 0)
				fail_msg("harm %zu to file %lu: ok %d, %s", i, n, report.ok, report.text);
		}
		path_of(&b, n, path);
		unlink(path);
		report = verify(&b);
		assert_false(report.ok);
		assert_non_null(strstr(report.text, "the file is gone: records"));
		assert_int_equal(strncmp(report.text, name, strlen(name)), 0);
		save(&b, n, good, len);
		assert_true(verify(&b).ok);
		free(good);
		free(bad);
	}
	assert_non_null(zs_audit_broken(b.a)); /* once found, told until a restart */
	close_all(&b);
}

/* A line a step, with records written between: in the file being read, and over its turn. */
static void test_check_in_steps(void **state)
{
	struct zs_audit_report report = { .ok = false };
	struct zs_audit_check *check, *second;
	int n = 30, steps = 0, rc;
	uint64_t closed;
	struct bench b;

	open_small(&b, *state, FILE_MAX);
	records(&b, 1, n);
	closed = b.a->files.closed;
	assert_int_equal(zs_audit_check_new(&check, b.a, &b.r->err), 0);
	assert_int_equal(zs_audit_check_new(&second, b.a, &b.r->err), -EBUSY);
	while ((rc = zs_audit_check_step(check, 0, &report, &b.r->err)) == -EINPROGRESS)
		if (++steps % 7 == 0 && steps < 100)
			record(&b, ++n);
	assert_int_equal(rc, 0);
	assert_true(b.a->files.closed > closed && steps > 20);
	if (!report.ok)
		fail_msg("%s", report.text);
	zs_audit_check_delete(check);
	/* Harm is found in steps as well, and one that was given up is in nobody's way. */
	assert_int_equal(zs_audit_check_new(&check, b.a, &b.r->err), 0);
	assert_int_equal(zs_audit_check_step(check, 0, &report, &b.r->err), -EINPROGRESS);
	zs_audit_check_delete(check);
	assert_true(verify(&b).ok);
	close_all(&b);
}

/* Killed between the rename and the commit. */
static void test_crash_in_turn(void **state)
{
	char from[192], to[192];
	struct bench b;
	char *text;
	size_t len;

	open_small(&b, *state, FILE_MAX);
	records(&b, 1, 10);
	path_of(&b, 0, from);
	path_of(&b, b.a->files.closed + 1, to);
	assert_int_equal(rename(from, to), 0);
	reopen(&b);
	assert_null(zs_audit_broken(b.a));
	records(&b, 11, 12);
	assert_true(verify(&b).ok);
	assert_int_equal(zs_audit_count(b.a), 12);
	/* The same by another hand, which altered the last record. */
	text = load(&b, 0, &len);
	path_of(&b, b.a->files.closed + 1, to);
	save(&b, b.a->files.closed + 1, text, alter_last(text, len));
	free(text);
	assert_int_equal(unlink(from), 0);
	reopen(&b);
	assert_non_null(zs_audit_broken(b.a));
	close_all(&b);
}

/* Nothing of a stranger's is overwritten: no call until it is moved away. */
static void test_file_in_the_way(void **state)
{
	struct bench b;
	char path[192];
	int n = 0;

	open_small(&b, *state, FILE_MAX);
	save(&b, 1, "mine", 4);
	while (try_record(&b, ++n) == 0)
		assert_true(n < 10);
	assert_int_equal(b.r->err.code, -EEXIST);
	assert_non_null(strstr(b.r->err.text, "move it away"));
	assert_int_equal(try_record(&b, n), -EEXIST);
	path_of(&b, 1, path);
	assert_int_equal(unlink(path), 0);
	records(&b, n, n + 3);
	assert_true(verify(&b).ok);
	assert_true(is_there(&b, 1));
	close_all(&b);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_bounded),	  TEST(test_check_in_steps),  TEST(test_harm_to_a_closed_file_shows),
		TEST(test_crash_in_turn), TEST(test_file_in_the_way),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
