/* Reading the audit file: the chain's check and the last records. */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
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

static void check_end(const struct zs_audit *a, struct zs_audit_report *r, const char *last, uint64_t lines)
{
	char hash[2 * ZS_AUDIT_HASH + 1];

	zs_audit_hex(a->head.hash, hash);
	if (r->records < a->head.count)
		fault(r, lines + 1, "cut after line %lu: records %lu to %lu are missing", lines,
		      r->records + 1, a->head.count);
	else if (r->records > a->head.count)
		fault(r, lines, "line %lu was added: the store knows %lu records, the file has %lu", lines,
		      a->head.count, r->records);
	else if (strcmp(last, hash) != 0)
		fault(r, lines, "line %lu was altered: the store knows another last record", lines);
}

static void check_stream(const struct zs_audit *a, FILE *f, struct line *l, struct zs_audit_report *r)
{
	char last[2 * ZS_AUDIT_HASH + 1], store[2 * ZS_AUDIT_HASH + 1];
	static const uint8_t none[ZS_AUDIT_HASH];

	zs_audit_hex(none, last);
	zs_audit_hex(a->head.hash, store);
	while (r->ok && read_line(f, l)) {
		if (l->n == 0)
			fault(r, l->number, "line %lu was altered: it is no record", l->number);
		else if (l->n != r->records + 1)
			gap(f, r, l, r->records + 1);
		else if (strcmp(l->prev, last) != 0)
			bad_link(f, r, l, store);
		else
			r->records++;
		memcpy(last, l->hash, sizeof(last));
	}
	if (r->ok)
		check_end(a, r, last, l->number);
}

int zs_audit_verify(struct zs_audit *a, struct zs_audit_report *r, struct zs_error *err)
{
	struct line *l = calloc(1, sizeof(*l));
	FILE *f = l ? zs_audit_stream(a) : NULL;
	int code = l ? -errno : -ENOMEM;

	memset(r, 0, sizeof(*r));
	r->ok = true;
	if (l && !f && code == -ENOENT) {
		fault(r, 0, "the file is gone: records 1 to %lu are missing", a->head.count);
		code = 0;
	} else if (f) {
		check_stream(a, f, l, r);
		code = ferror(f) ? -EIO : 0;
		fclose(f);
	}
	free(l);
	if (code != 0)
		return zs_error_set(err, code, ZS_EXIT_RESOURCE, "audit file: cannot be read: %s",
				    strerror(-code));
	if (!r->ok)
		snprintf(a->broken, sizeof(a->broken), "%s", r->text);
	return 0;
}

int zs_audit_show(struct zs_audit *a, uint32_t count, json_t **out, struct zs_error *err)
{
	FILE *f = zs_audit_stream(a);
	json_t *list = json_array();
	char *text = malloc(ZS_AUDIT_LINE_MAX + 1024);
	uint64_t lines = 0, skip;
	int c;

	if (!f || !list || !text) {
		int code = f ? -ENOMEM : -errno;

		if (f)
			fclose(f);
		json_decref(list);
		free(text);
		return zs_error_set(err, code, ZS_EXIT_RESOURCE, "audit file: cannot be read: %s",
				    strerror(-code));
	}
	while ((c = getc_unlocked(f)) != EOF)
		lines += c == '\n';
	count = count > ZS_AUDIT_SHOW_MAX ? ZS_AUDIT_SHOW_MAX : count;
	skip = lines > count ? lines - count : 0;
	rewind(f);
	for (uint64_t i = 0; fgets(text, ZS_AUDIT_LINE_MAX + 1024, f); i++) {
		json_t *record;

		if (i < skip)
			continue;
		text[strcspn(text, "\n")] = '\0';
		record = json_loads(text, 0, NULL);
		json_array_append_new(list, record ? record : json_string("(no record)"));
	}
	fclose(f);
	free(text);
	*out = list;
	return 0;
}
