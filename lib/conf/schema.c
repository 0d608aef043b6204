/* lib/defs/config.def as a table. */
#include "base/check.h"
#include "conf/schema.h"

#define FIELD(type, field) sizeof(((struct type *)0)->field)

const struct zs_conf_key zs_conf_keys[] = {
#define ZS_CONF_VALUE(in, type, key, what, field, lo, hi, def, again, help)                                  \
	{ .section = ZS_CONF_AT_##in,                                                                        \
	  .name = #key,                                                                                      \
	  .kind = ZS_CONF_##what,                                                                            \
	  .offset = offsetof(struct type, field),                                                            \
	  .size = FIELD(type, field),                                                                        \
	  .min = (lo),                                                                                       \
	  .max = (hi),                                                                                       \
	  .dflt = (def),                                                                                     \
	  .restart = (again),                                                                                \
	  .text = (help) },
#define ZS_CONF_CHOICE(in, type, key, field, list, def, again, help)                                         \
	{ .section = ZS_CONF_AT_##in,                                                                        \
	  .name = #key,                                                                                      \
	  .kind = ZS_CONF_CHOICE_OF,                                                                         \
	  .offset = offsetof(struct type, field),                                                            \
	  .size = FIELD(type, field),                                                                        \
	  .words = (list),                                                                                   \
	  .dflt = (def),                                                                                     \
	  .restart = (again),                                                                                \
	  .text = (help) },
#define ZS_CONF_MAP(in, key, inner, help)                                                                    \
	{ .section = ZS_CONF_AT_##in,                                                                        \
	  .name = #key,                                                                                      \
	  .kind = ZS_CONF_SECTION_IN,                                                                        \
	  .sub = ZS_CONF_AT_##inner,                                                                         \
	  .dflt = "",                                                                                        \
	  .text = (help) },
#define ZS_CONF_LIST(in, type, key, inner, count, array, most, again, help)                                  \
	{ .section = ZS_CONF_AT_##in,                                                                        \
	  .name = #key,                                                                                      \
	  .kind = ZS_CONF_LIST_OF_SECTIONS,                                                                  \
	  .sub = ZS_CONF_AT_##inner,                                                                         \
	  .offset = offsetof(struct type, array),                                                            \
	  .size = FIELD(type, array[0]),                                                                     \
	  .count_offset = offsetof(struct type, count),                                                      \
	  .max = (most),                                                                                     \
	  .dflt = "",                                                                                        \
	  .restart = (again),                                                                                \
	  .text = (help) },
#define ZS_CONF_VALUES(in, type, key, what, count, array, most, again, help)                                 \
	{ .section = ZS_CONF_AT_##in,                                                                        \
	  .name = #key,                                                                                      \
	  .kind = ZS_CONF_LIST_OF_VALUES,                                                                    \
	  .item = ZS_CONF_##what,                                                                            \
	  .offset = offsetof(struct type, array),                                                            \
	  .size = FIELD(type, array[0]),                                                                     \
	  .count_offset = offsetof(struct type, count),                                                      \
	  .max = (most),                                                                                     \
	  .dflt = "",                                                                                        \
	  .restart = (again),                                                                                \
	  .text = (help) },
#include "conf/rows.h"
	{ .name = NULL }
};

static const char *const sections[] = {
#define ZS_CONF_SECTION(name, text) #name,
#include "conf/rows.h"
};

const char *zs_conf_section_name(enum zs_conf_section section)
{
	return sections[section];
}

const struct zs_conf_key *zs_conf_first_key(enum zs_conf_section section)
{
	const struct zs_conf_key *key = zs_conf_keys;
	while (key->name && key->section != section)
		key++;
	ZS_CHECK(key->name, "a section without rows");
	return key;
}
