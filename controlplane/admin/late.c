#include "admin/late.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include "admin/server.h"
#include "base/clock.h"

#define RETRY_NS (2 * ZS_NS_PER_S)

static struct zs_late *late_of(struct zs_control *c)
{
	return c->admin ? &c->admin->late : NULL;
}

/* Until what waits is recorded, and until a record could be written again though nobody asks for one. */
static void retry(void *ctx)
{
	struct zs_control *c = ctx;
	struct zs_error err = { 0 };
	int rc = zs_late_settle(c, &err);

	if (rc == 0 && zs_control_raised(c, ZS_HEALTH_audit_failed)) {
		rc = zs_audit_room(c->audit, &err);
		if (rc == 0)
			zs_late_health(c, 0, NULL);
	}
	if (rc != 0)
		zs_timer_after(c->admin->late.timer, RETRY_NS);
}

int zs_late_new(struct zs_late *late, struct zs_control *c)
{
	return zs_timer_new(&late->timer, c->loop, retry, c);
}

void zs_late_delete(struct zs_late *late, struct zs_control *c)
{
	struct zs_error err = { 0 };

	if (late->waiting && zs_late_settle(c, &err) != 0)
		ZS_LOG(&c->log, AUDIT_FAILED, "lost=stop uid=%u error=\"%s\"", (unsigned)late->caller.uid,
		       err.text);
	zs_timer_delete(late->timer);
}

void zs_late_note(struct zs_control *c, const struct zs_caller *caller)
{
	struct zs_late *late = late_of(c);

	if (!late)
		return;
	if (late->waiting) {
		late->more++;
		return;
	}
	late->waiting = true;
	late->caller = *caller;
	late->more = 0;
	late->at_ns = zs_clock_wall_ns();
	zs_timer_after(late->timer, RETRY_NS);
}

static int record(struct zs_control *c, struct zs_late *late, struct zs_error *err)
{
	time_t at = (time_t)(late->at_ns / ZS_NS_PER_S);
	char when[32], reason[128];
	struct tm tm;
	int rc = zs_audit_begin(c->audit, "stop", &late->caller, NULL, late->more, err);

	if (rc != 0)
		return rc;
	strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&at, &tm));
	snprintf(reason, sizeof(reason), "set at %s, recorded late: the audit file could not be written",
		 when);
	return zs_audit_end(c->audit, "ok", reason, err);
}

int zs_late_settle(struct zs_control *c, struct zs_error *err)
{
	struct zs_late *late = late_of(c);
	int rc = c->audit
		     ? 0
		     : zs_audit_open(&c->audit, c->conf->state_dir, c->conf->admin.audit_mb, c->store, err);

	if (rc != 0 || !late || !late->waiting)
		return rc;
	rc = record(c, late, err);
	if (rc != 0)
		return rc;
	late->waiting = false;
	ZS_LOG(&c->log, AUDIT_LATE, "operation=stop uid=%u", (unsigned)late->caller.uid);
	zs_late_health(c, 0, NULL);
	return 0;
}

void zs_late_health(struct zs_control *c, int rc, const struct zs_error *err)
{
	if (rc != 0) {
		zs_health_raise(c->health, ZS_HEALTH_audit_failed, "%s: %s", strerror(-rc), err->text);
		ZS_LOG(&c->log, AUDIT_FAILED, "error=\"%s\"", err->text);
		if (late_of(c))
			zs_timer_after(late_of(c)->timer, RETRY_NS);
	} else {
		zs_health_clear(c->health, ZS_HEALTH_audit_failed);
	}
	if (c->audit && zs_audit_broken(c->audit))
		zs_health_raise(c->health, ZS_HEALTH_audit_broken, "%s", zs_audit_broken(c->audit));
}
