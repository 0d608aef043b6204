/* Rows of health.def, exits.def, drops.def and modules.def, with what explain.def adds. */
#include "cli/explain.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>
#include "base/check.h"
#include "base/error.h"
#include "conf/modules.h"
#include "shm/health.h"
#include "shm/state.h"

static const struct {
	const char *cause, *meanwhile;
} health[ZS_HEALTHS] = {
#define ZS_EXPLAIN_HEALTH(name, cause, meanwhile) [ZS_HEALTH_##name] = { cause, meanwhile },
#include "defs/explain.def"
#undef ZS_EXPLAIN_HEALTH
};

static const int exits[] = {
#define ZS_EXIT(name, value, text) value,
#include "defs/exits.def"
#undef ZS_EXIT
};

static const char *const exit_actions[] = {
#define ZS_EXPLAIN_EXIT(name, action) [ZS_EXIT_##name] = action,
#include "defs/explain.def"
#undef ZS_EXPLAIN_EXIT
};

static void of_health(enum zs_health h, struct zs_page *out)
{
	const struct zs_health_info *info = zs_health_info(h);

	*out = (struct zs_page){ .kind = ZS_PAGE_HEALTH,
				 .heading = "health code",
				 .name = info->name,
				 .severity = info->severity == ZS_HEALTH_ERROR ? "error" : "warn",
				 .text = info->text,
				 .cause = health[h].cause,
				 .meanwhile = health[h].meanwhile };
	snprintf(out->code, sizeof(out->code), "%s", info->code);
	snprintf(out->action, sizeof(out->action), "%s", info->action);
}

static void of_exit(int status, struct zs_page *out)
{
	*out = (struct zs_page){ .kind = ZS_PAGE_EXIT,
				 .heading = "exit status",
				 .name = zs_exit_name(status),
				 .text = zs_exit_text(status) };
	snprintf(out->code, sizeof(out->code), "%d", status);
	if ((size_t)status < ZS_ARRAY_LEN(exit_actions) && exit_actions[status])
		snprintf(out->action, sizeof(out->action), "%s", exit_actions[status]);
}

static void of_drop(enum zs_drop d, struct zs_page *out)
{
	*out = (struct zs_page){ .kind = ZS_PAGE_DROP,
				 .heading = "drop reason",
				 .name = zs_drop_name(d),
				 .text = zs_drop_text(d) };
	snprintf(out->code, sizeof(out->code), "%s", zs_drop_name(d));
	snprintf(out->action, sizeof(out->action),
		 "zsctl show drops counts it; zsctl trace FILE --drop %s writes such packets into a file",
		 zs_drop_name(d));
}

/* A role is had with all its modules or not at all. */
static void of_role(enum zs_role r, struct zs_page *out)
{
	const char *lacks = NULL;
	char names[160] = "";

	for (int m = ZS_MODULE_none + 1; m < ZS_MODULES; m++) {
		size_t n = strlen(names);

		if (!zs_module_wanted_by((enum zs_module)m, r))
			continue;
		snprintf(names + n, sizeof(names) - n, "%s%s", n ? ", " : "",
			 zs_module_name((enum zs_module)m));
		if (!lacks && !zs_module_built((enum zs_module)m))
			lacks = zs_module_name((enum zs_module)m);
	}
	*out = (struct zs_page){
		.kind = ZS_PAGE_ROLE, .heading = "role", .name = zs_role_name(r), .text = zs_role_text(r)
	};
	snprintf(out->code, sizeof(out->code), "%s", zs_role_name(r));
	if (lacks)
		snprintf(out->action, sizeof(out->action),
			 "Nothing: this build has no module %s. Modules: %s", lacks, names);
	else
		snprintf(out->action, sizeof(out->action),
			 "roles.%s: true switches it on, false off, with a restart. Modules: %s",
			 zs_role_name(r), names);
}

static void of_module(enum zs_module m, struct zs_page *out)
{
	char remedy[ZS_MODULE_REMEDY];

	*out = (struct zs_page){
		.kind = ZS_PAGE_MODULE,
		.heading = "module",
		.name = zs_module_name(m),
		.text = zs_module_text(m),
		.meanwhile = "While it is off its commands end with status 12, and it takes no "
			     "memory, timer, socket or protocol."
	};
	snprintf(out->code, sizeof(out->code), "%s", zs_module_name(m));
	snprintf(out->action, sizeof(out->action), "To switch it on: %s", zs_module_remedy(m, remedy));
}

bool zs_page_at(unsigned i, struct zs_page *out)
{
	if (i < ZS_HEALTHS) {
		of_health((enum zs_health)i, out);
		return true;
	}
	i -= ZS_HEALTHS;
	if (i < ZS_ARRAY_LEN(exits)) {
		of_exit(exits[i], out);
		return true;
	}
	i -= (unsigned)ZS_ARRAY_LEN(exits);
	if (i < ZS_DROPS) {
		of_drop((enum zs_drop)i, out);
		return true;
	}
	i -= ZS_DROPS;
	if (i < ZS_ROLES) {
		of_role((enum zs_role)i, out);
		return true;
	}
	i -= ZS_ROLES - 1; /* ZS_MODULE_none has no page */
	if (i >= ZS_MODULES)
		return false;
	of_module((enum zs_module)i, out);
	return true;
}

bool zs_page_find(const char *word, unsigned *i, struct zs_page *out)
{
	while (zs_page_at((*i)++, out))
		if (strcasecmp(word, out->code) == 0 || strcasecmp(word, out->name) == 0)
			return true;
	return false;
}
