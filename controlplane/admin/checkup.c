#include "admin/checkup.h"

#include <errno.h>
#include "admin/server.h"
#include "base/clock.h"

#define PAUSE_NS                                                                                             \
	(8 *                                                                                                 \
	 ZS_NS_PER_MS) /* between steps: a fifth of the loop's time, 2 s for all files at their default size */
#define AGAIN_NS (1 * ZS_NS_PER_S) /* there is no file yet, or somebody else checks */
#define EVERY_NS (24 * 3600 * ZS_NS_PER_S)

void zs_checkup_tell(struct zs_control *c, const struct zs_audit_report *report)
{
	if (!report->ok)
		zs_control_raise(c, ZS_HEALTH_audit_broken, "%s", report->text);
	else if (!zs_audit_broken(c->audit))
		zs_control_clear(c, ZS_HEALTH_audit_broken);
}

static void end(struct zs_checkup *u)
{
	zs_audit_check_delete(u->check);
	u->check = NULL;
}

/* When to go on. */
static uint64_t step(struct zs_checkup *u)
{
	struct zs_audit_report report;
	struct zs_error err = { 0 };
	int rc;

	if (!u->check && (!u->c->audit || zs_audit_check_new(&u->check, u->c->audit, NULL) != 0))
		return AGAIN_NS;
	rc = zs_audit_check_step(u->check, ZS_CHECKUP_STEP_NS, &report, &err);
	if (rc == -EINPROGRESS)
		return PAUSE_NS;
	end(u);
	if (rc != 0)
		ZS_LOG(&u->c->log, AUDIT_FAILED, "error=\"%s\"", err.text);
	else
		zs_checkup_tell(u->c, &report);
	return EVERY_NS;
}

static void turn(void *ctx)
{
	struct zs_checkup *u = ctx;

	zs_timer_after(u->timer, step(u));
}

int zs_checkup_new(struct zs_checkup *u, struct zs_control *c)
{
	int rc = zs_timer_new(&u->timer, c->loop, turn, u);

	u->c = c;
	if (rc == 0)
		zs_timer_after(u->timer, 1);
	return rc;
}

void zs_checkup_delete(struct zs_checkup *u)
{
	end(u);
	zs_timer_delete(u->timer);
}

void zs_checkup_yield(struct zs_control *c)
{
	struct zs_checkup *u = c->admin ? &c->admin->checkup : NULL;

	if (!u || !u->check)
		return;
	end(u);
	zs_timer_after(u->timer, AGAIN_NS);
}
