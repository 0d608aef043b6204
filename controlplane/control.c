/* What concerns more than one module: applying a configuration, health with a log. */
#include "control.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include "attach/attach.h"
#include "base/check.h"
#include "base/clock.h"
#include "netlink.h"
#include "peers/peers.h"
#include "lists.h"
#include "program.h"
#include "store.h"

bool zs_control_raised(const struct zs_control *c, enum zs_health h)
{
	struct zs_health_cell cell;

	zs_health_read(c->health, h, &cell);
	return cell.raised;
}

void zs_control_raise(struct zs_control *c, enum zs_health h, const char *fmt, ...)
{
	const struct zs_health_info *info = zs_health_info(h);
	bool before = zs_control_raised(c, h);
	char detail[sizeof(c->health[0].detail)];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(detail, sizeof(detail), fmt, ap);
	va_end(ap);
	zs_health_raise(c->health, h, "%s", detail);
	if (!before)
		ZS_LOG(&c->log, HEALTH_RAISED, "health=%s name=%s detail=\"%s\" action=\"%s\"", info->code,
		       info->name, detail, info->action);
}

void zs_control_clear(struct zs_control *c, enum zs_health h)
{
	const struct zs_health_info *info = zs_health_info(h);

	if (!zs_control_raised(c, h))
		return;
	zs_health_clear(c->health, h);
	ZS_LOG(&c->log, HEALTH_CLEARED, "health=%s name=%s", info->code, info->name);
}

static int tell_written(struct zs_control *c, int rc, const struct zs_error *why, struct zs_error *err)
{
	if (!rc) {
		zs_control_clear(c, ZS_HEALTH_store_failed);
		return 0;
	}
	zs_control_raise(c, ZS_HEALTH_store_failed, "%s", rc == -ENOSPC ? "disk full" : strerror(-rc));
	ZS_LOG(&c->log, STORE_FAILED, "error=\"%s\"", why->text);
	if (err)
		*err = *why;
	return rc;
}

int zs_control_commit(struct zs_control *c, struct zs_store_batch *b, struct zs_error *err)
{
	struct zs_error why = { 0 };
	int rc = zs_store_commit(b, &why);

	return tell_written(c, rc, &why, err);
}

int zs_control_write(struct zs_control *c, struct zs_store_batch *b, struct zs_error *err)
{
	struct zs_error why = { 0 };
	int rc;

	if (zs_control_raised(c, ZS_HEALTH_store_failed))
		return zs_control_commit(c, b, err);
	rc = zs_store_write(b, &why);
	return rc ? tell_written(c, rc, &why, err) : 0;
}

/* --- memory --- */

void zs_control_budgets(struct zs_control *c)
{
#define ZS_BUDGET(name, mb, text)                                                                            \
	c->memory[ZS_MEMORY_##name].limit = (uint64_t)c->conf->memory.name##_mb << 20;
#include "defs/modules.def"
#undef ZS_BUDGET
}

int zs_control_no_memory(struct zs_control *c, enum zs_memory m, struct zs_error *err)
{
	const struct zs_budget *b = &c->memory[m];

	return zs_error_set(err, -ENOMEM, ZS_EXIT_REFUSED,
			    "no memory for %s: %lu of %lu KiB are used; raise memory.%s_mb",
			    zs_memory_name(m), b->used >> 10, b->limit >> 10, zs_memory_name(m));
}

/* --- apply --- */

static void note_restart(void *ctx, const char *key, const char *old, const char *new, bool restart)
{
	char *first = ctx;

	if (restart && !first[0])
		snprintf(first, 64, "%s", key);
}

static int refuse(struct zs_control *c, const struct zs_error *why, struct zs_error *err)
{
	zs_control_raise(c, ZS_HEALTH_config_rejected, "%s", why->text);
	if (err)
		*err = *why;
	return why->code;
}

static void set_log_levels(struct zs_control *c, const struct zs_conf *old, const struct zs_conf *next)
{
	if (strcmp(old->log.level, next->log.level)) /* levels set at run time survive otherwise */
		ZS_CHECK(!zs_log_set_level(&c->log, NULL, next->log.level),
			 "a level the configuration knows");
}

/* The program follows `next` already; all others do now. */
static void adopt(struct zs_control *c, struct zs_conf *next)
{
	struct zs_conf *old = c->conf;

	c->conf = next;
	zs_control_budgets(c);
	set_log_levels(c, old, next);
	if (c->program)
		zs_program_log_levels(c->program);
	if (c->lists)
		zs_lists_apply(c->lists);
	free(old);
	if (c->netlink)
		zs_netlink_refresh(c->netlink);
	if (c->attach)
		zs_attach_apply(c->attach, zs_loop_now(c->loop));
	if (c->peers)
		zs_peers_apply(c->peers);
	zs_control_clear(c, ZS_HEALTH_config_rejected);
	ZS_LOG(&c->log, CONFIG_LOADED, "path=%s publishes=%u", c->conf_path, next->publishes);
}

int zs_control_apply(struct zs_control *c, struct zs_conf *next, struct zs_error *err)
{
	struct zs_error why = { 0 };
	char key[64] = "";

	if (c->drain.state != ZS_SERVING)
		zs_error_set(&why, -EBUSY, ZS_EXIT_REFUSED,
			     "the relay is draining; lift that first (zsctl undrain)");
	zs_conf_diff(c->conf, next, note_restart, key);
	if (!why.code && key[0])
		zs_error_set(&why, -EBUSY, ZS_EXIT_REFUSED,
			     "%s changed, which wants a restart of both processes", key);
	if (!why.code)
		zs_attach_conf_check(next, &why);
	if (!why.code)
		zs_peers_conf_check(next, &why);
	if (!why.code && c->program)
		zs_program_apply(c->program, next, &why);
	if (why.code)
		return refuse(c, &why, err);
	adopt(c, next);
	return 0;
}

int zs_control_go_back(struct zs_control *c, struct zs_conf *back, struct zs_error *err)
{
	int rc = c->program ? zs_program_go_back(c->program, back, err) : 0;

	if (rc == 0)
		adopt(c, back);
	return rc;
}
