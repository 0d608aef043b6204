/* Inside lib/conf: lib/defs/config.def as data, and what its kinds can do. */
#ifndef ZS_CONF_SCHEMA_H
#define ZS_CONF_SCHEMA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/log.h"
#include "conf/conf.h"

#define ZS_CONF_CPU_MAX 1023 /* the kernel's cpu_set_t ends there */
#define ZS_CONF_TEXT	512  /* any value as text: a list of ZS_WORKERS_MAX CPUs is far below */
#define ZS_CONF_WHY	160

#define ZS_CONF_QUOTE_(x)     #x
#define ZS_CONF_QUOTE(x)      ZS_CONF_QUOTE_(x)
#define ZS_CONF_FLOW_CAPACITY ZS_CONF_QUOTE(CONFIG_FLOW_CAPACITY) /* from Kconfig */
#define ZS_CONF_ATTACHMENTS   ZS_CONF_QUOTE(CONFIG_ATTACHMENTS)

enum zs_conf_kind {
	ZS_CONF_U16,
	ZS_CONF_U32,
	ZS_CONF_BOOL,
	ZS_CONF_TEXT_ANY, /* printable */
	ZS_CONF_NAME,	  /* letters, digits, - _ . */
	ZS_CONF_INSTANCE, /* zs_segment_instance */
	ZS_CONF_PATH,	  /* absolute, without .. */
	ZS_CONF_CHOICE_OF,
	ZS_CONF_DRIVER,
	ZS_CONF_MTU,  /* 0 or a number in range */
	ZS_CONF_RING, /* power of two in range */
	ZS_CONF_ADDR,
	ZS_CONF_PREFIX,
	ZS_CONF_IFADDR,
	ZS_CONF_MAC,
	ZS_CONF_ENDPOINT,
	ZS_CONF_LISTEN, /* endpoint or off */
	ZS_CONF_RANGE,	/* two u16 side by side */
	ZS_CONF_ALLOW,	/* prefix of the allow-list */
	ZS_CONF_CPUS,	/* list of u16, its length beside the workers' */
	ZS_CONF_SECTION_IN,
	ZS_CONF_LIST_OF_SECTIONS,
	ZS_CONF_LIST_OF_VALUES,
};

enum zs_conf_section {
#define ZS_CONF_SECTION(name, text) ZS_CONF_AT_##name,
#include "conf/rows.h"
	ZS_CONF_SECTIONS
};

/* One row. Offsets count from the struct of its section. */
struct zs_conf_key {
	enum zs_conf_section section;
	const char *name;
	enum zs_conf_kind kind;
	enum zs_conf_kind item;	  /* of a list of values */
	enum zs_conf_section sub; /* of a map or a list of sections */
	size_t offset, size;	  /* of the field; of a list: of the array and of one element */
	size_t count_offset;	  /* of a list */
	uint32_t min, max;
	const char *words;
	const char *dflt; /* NULL: required */
	bool restart;
	const char *text;
};

/* Every row, ends with a NULL name. Rows of one section stand together. */
extern const struct zs_conf_key zs_conf_keys[];
const char *zs_conf_section_name(enum zs_conf_section section);
const struct zs_conf_key *zs_conf_first_key(enum zs_conf_section section);

/* Text to field and back. parse: -EINVAL with why = "what; what to do". `plain`: unquoted. */
int zs_conf_value_parse(const struct zs_conf_key *key, enum zs_conf_kind kind, void *field, const char *text,
			bool plain, char why[ZS_CONF_WHY]);
const char *zs_conf_value_format(const struct zs_conf_key *key, enum zs_conf_kind kind, const void *field,
				 char buf[ZS_CONF_TEXT]);
const char *zs_conf_driver_name(enum zs_conf_driver driver);

/* check.c. Where a field came from: its line, 0 if from a default. */
struct zs_conf_marks {
	struct {
		const void *field;
		uint32_t line;
	} * at;
	uint32_t count, room;
	uint32_t cpus; /* CPUs listed; 0: none were */
};
uint32_t zs_conf_line_of(const struct zs_conf_marks *marks, const void *field);
int zs_conf_check(const struct zs_conf *conf, const struct zs_conf_marks *marks, const char *name,
		  struct zs_error *err);
/* check_attach.c */
int zs_conf_check_attach(const struct zs_conf *conf, const struct zs_conf_marks *marks, const char *name,
			 struct zs_error *err);
/* check_lists.c */
int zs_conf_check_lists(const struct zs_conf *conf, const struct zs_conf_marks *marks, const char *name,
			struct zs_error *err);
/* check_p2p.c */
int zs_conf_check_p2p(const struct zs_conf *conf, const struct zs_conf_marks *marks, const char *name,
		      struct zs_error *err);
/* check_roles.c */
int zs_conf_check_roles(const struct zs_conf *conf, const struct zs_conf_marks *marks, const char *name,
			struct zs_error *err);
/* read.c */
int zs_conf_read(struct zs_conf *out, struct zs_conf_marks *marks, const char *name, const char *text,
		 size_t len, struct zs_error *err);
/* Defaults of every row of a section (not of what is inside it). */
void zs_conf_section_defaults(enum zs_conf_section section, void *base);
__attribute__((format(printf, 4, 5))) int zs_conf_fail(struct zs_error *err, const char *name, uint32_t line,
						       const char *fmt, ...);

#endif
