/* YAML into struct zs_conf, along the table.
 *
 * Two passes over the text: the first looks at libyaml's events and refuses what a configuration has
 * no need of (anchors, aliases, tags, directives, several documents, deep nesting), so that the
 * document of the second is a plain tree, no larger than a multiple of the file. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>
#include "base/check.h"
#include "conf/schema.h"

#define DEPTH_MAX 8 /* ports → vlans → neighbours is 7 */
#define MARKS_MAX 65536

struct reader {
	struct zs_conf *out;
	struct zs_conf_marks *marks;
	const char *name;
	struct zs_error *err;
	yaml_document_t doc;
};

#define FAIL(r, line, ...) zs_conf_fail((r)->err, (r)->name, (line), __VA_ARGS__)

static uint32_t line_of(const yaml_mark_t *mark)
{
	return (uint32_t)mark->line + 1;
}

static int bad_syntax(struct reader *r, const yaml_parser_t *p)
{
	const char *problem = p->problem ? p->problem : "unreadable";
	if (p->error == YAML_MEMORY_ERROR)
		return zs_error_set(r->err, -ENOMEM, ZS_EXIT_RESOURCE, "%s: no memory; free some", r->name);
	if (p->error == YAML_READER_ERROR)
		return FAIL(r, 0, "not UTF-8 text (%s, byte %zu); save the file as UTF-8", problem,
			    p->problem_offset);
	return FAIL(r, line_of(&p->problem_mark), "not YAML: %s; look at quotes, colons and indentation here",
		    problem);
}

static const char *forbidden(const yaml_event_t *e, int *depth, int *documents)
{
	const yaml_char_t *anchor = NULL, *tag = NULL;
	switch (e->type) {
	case YAML_ALIAS_EVENT:
		return "an alias (*name); write the value out";
	case YAML_DOCUMENT_START_EVENT:
		if (e->data.document_start.version_directive ||
		    e->data.document_start.tag_directives.start != e->data.document_start.tag_directives.end)
			return "a directive (%YAML, %TAG); take it out";
		if (++*documents > 1)
			return "a second document; keep one per file";
		break;
	case YAML_SCALAR_EVENT:
		anchor = e->data.scalar.anchor;
		tag = e->data.scalar.tag;
		break;
	case YAML_SEQUENCE_START_EVENT:
		anchor = e->data.sequence_start.anchor;
		tag = e->data.sequence_start.tag;
		++*depth;
		break;
	case YAML_MAPPING_START_EVENT:
		anchor = e->data.mapping_start.anchor;
		tag = e->data.mapping_start.tag;
		++*depth;
		break;
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		--*depth;
		break;
	default:
		break;
	}
	if (*depth > DEPTH_MAX)
		return "nesting deeper than any key needs; look at brackets and indentation";
	return anchor ? "an anchor (&name); take it out" : tag ? "a tag (!name); take it out" : NULL;
}

static int scan(struct reader *r, const char *text, size_t len)
{
	yaml_parser_t p;
	int depth = 0, documents = 0, ret = 0;
	bool end = false;
	if (!yaml_parser_initialize(&p))
		return zs_error_set(r->err, -ENOMEM, ZS_EXIT_RESOURCE, "%s: no memory; free some", r->name);
	yaml_parser_set_input_string(&p, (const unsigned char *)text, len);
	yaml_parser_set_encoding(&p, YAML_UTF8_ENCODING);
	while (!ret && !end) {
		yaml_event_t e;
		if (!yaml_parser_parse(&p, &e)) {
			ret = bad_syntax(r, &p);
			break;
		}
		const char *why = forbidden(&e, &depth, &documents);
		if (why)
			ret = FAIL(r, line_of(&e.start_mark), "%s", why);
		end = e.type == YAML_STREAM_END_EVENT;
		yaml_event_delete(&e);
	}
	yaml_parser_delete(&p);
	return ret;
}

static int load_document(struct reader *r, const char *text, size_t len)
{
	yaml_parser_t p;
	if (!yaml_parser_initialize(&p))
		return zs_error_set(r->err, -ENOMEM, ZS_EXIT_RESOURCE, "%s: no memory; free some", r->name);
	yaml_parser_set_input_string(&p, (const unsigned char *)text, len);
	yaml_parser_set_encoding(&p, YAML_UTF8_ENCODING);
	int ret = yaml_parser_load(&p, &r->doc) ? 0 : bad_syntax(r, &p);
	yaml_parser_delete(&p);
	return ret;
}

static int mark(struct reader *r, const void *field, uint32_t line)
{
	struct zs_conf_marks *m = r->marks;
	if (m->count == m->room) {
		uint32_t room = m->room ? m->room * 2 : 256;
		void *at = room <= MARKS_MAX ? realloc(m->at, room * sizeof(m->at[0])) : NULL;
		if (!at)
			return zs_error_set(r->err, -ENOMEM, ZS_EXIT_RESOURCE, "%s: no memory; free some",
					    r->name);
		m->at = at;
		m->room = room;
	}
	m->at[m->count].field = field;
	m->at[m->count++].line = line;
	return 0;
}

/* The text of a scalar, or NULL. Values have no NUL inside. */
static const char *text_of(const yaml_node_t *n)
{
	if (!n || n->type != YAML_SCALAR_NODE ||
	    memchr(n->data.scalar.value, '\0', n->data.scalar.length) != NULL)
		return NULL;
	return (const char *)n->data.scalar.value;
}

/* What would break the error's one line. */
static bool has_odd(const char *text)
{
	for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
		if (*c < ' ' || *c >= 0x7f)
			return true;
	}
	return false;
}

static bool is_plain(const yaml_node_t *n)
{
	return n->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
}

/* `key:` with nothing behind it, as when all children are commented out. */
static bool is_empty(const yaml_node_t *n)
{
	return n->type == YAML_SCALAR_NODE && n->data.scalar.length == 0 && is_plain(n);
}

static int read_value(struct reader *r, const struct zs_conf_key *key, enum zs_conf_kind kind, void *field,
		      const yaml_node_t *n)
{
	char why[ZS_CONF_WHY];
	const char *text = text_of(n);
	uint32_t line = line_of(&n->start_mark);
	if (!text)
		return FAIL(r, line, "%s: one value belongs here; %s", key->name, key->text);
	if (is_empty(n))
		return FAIL(r, line, "%s: the value is missing; %s", key->name, key->text);
	int ret = zs_conf_value_parse(key, kind, field, text, is_plain(n), why);
	if (ret)
		return FAIL(r, line, "%s: '%.40s' %s", key->name, has_odd(text) ? "…" : text, why);
	return mark(r, field, line);
}

static int read_cpus(struct reader *r, const struct zs_conf_key *key, void *field, const yaml_node_t *n)
{
	struct zs_conf_key one = *key;
	uint16_t *cpu = field;
	uint32_t line = line_of(&n->start_mark), count = 0;
	if (n->type != YAML_SEQUENCE_NODE)
		return FAIL(r, line, "%s: a list belongs here; write [1, 2]", key->name);
	one.size = sizeof(*cpu);
	for (yaml_node_item_t *i = n->data.sequence.items.start; i < n->data.sequence.items.top; i++) {
		if (count == ZS_WORKERS_MAX)
			return FAIL(r, line, "%s: too many; keep %u", key->name, ZS_WORKERS_MAX);
		int ret = read_value(r, &one, ZS_CONF_U16, &cpu[count++],
				     yaml_document_get_node(&r->doc, *i));
		if (ret)
			return ret;
	}
	r->marks->cpus = count;
	return count ? mark(r, field, line)
		     : FAIL(r, line, "%s: the list is empty; name one per worker", key->name);
}

static int read_section(struct reader *r, enum zs_conf_section section, void *base, const yaml_node_t *n);

static int allow(struct reader *r, const struct zs_conf_key *key, const yaml_node_t *n)
{
	struct zs_prefix prefix;
	int ret = read_value(r, key, key->item, &prefix, n);
	if (ret)
		return ret;
	r->marks->count--; /* that mark was of a local */
	ret = zs_deny_allow(&r->out->targets, &prefix);
	if (ret)
		return FAIL(r, line_of(&n->start_mark),
			    "%s: '%.50s' cannot be allowed (it covers %s); take it out or narrow it",
			    key->name, text_of(n), "loopback, unspecified, multicast or broadcast space");
	return 0;
}

static int read_item(struct reader *r, const struct zs_conf_key *key, char *element, const yaml_node_t *n)
{
	struct zs_conf_key one = *key;
	one.max = (uint32_t)key->size - 1; /* of a text; the list's own is how many */
	if (key->kind == ZS_CONF_LIST_OF_VALUES)
		return read_value(r, &one, key->item, element, n);
	zs_conf_section_defaults(key->sub, element);
	if (key->sub == ZS_CONF_AT_publish)
		((struct zs_conf_publish *)(void *)element)->line = line_of(&n->start_mark);
	int ret = mark(r, element, line_of(&n->start_mark));
	return ret ? ret : read_section(r, key->sub, element, n);
}

static int read_list(struct reader *r, const struct zs_conf_key *key, char *base, const yaml_node_t *n)
{
	uint32_t *count = (uint32_t *)(void *)(base + key->count_offset);
	uint32_t line = line_of(&n->start_mark);
	int ret = 0;
	if (is_empty(n))
		return 0;
	if (n->type != YAML_SEQUENCE_NODE)
		return FAIL(r, line, "%s: a list belongs here; start each element with '- '", key->name);
	for (yaml_node_item_t *i = n->data.sequence.items.start; !ret && i < n->data.sequence.items.top;
	     i++) {
		const yaml_node_t *item = yaml_document_get_node(&r->doc, *i);
		line = line_of(&item->start_mark);
		if (*count >= key->max)
			return FAIL(r, line, "%s: more than %u elements; take some out", key->name, key->max);
		if (key->item == ZS_CONF_ALLOW && key->kind == ZS_CONF_LIST_OF_VALUES)
			ret = allow(r, key, item);
		else
			ret = read_item(r, key, base + key->offset + (size_t)(*count)++ * key->size, item);
	}
	return ret;
}

static int read_key(struct reader *r, const struct zs_conf_key *key, char *base, const yaml_node_t *n)
{
	switch (key->kind) {
	case ZS_CONF_SECTION_IN:
		return is_empty(n) ? 0 : read_section(r, key->sub, base, n);
	case ZS_CONF_LIST_OF_SECTIONS:
	case ZS_CONF_LIST_OF_VALUES:
		return read_list(r, key, base, n);
	case ZS_CONF_CPUS:
		return read_cpus(r, key, base + key->offset, n);
	default:
		return read_value(r, key, key->kind, base + key->offset, n);
	}
}

static int unknown_key(struct reader *r, enum zs_conf_section section, const char *name, uint32_t line)
{
	char known[160] = "";
	for (const struct zs_conf_key *k = zs_conf_first_key(section); k->name && k->section == section;
	     k++) {
		if (strlen(known) + strlen(k->name) + 2 < sizeof(known)) {
			strcat(known, " ");
			strcat(known, k->name);
		}
	}
	return FAIL(r, line, "unknown key '%.40s'; known here:%s", has_odd(name) ? "…" : name, known);
}

static int check_required(struct reader *r, enum zs_conf_section section, uint32_t seen, uint32_t line)
{
	const struct zs_conf_key *first = zs_conf_first_key(section);
	for (const struct zs_conf_key *k = first; k->name && k->section == section; k++) {
		if (!k->dflt && !(seen & 1u << (k - first)))
			return FAIL(r, line, "%s without '%s'; add it: %s", zs_conf_section_name(section),
				    k->name, k->text);
	}
	return 0;
}

static int read_pair(struct reader *r, enum zs_conf_section section, char *base, uint32_t *seen,
		     const yaml_node_pair_t *pair)
{
	const yaml_node_t *k = yaml_document_get_node(&r->doc, pair->key);
	const yaml_node_t *v = yaml_document_get_node(&r->doc, pair->value);
	const struct zs_conf_key *first = zs_conf_first_key(section), *key = first;
	const char *name = text_of(k);
	uint32_t line = line_of(&k->start_mark);
	if (!name)
		return FAIL(r, line, "a key that is no word; write 'key: value'");
	while (key->name && key->section == section && strcmp(key->name, name) != 0)
		key++;
	if (!key->name || key->section != section)
		return unknown_key(r, section, name, line);
	uint32_t bit = 1u << (key - first);
	if (*seen & bit)
		return FAIL(r, line, "'%s' stands here twice; keep one", key->name);
	*seen |= bit;
	return read_key(r, key, base, v);
}

static int read_section(struct reader *r, enum zs_conf_section section, void *base, const yaml_node_t *n)
{
	uint32_t line = line_of(&n->start_mark), seen = 0;
	int ret = 0;
	if (n->type != YAML_MAPPING_NODE)
		return FAIL(r, line, "%s: keys with values belong here; write 'key: value' lines",
			    zs_conf_section_name(section));
	for (yaml_node_pair_t *p = n->data.mapping.pairs.start; !ret && p < n->data.mapping.pairs.top; p++)
		ret = read_pair(r, section, base, &seen, p);
	return ret ? ret : check_required(r, section, seen, line);
}

int zs_conf_read(struct zs_conf *out, struct zs_conf_marks *marks, const char *name, const char *text,
		 size_t len, struct zs_error *err)
{
	struct reader r = { .out = out, .marks = marks, .name = name, .err = err };
	int ret = scan(&r, text, len);
	if (!ret)
		ret = load_document(&r, text, len);
	if (ret)
		return ret;
	const yaml_node_t *root = yaml_document_get_root_node(&r.doc);
	if (!root || is_empty(root))
		ret = FAIL(&r, 1, "the file is empty; see docs/examples/relay.yaml");
	else
		ret = read_section(&r, ZS_CONF_AT_root, out, root);
	yaml_document_delete(&r.doc);
	return ret;
}
