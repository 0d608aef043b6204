/* The audit file: records chain; whatever is done to the file shows, with its line; a crash at any point
 * of a call loses nothing and is no tampering. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include "audit_rig.h"

static char *load(const struct bench *b, size_t *len)
{
	char *text = calloc(1, 65536);
	FILE *f = fopen(b->path, "r");

	assert_non_null(f);
	*len = fread(text, 1, 65535, f);
	fclose(f);
	return text;
}

static void save(const struct bench *b, const char *text, size_t len)
{
	FILE *f = fopen(b->path, "w");

	assert_int_equal(fwrite(text, 1, len, f), len);
	fclose(f);
}

/* Start of line `n` (from 1); one past the last is the end. */
static char *line(char *text, int n)
{
	while (--n > 0)
		text = strchr(text, '\n') + 1;
	return text;
}

static struct zs_audit_report verify(struct bench *b)
{
	struct zs_audit_report report;

	assert_int_equal(zs_audit_verify(b->a, &report, &b->r->err), 0);
	return report;
}

static void test_records_chain(void **state)
{
	struct zs_audit_report report;
	struct stat st;
	struct bench b;
	json_t *list;

	open_all(&b, *state);
	report = verify(&b);
	assert_true(report.ok);
	for (int i = 1; i <= 5; i++)
		record(&b, i);
	assert_int_equal(zs_audit_count(b.a), 5);
	reopen(&b);
	record(&b, 6);
	report = verify(&b);
	assert_true(report.ok);
	assert_int_equal(report.records, 6);
	assert_null(zs_audit_broken(b.a));
	assert_int_equal(stat(b.path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(zs_audit_show(b.a, 2, &list, &b.r->err), 0);
	assert_int_equal(json_array_size(list), 2);
	assert_int_equal(json_integer_value(json_object_get(json_array_get(list, 0), "n")), 5);
	assert_int_equal(
	    json_integer_value(json_object_get(json_object_get(json_array_get(list, 1), "args"), "port")), 6);
	json_decref(list);
	close_all(&b);
}

enum harm {
	ALTER,
	ALTER_LAST,
	ALTER_LINK,
	REMOVE,
	REMOVE_FIRST,
	SWAP,
	CUT,
	CUT_TORN,
	FORGE,
	GARBAGE,
	UNLINK,
	EMPTY,
	DOUBLE
};

static void do_harm(struct bench *b, enum harm harm)
{
	size_t len;
	char *text = load(b, &len), *out = calloc(1, 131072);
	size_t l2 = (size_t)(line(text, 2) - text), l3 = (size_t)(line(text, 3) - text),
	       l4 = (size_t)(line(text, 4) - text), l5 = (size_t)(line(text, 5) - text);

	strcpy(out, text);
	switch (harm) {
	case ALTER: /* line 3 */
		*strstr(out + l3, "\"ok\"") = '\'';
		memcpy(strchr(out + l3, '\''), "\"no\"", 4);
		break;
	case ALTER_LAST:
		memcpy(strstr(out + l5, "\"ok\""), "\"no\"", 4);
		break;
	case ALTER_LINK: {
		char *prev = strstr(out + l3, "\"prev\":\"") + 8;

		*prev = *prev == '0' ? '1' : '0';
		break;
	}
	case REMOVE:
		memmove(out + l3, out + l4, strlen(out + l4) + 1);
		break;
	case REMOVE_FIRST:
		memmove(out, out + l2, strlen(out + l2) + 1);
		break;
	case SWAP: /* lines 3 and 4 */
		memcpy(out + l3, text + l4, l5 - l4);
		memcpy(out + l3 + (l5 - l4), text + l3, l4 - l3);
		break;
	case CUT:
		out[l4] = '\0';
		break;
	case CUT_TORN:
		out[l4 + 20] = '\0';
		break;
	case FORGE: { /* a sixth record, well chained */
		uint8_t hash[ZS_AUDIT_HASH];
		char hex[2 * ZS_AUDIT_HASH + 1];

		zs_audit_hash(text + l5, len - l5 - 1, hash);
		zs_audit_hex(hash, hex);
		sprintf(out + len, "{\"n\":6,\"prev\":\"%s\",\"result\":\"ok\"}\n", hex);
		break;
	}
	case GARBAGE:
		memset(out + l2, 'x', 30);
		break;
	case DOUBLE:
		memcpy(out + len, text + l5, len - l5 + 1);
		break;
	case EMPTY:
		out[0] = '\0';
		break;
	case UNLINK:
		unlink(b->path);
		break;
	}
	if (harm != UNLINK)
		save(b, out, strlen(out));
	free(text);
	free(out);
}

static const struct {
	enum harm harm;
	uint64_t line;
	const char *text;
	bool at_open; /* the quick look at the start sees it too */
} harms[] = {
	{ ALTER, 3, "line 3 was altered", false },
	{ ALTER_LAST, 5, "line 5 was altered", true },
	{ ALTER_LINK, 3, "line 3 was altered", false },
	{ REMOVE, 3, "records 3 to 3 were removed before line 3", true },
	{ REMOVE_FIRST, 1, "records 1 to 1 were removed before line 1", true },
	{ SWAP, 3, "line 3 is reordered", false },
	{ CUT, 4, "cut after line 3: records 4 to 5 are missing", true },
	{ CUT_TORN, 4, "line 4 was altered", true },
	{ FORGE, 6, "line 6 was added", true },
	{ GARBAGE, 2, "line 2 was altered", false },
	{ DOUBLE, 6, "line 6 is reordered", true },
	{ EMPTY, 1, "cut after line 0: records 1 to 5 are missing", true },
	{ UNLINK, 0, "the file is gone", false },
};

static void test_harm_shows(void **state)
{
	for (size_t i = 0; i < ZS_ARRAY_LEN(harms); i++) {
		struct zs_audit_report report;
		struct rig *r = *state;
		struct bench b;
		char cmd[160];

		snprintf(cmd, sizeof(cmd), "rm -rf %s/store %s/audit.log", r->dir, r->dir);
		assert_int_equal(system(cmd), 0);
		open_all(&b, r);
		for (int n = 1; n <= 5; n++)
			record(&b, n);
		do_harm(&b, harms[i].harm);
		report = verify(&b);
		if (report.ok || report.line != harms[i].line || !strstr(report.text, harms[i].text))
			fail_msg("harm %zu: ok %d line %lu \"%s\"", i, report.ok, report.line, report.text);
		assert_non_null(zs_audit_broken(b.a));
		reopen(&b);
		if (harms[i].harm != UNLINK)
			assert_int_equal(zs_audit_broken(b.a) != NULL, harms[i].at_open);
		/* The service goes on, and what comes after does not heal it. */
		record(&b, 6);
		reopen(&b);
		record(&b, 7);
		report = verify(&b);
		assert_false(report.ok);
		close_all(&b);
	}
}

/* Leaves the bench as a kill would: no end, the store closed by the kernel's hand. */
static void test_crash_in_call(void **state)
{
	struct zs_audit_report report;
	struct bench b;
	json_t *list;

	open_all(&b, *state);
	record(&b, 1);
	assert_int_equal(try_begin(&b, 2), 0);
	reopen(&b);
	assert_null(zs_audit_broken(b.a));
	report = verify(&b);
	assert_true(report.ok);
	assert_int_equal(report.records, 2);
	assert_int_equal(zs_audit_show(b.a, 1, &list, &b.r->err), 0);
	assert_string_equal(json_string_value(json_object_get(json_array_get(list, 0), "result")), "unknown");
	json_decref(list);
	close_all(&b);
}

static void test_crash_before_commit(void **state)
{
	/* The line is written as the next end would have, in whole and torn at each byte. */
	for (int cut = -1; cut < 60; cut += 7) {
		struct zs_audit_report report;
		struct bench b;
		char text[1024];
		int len;

		open_all(&b, *state);
		assert_int_equal(try_begin(&b, 9), 0);
		len = snprintf(text, sizeof(text), "%.*s,\"result\":\"ok\",\"reason\":\"\"}\n",
			       (int)strlen(b.a->pending) - 1, b.a->pending);
		if (cut >= 0)
			len -= 1 + cut;
		assert_int_equal(write(b.a->fd, text, (size_t)len), len);
		reopen(&b);
		if (zs_audit_broken(b.a))
			fail_msg("cut %d: %s", cut, zs_audit_broken(b.a));
		report = verify(&b);
		if (!report.ok)
			fail_msg("cut %d: %s", cut, report.text);
		close_all(&b);
	}
}

/* Somebody else's line while a call is open is not taken for the call's, however like it. */
static void test_forged_while_pending(void **state)
{
	struct bench b;
	char forged[1024];
	int len;

	open_all(&b, *state);
	record(&b, 1);
	assert_int_equal(try_begin(&b, 2), 0);
	len = snprintf(forged, sizeof(forged), "%.*s,\"result\":\"ok\",\"reason\":\"\"}\n",
		       (int)strlen(b.a->pending) - 1, b.a->pending);
	memcpy(strstr(forged, "\"uid\":0"), "\"uid\":7", 7);
	assert_int_equal(write(b.a->fd, forged, (size_t)len), len);
	reopen(&b);
	assert_non_null(zs_audit_broken(b.a));
	assert_false(verify(&b).ok);
	close_all(&b);
}

/* A file size limit stands for a disk that fails under the call: the caller learns that there is no
 * record, nothing is lost, and later calls work. */
static void test_failing_disk(void **state)
{
	struct rlimit old, tight;
	struct bench b;
	int rc;

	open_all(&b, *state);
	record(&b, 1);
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	assert_int_equal(try_begin(&b, 2), 0);
	tight = (struct rlimit){ 400, old.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &tight), 0);
	rc = zs_audit_end(b.a, "ok", "", &b.r->err);
	assert_true(zs_audit_begin(b.a, "stop", &root, NULL, 0, &b.r->err) < 0);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	assert_true(rc < 0);
	record(&b, 3);
	assert_null(zs_audit_broken(b.a));
	assert_true(verify(&b).ok);
	assert_int_equal(zs_audit_count(b.a), 3); /* the second one as "unknown" */
	close_all(&b);
}

static void test_no_file_no_call(void **state)
{
	struct bench b;
	char to[160];

	open_all(&b, *state);
	snprintf(to, sizeof(to), "%s.old", b.path);
	assert_int_equal(rename(b.path, to), 0);
	assert_int_equal(mkdir(b.path, 0700), 0);
	assert_true(zs_audit_begin(b.a, "stop", &root, NULL, 0, &b.r->err) < 0);
	assert_non_null(strstr(b.r->err.text, "audit file"));
	assert_true(zs_audit_begin(b.a, "stop", &root, NULL, 0, &b.r->err) < 0);
	assert_int_equal(rmdir(b.path), 0);
	record(&b, 1);
	close_all(&b);
}

/* Moved away by a tidy administrator: a new file is made, and the gap is told. */
static void test_moved_away(void **state)
{
	struct zs_audit_report report;
	struct bench b;
	char to[160];

	open_all(&b, *state);
	record(&b, 1);
	snprintf(to, sizeof(to), "%s.old", b.path);
	assert_int_equal(rename(b.path, to), 0);
	record(&b, 2);
	report = verify(&b);
	assert_false(report.ok);
	assert_non_null(strstr(report.text, "records 1 to 1 were removed before line 1"));
	close_all(&b);
}

static void test_no_foreign_file(void **state)
{
	struct rig *r = *state;
	struct bench b;
	char target[160];

	open_all(&b, r);
	close_all(&b);
	snprintf(target, sizeof(target), "%s/elsewhere", r->dir);
	unlink(b.path);
	assert_int_equal(symlink(target, b.path), 0);
	snprintf(target, sizeof(target), "%s/store", r->dir);
	assert_int_equal(zs_store_open(&b.store, target, &r->err), 0);
	assert_true(zs_audit_open(&b.a, r->dir, 1, b.store, &r->err) < 0);
	zs_store_close(b.store);
}

static void test_hostile_texts(void **state)
{
	struct bench b;
	json_t *args = json_pack("{s:s}", "target", "a\nb\"c\\ \xc3\xbc");
	char *text;
	size_t len;

	open_all(&b, *state);
	assert_int_equal(zs_audit_begin(b.a, "x\ny", &root, args, 3, &b.r->err), 0);
	assert_int_equal(zs_audit_end(b.a, "refused", "because\n{\"n\":2}", &b.r->err), 0);
	json_decref(args);
	text = load(&b, &len);
	assert_ptr_equal(strchr(text, '\n'), text + len - 1);
	assert_non_null(strstr(text, "\"held\":3"));
	free(text);
	assert_true(verify(&b).ok);
	assert_int_equal(zs_audit_end(b.a, "ok", "", &b.r->err), -EINVAL); /* no call is open */
	close_all(&b);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_records_chain),	TEST(test_harm_shows),		 TEST(test_crash_in_call),
		TEST(test_crash_before_commit), TEST(test_forged_while_pending), TEST(test_failing_disk),
		TEST(test_no_file_no_call),	TEST(test_moved_away),		 TEST(test_no_foreign_file),
		TEST(test_hostile_texts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
