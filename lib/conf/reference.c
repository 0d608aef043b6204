/* The table told to people: docs/ and zsctl print it. */
#include <stdio.h>
#include <string.h>
#include "conf/schema.h"

struct teller {
	zs_conf_reference_fn *fn;
	void *ctx;
};

static const char *type_of(const struct zs_conf_key *k, char buf[ZS_CONF_TEXT])
{
	switch (k->kind == ZS_CONF_LIST_OF_VALUES ? k->item : k->kind) {
	case ZS_CONF_U16:
	case ZS_CONF_U32:
	case ZS_CONF_MTU:
	case ZS_CONF_RING:
		snprintf(buf, ZS_CONF_TEXT, "%s%u-%u", k->kind == ZS_CONF_MTU ? "0 or " : "", k->min, k->max);
		return buf;
	case ZS_CONF_RANGE:
		snprintf(buf, ZS_CONF_TEXT, "FIRST-LAST within %u-%u", k->min, k->max);
		return buf;
	case ZS_CONF_BOOL:
		return "true or false";
	case ZS_CONF_NAME:
	case ZS_CONF_INSTANCE:
	case ZS_CONF_TEXT_ANY:
		snprintf(buf, ZS_CONF_TEXT, "text of %u-%u", k->min, k->max);
		return buf;
	case ZS_CONF_PATH:
		return "absolute path";
	case ZS_CONF_CHOICE_OF:
	case ZS_CONF_DRIVER:
		return "word";
	case ZS_CONF_ADDR:
		return "ADDR";
	case ZS_CONF_PREFIX:
	case ZS_CONF_IFADDR:
	case ZS_CONF_ALLOW:
		return k->kind == ZS_CONF_LIST_OF_VALUES ? "list of ADDR/LEN" : "ADDR/LEN";
	case ZS_CONF_MAC:
		return "link address";
	case ZS_CONF_ENDPOINT:
		return "ADDR:PORT";
	case ZS_CONF_LISTEN:
		return "ADDR:PORT or off";
	case ZS_CONF_CPUS:
		return "list of CPUs";
	case ZS_CONF_LIST_OF_SECTIONS:
		return "list";
	default:
		return "section";
	}
}

static void tell(const struct teller *t, enum zs_conf_section section, const char *path)
{
	char sub[ZS_CONF_TEXT], type[ZS_CONF_TEXT];
	for (const struct zs_conf_key *k = zs_conf_first_key(section); k->name && k->section == section;
	     k++) {
		bool list = k->kind == ZS_CONF_LIST_OF_SECTIONS;
		snprintf(sub, sizeof(sub), "%.400s%s%s%s", path, path[0] ? "." : "", k->name,
			 list ? "[]" : "");
		t->fn(t->ctx, &(struct zs_conf_reference_row){ .path = sub,
							       .type = type_of(k, type),
							       .dflt = k->dflt,
							       .text = k->text,
							       .restart = k->restart,
							       .section = k->kind == ZS_CONF_SECTION_IN });
		if (list || k->kind == ZS_CONF_SECTION_IN)
			tell(t, k->sub, sub);
	}
}

void zs_conf_reference(zs_conf_reference_fn *fn, void *ctx)
{
	struct teller t = { fn, ctx };
	tell(&t, ZS_CONF_AT_root, "");
}
