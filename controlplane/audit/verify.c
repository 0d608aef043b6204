/* Reading the audit file: the chain's check and the last records. */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "audit/internal.h"

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

/* One file: from the record before its first to its last. */
static void check_file(FILE *f, struct line *l, const struct zs_audit_end *from,
		       const struct zs_audit_end *to, struct zs_audit_report *r)
{
	char last[2 * ZS_AUDIT_HASH + 1], store[2 * ZS_AUDIT_HASH + 1];
	uint64_t n = from->count;

	l->number = 0;
	zs_audit_hex(from->hash, last);
	zs_audit_hex(to->hash, store);
	while (r->ok && read_line(f, l)) {
		if (l->n == 0)
			fault(r, l->number, "line %lu was altered: it is no record", l->number);
		else if (l->n != n + 1)
			gap(f, r, l, n + 1);
		else if (strcmp(l->prev, last) != 0)
			bad_link(f, r, l, store);
		else
			n++;
		memcpy(last, l->hash, sizeof(last));
	}
	r->records += n - from->count;
	if (r->ok)
		check_end(r, l, n, to);
}

/* The file with this index of those kept; -errno: it cannot be read. */
static int check_kept(const struct zs_audit *a, uint32_t index, struct line *l, struct zs_audit_report *r)
{
	const struct zs_audit_files *files = &a->files;
	const struct zs_audit_end *from = index ? &files->end[index - 1] : &files->before;
	struct zs_audit_end to = { .count = a->head.count };
	FILE *f = zs_audit_stream(a, index);
	char text[sizeof(r->text)];
	int code = f ? 0 : -errno;

	memcpy(to.hash, a->head.hash, sizeof(to.hash));
	if (index < files->kept)
		to = files->end[index];
	if (f) {
		check_file(f, l, from, &to, r);
		code = ferror(f) ? -EIO : 0;
		fclose(f);
	} else if (code == -ENOENT) {
		fault(r, 0, "the file is gone: records %lu to %lu are missing", from->count + 1, to.count);
		code = 0;
	}
	if (!r->ok && index < files->kept) {
		memcpy(text, r->text, sizeof(text));
		snprintf(r->text, sizeof(r->text), "audit.log.%lu: %.200s",
			 files->closed - files->kept + index + 1, text);
	}
	return code;
}

int zs_audit_verify(struct zs_audit *a, struct zs_audit_report *r, struct zs_error *err)
{
	struct line *l = calloc(1, sizeof(*l));
	int code = l ? 0 : -ENOMEM;

	memset(r, 0, sizeof(*r));
	r->ok = true;
	for (uint32_t i = 0; i <= a->files.kept && code == 0 && r->ok; i++)
		code = check_kept(a, i, l, r);
	free(l);
	if (code != 0)
		return zs_error_set(err, code, ZS_EXIT_RESOURCE, "audit file: cannot be read: %s",
				    strerror(-code));
	if (!r->ok)
		snprintf(a->broken, sizeof(a->broken), "%s", r->text);
	return 0;
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
