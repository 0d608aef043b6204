/* Deny and allow lists: a prefix once in each, and no direction of it in both. */
#include <errno.h>
#include "conf/schema.h"

#define FAIL(field, ...) zs_conf_fail(err, name, zs_conf_line_of(marks, (field)), __VA_ARGS__)

static bool same(const struct zs_conf_rule *a, const struct zs_conf_rule *b)
{
	return a->prefix.len == b->prefix.len && zs_addr_eq(&a->prefix.addr, &b->prefix.addr);
}

static bool meets(const char *a, const char *b)
{
	return !strcmp(a, b) || !strcmp(a, "both") || !strcmp(b, "both");
}

static const struct zs_conf_rule *twice(const struct zs_conf_rule *list, uint32_t count)
{
	for (uint32_t i = 1; i < count; i++)
		for (uint32_t j = 0; j < i; j++)
			if (same(&list[i], &list[j]))
				return &list[i];
	return NULL;
}

int zs_conf_check_lists(const struct zs_conf *conf, const struct zs_conf_marks *marks, const char *name,
			struct zs_error *err)
{
	const struct zs_conf_rule *bad = twice(conf->deny, conf->denies);
	char text[ZS_ADDR_TEXT];

	if (!bad)
		bad = twice(conf->allow, conf->allows);
	if (bad)
		return FAIL(&bad->prefix, "prefix: %s stands twice in one list; keep one",
			    zs_addr_format(&bad->prefix.addr, text));
	for (uint32_t i = 0; i < conf->allows; i++)
		for (uint32_t j = 0; j < conf->denies; j++)
			if (same(&conf->allow[i], &conf->deny[j]) &&
			    meets(conf->allow[i].direction, conf->deny[j].direction))
				return FAIL(&conf->allow[i].prefix,
					    "prefix: %s is denied and allowed for one direction; keep one",
					    zs_addr_format(&conf->allow[i].prefix.addr, text));
	return 0;
}
