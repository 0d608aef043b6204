/* Reading the audit file: the chain's check and the last records. */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "audit/internal.h"
#include "base/clock.h"

struct line {
	char text[ZS_AUDIT_LINE_MAX + 1024];
	uint64_t number;
	uint64_t n;			  /* the record's number, 0: no record */
	char prev[2 * ZS_AUDIT_HASH + 1]; /* what it says of the line before */
	char hash[2 * ZS_AUDIT_HASH + 1]; /* its own */
};

/* false: the file's end. A line that is too long or no record has n = 0. */
static bool read_line(FILE *f, struct line *l)
{
	uint8_t hash[ZS_AUDIT_HASH];
	size_t len;
	json_t *record;
	const char *prev = NULL;
	json_int_t n = 0;
	bool whole;

	if (!fgets(l->text, sizeof(l->text), f))
		return false;
	l->number++;
	l->n = 0;
	l->prev[0] = '\0';
	len = strlen(l->text);
	whole = len > 0 && l->text[len - 1] == '\n';
	if (whole)
		l->text[--len] = '\0';
	while (!whole) { /* the rest of a line beyond all bounds, or the end of a torn one */
		int c = getc(f);

		if (c == EOF || c == '\n')
			break;
	}
	zs_audit_hash(l->text, len, hash);
	zs_audit_hex(hash, l->hash);
	record = whole ? json_loads(l->text, JSON_REJECT_DUPLICATES, NULL) : NULL;
	if (record && json_unpack(record, "{s:I,s:s}", "n", &n, "prev", &prev) == 0 && n > 0) {
		l->n = (uint64_t)n;
		snprintf(l->prev, sizeof(l->prev), "%s", prev);
	}
	json_decref(record);
	return true;
}

__attribute__((format(printf, 3, 4))) static void fault(struct zs_audit_report *r, uint64_t line,
							const char *fmt, ...)
{
	va_list ap;

	r->ok = false;
	r->line = line;
	va_start(ap, fmt);
	vsnprintf(r->text, sizeof(r->text), fmt, ap);
	va_end(ap);
}

static void gap(FILE *f, struct zs_audit_report *r, struct line *l, uint64_t want)
{
	uint64_t here = l->number, has = l->n;

	if (has < want) {
		fault(r, here, "line %lu is reordered: record %lu stands where %lu belongs", here, has, want);
		return;
	}
	while (read_line(f, l)) {
		if (l->n == want) {
			fault(r, here,
			      "line %lu is reordered: record %lu belongs here, it stands on line %lu", here,
			      want, l->number);
			return;
		}
	}
	fault(r, here, "records %lu to %lu were removed before line %lu", want, has - 1, here);
}

/* The link from `before` to `l` is wrong: one of the two was altered. The line after `l`, or the
 * store after the last, knows whether it is `l`. */
static void bad_link(FILE *f, struct zs_audit_report *r, struct line *l, const char *store_hash)
{
	char own[2 * ZS_AUDIT_HASH + 1];
	uint64_t here = l->number, n = l->n;
	bool intact;

	memcpy(own, l->hash, sizeof(own));
	intact = strcmp(read_line(f, l) ? l->prev : store_hash, own) == 0;
	if (intact && here > 1)
		fault(r, here - 1, "line %lu was altered: it is not the record that line %lu was chained to",
		      here - 1, here);
	else
		fault(r, here, "line %lu was altered (record %lu)", here, n);
}

static void check_end(struct zs_audit_report *r, const struct line *l, uint64_t has,
		      const struct zs_audit_end *to)
{
	char hash[2 * ZS_AUDIT_HASH + 1];

	zs_audit_hex(to->hash, hash);
	if (has < to->count)
		fault(r, l->number + 1, "cut after line %lu: records %lu to %lu are missing", l->number,
		      has + 1, to->count);
	else if (has > to->count)
		fault(r, l->number, "line %lu was added: the store knows %lu records, the file has %lu",
		      l->number, to->count, has);
	else if (l->number && strcmp(l->hash, hash) != 0)
		fault(r, l->number, "line %lu was altered: the store knows another last record", l->number);
}

/* The files as they follow each other, `index` of those kept. What the store says of a file's end is looked up when the file
 * has been read to there, in the same step: records that were written meanwhile are in both. */
struct zs_audit_check {
	struct zs_audit *a;
	uint64_t closed; /* files, when the check began; index holds while it stays */
	uint32_t index;
	FILE *f;    /* NULL: the next one is not open yet */
	uint64_t n; /* of the last record read */
	char last[2 * ZS_AUDIT_HASH + 1];
	struct line line;
	struct zs_audit_report report;
};

static uint32_t first_checked(const struct zs_audit *a)
{
	uint64_t gone = a->files.closed - a->files.kept; /* audit.log.GONE was let go last */

	return a->accepted > gone ? (uint32_t)(a->accepted - gone) : 0;
}

static void begin(struct zs_audit_check *k)
{
	if (k->f)
		fclose(k->f);
	k->f = NULL;
	k->closed = k->a->files.closed;
	k->index = first_checked(k->a);
	memset(&k->report, 0, sizeof(k->report));
	k->report.ok = true;
}

static const struct zs_audit_end *end_before(const struct zs_audit_check *k)
{
	return k->index ? &k->a->files.end[k->index - 1] : &k->a->files.before;
}

static struct zs_audit_end end_of(const struct zs_audit_check *k)
{
	struct zs_audit_end end = { .count = k->a->head.count };

	memcpy(end.hash, k->a->head.hash, sizeof(end.hash));
	return k->index < k->a->files.kept ? k->a->files.end[k->index] : end;
}

/* 0, also for a file that is gone, which is a finding. */
static int open_next(struct zs_audit_check *k)
{
	const struct zs_audit_end *from = end_before(k);

	k->f = zs_audit_stream(k->a, k->index);
	if (!k->f && errno != ENOENT)
		return -errno;
	if (!k->f)
		fault(&k->report, 0, "the file is gone: records %lu to %lu are missing", from->count + 1,
		      end_of(k).count);
	k->line.number = 0;
	k->n = from->count;
	zs_audit_hex(from->hash, k->last);
	return 0;
}

static void check_line(struct zs_audit_check *k)
{
	struct zs_audit_report *r = &k->report;
	struct line *l = &k->line;
	char store[2 * ZS_AUDIT_HASH + 1];

	zs_audit_hex(end_of(k).hash, store);
	if (l->n == 0)
		fault(r, l->number, "line %lu was altered: it is no record", l->number);
	else if (l->n != k->n + 1)
		gap(k->f, r, l, k->n + 1);
	else if (strcmp(l->prev, k->last) != 0)
		bad_link(k->f, r, l, store);
	else
		k->n++;
	memcpy(k->last, l->hash, sizeof(k->last));
}

/* The file has been read to its end, or to its first fault. */
static int close_file(struct zs_audit_check *k)
{
	struct zs_audit_report *r = &k->report;
	struct zs_audit_end to = end_of(k);
	char text[sizeof(r->text)];
	int rc = k->f && ferror(k->f) ? -EIO : 0;

	r->records += k->n - end_before(k)->count;
	if (r->ok)
		check_end(r, &k->line, k->n, &to);
	if (!r->ok && k->index < k->a->files.kept) {
		memcpy(text, r->text, sizeof(text));
		snprintf(r->text, sizeof(r->text), "audit.log.%lu: %.200s",
			 k->closed - k->a->files.kept + k->index + 1, text);
	}
	if (k->f)
		fclose(k->f);
	k->f = NULL;
	k->index++;
	return rc;
}

/* Some lines of a file. 0: it is done with. */
static int read_on(struct zs_audit_check *k, uint64_t until_ns)
{
	int rc = k->f ? 0 : open_next(k);

	if (rc != 0)
		return rc;
	while (k->report.ok && read_line(k->f, &k->line)) {
		check_line(k);
		if (k->report.ok && zs_clock_ns() >= until_ns)
			return -EINPROGRESS;
	}
	return close_file(k);
}

int zs_audit_check_new(struct zs_audit_check **out, struct zs_audit *a, struct zs_error *err)
{
	struct zs_audit_check *k;

	if (a->checking)
		return zs_error_set(err, -EBUSY, ZS_EXIT_REFUSED,
				    "the audit file is being checked already; try again");
	k = calloc(1, sizeof(*k));
	if (!k)
		return zs_error_set(err, -ENOMEM, ZS_EXIT_RESOURCE, "out of memory");
	k->a = a;
	a->checking = true;
	begin(k);
	*out = k;
	return 0;
}

int zs_audit_check_step(struct zs_audit_check *k, uint64_t budget_ns, struct zs_audit_report *report,
			struct zs_error *err)
{
	uint64_t now = zs_clock_ns(), until = budget_ns < UINT64_MAX - now ? now + budget_ns : UINT64_MAX;
	int rc = 0;

	if (k->closed != k->a->files.closed)
		begin(k);
	while (rc == 0 && k->report.ok && k->index <= k->a->files.kept)
		rc = read_on(k, until);
	if (rc == -EINPROGRESS)
		return rc;
	if (rc != 0)
		return zs_error_set(err, rc, ZS_EXIT_RESOURCE, "audit file: cannot be read: %s",
				    strerror(-rc));
	if (!k->report.ok)
		snprintf(k->a->broken, sizeof(k->a->broken), "%s", k->report.text);
	*report = k->report;
	return 0;
}

void zs_audit_check_delete(struct zs_audit_check *k)
{
	if (!k)
		return;
	if (k->f)
		fclose(k->f);
	k->a->checking = false;
	free(k);
}

int zs_audit_verify(struct zs_audit *a, struct zs_audit_report *report, struct zs_error *err)
{
	struct zs_audit_check *k;
	int rc = zs_audit_check_new(&k, a, err);

	if (rc != 0)
		return rc;
	rc = zs_audit_check_step(k, UINT64_MAX, report, err);
	zs_audit_check_delete(k);
	return rc;
}

static uint64_t count_lines(const struct zs_audit *a, uint32_t index)
{
	FILE *f = zs_audit_stream(a, index);
	uint64_t lines = 0;
	int c;

	if (!f)
		return 0;
	while ((c = getc_unlocked(f)) != EOF)
		lines += c == '\n';
	fclose(f);
	return lines;
}

/* Appends the records of a file behind its first `skip`. */
static void append_file(const struct zs_audit *a, uint32_t index, uint64_t skip, char *text, json_t *list)
{
	FILE *f = zs_audit_stream(a, index);

	for (uint64_t i = 0; f && fgets(text, ZS_AUDIT_LINE_MAX + 1024, f); i++) {
		json_t *record;

		if (i < skip)
			continue;
		text[strcspn(text, "\n")] = '\0';
		record = json_loads(text, 0, NULL);
		json_array_append_new(list, record ? record : json_string("(no record)"));
	}
	if (f)
		fclose(f);
}

int zs_audit_show(struct zs_audit *a, uint32_t count, json_t **out, struct zs_error *err)
{
	json_t *list = json_array();
	char *text = malloc(ZS_AUDIT_LINE_MAX + 1024);
	uint32_t first = (uint32_t)a->files.kept;
	uint64_t lines = count_lines(a, first);

	count = count > ZS_AUDIT_SHOW_MAX ? ZS_AUDIT_SHOW_MAX : count;
	if (!list || !text || access(a->path, R_OK) != 0) {
		int code = list && text ? -errno : -ENOMEM;

		json_decref(list);
		free(text);
		return zs_error_set(err, code, ZS_EXIT_RESOURCE, "audit file: cannot be read: %s",
				    strerror(-code));
	}
	while (lines < count && first > 0)
		lines += count_lines(a, --first);
	for (uint64_t skip = lines > count ? lines - count : 0; first <= a->files.kept; first++, skip = 0)
		append_file(a, first, skip, text, list);
	free(text);
	*out = list;
	return 0;
}
