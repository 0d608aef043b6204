/* deny list, add, remove. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include "admin/verbs.h"
#include "lists.h"

#define LISTED	   1000 /* rules an answer holds unless told */
#define LISTED_MAX 10000
#define WORDS_MAX  16 /* of an argument, as the command line's */

static const char *direction(uint8_t ways)
{
	return ways == ZS_ACL_IN ? "in" : ways == ZS_ACL_OUT ? "out" : "both";
}

static const char *prefix_text(const struct zs_prefix *p, char out[ZS_ADDR_TEXT + 4])
{
	char addr[ZS_ADDR_TEXT];
	unsigned len = zs_addr_is4(&p->addr) && p->len >= 96 ? p->len - 96u : p->len;

	snprintf(out, ZS_ADDR_TEXT + 4, "%s/%u", zs_addr_format(&p->addr, addr), len);
	return out;
}

static void append(json_t *list, const struct zs_listed *r, uint8_t ways, const char *action)
{
	char text[ZS_ADDR_TEXT + 4];

	if (ways)
		json_array_append_new(
		    list, json_pack("{s:s,s:s,s:s,s:s,s:s}", "prefix", prefix_text(&r->prefix, text),
				    "action", action, "direction", direction(ways), "origin",
				    r->from_config ? "config" : "zsctl", "comment", r->comment));
}

int zs_verb_deny_list(struct zs_control *c, json_t *args, json_t **result, struct zs_error *err)
{
	uint32_t limit = zs_verb_number(args, "limit", LISTED), n;
	struct zs_listed *all;
	json_t *list = json_array();

	limit = limit < LISTED_MAX ? limit : LISTED_MAX;
	all = calloc(limit + 1, sizeof(*all));
	if (!all)
		return zs_error_set(err, -ENOMEM, ZS_EXIT_RESOURCE, "out of memory");
	n = zs_lists_all(c->lists, all, limit);
	for (uint32_t i = 0; i < n && i < limit; i++) {
		append(list, &all[i], all[i].deny, "deny");
		append(list, &all[i], all[i].allow, "allow");
	}
	free(all);
	*result = json_pack("{s:o,s:I,s:I,s:b}", "rules", list, "count", (json_int_t)n, "capacity",
			    (json_int_t)zs_lists_room(c->lists), "in_force", zs_lists_in_force(c->lists));
	return 0;
}

/* The argument `prefixes`; returns how many, or -EINVAL. */
static int read_prefixes(json_t *args, struct zs_prefix out[WORDS_MAX], struct zs_error *err)
{
	json_t *words = json_object_get(args, "prefixes");
	size_t n = json_array_size(words);

	for (size_t i = 0; i < n && i < WORDS_MAX; i++)
		if (zs_prefix_parse(&out[i], json_string_value(json_array_get(words, i))))
			return zs_error_set(err, -EINVAL, ZS_EXIT_USAGE,
					    "prefixes: '%.60s' is no ADDR/LEN without host bits",
					    json_string_value(json_array_get(words, i)));
	return (int)(n < WORDS_MAX ? n : WORDS_MAX);
}

static json_t *changed(struct zs_control *c, int count)
{
	return json_pack("{s:i,s:b}", "rules", count, "in_force", zs_lists_in_force(c->lists));
}

int zs_verb_deny_add(struct zs_control *c, json_t *args, json_t **result, struct zs_error *err)
{
	const char *way = json_string_value(json_object_get(args, "direction"));
	const char *comment = json_string_value(json_object_get(args, "comment"));
	uint8_t ways = ZS_ACL_IN | ZS_ACL_OUT;
	struct zs_listed add[WORDS_MAX] = { 0 };
	struct zs_prefix prefix[WORDS_MAX];
	int n = read_prefixes(args, prefix, err);

	if (n < 0)
		return n;
	if (comment && strlen(comment) >= ZS_CONF_COMMENT)
		return zs_error_set(err, -EINVAL, ZS_EXIT_USAGE, "comment: %d characters at most",
				    ZS_CONF_COMMENT - 1);
	if (way && strcmp(way, "both"))
		ways = !strcmp(way, "in") ? ZS_ACL_IN : ZS_ACL_OUT;
	for (int i = 0; i < n; i++) {
		add[i].prefix = prefix[i];
		*(json_is_true(json_object_get(args, "allow")) ? &add[i].allow : &add[i].deny) = ways;
		snprintf(add[i].comment, sizeof(add[i].comment), "%s", comment ? comment : "");
	}
	if (zs_lists_add(c->lists, add, (uint32_t)n, err))
		return err->code;
	*result = changed(c, n);
	return 0;
}

int zs_verb_deny_remove(struct zs_control *c, json_t *args, json_t **result, struct zs_error *err)
{
	struct zs_prefix prefix[WORDS_MAX];
	int n = read_prefixes(args, prefix, err);

	if (n < 0)
		return n;
	if (zs_lists_remove(c->lists, prefix, (uint32_t)n, err))
		return err->code;
	*result = changed(c, n);
	return 0;
}
