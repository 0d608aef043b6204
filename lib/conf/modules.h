/* Which modules a PoP runs: lib/defs/modules.def by the roles of a configuration. Pure functions. */
#ifndef ZS_CONF_MODULES_H
#define ZS_CONF_MODULES_H

#include <stdbool.h>
#include "base/error.h"

struct zs_conf;

enum zs_role {
#define ZS_ROLE(name, on, text) ZS_ROLE_##name,
#include "defs/modules.def"
#undef ZS_ROLE
	ZS_ROLES
};

enum zs_module {
	ZS_MODULE_none, /* of a command: what every PoP has */
#define ZS_MODULE(name, roles, built, text) ZS_MODULE_##name,
#include "defs/modules.def"
#undef ZS_MODULE
	ZS_MODULES
};

enum zs_memory {
#define ZS_BUDGET(name, mb, text) ZS_MEMORY_##name,
#include "defs/modules.def"
#undef ZS_BUDGET
	ZS_MEMORIES
};

const char *zs_role_name(enum zs_role r);
const char *zs_role_text(enum zs_role r);

const char *zs_module_name(enum zs_module m);
const char *zs_module_text(enum zs_module m);
bool zs_module_built(enum zs_module m);
bool zs_module_wanted_by(enum zs_module m, enum zs_role r);

/* The module whose memory it is. */
enum zs_module zs_memory_module(enum zs_memory m);

static inline const char *zs_memory_name(enum zs_memory m)
{
	return zs_module_name(zs_memory_module(m));
}

/* Does a PoP of that configuration run it? ZS_MODULE_none is always on. */
bool zs_module_on(const struct zs_conf *conf, enum zs_module m);
/* 0, or -EOPNOTSUPP (exit MODULE_OFF): it is off, and what would switch it on. */
int zs_module_need(const struct zs_conf *conf, enum zs_module m, struct zs_error *err);
/* What switches it on, for people: "set roles.relay to true and restart the relay". */
#define ZS_MODULE_REMEDY 128
const char *zs_module_remedy(enum zs_module m, char buf[ZS_MODULE_REMEDY]);

#endif
