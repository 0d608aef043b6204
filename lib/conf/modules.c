/* A module is on when one of its roles is. The libp2p host is of every role, so an address to listen at is what switches it. */
#include <errno.h>
#include <stdio.h>
#include "base/check.h"
#include "conf/conf.h"

static const struct {
	const char *name, *text;
} roles[ZS_ROLES] = {
#define ZS_ROLE(name, on, text) [ZS_ROLE_##name] = { #name, text },
#include "defs/modules.def"
#undef ZS_ROLE
};

static const struct {
	const char *name, *text;
	uint32_t roles; /* by 1 << enum zs_role */
	bool built;
} modules[ZS_MODULES] = {
	[ZS_MODULE_none] = { .name = "none", .text = "", .built = true },
#define FOR(role)			    (1u << ZS_ROLE_##role)
#define BUILT(b)			    b
#define ZS_MODULE(name, roles, built, text) [ZS_MODULE_##name] = { #name, text, roles, built },
#include "defs/modules.def"
#undef ZS_MODULE
#undef BUILT
#undef FOR
};

const char *zs_role_name(enum zs_role r)
{
	return roles[r].name;
}

const char *zs_role_text(enum zs_role r)
{
	return roles[r].text;
}

const char *zs_module_name(enum zs_module m)
{
	return modules[m].name;
}

const char *zs_module_text(enum zs_module m)
{
	return modules[m].text;
}

bool zs_module_built(enum zs_module m)
{
	return modules[m].built;
}

bool zs_module_wanted_by(enum zs_module m, enum zs_role r)
{
	return modules[m].roles & 1u << r;
}

enum zs_module zs_memory_module(enum zs_memory m)
{
	static const enum zs_module of[ZS_MEMORIES] = {
#define ZS_BUDGET(name, mb, text) [ZS_MEMORY_##name] = ZS_MODULE_##name,
#include "defs/modules.def"
#undef ZS_BUDGET
	};

	return of[m];
}

bool zs_module_on(const struct zs_conf *conf, enum zs_module m)
{
	if (m == ZS_MODULE_none)
		return true;
	if (m == ZS_MODULE_p2p && !conf->p2p.listens)
		return false;
	for (int r = 0; r < ZS_ROLES; r++)
		if (conf->roles[r] && zs_module_wanted_by(m, (enum zs_role)r))
			return modules[m].built;
	return false;
}

const char *zs_module_remedy(enum zs_module m, char buf[ZS_MODULE_REMEDY])
{
	size_t n = 0;

	if (!modules[m].built) {
		snprintf(buf, ZS_MODULE_REMEDY, "this build has it not");
		return buf;
	}
	if (m == ZS_MODULE_p2p) {
		snprintf(buf, ZS_MODULE_REMEDY, "name an address in p2p.listen and restart the relay");
		return buf;
	}
	for (int r = 0; r < ZS_ROLES; r++)
		if (zs_module_wanted_by(m, (enum zs_role)r))
			n += (size_t)snprintf(buf + n, ZS_MODULE_REMEDY - n, "%s roles.%s", n ? " or" : "set",
					      roles[r].name);
	ZS_CHECK(n < ZS_MODULE_REMEDY, "roles of %s", modules[m].name);
	snprintf(buf + n, ZS_MODULE_REMEDY - n, " to true and restart the relay");
	return buf;
}

int zs_module_need(const struct zs_conf *conf, enum zs_module m, struct zs_error *err)
{
	char remedy[ZS_MODULE_REMEDY];

	if (zs_module_on(conf, m))
		return 0;
	return zs_error_set(err, -EOPNOTSUPP, ZS_EXIT_MODULE_OFF, "the module %s is off: %s", modules[m].name,
			    zs_module_remedy(m, remedy));
}
