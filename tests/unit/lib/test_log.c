/* Records in the three formats, escapes, cuts, levels, the rate limit. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"
#include "base/log.h"
#include "unit/random.h"

struct world {
	struct zs_log log;
	int fd[2];
	char buf[8192];
};

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	if (!w || pipe(w->fd) || fcntl(w->fd[0], F_SETFL, O_NONBLOCK))
		return -1;
	unsetenv("JOURNAL_STREAM");
	zs_log_init(&w->log, w->fd[1], "zs-test");
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	close(w->fd[0]);
	close(w->fd[1]);
	free(w);
	return 0;
}

/* What was written since the last call: "" when nothing. Always whole lines. */
static const char *spoken(struct world *w)
{
	ssize_t n = read(w->fd[0], w->buf, sizeof(w->buf) - 1);

	w->buf[n > 0 ? n : 0] = 0;
	assert_true(n <= 0 || w->buf[n - 1] == '\n');
	return w->buf;
}

/* The one line written, without its time and newline. */
static const char *line(struct world *w)
{
	const char *s = spoken(w);
	char *end = strchr(s, '\n');

	assert_non_null(end);
	assert_int_equal(end[1], 0);
	*end = 0;
	return strncmp(s, "time=", 5) == 0 ? strchr(s, ' ') + 1 : s;
}

#define HEAD "level=notice program=zs-test module=port code=ZL0301 text=\"port up\""

static void keyvalue(void **state)
{
	struct world *w = *state;

	ZS_LOG(&w->log, PORT_UP);
	assert_string_equal(line(w), HEAD);
	ZS_LOG(&w->log, PORT_UP, "port=%s n=%d big=%llu", "veth0", -3, ~0ull);
	assert_string_equal(line(w), HEAD " port=veth0 n=-3 big=18446744073709551615");
	ZS_LOG(&w->log, PORT_UP, "mac=%02x:%02x path=%.*s pad=%5u pc=%u%%", 10, 255, 3, "abcdef", 42u, 7u);
	assert_string_equal(line(w), HEAD " mac=0a:ff path=abc pad=\"   42\" pc=7%");
	ZS_LOG(&w->log, PORT_UP, "%s is gone error=%s after %d ms", "eth 0", strerror(ENOENT), 5);
	assert_string_equal(line(w),
			    HEAD " detail=\"eth 0 is gone\" error=\"No such file or directory after 5 ms\"");
	ZS_LOG(&w->log, PORT_UP, "a=\"b c=%d\" e=%s f=%ld g=%zu h=%c", 1, "", -1L, (size_t)9, 'x');
	assert_string_equal(line(w), HEAD " a=\"b c=1\" e=\"\" f=-1 g=9 h=x");
	ZS_LOG(&w->log, PORT_UP, "s=%s", *(const char *volatile *)&(const char *){ NULL });
	assert_string_equal(line(w), HEAD " s=(null)");
}

/* A value stays inside its field whatever it holds. */
static void values_cannot_forge(void **state)
{
	struct world *w = *state;

	ZS_LOG(&w->log, PORT_UP, "port=%s n=1", "x level=error\ntime=0");
	assert_string_equal(line(w), HEAD " port=\"x level=error\\x0atime=0\" n=1");
	ZS_LOG(&w->log, PORT_UP, "port=%s", "a\"b\\c\xc2\x85%s\x1b[0m");
	assert_string_equal(line(w), HEAD " port=\"a\\\"b\\\\c\\xc2\\x85%s\\x1b[0m\"");
	ZS_LOG(&w->log, PORT_UP, "port=%s", "a=b");
	assert_string_equal(line(w), HEAD " port=\"a=b\"");
}

static json_t *json_line(struct world *w)
{
	json_error_t e;
	json_t *j = json_loads(line(w), JSON_REJECT_DUPLICATES, &e);

	if (!j)
		fail_msg("no JSON: %s in %s", e.text, w->buf);
	return j;
}

static void json(void **state)
{
	struct world *w = *state;
	const char *s;
	int n = 0;

	w->log.format = ZS_LOG_JSON;
	ZS_LOG(&w->log, PORT_UP, "port=%s n=%d hex=%x", "\"\\\n\xe2\x82\xac\xf0\x9f\x98\x80\xff\xed\xa0\x80",
	       -3, 16);
	json_t *j = json_line(w), *f = json_object_get(j, "fields");
	assert_int_equal(json_unpack(f, "{s:s, s:i}", "port", &s, "n", &n), 0);
	assert_string_equal(
	    s, "\"\\\n\xe2\x82\xac\xf0\x9f\x98\x80\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
	assert_int_equal(n, -3);
	assert_string_equal(json_string_value(json_object_get(f, "hex")), "10");
	assert_string_equal(json_string_value(json_object_get(j, "code")), "ZL0301");
	assert_string_equal(json_string_value(json_object_get(j, "level")), "notice");
	assert_non_null(json_object_get(j, "time"));
	json_decref(j);
	ZS_LOG(&w->log, PORT_UP);
	j = json_line(w);
	assert_int_equal(json_object_size(json_object_get(j, "fields")), 0);
	json_decref(j);
}

/* Random bytes of any length in several fields: always one line, always JSON. */
static void random_values(void **state)
{
	struct world *w = *state;
	struct random rnd = random_new("log");

	for (int i = 0; i < 3000; i++) {
		char a[1200] = { 0 }, b[1200] = { 0 };
		size_t n = random_below(&rnd, i % 3 ? 40 : 1199), m = random_below(&rnd, 1199);
		random_bytes(&rnd, a, n);
		random_bytes(&rnd, b, m);
		w->log.format = i % 2 ? ZS_LOG_JSON : ZS_LOG_KEYVALUE;
		memset(w->log.site, 0, sizeof(w->log.site));
		memset(w->log.site, 0, sizeof(w->log.site)); /* no limit of this line */
		ZS_LOG(&w->log, PORT_UP, "a=%s b=%s n=%d", a, b, i);
		if (i % 2) {
			json_decref(json_line(w));
			continue;
		}
		for (const char *p = line(w); *p; p++)
			assert_in_range(*p, ' ', '~');
	}
}

static void say(struct world *w, const char *a, const char *b)
{
	ZS_LOG(&w->log, PORT_UP, "a=%s b=%s", a, b);
}

/* say() owes as much as can be. */
static void hold(struct world *w)
{
	say(w, "", "");
	spoken(w);
	for (int i = 0; i < ZS_LOG_SITES; i++)
		if (w->log.site[i].where)
			w->log.site[i].held = UINT32_MAX;
}

/* Whatever room a quoted value leaves, the next field is whole or absent and never beyond the record. */
static void a_value_ends_at_the_limit(void **state)
{
	struct world *w = *state;
	char fill[1001], more[700];

	memset(fill, 'f', sizeof(fill) - 1);
	fill[sizeof(fill) - 1] = 0;
	memset(more, 'm', sizeof(more) - 1);
	more[sizeof(more) - 1] = 0;
	for (int n = 700; n < 1000; n++) {
		memset(w->log.site, 0, sizeof(w->log.site)); /* no limit of this line */
		ZS_LOG(&w->log, PORT_UP, "a=%s b=\"x %.*s\" c=\"%s\"", fill, n, fill, more);
		const char *s = line(w);
		assert_non_null(strstr(s, " b=\"x f"));
		assert_true(strlen(s) < 2048);
		assert_string_equal(s + strlen(s) - 6, " cut=1");
	}
}

static void long_records_are_cut(void **state)
{
	struct world *w = *state;
	char wide[3000];

	memset(wide, '\1', sizeof(wide) - 1);
	wide[sizeof(wide) - 1] = 0;
	hold(w);
	say(w, wide, wide);
	const char *s = line(w);
	assert_true(strlen(s) < 2048 && strlen(s) > 1900);
	assert_non_null(strstr(s, "\\x01\" held=4294967295 cut=1"));
	w->log.format = ZS_LOG_JSON;
	hold(w);
	say(w, wide, wide);
	json_t *j = json_line(w);
	assert_true(json_is_true(json_object_get(j, "cut")));
	json_decref(j);
	memset(wide, 'y', sizeof(wide) - 1);
	ZS_LOG(&w->log, PORT_UP, "a=%s b=%s c=%d", wide, wide, 1);
	j = json_line(w);
	assert_true(json_is_true(json_object_get(j, "cut")));
	json_decref(j);
}

static void journald(void **state)
{
	struct world *w = *state;
	struct stat st;
	char env[64];

	assert_int_equal(fstat(w->fd[1], &st), 0);
	snprintf(env, sizeof(env), "%llu:%llu", (unsigned long long)st.st_dev, (unsigned long long)st.st_ino);
	setenv("JOURNAL_STREAM", env, 1);
	zs_log_init(&w->log, w->fd[1], "zs-test");
	assert_int_equal(w->log.format, ZS_LOG_JOURNALD);
	ZS_LOG(&w->log, PORT_FAILED, "port=%s", "x");
	assert_string_equal(
	    line(w), "<3>program=zs-test module=port code=ZL0303 text=\"port cannot be started\" port=x");
	setenv("JOURNAL_STREAM", "1:1", 1);
	zs_log_init(&w->log, w->fd[1], "zs-test");
	assert_int_equal(w->log.format, ZS_LOG_KEYVALUE);
}

static void levels(void **state)
{
	struct world *w = *state;

	ZS_LOG(&w->log, ADMIN_CALL);
	assert_string_equal(spoken(w), ""); /* DEBUG is off */
	assert_int_equal(zs_log_set_level(&w->log, "admin", "debug"), 0);
	ZS_LOG(&w->log, ADMIN_CALL);
	assert_non_null(strstr(spoken(w), "ZL0801"));
	ZS_LOG(&w->log, ROUTE);
	assert_string_equal(spoken(w), ""); /* the other modules are as before */
	assert_int_equal(zs_log_set_level(&w->log, "all", "err"), 0);
	ZS_LOG(&w->log, PORT_UP);
	assert_string_equal(spoken(w), "");
	assert_int_equal(zs_log_set_level(&w->log, NULL, "info"), 0);
	ZS_LOG(&w->log, PORT_UP);
	assert_non_null(strstr(spoken(w), "ZL0301"));
	assert_int_equal(zs_log_set_level(&w->log, "nosuch", "info"), -ENOENT);
	assert_int_equal(zs_log_set_level(&w->log, "admin", "loud"), -EINVAL);
	assert_int_equal(zs_log_set_level(&w->log, "admin", NULL), -EINVAL);
	for (int i = 0; i < ZS_LOG_MODULES; i++)
		assert_int_equal(
		    zs_log_set_level(&w->log, zs_log_module_name(i), zs_log_level_name(ZS_LOG_INFO)), 0);
	assert_string_equal(zs_log_level_name(0), "unknown");
	zs_log_write(NULL, ZS_LOG_PORT_UP, "here", "x=%d", 1);
}

static int burst(struct world *w, int n)
{
	int lines = 0;

	for (int i = 0; i < n; i++)
		ZS_LOG(&w->log, PORT_UP, "i=%d", i);
	for (const char *p = spoken(w); (p = strchr(p, '\n')); p++)
		lines++;
	return lines;
}

static void pass_interval(struct world *w)
{
	for (int i = 0; i < ZS_LOG_SITES; i++)
		if (w->log.site[i].where)
			w->log.site[i].since_ns -= ZS_LOG_INTERVAL_NS;
}

static void rate_limit(void **state)
{
	struct world *w = *state;

	assert_int_equal(burst(w, 25), ZS_LOG_BURST);
	ZS_LOG(&w->log, PORT_UP); /* another site has its own burst, of the same code too */
	assert_string_equal(line(w), HEAD);
	ZS_LOG(&w->log, PORT_DOWN);
	assert_null(strstr(line(w), "held="));
	pass_interval(w);
	assert_int_equal(burst(w, 1), 1);
	assert_non_null(strstr(w->buf, " i=0 held=15\n"));
	assert_int_equal(burst(w, 1), 1);
	assert_null(strstr(w->buf, "held="));
}

/* A burst that stops is told all the same, once. */
static void flush_tells(void **state)
{
	struct world *w = *state;

	burst(w, 25);
	zs_log_flush(&w->log, false);
	assert_string_equal(spoken(w), "");
	pass_interval(w);
	zs_log_flush(&w->log, false);
	const char *s = line(w);
	assert_ptr_equal(strstr(s, HEAD " site="), s);
	assert_non_null(strstr(s, "test_log.c:"));
	assert_non_null(strstr(s, " held=15"));
	zs_log_flush(&w->log, true);
	assert_string_equal(spoken(w), "");
	burst(w, 25);
	zs_log_flush(&w->log, true); /* the end does not wait */
	assert_non_null(strstr(line(w), " held=15"));
	w->log.format = ZS_LOG_JSON;
	burst(w, 25);
	zs_log_flush(&w->log, true);
	json_t *j = json_line(w);
	assert_int_equal(json_integer_value(json_object_get(j, "held")), 25);
	json_decref(j);
}

/* More sites than there is room for: still limited, still told, nothing is written past the table. */
static void full_table(void **state)
{
	static char where[2 * ZS_LOG_SITES];
	struct world *w = *state;
	uint64_t held = 0;

	for (int round = 0; round < ZS_LOG_BURST; round++)
		for (size_t i = 0; i < sizeof(where); i++) {
			zs_log_write(&w->log, ZS_LOG_PORT_UP, &where[i], "%s", "");
			spoken(w);
		}
	for (int i = 0; i < ZS_LOG_SITES; i++)
		held += w->log.site[i].held;
	assert_in_range(held, 1, ZS_LOG_BURST * ZS_LOG_SITES);
}

/* Every word that the configuration and the command take is a level, and the levels differ. */
static void every_level_word(void **state)
{
	static const char words[] = ZS_LOG_LEVEL_NAMES(" ");
	struct world *w = *state;
	char copy[sizeof(words)];
	int expected = ZS_LOG_ERR;

	memcpy(copy, words, sizeof(words));
	for (char *word = strtok(copy, " "); word; word = strtok(NULL, " "), expected++) {
		assert_int_equal(zs_log_set_level(&w->log, NULL, word), 0);
		assert_int_equal(w->log.level[0], expected);
		assert_string_equal(zs_log_level_name((enum zs_log_level)expected), word);
	}
	assert_int_equal(expected, ZS_LOG_DEBUG + 1);
	assert_int_equal(zs_log_set_level(&w->log, NULL, "error"), -EINVAL);
	ZS_LOG(&w->log, PORT_FAILED);
	assert_ptr_equal(strstr(line(w), "level=err "), w->buf + strlen("time=2026-01-01T00:00:00.000000Z "));
}

static void errno_survives(void **state)
{
	struct world *w = *state;

	w->log.fd = -1;
	errno = EAGAIN;
	ZS_LOG(&w->log, PORT_UP);
	assert_int_equal(errno, EAGAIN);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(keyvalue),
		T(values_cannot_forge),
		T(json),
		T(random_values),
		T(a_value_ends_at_the_limit),
		T(long_records_are_cut),
		T(journald),
		T(levels),
		T(rate_limit),
		T(errno_survives),
		T(flush_tells),
		T(full_table),
		T(every_level_word),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
