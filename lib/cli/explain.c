/* Rows of health.def, exits.def and drops.def, with what explain.def adds. */
#include "cli/explain.h"

#include <stdio.h>
#include <strings.h>
#include "base/check.h"
#include "base/error.h"
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
	if (i >= ZS_DROPS)
		return false;
	of_drop((enum zs_drop)i, out);
	return true;
}

bool zs_page_find(const char *word, unsigned *i, struct zs_page *out)
{
	while (zs_page_at((*i)++, out))
		if (strcasecmp(word, out->code) == 0 || strcasecmp(word, out->name) == 0)
			return true;
	return false;
}
