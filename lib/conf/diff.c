/* Two configurations along the table: compared, and what may change without a restart taken over. Elements of a list are told apart by the first
 * row of their section, so moving a published port up or down is no change; a list whose
 * changes need a restart is compared in its order too, because indices of it are in use. */
#include <stdio.h>
#include <string.h>
#include "base/check.h"
#include "conf/schema.h"

#define PATH_MAX_TEXT 256
#define VALUE_TEXT    (4 * ZS_CONF_TEXT)

struct differ {
	zs_conf_diff_fn *fn;
	void *ctx;
	uint32_t count;
};

static void report(struct differ *d, const char *path, const char *old, const char *new, bool restart)
{
	d->count++;
	if (d->fn)
		d->fn(d->ctx, path, old, new, restart);
}

static uint32_t count_of(const struct zs_conf_key *key, const char *base)
{
	uint32_t n;
	memcpy(&n, base + key->count_offset, sizeof(n));
	return n < key->max ? n : key->max;
}

/* The untagged VLAN is told by the port's own rows, not as an element. */
static uint32_t first_of(const struct zs_conf_key *key)
{
	return key->section == ZS_CONF_AT_port && key->sub == ZS_CONF_AT_vlan &&
	       key->kind == ZS_CONF_LIST_OF_SECTIONS;
}

static const char *element(const struct zs_conf_key *key, const char *base, uint32_t i)
{
	return base + key->offset + i * key->size;
}

/* An element as people would write it: {port: 4443, target: 10.0.2.2:443, …}; lists inside left out. */
static const char *summary(const struct zs_conf_key *key, const char *at, char buf[VALUE_TEXT])
{
	char value[ZS_CONF_TEXT];
	size_t n = 0;
	if (key->kind == ZS_CONF_LIST_OF_VALUES)
		return zs_conf_value_format(key, key->item, at, buf);
	buf[n++] = '{';
	for (const struct zs_conf_key *k = zs_conf_first_key(key->sub); k->name && k->section == key->sub;
	     k++) {
		if (k->kind >= ZS_CONF_SECTION_IN)
			continue;
		zs_conf_value_format(k, k->kind, at + k->offset, value);
		int w = snprintf(buf + n, VALUE_TEXT - n - 1, "%s%s: %s", n > 1 ? ", " : "", k->name, value);
		if (w < 0 || (size_t)w >= VALUE_TEXT - n - 1)
			break;
		n += (size_t)w;
	}
	buf[n++] = '}';
	buf[n] = '\0';
	return buf;
}

/* What names an element: its first row, or the value itself. */
static const char *id_of(const struct zs_conf_key *key, const char *at, char buf[ZS_CONF_TEXT])
{
	const struct zs_conf_key *first = zs_conf_first_key(key->sub);
	if (key->kind == ZS_CONF_LIST_OF_VALUES)
		return zs_conf_value_format(key, key->item, at, buf);
	return zs_conf_value_format(first, first->kind, at + first->offset, buf);
}

static bool same_id(const struct zs_conf_key *key, const char *a, const char *b)
{
	const struct zs_conf_key *first = zs_conf_first_key(key->sub);
	if (key->kind == ZS_CONF_LIST_OF_VALUES)
		return memcmp(a, b, key->size) == 0;
	return memcmp(a + first->offset, b + first->offset, first->size) == 0;
}

static const char *find(const struct zs_conf_key *key, const char *base, const char *wanted, uint32_t hint)
{
	uint32_t n = count_of(key, base);
	if (hint < n && same_id(key, element(key, base, hint), wanted))
		return element(key, base, hint);
	for (uint32_t i = first_of(key); i < n; i++) {
		if (same_id(key, element(key, base, i), wanted))
			return element(key, base, i);
	}
	return NULL;
}

static void diff_section(struct differ *d, enum zs_conf_section section, const char *old, const char *new,
			 const char *path);

static void diff_pair(struct differ *d, const struct zs_conf_key *key, const char *a, const char *b,
		      bool moved, const char *path)
{
	if (moved && key->restart)
		report(d, path, "at another place", "moved in the list", true);
	if (key->kind == ZS_CONF_LIST_OF_SECTIONS)
		diff_section(d, key->sub, a, b, path);
}

static void diff_list(struct differ *d, const struct zs_conf_key *key, const char *old, const char *new,
		      const char *path)
{
	char sub[PATH_MAX_TEXT], id[ZS_CONF_TEXT], text[VALUE_TEXT];
	for (uint32_t i = first_of(key); i < count_of(key, old); i++) {
		const char *a = element(key, old, i), *b = find(key, new, a, i);
		snprintf(sub, sizeof(sub), "%.180s[%.60s]", path, id_of(key, a, id));
		if (b)
			diff_pair(d, key, a, b, b != element(key, new, i), sub);
		else
			report(d, sub, summary(key, a, text), "", key->restart);
	}
	for (uint32_t i = first_of(key); i < count_of(key, new); i++) {
		const char *b = element(key, new, i);
		if (find(key, old, b, i))
			continue;
		snprintf(sub, sizeof(sub), "%.180s[%.60s]", path, id_of(key, b, id));
		report(d, sub, "", summary(key, b, text), key->restart);
	}
}

static void diff_key(struct differ *d, const struct zs_conf_key *key, const char *old, const char *new,
		     const char *path)
{
	char a[ZS_CONF_TEXT], b[ZS_CONF_TEXT];
	if (key->kind == ZS_CONF_SECTION_IN) {
		diff_section(d, key->sub, old, new, path);
	} else if (key->kind == ZS_CONF_LIST_OF_SECTIONS || key->kind == ZS_CONF_LIST_OF_VALUES) {
		diff_list(d, key, old, new, path);
	} else {
		zs_conf_value_format(key, key->kind, old + key->offset, a);
		zs_conf_value_format(key, key->kind, new + key->offset, b);
		if (strcmp(a, b) != 0)
			report(d, path, a, b, key->restart);
	}
}

static void diff_section(struct differ *d, enum zs_conf_section section, const char *old, const char *new,
			 const char *path)
{
	char sub[PATH_MAX_TEXT];
	for (const struct zs_conf_key *k = zs_conf_first_key(section); k->name && k->section == section;
	     k++) {
		snprintf(sub, sizeof(sub), "%.180s%s%s", path, path[0] ? "." : "", k->name);
		diff_key(d, k, old, new, sub);
	}
}

uint32_t zs_conf_diff(const struct zs_conf *old, const struct zs_conf *new, zs_conf_diff_fn *fn, void *ctx)
{
	struct differ d = { .fn = fn, .ctx = ctx };
	diff_section(&d, ZS_CONF_AT_root, (const char *)old, (const char *)new, "");
	return d.count;
}

/* --- what may change without a restart --- */

static void take_section(enum zs_conf_section section, char *to, const char *from);

/* The elements are those of `to`; of one that `from` has too, the part that may change. */
static void take_into(const struct zs_conf_key *key, char *to, const char *from)
{
	for (uint32_t i = first_of(key); i < count_of(key, to); i++) {
		char *mine = to + key->offset + i * key->size;
		const char *theirs = find(key, from, mine, i);

		if (theirs)
			take_section(key->sub, mine, theirs);
	}
}

static void take_key(const struct zs_conf_key *key, char *to, const char *from)
{
	bool list = key->kind == ZS_CONF_LIST_OF_SECTIONS || key->kind == ZS_CONF_LIST_OF_VALUES;
	size_t size = list ? key->max * key->size : key->kind == ZS_CONF_RANGE ? 2 * key->size : key->size;

	if (key->kind == ZS_CONF_SECTION_IN) {
		take_section(key->sub, to, from);
	} else if (!key->restart) {
		memcpy(to + key->offset, from + key->offset, size);
		if (list)
			memcpy(to + key->count_offset, from + key->count_offset, sizeof(uint32_t));
	} else if (key->kind == ZS_CONF_LIST_OF_SECTIONS) {
		take_into(key, to, from);
	}
}

static void take_section(enum zs_conf_section section, char *to, const char *from)
{
	for (const struct zs_conf_key *k = zs_conf_first_key(section); k->name && k->section == section; k++)
		take_key(k, to, from);
}

void zs_conf_take_live(struct zs_conf *to, const struct zs_conf *from)
{
	take_section(ZS_CONF_AT_root, (char *)to, (const char *)from);
}
